//! The contract, the model, and the bounds that only a store in memory has.

use proptest::prelude::*;

use super::*;
use crate::dedupe::contract::{Rig, START, answer, contract_tests, key};
use crate::dedupe::model::{self, Bounds, Subject, steps};
use crate::dedupe::{ABANDONED_KEPT, Lease};

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(24 * 3600);

fn store(entries: usize, answers_bytes: u64) -> MemoryStore {
    MemoryStore::new(MemoryLimits { entries, answers_bytes })
}

mod contract_of_a_small_store {
    use super::*;
    contract_tests!(Rig::given(store(1000, 1 << 20)));
    contract_tests!(Rig::given(store(1000, 1 << 20)); a_token_of_another_event_settles_nothing,);
}

mod contract_of_a_sharded_store {
    use super::*;
    contract_tests!(Rig::given(store(1_000_000, 64 << 20)));
}

/// The memory store answers at once.
fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => panic!("it waits"),
    }
}

fn claim(store: &MemoryStore, key: &EventKey) -> Result<Claim, StoreError> {
    now(store.claim(key, START, LEASE))
}

fn claimed(store: &MemoryStore, key: &EventKey) -> Lease {
    match claim(store, key) {
        Ok(Claim::New(lease)) => lease,
        other => panic!("expected a new claim, got {other:?}"),
    }
}

fn accept(store: &MemoryStore, key: &EventKey, answer: Option<Answer>) {
    let lease = claimed(store, key);
    assert_eq!(now(store.commit(key, lease.token, START, TTL, answer)), Ok(Committed::Yes));
}

#[test]
fn a_full_store_forgets_the_oldest_accepted_event_and_counts_it() {
    let store = store(3, 0);
    let keys = ["a", "b", "c", "d"].map(key);
    keys.iter().take(3).for_each(|key| accept(&store, key, None));
    assert_eq!((store.entries(), store.evictions()), (3, 0));
    accept(&store, &keys[3], None);
    assert_eq!((store.entries(), store.evictions()), (3, 1));
    for key in &keys[1..] {
        assert_eq!(claim(&store, key), Ok(Claim::Seen { answer: None, attempt: 1 }));
    }
    claimed(&store, &keys[0]);
}

#[test]
fn what_was_merely_released_goes_before_any_accepted_event() {
    let store = store(2, 0);
    accept(&store, &key("older"), None);
    let lease = claimed(&store, &key("released"));
    now(store.release(&key("released"), lease.token, START, TTL)).unwrap();
    accept(&store, &key("new"), None);
    assert_eq!(claim(&store, &key("older")), Ok(Claim::Seen { answer: None, attempt: 1 }));
    assert_eq!(store.evictions(), 0, "nothing accepted was lost");
}

#[test]
fn a_claim_in_flight_is_never_evicted() {
    let store = store(2, 0);
    let (first, second) = (key("first"), key("second"));
    let lease = claimed(&store, &first);
    claimed(&store, &second);
    assert_eq!(claim(&store, &key("third")), Err(StoreError::Full));
    assert_eq!((claim(&store, &first), claim(&store, &second)), (Ok(Claim::InFlight), Ok(Claim::InFlight)));
    assert_eq!(now(store.commit(&first, lease.token, START, TTL, None)), Ok(Committed::Yes));
    claimed(&store, &key("third"));
    assert_eq!((store.entries(), store.evictions()), (2, 1));
}

#[test]
fn a_claim_whose_lease_is_over_makes_room() {
    let store = store(1, 0);
    let abandoned = key("abandoned");
    let lease = claimed(&store, &abandoned);
    let over = START.saturating_add(LEASE);
    assert!(matches!(now(store.claim(&key("next"), over, LEASE)), Ok(Claim::New(_))));
    assert_eq!(now(store.commit(&abandoned, lease.token, over, TTL, None)), Ok(Committed::TooLate));
}

#[test]
fn all_answers_together_stay_within_their_bytes_and_the_oldest_goes_first() {
    let keys = ["a", "b", "c"].map(key);
    let packed = answer("0123456789").pack().unwrap().len() as u64;
    let store = store(10, 2 * packed);
    keys.iter().for_each(|key| accept(&store, key, Some(answer("0123456789"))));
    let seen = |answer| Ok(Claim::Seen { answer, attempt: 1 });
    assert_eq!(claim(&store, &keys[0]), seen(None), "the id stays");
    assert_eq!(claim(&store, &keys[1]), seen(Some(answer("0123456789"))));
    assert_eq!(claim(&store, &keys[2]), seen(Some(answer("0123456789"))));
}

