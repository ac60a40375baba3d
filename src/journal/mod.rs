//! The delivery journal: every decision with what led to it, for whoever has to find out what happened.
//!
//! Writing it never delays or fails a delivery. A request hands over one entry, a short lock and a pointer; what finds no
//! room is counted and not waited for. One thread takes entries over, counts them, tells them to those who follow, and gives
//! them to another thread that writes the file, if there is one. Whoever asks takes over first what waits, so an
//! answer never lags behind.

mod book;
mod disk;
mod entry;
mod filter;
mod hidden;
mod keep;
mod kept;
mod look;
mod marks;
mod outcome;
mod pack;
mod recorded;
pub mod redact;
mod retry;
mod show;
mod stats;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod tests_restart;
mod times;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Condvar, Mutex, RwLock};

use self::book::Book;
pub use self::book::Bounds;
use self::disk::{Disk, Opened};
pub use self::entry::{About, Entry, Origin, Released, Timeline, cut, short};
pub use self::filter::{Filter, HiddenNow};
use self::keep::{Inner, Late};
pub use self::kept::{Kept, KeptPlace};
pub use self::look::Page;
pub use self::marks::Mark;
pub use self::outcome::{Again, DedupeVerdict, Outcome};
pub use self::recorded::{Recorded, RecordedRequest, recorded, recorded_lines};
pub use self::retry::{Retries, after as retries_after};
pub use self::show::{Found, cursor, from_cursor};
use self::stats::Stats;
pub use self::stats::{LONGEST_WINDOW, RouteNumbers, SecretUse, Window};
use self::stream::Followers;
pub use self::stream::{Followed, Following, TooManyFollowers};
use crate::clock;
use crate::time::UnixTime;

/// Entries that may wait to be taken over, and bytes of kept requests with them.
const WAITING: usize = 16 * 1024;
const WAITING_BYTES: usize = 32 << 20;
/// A request larger than this part of the journal is not kept, so that one cannot push out most of the others.
const LARGEST_SHARE: u64 = 8;

/// How much is held, and where.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    /// How much.
    pub bounds: Bounds,
    /// The folder of the file; `None` keeps the journal in memory alone.
    pub folder: Option<PathBuf>,
}

/// The journal. Clones are the same one.
#[derive(Clone, Default)]
pub struct Journal(Option<Arc<Inner>>);

/// The journal's own numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether there is one.
    pub enabled: bool,
    /// Whether it is on disk.
    pub durable: bool,
    /// Why it is not written to disk now, although it should be.
    pub error: Option<String>,
    /// Entries held.
    pub entries: u64,
    /// Bytes held.
    pub bytes: u64,
    /// Entries that found no room to wait.
    pub dropped: u64,
    /// When the oldest entry was received.
    pub oldest: Option<UnixTime>,
    /// When counting began, by the steady clock.
    pub began: Option<UnixTime>,
}

