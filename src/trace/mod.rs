//! Tracing: a request's place in its trace (W3C Trace Context), and its spans for a collector (OTLP over HTTP).
//!
//! Without the section `tracing` none of this runs.

mod context;
mod export;
mod ids;
mod otlp;
mod span;

use std::time::{Duration, Instant};

pub use self::context::{TRACEPARENT, TRACESTATE};
use self::export::Exporter;
use self::ids::Ids;
use self::span::Choice;
pub use self::span::{Step, Trace};
use crate::config::{Incoming, TracingConfig};
use crate::metrics::Metrics;
use crate::verify::Headers;

/// What makes traces, as one configuration says.
#[derive(Debug)]
pub struct Tracer {
    ids: Ids,
    continues: bool,
    sample: u64,
    exporter: Option<Exporter>,
}

/// A request that is over, with its spans.
#[derive(Debug)]
pub(crate) struct Finished {
    trace: Trace,
    /// When it began, Unix nanoseconds.
    began: u64,
    started: Instant,
    outcome: Outcome,
}

/// What became of a request, for its span's attributes.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The method, `_OTHER` for one that nobody knows.
    pub method: &'static str,
    /// The path that the route matches, not the request's own.
    pub path: Option<String>,
    /// The route's name.
    pub route: Option<String>,
    /// The provider's name.
    pub provider: Option<String>,
    /// What became of it.
    pub reason: &'static str,
    /// Whether it was let through although it would have been refused.
    pub shadow: bool,
    /// What the sender was told.
    pub status: u16,
    /// The name the request has in all places.
    pub request_id: String,
    /// The event's id.
    pub event_id: Option<String>,
    /// The event's type.
    pub event_type: Option<String>,
    /// Which attempt this was; 0 if it was none.
    pub attempt: u32,
    /// The name of the secret that matched.
    pub secret: Option<String>,
    /// Who sent it.
    pub client: Option<String>,
    /// Bytes of body received.
    pub received: u64,
    /// Bytes of body sent.
    pub sent: u64,
    /// From its first byte to the last of its answer.
    pub took: Duration,
}

impl Tracer {
    /// Makes traces as the configuration says.
    ///
    /// # Errors
    /// When the thread that sends spans cannot be started.
    pub fn new(config: &TracingConfig, metrics: &Metrics) -> Result<Self, String> {
        let exporter = match &config.otlp {
            Some(url) => Some(Exporter::start(url, &config.service_name, metrics.clone())?),
            None => None,
        };
        let continues = config.incoming == Incoming::Continue;
        Ok(Self { ids: Ids::new(), continues, sample: config.sample, exporter })
    }

    /// The place of a request with these headers in its trace. `trusted`: its peer is one of the trusted proxies.
    #[must_use]
    pub fn begin(&self, headers: &dyn Headers, trusted: bool) -> Trace {
        let choice = Choice { continues: self.continues, trusted, sample: self.sample, ids: &self.ids };
        Trace::begin(headers, &choice)
    }

    /// The request that began at `started`, `began` in Unix nanoseconds, is over. Never waits.
    pub fn finish(&self, trace: Trace, began: u64, started: Instant, outcome: Outcome) {
        if let Some(exporter) = self.exporter.as_ref().filter(|_| trace.sampled) {
            exporter.push(Box::new(Finished { trace, began, started, outcome }));
        }
    }

    /// Waits until all spans so far were sent or given up, at most this long. It blocks.
    pub fn flush(&self, within: Duration) {
        if let Some(exporter) = &self.exporter {
            exporter.flush(within);
        }
    }
}
