//! Those who follow the journal as it is written. None of them is waited for: each has a bounded queue, and learns how much
//! it missed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::book::Book;
use super::entry::Entry;
use super::filter::Filter;
use super::show::Found;

/// How many may follow at once.
const FOLLOWERS: usize = 32;
/// Entries that may wait for one of them.
const QUEUE: usize = 1024;

/// So many follow that no more can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyFollowers;

impl std::fmt::Display for TooManyFollowers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{FOLLOWERS} streams are open already")
    }
}

impl std::error::Error for TooManyFollowers {}

/// What comes to a follower.
#[derive(Clone, Debug)]
pub enum Followed {
    /// An entry it wants.
    Entry(Found),
    /// It was too slow for this many, or they were gone before it came; `None` if nobody counted.
    Lagged(Option<u64>),
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Found>,
    /// Entries left out behind those that wait.
    missed: u64,
    /// Entries before those that wait are gone.
    gap: bool,
}

struct Follower {
    filter: Filter,
    queue: Mutex<Queue>,
    arrived: Notify,
    over: AtomicBool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Followers {
    list: Mutex<Vec<Arc<Follower>>>,
    ended: AtomicBool,
}

/// One who follows; dropped, it is forgotten.
pub struct Following(Option<Arc<Follower>>);

impl Followers {
    pub(super) fn follow(
        &self,
        filter: Filter,
        after: Option<u64>,
        book: &Book,
    ) -> Result<Following, TooManyFollowers> {
        let mut queue = Queue::default();
        if let Some(after) = after {
            // Everything after a cursor is here only if nothing behind it had to go.
            let first = book.first().map_or(book.last(), |entry| entry.number);
            queue.gap = after < first && after < book.last();
            for entry in book.oldest_first(Some(after)).filter(|entry| filter.wants(entry)) {
                if queue.waiting.len() >= QUEUE {
                    // The newest matter most to whoever comes back after a long time.
                    queue.waiting.pop_front();
                    queue.gap = true;
                }
                queue.waiting.push_back(found(&told(entry), book));
            }
        }
        let follower = Arc::new(Follower {
            filter,
            queue: Mutex::new(queue),
            arrived: Notify::new(),
            over: AtomicBool::new(false),
        });
        let mut list = self.list.lock();
        list.retain(|follower| !follower.over.load(Ordering::Relaxed));
        if list.len() >= FOLLOWERS {
            return Err(TooManyFollowers);
        }
        list.push(Arc::clone(&follower));
        Ok(Following(Some(follower)))
    }

    pub(super) fn tell(&self, entry: &Arc<Entry>, book: &Book) {
        let list = self.list.lock();
        // One for all.
        let mut shared: Option<Arc<Entry>> = None;
        for follower in list.iter().filter(|follower| follower.filter.wants(entry)) {
            let mut queue = follower.queue.lock();
            if queue.waiting.len() >= QUEUE || queue.missed > 0 {
                queue.missed = queue.missed.saturating_add(1);
                continue;
            }
            let entry = shared.get_or_insert_with(|| told(entry));
            queue.waiting.push_back(found(entry, book));
            drop(queue);
            follower.arrived.notify_one();
        }
    }

    /// The process ends: so do all streams.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        for follower in self.list.lock().drain(..) {
            follower.over.store(true, Ordering::Relaxed);
            follower.arrived.notify_one();
        }
    }
}

/// What is held of an entry until a follower takes it: without its request, which would stay in memory behind a reader who is slow.
fn told(entry: &Arc<Entry>) -> Arc<Entry> {
    if entry.kept.is_kept() { Arc::new(entry.without_request()) } else { Arc::clone(entry) }
}

fn found(entry: &Arc<Entry>, book: &Book) -> Found {
    Found { entry: Arc::clone(entry), marks: book.marks(entry.number).to_vec() }
}

impl Following {
    /// Nothing ever comes.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    /// What comes next; `None` when the journal has ended.
    pub async fn next(&mut self) -> Option<Followed> {
        let Some(follower) = &self.0 else { return std::future::pending().await };
        loop {
            let arrived = follower.arrived.notified();
            {
                let mut queue = follower.queue.lock();
                if std::mem::take(&mut queue.gap) {
                    return Some(Followed::Lagged(None));
                }
                if let Some(found) = queue.waiting.pop_front() {
                    return Some(Followed::Entry(found));
                }
                let missed = std::mem::take(&mut queue.missed);
                if missed > 0 {
                    return Some(Followed::Lagged(Some(missed)));
                }
            }
            if follower.over.load(Ordering::Relaxed) {
                return None;
            }
            arrived.await;
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        if let Some(follower) = &self.0 {
            follower.over.store(true, Ordering::Relaxed);
        }
    }
}
