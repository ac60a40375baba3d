//! What is said of a request when it is over: its metrics, one log line and one entry of the journal.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Method;
use xxhash_rust::xxh3::xxh3_128;

use super::again::Tried;
use super::body::Body;
use super::ending::Ending;
use super::kept;
use super::live::{Live, RouteLive};
use super::request::Request;
use super::session::Head;
use super::state::Gateway;
use super::tracing::Tracing;
use crate::admit::{Reason, WasVerified};
use crate::clock;
use crate::dedupe::StoreError;
use crate::journal::{
    self, Again, DedupeVerdict, Entry, Found, Kept, KeptPlace, Origin, Outcome, Released, Timeline,
};
use crate::metrics::Operation;
use crate::routes::{KeptBodies, Route};
use crate::time::UnixTime;
use crate::trace::Step;
use crate::verify::{Event, EventKey, Verified};

/// The facts of one request, gathered on its way.
pub(super) struct Record {
    pub(super) request_id: String,
    pub(super) client: Option<IpAddr>,
    pub(super) attempt: u32,
    /// Bytes of body received and sent.
    pub(super) received: u64,
    pub(super) sent: u64,
    /// The status of the upstream's answer.
    pub(super) upstream_status: Option<u16>,
    /// The event's key, and what the dedupe store said to it.
    pub(super) key: Option<EventKey>,
    pub(super) verdict: DedupeVerdict,
    pub(super) origin: Option<Box<Origin>>,
    /// When its head was there.
    pub(super) received_at: UnixTime,
    pub(super) started: Instant,
    upstream: Option<Duration>,
    method: Option<Method>,
    path: Option<Box<str>>,
    age: Option<i64>,
    timeline: Timeline,
    body_hash: Option<u128>,
    kept: Option<Box<Kept>>,
    pub(super) route: Option<(Arc<Route>, Option<Arc<RouteLive>>)>,
    pub(super) event: Event,
    /// What a delivery that was not verified calls its event.
    words: Event,
    pub(super) verified: Option<WasVerified>,
    pub(super) shadow: Option<Reason>,
    reason: Reason,
    pub(super) status: u16,
    why: Option<String>,
    /// Only while requests are traced.
    pub(super) tracing: Option<Box<Tracing>>,
}

impl Record {
    /// A request has arrived.
    pub(super) fn begin(gateway: &Gateway) -> Self {
        Self {
            request_id: gateway.request_id(),
            client: None,
            attempt: 0,
            received: 0,
            sent: 0,
            upstream_status: None,
            key: None,
            verdict: DedupeVerdict::Unasked,
            origin: None,
            received_at: clock::now(),
            started: clock::monotonic(),
            upstream: None,
            method: None,
            path: None,
            age: None,
            timeline: Timeline::default(),
            body_hash: None,
            kept: None,
            route: None,
            event: Event::default(),
            words: Event::default(),
            verified: None,
            shadow: None,
            reason: Reason::BadRequest,
            status: 0,
            why: None,
            tracing: None,
        }
    }

    /// Its route is known.
    pub(super) fn route(&mut self, route: &Arc<Route>, live: Option<&Arc<RouteLive>>) {
        self.route = Some((Arc::clone(route), live.cloned()));
    }

    /// Its head names a method and a target.
    pub(super) fn head(&mut self, method: &Method, target: &str) {
        self.method = Some(method.clone());
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        self.path = Some(journal::cut(path).into());
    }

    /// Its body is here.
    pub(super) fn body(&mut self, gateway: &Gateway, request: &Request<'_>, body: &mut Body, at: Instant) {
        if !gateway.journal.is_on() {
            return;
        }
        self.timeline.body = self.micros(at);
        self.body_hash = Some(xxh3_128(body.as_slice()));
        if request.route.journal.bodies == KeptBodies::None || !gateway.journal.takes(body.length()) {
            return;
        }
        self.kept = Some(Box::new(Kept {
            target: request.target.as_str().into(),
            host: request.host.as_str().into(),
            https: request.https,
            signed_origin: request.signed_origin.as_deref().map(Box::from),
            trusted: request.origin.trusted,
            forwarded_for: request.origin.forwarded_for.as_str().into(),
            head: Bytes::new(),
            body: body.share(),
        }));
    }

