//! The journal's file, a redb database as the dedupe store's is, and the one thread that writes it.
//!
//! What comes while it waits for the disk goes into the next write. A process that is killed loses what was not written yet,
//! a fraction of a second; what was written is whole. While the file cannot be written, entries stay in memory within
//! the journal's bounds, and it is tried again.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};
use redb::backends::FileBackend;
use redb::{Builder, Database, Durability, Error, ReadableDatabase as _, TableDefinition};

use super::entry::{About, Entry, Kept};
use super::pack;
use crate::time::UnixTime;

const FILE: &str = "journal.redb";

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
const KEPT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("kept");
/// What entries of one route under one configuration share.
const ABOUTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("abouts");
/// One row says which form the records have; a file without it is none of ours.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const FORM: (&str, u64) = ("form", 1);

const CACHE: usize = 16 << 20;
/// How long a write waits for more to come.
const LINGER: Duration = Duration::from_millis(100);
/// How often a file that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(2);
/// Entries that may wait for the disk; beyond them new ones stay in memory only.
const WAITING: usize = 64 * 1024;

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

#[derive(Default)]
struct Desk {
    entries: Vec<Arc<Entry>>,
    gone: Vec<u64>,
    closed: bool,
}

impl Disk {
    /// Opens the file in `folder`, or makes both, and gives every entry to `take`, oldest first. A damaged file is set aside
    /// under another name, and a new one begun.
    pub(super) fn open(folder: &Path, now: UnixTime, take: impl FnMut(Entry)) -> Result<Self, String> {
        match DirBuilder::new().mode(0o700).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(format!("cannot make the journal's folder {}: {error}", folder.display()));
            }
            _ => {}
        }
        let path = folder.join(FILE);
        let (database, abouts) = match existing(&path, take) {
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
        let shared = Arc::new(Shared {
            path,
            database: RwLock::new(Some(database)),
            desk: Mutex::default(),
            arrived: Condvar::new(),
            error: Mutex::new(None),
        });
        let next_about = abouts.iter().map(|(_, number)| number.saturating_add(1)).max().unwrap_or(1);
        let writer = Writer { shared: Arc::clone(&shared), abouts, next_about, owed: Desk::default() };
        let thread = std::thread::Builder::new()
            .name("sealpost-journal-disk".into())
            .spawn(move || writer.run())
            .map_err(|error| format!("cannot start the thread that writes the journal: {error}"))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Takes an entry to be written.
    pub(super) fn write(&self, entry: &Arc<Entry>) {
        let mut desk = self.shared.desk.lock();
        if desk.entries.len() < WAITING {
            desk.entries.push(Arc::clone(entry));
            drop(desk);
            self.shared.arrived.notify_one();
        }
    }

    /// Takes numbers that are of no use any more.
    pub(super) fn forget(&self, gone: &[u64]) {
        if !gone.is_empty() {
            self.shared.desk.lock().gone.extend_from_slice(gone);
            self.shared.arrived.notify_one();
        }
    }

    /// The request kept under a number.
    pub(super) fn kept(&self, number: u64) -> Option<Kept> {
        let database = self.shared.database.read();
        let database = database.as_ref()?;
        quietly(|| {
            Ok(database
                .begin_read()?
                .open_table(KEPT)?
                .get(number)?
                .and_then(|record| pack::read_kept(record.value())))
        })
        .ok()
        .flatten()
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

/// Why a file was not opened.
enum Open {
    /// For no fault of its own.
    Not(String),
    /// What is in it is not what was written.
    Damaged(String),
}

/// Opens the file, made anew if it is missing, and reads all of it.
fn existing(path: &Path, mut take: impl FnMut(Entry)) -> Result<(Database, Abouts), Open> {
    if !path.exists() {
        create(path).map_err(|error| Open::Not(format!("cannot make {}: {error}", path.display())))?;
    }
    let opened = quietly(|| {
        let mut builder = Builder::new();
        let database = builder.set_cache_size(CACHE).set_check_integrity_on_open(true).open(path)?;
        let abouts = load(&database, false, &mut |entry, _| take(entry))?;
        Ok((database, abouts))
    });
    opened.map_err(|error| match error {
        Error::DatabaseAlreadyOpen => Open::Not(format!("{} is in use by another process", path.display())),
        Error::Io(error) if !is_damage(&error) => {
            Open::Not(format!("cannot open {}: {error}", path.display()))
        }
        error => Open::Damaged(error.to_string()),
    })
}

/// What entries share, with its number in the file.
type Abouts = Vec<(Arc<About>, u64)>;

/// Gives every entry to `take`, with its request if that is asked for.
fn load(
    database: &impl redb::ReadableDatabase,
    with_kept: bool,
    take: &mut dyn FnMut(Entry, Option<Kept>),
) -> Result<Abouts, Error> {
    let read = database.begin_read()?;
    let form = read.open_table(ABOUT)?.get(FORM.0)?.map(|form| form.value());
    if form != Some(FORM.1) {
        return Err(Error::Corrupted(format!("its records have an unknown form ({form:?})")));
    }
    let mut abouts: HashMap<u64, Arc<About>> = HashMap::new();
    for row in read.open_table(ABOUTS)?.range::<u64>(..)? {
        let (number, record) = row?;
        let about = pack::read_about(record.value())
            .ok_or_else(|| Error::Corrupted(format!("about {} cannot be read", number.value())))?;
        abouts.insert(number.value(), Arc::new(about));
    }
    let kept = read.open_table(KEPT)?;
    for row in read.open_table(ENTRIES)?.range::<u64>(..)? {
        let (number, record) = row?;
        let number = number.value();
        let request = kept.get(number)?;
        let entry =
            pack::read_entry(number, record.value(), |about| abouts.get(&about).cloned(), request.is_some())
                .ok_or_else(|| Error::Corrupted(format!("entry {number} cannot be read")))?;
        let request =
            match request.filter(|_| with_kept) {
                Some(record) => Some(pack::read_kept(record.value()).ok_or_else(|| {
                    Error::Corrupted(format!("the request of entry {number} cannot be read"))
                })?),
                None => None,
            };
        take(entry, request);
    }
    Ok(abouts.into_iter().map(|(number, about)| (about, number)).collect())
}

/// Reads a folder that no gateway has open.
pub(super) fn read(folder: &Path, mut take: impl FnMut(Entry, Option<Kept>)) -> Result<(), String> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Err(format!("there is no journal in {} (no {FILE})", folder.display()));
    }
    quietly(|| {
        let database = Builder::new().set_cache_size(CACHE).open(&path)?;
        load(&database, true, &mut take)
    })
    .map(drop)
    .map_err(|error| match error {
        Error::DatabaseAlreadyOpen => {
            format!("{} is in use by a running gateway; ask that one instead, or stop it", path.display())
        }
        error => format!("cannot read {}: {error}", path.display()),
    })
}

