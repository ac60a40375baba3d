//! The contract, the bounds that only a store in memory has, and a model that is obviously right.

use proptest::prelude::*;

use super::*;
use crate::dedupe::contract::{START, answer, contract_tests, key};
use crate::dedupe::{ABANDONED_KEPT, Lease};

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(24 * 3600);

fn store(entries: usize, answers_bytes: u64) -> MemoryStore {
    MemoryStore::new(MemoryLimits { entries, answers_bytes })
}

mod contract_of_a_small_store {
    use super::*;
    contract_tests!(store(1000, 1 << 20));
}

mod contract_of_a_sharded_store {
    use super::*;
    contract_tests!(store(1_000_000, 64 << 20));
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

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Claim(usize),
    /// Settles with the token the key was last claimed with, which may be out of date.
    Commit(usize, Option<&'static str>),
    Release(usize),
    Pass(Duration),
}

const KEYS: usize = 6;
/// No more than the slots one claim sweeps, so that the model may forget at once.
const ROOM: usize = 4;
const ANSWERS: usize = 12;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let body = prop_oneof![Just(None), Just(Some("a")), Just(Some("bcdef"))];
    let step = prop_oneof![
        4 => (0..KEYS).prop_map(Step::Claim),
        2 => (0..KEYS, body).prop_map(|(key, body)| Step::Commit(key, body)),
        2 => (0..KEYS).prop_map(Step::Release),
        1 => prop_oneof![Just(LEASE / 2), Just(LEASE), Just(TTL / 2), Just(ABANDONED_KEPT)].prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..120)
}

/// The same promises without any cleverness: a list in the order of the last change.
#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    evictions: u64,
    claims: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    key: usize,
    state: &'static str,
    claim: u64,
    attempt: u32,
    until: UnixTime,
    answer: Option<Answer>,
}

impl Model {
    fn take(&mut self, key: usize) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at))
    }

    fn claim(&mut self, key: usize, now: UnixTime) -> Result<(Claim, u64), StoreError> {
        self.entries.retain(|entry| match entry.state {
            "in flight" => now < entry.until.saturating_add(ABANDONED_KEPT),
            _ => now < entry.until,
        });
        let mut attempt = 1;
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            match entry.state {
                "accepted" => {
                    let (answer, attempt) = (entry.answer.clone(), entry.attempt);
                    return Ok((Claim::Seen { answer, attempt }, 0));
                }
                "in flight" if now < entry.until => return Ok((Claim::InFlight, 0)),
                _ => attempt = entry.attempt + 1,
            }
            self.take(key);
        } else if self.entries.len() == ROOM {
            let oldest = |state| self.entries.iter().position(|entry| entry.state == state);
            let over = |entry: &Entry| entry.state == "in flight" && now >= entry.until;
            let victim = oldest("released")
                .or(oldest("accepted"))
                .or(self.entries.iter().position(over))
                .ok_or(StoreError::Full)?;
            self.evictions += u64::from(self.entries.remove(victim).state == "accepted");
        }
        self.claims += 1;
        let until = now.saturating_add(LEASE);
        let claim = self.claims;
        self.entries.push(Entry { key, state: "in flight", claim, attempt, until, answer: None });
        Ok((Claim::New(Lease { token: Token(0), attempt }), claim))
    }

    fn settle(
        &mut self,
        key: usize,
        claim: u64,
        state: &'static str,
        until: UnixTime,
        answer: Option<Answer>,
    ) -> Committed {
        let held = |entry: &&Entry| entry.key == key && entry.claim == claim && entry.state == "in flight";
        if self.entries.iter().find(held).is_none() {
            return Committed::TooLate;
        }
        if let Some(entry) = self.take(key) {
            self.entries.push(Entry { state, until, answer, ..entry });
        }
        let size =
            |entry: &Entry| entry.answer.as_ref().and_then(Answer::pack).map_or(0, |bytes| bytes.len());
        while self.entries.iter().map(size).sum::<usize>() > ANSWERS {
            let oldest = self.entries.iter_mut().find(|entry| entry.answer.is_some());
            oldest.unwrap().answer = None;
        }
        Committed::Yes
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_goes_as_in_the_model(steps in steps()) {
        let store = store(ROOM, ANSWERS as u64);
        let mut model = Model::default();
        let mut time = START;
        let mut last = [(Token(0), 0); KEYS];
        for step in steps {
            match step {
                Step::Claim(n) => {
                    let name = key(&n.to_string());
                    let got = now(store.claim(&name, time, LEASE));
                    let expected = model.claim(n, time);
                    if let (Ok(Claim::New(lease)), Ok((_, claim))) = (&got, &expected) {
                        prop_assert!(last.iter().all(|(token, _)| *token != lease.token));
                        last[n] = (lease.token, *claim);
                    }
                    let got = got.map(|claim| match claim {
                        Claim::New(lease) => Claim::New(Lease { token: Token(0), ..lease }),
                        other => other,
                    });
                    prop_assert_eq!(got, expected.map(|(claim, _)| claim));
                    prop_assert_eq!(store.entries(), model.entries.len() as u64);
                }
                Step::Commit(n, body) => {
                    let (token, claim) = last[n];
                    let until = time.saturating_add(TTL);
                    let got = now(store.commit(&key(&n.to_string()), token, time, TTL, body.map(answer)));
                    let expected = model.settle(n, claim, "accepted", until, body.map(answer));
                    prop_assert_eq!(got, Ok(expected));
                }
                Step::Release(n) => {
                    let (token, claim) = last[n];
                    now(store.release(&key(&n.to_string()), token, time, TTL)).unwrap();
                    model.settle(n, claim, "released", time.saturating_add(TTL), None);
                }
                Step::Pass(by) => time = time.saturating_add(by),
            }
            prop_assert_eq!(store.evictions(), model.evictions);
        }
    }
}
