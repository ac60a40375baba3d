//! What the head of a request says: its route, its target, who sent it, and whether it can be served at all.

use std::sync::Arc;

use super::ending::{self, Ending, Stop};
use super::live::{Live, RouteLive};
use super::record::Record;
use super::session::{Head, Session};
use super::{client, framing};
use crate::admit::Reason;
use crate::routes::{Found, Route, path_problem};
use crate::verify;

/// What was found out about a request from its head.
pub(super) struct Request<'l> {
    /// The route that takes it.
    pub(super) route: Arc<Route>,
    /// What belongs to the route.
    pub(super) live: &'l RouteLive,
    /// Path and query.
    pub(super) target: String,
    /// The host asked for.
    pub(super) host: String,
    /// Whether the sender spoke TLS.
    pub(super) https: bool,
    /// Scheme and host as the sender signed them, for senders that sign their URL.
    pub(super) signed_origin: Option<String>,
    /// The length of the body by `Content-Length`.
    pub(super) declared: Option<u64>,
    /// Who sent it.
    pub(super) origin: client::Origin,
}

impl Request<'_> {
    /// The head as verification sees it.
    pub(super) fn head<'a>(&'a self, session: &'a Session) -> verify::Head<'a> {
        self.view(session.head())
    }

    /// The same of a head that came with no session.
    pub(super) fn view<'a>(&'a self, head: &'a Head) -> verify::Head<'a> {
        verify::Head {
            method: head.method.as_str(),
            target: &self.target,
            origin: self.signed_origin.as_deref(),
            headers: &head.fields,
        }
    }

    /// The host the sender asked for, as a trusted proxy reports it, otherwise as asked here.
    pub(super) fn forwarded_host<'a>(&'a self, head: &'a Head) -> &'a [u8] {
        let claimed = if self.origin.trusted { head.fields.all("x-forwarded-host").next() } else { None };
        claimed.unwrap_or(self.host.as_bytes())
    }
}

/// Finds the route, and refuses what the head alone shows to be unservable. `tls` is how the listener is spoken to.
pub(super) fn identify<'l>(
    session: &Session,
    live: &'l Live,
    record: &mut Record,
    tls: bool,
) -> Result<Request<'l>, Stop> {
    let bad = |why: &'static str| Ending::refuse(Reason::BadRequest).because(why);
    let head = session.head();
    let origin = client::origin(session.peer(), &head.fields, &live.config.trusted_proxies);
    record.client = origin.client;
    record.traced(live, head, origin.trusted);
    framing::check_semantics(&head.method, &head.fields).map_err(bad)?;
    let host = host_of(head).ok_or_else(|| bad("Host is missing"))?;
    // RFC 9113 section 8.3.1: routing by one of them and answering for the other would make two requests of one.
    if head.authority.as_deref().is_some_and(|authority| !authority.eq_ignore_ascii_case(host)) {
        return Err(bad("Host and :authority are not the same"));
    }
    framing::check_host(host.as_bytes()).map_err(bad)?;
    let target = framing::origin_form(&head.target, host).map_err(bad)?;
    record.head(&head.method, target);
    if let Some(problem) = path_problem(target) {
        return Err(Ending::refuse(Reason::BadRequest).because(problem.to_string()));
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let route = match live.config.routes.find(Some(host), path, head.method.as_str()) {
        Found::Route(route) => route,
        Found::None => return Err(Ending::refuse(Reason::NoRoute)),
        Found::MethodNotAllowed { allow, route } => {
            record.route(route, live.of(route));
            return Err(ending::method_not_allowed(&allow));
        }
    };
    let found = live.of(route);
    record.route(route, found);
    let Some(route_live) = found else { return Err(Ending::refuse(Reason::NoRoute)) };
    let proto = client::proto(tls, origin.trusted, &head.fields);
    let signed_origin =
        route_live.signs_url.then(|| route.public_url.clone().unwrap_or_else(|| format!("{proto}://{host}")));
    let declared = declared_length(head);
    if declared.is_some_and(|length| length > route.body) {
        return Err(
            Ending::refuse(Reason::BodyTooLarge).because("Content-Length is larger than the route allows")
        );
    }
    Ok(Request {
        route: Arc::clone(route),
        live: route_live,
        target: target.to_owned(),
        host: host.to_owned(),
        https: proto == "https",
        signed_origin,
        declared,
        origin,
    })
}

/// `Host`, or HTTP/2's `:authority`, which takes its place.
fn host_of(head: &Head) -> Option<&str> {
    match head.fields.all("host").next() {
        Some(host) => std::str::from_utf8(host).ok(),
        None => head.authority.as_deref(),
    }
}

fn declared_length(head: &Head) -> Option<u64> {
    // A length that is not a number was refused before; one too large for u64 is larger than any limit.
    let length = std::str::from_utf8(head.fields.all("content-length").next()?).ok()?;
    Some(length.parse().unwrap_or(u64::MAX))
}