impl Journal {
    /// Starts the journal. A file that cannot be used is no reason not to start: the journal is in memory then, and says why.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(options: &JournalOptions, now: UnixTime) -> Result<Self, String> {
        let mut book = Book::new(options.bounds, first_number(now));
        let steady = clock::steady();
        let mut stats = Stats::new(steady);
        let (mut gone, mut marked) = (Vec::new(), Vec::new());
        let opened = options.folder.as_ref().map(|folder| {
            Opened::open(folder, now, |entry| {
                stats.recall(&entry, now);
                let since = entry.since(now, steady);
                marked.extend(book.append(Arc::new(entry), since, &mut gone));
            })
        });
        if let Some(Ok(opened)) = &opened {
            book.goes_on_after(opened.last_unreadable());
        }
        book.expire(steady, &mut gone);
        let book = Arc::new(RwLock::new(book));
        let begun = opened.map(|opened| opened.and_then(|opened| opened.begin(Arc::clone(&book))));
        let (disk, late) = match begun.transpose() {
            Ok(disk) => (disk, None),
            Err(why) => {
                tracing::error!(target: "sealpost::journal", "the journal is kept in memory only: {why}");
                (None, options.folder.clone().map(|folder| Late { folder, why }))
            }
        };
        if let Some(disk) = &disk {
            marked.iter().for_each(|entry| disk.write(entry));
            disk.forget(&gone);
        }
        let inner = Arc::new(Inner {
            inbox: Mutex::default(),
            arrived: Condvar::new(),
            closing: Condvar::new(),
            dropped: AtomicU64::new(0),
            taking: Mutex::default(),
            book,
            stats: Mutex::new(stats),
            followers: Followers::default(),
            disk: disk.map_or_else(OnceLock::new, OnceLock::from),
            late: Mutex::new(late),
            bounds: options.bounds,
            threads: Mutex::default(),
        });
        inner.thread("sealpost-journal", Inner::keep)?;
        if inner.late.lock().is_some() {
            inner.thread("sealpost-journal-open", Inner::open_late)?;
        }
        Ok(Self(Some(inner)))
    }

    /// No journal at all.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a request of this size may be kept.
    #[must_use]
    pub fn takes(&self, bytes: u64) -> bool {
        self.0.as_ref().is_some_and(|inner| bytes <= inner.bounds.bytes / LARGEST_SHARE)
    }

    /// Takes an entry down. It never waits for more than the end of another's short visit.
    pub fn enter(&self, entry: Arc<Entry>) {
        let Some(inner) = &self.0 else { return };
        let bytes = entry.kept.size();
        let mut inbox = inner.inbox.lock();
        let full = inbox.entries.len() >= WAITING || inbox.bytes.saturating_add(bytes) > WAITING_BYTES;
        if full || inbox.closed {
            drop(inbox);
            inner.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        inbox.bytes = inbox.bytes.saturating_add(bytes);
        let first = inbox.entries.is_empty();
        inbox.entries.push(entry);
        drop(inbox);
        if first {
            inner.arrived.notify_one();
        }
    }

    /// The numbers of a route over a window of the steady clock; of everything without a route for `None`.
    #[must_use]
    pub fn numbers(&self, route: Option<&str>, window: &Window) -> RouteNumbers {
        match &self.0 {
            Some(inner) => {
                inner.take_over();
                inner.stats.lock().of(route, window)
            }
            None => RouteNumbers::default(),
        }
    }

    /// How it is doing.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let Some(inner) = &self.0 else { return Condition::default() };
        inner.take_over();
        let missing = inner.late.lock().as_ref().map(|late| late.why.clone());
        // Before the book: whoever takes over holds the counts first.
        let began = inner.stats.lock().began();
        let book = inner.book.read();
        Condition {
            enabled: true,
            durable: inner.disk.get().is_some(),
            error: missing.or_else(|| inner.disk.get().and_then(Disk::error)),
            entries: book.len(),
            bytes: book.bytes(),
            dropped: self.dropped(),
            oldest: book.first().map(|entry| entry.received),
            began: Some(began),
        }
    }

    /// Entries and bytes held now, as far as taken over, without waiting for anybody who reads.
    #[must_use]
    pub fn held(&self) -> (u64, u64) {
        self.0.as_ref().map_or((0, 0), |inner| {
            let book = inner.book.read();
            (book.len(), book.bytes())
        })
    }

    /// Entries that found no room to wait.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.as_ref().map_or(0, |inner| inner.dropped.load(Ordering::Relaxed))
    }

    /// Follows what the filter wants from now on; with `after` first what came since then and is still held.
    ///
    /// # Errors
    /// When too many follow already.
    pub fn follow(&self, filter: Filter, after: Option<u64>) -> Result<Following, TooManyFollowers> {
        let Some(inner) = &self.0 else { return Ok(Following::nothing()) };
        inner.take_over();
        let book = inner.book.read();
        // With the book held nothing is appended between what is looked up here and what is told from now on.
        inner.followers.follow(filter, after, &book)
    }

    /// Writes out what waits and ends the threads. Nothing is taken down afterwards. It blocks.
    pub fn close(&self) {
        let Some(inner) = &self.0 else { return };
        inner.inbox.lock().closed = true;
        inner.arrived.notify_all();
        inner.closing.notify_all();
        for thread in std::mem::take(&mut *inner.threads.lock()) {
            let _ = thread.join();
        }
        inner.followers.end();
        if let Some(disk) = inner.disk.get() {
            disk.close();
        }
    }
}

/// Numbers go on where an earlier process left them, without anything having been written down: nobody makes a million entries a
/// second for long.
fn first_number(now: UnixTime) -> u64 {
    u64::try_from(now.millis()).unwrap_or(0).saturating_mul(1000)
}
