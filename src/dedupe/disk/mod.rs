//! The store that survives its process: all of it in memory as in [`MemoryStore`], and every accepted event in a
//! file before its sender is answered.
//!
//! Claims in flight live in memory alone: a process that dies leaves none behind, so a retry after a crash waits for
//! nobody. A commit goes to one thread that writes; all commits that come while it waits for the disk share the next
//! `fsync`. Nothing is ever read from the file but at the start, so a claim costs what it costs in memory.

mod desk;
mod file;
mod writer;

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::file::EventFile;
use self::writer::{Commit, Writer};
use super::health::Health;
use super::memory::{Accepted, Gone, MemoryLimits, MemoryStore};
use super::{Answer, Claim, Committed, EventKey, Forgotten, Known, Store, StoreError, Token, Wait};
use crate::time::UnixTime;

/// How long a commit waits for the disk. It is part of the lease's margin: past it the sender is answered without.
const PATIENCE: Duration = Duration::from_secs(4);

/// Where and how much.
#[derive(Clone, Debug)]
pub struct DiskOptions {
    /// The store's own folder; made if only its last part is missing.
    pub folder: PathBuf,
    /// How much it remembers.
    pub limits: MemoryLimits,
    /// Whether a commit waits until the disk says that it has it. `false` is for measuring what that costs.
    pub fsync: bool,
}

/// Remembers events in memory and in a file.
pub struct DiskStore {
    index: Arc<MemoryStore>,
    health: Arc<Health>,
    writer: Writer,
}

impl DiskStore {
    /// Opens the store, checks every page of its file and takes in what it remembers. It blocks meanwhile: about a
    /// second for a million events.
    ///
    /// # Errors
    /// One sentence that says what is wrong and what to do: another process has it, the file is damaged, the folder
    /// cannot be written.
    pub fn open(options: &DiskOptions, now: UnixTime) -> Result<Self, String> {
        Self::open_with(options, now, None)
    }

    /// As [`Self::open`], with the lock on the folder that another process holds and passed on. That process has
    /// closed the file.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(options: &DiskOptions, now: UnixTime, lock: Option<File>) -> Result<Self, String> {
        let mut file = EventFile::open(&options.folder, options.fsync, lock)?;
        let index = Arc::new(MemoryStore::new(options.limits));
        let mut gone = Vec::new();
        let loaded = file.load(|number, event| {
            let accepted =
                Accepted { until: event.until, attempt: event.attempt, answer: event.packed, number };
            if event.until <= now {
                gone.push(Gone::Event(number));
            } else if let Ok(forgotten) = index.remember(&event.key, now, accepted) {
                gone.extend(forgotten);
            }
        })?;
        tracing::info!(
            target: "sealpost::dedupe",
            file = %file.path().display(),
            events = loaded,
            remembered = index.entries(),
            "disk store opened"
        );
        let health = Arc::<Health>::default();
        let writer = Writer::start(file, Arc::clone(&index), Arc::clone(&health), gone)
            .map_err(|error| format!("cannot start the thread that writes: {error}"))?;
        Ok(Self { index, health, writer })
    }

    /// # Errors
    /// [`StoreError::Unavailable`] while nothing can be written.
    pub fn check(&self) -> Result<(), StoreError> {
        self.health.check()
    }

    /// The lock on the folder, for the process that is to take over.
    ///
    /// # Errors
    /// When the system has no room for another file descriptor.
    pub fn lock(&self) -> io::Result<File> {
        self.writer.lock()
    }

    /// Closes the file so that another process can open it, until [`Self::take_back`]. It blocks meanwhile; nobody
    /// may commit in between.
    pub fn lend(&self) {
        self.writer.lend();
    }

    /// Opens the file again after the other process did not take over. It blocks meanwhile.
    pub fn take_back(&self) {
        self.writer.take_back();
    }

    /// What is remembered in memory.
    pub(super) fn index(&self) -> &MemoryStore {
        &self.index
    }

    /// Takes in what the process before passed on.
    pub(super) fn take_in(&self, source: &mut impl io::Read, now: UnixTime) -> io::Result<u64> {
        let (count, gone) = self.index.take_in(source, now)?;
        self.writer.forget(gone);
        Ok(count)
    }

    /// Writes what is still to be written and closes the file; the store takes no more commits. It blocks
    /// meanwhile. Nothing is lost without it; the next start is a little faster.
    pub fn close(&self) {
        self.writer.close();
    }
}

impl Store for DiskStore {
    async fn claim(&self, key: &EventKey, now: UnixTime, lease: Duration) -> Result<Claim, StoreError> {
        if let Err(error) = self.health.check() {
            // What is known is known without the disk; what is new could not be recorded.
            return self.index.known(key, now).ok_or(error);
        }
        let (claim, gone) = self.index.claim_now(key, now, lease);
        self.writer.forget(gone);
        claim
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
        let (commit, done) = Commit::new(*key, token, now.saturating_add(ttl), packed);
        self.writer.write(commit)?;
        match tokio::time::timeout(PATIENCE, done).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StoreError::Unavailable("the thread that writes has ended".into())),
            Err(_) => {
                let why = format!("the disk has not confirmed a write for {PATIENCE:?}");
                if self.health.fail(&why) {
                    tracing::error!(target: "sealpost::dedupe", "the disk store failed: {why}");
                }
                Err(StoreError::Unavailable(why))
            }
        }
    }

    async fn release(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        self.index.release_now(key, token, now.saturating_add(ttl));
        Ok(())
    }

    async fn settled(&self, key: &EventKey, now: UnixTime) -> Result<Wait, StoreError> {
        self.index.settled(key, now).await
    }

    async fn look(&self, key: &EventKey, now: UnixTime) -> Result<Option<Known>, StoreError> {
        Ok(self.index.look_now(key, now))
    }

    async fn forget(&self, key: &EventKey, now: UnixTime) -> Result<Forgotten, StoreError> {
        let (forgotten, gone) = self.index.forget_now(key, now);
        self.writer.forget(gone);
        Ok(forgotten)
    }

    fn entries(&self) -> u64 {
        self.index.entries()
    }

    fn evictions(&self) -> u64 {
        self.index.evictions()
    }
}

#[cfg(test)]
mod tests;
