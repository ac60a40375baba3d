//! What was made of entries later: their releases and redeliveries, a bounded number of each entry.

use std::collections::HashMap;

use super::entry::Entry;
use super::outcome::Again;
use crate::admit::Reason;
use crate::time::UnixTime;

/// Releases and redeliveries of one delivery that are told of it.
const MOST: usize = 16;

/// A later release or redelivery of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Which of the two.
    pub how: Again,
    /// The entry it made.
    pub id: Box<str>,
    /// When.
    pub at: UnixTime,
    /// What it came to.
    pub reason: Reason,
    /// The status of its answer.
    pub status: u16,
}

impl Mark {
    /// What an entry that was made so says of the first one.
    pub(super) fn of(how: Again, made: &Entry) -> Self {
        Self { how, id: made.id.clone(), at: made.received, reason: made.reason, status: made.status }
    }

    /// Whether the event has got through by it: a release that was accepted, or found that its event had been.
    #[must_use]
    pub fn is_release(&self) -> bool {
        self.how == Again::Release
            && (self.reason == Reason::Duplicate
                || (self.reason == Reason::Forwarded && (200..300).contains(&self.status)))
    }
}

/// The marks of all entries.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<u64, Vec<Mark>>);

impl Marks {
    /// Adds one. Past the bound the oldest goes, but never what says that the delivery was released: it would be released anew.
    pub(super) fn add(&mut self, number: u64, mark: Mark) {
        let marks = self.0.entry(number).or_default();
        if marks.len() >= MOST {
            let expendable = marks.iter().position(|mark| !mark.is_release());
            // Of several releases one is enough.
            marks.remove(expendable.unwrap_or(1));
        }
        marks.push(mark);
    }

    /// Those of an entry are all that is known of it, there under this number.
    pub(super) fn move_to(&mut self, number: u64, there: &mut Self, now: u64) {
        if let Some(marks) = self.0.remove(&number) {
            there.0.insert(now, marks);
        }
    }

    /// Those of an entry, oldest first.
    pub(super) fn of(&self, number: u64) -> &[Mark] {
        self.0.get(&number).map_or(&[], Vec::as_slice)
    }

    /// The entry has gone.
    pub(super) fn remove(&mut self, number: u64) {
        self.0.remove(&number);
    }
}
