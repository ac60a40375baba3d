//! The journal's file, a redb database as the dedupe store's is, and the one thread that writes it.
//!
//! What comes while it waits for the disk goes into the next write. A process that is killed loses what was not written yet,
//! a fraction of a second; what was written is whole. While the file cannot be written, entries stay in memory within
//! the journal's bounds, and it is tried again.

mod abouts;
mod file;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex, RwLock};
use redb::{Database, ReadableDatabase as _};

pub(super) use self::file::read;
use self::file::{FILE, KEPT, Loaded, Open, existing, quietly};
use self::writer::Writer;
use super::book::Book;
use super::entry::Entry;
use super::kept::Kept;
use super::pack;
use crate::time::UnixTime;

/// Entries that may wait for the disk; beyond them new ones stay in memory only.
const WAITING: usize = 64 * 1024;
/// Numbers of rows to take out that may wait; beyond them the file is held against the book instead.
const GONE: usize = 64 * 1024;

/// The file, open and read, before anything is written to it.
pub(super) struct Opened {
    path: PathBuf,
    database: Database,
    loaded: Loaded,
}

/// The open file and its thread.
pub(super) struct Disk {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    path: PathBuf,
    database: RwLock<Option<Database>>,
    desk: Mutex<Desk>,
    arrived: Condvar,
    error: Mutex<Option<String>>,
}

/// What waits to be written. However long the disk takes, it is no more than this: the entries are the book's, and what leaves
/// that is not held here.
#[derive(Default)]
struct Desk {
    entries: Vec<Weak<Entry>>,
    gone: Gone,
    closed: bool,
}

/// Which rows have to go.
#[derive(Debug)]
enum Gone {
    These(Vec<u64>),
    /// All that the book does not hold: there were too many to name.
    AllButTheBook,
}

impl Default for Gone {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

impl Gone {
    fn none(&self) -> bool {
        matches!(self, Self::These(numbers) if numbers.is_empty())
    }

    fn add(&mut self, more: &[u64]) {
        let Self::These(numbers) = self else { return };
        if numbers.len().saturating_add(more.len()) > GONE {
            *self = Self::AllButTheBook;
        } else {
            numbers.extend_from_slice(more);
        }
    }

    /// Takes over what has to go besides. What the other names was out of the book before the book is looked at.
    fn join(&mut self, other: &mut Self) {
        match std::mem::take(other) {
            Self::These(numbers) => self.add(&numbers),
            Self::AllButTheBook => *self = Self::AllButTheBook,
        }
    }
}

impl Opened {
    /// Opens the file in `folder`, or makes both, and gives every entry to `take`, oldest first. A damaged file is set aside
    /// under another name, and a new one begun; of a file in which some rows cannot be read the others are taken.
    pub(super) fn open(folder: &Path, now: UnixTime, mut take: impl FnMut(Entry)) -> Result<Self, String> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(format!("cannot make the journal's folder {}: {error}", folder.display()));
            }
            _ => {}
        }
        let path = folder.join(FILE);
        let mut taken = 0_u64;
        let opened = existing(&path, |entry| {
            taken = taken.saturating_add(1);
            take(entry);
        });
        let (database, loaded) = match opened {
            Ok(opened) => opened,
            Err(Open::Not(why)) => return Err(why),
            Err(Open::Damaged(why)) => {
                let aside = folder.join(format!("{FILE}.damaged-{}", now.millis()));
                fs::rename(&path, &aside).map_err(|error| {
                    format!("{} is damaged ({why}) and cannot be set aside: {error}", path.display())
                })?;
                tracing::error!(
                    target: "sealpost::journal",
                    file = %path.display(),
                    aside = %aside.display(),
                    "the journal's file is damaged ({why}); it was set aside and a new one begun"
                );
                existing(&path, |_| {}).map_err(|error| match error {
                    Open::Not(why) | Open::Damaged(why) => why,
                })?
            }
        };
        if !loaded.unreadable.is_empty() {
            tracing::error!(
                target: "sealpost::journal",
                file = %path.display(),
                unreadable = loaded.unreadable.len(),
                entries = taken,
                "rows of the journal's file cannot be read (damaged, or written by another version): these deliveries are not shown \
                 and cannot be released; all others are there, and the rows go when everything older than they are has gone"
            );
        }
        Ok(Self { path, database, loaded })
    }

    /// The largest number of a row that cannot be read; no other entry may have it.
    pub(super) fn last_unreadable(&self) -> u64 {
        self.loaded.unreadable.iter().copied().max().unwrap_or(0)
    }

    /// Begins to write. `book` is what is to stand in the file.
    pub(super) fn begin(self, book: Arc<RwLock<Book>>) -> Result<Disk, String> {
        let shared = Arc::new(Shared {
            path: self.path,
            database: RwLock::new(Some(self.database)),
            desk: Mutex::default(),
            arrived: Condvar::new(),
            error: Mutex::new(None),
        });
        let writer = Writer::new(Arc::clone(&shared), self.loaded, book);
        let thread = std::thread::Builder::new()
            .name("sealpost-journal-disk".into())
            .spawn(move || writer.run())
            .map_err(|error| format!("cannot start the thread that writes the journal: {error}"))?;
        Ok(Disk { shared, thread: Mutex::new(Some(thread)) })
    }
}

impl Disk {
    /// Takes an entry to be written.
    pub(super) fn write(&self, entry: &Arc<Entry>) {
        let mut desk = self.shared.desk.lock();
        if desk.entries.len() < WAITING {
            desk.entries.push(Arc::downgrade(entry));
            drop(desk);
            self.shared.arrived.notify_one();
        }
    }

    /// Takes numbers that are of no use any more.
    pub(super) fn forget(&self, gone: &[u64]) {
        if !gone.is_empty() {
            self.shared.desk.lock().gone.add(gone);
            self.shared.arrived.notify_one();
        }
    }

    /// The request kept under a number; `None` where there is none, or none that can be read any more.
    ///
    /// # Errors
    /// Why the file cannot be read just now.
    pub(super) fn kept(&self, number: u64) -> Result<Option<Kept>, String> {
        let database = self.shared.database.read();
        let database = database.as_ref().ok_or("it is being opened anew")?;
        quietly(|| {
            Ok(database
                .begin_read()?
                .open_table(KEPT)?
                .get(number)?
                .and_then(|record| pack::read_kept(record.value())))
        })
        .map_err(|error| error.to_string())
    }

    /// Why nothing is written now.
    pub(super) fn error(&self) -> Option<String> {
        self.shared.error.lock().clone()
    }

    /// Writes what waits and closes the file.
    pub(super) fn close(&self) {
        self.shared.desk.lock().closed = true;
        self.shared.arrived.notify_all();
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
        if let Some(database) = self.shared.database.write().take() {
            let _ = quietly(|| Ok(database.close()?));
        }
    }
}