    /// It was verified, by which secret, and how many milliseconds after it was sent.
    pub(super) fn verified(&mut self, verified: &Verified, age: Option<i64>, at: Instant) {
        let secret = verified.secret_index();
        self.verified = Some(WasVerified::of(verified));
        self.age = age;
        self.timeline.verified = self.micros(at);
        if let Some((_, Some(live))) = &self.route {
            let age = age.map(|age| Duration::from_millis(u64::try_from(age).unwrap_or(0)));
            live.metrics.verified(secret, age, self.received_at);
        }
    }

    /// Microseconds since the head was there; never 0, which stands for never.
    fn micros(&self, at: Instant) -> u32 {
        micros(at.duration_since(self.started))
    }

    /// In shadow mode: why it would have been refused.
    pub(super) fn shadow(&mut self, reason: Reason, why: String) {
        self.shadow.get_or_insert(reason);
        self.note(why);
    }

    /// Whether something would have been refused in shadow mode.
    pub(super) fn shadowed(&self) -> bool {
        self.shadow.is_some()
    }

    /// How long the rest of the upstream's answer may take: the route's timeout.
    pub(super) fn patience(&self) -> Duration {
        self.route.as_ref().map_or(Duration::ZERO, |(route, _)| route.timeout)
    }

    /// The event's names.
    pub(super) fn event(&mut self, event: &Event) {
        self.event = event.clone();
    }

    /// The claim was answered.
    pub(super) fn claimed(&mut self, gateway: &Gateway, started: Instant) {
        self.step(Step::Claim, Some(started));
        let now = clock::monotonic();
        self.timeline.claimed = self.micros(now);
        gateway.metrics.store(Operation::Claim, now.duration_since(started));
    }

    /// The store failed.
    pub(super) fn store_failed(&mut self, gateway: &Gateway, operation: Operation, error: &StoreError) {
        gateway.metrics.store_error(operation);
        self.note(error.to_string());
    }

    /// The upstream answered or gave up.
    pub(super) fn answered(&mut self, live: &RouteLive, started: Instant) -> Instant {
        self.step(Step::Upstream, Some(started));
        let now = clock::monotonic();
        let took = now.duration_since(started);
        self.timeline.upstream = self.micros(now);
        live.metrics.upstream(took);
        self.upstream = Some(took);
        now
    }

    /// What a refused delivery calls its event, for the journal alone and only where that keeps it: a stranger's words.
    pub(super) fn says(&mut self, event: impl FnOnce() -> Event) {
        if self.kept.is_some() {
            self.words = event();
        }
    }

    /// Something worth a word in the log.
    pub(super) fn note(&mut self, why: impl Into<String>) {
        match &mut self.why {
            Some(said) => {
                said.push_str("; ");
                said.push_str(&why.into());
            }
            None => self.why = Some(why.into()),
        }
    }

    /// What it came to.
    pub(super) fn ended(&mut self, reason: Reason, status: u16, why: Option<String>) {
        self.reason = reason;
        self.status = status;
        if let Some(why) = why {
            self.note(why);
        }
    }

    /// The sender hung up before it had its answer.
    pub(super) fn sender_gone(&mut self) {
        self.note("the sender hung up before it had its answer");
    }

    /// It is made from an entry of the journal.
    pub(super) fn made_from(&mut self, found: &Found, how: Again) {
        let entry = &found.entry;
        self.client = entry.client;
        self.received = entry.received_bytes;
        self.body_hash = entry.body_hash;
        self.origin = Some(Box::new(Origin { how, id: entry.id.clone(), number: entry.number }));
    }

    /// How it ended, of which no sender is told.
    pub(super) fn of_ending(&mut self, ending: Ending) -> Tried {
        match ending {
            Ending::Reply { reason, reply, why } => self.ended(reason, reply.status, why),
            // What is left of a long answer is nobody's.
            Ending::Pass(passed) => self.ended(Reason::Forwarded, passed.status.as_u16(), None),
        }
        Tried { id: self.request_id.clone(), reason: self.reason, status: self.status, why: self.why.clone() }
    }

