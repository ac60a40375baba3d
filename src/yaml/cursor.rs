//! A node with the path that leads to it, and the readers of single values.

use std::time::Duration;

use super::fields::Fields;
use super::node::{Entry, Node, Value};
use super::problem::{Place, Problems};
use super::scalar;

/// A node together with the path that leads to it; its readers report what is wrong and answer `None`.
#[derive(Clone, Debug)]
pub struct Cursor<'n> {
    /// The node.
    pub node: &'n Node,
    /// The path, such as `routes[2].secrets[0]`.
    pub path: String,
}

impl<'n> Cursor<'n> {
    /// Where the node begins.
    #[must_use]
    pub fn place(&self) -> Place {
        self.node.place
    }

    /// Adds a problem at this node.
    pub fn report(&self, problems: &mut Problems, message: impl Into<String>) {
        problems.report(self.path.clone(), self.node.place, message);
    }

    /// The text of a scalar, quoted or plain: `name: 2024` is the text `2024`.
    pub fn text(&self, problems: &mut Problems) -> Option<&'n str> {
        let text = self.node.as_text();
        if text.is_none() {
            self.expected(problems, "a text");
        }
        text
    }

    /// `true` or `false`, unquoted; YAML 1.1's `yes`, `no`, `on` and `off` are not booleans.
    pub fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        self.plain(problems, "`true` or `false`", scalar::boolean)
    }

    /// A whole number that is not negative, unquoted.
    pub fn integer(&self, problems: &mut Problems) -> Option<u64> {
        self.plain(problems, "a whole number, such as `1000`", scalar::integer)
    }

    /// A duration such as `250ms`, `10s`, `5m`, `24h` or `7d`.
    pub fn duration(&self, problems: &mut Problems) -> Option<Duration> {
        self.scalar(problems, "a duration, such as `10s`", scalar::duration)
    }

    /// A number of bytes such as `512B`, `64KiB`, `5MiB` or `1GiB`.
    pub fn size(&self, problems: &mut Problems) -> Option<u64> {
        self.scalar(problems, "a size, such as `5MiB`", scalar::size)
    }

    /// The mapping's reader.
    pub fn fields<'p>(&self, problems: &'p mut Problems) -> Option<Fields<'n, 'p>> {
        let entries = self.entries(problems)?;
        Some(Fields::new(self.path.clone(), self.node.place, entries, problems))
    }

    /// The entries of a mapping whose keys are the writer's own names.
    pub fn entries(&self, problems: &mut Problems) -> Option<&'n [Entry]> {
        match &self.node.value {
            Value::Map(entries) => Some(entries),
            _ => {
                self.expected(problems, "a mapping (`key: value` lines)");
                None
            }
        }
    }

    /// The items of a list; `key:` with nothing after it is an empty list.
    pub fn items(&self, problems: &mut Problems) -> Option<Vec<Cursor<'n>>> {
        match &self.node.value {
            Value::Null => Some(Vec::new()),
            Value::List(items) => Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, node)| Cursor { node, path: format!("{}[{index}]", self.path) })
                    .collect(),
            ),
            _ => {
                self.expected(problems, "a list (`- item` lines or `[a, b]`)");
                None
            }
        }
    }

    /// The texts of a list; items that are not texts are reported and left out.
    pub fn texts(&self, problems: &mut Problems) -> Option<Vec<&'n str>> {
        let items = self.items(problems)?;
        Some(items.iter().filter_map(|item| item.text(problems)).collect())
    }

    /// The value of `key` below this node, as a cursor.
    #[must_use]
    pub fn key(&self, entry: &'n Entry) -> Cursor<'n> {
        Cursor { node: &entry.value, path: join(&self.path, &entry.key) }
    }

    /// Reports that this node should be something else.
    pub fn expected(&self, problems: &mut Problems, wanted: &str) {
        let message = if self.node.is_null() {
            format!("nothing is written here; write {wanted} or leave the key out")
        } else {
            format!("found {}, expected {wanted}", self.node.kind())
        };
        self.report(problems, message);
    }

    fn scalar<T>(
        &self,
        problems: &mut Problems,
        wanted: &str,
        read: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let Some(text) = self.node.as_text() else {
            self.expected(problems, wanted);
            return None;
        };
        read(text).map_err(|message| self.report(problems, message)).ok()
    }

    fn plain<T>(
        &self,
        problems: &mut Problems,
        wanted: &str,
        read: fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if matches!(&self.node.value, Value::Scalar { quoted: true, .. }) {
            self.report(problems, format!("found a text in quotes, expected {wanted} without quotes"));
            return None;
        }
        self.scalar(problems, wanted, read)
    }
}

/// `routes[2]` and `name` make `routes[2].name`; a key that is not a plain word is shown in quotes.
pub(super) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    match (path.is_empty(), plain) {
        (true, true) => key.to_owned(),
        (false, true) => format!("{path}.{key}"),
        (true, false) => format!("{key:?}"),
        (false, false) => format!("{path}.{key:?}"),
    }
}
