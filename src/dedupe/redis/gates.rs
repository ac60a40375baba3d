//! Which claims this gateway holds, and where copies of their events wait: counted, and woken when the claim ends here.
//!
//! What is held here is known also while the server does not answer: then a copy waits for it instead of being let
//! through beside it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::futures::OwnedNotified;

use crate::clock;
use crate::dedupe::EventKey;
use crate::dedupe::gate::Gate;

/// How many claims may be held before those are looked for whose holder is gone.
const HELD: usize = 16 * 1024;

/// The claims held here, and the gates of all events that somebody waits for.
#[derive(Default)]
pub(super) struct Gates(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    gates: HashMap<EventKey, Arc<Gate>>,
    /// Until when, at the latest.
    held: HashMap<EventKey, Instant>,
}

impl Gates {
    /// A place among those who wait for the event; `None` if too many do.
    pub(super) fn enter(&self, key: &EventKey) -> Option<Place<'_>> {
        let gate = Arc::clone(self.0.lock().gates.entry(*key).or_default());
        let opened = Box::pin(gate.enter()?);
        Some(Place { gates: self, key: *key, gate, opened })
    }

    /// A claim has begun here: whoever waits for an earlier one is woken.
    pub(super) fn hold(&self, key: &EventKey, lease: Duration) {
        let now = clock::monotonic();
        let mut inner = self.0.lock();
        if inner.held.len() >= HELD {
            inner.held.retain(|_, until| now < *until);
        }
        inner.held.insert(*key, now + lease);
        let gate = inner.gates.remove(key);
        drop(inner);
        open(gate);
    }

    /// How much longer the event's claim is held here at most; `None` if it is not.
    pub(super) fn held(&self, key: &EventKey) -> Option<Duration> {
        let until = self.0.lock().held.get(key).copied()?;
        until.checked_duration_since(clock::monotonic())
    }

    /// The claim has ended here: wakes all who wait for it.
    pub(super) fn let_go(&self, key: &EventKey) {
        let mut inner = self.0.lock();
        inner.held.remove(key);
        let gate = inner.gates.remove(key);
        drop(inner);
        open(gate);
    }
}

/// A place; given back when dropped.
pub(super) struct Place<'g> {
    gates: &'g Gates,
    key: EventKey,
    gate: Arc<Gate>,
    opened: Pin<Box<OwnedNotified>>,
}

impl Place<'_> {
    /// Resolves when the gate is opened, also if that was before.
    pub(super) async fn opened(&mut self) {
        self.opened.as_mut().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut inner = self.gates.0.lock();
        let current = inner.gates.get(&self.key).is_some_and(|gate| Arc::ptr_eq(gate, &self.gate));
        if self.gate.leave() && current {
            inner.gates.remove(&self.key);
        }
    }
}

fn open(gate: Option<Arc<Gate>>) {
    if let Some(gate) = gate {
        gate.open();
    }
}
