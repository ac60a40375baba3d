//! `dedupe` at the top of the file: where events are remembered, and how many.

use std::path::PathBuf;

use super::load::Shared;
use super::{DedupeConfig, Reference, StoreKind, limits};
use crate::yaml::Fields;

impl Default for DedupeConfig {
    fn default() -> Self {
        Self { store: StoreKind::Memory, entries: 1_000_000, answers: 64 << 20, path: None, url: None }
    }
}

/// Reads `dedupe`; what is left out or wrong has its default.
pub(super) fn dedupe(fields: &mut Fields<'_, '_>, shared: &mut Shared<'_>) -> DedupeConfig {
    let default = DedupeConfig::default();
    let Some(mut fields) = fields.child("dedupe") else { return default };
    let store = match fields.word("store", &["memory", "disk", "redis"]) {
        None | Some("memory") => StoreKind::Memory,
        Some(word) => {
            let message = "this build has the memory store only; write `store: memory` or leave `store` out";
            fields.report_at("store", message);
            if word == "disk" { StoreKind::Disk } else { StoreKind::Redis }
        }
    };
    let entries = limits::count(&mut fields, "entries").unwrap_or(default.entries);
    let answers = fields.size("answers").unwrap_or(default.answers);
    let path = fields.text("path").map(PathBuf::from);
    let url = fields.optional("url");
    let url = url.and_then(|cursor| {
        let text = cursor.text(fields.problems())?;
        let reference = text.parse::<Reference>();
        reference.map_err(|message| cursor.report(fields.problems(), message)).ok()
    });
    for (key, written, of) in [("path", path.is_some(), "disk"), ("url", url.is_some(), "redis")] {
        if written && store == StoreKind::Memory {
            let path = format!("{}.{key}", fields.path());
            let message = format!("belongs to `store: {of}` and does nothing for the memory store");
            shared.warnings.report(path, fields.place_of(key), message);
        }
    }
    fields.finish();
    DedupeConfig { store, entries, answers, path, url: url.map(|reference| reference.to_string()) }
}
