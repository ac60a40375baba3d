//! One decision as the journal holds it: what a request came to, in as few bytes as that takes.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;

use super::kept::KeptPlace;
use super::outcome::{Again, DedupeVerdict, Outcome};
use crate::admit::{Reason, WasVerified};
use crate::catalog::Retry;
use crate::time::UnixTime;
use crate::verify::{EventKey, Locator};

/// The longest event id, event type, path or `why` that is taken down, in bytes.
const LONGEST: usize = 512;

/// What all decisions on a route share under one configuration.
#[derive(Debug, Default)]
pub struct About {
    /// The route's name; `None` where none matched.
    pub route: Option<Box<str>>,
    /// The provider's name, `none` without one.
    pub sender: Option<Box<str>>,
    /// The secrets' names in the order of the file.
    pub secrets: Vec<Box<str>>,
    /// When the sender tries again.
    pub retry: Option<Retry>,
    /// The hash of the configuration in force.
    pub config: Box<str>,
    /// What is not shown of its requests.
    pub redact: Vec<Locator>,
    /// Where the ids of its events may have been read; `None` if that was not written down.
    pub event_id: Option<Vec<Locator>>,
    /// Where their types may have been read; the same.
    pub event_type: Option<Vec<Locator>>,
    /// What its events' keys are hashes of; `None` if that was not written down.
    pub key: Option<Vec<Locator>>,
}

/// The delivery that another one was made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// How.
    pub how: Again,
    /// The first one's id.
    pub id: Box<str>,
    /// The first one's number.
    pub number: u64,
}

/// When something happened, in microseconds after the head was there; 0 for what did not happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The body was complete.
    pub body: u32,
    /// It was verified.
    pub verified: u32,
    /// The dedupe store had answered.
    pub claimed: u32,
    /// The upstream had answered, or given up.
    pub upstream: u32,
}

/// Whether a release of a delivery got through, or found that its event had been. It stands with the delivery itself, in memory and in
/// its row: the release's own entry is one of those that verified and may have to go long before.
#[derive(Debug, Default)]
pub struct Released(AtomicBool);

impl Released {
    /// As it stands in a row.
    pub(super) fn recorded(released: bool) -> Self {
        Self(AtomicBool::new(released))
    }

    /// Whether that is so.
    #[must_use]
    pub fn is(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// It is so from now on; whether it was not before.
    pub(super) fn set(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

impl Clone for Released {
    fn clone(&self) -> Self {
        Self::recorded(self.is())
    }
}

/// One decision.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its place in the journal; given when it is taken down. Later ones are larger, also in the next process.
    pub number: u64,
    /// The request id.
    pub id: Box<str>,
    /// When its head was there.
    pub received: UnixTime,
    /// What it shares with the others of its route.
    pub about: Arc<About>,
    /// Its method, if the head could be read.
    pub method: Option<Method>,
    /// The path without its query.
    pub path: Option<Box<str>>,
    /// Who asked.
    pub client: Option<IpAddr>,
    /// The event's id.
    pub event_id: Option<Box<str>>,
    /// The event's type.
    pub event_type: Option<Box<str>>,
    /// Which attempt at the event it was; 0 without a claim.
    pub attempt: u32,
    /// What was decided; in shadow mode what really happened.
    pub reason: Reason,
    /// In shadow mode: why it would have been refused.
    pub shadow: Option<Reason>,
    /// The exact reason.
    pub why: Option<Box<str>>,
    /// That it was verified, and by which secret.
    pub verified: Option<WasVerified>,
    /// How long after its signed send time it arrived, milliseconds; negative if the sender's clock is ahead.
    pub signature_age: Option<i64>,
    /// The key under which the event is remembered.
    pub key: Option<EventKey>,
    /// What the dedupe store said.
    pub verdict: DedupeVerdict,
    /// What the sender was told.
    pub status: u16,
    /// What the upstream said.
    pub upstream_status: Option<u16>,
    /// From the head to the last byte of the answer, microseconds.
    pub took: u32,
    /// The upstream's part of it, microseconds.
    pub upstream_took: Option<u32>,
    /// Bytes of body received.
    pub received_bytes: u64,
    /// Bytes of body answered.
    pub sent_bytes: u64,
    /// XXH3-128 of the body, if all of it came.
    pub body_hash: Option<u128>,
    /// The moments between.
    pub timeline: Timeline,
    /// The delivery it was made from, where no sender sent it.
    pub origin: Option<Box<Origin>>,
    /// Whether it was released.
    pub released: Released,
    /// The request itself, where the route keeps it.
    pub kept: KeptPlace,
}

impl Entry {
    /// What really became of it.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::of(self.reason, self.upstream_status)
    }

    /// The reason that is told and counted: in shadow mode what a refusal would have said.
    #[must_use]
    pub fn told(&self) -> Reason {
        self.shadow.unwrap_or(self.reason)
    }

    /// Whether signature and send time were right.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verified.is_some()
    }

    /// The name of the secret that matched.
    #[must_use]
    pub fn secret_name(&self) -> Option<&str> {
        self.about.secrets.get(self.verified?.secret_index()).map(|name| &**name)
    }

    /// The bytes it takes, its kept request included, and its place in the journal's tables.
    pub(super) fn size(&self) -> usize {
        /// The counts of the `Arc`, a place in the trees by number and by age and in its group's queue, what the allocator adds,
        /// and its event's key among the accepted ones.
        const PLACE: usize = 176;
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let origin = self.origin.as_ref().map_or(0, |origin| size_of::<Origin>() + origin.id.len());
        size_of::<Self>()
            .saturating_add(PLACE)
            .saturating_add(self.id.len())
            .saturating_add(text(&self.path))
            .saturating_add(text(&self.event_id))
            .saturating_add(text(&self.event_type))
            .saturating_add(text(&self.why))
            .saturating_add(origin)
            .saturating_add(self.kept.size())
    }

    /// All of it but the request, of which only is known that there is one: for who shows it later, and must not hold it until then.
    pub(super) fn without_request(&self) -> Self {
        Self { kept: self.kept.elsewhere(), ..self.clone() }
    }

    /// Since when it is held, by the steady clock, if it was recalled from a file at this time of day. What came while the clock
    /// was ahead counts from now on.
    pub(super) fn since(&self, now: UnixTime, steady: UnixTime) -> UnixTime {
        let age = now.millis().saturating_sub(self.received.millis()).max(0);
        UnixTime::from_millis(steady.millis().saturating_sub(age))
    }

    /// When it was over.
    pub(super) fn ended(&self) -> UnixTime {
        UnixTime::from_millis(self.received.millis().saturating_add(i64::from(self.took / 1000)))
    }
}

/// A text for an entry: as it is, unless it is long beyond all use.
#[must_use]
pub fn short(text: String) -> Box<str> {
    if text.len() <= LONGEST { text.into_boxed_str() } else { cut(&text).into() }
}

/// The beginning of a text, as much of it as an entry takes.
#[must_use]
pub fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}
