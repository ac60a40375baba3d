//! One request, top to bottom: head → route → body → verify → filter → claim → forward → settle → answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, EXPECT, HOST};
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;

use super::body::{self, Body, BodyLimits};
use super::ending::{self, Ending, Stop};
use super::head::{self, Arrival};
use super::headers::Added;
use super::live::{Live, RouteLive};
use super::record::Record;
use super::respond::{self, Passed};
use super::state::{Gateway, Phase};
use super::upstream::{self, Answer, Outbound, UpstreamError};
use super::{client, framing};
use crate::admit::{self, Admission, Admitted, Proof, Reason};
use crate::catalog;
use crate::clock;
use crate::dedupe::{self, Committed};
use crate::metrics::Operation;
use crate::routes::{Found, MethodUse, Mode, Route, path_problem};
use crate::time::{Distance, UnixTime};
use crate::verify::{self, Event, Head, Rejection, Verified};

/// Serves the requests of one listener.
pub(super) struct Exchange {
    gateway: Arc<Gateway>,
    options: HttpServerOptions,
    header_limit: u32,
    tls: bool,
}

impl Exchange {
    /// For a listener that speaks TLS or not, and HTTP/2 without TLS or not.
    pub(super) fn new(gateway: Arc<Gateway>, tls: bool, h2c: bool, header_limit: usize) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2c = h2c;
        options.h2_idle_timeout = Some(head::KEEPALIVE);
        Self { gateway, options, header_limit: u32::try_from(header_limit).unwrap_or(u32::MAX), tls }
    }
}

#[async_trait]
impl HttpServerApp for Exchange {
    fn server_options(&self) -> Option<&HttpServerOptions> {
        Some(&self.options)
    }

    fn h2_options(&self) -> Option<H2Options> {
        let mut options = default_h2_options();
        options.max_header_list_size(self.header_limit);
        options.initial_window_size(64 * 1024).initial_connection_window_size(1024 * 1024);
        Some(options)
    }

    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        let live = self.gateway.live();
        session.set_write_timeout(Some(respond::WRITE_TIMEOUT));
        let arrival = head::read(&mut session, &live.config.limits).await;
        if matches!(arrival, Arrival::Gone) {
            return None;
        }
        let _in_flight = self.gateway.begin();
        let mut record = Record::begin(&self.gateway);
        let readable = matches!(arrival, Arrival::Complete);
        let ending = match arrival {
            Arrival::Complete if self.gateway.phase() == Phase::Draining => Ending::refuse(Reason::Draining),
            Arrival::Complete => {
                self.serve(&mut session, &live, &mut record).await.unwrap_or_else(|stop| stop)
            }
            Arrival::Refused { reason, status, why } => Ending::with_status(reason, status).because(why),
            Arrival::Gone => return None,
        };
        if self.gateway.phase() != Phase::Serving {
            session.set_keepalive(None);
        }
        if readable && session.as_http1().is_some() && !session.is_body_done() {
            respond::skim(&mut session).await;
        }
        let sent = ending.send(&mut session, &self.gateway, &mut record).await;
        record.finish(&self.gateway);
        match sent {
            Ok(()) => respond::finish(session).await,
            Err(()) => None,
        }
    }
}

/// What verification came to. In shadow mode a rejection is only noted.
enum Verdict {
    Verified(Verified),
    Unchecked,
    Rejected(Rejection),
}