    /// Counts it, writes its log line and takes it down in the journal.
    pub(super) fn finish(self, gateway: &Gateway, live: &Live, head: &Head) {
        let head = if self.keeps() { Some(kept::lines(&head.fields)) } else { None };
        self.finish_with(gateway, live, head);
    }

    /// Whether the journal keeps the request, now that it is known what became of it.
    fn keeps(&self) -> bool {
        let Some((route, _)) = self.route.as_ref().filter(|_| self.kept.is_some()) else { return false };
        match route.journal.bodies {
            KeptBodies::None => false,
            KeptBodies::All => true,
            KeptBodies::Refused => {
                let outcome = Outcome::of(self.reason, self.upstream_status);
                self.shadow.is_some() || !matches!(outcome, Outcome::Accepted | Outcome::Answered)
            }
        }
    }

    /// The same, with the header fields that the journal keeps.
    pub(super) fn finish_with(mut self, gateway: &Gateway, live: &Live, head: Option<Bytes>) {
        let took = clock::monotonic().duration_since(self.started);
        let counted = self.shadow.unwrap_or(self.reason);
        match &self.route {
            Some((_, Some(live))) => live.metrics.finished(counted, took),
            _ => gateway.metrics.unrouted(counted, took),
        }
        let route = self.route.as_ref().map(|(route, _)| &**route);
        crate::logs::request(&crate::logs::RequestLine {
            request_id: &self.request_id,
            route: route.map(|route| route.name.as_str()),
            provider: route
                .map(|route| route.provider.as_deref().map_or("none", |provider| provider.name.as_str())),
            reason: counted.word(),
            shadow: self.shadow.is_some(),
            event_id: self.event.id.as_deref(),
            event_type: self.event.event_type.as_deref(),
            attempt: self.attempt,
            secret: route
                .zip(self.verified)
                .and_then(|(route, verified)| route.secret_names.get(verified.secret_index()))
                .map(String::as_str),
            status: self.status,
            received: self.received,
            sent: self.sent,
            took,
            upstream: self.upstream,
            client: self.client,
            why: self.why.as_deref(),
            trace_id: self.tracing.as_ref().map(|tracing| tracing.trace.id()).as_deref(),
        });
        self.end_trace(counted, took);
        if gateway.journal.is_on() {
            gateway.journal.enter(Arc::new(self.into_entry(live, took, head)));
        }
    }

    fn into_entry(self, live: &Live, took: Duration, head: Option<Bytes>) -> Entry {
        let took = micros(took);
        let about = match &self.route {
            Some((_, Some(route))) => Arc::clone(&route.about),
            _ => Arc::clone(&live.unrouted),
        };
        let kept = match (self.kept, head) {
            (Some(kept), Some(head)) => KeptPlace::here(Kept { head, ..*kept }),
            _ => KeptPlace::default(),
        };
        Entry {
            number: 0,
            id: self.request_id.into_boxed_str(),
            received: self.received_at,
            about,
            method: self.method,
            path: self.path,
            client: self.client,
            event_id: self.event.id.or(self.words.id).map(journal::short),
            event_type: self.event.event_type.or(self.words.event_type).map(journal::short),
            attempt: self.attempt,
            reason: self.reason,
            shadow: self.shadow,
            why: self.why.map(journal::short),
            verified: self.verified,
            signature_age: self.age,
            key: self.key,
            verdict: self.verdict,
            status: self.status,
            upstream_status: self.upstream_status,
            took,
            upstream_took: self.upstream.map(micros),
            received_bytes: self.received,
            sent_bytes: self.sent,
            body_hash: self.body_hash,
            timeline: self.timeline,
            origin: self.origin,
            released: Released::default(),
            kept,
        }
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX).max(1)
}

/// How long before `now` it was sent, milliseconds; negative if the sender's clock was ahead.
pub(super) fn signature_age(verified: &Verified, now: UnixTime) -> Option<i64> {
    verified.timestamp().map(|sent| now.millis().saturating_sub(sent.millis()))
}
