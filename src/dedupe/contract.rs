//! What every store promises, as tests. A store runs all of them with `contract_tests!(make)`, where `make`
//! is an expression that gives a [`Rig`] with an empty store, or one that no other test uses.
//!
//! A store compares the `now` it is given, or its server's clock. [`Rig`] hides which: it lets time pass by saying so
//! where time is an argument, and by waiting where it is not. Apart from that, only a copy that waits for a lease to
//! run out really waits.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::*;
use crate::clock;

/// Expands to one test for each promise.
macro_rules! contract_tests {
    ($make:expr) => {
        $crate::dedupe::contract::contract_tests!($make, answered elsewhere);
        $crate::dedupe::contract::contract_tests!($make;
            every_copy_that_waits_is_woken_by_the_release,
            the_thirty_third_copy_does_not_wait,
            every_copy_that_waits_is_woken_by_the_next_claim,
            what_is_known_of_an_event_can_be_looked_up,
            an_event_is_forgotten_unless_it_is_in_flight,
        );
    };
    // Of a store for which another process answers: a copy stands in line there once its question has come, not once it was
    // polled, and what is known of an event is asked there.
    ($make:expr, answered elsewhere) => {
        $crate::dedupe::contract::contract_tests!($make;
            of_many_callers_one_gets_the_claim,
            of_many_callers_who_forward_and_fail_one_at_a_time_holds_the_claim,
            an_accepted_event_is_answered_with_its_first_answer,
            an_accepted_event_without_an_answer_is_remembered_too,
            an_answer_above_64_kib_is_not_kept_but_its_event_is,
            an_answer_of_any_bytes_comes_back_as_it_was,
            an_accepted_event_is_forgotten_after_its_ttl,
            a_released_event_is_claimed_anew_with_the_next_attempt,
            a_releases_count_of_attempts_is_kept_for_its_ttl,
            a_lease_that_ran_out_lets_the_next_claim_through,
            a_late_commit_cannot_touch_a_newer_claim,
            a_late_release_cannot_touch_a_newer_claim,
            a_late_commit_counts_if_nobody_claimed_anew,
            a_settled_claim_cannot_be_settled_again,
            a_strangers_token_settles_nothing,
            events_do_not_meet,
            every_copy_that_waits_is_woken_by_the_commit,
            a_copy_that_waits_is_woken_when_the_lease_runs_out,
            nobody_waits_for_what_is_not_in_flight,
            a_copy_that_gives_up_makes_room_for_another,
            a_copy_of_an_earlier_claim_that_gives_up_disturbs_nobody,
        );
    };
    ($make:expr; $($promise:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $promise() {
                $crate::dedupe::contract::$promise($make).await;
            }
        )*
    };
}
pub(crate) use contract_tests;

const MOMENT: Duration = Duration::from_millis(1);

/// 2026-01-01, so that a store which adds and subtracts seconds is tried with real ones.
pub(crate) const START: UnixTime = UnixTime::from_millis(1_767_225_600_000);

/// A store and its time.
pub(crate) struct Rig<S> {
    pub(crate) store: S,
    time: Time,
    lease: Duration,
    ttl: Duration,
    /// Ends with the test.
    _belongs: Box<dyn Send + Sync>,
}

/// Tells a store what time it is.
pub(crate) type Tell = Box<dyn Fn(UnixTime) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

enum Time {
    /// Milliseconds since 1970, and who else has to be told.
    Given(AtomicI64, Option<Tell>),
    /// The clock on the wall.
    Real,
}

impl<S: Store> Rig<S> {
    /// A store that believes the time it is given.
    pub(crate) fn given(store: S) -> Self {
        Self {
            store,
            time: Time::Given(AtomicI64::new(START.millis()), None),
            lease: Duration::from_secs(30),
            ttl: Duration::from_secs(24 * 3600),
            _belongs: Box::new(()),
        }
    }

