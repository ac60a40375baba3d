//! `journal`, at the top of the file and on a route: how decisions are taken down, and what is kept of requests.

use std::path::PathBuf;
use std::time::Duration;

use super::{JournalConfig, limits};
use crate::catalog::Provider;
use crate::routes::{Keep, KeptBodies};
use crate::verify::{Algorithm, Location, Locator};
use crate::yaml::{Cursor, Fields, Problems};

/// Less would hold next to nothing.
const SMALLEST: u64 = 1 << 20;
/// Nobody looks for a delivery of last year here.
const LONGEST_AGE: Duration = Duration::from_secs(366 * 24 * 3600);

impl Default for JournalConfig {
    fn default() -> Self {
        Self { size: 64 << 20, entries: 100_000, age: Duration::from_secs(7 * 24 * 3600), path: None }
    }
}

/// Reads `journal` at the top: how the journal is, and what routes keep that say nothing themselves. `off` is `None`.
pub(super) fn journal(fields: &mut Fields<'_, '_>) -> (Option<JournalConfig>, Keep) {
    let default = JournalConfig::default();
    let Some(cursor) = fields.optional("journal").filter(|cursor| !cursor.node.is_null()) else {
        return (Some(default), Keep::default());
    };
    match cursor.node.as_text() {
        Some("off") => return (None, Keep::default()),
        Some(_) => {
            let message = "write `journal: { size: 64MiB, age: 7d }`, or `off`";
            cursor.report(fields.problems(), message);
            return (Some(default), Keep::default());
        }
        None => {}
    }
    let Some(mut fields) = cursor.fields(fields.problems()) else { return (Some(default), Keep::default()) };
    let size = limits::size(&mut fields, "size");
    if size.is_some_and(|size| size < SMALLEST) {
        fields
            .report_at("size", "less than 1MiB holds next to nothing; write `journal: off` for none at all");
    }
    let entries = limits::count(&mut fields, "entries");
    let age = limits::span(&mut fields, "age", LONGEST_AGE);
    let path = fields.text("path");
    if path == Some("") {
        fields.report_at("path", "the journal has a folder of its own, such as `/var/lib/sealpost/journal`");
    }
    let keep = keep(&mut fields, &Keep::default());
    fields.finish();
    let config = JournalConfig {
        size: size.unwrap_or(default.size),
        entries: entries.unwrap_or(default.entries),
        age: age.unwrap_or(default.age),
        path: path.map(PathBuf::from),
    };
    (Some(config), keep)
}

/// Reads `journal` of a route. What it leaves out is as at the top; what must be redacted of this provider always is.
pub(super) fn of_route(fields: &mut Fields<'_, '_>, provider: Option<&Provider>, default: &Keep) -> Keep {
    let written = fields.child("journal").map(|mut fields| {
        let keep = keep(&mut fields, default);
        fields.finish();
        keep
    });
    let mut keep = written.unwrap_or_else(|| default.clone());
    for locator in default.redact.iter().cloned().chain(provider.into_iter().flat_map(credentials)) {
        if !keep.redact.contains(&locator) {
            keep.redact.push(locator);
        }
    }
    keep
}

fn keep(fields: &mut Fields<'_, '_>, default: &Keep) -> Keep {
    let bodies = match fields.word("bodies", KeptBodies::WORDS) {
        Some("none") => KeptBodies::None,
        Some("refused") => KeptBodies::Refused,
        Some(_) => KeptBodies::All,
        None => default.bodies,
    };
    let items = fields.list("redact").unwrap_or_default();
    let problems = fields.problems();
    Keep { bodies, redact: items.iter().filter_map(|item| place(item, problems)).collect() }
}

fn place(item: &Cursor<'_>, problems: &mut Problems) -> Option<Locator> {
    let text = item.text(problems)?;
    match text.parse::<Locator>() {
        Ok(
            locator @ (Locator::Header(_)
            | Locator::Query(_)
            | Locator::Form(_)
            | Locator::Json(_)
            | Locator::Body),
        ) => Some(locator),
        Ok(_) => {
            let message = "a place that can be blacked out is `header:NAME`, `query:NAME`, `form:NAME`, `json:/pointer` or `body`";
            item.report(problems, message);
            None
        }
        Err(error) => {
            item.report(problems, error.to_string());
            None
        }
    }
}

/// Where deliveries and handshakes of this sender carry a credential, and what its catalogue entry says beside.
fn credentials(provider: &Provider) -> Vec<Locator> {
    let mut places = provider.redact.clone();
    for form in &provider.scheme.alternatives {
        if !matches!(form.algorithm, Algorithm::Token | Algorithm::Basic) {
            continue;
        }
        match &form.signature.location {
            Location::Header(name) => places.push(Locator::Header(name.clone())),
            Location::Headers(names) => places.extend(names.iter().cloned().map(Locator::Header)),
            Location::Query(name) => places.push(Locator::Query(name.clone())),
            Location::Form(name) => places.push(Locator::Form(name.clone())),
            Location::Json(pointer) => places.push(Locator::Json(pointer.clone())),
            Location::Numbered(_) | Location::Body => places.push(Locator::Body),
        }
    }
    let shown = provider.challenges.iter().flat_map(|challenge| [&challenge.token, &challenge.reveal]);
    places.extend(shown.flatten().cloned());
    places
}
