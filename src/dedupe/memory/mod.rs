//! The store in this process's memory: bounded, with no pauses, gone with a restart.
//!
//! An entry takes 88 bytes and up to 12 in the table that finds it; a stored answer takes its own bytes on
//! top. Large stores are split into shards, so that workers seldom meet at a lock and growing a table is
//! short work; each shard evicts its own oldest, which among thousands is the store's oldest but for a per
//! cent or two. Small stores have one shard and an exact order.

mod gate;
mod shard;
mod slab;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::futures::OwnedNotified;

use self::gate::Gate;
use self::shard::{Opened, Shard, Shared};
use super::{Answer, Claim, Committed, EventKey, Store, StoreError, Token, Wait};
use crate::time::UnixTime;

/// How much a [`MemoryStore`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Remembered events, those in flight included.
    pub entries: usize,
    /// Bytes of all stored first answers together.
    pub answers_bytes: u64,
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
        let hash = self.shared.hash(key);
        let (claim, opened) = self.shard(hash).lock().claim(hash, key, now, lease)?;
        open(opened);
        Ok(claim)
    }

    async fn commit(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
        answer: Option<Answer>,
    ) -> Result<Committed, StoreError> {
        let hash = self.shared.hash(key);
        let packed = answer.as_ref().and_then(Answer::pack);
        let until = now.saturating_add(ttl);
        let (committed, opened) = self.shard(hash).lock().commit(hash, key, token, until, packed);
        open(opened);
        Ok(committed)
    }

    async fn release(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let hash = self.shared.hash(key);
        let opened = self.shard(hash).lock().release(hash, key, token, now.saturating_add(ttl));
        open(opened);
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
