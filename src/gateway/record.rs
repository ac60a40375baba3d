//! What is said of a request when it is over: its metrics and one log line.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::live::RouteLive;
use super::state::Gateway;
use super::tracing::Tracing;
use crate::admit::Reason;
use crate::clock;
use crate::dedupe::StoreError;
use crate::metrics::Operation;
use crate::routes::Route;
use crate::trace::Step;
use crate::verify::Event;

/// The facts of one request, gathered on its way.
pub(super) struct Record {
    pub(super) request_id: String,
    pub(super) client: Option<IpAddr>,
    pub(super) attempt: u32,
    /// Bytes of body received and sent.
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) started: Instant,
    upstream: Option<Duration>,
    pub(super) route: Option<(Arc<Route>, Option<RouteLive>)>,
    pub(super) event: Event,
    pub(super) secret: Option<usize>,
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
            started: clock::monotonic(),
            upstream: None,
            route: None,
            event: Event::default(),
            secret: None,
            shadow: None,
            reason: Reason::BadRequest,
            status: 0,
            why: None,
            tracing: None,
        }
    }

    /// Its route is known.
    pub(super) fn route(&mut self, route: &Arc<Route>, live: Option<&RouteLive>) {
        self.route = Some((Arc::clone(route), live.cloned()));
    }

    /// It was verified, by which secret, and how long after it was sent.
    pub(super) fn verified(&mut self, secret: usize, age: Option<Duration>) {
        self.secret = Some(secret);
        if let Some((_, Some(live))) = &self.route {
            live.metrics.verified(secret, age, clock::now());
        }
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
        gateway.metrics.store(Operation::Claim, clock::monotonic().duration_since(started));
    }

    /// The store failed.
    pub(super) fn store_failed(&mut self, gateway: &Gateway, operation: Operation, error: &StoreError) {
        gateway.metrics.store_error(operation);
        self.note(error.to_string());
    }

    /// The upstream answered or gave up.
    pub(super) fn answered(&mut self, live: &RouteLive, started: Instant) {
        self.step(Step::Upstream, Some(started));
        let took = clock::monotonic().duration_since(started);
        live.metrics.upstream(took);
        self.upstream = Some(took);
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

    /// Counts it and writes its log line.
    pub(super) fn finish(self, gateway: &Gateway) {
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
                .zip(self.secret)
                .and_then(|(route, index)| route.secret_names.get(index))
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
    }
}
