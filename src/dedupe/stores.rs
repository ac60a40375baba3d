//! The store of the configuration, and beside it this gateway's own memory for as long as that store fails.

use std::time::Duration;

use super::memory::{Accepted, MemoryLimits, MemoryStore};
use super::{
    Answer, Claim, Committed, DiskStore, EventKey, Forgotten, Known, MovingStore, RedisStore, Store,
    StoreError, Token, Wait,
};
use crate::time::UnixTime;

/// Where events are remembered.
pub enum Backend {
    /// In this process.
    Memory(MemoryStore),
    /// In a folder.
    Disk(DiskStore),
    /// In Redis or Valkey.
    Redis(RedisStore),
}

impl Backend {
    /// # Errors
    /// [`StoreError::Unavailable`] while it cannot be asked; nothing is tried for this.
    pub fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Memory(_) => Ok(()),
            Self::Disk(store) => store.check(),
            Self::Redis(store) => store.check(),
        }
    }

    /// The end of the process. It blocks until what has to be written is written.
    pub fn close(&self) {
        match self {
            Self::Disk(store) => store.close(),
            Self::Memory(_) | Self::Redis(_) => {}
        }
    }
}

impl Store for Backend {
    async fn claim(&self, key: &EventKey, now: UnixTime, lease: Duration) -> Result<Claim, StoreError> {
        match self {
            Self::Memory(store) => store.claim(key, now, lease).await,
            Self::Disk(store) => store.claim(key, now, lease).await,
            Self::Redis(store) => store.claim(key, now, lease).await,
        }
    }

    async fn commit(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
        answer: Option<Answer>,
    ) -> Result<Committed, StoreError> {
        match self {
            Self::Memory(store) => store.commit(key, token, now, ttl, answer).await,
            Self::Disk(store) => store.commit(key, token, now, ttl, answer).await,
            Self::Redis(store) => store.commit(key, token, now, ttl, answer).await,
        }
    }

    async fn release(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.release(key, token, now, ttl).await,
            Self::Disk(store) => store.release(key, token, now, ttl).await,
            Self::Redis(store) => store.release(key, token, now, ttl).await,
        }
    }

    async fn settled(&self, key: &EventKey, now: UnixTime) -> Result<Wait, StoreError> {
        match self {
            Self::Memory(store) => store.settled(key, now).await,
            Self::Disk(store) => store.settled(key, now).await,
            Self::Redis(store) => store.settled(key, now).await,
        }
    }

    async fn look(&self, key: &EventKey, now: UnixTime) -> Result<Option<Known>, StoreError> {
        match self {
            Self::Memory(store) => store.look(key, now).await,
            Self::Disk(store) => store.look(key, now).await,
            Self::Redis(store) => store.look(key, now).await,
        }
    }

    async fn forget(&self, key: &EventKey, now: UnixTime) -> Result<Forgotten, StoreError> {
        match self {
            Self::Memory(store) => store.forget(key, now).await,
            Self::Disk(store) => store.forget(key, now).await,
            Self::Redis(store) => store.forget(key, now).await,
        }
    }

    fn let_go(&self, key: &EventKey) {
        match self {
            Self::Memory(store) => store.let_go(key),
            Self::Disk(store) => store.let_go(key),
            Self::Redis(store) => store.let_go(key),
        }
    }

    fn entries(&self) -> u64 {
        match self {
            Self::Memory(store) => store.entries(),
            Self::Disk(store) => store.entries(),
            Self::Redis(store) => store.entries(),
        }
    }

    fn evictions(&self) -> u64 {
        match self {
            Self::Memory(store) => store.evictions(),
            Self::Disk(store) => store.evictions(),
            Self::Redis(store) => store.evictions(),
        }
    }
}

/// The store, and the memory for when it fails.
pub struct Stores<S = MovingStore> {
    /// The one of the configuration.
    pub main: S,
    /// What this gateway took in by itself, and what the main store could not be told.
    pub spare: MemoryStore,
}

impl<S: Store> Stores<S> {
    /// Both, the spare one as large as `limits` say. It takes no memory until it is needed.
    #[must_use]
    pub fn new(main: S, limits: MemoryLimits) -> Self {
        Self { main, spare: MemoryStore::new(limits) }
    }

    /// What this gateway alone knows of the event.
    pub(crate) fn known_here(&self, key: &EventKey, now: UnixTime) -> Option<Claim> {
        // Nearly always there is nothing in it.
        if self.spare.entries() == 0 { None } else { self.spare.known(key, now) }
    }

    /// What is known of the event, here or in the main store.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the main store cannot be asked and nothing is known here.
    pub async fn look(&self, key: &EventKey, now: UnixTime) -> Result<Option<Known>, StoreError> {
        match self.spare.look_now(key, now) {
            Some(known) => Ok(Some(known)),
            None => self.main.look(key, now).await,
        }
    }

    /// Forgets the event, here and in the main store, unless it is in flight.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the main store cannot be asked.
    pub async fn forget(&self, key: &EventKey, now: UnixTime) -> Result<Forgotten, StoreError> {
        let here = self.spare.forget_now(key, now).0;
        if here == Forgotten::InFlight {
            return Ok(here);
        }
        match self.main.forget(key, now).await? {
            Forgotten::Unknown => Ok(here),
            forgotten => Ok(forgotten),
        }
    }

    /// The main store could not be told that this event was accepted; this gateway remembers it.
    pub(crate) fn remember_here(
        &self,
        key: &EventKey,
        attempt: u32,
        now: UnixTime,
        ttl: Duration,
        answer: Option<&Answer>,
    ) {
        let until = now.saturating_add(ttl);
        let answer = answer.and_then(Answer::pack);
        // A spare one that is full of claims in flight cannot; then the event is forwarded again at worst.
        let _ = self.spare.remember(key, now, Accepted { until, attempt, answer, number: 0 });
    }

    /// Events remembered by this gateway, those in flight included.
    pub fn entries(&self) -> u64 {
        self.main.entries().saturating_add(self.spare.entries())
    }

    /// Accepted events forgotten before their time.
    pub fn evictions(&self) -> u64 {
        self.main.evictions().saturating_add(self.spare.evictions())
    }
}
