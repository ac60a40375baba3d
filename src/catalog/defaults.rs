//! What follows from how a sender retries: how long its events are remembered, how long the upstream may take, and
//! what happens when the store is away. Every rule is here and nowhere else; an entry or a route may overrule each.

use std::time::Duration;

use crate::time::Tolerance;

use super::provider::{OnStoreError, Retry};

/// Events are remembered at least this long, whatever the schedule: people redeliver by hand within a day.
pub const LEAST_TTL: Duration = Duration::from_secs(24 * 3600);

/// For senders that say nothing of their schedule: three days cover every published one of that kind.
pub const TTL_OF_UNKNOWN_SCHEDULE: Duration = Duration::from_secs(72 * 3600);

/// For senders that do not say how long they wait: most wait ten seconds or longer.
pub const UPSTREAM_TIMEOUT_OF_UNKNOWN_SENDER: Duration = Duration::from_secs(8);

/// How long an accepted event is remembered.
///
/// At least a day; at least the sender's whole schedule, with an answer time for each attempt and a quarter on top for
/// its jitter; and at least the whole window of its send time, so that a captured request never outlives its entry.
#[must_use]
pub fn dedupe_ttl(retry: &Retry, tolerance: Option<Tolerance>) -> Duration {
    let schedule = match horizon(retry) {
        Some(horizon) => horizon.saturating_add(horizon / 4),
        None if retry.never => Duration::ZERO,
        None => TTL_OF_UNKNOWN_SCHEDULE,
    };
    let window = tolerance.map_or(Duration::ZERO, |window| window.past.saturating_add(window.future));
    whole_hours(LEAST_TTL.max(schedule).max(window))
}

/// How long after the first attempt the last one can end, if the sender says so.
#[must_use]
pub fn horizon(retry: &Retry) -> Option<Duration> {
    let attempts = u32::try_from(retry.delays.len().saturating_add(1)).unwrap_or(u32::MAX);
    let waiting = retry.timeout.unwrap_or_default().saturating_mul(attempts);
    let summed = (!retry.delays.is_empty())
        .then(|| retry.delays.iter().fold(waiting, |sum, delay| sum.saturating_add(*delay)));
    summed.max(retry.span)
}

/// How long the upstream may take: a fifth less than the sender waits, but never more than five seconds less,
/// so that our own 504 still reaches the sender and it tries again.
#[must_use]
pub fn upstream_timeout(retry: &Retry) -> Duration {
    match retry.timeout {
        Some(timeout) => timeout.saturating_sub((timeout / 5).min(Duration::from_secs(5))),
        None => UPSTREAM_TIMEOUT_OF_UNKNOWN_SENDER,
    }
}

/// What happens when the store cannot be asked: a sender that retries is told to, one that never does is not turned away.
#[must_use]
pub fn on_store_error(retry: &Retry) -> OnStoreError {
    if retry.never { OnStoreError::Memory } else { OnStoreError::Refuse }
}

fn whole_hours(duration: Duration) -> Duration {
    let hours = duration.as_secs().div_ceil(3600);
    Duration::from_secs(hours.saturating_mul(3600))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn seconds(delays: &[u64], timeout: Option<u64>) -> Retry {
        Retry {
            delays: delays.iter().copied().map(Duration::from_secs).collect(),
            timeout: timeout.map(Duration::from_secs),
            ..Retry::default()
        }
    }

    #[test]
    fn a_short_schedule_is_remembered_for_a_day() {
        // Delays of 9,360 s and five answers of 30 s each.
        let bellwether = seconds(&[60, 300, 1800, 7200], Some(30));
        assert_eq!(horizon(&bellwether), Some(Duration::from_secs(9_510)));
        assert_eq!(dedupe_ttl(&bellwether, None), 24 * HOUR);
    }

    #[test]
    fn a_long_schedule_is_remembered_longer_than_it_lasts() {
        let retry = Retry { span: Some(72 * HOUR), ..Retry::default() };
        assert_eq!(dedupe_ttl(&retry, None), 90 * HOUR);
    }

    #[test]
    fn an_unknown_schedule_counts_as_three_days_and_none_as_one() {
        assert_eq!(dedupe_ttl(&Retry::default(), None), 72 * HOUR);
        assert_eq!(dedupe_ttl(&Retry { never: true, ..Retry::default() }, None), 24 * HOUR);
    }

    #[test]
    fn an_entry_outlives_the_window_in_which_a_copy_would_still_verify() {
        let window = Tolerance { past: 25 * HOUR, future: Duration::from_secs(300) };
        let retry = Retry { never: true, ..Retry::default() };
        assert_eq!(dedupe_ttl(&retry, Some(window)), 26 * HOUR);
    }

    #[test]
    fn the_upstream_has_less_time_than_the_sender_waits() {
        for (waits, left) in [(30_000, 25_000), (10_000, 8_000), (3_000, 2_400), (60_000, 55_000)] {
            let retry = Retry { timeout: Some(Duration::from_millis(waits)), ..Retry::default() };
            assert_eq!(upstream_timeout(&retry), Duration::from_millis(left));
        }
        assert_eq!(upstream_timeout(&Retry::default()), Duration::from_secs(8));
    }

    #[test]
    fn only_a_sender_that_never_retries_goes_on_from_memory() {
        assert_eq!(on_store_error(&Retry { never: true, ..Retry::default() }), OnStoreError::Memory);
        assert_eq!(on_store_error(&Retry::default()), OnStoreError::Refuse);
    }
}
