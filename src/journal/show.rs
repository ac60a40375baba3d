//! Entries as JSON, in the words of the admin API's description.

use serde_json::{Value, json};

use super::entry::Entry;
use super::hidden;
use super::kept::Kept;
use super::marks::Mark;
use super::outcome::Outcome;
use super::redact::{self, Shown};
use super::retry;
use crate::admit::Reason;
use crate::verify::Locator;

/// How much of a body is told as text beside the rest; all of it is at `…/body`.
const TEXT: usize = 64 * 1024;

/// An entry and what was made of it later.
#[derive(Clone, Debug)]
pub struct Found {
    /// The entry.
    pub entry: std::sync::Arc<Entry>,
    /// Its releases and redeliveries, oldest first.
    pub marks: Vec<Mark>,
}

impl Found {
    /// Whether a release of it was accepted, or found that its event had been.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.entry.released.is() || self.marks.iter().any(Mark::is_release)
    }

    /// Why it may not be released.
    #[must_use]
    pub fn why_not_releasable(&self) -> Option<&'static str> {
        let entry = &self.entry;
        match entry.outcome() {
            Outcome::Accepted => return Some("it was accepted"),
            Outcome::Answered => return Some("it was answered here, there was nothing to forward"),
            Outcome::Declined | Outcome::Refused | Outcome::Failed => {}
        }
        if entry.about.route.is_none() {
            return Some("no route took it");
        }
        if entry.reason == Reason::MethodNotAllowed {
            return Some("its method is none of its route's");
        }
        if self.is_released() {
            return Some("it was released already");
        }
        self.why_without_body()
    }

    /// Why it may not be delivered again.
    #[must_use]
    pub fn why_not_redeliverable(&self) -> Option<&'static str> {
        let entry = &self.entry;
        // On a route without a provider whatever came as far as the store was let through.
        let unchecked =
            entry.about.sender.as_deref() == Some("none") && entry.verdict != super::DedupeVerdict::Unasked;
        if entry.about.route.is_none() {
            return Some("no route took it");
        }
        if !entry.is_verified() && !unchecked {
            return Some("it was not verified; a refused delivery is released, not delivered again");
        }
        if entry.outcome() == Outcome::Answered && entry.reason != Reason::Duplicate {
            return Some("it was answered here, there is nothing to forward");
        }
        self.why_without_body()
    }

    fn why_without_body(&self) -> Option<&'static str> {
        if self.entry.kept.is_kept() {
            return None;
        }
        Some(match self.entry.reason {
            Reason::BodyTooLarge | Reason::BodyTimeout | Reason::BadRequest => "not all of it arrived",
            _ => "its body is not kept: the route's `journal.bodies` says which are",
        })
    }

    /// As lists show it, without what was read at the places `redact`.
    #[must_use]
    pub fn summary(&self, redact: &[Locator]) -> Value {
        let entry = &*self.entry;
        let name = |name: &Option<Box<str>>, from: Option<&[Locator]>| match name {
            Some(_) if hidden::may_hide(redact, from) => Some(Box::from(redact::REDACTED)),
            name => name.clone(),
        };
        let retries = match entry.origin {
            Some(_) => retry::Retries::No,
            None => retry::after(entry.about.retry.as_ref(), entry.status, entry.attempt).0,
        };
        json!({
            "id": entry.id,
            "cursor": cursor(entry.number),
            "time": entry.received.millis(),
            "route": entry.about.route,
            "sender": entry.about.sender,
            "method": entry.method.as_ref().map(http::Method::as_str),
            "path": entry.path,
            "client": entry.client.map(|client| client.to_string()),
            "event_id": name(&entry.event_id, entry.about.event_id.as_deref()),
            "event_type": name(&entry.event_type, entry.about.event_type.as_deref()),
            "attempt": entry.attempt,
            "outcome": entry.outcome().word(),
            "reason": entry.told().word(),
            "shadow": entry.shadow.is_some(),
            "verified": entry.is_verified(),
            "secret": entry.secret_name(),
            "status": entry.status,
            "upstream_status": entry.upstream_status,
            "took_us": entry.took,
            "upstream_us": entry.upstream_took,
            "received": entry.received_bytes,
            "sent": entry.sent_bytes,
            "retries": retries.word(),
            "origin": entry.origin.as_ref().map(|origin| json!({ "kind": origin.how.word(), "id": origin.id })),
            "released": self.is_released(),
            "releasable": self.why_not_releasable().is_none(),
            "redeliverable": self.why_not_redeliverable().is_none(),
        })
    }

    /// All that is known of it; `kept` is its request, `redact` what is not shown of that, `base64` whether the body
    /// stands there in full.
    #[must_use]
    pub fn whole(&self, kept: Option<&Kept>, redact: &[Locator], base64: bool) -> Value {
        let entry = &*self.entry;
        let mut value = self.summary(redact);
        let next = match entry.origin {
            Some(_) => None,
            None => retry::after(entry.about.retry.as_ref(), entry.status, entry.attempt).1,
        };
        let next = next.map(|delay| entry.ended().saturating_add(delay).millis());
        let results: Vec<Value> = self.marks.iter().map(of_mark).collect();
        let shown = kept.map(|kept| redact::shown(kept, redact));
        // A hash of what is hidden would let it be guessed.
        let hidden = match &shown {
            Some(shown) => shown.body_changed,
            None => hidden::hides_of_body(redact),
        };
        let key = entry.key.filter(|_| !hidden::may_hide(redact, entry.about.key.as_deref()));
        let more = json!({
            "why": entry.why,
            "signature_age_ms": entry.signature_age,
            "dedupe": { "key": key.map(|key| hex::encode(key.0)), "verdict": entry.verdict.word() },
            "next_retry_at": next,
            "body_xxh128": entry.body_hash.filter(|_| !hidden).map(|hash| format!("{hash:032x}")),
            "body_sha256": kept
                .filter(|_| !hidden)
                .map(|kept| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&kept.body))),
            "config_hash": entry.about.config,
            "timeline": timeline(entry),
            "request": shown.map(|shown| request(&shown, base64)),
            "results": results,
            "why_not_releasable": self.why_not_releasable(),
            "why_not_redeliverable": self.why_not_redeliverable(),
        });
        if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
            value.extend(more);
        }
        value
    }
}

