//! The journal's part of the API: lists, single deliveries, numbers, and what may be done with a delivery.

use std::sync::Arc;

use http::header;
use serde_json::{Value, json};

use super::answer::{AdminAnswer, json_answer, refusal};
use super::query::Query;
use super::{Admin, Refused};
use crate::clock;
use crate::journal::{
    Filter, Following, Found, HiddenNow, Journal, Outcome, RouteNumbers, Window, cursor, redact,
};
use crate::time::UnixTime;
use crate::verify::Locator;

/// The parameters that choose deliveries.
pub(super) const FILTER: [&str; 9] =
    ["route", "reason", "sender", "event_type", "event_id", "outcome", "q", "since", "until"];

/// The largest page, and one where nobody says otherwise.
const LARGEST_PAGE: usize = 500;
const PAGE: usize = 50;

/// Deliveries that one call releases at most: whoever asks waits for the answer.
const RELEASED_AT_ONCE: usize = 1000;

/// What is asked of the dedupe store: an event by its route and id, or by its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DedupeQuestion {
    /// The route's name.
    pub route: Option<String>,
    /// The event's id.
    pub event_id: Option<String>,
    /// The key itself.
    pub key: Option<[u8; 32]>,
}

impl Admin {
    pub(super) fn journal(&self) -> Journal {
        self.status.journal()
    }

    /// What a query chooses, by what may be shown now.
    pub(super) fn filter(&self, query: &Query) -> Result<Filter, Refused> {
        let status = Arc::clone(&self.status);
        let hidden = HiddenNow::by(move |route| status.redact(route));
        Ok(Filter { hidden, ..query.filter(clock::now()).map_err(bad)? })
    }

    pub(super) fn list(&self, query: &str) -> Result<AdminAnswer, Refused> {
        let query = Query::read(query, &[&FILTER[..], &["limit", "before"]].concat()).map_err(bad)?;
        let filter = self.filter(&query)?;
        let (before, limit) =
            (query.cursor("before").map_err(bad)?, query.limit(PAGE, LARGEST_PAGE).map_err(bad)?);
        let page = self.journal().list(&filter, before, limit);
        let deliveries: Vec<Value> = page.found.iter().map(|found| self.summary(found)).collect();
        let next = page.next.map(cursor);
        Ok(json_answer(200, &json!({ "deliveries": deliveries, "next": next, "total_held": page.held })))
    }

    pub(super) fn one(&self, id: &str) -> Result<AdminAnswer, Refused> {
        Ok(json_answer(200, &self.whole(&self.found(id)?, false)))
    }

    /// The kept body without what is redacted, never as something that a browser would show.
    pub(super) fn body_of(&self, id: &str) -> Result<AdminAnswer, Refused> {
        let found = self.found(id)?;
        let kept = self.journal().kept(&found.entry);
        let kept = kept.ok_or_else(|| {
            Refused(404, "its body is not kept: the route's `journal.bodies` says which are".into())
        })?;
        let shown = redact::shown(&kept, &self.redacted(&found));
        let mut answer = AdminAnswer::new(200, "application/octet-stream", shown.body)
            .with(header::CONTENT_DISPOSITION, "attachment; filename=\"body\"");
        if shown.body_changed {
            answer = answer.with(http::HeaderName::from_static("sealpost-redacted"), "true");
        }
        Ok(answer)
    }

    pub(super) fn explained(&self, id: &str) -> Result<AdminAnswer, Refused> {
        let found = self.found(id)?;
        let explanation = self.status.explain(&found)?;
        Ok(json_answer(200, &explanation))
    }

    pub(super) fn release_one(&self, id: &str) -> Result<AdminAnswer, Refused> {
        Ok(json_answer(200, &self.status.release(&self.found(id)?)?))
    }

    pub(super) fn redeliver(&self, id: &str) -> Result<AdminAnswer, Refused> {
        Ok(json_answer(200, &self.status.redeliver(&self.found(id)?)?))
    }

    pub(super) fn release_many(&self, query: &str) -> Result<AdminAnswer, Refused> {
        let query =
            Query::read(query, &["route", "reason", "since", "until", "after", "limit"]).map_err(bad)?;
        let mut filter = self.filter(&query)?;
        let part = query.release_part(RELEASED_AT_ONCE).map_err(bad)?;
        if let Some(rest) = &part.rest {
            // It begins behind that place and ends where the first call would have; `2h` is something else by now.
            (filter.since, filter.until) = (None, rest.until);
        }
        if filter.route.as_deref().is_none_or(|route| route == "-") {
            return Err(
                bad("`route` is missing: deliveries of one route are released in their order".into()),
            );
        }
        Ok(json_answer(200, &self.status.release_all(&filter, &part)?))
    }

    pub(super) fn dedupe(&self, query: &str) -> Result<AdminAnswer, Refused> {
        Ok(json_answer(200, &self.status.dedupe(&dedupe_question(query)?)?))
    }

    pub(super) fn dedupe_forget(&self, query: &str) -> Result<AdminAnswer, Refused> {
        Ok(json_answer(200, &self.status.forget(&dedupe_question(query)?)?))
    }

