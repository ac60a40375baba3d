//! One shard of the memory store: a plain state machine under one lock, no waiting and no clock in it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hashbrown::HashTable;

use super::Gone;
use super::slab::{Chain, List, NIL, Slab, State};
use crate::dedupe::gate::Gate;
use crate::dedupe::{
    ABANDONED_KEPT, Answer, Claim, Committed, EventKey, Forgotten, Known, KnownState, Lease, StoreError,
    Token,
};
use crate::time::UnixTime;

/// Slots looked at for expired memories at each claim. An insertion fills at most one slot, so everything
/// that expired is found within a quarter of a turn of the whole store, without ever stopping for it.
const SWEPT_PER_CLAIM: u32 = 4;

/// Claims in flight looked at, oldest first, for one whose lease is over, when nothing else can be evicted.
const LEASES_CHECKED: usize = 8;

/// What the shards of a store share.
pub(super) struct Shared {
    /// Entries remembered at most.
    pub(super) limit: u64,
    /// Entries remembered now, in all shards.
    pub(super) used: AtomicU64,
    /// Accepted events evicted before their time.
    pub(super) evictions: AtomicU64,
    /// Random, so that nobody can choose keys that fall into one bucket.
    pub(super) seed: [u64; 2],
}

impl Shared {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0), evictions: AtomicU64::new(0), seed: [random(), random()] }
    }

    /// The hash of a key. Keys are SHA-256 digests, so half of one, multiplied with the seed, is enough.
    pub(super) fn hash(&self, key: &EventKey) -> u64 {
        let word = |at: usize| key.0[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let product = u128::from(word(0) ^ self.seed[0]) * u128::from(word(8) ^ self.seed[1]);
        (product as u64) ^ ((product >> 64) as u64)
    }

    fn reserve(&self) -> bool {
        if self.used.fetch_add(1, Ordering::Relaxed) < self.limit {
            return true;
        }
        self.used.fetch_sub(1, Ordering::Relaxed);
        false
    }
}

/// The entries whose hash falls into this shard.
pub(super) struct Shard {
    shared: Arc<Shared>,
    table: HashTable<u32>,
    pub(super) slab: Slab,
    pub(super) in_flight: List,
    pub(super) released: List,
    pub(super) accepted: List,
    answers: List,
    answer_bytes: usize,
    answer_budget: usize,
    /// The next slot to look at for an expired memory.
    hand: u32,
    /// A random start and a walk over all 64-bit numbers from there.
    token: u64,
    /// Only for claims that somebody waits for.
    gates: HashMap<u32, Arc<Gate>>,
    /// What was forgotten of entries that have a number, for whoever keeps a copy of them.
    gone: Vec<Gone>,
}

/// A gate to open once the shard's lock is given back: waking runs code that is not ours.
pub(super) type Opened = Option<Arc<Gate>>;

impl Shard {
    pub(super) fn new(shared: Arc<Shared>, answer_budget: usize) -> Self {
        Self {
            shared,
            table: HashTable::new(),
            slab: Slab::new(),
            in_flight: List::new(Chain::Order),
            released: List::new(Chain::Order),
            accepted: List::new(Chain::Order),
            answers: List::new(Chain::Answers),
            answer_bytes: 0,
            answer_budget,
            hand: 0,
            token: random(),
            gates: HashMap::new(),
            gone: Vec::new(),
        }
    }

    pub(super) fn claim(
        &mut self,
        hash: u64,
        key: &EventKey,
        now: UnixTime,
        lease: Duration,
    ) -> Result<(Claim, Opened), StoreError> {
        self.sweep(SWEPT_PER_CLAIM, now);
        let (index, opened) = match self.find(hash, key) {
            Some(index) => {
                let slot = &self.slab[index];
                let live = now.millis() < slot.until;
                match slot.state {
                    State::Accepted if live => {
                        let answer = slot.answer.as_deref().and_then(Answer::unpack);
                        return Ok((Claim::Seen { answer, attempt: slot.attempt }, None));
                    }
                    State::InFlight if live => return Ok((Claim::InFlight, None)),
                    _ => {}
                }
                if self.forgotten(index, now) {
                    self.slab[index].attempt = 0;
                }
                let opened = self.gates.remove(&index);
                self.detach(index);
                (index, opened)
            }
            None => (self.insert(hash, key, now)?, None),
        };
        self.token = self.token.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let slot = &mut self.slab[index];
        slot.state = State::InFlight;
        slot.attempt = slot.attempt.saturating_add(1);
        slot.until = now.saturating_add(lease).millis();
        slot.token = self.token;
        let lease = Lease { token: Token(slot.token), attempt: slot.attempt };
        self.in_flight.push(&mut self.slab, index);
        Ok((Claim::New(lease), opened))
    }

    pub(super) fn commit(
        &mut self,
        hash: u64,
        key: &EventKey,
        token: Token,
        until: UnixTime,
        answer: Option<Box<[u8]>>,
        number: u64,
    ) -> (Committed, Opened) {
        let Some(index) = self.held(hash, key, token) else { return (Committed::TooLate, None) };
        self.detach(index);
        self.accept(index, until, answer, number);
        (Committed::Yes, self.gates.remove(&index))
    }

