//! What is counted of one secret of a route. It goes on over reloads under the same name.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::time::UnixTime;

/// Stands for a time that there is not.
const NONE: i64 = i64::MIN;

/// How a secret was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretUse {
    /// Deliveries that it verified.
    pub matched: u64,
    /// When it verified one last.
    pub last_matched: Option<UnixTime>,
}

/// One secret's counters. Plain stores, so that counting a delivery waits for nobody.
#[derive(Debug)]
pub(super) struct SecretSeries {
    matched: AtomicU64,
    /// Unix milliseconds.
    last_matched: AtomicI64,
    /// Unix milliseconds.
    expires: AtomicI64,
}

impl Default for SecretSeries {
    fn default() -> Self {
        Self { matched: AtomicU64::new(0), last_matched: AtomicI64::new(NONE), expires: AtomicI64::new(NONE) }
    }
}

impl SecretSeries {
    /// It verified a delivery.
    pub(super) fn matched(&self, now: UnixTime) {
        self.matched.fetch_add(1, Ordering::Relaxed);
        self.last_matched.store(now.millis(), Ordering::Relaxed);
    }

    /// It counts until then.
    pub(super) fn expires(&self, until: Option<UnixTime>) {
        self.expires.store(until.map_or(NONE, UnixTime::millis), Ordering::Relaxed);
    }

    /// When it ends, if it does.
    pub(super) fn until(&self) -> Option<UnixTime> {
        time(&self.expires)
    }

    pub(super) fn used(&self) -> SecretUse {
        SecretUse { matched: self.matched.load(Ordering::Relaxed), last_matched: time(&self.last_matched) }
    }
}

fn time(millis: &AtomicI64) -> Option<UnixTime> {
    let millis = millis.load(Ordering::Relaxed);
    (millis != NONE).then(|| UnixTime::from_millis(millis))
}