#[test]
fn the_bytes_of_a_forgotten_answer_are_free_again() {
    let packed = answer("0123456789").pack().unwrap().len() as u64;
    let store = store(1, packed);
    for name in ["a", "b", "c"] {
        accept(&store, &key(name), Some(answer("0123456789")));
        let seen = Claim::Seen { answer: Some(answer("0123456789")), attempt: 1 };
        assert_eq!(claim(&store, &key(name)), Ok(seen));
    }
}

#[test]
fn an_answer_larger_than_all_answers_may_be_takes_no_other_with_it() {
    let store = store(10, 20);
    accept(&store, &key("small"), Some(answer("ok")));
    accept(&store, &key("large"), Some(answer("more than twenty bytes of an answer")));
    let seen = |answer| Ok(Claim::Seen { answer, attempt: 1 });
    assert_eq!(claim(&store, &key("small")), seen(Some(answer("ok"))));
    assert_eq!(claim(&store, &key("large")), seen(None));
}

#[test]
fn expired_events_are_forgotten_bit_by_bit_while_others_come() {
    let store = store(1000, 0);
    for n in 0..400 {
        accept(&store, &key(&format!("old-{n}")), None);
    }
    let later = START.saturating_add(TTL);
    for n in 0..100 {
        assert!(matches!(now(store.claim(&key(&format!("new-{n}")), later, LEASE)), Ok(Claim::New(_))));
    }
    assert_eq!((store.entries(), store.evictions()), (100, 0));
}

#[test]
fn an_expired_event_that_comes_again_before_it_was_swept_is_a_new_one() {
    let store = store(1000, 0);
    let keys: Vec<_> = (0..100).map(|n| key(&n.to_string())).collect();
    keys.iter().for_each(|key| accept(&store, key, None));
    let later = START.saturating_add(TTL);
    for key in keys.iter().rev() {
        let again = now(store.claim(key, later, LEASE));
        assert!(matches!(again, Ok(Claim::New(Lease { attempt: 1, .. }))), "{again:?}");
    }
}

#[test]
fn an_abandoned_claim_is_forgotten_in_the_end() {
    let store = store(10, 0);
    claimed(&store, &key("abandoned"));
    let gone = START.saturating_add(LEASE).saturating_add(ABANDONED_KEPT);
    assert!(matches!(now(store.claim(&key("other"), gone, LEASE)), Ok(Claim::New(_))));
    assert_eq!(store.entries(), 1);
}

#[test]
fn the_limit_holds_for_all_shards_together() {
    let limit = 2 * ENTRIES_PER_SHARD;
    let store = store(limit, 64 << 20);
    assert_eq!(store.shards.len(), 2);
    for n in 0..limit + 100 {
        accept(&store, &EventKey(std::array::from_fn(|at| (n >> (8 * (at % 8))) as u8)), None);
    }
    assert_eq!((store.entries(), store.evictions()), (limit as u64, 100));
}

#[test]
fn a_store_has_shards_only_where_each_holds_enough() {
    let count = |entries, answers_bytes| shard_count(MemoryLimits { entries, answers_bytes });
    assert_eq!(count(1, 64 << 20), 1);
    assert_eq!(count(1_000_000, 64 << 20), 64);
    assert_eq!(count(1_000_000, 100 << 10), 1);
    assert_eq!(count(1_000_000, 0), 64);
    assert_eq!(count(100_000, 64 << 20), 8);
    assert_eq!(count(usize::MAX, u64::MAX), MAX_SHARDS);
}

/// No more than the slots one claim sweeps, so that the model may forget at once.
const BOUNDS: Bounds = Bounds { entries: 4, answers: 12, remembers_what_it_forgot: false };

struct InMemory(MemoryStore);

impl Subject for InMemory {
    type Store = MemoryStore;

    fn store(&self) -> &MemoryStore {
        &self.0
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_goes_as_in_the_model(steps in steps(false)) {
        let store = InMemory(store(BOUNDS.entries, BOUNDS.answers as u64));
        now(model::follow(store, BOUNDS, steps))?;
    }
}