impl Exchange {
    /// The whole story. An `Err` is an ending too, reached early.
    async fn serve(
        &self,
        session: &mut ServerSession,
        live: &Live,
        record: &mut Record,
    ) -> Result<Stop, Stop> {
        let request = self.identify(session, live, record)?;
        let route = &*request.route;
        self.challenged(session, &request, None, None)?;

        let mut stopwatch = Stopwatch::default();
        let begun = stopwatch.time(|| self.begin_verification(session, &request));
        let mut verification = match begun {
            Ok(verification) => verification,
            Err(rejection) => self.rejected(route, &rejection, record).map(|()| None)?,
        };
        let early_rejection = record.shadowed();

        let body = self.read_body(session, live, &request, record, |chunk| {
            if let Some(verification) = &mut verification {
                stopwatch.time(|| verification.update(chunk));
            }
        });
        let body = body.await?;
        self.challenged(session, &request, Some(&body), None)?;

        let verdict = match verification {
            Some(verification) => {
                let head = request.head(session);
                let verdict = stopwatch.time(|| verification.finish(&head, body.as_slice()));
                request.live.metrics.verifying(stopwatch.total);
                verdict.map_or_else(Verdict::Rejected, Verdict::Verified)
            }
            None => Verdict::Unchecked,
        };
        if let Verdict::Verified(verified) = &verdict {
            record.verified(verified.secret_index(), signature_age(verified));
        }
        let proof = self.prove(route, verdict, early_rejection, record)?;
        if let Some(verified) = proof.verified() {
            self.challenged(session, &request, Some(&body), Some(verified))?;
        }

        let event = self.name_event(session, &request, &body, record);
        if !route.events.wants(event.event_type.as_deref()) {
            return Ok(ending::filtered(route));
        }
        let permit = self.claim(session, &request, proof, &body, record).await?;
        self.forward(session, &request, permit, &event, &body, record).await
    }

