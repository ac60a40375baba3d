//! The file itself: its tables, how it is made, opened and read.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, Database, Error, TableDefinition};

use super::abouts::Abouts;
use crate::journal::entry::{About, Entry};
use crate::journal::kept::Kept;
use crate::journal::pack;

pub(super) const FILE: &str = "journal.redb";

pub(super) const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
pub(super) const KEPT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("kept");
/// What entries of one route under one configuration share.
pub(super) const ABOUTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("abouts");
/// One row says which form the records have; a file without it is none of ours.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("about");
const FORM: (&str, u64) = ("form", 1);

const CACHE: usize = 16 << 20;

/// Why a file was not opened.
pub(super) enum Open {
    /// For no fault of its own.
    Not(String),
    /// What is in it is not what was written.
    Damaged(String),
}

/// What a file holds besides its entries.
pub(super) struct Loaded {
    /// What entries share.
    pub(super) abouts: Abouts,
    /// The numbers of rows that hold no entry, or none that this version knows.
    pub(super) unreadable: Vec<u64>,
    /// Kept requests that could not be read, where they were asked for.
    lost_requests: u64,
}

/// Opens the file, made anew if it is missing, and reads all of it.
pub(super) fn existing(path: &Path, mut take: impl FnMut(Entry)) -> Result<(Database, Loaded), Open> {
    if !path.exists() {
        create(path).map_err(|error| Open::Not(format!("cannot make {}: {error}", path.display())))?;
    }
    let opened = quietly(|| {
        let mut builder = Builder::new();
        let database = builder.set_cache_size(CACHE).set_check_integrity_on_open(true).open(path)?;
        let loaded = load(&database, false, &mut |entry, _| take(entry))?;
        Ok((database, loaded))
    });
    opened.map_err(|error| match error {
        Error::DatabaseAlreadyOpen => Open::Not(format!("{} is in use by another process", path.display())),
        Error::Io(error) if !is_damage(&error) => {
            Open::Not(format!("cannot open {}: {error}", path.display()))
        }
        error => Open::Damaged(error.to_string()),
    })
}

/// Opens the file once more, after a write that failed; made anew if somebody took it away.
pub(super) fn again(path: &Path) -> Result<Database, Error> {
    if !path.exists() {
        create(path)?;
    }
    Ok(Builder::new().set_cache_size(CACHE).open(path)?)
}

/// Gives every entry to `take`, with its request if that is asked for. A row that cannot be read is left out: one record that was
/// damaged, or written by another version, costs that entry and no other one.
fn load(
    database: &impl redb::ReadableDatabase,
    with_kept: bool,
    take: &mut dyn FnMut(Entry, Option<Kept>),
) -> Result<Loaded, Error> {
    let read = database.begin_read()?;
    let form = read.open_table(ABOUT)?.get(FORM.0)?.map(|form| form.value());
    if form != Some(FORM.1) {
        return Err(Error::Corrupted(format!("its records have an unknown form ({form:?})")));
    }
    let mut abouts: HashMap<u64, Option<Arc<About>>> = HashMap::new();
    for row in read.open_table(ABOUTS)?.range::<u64>(..)? {
        let (number, record) = row?;
        abouts.insert(number.value(), pack::read_about(record.value()).map(Arc::new));
    }
    let mut loaded = Loaded { abouts: Abouts::stored(&abouts), unreadable: Vec::new(), lost_requests: 0 };
    let mut taken = 0_u64;
    let kept = read.open_table(KEPT)?;
    for row in read.open_table(ENTRIES)?.range::<u64>(..)? {
        let (number, record) = row?;
        let number = number.value();
        loaded.abouts.needed_by(record.value());
        let request = kept.get(number)?;
        let about = |about| abouts.get(&about).cloned().flatten();
        let Some(entry) = pack::read_entry(number, record.value(), about, request.is_some()) else {
            loaded.unreadable.push(number);
            continue;
        };
        let request = request.filter(|_| with_kept).and_then(|record| {
            let request = pack::read_kept(record.value());
            loaded.lost_requests = loaded.lost_requests.saturating_add(u64::from(request.is_none()));
            request
        });
        taken = taken.saturating_add(1);
        take(entry, request);
    }
    if taken == 0 && !loaded.unreadable.is_empty() {
        return Err(Error::Corrupted(format!("none of its {} entries can be read", loaded.unreadable.len())));
    }
    Ok(loaded)
}

/// Reads a folder that no gateway has open. Says how many entries and requests were left out because they cannot be read.
pub(in crate::journal) fn read(
    folder: &Path,
    mut take: impl FnMut(Entry, Option<Kept>),
) -> Result<u64, String> {
    let path = folder.join(FILE);
    if !path.exists() {
        return Err(format!("there is no journal in {} (no {FILE})", folder.display()));
    }
    quietly(|| {
        let database = Builder::new().set_cache_size(CACHE).open(&path)?;
        load(&database, true, &mut take)
    })
    .map(|loaded| {
        u64::try_from(loaded.unreadable.len()).unwrap_or(u64::MAX).saturating_add(loaded.lost_requests)
    })
    .map_err(|error| match error {
        Error::DatabaseAlreadyOpen => {
            format!("{} is in use by a running gateway; ask that one instead, or stop it", path.display())
        }
        error => format!("cannot read {}: {error}", path.display()),
    })
}

/// Makes an empty file under another name first: whatever stands under its own name was once complete.
fn create(path: &Path) -> Result<(), Error> {
    let draft = path.with_extension("redb.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let file = private(OpenOptions::new().read(true).write(true).create_new(true)).open(&draft)?;
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

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

/// Whether the system did read the file but redb could make nothing of it.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Runs `work`; what it makes of damaged pages is an error, also if it is a panic.
pub(super) fn quietly<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::Corrupted("a page does not hold what it should".into())))
}