struct Writer {
    shared: Arc<Shared>,
    /// What was written already, with its number.
    abouts: Abouts,
    next_about: u64,
    /// What could not be written yet.
    owed: Desk,
}

impl Writer {
    fn run(mut self) {
        loop {
            let closed = self.gather();
            if self.owed.entries.is_empty() && self.owed.gone.is_empty() {
                if closed {
                    return;
                }
                continue;
            }
            match self.write() {
                Ok(()) => {
                    for entry in self.owed.entries.drain(..) {
                        entry.kept.file();
                    }
                    self.owed.gone.clear();
                    if self.shared.error.lock().take().is_some() {
                        tracing::info!(target: "sealpost::journal", "the journal is written to disk again");
                    }
                }
                Err(error) => {
                    let why = error.to_string();
                    let mut said = self.shared.error.lock();
                    if said.is_none() {
                        tracing::error!(
                            target: "sealpost::journal",
                            file = %self.shared.path.display(),
                            "the journal cannot be written, new entries are in memory only: {why}"
                        );
                    }
                    *said = Some(why);
                    drop(said);
                    self.reopen();
                    if closed {
                        return;
                    }
                    self.pause();
                }
            }
        }
    }

    /// Waits for something to write, and a little for more of it. Whether the journal is closed.
    fn gather(&mut self) -> bool {
        let mut desk = self.shared.desk.lock();
        if self.owed.entries.is_empty() && self.owed.gone.is_empty() {
            while desk.entries.is_empty() && desk.gone.is_empty() && !desk.closed {
                self.shared.arrived.wait(&mut desk);
            }
        }
        if !desk.closed {
            drop(desk);
            std::thread::sleep(LINGER);
            desk = self.shared.desk.lock();
        }
        self.owed.entries.append(&mut desk.entries);
        self.owed.gone.append(&mut desk.gone);
        let closed = desk.closed;
        drop(desk);
        if self.owed.entries.len() > WAITING {
            // They stay in memory, with their requests.
            self.owed.entries.drain(..self.owed.entries.len() - WAITING);
        }
        closed
    }