    pub(super) fn stats(&self, query: &str) -> Result<AdminAnswer, Refused> {
        let query = Query::read(query, &["window"]).map_err(bad)?;
        let (journal, now) = (self.journal(), clock::steady());
        // Counted by the steady clock, told in the time of day.
        let told = |millis| clock::time_of_day(UnixTime::from_millis(millis)).millis();
        let window = Window::ending(now, query.window().map_err(bad)?);
        let condition = journal.condition();
        let began = condition.began.unwrap_or(now).millis();
        let seconds = window.until.saturating_sub(window.since.max(began)).max(1) as f64 / 1000.0;
        let routes: Vec<Value> = self
            .status
            .routes()
            .as_array()
            .into_iter()
            .flatten()
            .map(|route| {
                let name = route["name"].as_str().unwrap_or_default();
                let secrets: Vec<&str> =
                    route["secrets"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                numbers(
                    Some(name),
                    route["provider"].as_str(),
                    &secrets,
                    &journal.numbers(Some(name), &window),
                    seconds,
                )
            })
            .collect();
        let unrouted = numbers(None, None, &[], &journal.numbers(None, &window), seconds);
        Ok(json_answer(
            200,
            &json!({
                "since": told(window.since),
                "until": told(window.until),
                "bucket_seconds": window.stretch / 1000,
                "started": told(began),
                "journal": {
                    "enabled": condition.enabled,
                    "durable": condition.durable,
                    "error": condition.error,
                    "entries": condition.entries,
                    "bytes": condition.bytes,
                    "dropped": condition.dropped,
                    "oldest": condition.oldest.map(UnixTime::millis),
                },
                "routes": routes,
                "unrouted": unrouted,
            }),
        ))
    }

    /// Follows what the query asks for, after the cursor of the query or of `Last-Event-ID`.
    pub(super) fn follow(&self, query: &str, last: Option<&str>) -> Result<Following, Refused> {
        let query = Query::read(query, &[&FILTER[..], &["after"]].concat()).map_err(bad)?;
        let filter = self.filter(&query)?;
        let after = match last {
            Some(last) => crate::journal::from_cursor(last),
            None => query.cursor("after").map_err(bad)?,
        };
        self.journal().follow(filter, after).map_err(|error| Refused(503, error.to_string()))
    }

    pub(super) fn summary(&self, found: &Found) -> Value {
        found.summary(&self.redacted(found))
    }

    pub(super) fn whole(&self, found: &Found, base64: bool) -> Value {
        let kept = self.journal().kept(&found.entry);
        found.whole(kept.as_ref(), &self.redacted(found), base64)
    }

    fn found(&self, id: &str) -> Result<Found, Refused> {
        self.journal().find(id).ok_or_else(|| Refused(404, "the journal holds no such delivery".into()))
    }

    /// What is not shown: by the configuration of then, and by that of now.
    fn redacted(&self, found: &Found) -> Vec<Locator> {
        let mut places = found.entry.about.redact.clone();
        places.extend(
            found.entry.about.route.as_deref().map(|route| self.status.redact(route)).unwrap_or_default(),
        );
        places
    }
}

pub(super) fn bad(why: String) -> Refused {
    Refused(400, why)
}

impl From<Refused> for AdminAnswer {
    fn from(Refused(status, why): Refused) -> Self {
        refusal(status, &why)
    }
}

fn dedupe_question(query: &str) -> Result<DedupeQuestion, Refused> {
    let query = Query::read(query, &["route", "event_id", "key"]).map_err(bad)?;
    let owned = |name: &str| query.get(name).map(str::to_owned);
    let question = DedupeQuestion {
        route: owned("route"),
        event_id: owned("event_id"),
        key: match query.get("key") {
            Some(text) => {
                let key = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
                Some(key.ok_or_else(|| bad("`key` is 64 hex digits".into()))?)
            }
            None => None,
        },
    };
    match (&question.key, &question.route, &question.event_id) {
        (Some(_), None, None) | (None, Some(_), Some(_)) => Ok(question),
        _ => Err(bad("give `route` and `event_id`, or `key` alone".into())),
    }
}

fn numbers(
    route: Option<&str>,
    sender: Option<&str>,
    names: &[&str],
    numbers: &RouteNumbers,
    seconds: f64,
) -> Value {
    let secrets: Vec<Value> = names
        .iter()
        .map(|name| {
            let used = numbers.secrets.get(*name).copied().unwrap_or_default();
            json!({ "name": name, "count": used.count, "last_matched": used.last.map(UnixTime::millis) })
        })
        .collect();
    let series: Vec<Value> = numbers
        .series
        .iter()
        .map(|(at, outcomes, shadow)| {
            let at = clock::time_of_day(UnixTime::from_millis(*at)).millis();
            let mut stretch = json!({ "at": at, "shadow": shadow });
            for (outcome, count) in Outcome::ALL.iter().zip(outcomes) {
                stretch[outcome.word()] = json!(count);
            }
            stretch
        })
        .collect();
    json!({
        "route": route,
        "sender": sender,
        "requests": numbers.requests,
        "rate": numbers.requests as f64 / seconds,
        "reasons": numbers.reasons,
        "shadow": numbers.shadow,
        "took_us": { "p50": numbers.took.0, "p99": numbers.took.1 },
        "upstream_us": { "p50": numbers.upstream.0, "p99": numbers.upstream.1 },
        "secrets": secrets,
        "series": series,
    })
}
