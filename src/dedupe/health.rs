//! Whether a store that can fail works at the moment, and if not, why.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::StoreError;

/// Well until told otherwise.
#[derive(Debug, Default)]
pub(super) struct Health {
    failed: AtomicBool,
    why: Mutex<String>,
}

impl Health {
    /// # Errors
    /// [`StoreError::Unavailable`] with the reason, while the store does not work.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.failed.load(Ordering::Acquire) {
            return Err(StoreError::Unavailable(self.why.lock().clone()));
        }
        Ok(())
    }

    /// It does not work, for this reason; true if it did before.
    pub(super) fn fail(&self, why: &str) -> bool {
        why.clone_into(&mut self.why.lock());
        !self.failed.swap(true, Ordering::AcqRel)
    }

    /// It works; true if it did not before.
    pub(super) fn recover(&self) -> bool {
        self.failed.load(Ordering::Relaxed) && self.failed.swap(false, Ordering::AcqRel)
    }
}
