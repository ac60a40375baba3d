//! The only reader of the clock. Everything else takes `now` as an argument.
#![allow(clippy::disallowed_methods)]

use std::sync::OnceLock;
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

/// The time of day as this process began, and what has passed since: nobody who sets the machine's clock moves it.
///
/// Leases and memories are measured by it. By the time of day a clock set ahead would end the claims in flight, whose
/// copies would be forwarded as well, and forget what was accepted.
#[must_use]
pub fn steady() -> UnixTime {
    static BEGAN: OnceLock<(UnixTime, Instant)> = OnceLock::new();
    let (then, since) = BEGAN.get_or_init(|| (now(), monotonic()));
    then.saturating_add(since.elapsed())
}

/// A point of [`steady`] time as the time of day by the clock as it is set now: for what outlives the process.
///
/// Less than a minute apart they are taken for the same: that is no clock that was set, but a thread that had to wait
/// between two looks at it.
#[must_use]
pub fn time_of_day(point: UnixTime) -> UnixTime {
    let set_by = now().millis().saturating_sub(steady().millis());
    if set_by.abs() < 60_000 { point } else { UnixTime::from_millis(point.millis().saturating_add(set_by)) }
}
