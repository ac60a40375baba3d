//! What a route may change of its provider's advice: `tolerance`, `dedupe`, `events`.

use std::time::Duration;

use super::limits;
use crate::catalog::{OnStoreError, Provider, defaults, signed};
use crate::routes::{Dedupe, EventFilter};
use crate::time::Tolerance;
use crate::verify::Locator;
use crate::yaml::{Cursor, Fields, Problems, shortened};

/// The longest an event can be remembered; whoever needs more needs a database.
const LONGEST_TTL: Duration = Duration::from_secs(366 * 24 * 3600);

/// The window for the signed send time; `None` where there is none to check.
pub(super) fn tolerance(fields: &mut Fields<'_, '_>, provider: Option<&Provider>) -> Option<Tolerance> {
    let default = provider.and_then(|provider| provider.tolerance);
    let Some(cursor) = fields.optional("tolerance") else { return default };
    if cursor.node.as_text() == Some("off") {
        return None;
    }
    let sends_time = provider.is_none_or(|provider| signed::has_send_time(&provider.scheme));
    if !sends_time || provider.is_none() {
        let message = "there is no signed send time to hold against it; leave `tolerance` out \
                       (a time in the event itself tells when it happened, not when it was sent)";
        cursor.report(fields.problems(), message);
    }
    if cursor.node.as_text().is_some() {
        return cursor.duration(fields.problems()).map(|both| Tolerance { past: both, future: both });
    }
    let default =
        default.unwrap_or(Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(60) });
    let mut fields = cursor.fields(fields.problems())?;
    let past = fields.duration("past").unwrap_or(default.past);
    let future = fields.duration("future").unwrap_or(default.future);
    fields.finish();
    Some(Tolerance { past, future })
}

/// How repeated events are recognised; `None` for `off`.
///
/// An event is remembered at least as long as a captured copy of it would still verify.
pub(super) fn dedupe(
    fields: &mut Fields<'_, '_>,
    provider: Option<&Provider>,
    tolerance: Option<Tolerance>,
) -> Option<Dedupe> {
    let window = tolerance.map_or(Duration::ZERO, |window| window.past.saturating_add(window.future));
    let known = provider.filter(|provider| provider.dedupe || fields.has("dedupe"));
    let default = known.map(|provider| Dedupe {
        key: provider.event.key.clone(),
        ttl: provider.dedupe_ttl.max(window),
        on_store_error: provider.on_store_error,
    });
    let Some(cursor) = fields.optional("dedupe").filter(|cursor| !cursor.node.is_null()) else {
        return default;
    };
    if cursor.node.as_text() == Some("off") {
        return None;
    }
    if cursor.node.as_text().is_some() {
        cursor.report(fields.problems(), "write `dedupe: { key: [json:/id], ttl: 24h }`, or `off`");
        return None;
    }
    let mut fields = cursor.fields(fields.problems())?;
    let key = fields.list("key").map(|items| {
        let key: Vec<Locator> =
            items.iter().filter_map(|item| locator(item, provider, fields.problems())).collect();
        if items.is_empty() {
            fields.report_at("key", "without any part all events would be the same one; name at least one");
        }
        key
    });
    let ttl = limits::span(&mut fields, "ttl", LONGEST_TTL);
    let on_store_error = fields.word("on_store_error", OnStoreError::WORDS).map(|word| match word {
        "memory" => OnStoreError::Memory,
        "pass" => OnStoreError::Pass,
        _ => OnStoreError::Refuse,
    });
    if key.is_none() && default.is_none() {
        fields.report(
            "nothing is known of this sender's events, so name what identifies one: `key: [json:/id]`",
        );
    }
    fields.finish();
    let default = default.unwrap_or(Dedupe {
        key: Vec::new(),
        ttl: defaults::TTL_OF_UNKNOWN_SCHEDULE,
        on_store_error: OnStoreError::default(),
    });
    Some(Dedupe {
        key: key.unwrap_or(default.key),
        ttl: ttl.unwrap_or(default.ttl),
        on_store_error: on_store_error.unwrap_or(default.on_store_error),
    })
}

fn locator(item: &Cursor<'_>, provider: Option<&Provider>, problems: &mut Problems) -> Option<Locator> {
    let text = item.text(problems)?;
    match text.parse::<Locator>() {
        Ok(Locator::Signed) if provider.is_none() => {
            item.report(
                problems,
                "nothing is signed on a route without provider; use `body` or a field of the event",
            );
            None
        }
        Ok(locator) => Some(locator),
        Err(error) => {
            item.report(problems, error.to_string());
            None
        }
    }
}

/// Which event types are forwarded.
pub(super) fn events(fields: &mut Fields<'_, '_>, provider: Option<&Provider>) -> EventFilter {
    let Some(cursor) = fields.optional("events") else { return EventFilter::all() };
    let Some(items) = cursor.items(fields.problems()) else { return EventFilter::all() };
    let mut patterns: Vec<String> = Vec::new();
    for item in &items {
        let Some(text) = item.text(fields.problems()) else { continue };
        if text.is_empty() || text.trim() != text {
            item.report(
                fields.problems(),
                "an event's name neither is empty nor begins or ends with a space",
            );
        } else if patterns.iter().any(|pattern| pattern == text) {
            item.report(fields.problems(), format!("`{}` stands in this list already", shortened(text)));
        }
        patterns.push(text.to_owned());
    }
    if items.is_empty() {
        cursor.report(
            fields.problems(),
            "an empty list would forward nothing; leave `events` out to forward everything",
        );
    }
    if provider.is_none_or(|provider| provider.event.event_type.is_empty()) {
        let message =
            "it is not known where this sender's events carry their type, so they cannot be told apart by it";
        cursor.report(fields.problems(), message);
    }
    EventFilter::only(patterns)
}
