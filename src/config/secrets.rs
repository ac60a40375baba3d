//! Secrets: from references in the file to bytes, each read once, and all of them part of the configuration's hash.

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::{Reference, Source};
use crate::secret::{self, Lifetime, NamedSecret, Secret};
use crate::time::UnixTime;
use crate::yaml::{Cursor, Entry, Problems, Value, closest};

/// A secret shorter than this can be guessed offline from one delivery.
pub(super) const SHORTEST: usize = 16;
/// What is said of a shorter one.
pub(super) const SHORT: &str =
    "shorter than 16 bytes: whoever sees one delivery can try all of them; use a random one of 32 bytes";

/// Reads secrets and remembers what was read.
pub(super) struct Secrets<'s> {
    source: &'s dyn Source,
    /// By the reference's text, so that one reload sees one value of a file however often it is referred to.
    read: HashMap<String, Result<Secret, String>>,
    references: Vec<Reference>,
}

/// A secret of a route's list and the place of its line.
pub(super) struct Listed<'n> {
    pub(super) named: NamedSecret,
    pub(super) cursor: Cursor<'n>,
    /// Whether it stands in the file itself.
    pub(super) insecure: bool,
}

impl<'s> Secrets<'s> {
    pub(super) fn new(source: &'s dyn Source) -> Self {
        Self { source, read: HashMap::new(), references: Vec::new() }
    }

    /// The secret a reference names; a problem is reported at `cursor`.
    pub(super) fn fetch(
        &mut self,
        reference: &Reference,
        cursor: &Cursor<'_>,
        problems: &mut Problems,
    ) -> Option<Secret> {
        let secret = match reference {
            Reference::Insecure(secret) => Ok(secret.clone()),
            _ => {
                let Self { source, read, references } = self;
                let fetched = read.entry(reference.to_string()).or_insert_with(|| {
                    references.push(reference.clone());
                    source.read(reference)
                });
                fetched.clone()
            }
        };
        match secret {
            Ok(secret) if secret.is_empty() => {
                cursor.report(problems, "it is empty, so anyone could make one");
                None
            }
            Ok(secret) => Some(secret),
            Err(message) => {
                cursor.report(problems, message);
                None
            }
        }
    }

    /// A single secret: `env:NAME`, `file:PATH`, or a mapping with `env`, `file` or `insecure`.
    pub(super) fn value(&mut self, cursor: &Cursor<'_>, problems: &mut Problems) -> Option<Secret> {
        let written = written(cursor, false, problems)?;
        self.fetch(&written.reference, cursor, problems)
    }

    /// A route's `secrets`. Those with a problem are reported and left out.
    pub(super) fn list<'n>(&mut self, cursor: &Cursor<'n>, problems: &mut Problems) -> Vec<Listed<'n>> {
        let mut listed: Vec<Listed<'n>> = Vec::new();
        for (index, item) in cursor.items(problems).unwrap_or_default().into_iter().enumerate() {
            let Some(Written { reference, name, lifetime }) = written(&item, true, problems) else {
                continue;
            };
            let name = name.map_or_else(|| index.to_string(), str::to_owned);
            if listed.iter().any(|other| other.named.name == name) {
                item.report(problems, format!("another secret of this route is called `{name}` already"));
            }
            let Some(secret) = self.fetch(&reference, &item, problems) else { continue };
            let insecure = matches!(reference, Reference::Insecure(_));
            listed.push(Listed { named: NamedSecret { name, secret, lifetime }, cursor: item, insecure });
        }
        listed
    }

    /// Sixteen hex digits over the file's text and everything that was read for it.
    pub(super) fn hash(&self, text: &str) -> String {
        let mut hash = Sha256::new();
        hash.update(Sha256::digest(text));
        for reference in &self.references {
            hash.update(Sha256::digest(reference.to_string()));
            if let Some(Ok(secret)) = self.read.get(&reference.to_string()) {
                hash.update(Sha256::digest(secret.expose()));
            }
        }
        hex::encode(hash.finalize()).chars().take(16).collect()
    }

    pub(super) fn into_references(self) -> Vec<Reference> {
        self.references
    }
}

