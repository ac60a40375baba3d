//! What the admin address answers, as a function of the request and the gateway's status.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::Admin;
use super::guard::{cross_site, is_loopback_name};
use super::page::{self, File};
use crate::metrics::Format;

/// An answer, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminAnswer {
    /// The HTTP status.
    pub status: u16,
    /// All headers but the length.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The body. For a `HEAD` its length is told and it is not sent.
    pub body: Bytes,
}

/// The API's own description.
pub(super) const DESCRIPTION: &str = include_str!("openapi.json");

/// The addresses and what may be done with each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Page(&'static File),
    Health,
    Readiness,
    Metrics,
    Routes,
    Config,
    FirstContacts,
    Reload,
    Description,
    Deliveries,
    Export,
    Stream,
    Delivery(String),
    Body(String),
    Explain(String),
    Redeliver(String),
    Release(String),
    ReleaseMany,
    Stats,
    Dedupe,
    Forget,
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
            "/api/openapi.json" => Self::Description,
            "/api/deliveries" => Self::Deliveries,
            "/api/deliveries/export" => Self::Export,
            "/api/deliveries/stream" => Self::Stream,
            "/api/release" => Self::ReleaseMany,
            "/api/stats" => Self::Stats,
            "/api/dedupe" => Self::Dedupe,
            "/api/dedupe/forget" => Self::Forget,
            _ if path == "/" || path.starts_with("/page/") => Self::Page(page::find(path)?),
            _ => return Self::of_delivery(path.strip_prefix("/api/deliveries/")?),
        })
    }

    fn of_delivery(rest: &str) -> Option<Self> {
        let (id, what) = rest.split_once('/').map_or((rest, None), |(id, what)| (id, Some(what)));
        let id = Some(id).filter(|id| !id.is_empty())?.to_owned();
        Some(match what {
            None => Self::Delivery(id),
            Some("body") => Self::Body(id),
            Some("explain") => Self::Explain(id),
            Some("redeliver") => Self::Redeliver(id),
            Some("release") => Self::Release(id),
            Some(_) => return None,
        })
    }

    /// Whether it changes something.
    fn is_change(&self) -> bool {
        matches!(
            self,
            Self::Reload | Self::Redeliver(_) | Self::Release(_) | Self::ReleaseMany | Self::Forget
        )
    }

    /// Probes have no token, what they learn is one word; and the page's files are the same everywhere.
    fn is_open(&self) -> bool {
        matches!(self, Self::Health | Self::Readiness | Self::Page(_))
    }

    fn allow(&self) -> &'static str {
        if self.is_change() { "POST" } else { "GET, HEAD" }
    }

    fn allows(&self, method: &str) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method)
    }
}

impl Admin {
    /// Answers a request. `target` is the path with its query; the body of a request is never looked at.
    ///
    /// Without a token only loopback addresses are listened on, and then a browser must not be turned into
    /// a way in: the `Host` has to be an address or `localhost`, so that no page can reach us under its own
    /// name, and nothing but the probes and the page's own files is answered for another site: it could not read
    /// the answer, but it could change something, or hold what is bounded, the streams, until nobody else gets one.
    #[must_use]
    pub fn answer(&self, method: &str, target: &str, headers: &HeaderMap) -> AdminAnswer {
        let (place, known) = match self.admitted(method, target, headers) {
            Ok(admitted) => admitted,
            Err(refusal) => return refusal,
        };
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let answered = match place {
            Place::Deliveries => self.list(query),
            Place::Delivery(id) => self.one(&id),
            Place::Body(id) => self.body_of(&id),
            Place::Explain(id) => self.explained(&id),
            Place::Redeliver(id) => self.redeliver(&id),
            Place::Release(id) => self.release_one(&id),
            Place::ReleaseMany => self.release_many(query),
            Place::Stats => self.stats(query),
            Place::Dedupe => self.dedupe(query),
            Place::Forget => self.dedupe_forget(query),
            place => Ok(self.plain(&place, known, headers)),
        };
        answered.unwrap_or_else(AdminAnswer::from)
    }

    /// What is asked for and whether the asker has the token, or why it is not answered.
    pub(super) fn admitted(
        &self,
        method: &str,
        target: &str,
        headers: &HeaderMap,
    ) -> Result<(Place, bool), AdminAnswer> {
        if self.token.is_none() && !is_loopback_name(headers) {
            return Err(refusal(403, "Host must be an IP address or localhost"));
        }
        let place = Place::at(target.split('?').next().unwrap_or_default());
        let known = self.token.as_ref().is_none_or(|token| token.presented(headers));
        if !known && !place.as_ref().is_some_and(Place::is_open) {
            return Err(refusal(401, "A bearer token is needed").with(header::WWW_AUTHENTICATE, "Bearer"));
        }
        let Some(place) = place else { return Err(refusal(404, "Not found")) };
        if !place.allows(method) {
            return Err(refusal(405, "Method not allowed").with(header::ALLOW, place.allow()));
        }
        if !place.is_open() && cross_site(headers) {
            return Err(refusal(403, "Not from another site"));
        }
        Ok((place, known))
    }

    fn plain(&self, place: &Place, known: bool, headers: &HeaderMap) -> AdminAnswer {
        match place {
            Place::Page(file) => file.answer(headers),
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
            Place::Description => AdminAnswer::new(200, "application/json", DESCRIPTION),
            // What goes on for long is written piece by piece; a HEAD of it has no piece.
            Place::Stream => AdminAnswer::new(200, "text/event-stream", ""),
            Place::Export => AdminAnswer::new(200, "application/x-ndjson", ""),
            _ => refusal(404, "Not found"),
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
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::with_capacity(5), body: body.into() }
            .with(header::CONTENT_TYPE, content_type)
            .with(header::CACHE_CONTROL, "no-store")
            .with(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
    }

    /// Something of ours broke while it was made.
    pub(super) fn failure() -> Self {
        refusal(500, "Internal error")
    }

    pub(super) fn with(self, name: HeaderName, value: &'static str) -> Self {
        self.with_value(name, HeaderValue::from_static(value))
    }

    pub(super) fn with_value(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

pub(super) fn json_answer(status: u16, value: &Value) -> AdminAnswer {
    AdminAnswer::new(status, "application/json", format!("{value}\n"))
}

pub(super) fn refusal(status: u16, error: &str) -> AdminAnswer {
    json_answer(status, &json!({ "error": error }))
}
