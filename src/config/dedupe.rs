//! `dedupe` at the top of the file: where events are remembered, and how many.

use std::path::PathBuf;
use std::time::Duration;

use super::load::Shared;
use super::redis_url::{RedisUrl, SCHEMES};
use super::{DedupeConfig, Reference, StoreKind, limits};
use crate::yaml::{Cursor, Fields, Problems};

/// A request waits for the store at most this long, several times over; more would be no limit.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(5);

impl Default for DedupeConfig {
    fn default() -> Self {
        Self {
            store: StoreKind::Memory,
            entries: 1_000_000,
            answers: 64 << 20,
            path: None,
            url: None,
            prefix: "sealpost:".to_owned(),
            timeout: Duration::from_millis(100),
        }
    }
}

/// Reads `dedupe`; what is left out or wrong has its default.
pub(super) fn dedupe(fields: &mut Fields<'_, '_>, shared: &mut Shared<'_>) -> DedupeConfig {
    let default = DedupeConfig::default();
    let Some(mut fields) = fields.child("dedupe") else { return default };
    let store = match fields.word("store", &["memory", "disk", "redis"]) {
        Some("disk") => StoreKind::Disk,
        Some("redis") => StoreKind::Redis,
        _ => StoreKind::Memory,
    };
    let entries = limits::count(&mut fields, "entries").unwrap_or(default.entries);
    let answers = fields.size("answers").unwrap_or(default.answers);
    let path = match store {
        StoreKind::Disk => fields.required_text("path", "/var/lib/sealpost"),
        StoreKind::Memory | StoreKind::Redis => fields.text("path"),
    };
    if path == Some("") {
        fields.report_at("path", "the disk store has a folder of its own, such as `/var/lib/sealpost`");
    }
    let url = match store {
        StoreKind::Redis => fields
            .required("url", "env:REDIS_URL")
            .and_then(|cursor| address(&cursor, shared, fields.problems())),
        StoreKind::Memory | StoreKind::Disk => {
            let _ = fields.text("url");
            None
        }
    };
    let prefix = fields.text("prefix");
    if prefix.is_some_and(|prefix| !is_prefix(prefix)) {
        fields.report_at("prefix", "1 to 64 visible ASCII characters other than `{` and `}`");
    }
    let timeout = limits::span(&mut fields, "timeout", LONGEST_TIMEOUT);
    for (key, of) in [
        ("path", StoreKind::Disk),
        ("url", StoreKind::Redis),
        ("prefix", StoreKind::Redis),
        ("timeout", StoreKind::Redis),
    ] {
        if store != of && fields.has(key) {
            let path = format!("{}.{key}", fields.path());
            let (of, store) = (of.word(), store.word());
            let message = format!("belongs to `store: {of}` and does nothing for the {store} store");
            shared.warnings.report(path, fields.place_of(key), message);
        }
    }
    fields.finish();
    DedupeConfig {
        store,
        entries,
        answers,
        path: path.map(PathBuf::from),
        url,
        prefix: prefix.map_or(default.prefix, str::to_owned),
        timeout: timeout.unwrap_or(default.timeout),
    }
}

/// A reference to the URL, or the URL itself if there is nothing secret in it.
fn address(cursor: &Cursor<'_>, shared: &mut Shared<'_>, problems: &mut Problems) -> Option<RedisUrl> {
    let text = cursor.text(problems)?;
    let read = |text: &str, problems: &mut Problems| {
        text.parse::<RedisUrl>().map_err(|message| cursor.report(problems, message)).ok()
    };
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    if scheme.is_some_and(|scheme| SCHEMES.contains(&scheme)) {
        let url = read(text, problems)?;
        if url.password.is_some() || url.sentinel_password.is_some() {
            cursor.report(
                problems,
                "a password is not written here: put the URL into a variable or a file, `env:NAME` or `file:PATH`",
            );
        }
        return Some(url);
    }
    let reference = text
        .parse::<Reference>()
        .map_err(|_| {
            let message =
                "write `env:NAME`, `file:PATH`, or a URL without a password such as `redis://127.0.0.1:6379`";
            cursor.report(problems, message);
        })
        .ok()?;
    let secret = shared.secrets.fetch(&reference, cursor, problems)?;
    match std::str::from_utf8(secret.expose()) {
        Ok(text) => read(text.trim(), problems),
        Err(_) => {
            cursor.report(problems, "what it refers to is no text");
            None
        }
    }
}

/// Braces would put every key into one part of a cluster.
fn is_prefix(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'{' | b'}'))
}