    /// Finds the route, and refuses what the head alone shows to be unservable.
    fn identify<'l>(
        &self,
        session: &ServerSession,
        live: &'l Live,
        record: &mut Record,
    ) -> Result<Request<'l>, Stop> {
        let bad = |why: &'static str| Ending::refuse(Reason::BadRequest).because(why);
        let head = session.req_header();
        let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
        let origin = client::origin(peer, &head.headers, &live.config.trusted_proxies);
        record.client = origin.client;
        if let Some(session) = session.as_http1() {
            framing::check_http1(&session.get_headers_raw_bytes(), head.version).map_err(bad)?;
        }
        framing::check_semantics(&head.method, &head.headers).map_err(bad)?;
        let target = framing::origin_form(head.raw_path()).map_err(bad)?;
        if let Some(problem) = path_problem(target) {
            return Err(Ending::refuse(Reason::BadRequest).because(problem.to_string()));
        }
        let host = host_of(head).ok_or_else(|| bad("Host is missing"))?;
        framing::check_host(host.as_bytes()).map_err(bad)?;
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let route = match live.config.routes.find(Some(host), path, head.method.as_str()) {
            Found::Route(route) => route,
            Found::None => return Err(Ending::refuse(Reason::NoRoute)),
            Found::MethodNotAllowed { allow, route } => {
                record.route(route, live.of(route));
                return Err(ending::method_not_allowed(&allow));
            }
        };
        record.route(route, live.of(route));
        let Some(route_live) = live.of(route) else { return Err(Ending::refuse(Reason::NoRoute)) };
        let proto = client::proto(self.tls, origin.trusted, &head.headers);
        let signed_origin = route_live
            .signs_url
            .then(|| route.public_url.clone().unwrap_or_else(|| format!("{proto}://{host}")));
        let declared = declared_length(head);
        if declared.is_some_and(|length| length > route.body) {
            return Err(Ending::refuse(Reason::BodyTooLarge)
                .because("Content-Length is larger than the route allows"));
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

    /// Ends the exchange with the answer to the sender's handshake, if this is one.
    fn challenged(
        &self,
        session: &ServerSession,
        request: &Request<'_>,
        body: Option<&Body>,
        verified: Option<&Verified>,
    ) -> Result<(), Stop> {
        let route = &*request.route;
        let Some(provider) = route.provider.as_deref() else { return Ok(()) };
        if provider.challenges.is_empty() {
            return Ok(());
        }
        let head = request.head(session);
        let answer = catalog::challenge(
            provider,
            &head,
            body.map(Body::as_slice),
            verified.map(Verified::secret_index),
            &route.keys,
            &route.verify_tokens,
        );
        match answer {
            Some(answer) => Err(ending::challenge(answer)),
            // A method that is only open for the handshake ends here if this is not one: it is never forwarded.
            None if route.accepts_method(head.method) == MethodUse::ChallengeOnly => {
                Err(ending::method_not_allowed(&route.allow()))
            }
            None => Ok(()),
        }
    }

    /// Refuses what the head can refuse; `None` on a route without a provider.
    fn begin_verification<'r>(
        &self,
        session: &ServerSession,
        request: &'r Request<'_>,
    ) -> Result<Option<verify::Verification<'r>>, Rejection> {
        let route = &*request.route;
        let Some(provider) = route.provider.as_deref() else { return Ok(None) };
        verify::begin(&provider.scheme, &route.keys, &request.head(session), route.tolerance, clock::now())
            .map(Some)
    }

    async fn read_body(
        &self,
        session: &mut ServerSession,
        live: &Live,
        request: &Request<'_>,
        record: &mut Record,
        fed: impl FnMut(&[u8]),
    ) -> Result<Body, Stop> {
        if session.req_header().headers.contains_key(EXPECT) && request.declared != Some(0) {
            // Only now: whatever the head could refuse has been refused without asking for the body.
            if respond::go_on(session).await.is_err() {
                return Err(Ending::refuse(Reason::BadRequest).because("the sender hung up"));
            }
        }
        let limits = &live.config.limits;
        let bounds =
            BodyLimits { body: request.route.body, buffered: limits.buffered, declared: request.declared };
        let read = body::read(session, &self.gateway.buffered, &bounds, fed);
        match tokio::time::timeout(limits.body_timeout, read).await {
            Ok(Ok(body)) => {
                record.received = u64::try_from(body.as_slice().len()).unwrap_or(u64::MAX);
                Ok(body)
            }
            Ok(Err(error)) => Err(Ending::refuse(error.reason).because(error.detail)),
            Err(_) => Err(Ending::refuse(Reason::BodyTimeout).because("the body did not arrive in time")),
        }
    }

    /// Refuses, or in shadow mode notes what would have been refused.
    fn rejected(&self, route: &Route, rejection: &Rejection, record: &mut Record) -> Result<(), Stop> {
        let reason = Reason::from(rejection);
        if route.mode == Mode::Shadow {
            record.shadow(reason, rejection.to_string());
            return Ok(());
        }
        let status = route.provider.as_deref().map_or(reason.status(), |provider| provider.refusal_status);
        Err(Ending::with_status(reason, status).because(rejection.to_string()))
    }

    /// Turns the verdict into the proof without which nothing goes on.
    fn prove(
        &self,
        route: &Route,
        verdict: Verdict,
        rejected_early: bool,
        record: &mut Record,
    ) -> Result<Proof, Stop> {
        let unproven = || Ending::refuse(Reason::SignatureMismatch);
        match verdict {
            Verdict::Verified(verified) => Ok(Proof::of(verified)),
            Verdict::Unchecked if rejected_early => Proof::shadow(route).ok_or_else(unproven),
            Verdict::Unchecked => Proof::without_provider(route).ok_or_else(unproven),
            Verdict::Rejected(rejection) => {
                self.rejected(route, &rejection, record)?;
                Proof::shadow(route).ok_or_else(unproven)
            }
        }
    }

    fn name_event(
        &self,
        session: &ServerSession,
        request: &Request<'_>,
        body: &Body,
        record: &mut Record,
    ) -> Event {
        let event = match request.route.provider.as_deref() {
            Some(provider) => verify::event(&provider.event, &request.head(session), body.as_slice()),
            None => Event::default(),
        };
        record.event(&event);
        event
    }

    /// Claims the event for this request, waits for a copy in flight, or answers what the first one got.
    async fn claim(
        &self,
        session: &ServerSession,
        request: &Request<'_>,
        proof: Proof,
        body: &Body,
        record: &mut Record,
    ) -> Result<Admitted, Stop> {
        let route = &*request.route;
        // What was not verified claims nothing: nobody without the secret can burn an id.
        let (Some(dedupe), Some(provider), Some(verified)) =
            (&route.dedupe, &route.provider, proof.verified())
        else {
            return Ok(Admitted::unclaimed(proof));
        };
        let head = request.head(session);
        let key = match verify::event_key(
            &route.name,
            &dedupe.key,
            &provider.scheme,
            verified,
            &head,
            body.as_slice(),
        ) {
            Ok(key) => key,
            Err(missing) if route.mode == Mode::Shadow => {
                record.shadow(Reason::EventIdMissing, missing.to_string());
                return Ok(Admitted::unclaimed(proof));
            }
            Err(missing) => return Err(Ending::refuse(Reason::EventIdMissing).because(missing.to_string())),
        };
        let started = clock::monotonic();
        let (admission, error) = admit::admit(
            &self.gateway.store,
            proof,
            key,
            dedupe,
            route.timeout,
            clock::now,
            tokio::time::sleep,
        )
        .await;
        record.claimed(&self.gateway, started);
        if let Some(error) = &error {
            record.store_failed(&self.gateway, Operation::Claim, error);
        }
        match admission {
            Admission::Admitted(permit) => Ok(permit),
            Admission::Duplicate { answer, attempt } => {
                record.attempt = attempt;
                Err(ending::duplicate(route, answer))
            }
            Admission::Later(reason) => {
                let ending = Ending::refuse(reason);
                Err(match error {
                    Some(error) => ending.because(error.to_string()),
                    None => ending,
                })
            }
        }
    }

    /// Forwards, reads what has to be kept of the answer, and settles the claim before the sender is answered.
    async fn forward(
        &self,
        session: &ServerSession,
        request: &Request<'_>,
        permit: Admitted,
        event: &Event,
        body: &Body,
        record: &mut Record,
    ) -> Result<Stop, Stop> {
        let route = &*request.route;
        record.attempt = permit.attempt();
        let verified = permit.proof().verified();
        let request_id = record.request_id.clone();
        let secret = verified.and_then(|verified| route.secret_names.get(verified.secret_index()));
        let host = request.host.as_bytes();
        let head = session.req_header();
        let added = Added {
            host,
            provider: route.provider.as_deref().map_or("none", |provider| provider.name.as_str()),
            route: &route.name,
            request_id: &request_id,
            event_id: event.id.as_deref(),
            event_type: event.event_type.as_deref(),
            timestamp: verified.and_then(Verified::timestamp).map(UnixTime::seconds),
            attempt: permit.attempt(),
            secret: secret.map(String::as_str),
            verified: verified.is_some(),
            forwarded_for: &request.origin.forwarded_for,
            forwarded_proto: if request.https { "https" } else { "http" },
            forwarded_host: request.forwarded_host(head),
            trusted: request.origin.trusted,
        };
        let target = route.upstream_target(&request.target);
        let outbound = Outbound { head, target: &target, added: &added, body: body.as_slice() };

        let started = clock::monotonic();
        let exchange = async {
            let answer = upstream::send(&permit, &self.gateway.pool, &request.live.peer, &outbound).await?;
            take_in(answer, &self.gateway.pool).await
        };
        let outcome = tokio::time::timeout(route.timeout, exchange).await;
        record.answered(request.live, started);

        let refused = |reason, error: &UpstreamError| Ending::refuse(reason).because(error.to_string());
        match outcome {
            Ok(Ok(passed)) => {
                self.settle(permit, &passed, record).await;
                Ok(Box::new(Ending::Pass(passed)))
            }
            Ok(Err(error)) => {
                self.give_back(permit, record).await;
                let reason = match error {
                    UpstreamError::Unreachable(_) => Reason::UpstreamUnreachable,
                    UpstreamError::Failed(_) => Reason::UpstreamFailed,
                };
                Err(refused(reason, &error))
            }
            Err(_) => {
                self.give_back(permit, record).await;
                Err(Ending::refuse(Reason::UpstreamTimeout))
            }
        }
    }

    /// The upstream accepted (2xx): remember it, with the answer if it is short. Otherwise the event is free again.
    async fn settle(&self, permit: Admitted, passed: &Passed, record: &mut Record) {
        if !passed.status.is_success() {
            return self.give_back(permit, record).await;
        }
        let kept = passed.rest.is_none().then(|| dedupe::Answer {
            status: passed.status.as_u16(),
            content_type: passed.headers.get(http::header::CONTENT_TYPE).cloned(),
            body: passed.start.clone(),
        });
        // A store that fails now changes nothing for the sender: the upstream has accepted the event.
        match permit.commit(&self.gateway.store, clock::now(), kept).await {
            Ok(Committed::Yes) => {}
            Ok(Committed::TooLate) => {
                record.note("the lease was over before the commit; a copy may have gone through")
            }
            Err(error) => record.store_failed(&self.gateway, Operation::Commit, &error),
        }
    }

    async fn give_back(&self, permit: Admitted, record: &mut Record) {
        if let Err(error) = permit.release(&self.gateway.store, clock::now()).await {
            record.store_failed(&self.gateway, Operation::Release, &error);
        }
    }
}

