//! What keeps the journal: the thread that takes entries over, and the one that opens a file which was not to be had at the start.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};

use super::book::{Book, Bounds};
use super::disk::{Disk, Opened};
use super::entry::Entry;
use super::stats::Stats;
use super::stream::Followers;
use crate::clock;
use crate::time::UnixTime;

/// How long the thread lets entries gather before it takes them over, all at once.
const GATHER: Duration = Duration::from_millis(5);
/// How often it tries to open a file that it could not open.
const RETRY: Duration = Duration::from_secs(2);
/// How often it looks for what is too old while nothing happens.
const IDLE: Duration = Duration::from_secs(60);

pub(super) struct Inner {
    pub(super) inbox: Mutex<Inbox>,
    pub(super) arrived: Condvar,
    /// The inbox is closed.
    pub(super) closing: Condvar,
    pub(super) dropped: AtomicU64,
    /// One takes over at a time, so that numbers are in order. Locks are taken in the order of these fields.
    pub(super) taking: Mutex<Taking>,
    pub(super) stats: Mutex<Stats>,
    pub(super) book: Arc<RwLock<Book>>,
    pub(super) followers: Followers,
    pub(super) disk: OnceLock<Disk>,
    /// A file that was asked for and is not open.
    pub(super) late: Mutex<Option<Late>>,
    pub(super) bounds: Bounds,
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A file that another process has, or that cannot be opened.
pub(super) struct Late {
    pub(super) folder: PathBuf,
    pub(super) why: String,
}

#[derive(Default)]
pub(super) struct Inbox {
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) bytes: usize,
    pub(super) closed: bool,
}

#[derive(Default)]
pub(super) struct Taking {
    /// The list that the inbox's is exchanged for, so that neither is allocated anew.
    spare: Vec<Arc<Entry>>,
    gone: Vec<u64>,
}

impl Inner {
    /// Starts a thread that ends when the journal is closed.
    pub(super) fn thread(self: &Arc<Self>, name: &str, work: fn(&Self)) -> Result<(), String> {
        let inner = Arc::clone(self);
        let thread = std::thread::Builder::new()
            .name(name.into())
            .spawn(move || work(&inner))
            .map_err(|error| format!("cannot start the journal's thread: {error}"))?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// The thread: takes over in bunches, and forgets what is too old.
    pub(super) fn keep(&self) {
        loop {
            let mut inbox = self.inbox.lock();
            if inbox.entries.is_empty() && !inbox.closed {
                self.arrived.wait_for(&mut inbox, IDLE);
            }
            let closed = inbox.closed;
            let none = inbox.entries.is_empty();
            drop(inbox);
            if !none && !closed {
                std::thread::sleep(GATHER);
            }
            self.take_over();
            if none {
                self.expire();
            }
            if closed {
                return;
            }
        }
    }

    /// Another thread, while there is a file that could not be opened: tries again until it can, or until the end. Reading a large
    /// file takes seconds, in which everything else goes on.
    pub(super) fn open_late(&self) {
        loop {
            let until = clock::monotonic() + RETRY;
            let mut inbox = self.inbox.lock();
            while !inbox.closed && !self.closing.wait_until(&mut inbox, until).timed_out() {}
            let closed = inbox.closed;
            drop(inbox);
            let folder = self.late.lock().as_ref().map(|late| late.folder.clone());
            let Some(folder) = folder.filter(|_| !closed) else { return };
            let now = clock::now();
            let mut older = Vec::new();
            let opened = Opened::open(&folder, now, |entry| older.push(Arc::new(entry)));
            let last = opened.as_ref().map_or(0, Opened::last_unreadable);
            match opened.and_then(|opened| opened.begin(Arc::clone(&self.book))) {
                Ok(disk) => return self.go_on_in(disk, older, last, now, &folder),
                Err(why) => *self.late.lock() = Some(Late { folder, why }),
            }
        }
    }

    /// A file is open, which an older process may have had until it was relieved. What is in it comes before what is here, and
    /// what is here is written behind it.
    fn go_on_in(&self, disk: Disk, older: Vec<Arc<Entry>>, last: u64, now: UnixTime, folder: &Path) {
        let (mut both, mut gone, mut marked) = (Book::new(self.bounds, last), Vec::new(), Vec::new());
        let steady = clock::steady();
        for entry in &older {
            marked.extend(both.append(Arc::clone(entry), entry.since(now, steady), &mut gone));
        }
        let _taking = self.taking.lock();
        let mut stats = self.stats.lock();
        let mut book = self.book.write();
        older.iter().for_each(|entry| stats.recall(entry, now));
        let here = std::mem::replace(&mut *book, Book::new(self.bounds, 0));
        marked.append(&mut both.take(here, &mut gone));
        both.expire(steady, &mut gone);
        *book = both;
        marked.iter().for_each(|entry| disk.write(entry));
        disk.forget(&gone);
        tracing::info!(target: "sealpost::journal", folder = %folder.display(), entries = book.len(), "the journal's file is open now");
        if self.disk.set(disk).is_ok() {
            *self.late.lock() = None;
        }
    }

    fn expire(&self) {
        let mut gone = Vec::new();
        self.book.write().expire(clock::steady(), &mut gone);
        if let Some(disk) = self.disk.get() {
            disk.forget(&gone);
        }
    }

    /// Takes over everything that waits.
    pub(super) fn take_over(&self) {
        let mut taking = self.taking.lock();
        let Taking { spare, gone } = &mut *taking;
        {
            let mut inbox = self.inbox.lock();
            if inbox.entries.is_empty() {
                return;
            }
            std::mem::swap(spare, &mut inbox.entries);
            inbox.bytes = 0;
        }
        let (now, steady) = (clock::now(), clock::steady());
        let mut stats = self.stats.lock();
        let mut book = self.book.write();
        book.expire(steady, gone);
        for mut entry in spare.drain(..) {
            // Nobody else has it yet.
            if let Some(entry) = Arc::get_mut(&mut entry) {
                entry.number = book.next_number();
            }
            stats.count(&entry, steady, now);
            if let Some(disk) = self.disk.get() {
                disk.write(&entry);
            }
            self.followers.tell(&entry, &book);
            let marked = book.append(entry, steady, gone);
            if let (Some(disk), Some(marked)) = (self.disk.get(), marked) {
                disk.write(&marked);
            }
        }
        drop(book);
        drop(stats);
        if let Some(disk) = self.disk.get() {
            disk.forget(gone);
        }
        gone.clear();
    }
}
