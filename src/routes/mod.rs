//! Routes: which requests are ours, what verifies them, and where they go.
//!
//! A [`RouteTable`] is immutable and swapped whole at a reload; requests in flight keep the one they started with.

mod events;
mod pattern;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod trust;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

pub use events::EventFilter;
pub use pattern::{Host, PathPattern};
pub use table::{Found, RouteTable};
pub use target::{TargetProblem, path_problem};
pub use trust::{ClientCertificate, Trust};
pub use upstream::{Upstream, UpstreamAddress};

use crate::catalog::{KeySource, Provider};
use crate::secret::{Lifetime, NamedSecret, Secret};
use crate::time::Tolerance;
use crate::verify::{Keys, Locator};

pub use crate::catalog::OnStoreError;

/// One route with everything that follows from its provider already decided.
#[derive(Clone, Debug)]
pub struct Route {
    /// The operator's name for it: a metric label, a log field, `sealpost-route`.
    pub name: String,
    /// The host it is for; `None` for every host.
    pub host: Option<Host>,
    /// The path it is for.
    pub path: PathPattern,
    /// The methods of deliveries, upper case, never empty.
    pub methods: Vec<String>,
    /// Methods that are only let through for the provider's handshake, such as `GET`.
    pub challenge_methods: Vec<String>,
    /// How its sender signs; `None` for `provider: none`, which lets everything through.
    pub provider: Option<Arc<Provider>>,
    /// The prepared secrets.
    pub keys: Keys,
    /// Where its keys are fetched; `None` where `keys` are all it has.
    pub key_source: Option<KeySource>,
    /// The bearer token with which they are fetched.
    pub key_token: Option<Secret>,
    /// The secrets' names in the order of `keys`: the operator's own, otherwise `0`, `1`, ….
    pub secret_names: Vec<String>,
    /// When each of them counts; none for a key that is fetched.
    pub secret_lifetimes: Vec<Lifetime>,
    /// Where verified requests go.
    pub upstream: Upstream,
    /// How it and the gateway trust each other.
    pub trust: Trust,
    /// The window for a signed send time; `None` when the sender signs none or the operator wrote `off`.
    pub tolerance: Option<Tolerance>,
    /// How repeated events are recognised; `None` for `off`.
    pub dedupe: Option<Dedupe>,
    /// Which event types are forwarded.
    pub events: EventFilter,
    /// For the upstream's whole answer.
    pub timeout: Duration,
    /// The largest body in bytes.
    pub body: u64,
    /// Whether refusals are refused.
    pub mode: Mode,
    /// Scheme, host and port the sender was given, for senders that sign their URL. `None`: taken from the request.
    pub public_url: Option<String>,
    /// What the sender's GET handshake has to present, any of them (`hub.verify_token` of Meta and others).
    pub verify_tokens: Vec<NamedSecret>,
    /// The secrets as they were given, in the order of `keys`, for explaining a refusal.
    pub secrets: Vec<NamedSecret>,
    /// What the journal keeps of its requests.
    pub journal: Keep,
}

/// How repeated events of a route are recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dedupe {
    /// The parts that together identify an event.
    pub key: Vec<Locator>,
    /// How long an accepted event is remembered.
    pub ttl: Duration,
    /// What happens to a request when the store cannot be asked.
    pub on_store_error: OnStoreError,
}

/// What the journal keeps of a route's requests beside what was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Whose headers and bodies.
    pub bodies: KeptBodies,
    /// Places whose values are never shown.
    pub redact: Vec<Locator>,
}

/// Whose headers and bodies the journal keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptBodies {
    /// Nobody's.
    #[default]
    None,
    /// Those of whatever did not get through, or would not have in shadow mode.
    Refused,
    /// Everybody's.
    All,
}

impl KeptBodies {
    /// How they are written.
    pub const WORDS: &[&str] = &["none", "refused", "all"];

    /// How it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Refused => "refused",
            Self::All => "all",
        }
    }
}

/// Whether a route refuses what does not verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    #[default]
    Enforce,
    /// It forwards everything, and counts and logs what it would have refused.
    Shadow,
}

/// What a method is good for on a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodUse {
    /// Deliveries.
    Delivery,
    /// The provider's handshake and nothing else: such a request is never forwarded.
    ChallengeOnly,
    /// Nothing.
    No,
}

impl Route {
    /// What `method` (upper case, as received) is good for here.
    #[must_use]
    pub fn accepts_method(&self, method: &str) -> MethodUse {
        let among = |methods: &[String]| methods.iter().any(|known| known == method);
        if among(&self.methods) {
            MethodUse::Delivery
        } else if among(&self.challenge_methods) {
            MethodUse::ChallengeOnly
        } else {
            MethodUse::No
        }
    }

    /// The value of `Allow`: the delivery methods, then those of the handshake.
    #[must_use]
    pub fn allow(&self) -> String {
        let challenges = self.challenge_methods.iter().filter(|method| !self.methods.contains(method));
        self.methods.iter().chain(challenges).map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The target for the upstream: a base path replaces the matched path, `/*` appends the rest, the query stays.
    ///
    /// `target` is path and query as received and must match this route.
    #[must_use]
    pub fn upstream_target(&self, target: &str) -> String {
        let Some(base) = &self.upstream.base_path else { return target.to_owned() };
        let path_end = target.find('?').unwrap_or(target.len());
        let (path, query) = target.split_at(path_end);
        match self.path.rest(path) {
            Some(rest) => format!("{}{rest}{query}", base.trim_end_matches('/')),
            None => format!("{base}{query}"),
        }
    }
}
