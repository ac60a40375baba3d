//! `providers`: senders of the operator's own, read by the reader of the catalogue's files.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::{self, Provider};
use crate::yaml::{Cursor, Problems, closest, shortened};

/// How many names of the file's own are compared with a misspelt one: a file of ten thousand routes that all name
/// a missing provider should still be refused at once.
const MOST_COMPARED: usize = 200;

/// The providers of one file, with the catalogue behind them.
#[derive(Debug, Default)]
pub(super) struct Providers {
    own: HashMap<String, Arc<Provider>>,
    /// Names of entries that were complained about, so that their routes add no second complaint.
    broken: Vec<String>,
}

impl Providers {
    /// Reads `providers`.
    pub(super) fn read(&mut self, cursor: &Cursor<'_>, warnings: &mut Problems, problems: &mut Problems) {
        if cursor.node.is_null() {
            return;
        }
        for entry in cursor.entries(problems).unwrap_or_default() {
            let at = cursor.key(entry);
            if entry.key == "none" {
                problems.report(
                    &at.path,
                    entry.place,
                    "`none` is the word for no provider; choose another name",
                );
            }
            match Provider::read_named(&entry.key, &entry.value, &at.path, problems) {
                Some(provider) => {
                    if catalog::names().any(|name| name == entry.key) {
                        let message = "the catalogue has a provider of this name; in this file this one is used instead";
                        warnings.report(at.path, entry.place, message);
                    }
                    self.own.insert(entry.key.clone(), Arc::new(provider));
                }
                None => self.broken.push(entry.key.clone()),
            }
        }
    }

    /// The provider of this name: one of the file's own, or of the catalogue.
    ///
    /// # Errors
    /// What to say about a name that is neither; nothing if its entry in the file has been complained about.
    pub(super) fn find(&self, name: &str) -> Result<Arc<Provider>, Option<String>> {
        if let Some(own) = self.own.get(name) {
            return Ok(Arc::clone(own));
        }
        if self.broken.iter().any(|broken| broken == name) {
            return Err(None);
        }
        catalog::find(name).ok_or_else(|| {
            let own = self.own.keys().map(String::as_str).take(MOST_COMPARED);
            let near = closest(name, own).or_else(|| closest(name, catalog::names().chain(["none"])));
            let name = shortened(name);
            Some(match near {
                Some(near) => format!("unknown provider `{name}`; did you mean `{near}`?"),
                None => format!("unknown provider `{name}`; `sealpost providers` lists the catalogue"),
            })
        })
    }
}
