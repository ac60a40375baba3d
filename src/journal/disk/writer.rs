//! The thread that writes the file, in batches, and goes on where it could not write.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::RwLock;
use redb::{Durability, Error, ReadableTable};

use super::abouts::Abouts;
use super::file::{ABOUTS, ENTRIES, KEPT, Loaded, again, quietly};
use super::{Desk, Gone, Shared, WAITING};
use crate::clock;
use crate::journal::book::Book;
use crate::journal::entry::Entry;
use crate::journal::pack;

/// How long a write waits for more to come.
const LINGER: Duration = Duration::from_millis(100);
/// How often a file that could not be written is tried again.
pub(super) const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Writer {
    shared: Arc<Shared>,
    book: Arc<RwLock<Book>>,
    /// What entries of the file share, as of the last write that succeeded.
    abouts: Abouts,
    /// Rows that hold nothing that can be read.
    unreadable: Vec<u64>,
    /// What could not be written yet.
    pub(super) owed: Desk,
}

/// The numbers whose rows go with a write.
enum Going {
    These(HashSet<u64>),
    AllBut(HashSet<u64>),
}

impl Going {
    fn has(&self, number: u64) -> bool {
        match self {
            Self::These(numbers) => numbers.contains(&number),
            Self::AllBut(numbers) => !numbers.contains(&number),
        }
    }

    /// Those that may have a row in this table.
    fn of(&self, rows: &impl ReadableTable<u64, &'static [u8]>) -> Result<Vec<u64>, Error> {
        match self {
            Self::These(numbers) => Ok(numbers.iter().copied().collect()),
            Self::AllBut(_) => {
                let mut extra = Vec::new();
                for row in rows.iter()? {
                    let number = row?.0.value();
                    if self.has(number) {
                        extra.push(number);
                    }
                }
                Ok(extra)
            }
        }
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, loaded: Loaded, book: Arc<RwLock<Book>>) -> Self {
        let Loaded { abouts, unreadable, .. } = loaded;
        Self { shared, book, abouts, unreadable, owed: Desk::default() }
    }

    pub(super) fn run(mut self) {
        loop {
            self.wait();
            let closed = self.shared.desk.lock().closed;
            if !closed {
                std::thread::sleep(LINGER);
            }
            if !self.turn() && !closed {
                self.pause();
            }
            if closed {
                return;
            }
        }
    }

    /// Writes what waits. Whether the file has everything now; otherwise it was opened anew, for the next time.
    pub(super) fn turn(&mut self) -> bool {
        self.gather();
        if !self.owes() {
            return true;
        }
        match self.write() {
            Ok(()) => {
                self.owed = Desk::default();
                if self.shared.error.lock().take().is_some() {
                    tracing::info!(target: "sealpost::journal", "the journal is written to disk again");
                }
                true
            }
            Err(error) => {
                self.failed(error.to_string());
                self.reopen();
                false
            }
        }
    }

    fn owes(&self) -> bool {
        !(self.owed.entries.is_empty() && self.owed.gone.none())
    }

    fn failed(&self, why: String) {
        let mut said = self.shared.error.lock();
        if said.is_none() {
            tracing::error!(
                target: "sealpost::journal",
                file = %self.shared.path.display(),
                "the journal cannot be written, new entries are in memory only: {why}"
            );
        }
        *said = Some(why);
    }

    /// Waits for something to write, or for the end.
    fn wait(&self) {
        if self.owes() {
            return;
        }
        let mut desk = self.shared.desk.lock();
        while desk.entries.is_empty() && desk.gone.none() && !desk.closed {
            self.shared.arrived.wait(&mut desk);
        }
    }

    /// Takes over what waits.
    fn gather(&mut self) {
        let mut desk = self.shared.desk.lock();
        self.owed.entries.append(&mut desk.entries);
        self.owed.gone.join(&mut desk.gone);
        drop(desk);
        self.owed.entries.retain(|entry| entry.strong_count() > 0);
        if self.owed.entries.len() > WAITING {
            // They stay in memory, with their requests.
            self.owed.entries.drain(..self.owed.entries.len() - WAITING);
        }
    }

    /// Lets the disk alone for a while. What arrives meanwhile is no reason to try again.
    pub(super) fn pause(&self) {
        let until = clock::monotonic() + RETRY;
        let mut desk = self.shared.desk.lock();
        while !desk.closed && !self.shared.arrived.wait_until(&mut desk, until).timed_out() {}
    }

    /// Writes what is owed, all of it or nothing.
    fn write(&mut self) -> Result<(), Error> {
        let gone = self.gone();
        let entries: Vec<Arc<Entry>> = self.owed.entries.iter().filter_map(Weak::upgrade).collect();
        let stays: Vec<&Arc<Entry>> = entries.iter().filter(|entry| !gone.has(entry.number)).collect();
        let database = self.shared.database.read();
        let Some(database) = database.as_ref() else { return Err(Error::DatabaseClosed) };
        let mut abouts = self.abouts.clone();
        quietly(|| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            {
                let mut rows = transaction.open_table(ENTRIES)?;
                let mut kept = transaction.open_table(KEPT)?;
                let mut about_table = transaction.open_table(ABOUTS)?;
                for entry in &stays {
                    let (about, is_new) = abouts.number(&entry.about);
                    if is_new {
                        about_table.insert(about, &*pack::about(&entry.about))?;
                    }
                    if let Some(request) = entry.kept.in_memory() {
                        kept.insert(entry.number, &*pack::kept(&request))?;
                    }
                    let record = pack::entry(entry, about);
                    if let Some(before) = rows.insert(entry.number, &*record)? {
                        abouts.freed_by(before.value());
                    }
                    abouts.needed_by(&record);
                }
                for number in gone.of(&rows)? {
                    if let Some(before) = rows.remove(number)? {
                        abouts.freed_by(before.value());
                    }
                    kept.remove(number)?;
                }
                for number in abouts.take_unneeded() {
                    about_table.remove(number)?;
                }
            }
            Ok(transaction.commit()?)
        })?;
        self.abouts = abouts;
        self.unreadable.retain(|number| !gone.has(*number));
        stays.iter().for_each(|entry| entry.kept.file());
        Ok(())
    }

    /// Which rows have to go, as things stand in the book.
    fn gone(&self) -> Going {
        let book = self.book.read();
        // Nobody has the room of an unreadable row counted; with its neighbours it goes as if it had been read.
        let oldest = book.first().map_or(u64::MAX, |entry| entry.number);
        let unreadable = self.unreadable.iter().copied();
        match &self.owed.gone {
            Gone::These(numbers) => Going::These(
                numbers.iter().copied().chain(unreadable.filter(|number| *number < oldest)).collect(),
            ),
            Gone::AllButTheBook => {
                let held = book.oldest_first(None).map(|entry| entry.number);
                Going::AllBut(held.chain(unreadable.filter(|number| *number >= oldest)).collect())
            }
        }
    }

    fn reopen(&mut self) {
        let mut database = self.shared.database.write();
        if let Some(broken) = database.take() {
            let _ = quietly(|| Ok(broken.close()?));
        }
        // Nobody knows whether the write that failed stands in the file.
        let opened = quietly(|| {
            let opened = again(&self.shared.path)?;
            let abouts = self.abouts.recounted(&opened)?;
            Ok((opened, abouts))
        });
        if let Ok((opened, abouts)) = opened {
            self.abouts = abouts;
            *database = Some(opened);
        }
    }
}
