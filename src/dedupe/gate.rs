//! Where the copies of one event wait for its first. Made when the first copy waits, gone with the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use super::MAX_WAITERS;

/// Counts and wakes those who wait for one claim in flight.
#[derive(Default)]
pub(super) struct Gate {
    opened: Arc<Notify>,
    waiting: AtomicUsize,
}

impl Gate {
    /// A place at the gate, or `None` when [`MAX_WAITERS`] wait already. Call it under the shard's lock:
    /// the place hears of every opening after this call.
    pub(super) fn enter(&self) -> Option<OwnedNotified> {
        if self.waiting.load(Ordering::Relaxed) >= MAX_WAITERS {
            return None;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Some(Arc::clone(&self.opened).notified_owned())
    }

    /// Gives the place back; true when it was the last. Call it under the shard's lock.
    pub(super) fn leave(&self) -> bool {
        self.waiting.fetch_sub(1, Ordering::Relaxed) == 1
    }

    /// Wakes everybody.
    pub(super) fn open(&self) {
        self.opened.notify_waiters();
    }
}
