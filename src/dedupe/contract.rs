//! What every store promises, as tests. A store runs all of them with `contract_tests!(make)`, where `make`
//! is an expression that gives an empty store, or one that no other test uses.
//!
//! Time is an argument throughout: a store compares the `now` it is given and never its own clock. Only a
//! copy that waits for a lease to run out really waits.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::*;

/// Expands to one test for each promise.
macro_rules! contract_tests {
    ($make:expr) => {
        $crate::dedupe::contract::contract_tests!($make;
            of_many_callers_one_gets_the_claim,
            an_accepted_event_is_answered_with_its_first_answer,
            an_accepted_event_without_an_answer_is_remembered_too,
            an_answer_above_64_kib_is_not_kept_but_its_event_is,
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
            every_copy_that_waits_is_woken_by_the_release,
            a_copy_that_waits_is_woken_when_the_lease_runs_out,
            nobody_waits_for_what_is_not_in_flight,
            the_thirty_third_copy_does_not_wait,
            a_copy_that_gives_up_makes_room_for_another,
            every_copy_that_waits_is_woken_by_the_next_claim,
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

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(24 * 3600);
const MOMENT: Duration = Duration::from_millis(1);

/// 2026-01-01, so that a store which adds and subtracts seconds is tried with real ones.
pub(crate) const START: UnixTime = UnixTime::from_millis(1_767_225_600_000);

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

/// A claim that must be a new one.
async fn claimed(store: &impl Store, key: &EventKey, now: UnixTime) -> Lease {
    match store.claim(key, now, LEASE).await.unwrap() {
        Claim::New(lease) => lease,
        other => panic!("expected a new claim, got {other:?}"),
    }
}

async fn accepted(store: &impl Store, key: &EventKey, now: UnixTime) -> Lease {
    let lease = claimed(store, key, now).await;
    assert_eq!(store.commit(key, lease.token, now, TTL, None).await.unwrap(), Committed::Yes);
    lease
}

/// Polls once, so that whoever waits stands in line, and says whether it is done.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits, but not for ever: a copy that is never woken is a failed test and not a hanging one.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it was never woken")
}

pub(crate) async fn of_many_callers_one_gets_the_claim<S: Store + 'static>(store: S) {
    let store = Arc::new(store);
    for round in 0..50 {
        let key = key(&format!("many-{round}"));
        let callers: Vec<_> = (0..16)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.claim(&key, START, LEASE).await.unwrap() })
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

pub(crate) async fn an_accepted_event_is_answered_with_its_first_answer<S: Store>(store: S) {
    let key = key("first-answer");
    let lease = claimed(&store, &key, START).await;
    let first = answer("{\"ok\":true}");
    store.commit(&key, lease.token, START, TTL, Some(first.clone())).await.unwrap();
    for _ in 0..2 {
        let again = store.claim(&key, START, LEASE).await.unwrap();
        assert_eq!(again, Claim::Seen { answer: Some(first.clone()), attempt: 1 });
    }
}

pub(crate) async fn an_accepted_event_without_an_answer_is_remembered_too<S: Store>(store: S) {
    let key = key("no-answer");
    accepted(&store, &key, START).await;
    let again = store.claim(&key, START, LEASE).await.unwrap();
    assert_eq!(again, Claim::Seen { answer: None, attempt: 1 });
}

pub(crate) async fn an_answer_above_64_kib_is_not_kept_but_its_event_is<S: Store>(store: S) {
    for (name, length, kept) in [("64-kib", 65_536, true), ("65-kib", 65_537, false)] {
        let key = key(name);
        let lease = claimed(&store, &key, START).await;
        let sized = Answer { body: vec![b'x'; length].into(), ..answer("") };
        store.commit(&key, lease.token, START, TTL, Some(sized.clone())).await.unwrap();
        let again = store.claim(&key, START, LEASE).await.unwrap();
        assert_eq!(again, Claim::Seen { answer: kept.then_some(sized), attempt: 1 });
    }
}

pub(crate) async fn an_accepted_event_is_forgotten_after_its_ttl<S: Store>(store: S) {
    let key = key("ttl");
    accepted(&store, &key, START).await;
    let end = START.saturating_add(TTL);
    let before = store.claim(&key, UnixTime::from_millis(end.millis() - 1), LEASE).await.unwrap();
    assert_eq!(before, Claim::Seen { answer: None, attempt: 1 });
    assert_eq!(claimed(&store, &key, end).await.attempt, 1);
}

pub(crate) async fn a_released_event_is_claimed_anew_with_the_next_attempt<S: Store>(store: S) {
    let key = key("released");
    for attempt in 1..=3 {
        let lease = claimed(&store, &key, START).await;
        assert_eq!(lease.attempt, attempt);
        store.release(&key, lease.token, START, TTL).await.unwrap();
    }
    accepted(&store, &key, START).await;
    let again = store.claim(&key, START, LEASE).await.unwrap();
    assert_eq!(again, Claim::Seen { answer: None, attempt: 4 });
}

pub(crate) async fn a_releases_count_of_attempts_is_kept_for_its_ttl<S: Store>(store: S) {
    for (name, later, attempt) in [("kept", TTL - MOMENT, 2), ("gone", TTL, 1)] {
        let key = key(name);
        let lease = claimed(&store, &key, START).await;
        store.release(&key, lease.token, START, TTL).await.unwrap();
        assert_eq!(claimed(&store, &key, START.saturating_add(later)).await.attempt, attempt);
    }
}

pub(crate) async fn a_lease_that_ran_out_lets_the_next_claim_through<S: Store>(store: S) {
    let key = key("over");
    let first = claimed(&store, &key, START).await;
    let before = START.saturating_add(LEASE - MOMENT);
    assert_eq!(store.claim(&key, before, LEASE).await.unwrap(), Claim::InFlight);
    let second = claimed(&store, &key, START.saturating_add(LEASE)).await;
    assert_eq!(second.attempt, 2);
    assert_ne!(second.token, first.token);
}

pub(crate) async fn a_late_commit_cannot_touch_a_newer_claim<S: Store>(store: S) {
    let key = key("late-commit");
    let first = claimed(&store, &key, START).await;
    let over = START.saturating_add(LEASE);
    let second = claimed(&store, &key, over).await;
    let late = store.commit(&key, first.token, over, TTL, Some(answer("late"))).await.unwrap();
    assert_eq!(late, Committed::TooLate);
    assert_eq!(store.claim(&key, over, LEASE).await.unwrap(), Claim::InFlight);
    let own = store.commit(&key, second.token, over, TTL, Some(answer("own"))).await.unwrap();
    assert_eq!(own, Committed::Yes);
    let seen = store.claim(&key, over, LEASE).await.unwrap();
    assert_eq!(seen, Claim::Seen { answer: Some(answer("own")), attempt: 2 });
}

pub(crate) async fn a_late_release_cannot_touch_a_newer_claim<S: Store>(store: S) {
    let key = key("late-release");
    let first = claimed(&store, &key, START).await;
    let over = START.saturating_add(LEASE);
    claimed(&store, &key, over).await;
    store.release(&key, first.token, over, TTL).await.unwrap();
    assert_eq!(store.claim(&key, over, LEASE).await.unwrap(), Claim::InFlight);
}

pub(crate) async fn a_late_commit_counts_if_nobody_claimed_anew<S: Store>(store: S) {
    let key = key("late-alone");
    let lease = claimed(&store, &key, START).await;
    let over = START.saturating_add(LEASE * 2);
    let late = store.commit(&key, lease.token, over, TTL, None).await.unwrap();
    assert_eq!(late, Committed::Yes);
    let again = store.claim(&key, over, LEASE).await.unwrap();
    assert_eq!(again, Claim::Seen { answer: None, attempt: 1 });
}

pub(crate) async fn a_settled_claim_cannot_be_settled_again<S: Store>(store: S) {
    let key = key("twice");
    let lease = claimed(&store, &key, START).await;
    store.release(&key, lease.token, START, TTL).await.unwrap();
    let after = store.commit(&key, lease.token, START, TTL, None).await.unwrap();
    assert_eq!(after, Committed::TooLate);
    let lease = accepted(&store, &key, START).await;
    store.release(&key, lease.token, START, TTL).await.unwrap();
    let again = store.claim(&key, START, LEASE).await.unwrap();
    assert_eq!(again, Claim::Seen { answer: None, attempt: 2 });
}

pub(crate) async fn a_strangers_token_settles_nothing<S: Store>(store: S) {
    let key = key("stranger");
    let lease = claimed(&store, &key, START).await;
    let stranger = Token(lease.token.0 ^ 1);
    let commit = store.commit(&key, stranger, START, TTL, None).await.unwrap();
    assert_eq!(commit, Committed::TooLate);
    store.release(&key, stranger, START, TTL).await.unwrap();
    assert_eq!(store.claim(&key, START, LEASE).await.unwrap(), Claim::InFlight);
    let unknown = self::key("unknown");
    let commit = store.commit(&unknown, lease.token, START, TTL, None).await.unwrap();
    assert_eq!(commit, Committed::TooLate);
    assert_eq!(claimed(&store, &unknown, START).await.attempt, 1);
}

pub(crate) async fn events_do_not_meet<S: Store>(store: S) {
    let keys: Vec<_> = (0..200).map(|n| key(&format!("own-{n}"))).collect();
    for key in &keys {
        accepted(&store, key, START).await;
    }
    assert_eq!(claimed(&store, &key("own-200"), START).await.attempt, 1);
    for key in &keys {
        let again = store.claim(key, START, LEASE).await.unwrap();
        assert_eq!(again, Claim::Seen { answer: None, attempt: 1 });
    }
}

pub(crate) async fn every_copy_that_waits_is_woken_by_the_commit<S: Store>(store: S) {
    let key = key("wait-commit");
    let lease = claimed(&store, &key, START).await;
    let mut waiting: Vec<_> = (0..MAX_WAITERS).map(|_| Box::pin(store.settled(&key, START))).collect();
    for wait in &mut waiting {
        assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    }
    store.commit(&key, lease.token, START, TTL, Some(answer("first"))).await.unwrap();
    for wait in waiting {
        assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
        let shared = store.claim(&key, START, LEASE).await.unwrap();
        assert_eq!(shared, Claim::Seen { answer: Some(answer("first")), attempt: 1 });
    }
}

pub(crate) async fn every_copy_that_waits_is_woken_by_the_release<S: Store>(store: S) {
    let key = key("wait-release");
    let lease = claimed(&store, &key, START).await;
    let mut waiting: Vec<_> = (0..MAX_WAITERS).map(|_| Box::pin(store.settled(&key, START))).collect();
    for wait in &mut waiting {
        assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    }
    store.release(&key, lease.token, START, TTL).await.unwrap();
    let mut forwarded = 0;
    for wait in waiting {
        assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
        match store.claim(&key, START, LEASE).await.unwrap() {
            Claim::New(lease) => {
                assert_eq!(lease.attempt, 2);
                forwarded += 1;
            }
            other => assert_eq!(other, Claim::InFlight),
        }
    }
    assert_eq!(forwarded, 1, "one of the copies goes next, the others wait for it");
}

pub(crate) async fn a_copy_that_waits_is_woken_when_the_lease_runs_out<S: Store>(store: S) {
    let key = key("wait-lease");
    claimed(&store, &key, START).await;
    let almost = START.saturating_add(LEASE - Duration::from_millis(20));
    let mut wait = pin!(store.settled(&key, almost));
    assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
    assert_eq!(claimed(&store, &key, START.saturating_add(LEASE)).await.attempt, 2);
}

pub(crate) async fn nobody_waits_for_what_is_not_in_flight<S: Store>(store: S) {
    let key = key("no-wait");
    assert_eq!(soon(store.settled(&key, START)).await.unwrap(), Wait::Changed);
    let lease = claimed(&store, &key, START).await;
    let over = START.saturating_add(LEASE);
    assert_eq!(soon(store.settled(&key, over)).await.unwrap(), Wait::Changed);
    store.release(&key, lease.token, START, TTL).await.unwrap();
    assert_eq!(soon(store.settled(&key, START)).await.unwrap(), Wait::Changed);
    accepted(&store, &key, START).await;
    assert_eq!(soon(store.settled(&key, START)).await.unwrap(), Wait::Changed);
}

pub(crate) async fn the_thirty_third_copy_does_not_wait<S: Store>(store: S) {
    let (key, other) = (key("crowd"), key("elsewhere"));
    claimed(&store, &key, START).await;
    claimed(&store, &other, START).await;
    let mut waiting: Vec<_> = (0..MAX_WAITERS).map(|_| Box::pin(store.settled(&key, START))).collect();
    for wait in &mut waiting {
        assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    }
    assert_eq!(soon(store.settled(&key, START)).await.unwrap(), Wait::TooMany);
    assert_eq!(poll_once(pin!(store.settled(&other, START))), Poll::Pending, "the limit is an event's own");
}

pub(crate) async fn a_copy_that_gives_up_makes_room_for_another<S: Store>(store: S) {
    let key = key("gave-up");
    let lease = claimed(&store, &key, START).await;
    for _ in 0..3 * MAX_WAITERS {
        let mut gone = Box::pin(store.settled(&key, START));
        assert_eq!(poll_once(gone.as_mut()), Poll::Pending);
    }
    let mut wait = pin!(store.settled(&key, START));
    assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    store.commit(&key, lease.token, START, TTL, None).await.unwrap();
    assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
}

pub(crate) async fn every_copy_that_waits_is_woken_by_the_next_claim<S: Store>(store: S) {
    let key = key("wait-next");
    claimed(&store, &key, START).await;
    let mut wait = pin!(store.settled(&key, START));
    assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    claimed(&store, &key, START.saturating_add(LEASE)).await;
    assert_eq!(soon(wait).await.unwrap(), Wait::Changed, "the claim it waited for is over");
}

pub(crate) async fn a_copy_of_an_earlier_claim_that_gives_up_disturbs_nobody<S: Store>(store: S) {
    let key = key("earlier");
    let first = claimed(&store, &key, START).await;
    let mut earlier = Box::pin(store.settled(&key, START));
    assert_eq!(poll_once(earlier.as_mut()), Poll::Pending);
    store.release(&key, first.token, START, TTL).await.unwrap();
    let second = claimed(&store, &key, START).await;
    let mut wait = pin!(store.settled(&key, START));
    assert_eq!(poll_once(wait.as_mut()), Poll::Pending);
    drop(earlier);
    store.commit(&key, second.token, START, TTL, None).await.unwrap();
    assert_eq!(soon(wait).await.unwrap(), Wait::Changed);
}
