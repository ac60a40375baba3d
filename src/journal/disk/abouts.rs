//! What entries of one route under one configuration share, as it stands in the file: under which number, and for how many rows.
//!
//! The rows are counted, and not whoever holds an entry in memory: an entry leaves memory before its row leaves the file, and a
//! process that is killed in between must find the row with all that it needs.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use redb::{Database, Error, ReadableDatabase as _, ReadableTable as _};

use super::file::{ABOUTS, ENTRIES};
use crate::journal::entry::About;
use crate::journal::pack;

/// The table's rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Abouts {
    /// Those that entries in memory may have, with their numbers.
    known: Vec<(Arc<About>, u64)>,
    /// How many entries of the file need each of them.
    rows: BTreeMap<u64, u64>,
}

impl Abouts {
    /// Those of a file, also where one cannot be read; no entry was seen yet.
    pub(super) fn stored(table: &HashMap<u64, Option<Arc<About>>>) -> Self {
        let known = table.iter().filter_map(|(number, about)| Some((Arc::clone(about.as_ref()?), *number)));
        Self { known: known.collect(), rows: table.keys().map(|number| (*number, 0)).collect() }
    }

    /// An entry with this record stands in the file. What it needs may be missing; its number is not given to anything else then.
    pub(super) fn needed_by(&mut self, record: &[u8]) {
        if let Some(about) = pack::about_of(record) {
            let rows = self.rows.entry(about).or_default();
            *rows = rows.saturating_add(1);
        }
    }

    /// An entry with this record stood in the file.
    pub(super) fn freed_by(&mut self, record: &[u8]) {
        if let Some(rows) = pack::about_of(record).and_then(|about| self.rows.get_mut(&about)) {
            *rows = rows.saturating_sub(1);
        }
    }

    /// The number of this one, and whether it has to be written first.
    pub(super) fn number(&mut self, about: &Arc<About>) -> (u64, bool) {
        if let Some((_, number)) = self.known.iter().find(|(known, _)| Arc::ptr_eq(known, about)) {
            return (*number, false);
        }
        let number = self.rows.last_key_value().map_or(1, |(last, _)| last.saturating_add(1));
        self.known.push((Arc::clone(about), number));
        self.rows.insert(number, 0);
        (number, true)
    }

    /// Those that no row needs. They are forgotten here; take them out of the file in the same transaction.
    pub(super) fn take_unneeded(&mut self) -> Vec<u64> {
        let unneeded: Vec<u64> =
            self.rows.iter().filter(|(_, rows)| **rows == 0).map(|(number, _)| *number).collect();
        self.rows.retain(|_, rows| *rows > 0);
        self.known.retain(|(_, number)| self.rows.contains_key(number));
        unneeded
    }

    /// The same by what the file says, after a write of which nobody knows whether it got there.
    pub(super) fn recounted(&self, database: &Database) -> Result<Self, Error> {
        let read = database.begin_read()?;
        let mut now = Self::default();
        for row in read.open_table(ABOUTS)?.iter()? {
            now.rows.insert(row?.0.value(), 0);
        }
        for row in read.open_table(ENTRIES)?.iter()? {
            now.needed_by(row?.1.value());
        }
        // What the failed write added has a number that is not among these; it is written anew under another one.
        now.known = self.known.iter().filter(|(_, number)| now.rows.contains_key(number)).cloned().collect();
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::about;

    #[test]
    fn a_number_that_a_row_needs_is_not_given_to_another_where_nothing_stands_under_it() {
        let mut abouts = Abouts::stored(&HashMap::from([(3, Some(about(Some("shop"))))]));
        abouts.needed_by(b"{\"a\":4}");
        assert_eq!(abouts.number(&about(Some("billing"))), (5, true));
    }
}
