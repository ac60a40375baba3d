//! Reads one mapping key by key; whatever was not asked for is an unknown key.

use std::time::Duration;

use super::cursor::{Cursor, join};
use super::node::Entry;
use super::problem::{Place, Problems};
use super::scalar::shortened;
use super::suggest::closest;

/// One mapping being read. Ask for every key it may have, then call [`Fields::finish`].
///
/// Readers answer `None` when the key is absent and when its value is wrong; the latter is also reported,
/// so a caller that only collects needs no further check.
#[derive(Debug)]
#[must_use = "unknown keys are found by `finish`"]
pub struct Fields<'n, 'p> {
    path: String,
    place: Place,
    entries: &'n [Entry],
    known: Vec<&'static str>,
    problems: &'p mut Problems,
}

impl<'n, 'p> Fields<'n, 'p> {
    pub(super) fn new(path: String, place: Place, entries: &'n [Entry], problems: &'p mut Problems) -> Self {
        Self { path, place, entries, known: Vec::new(), problems }
    }

    /// The path of the mapping itself.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the mapping begins.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// Where problems of this mapping go.
    pub fn problems(&mut self) -> &mut Problems {
        self.problems
    }

    /// Where the value of `key` begins, or the mapping if the key is not there.
    #[must_use]
    pub fn place_of(&self, key: &str) -> Place {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.place, |entry| entry.value.place)
    }

    /// Adds a problem at the mapping itself.
    pub fn report(&mut self, message: impl Into<String>) {
        self.problems.report(self.path.clone(), self.place, message);
    }

    /// Adds a problem at `key`, or at the mapping if the key is not there.
    pub fn report_at(&mut self, key: &str, message: impl Into<String>) {
        self.problems.report(join(&self.path, key), self.place_of(key), message);
    }

    /// Whether `key` is written, whatever its value; also makes the key known.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.optional(key).is_some()
    }

    /// The value of `key`, if it is written.
    pub fn optional(&mut self, key: &'static str) -> Option<Cursor<'n>> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Cursor { node: &entry.value, path: join(&self.path, key) })
    }

    /// The value of `key`; its absence is reported. Give an `example` of a good line.
    pub fn required(&mut self, key: &'static str, example: &str) -> Option<Cursor<'n>> {
        let found = self.optional(key);
        if found.is_none() {
            self.report(format!("`{key}` is missing; write for example `{key}: {example}`"));
        }
        found
    }

    /// An optional text.
    pub fn text(&mut self, key: &'static str) -> Option<&'n str> {
        self.optional(key)?.text(self.problems)
    }

    /// A text that must be there.
    pub fn required_text(&mut self, key: &'static str, example: &str) -> Option<&'n str> {
        self.required(key, example)?.text(self.problems)
    }

    /// An optional boolean.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.optional(key)?.boolean(self.problems)
    }

    /// An optional whole number.
    pub fn integer(&mut self, key: &'static str) -> Option<u64> {
        self.optional(key)?.integer(self.problems)
    }

    /// An optional duration.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.optional(key)?.duration(self.problems)
    }

    /// An optional size in bytes.
    pub fn size(&mut self, key: &'static str) -> Option<u64> {
        self.optional(key)?.size(self.problems)
    }

    /// The items of an optional list.
    pub fn list(&mut self, key: &'static str) -> Option<Vec<Cursor<'n>>> {
        self.optional(key)?.items(self.problems)
    }

    /// The texts of an optional list.
    pub fn texts(&mut self, key: &'static str) -> Option<Vec<&'n str>> {
        self.optional(key)?.texts(self.problems)
    }

    /// One of a set of words; anything else is reported with the words that are allowed.
    pub fn word(&mut self, key: &'static str, words: &[&'static str]) -> Option<&'static str> {
        let cursor = self.optional(key)?;
        let text = cursor.text(self.problems)?;
        let found = words.iter().copied().find(|word| *word == text);
        if found.is_none() {
            let message = match closest(text, words.iter().copied()) {
                Some(word) => format!("`{}` is not known here; did you mean `{word}`?", shortened(text)),
                None => format!("`{}` is not known here; write one of {}", shortened(text), listed(words)),
            };
            cursor.report(self.problems, message);
        }
        found
    }

    /// A mapping below this one; `key:` with nothing after it counts as left out.
    pub fn child(&mut self, key: &'static str) -> Option<Fields<'n, '_>> {
        let cursor = self.optional(key)?;
        if cursor.node.is_null() { None } else { cursor.fields(self.problems) }
    }

    /// Reports every key nobody asked for, with the known key it resembles.
    pub fn finish(self) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let message = match closest(&entry.key, self.known.iter().copied()) {
                Some(known) => format!("unknown key `{}`; did you mean `{known}`?", shortened(&entry.key)),
                None => {
                    format!("unknown key `{}`; known here: {}", shortened(&entry.key), listed(&self.known))
                }
            };
            self.problems.report(join(&self.path, &entry.key), entry.place, message);
        }
    }
}

fn listed(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
