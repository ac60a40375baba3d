//! What all requests share: the configuration in force, the store, the pools, the limits, and the way out.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::body::Buffered;
use super::keys::Documents;
use super::live::Live;
use super::upstream::Pool;
use crate::dedupe::Stores;
use crate::journal::Journal;
use crate::metrics::Metrics;

/// Where the process stands between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Serving.
    Serving = 0,
    /// Readiness fails already; requests are still served, and every answer ends its connection.
    Leaving = 1,
    /// No new requests; those in flight finish.
    Draining = 2,
}

/// The running gateway.
pub(crate) struct Gateway {
    live: ArcSwap<Live>,
    /// Remembered events. It outlives configurations.
    pub(crate) stores: Stores,
    pub(crate) metrics: Metrics,
    /// Every decision. It outlives configurations too.
    pub(crate) journal: Journal,
    pub(crate) buffered: Arc<Buffered>,
    pub(crate) pool: Pool,
    pub(super) keys: Arc<Documents>,
    connections: Arc<AtomicUsize>,
    in_flight: AtomicUsize,
    idle: Notify,
    phase: AtomicU8,
    ids: RequestIds,
    /// Routes on which somebody releases now.
    pub(super) releasing: Mutex<HashSet<String>>,
}

impl Gateway {
    /// A gateway that serves `live`.
    pub(crate) fn new(live: Live, stores: Stores, metrics: Metrics, journal: Journal) -> Self {
        Self {
            live: ArcSwap::from_pointee(live),
            stores,
            keys: Arc::new(Documents::new(metrics.clone())),
            metrics,
            journal,
            buffered: Arc::default(),
            pool: Pool::new(),
            connections: Arc::default(),
            in_flight: AtomicUsize::new(0),
            idle: Notify::new(),
            phase: AtomicU8::new(0),
            ids: RequestIds::new(),
            releasing: Mutex::default(),
        }
    }

    /// The configuration in force. A request keeps the one it began with.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Puts another configuration in force for all requests that begin from now on.
    pub(crate) fn swap(&self, live: Live) {
        self.live.store(Arc::new(live));
    }

    /// A place among the connections, unless `limit` are open already.
    pub(super) fn admit_connection(&self, limit: usize) -> Option<ConnectionPermit> {
        let permit = ConnectionPermit { connections: Arc::clone(&self.connections) };
        let open = self.connections.fetch_add(1, Ordering::Relaxed);
        (open < limit).then_some(permit)
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// How many requests are being worked on.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request as being worked on until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        InFlight { gateway: Arc::clone(self) }
    }

    /// Resolves when no request is being worked on.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.in_flight.load(Ordering::Acquire) == 0 {
                return;
            }
            // The re-check covers a guard dropped between the load and the wait.
            let _ = tokio::time::timeout(Duration::from_millis(100), notified).await;
        }
    }

    /// Where the process stands.
    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Serving,
            1 => Phase::Leaving,
            _ => Phase::Draining,
        }
    }

    /// Moves on towards the end.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// A name for a request that no other request of any gateway has.
    pub(super) fn request_id(&self) -> String {
        self.ids.next()
    }
}

/// A place among the open connections, given back when dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    connections: Arc<AtomicUsize>,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request being worked on.
pub(super) struct InFlight {
    gateway: Arc<Gateway>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.gateway.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.gateway.idle.notify_waiters();
        }
    }
}

/// A random beginning per process and a count: unique without asking for randomness each time.
#[derive(Debug)]
struct RequestIds {
    process: String,
    count: AtomicU64,
}

impl RequestIds {
    fn new() -> Self {
        let process = getrandom::u64().unwrap_or_else(|_| u64::from(std::process::id()));
        Self { process: hex::encode(process.to_be_bytes()), count: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut digits = [0; 16];
        // Eight bytes are sixteen digits.
        let _ = hex::encode_to_slice(count, &mut digits);
        let text = std::str::from_utf8(&digits).unwrap_or_default();
        // Eight digits are enough for most processes; a longer count keeps what it needs.
        let (high, low) = text.split_at_checked(8).unwrap_or_default();
        let high = high.trim_start_matches('0');
        let mut id = String::with_capacity(self.process.len() + 16);
        id.push_str(&self.process);
        id.push_str(high);
        id.push_str(low);
        id
    }
}
