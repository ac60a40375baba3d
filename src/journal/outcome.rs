//! The words of a decision: what became of it, what the dedupe store said, how it came again.

use crate::admit::Reason;

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
