//! The store in this process's memory: bounded, with no pauses, gone with a restart.
//!
//! An entry takes 88 bytes and up to 12 in the table that finds it; a stored answer takes its own bytes on
//! top. Large stores are split into shards, so that workers seldom meet at a lock and growing a table is
//! short work; each shard evicts its own oldest, which among thousands is the store's oldest but for a per
//! cent or two. Small stores have one shard and an exact order.

mod passing;
mod shard;
mod slab;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::futures::OwnedNotified;

pub(super) use self::passing::Which;
pub(super) use self::passing::end;
pub(super) use self::shard::Accepted;
use self::shard::{Opened, Shard, Shared};
use super::gate::Gate;
use super::{Answer, Claim, Committed, EventKey, Forgotten, Known, Store, StoreError, Token, Wait};
use crate::time::UnixTime;

/// How much a [`MemoryStore`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Remembered events, those in flight included.
    pub entries: usize,
    /// Bytes of all stored first answers together.
    pub answers_bytes: u64,
}

/// What a store in memory has forgotten and whoever keeps a copy under that number may forget too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// The event and its answer.
    Event(u64),
    /// Its answer only.
    Answer(u64),
}

/// Remembers events in memory.
pub struct MemoryStore {
    shared: Arc<Shared>,
    shards: Box<[Aligned]>,
}

/// Keeps the locks of neighbouring shards out of each other's cache lines.
#[repr(align(128))]
struct Aligned(Mutex<Shard>);

/// Below these a shard would be too small for its own order to stand for the store's.
const ENTRIES_PER_SHARD: usize = 8 * 1024;
const ANSWER_BYTES_PER_SHARD: u64 = 1024 * 1024;
const MAX_SHARDS: usize = 64;

impl MemoryStore {
    /// An empty store. It allocates as it fills.
    #[must_use]
    pub fn new(limits: MemoryLimits) -> Self {
        let count = shard_count(limits);
        let shared = Arc::new(Shared::new(limits.entries as u64));
        let budget = usize::try_from(limits.answers_bytes).unwrap_or(usize::MAX) / count;
        let shard = || Aligned(Mutex::new(Shard::new(Arc::clone(&shared), budget)));
        Self { shards: std::iter::repeat_with(shard).take(count).collect(), shared }
    }

    /// What is known of an event without claiming it: that it was accepted, or is in flight.
    #[must_use]
    pub fn known(&self, key: &EventKey, now: UnixTime) -> Option<Claim> {
        let hash = self.shared.hash(key);
        self.shard(hash).lock().known(hash, key, now)
    }

    /// Puts in an event that was accepted without having been claimed here.
    ///
    /// # Errors
    /// [`StoreError::Full`] when every remembered event is in flight.
    pub(super) fn remember(
        &self,
        key: &EventKey,
        now: UnixTime,
        accepted: Accepted,
    ) -> Result<Vec<Gone>, StoreError> {
        let hash = self.shared.hash(key);
        let mut shard = self.shard(hash).lock();
        let opened = shard.remember(hash, key, now, accepted);
        let gone = shard.gone();
        drop(shard);
        open(opened?);
        Ok(gone)
    }

    /// As [`Store::claim`], and what was forgotten to make room.
    pub(super) fn claim_now(
        &self,
        key: &EventKey,
        now: UnixTime,
        lease: Duration,
    ) -> (Result<Claim, StoreError>, Vec<Gone>) {
        let hash = self.shared.hash(key);
        let mut shard = self.shard(hash).lock();
        let claim = shard.claim(hash, key, now, lease);
        let gone = shard.gone();
        drop(shard);
        let claim = claim.map(|(claim, opened)| {
            open(opened);
            claim
        });
        (claim, gone)
    }

    /// As [`Store::commit`] of an event of which a copy is kept under `number` (0: none), and what was forgotten.
    pub(super) fn commit_now(
        &self,
        key: &EventKey,
        token: Token,
        until: UnixTime,
        packed: Option<Box<[u8]>>,
        number: u64,
    ) -> (Committed, Vec<Gone>) {
        let hash = self.shared.hash(key);
        let mut shard = self.shard(hash).lock();
        let (committed, opened) = shard.commit(hash, key, token, until, packed, number);
        let gone = shard.gone();
        drop(shard);
        open(opened);
        (committed, gone)
    }

    /// As [`Store::release`].
    pub(super) fn release_now(&self, key: &EventKey, token: Token, until: UnixTime) {
        let hash = self.shared.hash(key);
        let opened = self.shard(hash).lock().release(hash, key, token, until);
        open(opened);
    }