fn of_mark(mark: &Mark) -> Value {
    json!({
        "id": mark.id,
        "kind": mark.how.word(),
        "time": mark.at.millis(),
        "reason": mark.reason.word(),
        "status": mark.status,
    })
}

fn request(shown: &Shown, base64: bool) -> Value {
    let text = std::str::from_utf8(&shown.body).ok();
    let begin = text.map(|text| {
        let mut end = text.len().min(TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        &text[..end]
    });
    let headers: Vec<Value> = shown.headers.iter().map(|(name, value)| json!([name, value])).collect();
    let mut value = json!({
        "origin": shown.origin,
        "target": shown.target,
        "headers": headers,
        "redacted": shown.places,
        "body": begin,
        "body_truncated": shown.body.len() > TEXT,
    });
    if let Some(value) = value.as_object_mut().filter(|_| base64) {
        use base64::Engine as _;
        let body = base64::engine::general_purpose::STANDARD.encode(&shown.body);
        value.insert("body_base64".into(), body.into());
        value.insert("body_redacted".into(), shown.body_changed.into());
    }
    value
}

fn timeline(entry: &Entry) -> Vec<Value> {
    let moments = [
        ("body", entry.timeline.body),
        ("verified", entry.timeline.verified),
        ("claimed", entry.timeline.claimed),
        ("upstream", entry.timeline.upstream),
        ("answered", entry.took),
    ];
    let happened = moments.into_iter().filter(|(_, at)| *at > 0);
    [("head", 0)]
        .into_iter()
        .chain(happened)
        .map(|(event, at)| json!({ "event": event, "at_us": at }))
        .collect()
}

/// A number as readers of the API see it: opaque.
#[must_use]
pub fn cursor(number: u64) -> String {
    format!("{number:x}")
}

/// The number behind a cursor.
#[must_use]
pub fn from_cursor(text: &str) -> Option<u64> {
    let hex = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}