/// Adds up the time spent in pieces of work with waiting between them.
#[derive(Default)]
struct Stopwatch {
    total: Duration,
}

impl Stopwatch {
    fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = clock::monotonic();
        let result = work();
        self.total = self.total.saturating_add(started.elapsed());
        result
    }
}

/// What was found out about a request from its head.
struct Request<'l> {
    route: Arc<Route>,
    live: &'l RouteLive,
    target: String,
    host: String,
    https: bool,
    /// Scheme and host as the sender signed them, for senders that sign their URL.
    signed_origin: Option<String>,
    declared: Option<u64>,
    origin: client::Origin,
}

impl Request<'_> {
    /// The head as verification sees it.
    fn head<'a>(&'a self, session: &'a ServerSession) -> Head<'a> {
        let head = session.req_header();
        Head {
            method: head.method.as_str(),
            target: &self.target,
            origin: self.signed_origin.as_deref(),
            headers: &head.headers,
        }
    }

    /// The host the sender asked for, as a trusted proxy reports it, otherwise as asked here.
    fn forwarded_host<'a>(&'a self, head: &'a RequestHeader) -> &'a [u8] {
        let claimed = head.headers.get("x-forwarded-host").map(HeaderValue::as_bytes);
        claimed.filter(|_| self.origin.trusted).unwrap_or(self.host.as_bytes())
    }
}

