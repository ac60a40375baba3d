//! What the admin address answers, as a function of the request and the gateway's status.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::Admin;
use super::guard::{cross_site, is_loopback_name};
use crate::metrics::Format;

/// An answer, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAnswer {
    /// The HTTP status.
    pub status: u16,
    /// All headers but the length.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body. For a `HEAD` its length is told and it is not sent.
    pub body: String,
}

/// The addresses and what may be done with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Health,
    Readiness,
    Metrics,
    Routes,
    Config,
    FirstContacts,
    Reload,
}

impl Place {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/healthz" => Self::Health,
            "/readyz" => Self::Readiness,
            "/metrics" => Self::Metrics,
            "/api/routes" => Self::Routes,
            "/api/config" => Self::Config,
            "/api/first-contacts" => Self::FirstContacts,
            "/api/reload" => Self::Reload,
            _ => return None,
        })
    }

    /// Probes have no token; what they learn is one word.
    fn is_probe(self) -> bool {
        matches!(self, Self::Health | Self::Readiness)
    }

    fn allow(self) -> &'static str {
        if self == Self::Reload { "POST" } else { "GET, HEAD" }
    }

    fn allows(self, method: &str) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method)
    }
}

impl Admin {
    /// Answers a request. `target` is the path with its query; the body of a request is never looked at.
    ///
    /// Without a token only loopback addresses are listened on, and then a browser must not be turned into
    /// a way in: the `Host` has to be an address or `localhost`, so that no page can reach us under its own
    /// name, and a change must not come from another site.
    #[must_use]
    pub fn answer(&self, method: &str, target: &str, headers: &HeaderMap) -> AdminAnswer {
        if self.token.is_none() && !is_loopback_name(headers) {
            return refusal(403, "Host must be an IP address or localhost");
        }
        let place = Place::at(target.split('?').next().unwrap_or_default());
        let known = self.token.as_ref().is_none_or(|token| token.presented(headers));
        if !known && !place.is_some_and(Place::is_probe) {
            return refusal(401, "A bearer token is needed").with(header::WWW_AUTHENTICATE, "Bearer");
        }
        let Some(place) = place else { return refusal(404, "Not found") };
        if !place.allows(method) {
            return refusal(405, "Method not allowed").with(header::ALLOW, place.allow());
        }
        if place == Place::Reload && cross_site(headers) {
            return refusal(403, "Not from another site");
        }
        match place {
            Place::Health => json_answer(200, &json!({ "status": "alive" })),
            Place::Readiness => self.readiness(known),
            Place::Metrics => self.scrape(headers),
            Place::Routes => json_answer(200, &self.status.routes()),
            Place::Config => json_answer(200, &self.status.config()),
            Place::FirstContacts => json_answer(200, &self.status.first_contacts()),
            Place::Reload => match self.status.reload() {
                Ok(loaded) => json_answer(200, &loaded),
                Err(why) => refusal(422, &why),
            },
        }
    }

    fn readiness(&self, known: bool) -> AdminAnswer {
        match self.status.ready() {
            Ok(()) => json_answer(200, &json!({ "status": "ready" })),
            Err(reasons) if known => json_answer(503, &json!({ "status": "not ready", "reasons": reasons })),
            Err(_) => json_answer(503, &json!({ "status": "not ready" })),
        }
    }

    fn scrape(&self, headers: &HeaderMap) -> AdminAnswer {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let format = Format::wanted(accept);
        let page = self.metrics.render(self.status.gauges(), format);
        AdminAnswer::new(200, format.content_type(), page).with(header::VARY, "accept")
    }
}

impl AdminAnswer {
    fn new(status: u16, content_type: &'static str, body: String) -> Self {
        Self { status, headers: Vec::with_capacity(5), body }
            .with(header::CONTENT_TYPE, content_type)
            .with(header::CACHE_CONTROL, "no-store")
            .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
    }

    /// Something of ours broke while it was made.
    pub(super) fn failure() -> Self {
        refusal(500, "Internal error")
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }
}

fn json_answer(status: u16, value: &Value) -> AdminAnswer {
    AdminAnswer::new(status, "application/json", format!("{value}\n"))
}

fn refusal(status: u16, error: &str) -> AdminAnswer {
    json_answer(status, &json!({ "error": error }))
}
