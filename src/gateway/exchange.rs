//! One request, top to bottom: head → route → body → verify → filter → claim → forward → settle → answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use http::Version;
use http::header::WWW_AUTHENTICATE;
use pingora::apps::{HttpServerApp, HttpServerOptions, ReusedHttpStream};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Options, default_h2_options};
use pingora::server::ShutdownWatch;

use super::body::{self, Body, BodyLimits};
use super::ending::{self, Ending, Stop};
use super::fetched::Arrived;
use super::forward::Parcel;
use super::live::Live;
use super::names::Names;
use super::patience::Patience;
use super::record::{self, Record};
use super::request::{self, Request};
use super::session::{Arrival, Http1, Http2, KEEPALIVE, Session};
use super::state::{Gateway, Phase};
use crate::admit::{Proof, Reason};
use crate::catalog::Provider;
use crate::clock;
use crate::routes::{KeptBodies, Mode, Route};
use crate::time::UnixTime;
use crate::trace::Step;
use crate::verify::{self, Rejection, Verified};

/// Serves the requests of one listener.
pub(super) struct Exchange {
    pub(super) gateway: Arc<Gateway>,
    options: HttpServerOptions,
    header_limit: u32,
    tls: bool,
}

impl Exchange {
    /// For a listener that speaks TLS or not, and HTTP/2 without TLS or not.
    pub(super) fn new(gateway: Arc<Gateway>, tls: bool, h2c: bool, header_limit: usize) -> Self {
        let mut options = HttpServerOptions::default();
        options.h2c = h2c;
        options.h2_idle_timeout = Some(KEEPALIVE);
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
        session: ServerSession,
        _shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // HTTP/1 does not come this way, see `Front`.
        let session = Http2::new(session)?;
        self.request(Session::Http2(Box::new(session))).await;
        None
    }
}

impl Exchange {
    /// Serves one request. Gives the connection back if it can carry another one.
    pub(super) async fn request(&self, mut session: Session) -> Option<Box<Http1>> {
        let live = self.gateway.live();
        let arrival = session.arrive(&live.config.limits).await;
        if matches!(arrival, Arrival::Gone) {
            return None;
        }
        // Boxed, so that a connection that waits for its next request does not hold room for one.
        Box::pin(self.answer(session, arrival)).await
    }

    async fn answer(&self, mut session: Session, arrival: Arrival) -> Option<Box<Http1>> {
        // What waited for its head takes the configuration of now.
        let live = self.gateway.live();
        let in_flight = self.gateway.begin();
        let mut record = Record::begin(&self.gateway);
        let ending = match arrival {
            Arrival::Complete if self.gateway.phase() == Phase::Draining => Ending::refuse(Reason::Draining),
            // One connection is one request over HTTP/1; the streams of HTTP/2 are held to the same number.
            Arrival::Complete if self.gateway.in_flight() > live.config.limits.connections => {
                Ending::refuse(Reason::Overloaded)
                    .because("limits.connections is reached by requests in flight")
            }
            Arrival::Complete => {
                let mut patience = session.lend_patience();
                let ending = self.serve(&mut session, &live, &mut record, &mut patience).await;
                session.take_back(patience);
                ending.unwrap_or_else(|stop| stop)
            }
            Arrival::Refused { reason, status, why } => Ending::with_status(reason, status).because(why),
            Arrival::Gone => return None,
        };
        if self.gateway.phase() != Phase::Serving {
            session.close_after();
        }
        session.skim().await;
        let sent = ending.send(&mut session, &self.gateway, &mut record).await;
        record.finish(&self.gateway, &live, session.head());
        sent.ok()?;
        session.end().await.ok()?;
        // What is left to do is waiting for the sender, which a shutdown does not wait for.
        drop(in_flight);
        session.finish().await
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
        session: &mut Session,
        live: &Live,
        record: &mut Record,
        patience: &mut Patience,
    ) -> Result<Stop, Stop> {
        let request = request::identify(session, live, record, self.tls)?;
        let route = &*request.route;
        self.challenged(session, &request, None, None)?;

        let arrived = record.started;
        let mut stopwatch = Stopwatch::default();
        let begun = stopwatch.time(|| self.begin_verification(session, &request, record.received_at));
        let mut held = None;
        let mut verification = match begun {
            Ok(verification) => verification,
            // Without its key a well-formed delivery is a mismatch; the key is fetched once the rest of it is here.
            Err(Rejection::SignatureMismatch { .. }) if request.live.keys.is_some() => None,
            // Kept whole, it can be released once what is wrong here is mended: a clock, a header's name.
            Err(rejection) if route.journal.bodies != KeptBodies::None => {
                held = Some(rejection);
                None
            }
            Err(rejection) => {
                // Boxed, because hardly any request comes this way.
                let question = self.challenged_before_refusal(session, live, &request, &rejection, record);
                Box::pin(question).await?;
                None
            }
        };

        // A body that comes in one piece is hashed at the end, with what is left to do, under one look at the clock.
        let mut at_once = false;
        let body = self.read_body(session, live, &request, route.body, patience, |chunk| {
            at_once |= request.declared.is_some_and(|declared| usize::try_from(declared) == Ok(chunk.len()));
            if at_once {
                return;
            }
            if let Some(verification) = &mut verification {
                stopwatch.time(|| verification.update(chunk));
            }
        });
        let mut body = body.await?;
        record.received = body.length();
        let read = record.step(Step::Body, Some(arrived));
        let whole = clock::monotonic();
        record.body(&self.gateway, &request, &mut body, whole);
        self.challenged(session, &request, Some(&body), None)?;
        if let Some(rejection) = &held {
            record.says(|| Names::unproven(route, &request.head(session), body.as_slice()));
            self.rejected(route, rejection, record)?;
        }
        let early_rejection = record.shadowed();

        let fetched = match &request.live.keys {
            Some(keys) if !early_rejection => {
                let keys = std::sync::Arc::clone(keys);
                let arrived = Arrived { at: arrived, time: None };
                let (head, body) = (session.head(), body.as_slice());
                let verifying =
                    self.gateway.verify_with_fetched_keys(head, &request, &keys, body, arrived, record);
                // Boxed, because most routes have their keys.
                Some(Box::pin(verifying).await?)
            }
            _ => None,
        };
        let early_rejection = record.shadowed();
        let mut decided = whole;
        let verdict = match (fetched, verification) {
            (Some(Some(Ok(verified))), _) => {
                decided = clock::monotonic();
                Verdict::Verified(verified)
            }
            (Some(Some(Err(rejection))), _) => Verdict::Rejected(rejection),
            (Some(None), _) => Verdict::Unchecked,
            (None, Some(verification)) => {
                let head = request.head(session);
                let begun = clock::monotonic();
                let verdict = verification.finish(&head, body.as_slice());
                decided = clock::monotonic();
                request.live.metrics.verifying(stopwatch.total.saturating_add(decided.duration_since(begun)));
                match (verdict, route.provider.as_deref()) {
                    (Ok(verified), Some(provider)) => provider
                        .hold_against_questions(&verified, &head, body.as_slice())
                        .map_or_else(Verdict::Rejected, |()| Verdict::Verified(verified)),
                    (Ok(verified), None) => Verdict::Verified(verified),
                    (Err(rejection), _) => Verdict::Rejected(rejection),
                }
            }
            (None, None) => Verdict::Unchecked,
        };
        record.step(Step::Verify, read);
        if let Verdict::Verified(verified) = &verdict {
            let age = record::signature_age(verified, record.received_at);
            record.verified(verified, age, decided);
        }
        if matches!(verdict, Verdict::Rejected(_)) {
            record.says(|| Names::unproven(route, &request.head(session), body.as_slice()));
        }
        let proof = self.prove(route, verdict, early_rejection, record)?;
        if let Some(verified) = proof.verified() {
            self.challenged(session, &request, Some(&body), Some(verified))?;
        }

        let Names { event, key } = Names::of(route, &request.head(session), body.as_slice(), &proof);
        record.event(&event);
        if !route.events.wants(event.event_type.as_deref()) {
            return Ok(ending::filtered(route));
        }
        let permit = self.gateway.claim(&request, proof, key, record).await?;
        // Boxed for the same reason: a body that is still coming needs no room for the way to the upstream.
        let parcel = Parcel { head: session.head(), event: &event, body: body.as_slice() };
        Box::pin(self.gateway.forward(&request, permit, parcel, record, patience)).await
    }