/// `Host`, or HTTP/2's `:authority`, which takes its place.
fn host_of(head: &RequestHeader) -> Option<&str> {
    match head.headers.get(HOST) {
        Some(host) => host.to_str().ok(),
        None => head.uri.authority().map(http::uri::Authority::as_str),
    }
}

fn declared_length(head: &RequestHeader) -> Option<u64> {
    // A length that is not a number was refused before; one too large for u64 is larger than any limit.
    let length = head.headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    Some(length.parse().unwrap_or(u64::MAX))
}

/// Reads an answer up to what is kept for duplicates; a longer one goes on as it comes.
async fn take_in(answer: Answer, pool: &upstream::Pool) -> Result<Passed, UpstreamError> {
    let Answer { status, headers, mut body } = answer;
    let mut start = BytesMut::new();
    let mut only: Option<Bytes> = None;
    loop {
        let Some(piece) = body.next().await? else {
            body.release(pool).await;
            let start = only.unwrap_or_else(|| start.freeze());
            return Ok(Passed { status, headers, start, rest: None });
        };
        match only.take() {
            None if start.is_empty() => only = Some(piece),
            first => {
                start.extend_from_slice(&first.unwrap_or_default());
                start.extend_from_slice(&piece);
            }
        }
        if start.len().max(only.as_ref().map_or(0, Bytes::len)) > dedupe::Answer::MAX_BODY {
            let start = only.unwrap_or_else(|| start.freeze());
            return Ok(Passed { status, headers, start, rest: Some(body) });
        }
    }
}

/// How long ago it was sent; nothing if the sender's clock is ahead of ours.
fn signature_age(verified: &Verified) -> Option<Duration> {
    verified.timestamp().map(|sent| match sent.distance_from(clock::now()) {
        Distance::Past(age) => age,
        Distance::Future(_) => Duration::ZERO,
    })
}
