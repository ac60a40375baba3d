//! The thread that writes the file, in batches, and goes on where it could not write.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use redb::{Durability, Error};

use super::abouts::Abouts;
use super::file::{ABOUTS, ENTRIES, KEPT, Loaded, again, quietly};
use super::{Desk, Shared, WAITING};
use crate::journal::book::Book;
use crate::journal::pack;

/// How long a write waits for more to come.
const LINGER: Duration = Duration::from_millis(100);
/// How often a file that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Writer {
    shared: Arc<Shared>,
    book: Arc<RwLock<Book>>,
    /// What entries of the file share, as of the last write that succeeded.
    abouts: Abouts,
    /// Rows that hold nothing that can be read.
    unreadable: Vec<u64>,
    /// What could not be written yet.
    owed: Desk,
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
                for entry in self.owed.entries.drain(..) {
                    entry.kept.file();
                }
                self.owed.gone.clear();
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
        !(self.owed.entries.is_empty() && self.owed.gone.is_empty())
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
        while desk.entries.is_empty() && desk.gone.is_empty() && !desk.closed {
            self.shared.arrived.wait(&mut desk);
        }
    }

    /// Takes over what waits.
    fn gather(&mut self) {
        let mut desk = self.shared.desk.lock();
        self.owed.entries.append(&mut desk.entries);
        self.owed.gone.append(&mut desk.gone);
        drop(desk);
        if self.owed.entries.len() > WAITING {
            // They stay in memory, with their requests.
            self.owed.entries.drain(..self.owed.entries.len() - WAITING);
        }
    }

    fn pause(&self) {
        let mut desk = self.shared.desk.lock();
        if !desk.closed {
            self.shared.arrived.wait_for(&mut desk, RETRY);
        }
    }

    /// Writes what is owed, all of it or nothing.
    fn write(&mut self) -> Result<(), Error> {
        // Nobody has the room of an unreadable row counted; with its neighbours it goes as if it had been read.
        let oldest = self.book.read().first().map_or(u64::MAX, |entry| entry.number);
        let passed = self.unreadable.iter().copied().filter(|number| *number < oldest);
        let gone: HashSet<u64> = self.owed.gone.iter().copied().chain(passed).collect();
        let database = self.shared.database.read();
        let Some(database) = database.as_ref() else { return Err(Error::DatabaseClosed) };
        let mut abouts = self.abouts.clone();
        let owed = &self.owed;
        quietly(|| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            {
                let mut entries = transaction.open_table(ENTRIES)?;
                let mut kept = transaction.open_table(KEPT)?;
                let mut about_table = transaction.open_table(ABOUTS)?;
                for entry in owed.entries.iter().filter(|entry| !gone.contains(&entry.number)) {
                    let (about, is_new) = abouts.number(&entry.about);
                    if is_new {
                        about_table.insert(about, &*pack::about(&entry.about))?;
                    }
                    if let Some(request) = entry.kept.in_memory() {
                        kept.insert(entry.number, &*pack::kept(&request))?;
                    }
                    let record = pack::entry(entry, about);
                    if let Some(before) = entries.insert(entry.number, &*record)? {
                        abouts.freed_by(before.value());
                    }
                    abouts.needed_by(&record);
                }
                for number in &gone {
                    if let Some(before) = entries.remove(number)? {
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
        self.unreadable.retain(|number| *number >= oldest);
        Ok(())
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
