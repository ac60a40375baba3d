//! One sender as the gateway knows it: how it signs, what its events are called, how it retries, what it wants to hear.

use std::time::Duration;

use crate::time::Tolerance;
use crate::verify::{Algorithm, EventSpec, Locator, Part, Pointer, Scheme};

use super::challenge::Challenge;
use super::key_source::KeySource;

/// One sender. Made from YAML by [`Provider::read`], by which catalogue files and an operator's own entries are read alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The name that routes use, such as `bella-baxter`.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// Where the sender describes its webhooks; empty if nowhere public.
    pub docs: String,
    /// How sure we are of the scheme.
    pub confidence: Confidence,
    /// Where the scheme was read, in one line.
    pub source: String,
    /// Traps worth telling whoever sets up a route.
    pub notes: Vec<String>,
    /// The methods it delivers with, upper case, never empty.
    pub methods: Vec<String>,
    /// How it signs.
    pub scheme: Scheme,
    /// Where it publishes the keys of its signatures; `None` where the operator is given one.
    pub keys: Option<KeySource>,
    /// What each route has to say beside its secrets: a webhook's id, an app's key.
    pub settings: Vec<Setting>,
    /// The window for its signed send time; `None` where it signs none.
    pub tolerance: Option<Tolerance>,
    /// Where its events carry id and type, and the key under which they are remembered.
    pub event: EventSpec,
    /// Whether the id is part of what is signed, so that it can be trusted as a key.
    pub id_signed: bool,
    /// How it retries.
    pub retry: Retry,
    /// For the upstream's whole answer: less than the sender waits.
    pub upstream_timeout: Duration,
    /// Whether its events can be told apart, so that one that was accepted is recognised when it comes again.
    pub dedupe: bool,
    /// How long an accepted event is remembered: longer than the sender retries.
    pub dedupe_ttl: Duration,
    /// What happens when the store cannot be asked.
    pub on_store_error: OnStoreError,
    /// The status of a refusal.
    pub refusal_status: u16,
    /// The answer this sender insists on where we answer ourselves.
    pub reply: Option<Reply>,
    /// The handshakes it performs.
    pub challenges: Vec<Challenge>,
    /// Where its events hold what should not be shown in a journal.
    pub redact: Vec<Locator>,
}

/// Something that a route has to say beside its secrets and that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// What it is, for people.
    pub meaning: String,
    /// Where a delivery says it as well. Whoever only explains a delivery may take it from there; a gateway may not,
    /// because everybody's deliveries say their own.
    pub shown_at: Option<Pointer>,
}

/// Why the settings of a route do not fit its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingError {
    /// One is needed and not given.
    Missing {
        /// Its name.
        name: String,
        /// What it is.
        meaning: String,
    },
    /// One is given that this provider does not ask for.
    Unknown {
        /// Its name.
        name: String,
    },
}

impl Provider {
    /// Whether it proves itself by HTTP Basic.
    #[must_use]
    pub fn asks_for_a_password(&self) -> bool {
        self.scheme.alternatives.iter().any(|form| form.algorithm == Algorithm::Basic)
    }

    /// The provider as a route with these settings sees it.
    ///
    /// # Errors
    /// Every setting that is missing or that nobody asked for.
    pub fn with_settings(&self, given: &[(String, String)]) -> Result<Self, Vec<SettingError>> {
        let asked = |name: &str| self.settings.iter().any(|asked| asked.name == name);
        let value =
            |name: &str| given.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
        let missing = self.settings.iter().filter(|setting| value(&setting.name).is_none());
        let missing = missing.map(|setting| SettingError::Missing {
            name: setting.name.clone(),
            meaning: setting.meaning.clone(),
        });
        let unknown = given.iter().filter(|(name, _)| !asked(name));
        let unknown = unknown.map(|(name, _)| SettingError::Unknown { name: name.clone() });
        let errors: Vec<_> = missing.chain(unknown).collect();
        if errors.is_empty() {
            Ok(Self {
                scheme: self.scheme.with_settings(&|name| value(name).map(Part::Literal)),
                keys: self.keys.as_ref().map(|keys| keys.with_settings(&value)),
                ..self.clone()
            })
        } else {
            Err(errors)
        }
    }
}

impl Provider {
    /// The provider with every setting that is not given taken from the delivery itself, where it is shown there.
    /// Only for explaining: it says nothing of whose delivery it is.
    #[must_use]
    pub fn with_shown_settings(&self, given: &[(String, String)]) -> Self {
        let not_given = |setting: &&Setting| given.iter().all(|(name, _)| *name != setting.name);
        let shown = |name: &str| {
            let setting = self.settings.iter().filter(not_given).find(|setting| setting.name == name)?;
            setting.shown_at.clone().map(Part::Json)
        };
        let settings = self.settings.iter().filter(|setting| shown(&setting.name).is_none());
        Self {
            scheme: self.scheme.with_settings(&shown),
            settings: settings.cloned().collect(),
            ..self.clone()
        }
    }
}

impl std::fmt::Display for SettingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing { name, meaning } => {
                write!(
                    f,
                    "this sender needs the setting `{name}` ({meaning}): write `settings: {{ {name}: … }}`"
                )
            }
            Self::Unknown { name } => write!(f, "this sender asks for no setting `{name}`"),
        }
    }
}

impl std::error::Error for SettingError {}

/// How sure we are that a scheme is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// An operator's own entry.
    Own,
    /// Somebody else's reading of the sender's documents.
    SecondHand,
    /// The sender's own documents or source were read.
    Documented,
    /// It was run against the sender's SDK or an answer the sender publishes.
    Verified,
}

/// When and why a sender tries again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// The pauses between attempts, each counted from the one before. Empty if unknown or none.
    pub delays: Vec<Duration>,
    /// How long it goes on trying, where only that is known.
    pub span: Option<Duration>,
    /// How long it waits for an answer.
    pub timeout: Option<Duration>,
    /// What it retries on, in words: `5xx`, `timeout`, a status, or `failure` for anything but success.
    pub on: Vec<String>,
    /// Whether it never tries again.
    pub never: bool,
}

/// An answer that a sender insists on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The content type; none for an empty body.
    pub content_type: Option<String>,
    /// The body.
    pub body: String,
}

/// What happens to a delivery when the dedupe store cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreError {
    /// It is refused with a status on which the sender tries again.
    #[default]
    Refuse,
    /// It is checked against this gateway's memory alone.
    Memory,
    /// It is forwarded unchecked.
    Pass,
}

impl Confidence {
    /// The word used in files and lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::SecondHand => "second-hand",
            Self::Documented => "documented",
            Self::Verified => "verified",
        }
    }
}

impl OnStoreError {
    /// Every word of the configuration for this type.
    pub const WORDS: &'static [&'static str] = &["refuse", "memory", "pass"];

    /// The word used in files and lists.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Memory => "memory",
            Self::Pass => "pass",
        }
    }
}
