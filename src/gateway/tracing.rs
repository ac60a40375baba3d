//! A request's trace on its way through the gateway: taken up with the head, told to the upstream, ended with the record.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;

use super::live::Live;
use super::record::Record;
use super::session::Head;
use crate::admit::Reason;
use crate::clock;
use crate::trace::{Outcome, Step, Trace, Tracer};

/// What a traced request carries with it.
pub(super) struct Tracing {
    tracer: Arc<Tracer>,
    pub(super) trace: Trace,
    method: &'static str,
    /// When it began, Unix nanoseconds.
    began: u64,
}

impl Record {
    /// Takes up the trace that the request came with, or begins one, if requests are traced.
    pub(super) fn traced(&mut self, live: &Live, head: &Head, trusted: bool) {
        let Some(tracer) = &live.tracer else { return };
        let since = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.tracing = Some(Box::new(Tracing {
            tracer: Arc::clone(tracer),
            trace: tracer.begin(&head.fields, trusted),
            method: known(&head.method),
            began: clock::wall_nanos().saturating_sub(since),
        }));
    }

    /// A step that began then is over; its end, for the step after it. Nothing where nothing is traced.
    pub(super) fn step(&mut self, step: Step, began: Option<Instant>) -> Option<Instant> {
        let tracing = self.tracing.as_mut()?;
        let ended = clock::monotonic();
        tracing.trace.step(step, began?, ended);
        Some(ended)
    }

    /// The upstream's place in the trace, and whether `tracestate` goes on with it.
    pub(super) fn passed_on(&self) -> Option<(String, bool)> {
        let trace = &self.tracing.as_ref()?.trace;
        Some((trace.for_upstream(), trace.state_goes_on()))
    }

    /// The request is over.
    pub(super) fn end_trace(&mut self, reason: Reason, took: Duration) {
        let Some(tracing) = self.tracing.take() else { return };
        let Tracing { tracer, trace, method, began } = *tracing;
        if !trace.is_recorded() {
            return;
        }
        let route = self.route.as_ref().map(|(route, _)| route);
        let outcome = Outcome {
            method,
            path: route.map(|route| route.path.to_string()),
            route: route.map(|route| route.name.clone()),
            provider: route.map(|route| {
                route.provider.as_deref().map_or_else(|| "none".to_owned(), |provider| provider.name.clone())
            }),
            reason: reason.word(),
            shadow: self.shadow.is_some(),
            status: self.status,
            secret: route
                .zip(self.verified)
                .and_then(|(route, verified)| route.secret_names.get(verified.secret_index()))
                .cloned(),
            request_id: self.request_id.clone(),
            event_id: self.event.id.clone().map(cut),
            event_type: self.event.event_type.clone().map(cut),
            attempt: self.attempt,
            client: self.client.map(|client| client.to_string()),
            received: self.received,
            sent: self.sent,
            took,
        };
        tracer.finish(trace, began, self.started, outcome);
    }
}

/// The method, of those that OpenTelemetry's conventions know; anybody can send others.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "POST" => "POST",
        "GET" => "GET",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// The beginning of an event's name: what waits for the collector has to have an end, whatever a sender puts there.
fn cut(name: String) -> String {
    if name.len() <= 256 { name } else { name.chars().take(256).collect() }
}