    /// Refuses what the head can refuse; `None` on a route without a provider.
    fn begin_verification<'r>(
        &self,
        session: &Session,
        request: &'r Request<'_>,
        now: UnixTime,
    ) -> Result<Option<verify::Verification<'r>>, Rejection> {
        let route = &*request.route;
        let Some(provider) = route.provider.as_deref() else { return Ok(None) };
        verify::begin(&provider.scheme, &route.keys, &request.head(session), route.tolerance, now).map(Some)
    }

    /// Reads the whole body, at most `limit` bytes of it.
    pub(super) async fn read_body(
        &self,
        session: &mut Session,
        live: &Live,
        request: &Request<'_>,
        limit: u64,
        patience: &mut Patience,
        fed: impl FnMut(&[u8]),
    ) -> Result<Body, Stop> {
        let head = session.head();
        // Of HTTP/1.0 nobody expects a 1xx (RFC 9110 section 10.1.1).
        let waits = head.fields.all("expect").next().is_some() && head.version != Version::HTTP_10;
        if waits && request.declared != Some(0) {
            // Only now: whatever the head could refuse has been refused without asking for the body.
            if session.go_on().await.is_err() {
                return Err(Ending::refuse(Reason::BadRequest).because("the sender hung up"));
            }
        }
        let limits = &live.config.limits;
        let bounds = BodyLimits { body: limit, buffered: limits.buffered, declared: request.declared };
        let read = {
            let read = pin!(body::read(session, &self.gateway.buffered, &bounds, fed));
            patience.within(limits.body_timeout, read).await
        };
        match read {
            Some(Ok(body)) => Ok(body),
            Some(Err(error)) => {
                // Where the next request would begin is anybody's guess now.
                session.close_after();
                Err(Ending::refuse(error.reason).because(error.detail))
            }
            None => Err(Ending::refuse(Reason::BodyTimeout).because("the body did not arrive in time")),
        }
    }

    /// Refuses, or in shadow mode notes what would have been refused.
    pub(super) fn rejected(
        &self,
        route: &Route,
        rejection: &Rejection,
        record: &mut Record,
    ) -> Result<(), Stop> {
        let reason = Reason::from(rejection);
        if route.mode == Mode::Shadow {
            record.shadow(reason, rejection.to_string());
            return Ok(());
        }
        if route.keys.is_empty() && route.key_source.is_none() {
            return Err(Ending::refuse(Reason::KeysUnavailable).because("the route has no secret yet"));
        }
        let status = route.provider.as_deref().map_or(reason.status(), |provider| provider.refusal_status);
        let mut ending = Ending::with_status(reason, status);
        if status == 401 && route.provider.as_deref().is_some_and(Provider::asks_for_a_password) {
            // Senders that speak HTTP Basic may give the password only when they are asked (RFC 9110 section 11.6.1).
            ending = ending.with(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"webhooks\""));
        }
        Err(ending.because(rejection.to_string()))
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
