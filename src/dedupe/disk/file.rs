//! The file of accepted events: numbered records in the order of their commits, in a redb database.
//!
//! Numbers only grow, so new records go to one end of the tree and the oldest leave at the other: a commit
//! rewrites a few pages however many events there are.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, Durability, Error, ReadableDatabase as _, ReadableTable as _, TableDefinition,
};

use crate::clock;
use crate::dedupe::EventKey;
use crate::dedupe::memory::Gone;
use crate::time::UnixTime;

const FILE: &str = "events.redb";
/// Held for as long as the process lives, also while the database is closed to be opened anew.
const LOCK: &str = "lock";

/// By number: key (32 bytes), until when it is remembered (8, milliseconds since 1970, big-endian), which attempt was
/// accepted (4, big-endian), and the packed answer if there is one.
const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
const HEAD: usize = 32 + 8 + 4;

/// One row says which form the records have; a file without it is none of ours.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const FORM: (&str, u64) = ("form", 1);
/// Written to see whether the file can be written again.
const TRIED: &str = "tried";

/// Everything is read once at the start and from then on only the two ends of the tree.
const CACHE: usize = 16 << 20;

/// An accepted event as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) key: EventKey,
    pub(super) until: UnixTime,
    pub(super) attempt: u32,
    pub(super) packed: Option<Box<[u8]>>,
}

/// The open file.
pub(super) struct EventFile {
    path: PathBuf,
    database: Option<Database>,
    /// The number of the next record.
    next: u64,
    fsync: bool,
    lock: File,
}

