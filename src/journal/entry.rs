//! One decision as the journal holds it: what a request came to, in as few bytes as that takes.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::Method;
use parking_lot::Mutex;

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
}

/// What the dedupe store said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DedupeVerdict {
    /// It was not asked.
    #[default]
    Unasked,
    /// The route does not dedupe, or the request was let through unverified.
    Off,
    /// The event was new, or free again.
    New,
    /// It was accepted before.
    Duplicate,
    /// A copy was in flight for too long.
    InFlight,
    /// The store could not answer.
    Failed,
}

impl DedupeVerdict {
    /// All of them.
    pub(super) const ALL: [Self; 6] =
        [Self::Unasked, Self::Off, Self::New, Self::Duplicate, Self::InFlight, Self::Failed];

    /// The stable word; `None` for [`DedupeVerdict::Unasked`].
    #[must_use]
    pub const fn word(self) -> Option<&'static str> {
        Some(match self {
            Self::Unasked => return None,
            Self::Off => "off",
            Self::New => "new",
            Self::Duplicate => "duplicate",
            Self::InFlight => "in_flight",
            Self::Failed => "store_failed",
        })
    }
}

/// What really became of a request, in five words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The upstream answered 2xx.
    Accepted,
    /// The upstream answered something else.
    Declined,
    /// Answered here: a duplicate, an event nobody wants, a handshake.
    Answered,
    /// Not let through.
    Refused,
    /// Could not be served now.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Accepted, Self::Declined, Self::Answered, Self::Refused, Self::Failed];

    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Declined => "declined",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// What a reason and the upstream's status come to.
    #[must_use]
    pub const fn of(reason: Reason, upstream: Option<u16>) -> Self {
        match reason {
            Reason::Forwarded => match upstream {
                Some(200..=299) => Self::Accepted,
                _ => Self::Declined,
            },
            Reason::Duplicate | Reason::Filtered | Reason::Challenge => Self::Answered,
            Reason::InFlight
            | Reason::Overloaded
            | Reason::Draining
            | Reason::StoreUnavailable
            | Reason::KeysUnavailable
            | Reason::UpstreamUnreachable
            | Reason::UpstreamFailed
            | Reason::UpstreamTimeout => Self::Failed,
            _ => Self::Refused,
        }
    }
}

/// How a delivery came again without its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// A refused one was verified anew and forwarded.
    Release,
    /// A verified one was sent to the upstream past the dedupe store.
    Redelivery,
}

impl Again {
    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Redelivery => "redelivery",
        }
    }
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

/// A request's head and body as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Path and query.
    pub target: Box<str>,
    /// The host asked for.
    pub host: Box<str>,
    /// Whether the sender spoke TLS, as far as is known.
    pub https: bool,
    /// Scheme and host as the sender signed them, where it signs its URL.
    pub signed_origin: Option<Box<str>>,
    /// Whether the connection's peer was a trusted proxy.
    pub trusted: bool,
    /// The value of `X-Forwarded-For` for the upstream.
    pub forwarded_for: Box<str>,
    /// The header fields, each `Name: value` and CR LF, in the order and letter case received.
    pub head: Bytes,
    /// The body.
    pub body: Bytes,
}

impl Kept {
    /// The bytes it holds.
    #[must_use]
    pub fn size(&self) -> usize {
        let origin = self.signed_origin.as_ref().map_or(0, |origin| origin.len());
        size_of::<Self>()
            .saturating_add(self.target.len())
            .saturating_add(self.host.len())
            .saturating_add(origin)
            .saturating_add(self.forwarded_for.len())
            .saturating_add(self.head.len())
            .saturating_add(self.body.len())
    }

    /// Scheme and host.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.signed_origin {
            Some(origin) => origin.to_string(),
            None => format!("{}://{}", if self.https { "https" } else { "http" }, self.host),
        }
    }

    /// Names and values in the order received.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.head.split(|byte| *byte == b'\n');
        lines.filter_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            let value = value.get(1..)?;
            Some((name, value.strip_prefix(b" ").unwrap_or(value)))
        })
    }
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

/// One decision.
#[derive(Debug)]
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
    /// The request itself, where the route keeps it.
    pub kept: KeptPlace,
}

/// Where a kept request is: in memory, or in the journal's file.
#[derive(Debug, Default)]
pub struct KeptPlace {
    here: Mutex<Option<Box<Kept>>>,
    filed: AtomicBool,
    size: usize,
}

impl KeptPlace {
    /// In memory.
    #[must_use]
    pub fn here(kept: Kept) -> Self {
        let size = kept.size();
        Self { here: Mutex::new(Some(Box::new(kept))), filed: AtomicBool::new(false), size }
    }

    /// In the file only.
    pub(super) fn filed(size: usize) -> Self {
        Self { here: Mutex::new(None), filed: AtomicBool::new(true), size }
    }

    /// Whether there is one at all.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.size > 0
    }

    /// The bytes of it, wherever they are.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// A copy of it, if it is in memory. The bytes are shared.
    pub(super) fn in_memory(&self) -> Option<Kept> {
        self.here.lock().as_deref().cloned()
    }

    /// Whether it is in the file.
    pub(super) fn is_filed(&self) -> bool {
        self.filed.load(Ordering::Acquire)
    }

    /// It is in the file now; memory need not hold it.
    pub(super) fn file(&self) {
        if self.size > 0 {
            self.filed.store(true, Ordering::Release);
            drop(self.here.lock().take());
        }
    }
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
