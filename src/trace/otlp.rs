//! Spans in OTLP's JSON form (OpenTelemetry protocol 1.x, `ExportTraceServiceRequest`): names in hex, numbers of 64 bits as texts.

use serde_json::{Value, json};

use super::context::{Parent, SpanId};
use super::span::{Step, Taken};
use super::{Finished, Outcome};

/// Kinds of spans, as the protocol numbers them.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

/// One message with all of these requests.
pub(super) fn message(service: &str, requests: &[Box<Finished>]) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let spans: Vec<Value> = requests.iter().flat_map(|request| spans(request)).collect();
    json!({ "resourceSpans": [{
        "resource": { "attributes": [text("service.name", service), text("service.version", version)] },
        "scopeSpans": [{ "scope": { "name": "sealpost", "version": version }, "spans": spans }]
    }] })
    .to_string()
}

fn spans(request: &Finished) -> Vec<Value> {
    let trace = hex::encode(request.trace.trace);
    let own = &request.outcome;
    let mut server = json!({
        "traceId": trace,
        "spanId": hex::encode(request.trace.span),
        "name": name(own),
        "kind": SERVER,
        "startTimeUnixNano": request.began.to_string(),
        "endTimeUnixNano": end(request.began, nanos(own.took)),
        "attributes": attributes(own),
        // What is the caller's mistake is no error of the server (semantic conventions for HTTP spans).
        "status": if own.status >= 500 { json!({ "code": 2, "message": own.reason }) } else { json!({}) },
    });
    let (parent, link) = (request.trace.parent, request.trace.link);
    if let Some(server) = server.as_object_mut() {
        server.extend(parent.map(|parent| ("parentSpanId".to_owned(), json!(hex::encode(parent)))));
        server.extend(link.map(|link| ("links".to_owned(), json!([linked(&link)]))));
    }
    let steps = request.trace.steps.iter().zip(0_u64..);
    let steps = steps.map(|(taken, number)| step(request, &trace, taken, number));
    std::iter::once(server).chain(steps).collect()
}

fn step(request: &Finished, trace: &str, taken: &Taken, number: u64) -> Value {
    let (name, kind) = match taken.step {
        Step::Body => ("body", INTERNAL),
        Step::Verify => ("verify", INTERNAL),
        Step::Claim => ("claim", INTERNAL),
        Step::Upstream => ("upstream", CLIENT),
    };
    let id = match taken.step {
        Step::Upstream => request.trace.upstream,
        Step::Body | Step::Verify | Step::Claim => below(request.trace.span, number),
    };
    let began = request.began.saturating_add(nanos(taken.began.saturating_duration_since(request.started)));
    json!({
        "traceId": trace,
        "spanId": hex::encode(id),
        "parentSpanId": hex::encode(request.trace.span),
        "name": name,
        "kind": kind,
        "startTimeUnixNano": began.to_string(),
        "endTimeUnixNano": end(began, nanos(taken.took)),
    })
}

/// The name of an inner span, which nobody outside hears of: another one than its request's, and unique because that is.
fn below(span: SpanId, number: u64) -> SpanId {
    u64::from_be_bytes(span)
        .rotate_left(1)
        .wrapping_add(number)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .to_be_bytes()
}

/// The method and what the route matches, never the request's own path, of which there are as many as strangers like.
fn name(own: &Outcome) -> String {
    let method = if own.method == "_OTHER" { "HTTP" } else { own.method };
    own.path.as_ref().map_or_else(|| method.to_owned(), |path| format!("{method} {path}"))
}

fn linked(link: &Parent) -> Value {
    json!({ "traceId": hex::encode(link.trace), "spanId": hex::encode(link.span) })
}

fn attributes(own: &Outcome) -> Vec<Value> {
    let number = |key: &str, value: u64| json!({ "key": key, "value": { "intValue": value.to_string() } });
    let mut all = vec![
        text("http.request.method", own.method),
        number("http.response.status_code", u64::from(own.status)),
        text("sealpost.reason", own.reason),
        text("sealpost.request_id", &own.request_id),
        number("http.request.body.size", own.received),
        number("http.response.body.size", own.sent),
    ];
    for (key, value) in [
        ("http.route", &own.path),
        ("client.address", &own.client),
        ("sealpost.route", &own.route),
        ("sealpost.provider", &own.provider),
        ("sealpost.event_id", &own.event_id),
        ("sealpost.event_type", &own.event_type),
        ("sealpost.secret", &own.secret),
    ] {
        all.extend(value.as_ref().map(|value| text(key, value)));
    }
    if own.attempt > 0 {
        all.push(number("sealpost.attempt", u64::from(own.attempt)));
    }
    if own.shadow {
        all.push(json!({ "key": "sealpost.shadow", "value": { "boolValue": true } }));
    }
    all
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn end(began: u64, took: u64) -> String {
    began.saturating_add(took).to_string()
}