    /// An accepted event that had no copy has one now, under `number`.
    pub(super) fn number(&self, key: &EventKey, number: u64) -> Vec<Gone> {
        let hash = self.shared.hash(key);
        let mut shard = self.shard(hash).lock();
        shard.number(hash, key, number);
        shard.gone()
    }

    /// Which attempt the claim in flight with this token is; `None` if there is no such claim.
    pub(super) fn attempt(&self, key: &EventKey, token: Token) -> Option<u32> {
        let hash = self.shared.hash(key);
        self.shard(hash).lock().attempt(hash, key, token)
    }

    /// As [`Store::look`].
    pub(super) fn look_now(&self, key: &EventKey, now: UnixTime) -> Option<Known> {
        let hash = self.shared.hash(key);
        self.shard(hash).lock().look(hash, key, now)
    }

    /// As [`Store::forget`], and what whoever keeps copies may forget with it.
    pub(super) fn forget_now(&self, key: &EventKey, now: UnixTime) -> (Forgotten, Vec<Gone>) {
        let hash = self.shared.hash(key);
        let mut shard = self.shard(hash).lock();
        (shard.forget(hash, key, now), shard.gone())
    }

    /// Looks at `steps` entries of each shard for expired ones and forgets them.
    pub(super) fn sweep(&self, steps: u32, now: UnixTime) -> Vec<Gone> {
        let mut gone = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.0.lock();
            shard.sweep(steps, now);
            gone.append(&mut shard.gone());
        }
        gone
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        // The table uses the lowest and the highest bits.
        &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)].0
    }

    fn wait(&self, key: &EventKey, now: UnixTime) -> Turn<'_> {
        let hash = self.shared.hash(key);
        let shard = self.shard(hash);
        let mut locked = shard.lock();
        let Some((index, gate, left)) = locked.gate(hash, key, now) else { return Turn::Now };
        match gate.enter() {
            Some(opened) => Turn::Later { place: Place { shard, index, gate }, opened, left },
            None => Turn::TooMany,
        }
    }
}

impl Store for MemoryStore {
    async fn claim(&self, key: &EventKey, now: UnixTime, lease: Duration) -> Result<Claim, StoreError> {
        self.claim_now(key, now, lease).0
    }

    async fn commit(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
        answer: Option<Answer>,
    ) -> Result<Committed, StoreError> {
        let packed = answer.as_ref().and_then(Answer::pack);
        Ok(self.commit_now(key, token, now.saturating_add(ttl), packed, 0).0)
    }

    async fn release(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        self.release_now(key, token, now.saturating_add(ttl));
        Ok(())
    }

    async fn settled(&self, key: &EventKey, now: UnixTime) -> Result<Wait, StoreError> {
        match self.wait(key, now) {
            Turn::Now => {}
            Turn::TooMany => return Ok(Wait::TooMany),
            Turn::Later { place: _place, opened, left } => {
                // Either way the claim is no longer in flight.
                let _ = tokio::time::timeout(left, opened).await;
            }
        }
        Ok(Wait::Changed)
    }

    async fn look(&self, key: &EventKey, now: UnixTime) -> Result<Option<Known>, StoreError> {
        Ok(self.look_now(key, now))
    }

    async fn forget(&self, key: &EventKey, now: UnixTime) -> Result<Forgotten, StoreError> {
        Ok(self.forget_now(key, now).0)
    }

    fn entries(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    fn evictions(&self) -> u64 {
        self.shared.evictions.load(Ordering::Relaxed)
    }
}

enum Turn<'s> {
    Now,
    Later { place: Place<'s>, opened: OwnedNotified, left: Duration },
    TooMany,
}

/// A place at a gate; given back when dropped, also by a caller that lost patience.
struct Place<'s> {
    shard: &'s Mutex<Shard>,
    index: u32,
    gate: Arc<Gate>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut shard = self.shard.lock();
        if self.gate.leave() {
            shard.close(self.index, &self.gate);
        }
    }
}

fn open(gate: Opened) {
    if let Some(gate) = gate {
        gate.open();
    }
}

/// A power of two.
fn shard_count(limits: MemoryLimits) -> usize {
    let by_entries = limits.entries / ENTRIES_PER_SHARD;
    let by_answers = match limits.answers_bytes {
        0 => MAX_SHARDS,
        bytes => usize::try_from(bytes / ANSWER_BYTES_PER_SHARD).unwrap_or(MAX_SHARDS),
    };
    1 << by_entries.min(by_answers).clamp(1, MAX_SHARDS).ilog2()
}

#[cfg(test)]
mod tests;