/// What stands at one place of the file: a reference, and its name and its time if it may have them.
struct Written<'n> {
    reference: Reference,
    name: Option<&'n str>,
    lifetime: Lifetime,
}

/// Reads one place. Never repeats a text.
fn written<'n>(cursor: &Cursor<'n>, may_have_name: bool, problems: &mut Problems) -> Option<Written<'n>> {
    match &cursor.node.value {
        Value::Scalar { text, .. } => {
            let reference = text.parse::<Reference>();
            reference
                .map_err(|message| cursor.report(problems, literal(&message)))
                .ok()
                .map(|reference| Written { reference, name: None, lifetime: Lifetime::default() })
        }
        Value::Map(entries) => mapping(cursor, entries, may_have_name, problems),
        _ => {
            cursor.expected(problems, "`env:NAME` or `file:PATH`");
            None
        }
    }
}

fn mapping<'n>(
    cursor: &Cursor<'n>,
    entries: &'n [Entry],
    may_have_name: bool,
    problems: &mut Problems,
) -> Option<Written<'n>> {
    let mut found: Vec<Option<Reference>> = Vec::new();
    let mut name = Some(None);
    let (mut from, mut until) = (None, None);
    for entry in entries {
        let at = cursor.key(entry);
        match entry.key.as_str() {
            "env" => found.push(read(&at, Reference::variable, problems)),
            "file" => found.push(read(&at, Reference::file, problems)),
            "insecure" => found.push(read(&at, insecure, problems)),
            "name" if may_have_name => {
                name = at.text(problems).filter(|text| is_name(text, &at, problems)).map(Some);
            }
            "not_before" if may_have_name => from = moment(&at, secret::first_moment, problems),
            "not_after" if may_have_name => until = moment(&at, secret::end, problems),
            // Not even the key is repeated: a secret with a colon in it is read as one.
            key => {
                let known: &[&str] = if may_have_name {
                    &["env", "file", "insecure", "name", "not_before", "not_after"]
                } else {
                    &["env", "file", "insecure"]
                };
                let message = match closest(key, known.iter().copied()) {
                    Some(near) => format!("unknown key; did you mean `{near}`?"),
                    None => format!("unknown key; known here: `{}`", known.join("`, `")),
                };
                problems.report(&cursor.path, entry.place, message);
            }
        }
    }
    if found.len() != 1 {
        cursor.report(problems, "write exactly one of `env`, `file` and `insecure`");
    }
    if from.zip(until).is_some_and(|(from, until)| until <= from) {
        cursor
            .report(problems, "`not_after` is not later than `not_before`, so this secret would never count");
    }
    let reference = found.pop().flatten().filter(|_| found.is_empty())?;
    name.map(|name| Written { reference, name, lifetime: Lifetime { from, until } })
}

fn moment(
    at: &Cursor<'_>,
    moment: fn(&str) -> Result<UnixTime, String>,
    problems: &mut Problems,
) -> Option<UnixTime> {
    moment(at.text(problems)?).map_err(|message| at.report(problems, message)).ok()
}

fn read(
    at: &Cursor<'_>,
    reference: fn(&str) -> Result<Reference, String>,
    problems: &mut Problems,
) -> Option<Reference> {
    reference(at.text(problems)?).map_err(|message| at.report(problems, message)).ok()
}

fn insecure(text: &str) -> Result<Reference, String> {
    Ok(Reference::Insecure(Secret::new(text.as_bytes().to_vec())))
}

/// A name goes into a header and a metric's label: letters, digits and `.`, `_`, `-`, at most 64 of them.
pub(super) fn is_name(text: &str, cursor: &Cursor<'_>, problems: &mut Problems) -> bool {
    let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let fits = word && (1..=64).contains(&text.len());
    if !fits {
        cursor.report(problems, "a name has 1 to 64 letters, digits, `.`, `_` or `-`");
    }
    fits
}

fn literal(message: &str) -> String {
    format!("{message} (for a trial alone: `insecure: \"the secret\"`)")
}
