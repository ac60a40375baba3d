//! What is looked up in the journal: pages, single entries, kept requests, whether an event was accepted.

use std::sync::Arc;

use super::Journal;
use super::entry::Entry;
use super::filter::Filter;
use super::kept::Kept;
use super::show::Found;
use crate::verify::EventKey;

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Page {
    /// Newest first.
    pub found: Vec<Found>,
    /// The number before which the next page begins; `None` at the end.
    pub next: Option<u64>,
    /// Entries in the journal, whatever the filter.
    pub held: u64,
}

impl Journal {
    /// A page of what the filter wants, newest first, from before `before`.
    #[must_use]
    pub fn list(&self, filter: &Filter, before: Option<u64>, limit: usize) -> Page {
        let Some(inner) = self.0.as_ref() else { return Page { found: Vec::new(), next: None, held: 0 } };
        inner.take_over();
        let book = inner.book.read();
        let mut wanted = book.newest_first(before).filter(|entry| filter.wants(entry));
        let entries: Vec<_> = wanted.by_ref().take(limit).cloned().collect();
        let more = wanted.next().is_some();
        drop(wanted);
        let next = entries.last().filter(|_| more).map(|entry| entry.number);
        let found = entries
            .into_iter()
            .map(|entry| Found { marks: book.marks(entry.number).to_vec(), entry })
            .collect();
        Page { found, next, held: book.len() }
    }

    /// What the filter wants, oldest first, after `after`: at most `limit`.
    #[must_use]
    pub fn oldest_first(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Vec<Found> {
        let Some(inner) = self.0.as_ref() else { return Vec::new() };
        inner.take_over();
        let book = inner.book.read();
        let wanted = book.oldest_first(after).filter(|entry| filter.wants(entry)).take(limit);
        wanted
            .map(|entry| Found { entry: Arc::clone(entry), marks: book.marks(entry.number).to_vec() })
            .collect()
    }

    /// The number of the newest entry.
    #[must_use]
    pub fn last(&self) -> u64 {
        let Some(inner) = self.0.as_ref() else { return 0 };
        inner.take_over();
        inner.book.read().last()
    }

    /// Whether the event with this key was accepted, as far as the entries that are held go back.
    #[must_use]
    pub fn was_accepted(&self, key: &EventKey) -> bool {
        let Some(inner) = self.0.as_ref() else { return false };
        inner.take_over();
        inner.book.read().was_accepted(key)
    }

    /// One entry by its request id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<Found> {
        let inner = self.0.as_ref()?;
        inner.take_over();
        let book = inner.book.read();
        let entry = Arc::clone(book.find(id)?);
        Some(Found { marks: book.marks(entry.number).to_vec(), entry })
    }

    /// The request that an entry keeps, as far as it is to be had now. It may block on the disk.
    #[must_use]
    pub fn kept(&self, entry: &Entry) -> Option<Kept> {
        self.request(entry).ok().flatten()
    }

    /// The request that an entry keeps, from wherever it is; `None` if it is not there any more. It may block on the disk.
    ///
    /// # Errors
    /// Why the journal's file cannot be read just now.
    pub fn request(&self, entry: &Entry) -> Result<Option<Kept>, String> {
        // Between the two it may have been written and left memory.
        if let Some(kept) = entry.kept.in_memory() {
            return Ok(Some(kept));
        }
        let disk = self.0.as_ref().and_then(|inner| inner.disk.get());
        disk.filter(|_| entry.kept.is_filed()).map_or(Ok(None), |disk| disk.kept(entry.number))
    }
}