    /// Puts in an accepted event that was not claimed here, in the place of whatever was known of it.
    pub(super) fn remember(
        &mut self,
        hash: u64,
        key: &EventKey,
        now: UnixTime,
        accepted: Accepted,
    ) -> Result<Opened, StoreError> {
        let (index, opened) = match self.find(hash, key) {
            Some(index) => {
                self.detach(index);
                (index, self.gates.remove(&index))
            }
            None => (self.insert(hash, key, now)?, None),
        };
        self.slab[index].attempt = accepted.attempt;
        self.accept(index, accepted.until, accepted.answer, accepted.number);
        Ok(opened)
    }

    /// Gives an accepted event that has none the number under which a copy of it is kept; otherwise that copy
    /// is of no use.
    pub(super) fn number(&mut self, hash: u64, key: &EventKey, number: u64) {
        let slot = self.find(hash, key).map(|index| &mut self.slab[index]);
        match slot.filter(|slot| slot.state == State::Accepted && slot.token == 0) {
            Some(slot) => slot.token = number,
            None => self.gone.push(Gone::Event(number)),
        }
    }

    /// What is known of the event without claiming it: that it was accepted, or is in flight.
    pub(super) fn known(&self, hash: u64, key: &EventKey, now: UnixTime) -> Option<Claim> {
        let slot = &self.slab[self.find(hash, key)?];
        match slot.state {
            _ if now.millis() >= slot.until => None,
            State::Accepted => {
                let answer = slot.answer.as_deref().and_then(Answer::unpack);
                Some(Claim::Seen { answer, attempt: slot.attempt })
            }
            State::InFlight => Some(Claim::InFlight),
            State::Released | State::Free => None,
        }
    }

    /// All that is known of the event.
    pub(super) fn look(&self, hash: u64, key: &EventKey, now: UnixTime) -> Option<Known> {
        let slot = &self.slab[self.find(hash, key)?];
        let state = match slot.state {
            State::InFlight => KnownState::InFlight,
            State::Accepted => KnownState::Accepted,
            State::Released => KnownState::Released,
            State::Free => return None,
        };
        let known = Known {
            state,
            attempt: slot.attempt,
            until: UnixTime::from_millis(slot.until),
            answered: slot.answer.is_some(),
        };
        (now.millis() < slot.until).then_some(known)
    }

    /// Forgets the event unless it is in flight.
    pub(super) fn forget(&mut self, hash: u64, key: &EventKey, now: UnixTime) -> Forgotten {
        let Some(index) = self.find(hash, key) else { return Forgotten::Unknown };
        let slot = &self.slab[index];
        let live = now.millis() < slot.until;
        if live && slot.state == State::InFlight {
            return Forgotten::InFlight;
        }
        self.remove(index);
        if live { Forgotten::Yes } else { Forgotten::Unknown }
    }

    /// Which attempt the claim in flight with this token is; `None` if there is no such claim.
    pub(super) fn attempt(&self, hash: u64, key: &EventKey, token: Token) -> Option<u32> {
        self.held(hash, key, token).map(|index| self.slab[index].attempt)
    }

    /// What was forgotten since this was asked last.
    pub(super) fn gone(&mut self) -> Vec<Gone> {
        std::mem::take(&mut self.gone)
    }

    /// The entry, which stands in no list, is an accepted event from now on.
    fn accept(&mut self, index: u32, until: UnixTime, answer: Option<Box<[u8]>>, number: u64) {
        let slot = &mut self.slab[index];
        slot.state = State::Accepted;
        slot.until = until.millis();
        slot.token = number;
        self.accepted.push(&mut self.slab, index);
        let Some(answer) = answer else { return };
        if answer.len() > self.answer_budget {
            return self.answer_gone(number);
        }
        self.answer_bytes += answer.len();
        self.slab[index].answer = Some(answer);
        self.answers.push(&mut self.slab, index);
        while self.answer_bytes > self.answer_budget {
            let oldest = self.answers.head();
            self.drop_answer(oldest);
            self.answer_gone(self.slab[oldest].token);
        }
    }

    fn answer_gone(&mut self, number: u64) {
        if number != 0 {
            self.gone.push(Gone::Answer(number));
        }
    }

    pub(super) fn release(&mut self, hash: u64, key: &EventKey, token: Token, until: UnixTime) -> Opened {
        let index = self.held(hash, key, token)?;
        self.detach(index);
        let slot = &mut self.slab[index];
        slot.state = State::Released;
        slot.until = until.millis();
        self.released.push(&mut self.slab, index);
        self.gates.remove(&index)
    }