impl EventFile {
    /// Opens the file in `folder`, or makes both, and checks it from end to end.
    /// A lock that another process passed on is held already.
    pub(super) fn open(folder: &Path, fsync: bool, passed_on: Option<File>) -> Result<Self, String> {
        let shown = folder.display();
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(format!("cannot make the disk store's folder {shown}: {error}"));
            }
            _ => {}
        }
        let lock = match passed_on {
            Some(lock) => Ok(Some(lock)),
            None => own(&folder.join(LOCK), false).and_then(|lock| match lock.try_lock() {
                Ok(()) => Ok(Some(lock)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }),
        };
        let lock =
            lock.map_err(|error| format!("cannot write in the disk store's folder {shown}: {error}"))?;
        let Some(lock) = lock else { return Err(taken(folder)) };
        let path = folder.join(FILE);
        if !path.exists() {
            create(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        }
        let mut file = Self { path, database: None, next: 1, fsync, lock };
        file.reopen(true).map_err(|error| match error {
            Error::DatabaseAlreadyOpen => taken(folder),
            // The file itself says no; everything else says that what is in it is not what was written.
            Error::Io(error) if !is_damage(&error) => {
                format!("cannot open {}: {error}", file.path.display())
            }
            error => file.damaged(&error.to_string()),
        })?;
        Ok(file)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The lock on the folder, to be held by another process as well.
    pub(super) fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Whether it has to be opened anew before it can be written.
    pub(super) fn is_closed(&self) -> bool {
        self.database.is_none()
    }

    /// Gives every record to `take`, oldest first; how many there were.
    pub(super) fn load(&mut self, mut take: impl FnMut(u64, Event)) -> Result<u64, String> {
        let read = quietly(|| {
            let mut count = 0;
            let Some(database) = &self.database else { return Err(closed()) };
            for row in database.begin_read()?.open_table(EVENTS)?.range::<u64>(..)? {
                let (number, record) = row?;
                let event = unpack(record.value())
                    .ok_or_else(|| Error::Corrupted(format!("record {} is too short", number.value())))?;
                take(number.value(), event);
                count += 1;
            }
            Ok(count)
        });
        read.map_err(|error| self.damaged(&error.to_string()))
    }

    /// Writes all of these and forgets those, at once or not at all; the number of the first one. After an error the
    /// file is closed and has to be opened anew.
    pub(super) fn write(&mut self, events: &[&Event], gone: &[Gone]) -> Result<u64, Error> {
        let first = self.next;
        let written = quietly(|| {
            let Some(database) = &self.database else { return Err(closed()) };
            let mut transaction = database.begin_write()?;
            transaction.set_durability(if self.fsync { Durability::Immediate } else { Durability::None })?;
            let mut table = transaction.open_table(EVENTS)?;
            let mut record = Vec::new();
            for (event, number) in events.iter().zip(first..) {
                pack(event, &mut record);
                table.insert(number, &*record)?;
            }
            for gone in gone {
                match *gone {
                    Gone::Event(number) => drop(table.remove(number)?),
                    Gone::Answer(number) => {
                        let head = table.get(number)?.map(|record| record.value().get(..HEAD).map(Vec::from));
                        if let Some(head) = head.flatten() {
                            table.insert(number, &*head)?;
                        }
                    }
                }
            }
            drop(table);
            if events.is_empty() && gone.is_empty() {
                transaction.open_table(ABOUT)?.insert(TRIED, first)?;
            }
            Ok(transaction.commit()?)
        });
        match written {
            Ok(()) => self.next = first.saturating_add(u64::try_from(events.len()).unwrap_or(u64::MAX)),
            Err(_) => self.close(),
        }
        written.map(|()| first)
    }

    /// Opens it again after an error; `checked` reads all of it to see that every page is what was written.
    pub(super) fn reopen(&mut self, checked: bool) -> Result<(), Error> {
        self.close();
        let path = &self.path;
        let (database, last) = quietly(|| {
            let mut builder = Builder::new();
            let database = builder.set_cache_size(CACHE).set_check_integrity_on_open(checked).open(path)?;
            let last = {
                let read = database.begin_read()?;
                let form = read.open_table(ABOUT)?.get(FORM.0)?.map(|form| form.value());
                if form != Some(FORM.1) {
                    return Err(Error::Corrupted(format!("its records have an unknown form ({form:?})")));
                }
                read.open_table(EVENTS)?.last()?.map_or(0, |(number, _)| number.value())
            };
            Ok((database, last))
        })?;
        // A number is never used twice, even if the last write failed only after it was done.
        self.next = self.next.max(last.saturating_add(1));
        self.database = Some(database);
        Ok(())
    }

    /// Closes it; an error here has no more to say than those before it.
    pub(super) fn close(&mut self) {
        if let Some(database) = self.database.take() {
            let _ = quietly(|| Ok(database.close()?));
        }
    }

    fn damaged(&self, why: &str) -> String {
        let path = self.path.display();
        format!(
            "{path} is damaged ({why}); restore it from a copy, or move it away to start with nothing remembered: \
             events that their senders send again are then forwarded again"
        )
    }
}

fn taken(folder: &Path) -> String {
    format!(
        "{} is in use by another process; give each gateway a folder of its own, or share one memory with `store: redis`",
        folder.display()
    )
}

/// A file for its owner alone.
fn own(path: &Path, new: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .create_new(new)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Makes an empty file under another name first: whatever stands under its own name was once complete.
fn create(path: &Path) -> Result<(), Error> {
    let draft = path.with_extension("redb.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let database = Builder::new().create_with_backend(FileBackend::new(own(&draft, true)?)?)?;
    let transaction = database.begin_write()?;
    transaction.open_table(EVENTS)?;
    transaction.open_table(ABOUT)?.insert(FORM.0, FORM.1)?;
    transaction.commit()?;
    database.close()?;
    fs::rename(&draft, path)?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Whether the system did read the file but redb could make nothing of it.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

fn closed() -> Error {
    Error::DatabaseClosed
}

/// Runs `work`; what it makes of damaged pages is an error, also if it is a panic.
fn quietly<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::Corrupted("a page does not hold what it should".into())))
}

fn pack(event: &Event, record: &mut Vec<u8>) {
    record.clear();
    record.extend_from_slice(&event.key.0);
    // The next process measures from the time of day at its start.
    record.extend_from_slice(&clock::time_of_day(event.until).millis().to_be_bytes());
    record.extend_from_slice(&event.attempt.to_be_bytes());
    record.extend_from_slice(event.packed.as_deref().unwrap_or_default());
}

fn unpack(record: &[u8]) -> Option<Event> {
    let (key, rest) = record.split_first_chunk::<32>()?;
    let (until, rest) = rest.split_first_chunk::<8>()?;
    let (attempt, packed) = rest.split_first_chunk::<4>()?;
    Some(Event {
        key: EventKey(*key),
        until: UnixTime::from_millis(i64::from_be_bytes(*until)),
        attempt: u32::from_be_bytes(*attempt),
        packed: (!packed.is_empty()).then(|| packed.into()),
    })
}
