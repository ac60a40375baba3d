//! The only reader of the clock. Everything else takes `now` as an argument.
#![allow(clippy::disallowed_methods)]

use std::time::{Instant, SystemTime};

use crate::time::UnixTime;

/// The time of day.
#[must_use]
pub fn now() -> UnixTime {
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    UnixTime::from_millis(match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => millis(before.duration()).saturating_neg(),
    })
}

/// A clock that only goes forward, for durations and deadlines.
#[must_use]
pub fn monotonic() -> Instant {
    Instant::now()
}

/// The time of day in Unix nanoseconds, for what is measured and not compared; 0 before 1970.
#[must_use]
pub fn wall_nanos() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