    /// The gate of the event's claim in flight and how long its lease still lasts; `None` without a claim.
    pub(super) fn gate(
        &mut self,
        hash: u64,
        key: &EventKey,
        now: UnixTime,
    ) -> Option<(u32, Arc<Gate>, Duration)> {
        let index = self.find(hash, key)?;
        let slot = &self.slab[index];
        let left = u64::try_from(slot.until.saturating_sub(now.millis())).ok().filter(|left| *left > 0)?;
        if slot.state != State::InFlight {
            return None;
        }
        let gate = self.gates.entry(index).or_default();
        Some((index, Arc::clone(gate), Duration::from_millis(left)))
    }

    /// Forgets a gate that nobody waits at any more.
    pub(super) fn close(&mut self, index: u32, gate: &Arc<Gate>) {
        if self.gates.get(&index).is_some_and(|current| Arc::ptr_eq(current, gate)) {
            self.gates.remove(&index);
        }
    }

    pub(super) fn find(&self, hash: u64, key: &EventKey) -> Option<u32> {
        self.table.find(hash, |index| self.slab[*index].key == *key).copied()
    }

    fn held(&self, hash: u64, key: &EventKey, token: Token) -> Option<u32> {
        let index = self.find(hash, key)?;
        let slot = &self.slab[index];
        (slot.state == State::InFlight && slot.token == token.0).then_some(index)
    }

    /// A new entry in no list, with room made for it if need be.
    pub(super) fn insert(&mut self, hash: u64, key: &EventKey, now: UnixTime) -> Result<u32, StoreError> {
        while !self.shared.reserve() {
            if !self.evict(now) {
                return Err(StoreError::Full);
            }
        }
        let index = self.slab.take(*key);
        self.slab[index].attempt = 0;
        let (slab, shared) = (&self.slab, &self.shared);
        self.table.insert_unique(hash, index, |index| shared.hash(&slab[*index].key));
        Ok(index)
    }

    /// Forgets the least valuable entry: what was merely released, then the oldest accepted, then a claim
    /// whose lease is over. Never a claim in flight.
    fn evict(&mut self, now: UnixTime) -> bool {
        let released = self.released.head();
        if released != NIL {
            self.remove(released);
            return true;
        }
        let accepted = self.accepted.head();
        if accepted != NIL {
            if now.millis() < self.slab[accepted].until {
                self.shared.evictions.fetch_add(1, Ordering::Relaxed);
            }
            self.remove(accepted);
            return true;
        }
        let mut claim = self.in_flight.head();
        for _ in 0..LEASES_CHECKED {
            if claim == NIL {
                return false;
            }
            if now.millis() >= self.slab[claim].until {
                self.remove(claim);
                return true;
            }
            claim = self.in_flight.next(&self.slab, claim);
        }
        false
    }

    /// A few steps of the round in which expired entries are found.
    pub(super) fn sweep(&mut self, steps: u32, now: UnixTime) {
        for _ in 0..steps.min(self.slab.len()) {
            self.hand = if self.hand + 1 < self.slab.len() { self.hand + 1 } else { 0 };
            if self.slab[self.hand].state != State::Free && self.forgotten(self.hand, now) {
                self.remove(self.hand);
            }
        }
    }

    fn forgotten(&self, index: u32, now: UnixTime) -> bool {
        let slot = &self.slab[index];
        let until = match slot.state {
            State::InFlight => UnixTime::from_millis(slot.until).saturating_add(ABANDONED_KEPT).millis(),
            _ => slot.until,
        };
        now.millis() >= until
    }

    fn remove(&mut self, index: u32) {
        let hash = self.shared.hash(&self.slab[index].key);
        if let Ok(entry) = self.table.find_entry(hash, |other| *other == index) {
            entry.remove();
        }
        // Whoever still waits at the gate has the lease's end as its own alarm.
        self.gates.remove(&index);
        self.detach(index);
        self.slab.give_back(index);
        self.shared.used.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes the entry out of the list of its state, and its answer with it.
    fn detach(&mut self, index: u32) {
        self.drop_answer(index);
        match self.slab[index].state {
            State::InFlight => self.in_flight.unlink(&mut self.slab, index),
            State::Released => self.released.unlink(&mut self.slab, index),
            State::Accepted => {
                self.accepted.unlink(&mut self.slab, index);
                let number = std::mem::take(&mut self.slab[index].token);
                if number != 0 {
                    self.gone.push(Gone::Event(number));
                }
            }
            State::Free => {}
        }
    }

    fn drop_answer(&mut self, index: u32) {
        if let Some(answer) = self.slab[index].answer.take() {
            self.answer_bytes -= answer.len();
            self.answers.unlink(&mut self.slab, index);
        }
    }
}

/// An accepted event that comes from elsewhere.
pub(in crate::dedupe) struct Accepted {
    /// Until when it is remembered.
    pub(in crate::dedupe) until: UnixTime,
    /// Which attempt was accepted.
    pub(in crate::dedupe) attempt: u32,
    /// The first answer, packed.
    pub(in crate::dedupe) answer: Option<Box<[u8]>>,
    /// The number under which a copy is kept, 0 without one.
    pub(in crate::dedupe) number: u64,
}

/// A random number from the operating system, by way of the standard library's hasher keys.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