    /// A store that has a clock, which these tests set.
    pub(crate) async fn told(store: S, tell: Tell) -> Self {
        tell(START).await;
        Self { time: Time::Given(AtomicI64::new(START.millis()), Some(tell)), ..Self::given(store) }
    }

    /// A store that has a clock of its own: everything takes as long as it takes, and little of it.
    pub(crate) fn real(store: S) -> Self {
        let (lease, ttl) = (Duration::from_secs(2), Duration::from_secs(6));
        Self { store, time: Time::Real, lease, ttl, _belongs: Box::new(()) }
    }

    /// Keeps something for as long as the test runs.
    pub(crate) fn with(self, belongs: impl Send + Sync + 'static) -> Self {
        Self { _belongs: Box::new(belongs), ..self }
    }

    fn now(&self) -> UnixTime {
        match &self.time {
            Time::Given(millis, _) => UnixTime::from_millis(millis.load(Ordering::SeqCst)),
            Time::Real => clock::now(),
        }
    }

    async fn pass(&self, time: Duration) {
        match &self.time {
            Time::Given(millis, tell) => {
                millis.store(self.now().saturating_add(time).millis(), Ordering::SeqCst);
                if let Some(tell) = tell {
                    tell(self.now()).await;
                }
            }
            // It has passed for whoever rounds as well.
            Time::Real => tokio::time::sleep(time + 20 * MOMENT).await,
        }
    }

    /// Lets time pass where that costs nothing.
    async fn pass_given(&self, time: Duration) {
        if matches!(self.time, Time::Given(..)) {
            self.pass(time).await;
        }
    }

    /// Lets nearly all of `time` pass; what is left of it.
    async fn pass_nearly(&self, time: Duration) -> Duration {
        let left = match self.time {
            Time::Given(..) => MOMENT,
            Time::Real => time / 2,
        };
        self.pass(time - left).await;
        left
    }

    async fn claim(&self, key: &EventKey) -> Claim {
        self.store.claim(key, self.now(), self.lease).await.unwrap()
    }

    /// A claim that must be a new one.
    async fn claimed(&self, key: &EventKey) -> Lease {
        match self.claim(key).await {
            Claim::New(lease) => lease,
            other => panic!("expected a new claim, got {other:?}"),
        }
    }

    async fn commit(&self, key: &EventKey, token: Token, answer: Option<Answer>) -> Committed {
        self.store.commit(key, token, self.now(), self.ttl, answer).await.unwrap()
    }

    async fn release(&self, key: &EventKey, token: Token) {
        self.store.release(key, token, self.now(), self.ttl).await.unwrap();
    }

    async fn accepted(&self, key: &EventKey) -> Lease {
        let lease = self.claimed(key).await;
        assert_eq!(self.commit(key, lease.token, None).await, Committed::Yes);
        lease
    }

    fn settled(&self, key: &EventKey) -> impl Future<Output = Result<Wait, StoreError>> {
        self.store.settled(key, self.now())
    }
}

pub(crate) fn key(name: &str) -> EventKey {
    let mut key = [b'.'; 32];
    for (to, from) in key.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    EventKey(key)
}

pub(crate) fn answer(body: &'static str) -> Answer {
    Answer {
        status: 202,
        content_type: Some(HeaderValue::from_static("application/json")),
        body: Bytes::from_static(body.as_bytes()),
    }
}

/// Polls once, so that whoever waits stands in line, and says whether it is done.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits, but not for ever: a copy that is never woken is a failed test and not a hanging one.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it was never woken")
}

pub(crate) async fn of_many_callers_one_gets_the_claim<S: Store + 'static>(rig: Rig<S>) {
    let rig = Arc::new(rig);
    for round in 0..50 {
        let key = key(&format!("many-{round}"));
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let rig = Arc::clone(&rig);
                tokio::spawn(async move { rig.claim(&key).await })
            })
            .collect();
        let mut won = 0;
        for caller in callers {
            match caller.await.unwrap() {
                Claim::New(lease) => {
                    assert_eq!(lease.attempt, 1);
                    won += 1;
                }
                other => assert_eq!(other, Claim::InFlight),
            }
        }
        assert_eq!(won, 1);
    }
}

