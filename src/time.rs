//! Points in time and the window around now in which a signed send time is accepted.

use std::fmt;
use std::time::Duration;

/// A point in time as milliseconds since 1970-01-01T00:00:00Z, negative before it.
///
/// Nothing on the ground floor reads a clock: whoever verifies passes `now` in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime {
    millis: i64,
}

impl UnixTime {
    /// The time `seconds` after the epoch, or `None` when it does not fit (±292 million years).
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        seconds.checked_mul(1000).map(|millis| Self { millis })
    }

    /// The time `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self { millis }
    }

    /// Whole seconds since the epoch, rounded towards the past.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.millis.div_euclid(1000)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.millis
    }

    /// How far `self` lies behind `now` (`Past`) or ahead of it (`Future`); never overflows.
    #[must_use]
    pub fn distance_from(self, now: Self) -> Distance {
        let apart = Duration::from_millis(self.millis.abs_diff(now.millis));
        if self.millis <= now.millis { Distance::Past(apart) } else { Distance::Future(apart) }
    }

    /// The time `by` later, held at the end of the representable range.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        Self { millis: self.millis.saturating_add(by) }
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seconds())
    }
}

/// Where a time lies as seen from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// At that moment or this long before it.
    Past(Duration),
    /// This long after it.
    Future(Duration),
}

/// How old and how far ahead a signed send time may be. Both edges are still accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tolerance {
    /// The greatest accepted age.
    pub past: Duration,
    /// The greatest accepted lead of the sender's clock over ours.
    pub future: Duration,
}

impl Tolerance {
    /// Whether `sent`, seen at `now`, lies inside the window; the distance tells how far outside it is.
    ///
    /// # Errors
    /// The distance from `now` when it is outside the window.
    pub fn check(&self, sent: UnixTime, now: UnixTime) -> Result<(), Distance> {
        match sent.distance_from(now) {
            Distance::Past(age) if age <= self.past => Ok(()),
            Distance::Future(lead) if lead <= self.future => Ok(()),
            outside => Err(outside),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_edges_are_inside_and_a_millisecond_more_is_not() {
        let tolerance = Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(60) };
        let now = UnixTime::from_millis(1_000_000_000);
        let at = |offset: i64| tolerance.check(UnixTime::from_millis(1_000_000_000 + offset), now);
        assert_eq!(at(-300_000), Ok(()));
        assert_eq!(at(-300_001), Err(Distance::Past(Duration::from_millis(300_001))));
        assert_eq!(at(60_000), Ok(()));
        assert_eq!(at(60_001), Err(Distance::Future(Duration::from_millis(60_001))));
    }

    #[test]
    fn the_ends_of_the_range_do_not_wrap_into_the_window() {
        let tolerance = Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(300) };
        for sent in [i64::MIN, i64::MAX] {
            for now in [i64::MIN, 0, i64::MAX] {
                if sent != now {
                    assert!(
                        tolerance.check(UnixTime::from_millis(sent), UnixTime::from_millis(now)).is_err()
                    );
                }
            }
        }
        assert_eq!(UnixTime::from_seconds(i64::MAX), None);
    }
}
