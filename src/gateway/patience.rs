//! Time limits on a connection's waits: one timer for all of them, since they follow one another.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

/// The timer of one connection, or of one request of HTTP/2.
///
/// A timer for each wait would be put among all the others and taken out again several times a request, and nearly none of
/// them ever ends. This one stays where it was set first; only when it ends is it looked whether the wait of now is over, and if
/// not it is set to that one's end.
#[derive(Default)]
pub(super) struct Patience {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// What `work` gives within this time, `None` when the time is over first. Without waiting there is no look at the clock.
    ///
    /// The caller pins the work: taken by value it would lie in this future twice.
    pub(super) async fn within<W: Future>(
        &mut self,
        limit: Duration,
        mut work: Pin<&mut W>,
    ) -> Option<W::Output> {
        let mut end: Option<Instant> = None;
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            let end = *end.get_or_insert_with(|| later(limit));
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if timer.deadline() > end {
                timer.as_mut().reset(end);
            }
            // Whatever the work did in this turn, its time is looked at.
            while pin!(unconstrained(timer.as_mut())).poll(cx).is_ready() {
                if Instant::now() >= end {
                    return Poll::Ready(None);
                }
                timer.as_mut().reset(end);
            }
            Poll::Pending
        })
        .await
    }
}

/// So much from now on. A limit beyond what the clock can hold is none that is ever reached; tokio stands for it with 30 years.
fn later(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit)
        .or_else(|| now.checked_add(Duration::from_secs(30 * 365 * 24 * 3600)))
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);
    const SHORT: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_end_whatever_was_waited_for_before() {
        let mut patience = Patience::default();
        for limit in [LONG, SHORT, LONG, SHORT, SHORT] {
            let begun = Instant::now();
            assert_eq!(patience.within(limit, pin!(pending::<()>())).await, None);
            let waited = begun.elapsed();
            assert!(waited >= limit && waited < limit + Duration::from_millis(10), "{waited:?} of {limit:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_set_for_a_shorter_wait_does_not_end_a_longer_one() {
        let mut patience = Patience::default();
        let half = tokio::time::sleep(SHORT / 2);
        assert_eq!(patience.within(SHORT, pin!(half)).await, Some(()));
        let begun = Instant::now();
        assert_eq!(patience.within(LONG, pin!(tokio::time::sleep(SHORT * 30))).await, Some(()));
        assert!(begun.elapsed() >= SHORT * 30);
    }

    #[tokio::test]
    async fn what_does_not_wait_needs_no_timer() {
        let mut patience = Patience::default();
        assert_eq!(patience.within(Duration::ZERO, pin!(async { 7 })).await, Some(7));
        assert!(patience.timer.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn no_limit_is_too_long() {
        let mut patience = Patience::default();
        assert_eq!(patience.within(Duration::MAX, pin!(tokio::time::sleep(LONG))).await, Some(()));
    }
}
