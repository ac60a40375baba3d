//! Why a delivery was refused: one variant per reason, with the facts that an operator needs and nothing secret.

use std::fmt;
use std::time::Duration;

use super::locator::Location;
use crate::secret::{OutOfTime, shown};

/// Why a delivery was refused.
///
/// The sender is told nothing of this; it is for the log, the metrics and `explain`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// There is no signature where this sender puts it.
    SignatureMissing {
        /// Where it was looked for.
        at: Location,
    },
    /// There is something, but this sender would not have sent it.
    SignatureMalformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// Every signature was compared with every secret and none fits.
    SignatureMismatch {
        /// How many signatures the delivery carried.
        signatures: usize,
        /// How many secrets the route has.
        secrets: usize,
    },
    /// A secret of the route fits, but only outside its time. Its word is that of a mismatch: whoever still has an old
    /// secret is a stranger like any other.
    SecretOutOfTime {
        /// The secret's name.
        name: String,
        /// When its time begins or ended.
        when: OutOfTime,
    },
    /// The sender signs its send time and it is not there.
    TimestampMissing,
    /// The send time cannot be read as this sender writes it.
    TimestampMalformed,
    /// The send time lies too far back.
    TimestampTooOld {
        /// How long ago it was sent.
        age: Duration,
        /// How long ago it may have been sent.
        allowed: Duration,
    },
    /// The send time lies too far ahead.
    TimestampInFuture {
        /// How far ahead it lies.
        lead: Duration,
        /// How far ahead it may lie.
        allowed: Duration,
    },
}

impl Rejection {
    /// The stable word for this reason, the same in the log, in metrics and on the page.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::SignatureMissing { .. } => "signature_missing",
            Self::SignatureMalformed { .. } => "signature_malformed",
            Self::SignatureMismatch { .. } | Self::SecretOutOfTime { .. } => "signature_mismatch",
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampMalformed => "timestamp_malformed",
            Self::TimestampTooOld { .. } => "timestamp_too_old",
            Self::TimestampInFuture { .. } => "timestamp_in_future",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignatureMissing { at } => write!(f, "no signature at {at}"),
            Self::SignatureMalformed { what } => write!(f, "the signature is malformed: {what}"),
            Self::SignatureMismatch { signatures, secrets } => {
                write!(f, "none of {signatures} signature(s) fits any of {secrets} secret(s)")
            }
            Self::SecretOutOfTime { name, when: OutOfTime::After(end) } => {
                write!(f, "signed with the secret `{name}`, whose time ended on {}", shown(*end))
            }
            Self::SecretOutOfTime { name, when: OutOfTime::Before(begin) } => {
                write!(f, "signed with the secret `{name}`, whose time begins on {}", shown(*begin))
            }
            Self::TimestampMissing => f.write_str("the signed send time is missing"),
            Self::TimestampMalformed => f.write_str("the signed send time cannot be read"),
            Self::TimestampTooOld { age, allowed } => {
                write!(f, "sent {} ago, at most {} are allowed", Seconds(*age), Seconds(*allowed))
            }
            Self::TimestampInFuture { lead, allowed } => {
                write!(
                    f,
                    "sent {} ahead of our clock, at most {} are allowed",
                    Seconds(*lead),
                    Seconds(*allowed)
                )
            }
        }
    }
}

impl std::error::Error for Rejection {}

/// Seconds with milliseconds only where there are any.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{} s", self.0.as_secs()),
            millis => write!(f, "{}.{millis:03} s", self.0.as_secs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_exact() {
        let old = Rejection::TimestampTooOld {
            age: Duration::from_millis(300_001),
            allowed: Duration::from_secs(300),
        };
        assert_eq!(old.to_string(), "sent 300.001 s ago, at most 300 s are allowed");
        assert_eq!(old.word(), "timestamp_too_old");
        let missing = Rejection::SignatureMissing { at: "header:x-signature".parse().unwrap() };
        assert_eq!(missing.to_string(), "no signature at header:x-signature");
    }
}
