//! One request's part in a trace: where it stands in it, and what it spent its time on.

use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::context::{Parent, SpanId, TraceId, state_goes_on};
use super::ids::Ids;
use crate::verify::Headers;

/// What a request spends time on, each a span below its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Reading the body.
    Body,
    /// Verifying the delivery.
    Verify,
    /// Claiming the event, waiting for a copy in flight included.
    Claim,
    /// The exchange with the upstream.
    Upstream,
}

/// A request in its trace.
#[derive(Debug)]
pub struct Trace {
    pub(super) trace: TraceId,
    /// The request's own span.
    pub(super) span: SpanId,
    /// The span of its exchange with the upstream, which is the upstream's parent.
    pub(super) upstream: SpanId,
    /// The caller's span, if its trace is continued.
    pub(super) parent: Option<SpanId>,
    /// The caller's place in its own trace, if that is only linked to.
    pub(super) link: Option<Parent>,
    pub(super) sampled: bool,
    state_goes_on: bool,
    pub(super) steps: SmallVec<[Taken; 4]>,
}

/// How long a step took, from the request's beginning on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) step: Step,
    pub(super) began: Instant,
    pub(super) took: Duration,
}

/// How a request's trace is chosen.
pub(super) struct Choice<'c> {
    /// Whether a valid trace that the request came with is continued, and not only linked to.
    pub(super) continues: bool,
    /// Whether the caller's word counts on whether to record.
    pub(super) trusted: bool,
    /// A request is recorded if its die shows less.
    pub(super) sample: u64,
    pub(super) ids: &'c Ids,
}

impl Trace {
    /// Takes up the trace that these headers carry, or begins one.
    ///
    /// Whether it is recorded is decided by chance; only the word of a trusted proxy counts, in either direction. A sender is a
    /// stranger, and must not be able to have everything recorded, or nothing.
    pub(super) fn begin(headers: &dyn Headers, choice: &Choice<'_>) -> Self {
        let drawn = choice.ids.draw();
        let caller = Parent::of(headers);
        let continued = caller.filter(|_| choice.continues);
        let by_chance = choice.sample == u64::MAX || drawn.die < choice.sample;
        let sampled = caller.filter(|_| choice.trusted).map_or(by_chance, |caller| caller.sampled);
        Self {
            trace: continued.map_or(drawn.trace, |caller| caller.trace),
            span: drawn.span,
            upstream: if sampled { choice.ids.span() } else { drawn.span },
            parent: continued.map(|caller| caller.span),
            link: caller.filter(|_| !choice.continues),
            sampled,
            state_goes_on: continued.is_some() && state_goes_on(headers),
            steps: SmallVec::new(),
        }
    }

    /// The trace's name as it is written in logs.
    #[must_use]
    pub fn id(&self) -> String {
        hex::encode(self.trace)
    }

    /// The upstream's `traceparent`.
    #[must_use]
    pub fn for_upstream(&self) -> String {
        Parent { trace: self.trace, span: self.upstream, sampled: self.sampled }.written()
    }

    /// Whether the request's `tracestate` goes on to the upstream: it belongs to a trace that is continued.
    #[must_use]
    pub fn state_goes_on(&self) -> bool {
        self.state_goes_on
    }

    /// Whether its spans are recorded.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.sampled
    }

    /// A step is over.
    pub fn step(&mut self, step: Step, began: Instant, ended: Instant) {
        if self.sampled {
            self.steps.push(Taken { step, began, took: ended.saturating_duration_since(began) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::{TRACEPARENT, TRACESTATE};
    use http::HeaderMap;

    use super::*;

    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn begin(parent: Option<&str>, continues: bool, trusted: bool, sample: u64) -> Trace {
        let ids = Ids::new();
        let mut headers = HeaderMap::new();
        if let Some(parent) = parent {
            headers.insert(TRACEPARENT, parent.parse().unwrap());
            headers.insert(TRACESTATE, "vendor=1".parse().unwrap());
        }
        Trace::begin(&headers, &Choice { continues, trusted, sample, ids: &ids })
    }

    #[test]
    fn a_valid_trace_is_continued_under_our_own_span() {
        let trace = begin(Some(CALLER), true, false, u64::MAX);
        assert_eq!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let passed_on = trace.for_upstream();
        assert!(passed_on.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && passed_on.ends_with("-01"));
        assert!(!passed_on.contains("00f067aa0ba902b7"), "the parent is ours: {passed_on}");
        assert_eq!(trace.parent.map(hex::encode).as_deref(), Some("00f067aa0ba902b7"));
        assert!(trace.state_goes_on());
    }

    #[test]
    fn otherwise_one_is_begun() {
        for parent in [None, Some("00-not-valid"), Some(&CALLER.to_uppercase())] {
            let trace = begin(parent, true, false, u64::MAX);
            assert_ne!(trace.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
            assert!(trace.parent.is_none() && trace.link.is_none() && !trace.state_goes_on());
        }
        let linked = begin(Some(CALLER), false, false, u64::MAX);
        assert_ne!(linked.id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(linked.link, Parent::read(CALLER.as_bytes()));
        assert!(linked.parent.is_none() && !linked.state_goes_on());
    }

    #[test]
    fn only_a_trusted_proxy_decides_what_is_recorded() {
        let quiet = CALLER.replace("-01", "-00");
        for (parent, trusted, sample, sampled) in [
            (Some(CALLER), false, 0, false),
            (Some(&*quiet), false, u64::MAX, true),
            (Some(CALLER), true, 0, true),
            (Some(&*quiet), true, u64::MAX, false),
            (None, true, u64::MAX, true),
            (None, true, 0, false),
        ] {
            let trace = begin(parent, true, trusted, sample);
            assert_eq!(trace.sampled, sampled, "{parent:?} {trusted} {sample}");
            assert!(trace.for_upstream().ends_with(if sampled { "-01" } else { "-00" }));
        }
    }

    #[test]
    fn a_sample_is_about_as_large_as_it_says() {
        let ids = Ids::new();
        let headers = HeaderMap::new();
        let choice = Choice { continues: true, trusted: false, sample: u64::MAX / 10, ids: &ids };
        let sampled = (0..10_000).filter(|_| Trace::begin(&headers, &choice).sampled).count();
        assert!((700..1300).contains(&sampled), "{sampled} of 10000 at 0.1");
    }
}
