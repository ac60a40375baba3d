//! A journal read from outside of a gateway: its folder, or the JSON lines that the admin API exports.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::Deserialize;

use super::disk;
use super::entry::Entry;
use super::kept::Kept;
use super::redact::header_map;
use crate::admit::Reason;
use crate::time::UnixTime;

/// One decision of a recorded journal.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The request id.
    pub id: String,
    /// When its head was there.
    pub received: UnixTime,
    /// The route that took it.
    pub route: Option<String>,
    /// What was decided; in shadow mode what a refusal would have said.
    pub reason: Reason,
    /// Whether that was in shadow mode.
    pub shadow: bool,
    /// Whether it came out of the journal itself: a release or a redelivery, which no sender sent.
    pub again: bool,
    /// Its method.
    pub method: Option<Method>,
    /// The path without its query, cut where it is long.
    pub path: Option<String>,
    /// The request, where it was kept.
    pub request: Option<RecordedRequest>,
}

/// A request as it was received.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// Scheme and host, as the sender signed them then where it signs its URL.
    pub origin: String,
    /// The host asked for, by which routes are found.
    pub host: String,
    /// Whether the sender spoke TLS, as far as is known.
    pub https: bool,
    /// Path and query.
    pub target: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Whether something is missing: of an export what must not be shown. Such a request may not verify for that alone.
    pub redacted: bool,
}

/// Gives every decision to `take`, oldest first. A folder is read as a journal's (`journal.path`), which no gateway may have open; a file
/// as an export. Says how many decisions and requests of a folder were left out because they cannot be read.
///
/// # Errors
/// One sentence that says what is wrong and, in an export, in which line.
pub fn recorded(path: &Path, mut take: impl FnMut(Recorded)) -> Result<u64, String> {
    if path.is_dir() {
        return disk::read(path, |entry, kept| take(of_entry(&entry, kept.as_ref())));
    }
    let file = File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    recorded_lines(BufReader::new(file), &path.display().to_string(), take).map(|()| 0)
}

/// The same of an export that is read from somewhere else; `name` says from where.
///
/// # Errors
/// As [`recorded`].
pub fn recorded_lines(lines: impl BufRead, name: &str, mut take: impl FnMut(Recorded)) -> Result<(), String> {
    for (index, line) in lines.lines().enumerate() {
        let line = line.map_err(|error| format!("cannot read {name}: {error}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let place = || format!("{name}:{}", index.saturating_add(1));
        let exported: Exported = serde_json::from_str(&line)
            .map_err(|error| format!("{}: this is no line of `/api/deliveries/export`: {error}", place()))?;
        take(of_export(exported).map_err(|why| format!("{}: {why}", place()))?);
    }
    Ok(())
}

fn of_entry(entry: &Entry, kept: Option<&Kept>) -> Recorded {
    Recorded {
        id: entry.id.to_string(),
        received: entry.received,
        route: entry.about.route.as_deref().map(str::to_owned),
        reason: entry.told(),
        shadow: entry.shadow.is_some(),
        again: entry.origin.is_some(),
        method: entry.method.clone(),
        path: entry.path.as_deref().map(str::to_owned),
        request: kept.map(|kept| RecordedRequest {
            origin: kept.origin(),
            host: kept.host.to_string(),
            https: kept.https,
            target: kept.target.to_string(),
            headers: header_map(kept),
            body: kept.body.to_vec(),
            redacted: false,
        }),
    }
}

/// What is read of a line; it has more.
#[derive(Deserialize)]
struct Exported {
    id: String,
    time: i64,
    route: Option<String>,
    reason: String,
    shadow: bool,
    origin: Option<serde::de::IgnoredAny>,
    method: Option<String>,
    path: Option<String>,
    request: Option<ExportedRequest>,
}

#[derive(Deserialize)]
struct ExportedRequest {
    origin: String,
    target: String,
    headers: Vec<(String, String)>,
    redacted: Vec<String>,
    body_base64: String,
}

fn of_export(exported: Exported) -> Result<Recorded, String> {
    let reason = Reason::ALL.into_iter().find(|reason| reason.word() == exported.reason);
    let request = match exported.request {
        None => None,
        Some(request) => {
            let mut headers = HeaderMap::new();
            let mut whole = request.redacted.is_empty();
            for (name, value) in &request.headers {
                // Bytes that were no UTF-8 are not there any more.
                whole &= !value.contains(char::REPLACEMENT_CHARACTER);
                let name = HeaderName::from_bytes(name.as_bytes());
                match (name, HeaderValue::from_bytes(value.as_bytes())) {
                    (Ok(name), Ok(value)) => {
                        headers.append(name, value);
                    }
                    _ => whole = false,
                }
            }
            let (scheme, authority) = request.origin.split_once("://").unwrap_or_default();
            let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or(authority);
            Some(RecordedRequest {
                host: host.to_owned(),
                https: scheme == "https",
                origin: request.origin,
                target: request.target,
                headers,
                body: STANDARD
                    .decode(&request.body_base64)
                    .map_err(|_| "`body_base64` is no base64".to_owned())?,
                redacted: !whole,
            })
        }
    };
    Ok(Recorded {
        id: exported.id,
        received: UnixTime::from_millis(exported.time),
        route: exported.route,
        reason: reason.ok_or_else(|| format!("`{}` is no reason", exported.reason))?,
        shadow: exported.shadow,
        again: exported.origin.is_some(),
        path: exported.path,
        method: exported.method.and_then(|method| Method::from_bytes(method.as_bytes()).ok()),
        request,
    })
}
