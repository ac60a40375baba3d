//! The admin address: the operator's page, health, readiness, metrics, the journal, and what the running configuration is.
//! No answer of it contains a secret: it is given none but the token, and of that only the digest is kept. What a first contact brought
//! is shown because nobody but the operator can make it one.

mod answer;
mod deliveries;
mod export;
mod guard;
mod long;
mod page;
mod query;
mod service;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;

pub use self::answer::AdminAnswer;
pub use self::deliveries::DedupeQuestion;
use self::guard::Token;
pub use self::service::AdminApp;
use crate::journal::{Filter, Found, Journal, cursor, from_cursor};
use crate::metrics::{Gauges, Metrics};
use crate::secret::Secret;
use crate::time::UnixTime;
use crate::verify::Locator;

/// What the running gateway tells about itself. Calls may block.
pub trait Status: Send + Sync {
    /// Whether it takes deliveries: configured, store reachable, not leaving.
    ///
    /// # Errors
    /// Why it does not, one sentence each.
    fn ready(&self) -> Result<(), Vec<String>>;

    /// What is measured now.
    fn gauges(&self) -> Gauges;

    /// The routes in force, with their derived defaults and without secrets.
    fn routes(&self) -> Value;

    /// The secrets that senders' first contacts brought and that nobody has put into the configuration yet.
    fn first_contacts(&self) -> Value;

    /// The configuration in force: its hash, when it was loaded, the last error, what needs a restart.
    fn config(&self) -> Value;

    /// Loads the configuration anew and tells what came of it.
    ///
    /// # Errors
    /// Why the new configuration is not in force.
    fn reload(&self) -> Result<Value, String>;

    /// The journal.
    fn journal(&self) -> Journal {
        Journal::off()
    }

    /// What the configuration in force does not want shown of a route's requests.
    fn redact(&self, _route: &str) -> Vec<Locator> {
        Vec::new()
    }

    /// Why a kept delivery verifies or not.
    ///
    /// # Errors
    /// Why that cannot be told.
    fn explain(&self, _found: &Found) -> Result<Value, Refused> {
        Err(Refused::unable())
    }

    /// Verifies a refused delivery anew and forwards it.
    ///
    /// # Errors
    /// Why it was not tried.
    fn release(&self, _found: &Found) -> Result<Value, Refused> {
        Err(Refused::unable())
    }

    /// Releases all refused deliveries that the filter wants, in the order of their reception.
    ///
    /// # Errors
    /// Why none was tried.
    fn release_all(&self, _filter: &Filter, _part: &ReleasePart) -> Result<Value, Refused> {
        Err(Refused::unable())
    }

    /// Sends a verified delivery to the upstream once more.
    ///
    /// # Errors
    /// Why it was not tried.
    fn redeliver(&self, _found: &Found) -> Result<Value, Refused> {
        Err(Refused::unable())
    }

    /// What the dedupe store knows of an event.
    ///
    /// # Errors
    /// Why that cannot be told.
    fn dedupe(&self, _question: &DedupeQuestion) -> Result<Value, Refused> {
        Err(Refused::unable())
    }

    /// Makes the dedupe store forget an event.
    ///
    /// # Errors
    /// Why it was not forgotten.
    fn forget(&self, _question: &DedupeQuestion) -> Result<Value, Refused> {
        Err(Refused::unable())
    }
}

/// Which of the deliveries that a release of many is for one call takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePart {
    /// Those that an earlier call left; without it, all that are there now.
    pub rest: Option<ReleaseRest>,
    /// How many are tried at most.
    pub limit: usize,
}

/// A place in the order of reception: times alone are not enough, as many come within a millisecond.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleasePlace {
    /// When a delivery was received.
    pub received: UnixTime,
    /// Its id. Those of one process are in the order of reception.
    pub id: String,
}

/// What a release in parts has not tried yet: what came after its first call is none of it, or it would never end on a route on which
/// refused deliveries go on coming.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRest {
    /// Those up to this number.
    pub last: u64,
    /// Those received before.
    pub until: Option<UnixTime>,
    /// Those behind this place.
    pub after: ReleasePlace,
}

impl fmt::Display for ReleaseRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = self.until.map(|until| until.millis().to_string()).unwrap_or_default();
        let ReleasePlace { received, id } = &self.after;
        write!(f, "{}.{until}.{}.{id}", cursor(self.last), received.millis())
    }
}

impl FromStr for ReleaseRest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let time = |text: &str| text.parse().map(UnixTime::from_millis).map_err(drop);
        let mut parts = text.splitn(4, '.');
        let mut next = || parts.next().ok_or(());
        let last = from_cursor(next()?).ok_or(())?;
        let until = Some(next()?).filter(|until| !until.is_empty()).map(time).transpose()?;
        let after = ReleasePlace { received: time(next()?)?, id: next()?.to_owned() };
        Ok(Self { last, until, after })
    }
}

/// Why something is not done: the status and one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub u16, pub String);

impl Refused {
    fn unable() -> Self {
        Self(503, "this gateway cannot do that".to_owned())
    }
}

/// Answers the requests of whoever operates the gateway.
pub struct Admin {
    status: Arc<dyn Status>,
    metrics: Arc<Metrics>,
    token: Option<Token>,
    exports: Arc<Semaphore>,
}

impl Admin {
    /// With a `token` every request but a probe has to carry it. Without one the address must be a loopback
    /// one.
    #[must_use]
    pub fn new(status: Arc<dyn Status>, metrics: Arc<Metrics>, token: Option<&Secret>) -> Self {
        Self { status, metrics, token: token.map(Token::new), exports: export::room() }
    }
}

/// The admin address as a Pingora app.
#[must_use]
pub fn app(status: Arc<dyn Status>, metrics: Arc<Metrics>, token: Option<Secret>) -> AdminApp {
    AdminApp(Arc::new(Admin::new(status, metrics, token.as_ref())))
}

#[cfg(test)]
mod tests;