pub(crate) async fn an_accepted_event_is_answered_with_its_first_answer<S: Store>(rig: Rig<S>) {
    let key = key("first-answer");
    let lease = rig.claimed(&key).await;
    let first = answer("{\"ok\":true}");
    rig.commit(&key, lease.token, Some(first.clone())).await;
    for _ in 0..2 {
        let again = rig.claim(&key).await;
        assert_eq!(again, Claim::Seen { answer: Some(first.clone()), attempt: 1 });
    }
}

pub(crate) async fn an_accepted_event_without_an_answer_is_remembered_too<S: Store>(rig: Rig<S>) {
    let key = key("no-answer");
    rig.accepted(&key).await;
    let again = rig.claim(&key).await;
    assert_eq!(again, Claim::Seen { answer: None, attempt: 1 });
}

pub(crate) async fn an_answer_above_64_kib_is_not_kept_but_its_event_is<S: Store>(rig: Rig<S>) {
    for (name, length, kept) in [("64-kib", 65_536, true), ("65-kib", 65_537, false)] {
        let key = key(name);
        let lease = rig.claimed(&key).await;
        let sized = Answer { body: vec![b'x'; length].into(), ..answer("") };
        rig.commit(&key, lease.token, Some(sized.clone())).await;
        assert_eq!(rig.claim(&key).await, Claim::Seen { answer: kept.then_some(sized), attempt: 1 });
    }
}

pub(crate) async fn an_answer_of_any_bytes_comes_back_as_it_was<S: Store>(rig: Rig<S>) {
    let key = key("any-bytes");
    let lease = rig.claimed(&key).await;
    let body: Vec<u8> = (0..=255).chain(*b"\r\n a 1 2 %s \0").collect();
    let first = Answer { status: 299, content_type: None, body: body.into() };
    rig.commit(&key, lease.token, Some(first.clone())).await;
    assert_eq!(rig.claim(&key).await, Claim::Seen { answer: Some(first), attempt: 1 });
}

