//! The tree: a scalar keeps its text and whether it was quoted, a mapping keeps its order.

use super::cursor::Cursor;
use super::fields::Fields;
use super::problem::{Place, Problems};

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Where it begins.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is. Numbers and booleans are scalars: whoever asks for one reads it from the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text as it was written, after YAML's own unescaping.
    Scalar {
        /// The text.
        text: String,
        /// Whether it stood in quotes or in a block (`|`, `>`), so that `"10"` is not the number 10.
        quoted: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A mapping in the order it was written; no key occurs twice.
    Map(Vec<Entry>),
}

/// One key of a mapping and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key begins.
    pub place: Place,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Reads this node as a mapping; anything else is reported under `path`.
    pub fn fields<'n, 'p>(&'n self, path: &str, problems: &'p mut Problems) -> Option<Fields<'n, 'p>> {
        self.at(path).fields(problems)
    }

    /// This node together with the path that leads to it.
    #[must_use]
    pub fn at(&self, path: impl Into<String>) -> Cursor<'_> {
        Cursor { node: self, path: path.into() }
    }

    /// The value under `key`, if this is a mapping that has it. For a quick look; [`Node::fields`] reports mistakes.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The text, if this is a scalar.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether it is the plain word `word`, such as `off`; the quoted text `"off"` is not.
    #[must_use]
    pub fn is_word(&self, word: &str) -> bool {
        matches!(&self.value, Value::Scalar { text, quoted: false } if text == word)
    }

    /// Whether there is nothing there.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// What it is in words, for messages; never its content, which may be a secret.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar { quoted: true, .. } => "a text in quotes",
            Value::Scalar { quoted: false, .. } => "a plain value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}