    fn pause(&self) {
        let mut desk = self.shared.desk.lock();
        if !desk.closed {
            self.shared.arrived.wait_for(&mut desk, RETRY);
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        let gone: HashSet<u64> = self.owed.gone.iter().copied().collect();
        let database = self.shared.database.read();
        let Some(database) = database.as_ref() else { return Err(Error::DatabaseClosed) };
        let (abouts, next_about, owed) = (&mut self.abouts, &mut self.next_about, &self.owed);
        // What no entry refers to any more.
        let unused: Vec<u64> = abouts
            .extract_if(.., |(about, _)| Arc::strong_count(about) == 1)
            .map(|(_, number)| number)
            .collect();
        let written = quietly(|| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            {
                let mut entries = transaction.open_table(ENTRIES)?;
                let mut kept = transaction.open_table(KEPT)?;
                let mut about_table = transaction.open_table(ABOUTS)?;
                for number in &unused {
                    about_table.remove(number)?;
                }
                for entry in owed.entries.iter().filter(|entry| !gone.contains(&entry.number)) {
                    let known = abouts.iter().find(|(about, _)| Arc::ptr_eq(about, &entry.about));
                    let about = match known {
                        Some((_, number)) => *number,
                        None => {
                            let number = *next_about;
                            *next_about = number.saturating_add(1);
                            about_table.insert(number, &*pack::about(&entry.about))?;
                            abouts.push((Arc::clone(&entry.about), number));
                            number
                        }
                    };
                    if let Some(request) = entry.kept.in_memory() {
                        kept.insert(entry.number, &*pack::kept(&request))?;
                    }
                    entries.insert(entry.number, &*pack::entry(entry, about))?;
                }
                for number in &gone {
                    entries.remove(number)?;
                    kept.remove(number)?;
                }
            }
            Ok(transaction.commit()?)
        });
        if written.is_err() {
            // Nobody knows which of them stand in the file; they are written anew.
            self.abouts.clear();
        }
        written
    }

    fn reopen(&mut self) {
        let mut database = self.shared.database.write();
        if let Some(broken) = database.take() {
            let _ = quietly(|| Ok(broken.close()?));
        }
        let path = &self.shared.path;
        let opened = quietly(|| {
            if !path.exists() {
                create(path)?;
            }
            Ok(Builder::new().set_cache_size(CACHE).open(path)?)
        });
        *database = opened.ok();
    }
}

/// Makes an empty file under another name first: whatever stands under its own name was once complete.
fn create(path: &Path) -> Result<(), Error> {
    let draft = path.with_extension("redb.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&draft)?;
    let database = Builder::new().create_with_backend(FileBackend::new(file)?)?;
    let transaction = database.begin_write()?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(KEPT)?;
    transaction.open_table(ABOUTS)?;
    transaction.open_table(ABOUT)?.insert(FORM.0, FORM.1)?;
    transaction.commit()?;
    database.close()?;
    fs::rename(&draft, path)?;
    Ok(())
}

/// Whether the system did read the file but redb could make nothing of it.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Runs `work`; what it makes of damaged pages is an error, also if it is a panic.
fn quietly<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::Corrupted("a page does not hold what it should".into())))
}