/// The lease is a lock: of all who work at an event only one does so at any moment, until one is accepted.
pub(crate) async fn of_many_callers_who_forward_and_fail_one_at_a_time_holds_the_claim<S: Store + 'static>(
    rig: Rig<S>,
) {
    const FAILURES: u32 = 20;
    let rig = Arc::new(rig);
    let key = key("one-at-a-time");
    let (holders, attempts) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (rig, holders, attempts) = (Arc::clone(&rig), Arc::clone(&holders), Arc::clone(&attempts));
            tokio::spawn(async move {
                loop {
                    match rig.claim(&key).await {
                        Claim::New(lease) => {
                            assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "two hold the claim");
                            let before = attempts.fetch_add(1, Ordering::SeqCst);
                            assert_eq!(i64::from(lease.attempt), before + 1);
                            tokio::task::yield_now().await;
                            holders.fetch_sub(1, Ordering::SeqCst);
                            if lease.attempt > FAILURES {
                                let committed = rig.commit(&key, lease.token, Some(answer("at last"))).await;
                                assert_eq!(committed, Committed::Yes);
                            } else {
                                rig.release(&key, lease.token).await;
                            }
                        }
                        Claim::InFlight => assert_eq!(soon(rig.settled(&key)).await.unwrap(), Wait::Changed),
                        seen => return seen,
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        let seen = soon(caller).await.unwrap();
        assert_eq!(seen, Claim::Seen { answer: Some(answer("at last")), attempt: FAILURES + 1 });
    }
}

pub(crate) async fn an_accepted_event_is_forgotten_after_its_ttl<S: Store>(rig: Rig<S>) {
    let key = key("ttl");
    rig.accepted(&key).await;
    let left = rig.pass_nearly(rig.ttl).await;
    assert_eq!(rig.claim(&key).await, Claim::Seen { answer: None, attempt: 1 });
    rig.pass(left).await;
    assert_eq!(rig.claimed(&key).await.attempt, 1);
}

pub(crate) async fn a_released_event_is_claimed_anew_with_the_next_attempt<S: Store>(rig: Rig<S>) {
    let key = key("released");
    for attempt in 1..=3 {
        let lease = rig.claimed(&key).await;
        assert_eq!(lease.attempt, attempt);
        rig.release(&key, lease.token).await;
    }
    rig.accepted(&key).await;
    let again = rig.claim(&key).await;
    assert_eq!(again, Claim::Seen { answer: None, attempt: 4 });
}

pub(crate) async fn a_releases_count_of_attempts_is_kept_for_its_ttl<S: Store>(rig: Rig<S>) {
    let [kept, gone] = ["kept", "gone"].map(key);
    for key in [&kept, &gone] {
        let lease = rig.claimed(key).await;
        rig.release(key, lease.token).await;
    }
    let left = rig.pass_nearly(rig.ttl).await;
    assert_eq!(rig.claimed(&kept).await.attempt, 2);
    rig.pass(left).await;
    assert_eq!(rig.claimed(&gone).await.attempt, 1);
}

pub(crate) async fn a_lease_that_ran_out_lets_the_next_claim_through<S: Store>(rig: Rig<S>) {
    let key = key("over");
    let first = rig.claimed(&key).await;
    let left = rig.pass_nearly(rig.lease).await;
    assert_eq!(rig.claim(&key).await, Claim::InFlight);
    rig.pass(left).await;
    let second = rig.claimed(&key).await;
    assert_eq!(second.attempt, 2);
    assert_ne!(second.token, first.token);
}

pub(crate) async fn a_late_commit_cannot_touch_a_newer_claim<S: Store>(rig: Rig<S>) {
    let key = key("late-commit");
    let first = rig.claimed(&key).await;
    rig.pass(rig.lease).await;
    let second = rig.claimed(&key).await;
    assert_eq!(rig.commit(&key, first.token, Some(answer("late"))).await, Committed::TooLate);
    assert_eq!(rig.claim(&key).await, Claim::InFlight);
    assert_eq!(rig.commit(&key, second.token, Some(answer("own"))).await, Committed::Yes);
    assert_eq!(rig.claim(&key).await, Claim::Seen { answer: Some(answer("own")), attempt: 2 });
}

pub(crate) async fn a_late_release_cannot_touch_a_newer_claim<S: Store>(rig: Rig<S>) {
    let key = key("late-release");
    let first = rig.claimed(&key).await;
    rig.pass(rig.lease).await;
    rig.claimed(&key).await;
    rig.release(&key, first.token).await;
    assert_eq!(rig.claim(&key).await, Claim::InFlight);
}

pub(crate) async fn a_late_commit_counts_if_nobody_claimed_anew<S: Store>(rig: Rig<S>) {
    let key = key("late-alone");
    let lease = rig.claimed(&key).await;
    rig.pass(rig.lease * 2).await;
    assert_eq!(rig.commit(&key, lease.token, None).await, Committed::Yes);
    assert_eq!(rig.claim(&key).await, Claim::Seen { answer: None, attempt: 1 });
}

pub(crate) async fn a_settled_claim_cannot_be_settled_again<S: Store>(rig: Rig<S>) {
    let key = key("twice");
    let lease = rig.claimed(&key).await;
    rig.release(&key, lease.token).await;
    let after = rig.commit(&key, lease.token, None).await;
    assert_eq!(after, Committed::TooLate);
    let lease = rig.accepted(&key).await;
    rig.release(&key, lease.token).await;
    let again = rig.claim(&key).await;
    assert_eq!(again, Claim::Seen { answer: None, attempt: 2 });
}

pub(crate) async fn a_strangers_token_settles_nothing<S: Store>(rig: Rig<S>) {
    let key = key("stranger");
    let lease = rig.claimed(&key).await;
    let stranger = Token(lease.token.0 ^ 1);
    assert_eq!(rig.commit(&key, stranger, None).await, Committed::TooLate);
    rig.release(&key, stranger).await;
    assert_eq!(rig.claim(&key).await, Claim::InFlight);
}

/// Not of a store that can lose a claim before it is committed: there a commit of an unknown event is remembered.
pub(crate) async fn a_token_of_another_event_settles_nothing<S: Store>(rig: Rig<S>) {
    let lease = rig.claimed(&key("own")).await;
    let unknown = key("unknown");
    assert_eq!(rig.commit(&unknown, lease.token, None).await, Committed::TooLate);
    rig.release(&unknown, lease.token).await;
    assert_eq!(rig.claimed(&unknown).await.attempt, 1);
}

pub(crate) async fn events_do_not_meet<S: Store>(rig: Rig<S>) {
    let keys: Vec<_> = (0..200).map(|n| key(&format!("own-{n}"))).collect();
    for key in &keys {
        rig.accepted(key).await;
    }
    assert_eq!(rig.claimed(&key("own-200")).await.attempt, 1);
    for key in &keys {
        let again = rig.claim(key).await;
        assert_eq!(again, Claim::Seen { answer: None, attempt: 1 });
    }
}

pub(crate) async fn every_copy_that_waits_is_woken_by_the_commit<S: Store>(rig: Rig<S>) {
    let key = key("wait-commit");
    let lease = rig.claimed(&key).await;
    let mut waiting: Vec<_> = (0..MAX_WAITERS).map(|_| Box::pin(rig.settled(&key))).collect();
    for wait in &mut waiting {
        assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    }
    rig.commit(&key, lease.token, Some(answer("first"))).await;
    for wait in waiting {
        assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
        let shared = rig.claim(&key).await;
        assert_eq!(shared, Claim::Seen { answer: Some(answer("first")), attempt: 1 });
    }
}

pub(crate) async fn every_copy_that_waits_is_woken_by_the_release<S: Store>(rig: Rig<S>) {
    let key = key("wait-release");
    let lease = rig.claimed(&key).await;
    let mut waiting: Vec<_> = (0..MAX_WAITERS).map(|_| Box::pin(rig.settled(&key))).collect();
    for wait in &mut waiting {
        assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    }
    rig.release(&key, lease.token).await;
    let mut forwarded = 0;
    for wait in waiting {
        assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
        match rig.claim(&key).await {
            Claim::New(lease) => {
                assert_eq!(lease.attempt, 2);
                forwarded += 1;
            }
            other => assert_eq!(other, Claim::InFlight),
        }
    }
    assert_eq!(forwarded, 1, "one of the copies goes next, the others wait for it");
}

pub(crate) async fn a_copy_that_waits_is_woken_when_the_lease_runs_out<S: Store>(rig: Rig<S>) {
    let key = key("wait-lease");
    rig.claimed(&key).await;
    rig.pass(rig.lease - 20 * MOMENT - rig.lease / 2).await;
    rig.pass_given(rig.lease / 2).await;
    let mut wait = pin!(rig.settled(&key));
    assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
    rig.pass_given(20 * MOMENT).await;
    assert_eq!(rig.claimed(&key).await.attempt, 2);
}

pub(crate) async fn nobody_waits_for_what_is_not_in_flight<S: Store>(rig: Rig<S>) {
    let [free, released, seen, over] = ["free", "released", "seen", "over"].map(key);
    let lease = rig.claimed(&released).await;
    rig.release(&released, lease.token).await;
    rig.accepted(&seen).await;
    rig.claimed(&over).await;
    for key in [&free, &released, &seen] {
        assert_eq!(soon(rig.settled(key)).await.unwrap(), Wait::Changed);
    }
    rig.pass(rig.lease).await;
    assert_eq!(soon(rig.settled(&over)).await.unwrap(), Wait::Changed);
}

pub(crate) async fn the_thirty_third_copy_does_not_wait<S: Store>(rig: Rig<S>) {
    let (key, other) = (key("crowd"), key("elsewhere"));
    rig.claimed(&key).await;
    rig.claimed(&other).await;
    let mut waiting: Vec<_> = (0..MAX_WAITERS).map(|_| Box::pin(rig.settled(&key))).collect();
    for wait in &mut waiting {
        assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    }
    assert_eq!(soon(rig.settled(&key)).await.unwrap(), Wait::TooMany);
    assert_eq!(poll_once(pin!(rig.settled(&other))), Poll::Pending, "the limit is an event's own");
}

pub(crate) async fn a_copy_that_gives_up_makes_room_for_another<S: Store>(rig: Rig<S>) {
    let key = key("gave-up");
    let lease = rig.claimed(&key).await;
    for _ in 0..3 * MAX_WAITERS {
        let mut gone = Box::pin(rig.settled(&key));
        assert_eq!(poll_once(gone.as_mut()), Poll::Pending);
    }
    let mut wait = pin!(rig.settled(&key));
    assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    rig.commit(&key, lease.token, None).await;
    assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
}

pub(crate) async fn every_copy_that_waits_is_woken_by_the_next_claim<S: Store>(rig: Rig<S>) {
    let key = key("wait-next");
    rig.claimed(&key).await;
    let mut wait = pin!(rig.settled(&key));
    assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    rig.pass(rig.lease).await;
    rig.claimed(&key).await;
    assert_eq!(soon(wait).await.unwrap(), Wait::Changed, "the claim it waited for is over");
}

pub(crate) async fn a_copy_of_an_earlier_claim_that_gives_up_disturbs_nobody<S: Store>(rig: Rig<S>) {
    let key = key("earlier");
    let first = rig.claimed(&key).await;
    let mut earlier = Box::pin(rig.settled(&key));
    assert_eq!(poll_once(earlier.as_mut()), Poll::Pending);
    rig.release(&key, first.token).await;
    let second = rig.claimed(&key).await;
    let mut wait = pin!(rig.settled(&key));
    assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    drop(earlier);
    rig.commit(&key, second.token, None).await;
    assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
}

pub(crate) async fn what_is_known_of_an_event_can_be_looked_up<S: Store>(rig: Rig<S>) {
    let key = key("looked-up");
    let look = async || {
        rig.store
            .look(&key, rig.now())
            .await
            .unwrap()
            .map(|known| (known.state, known.attempt, known.answered))
    };
    assert_eq!(look().await, None);
    let lease = rig.claimed(&key).await;
    assert_eq!(look().await, Some((KnownState::InFlight, 1, false)));
    rig.release(&key, lease.token).await;
    assert_eq!(look().await, Some((KnownState::Released, 1, false)));
    let lease = rig.claimed(&key).await;
    assert_eq!(rig.commit(&key, lease.token, Some(answer("first"))).await, Committed::Yes);
    assert_eq!(look().await, Some((KnownState::Accepted, 2, true)));
    rig.pass_given(rig.ttl).await;
    if matches!(rig.time, Time::Given(..)) {
        assert_eq!(look().await, None, "it is over");
    }
}

pub(crate) async fn an_event_is_forgotten_unless_it_is_in_flight<S: Store>(rig: Rig<S>) {
    let key = key("forgotten");
    let forget = async || rig.store.forget(&key, rig.now()).await.unwrap();
    assert_eq!(forget().await, Forgotten::Unknown);
    let lease = rig.claimed(&key).await;
    assert_eq!(forget().await, Forgotten::InFlight);
    assert_eq!(rig.commit(&key, lease.token, Some(answer("first"))).await, Committed::Yes);
    assert!(matches!(rig.claim(&key).await, Claim::Seen { .. }));
    assert_eq!(forget().await, Forgotten::Yes);
    assert_eq!(rig.claimed(&key).await.attempt, 1, "as if it had never come");
}
