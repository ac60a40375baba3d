//! Tracing: a trace is taken up or begun, passed on, named in the log, and its spans reach a collector without holding anybody up.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::collector::{Collector, attribute};
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{event, now, plain, timed};
use crate::support::upstream::{Upstream, status};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn traced(upstream: &Upstream, tracing: &str) -> Gateway {
    let route = route("r", "/hooks/*", "bella-baxter", upstream.url(), &[]);
    Setup::new().top(format!("tracing: {tracing}")).route(route).start()
}

fn delivery(id: &str) -> Request {
    timed("/hooks/a", event(id), now())
}

/// Version, trace, span and flags of the upstream's last request.
fn passed_on(upstream: &Upstream) -> Vec<String> {
    let last = upstream.last();
    let all = last.all("traceparent");
    assert_eq!(all.len(), 1, "{}", last.head);
    let parts: Vec<String> = all[0].split('-').map(str::to_owned).collect();
    assert_eq!([2, 32, 16, 2].to_vec(), parts.iter().map(String::len).collect::<Vec<_>>(), "{}", all[0]);
    parts
}

fn named<'s>(spans: &'s [Value], name: &str) -> &'s Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no span {name} in {spans:#?}"))
}

fn time(span: &Value, which: &str) -> u64 {
    span[which].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_senders_trace_goes_on_with_a_span_for_each_step() {
    let (upstream, collector) = (Upstream::start(), Collector::start(200));
    let gateway = traced(&upstream, &format!("{{ otlp: \"{}\", service_name: hooks }}", collector.url()));
    let request = delivery("evt_1").header("traceparent", CALLER).header("tracestate", "vendor=1");
    assert_eq!(gateway.send(&request).status, 200);
    let parts = passed_on(&upstream);
    assert_eq!((parts[1].as_str(), parts[3].as_str()), (TRACE, "01"));
    assert_eq!(upstream.last().all("tracestate"), ["vendor=1"]);
    assert_eq!(gateway.reason("forwarded")["trace_id"], TRACE);

    let spans = collector.trace(TRACE);
    assert_eq!(collector.service(), "hooks");
    assert_eq!(spans.len(), 5, "{spans:#?}");
    let server = named(&spans, "POST /hooks/*");
    assert_eq!((&server["kind"], &server["parentSpanId"]), (&json!(2), &json!("00f067aa0ba902b7")));
    assert_eq!(server["status"], json!({}));
    for (key, value) in [
        ("sealpost.route", "r"),
        ("sealpost.provider", "bella-baxter"),
        ("sealpost.reason", "forwarded"),
        ("sealpost.event_id", "evt_1"),
        ("sealpost.event_type", "test.happened"),
        ("sealpost.secret", "0"),
        ("sealpost.attempt", "1"),
        ("http.request.method", "POST"),
        ("http.route", "/hooks/*"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
    ] {
        assert_eq!(attribute(server, key).as_deref(), Some(value), "{key} of {server:#}");
    }
    let mut ids = vec![server["spanId"].clone()];
    let (began, ended) = (time(server, "startTimeUnixNano"), time(server, "endTimeUnixNano"));
    assert!(began.abs_diff(u64::try_from(now()).unwrap() * 1_000_000_000) < 60_000_000_000, "{began}");
    let mut before = began;
    for name in ["body", "verify", "claim", "upstream"] {
        let step = named(&spans, name);
        assert_eq!(step["parentSpanId"], server["spanId"], "{name}");
        let (from, to) = (time(step, "startTimeUnixNano"), time(step, "endTimeUnixNano"));
        assert!(before <= from && from <= to && to <= ended, "{name}: {before} {from} {to} {ended}");
        assert!(!ids.contains(&step["spanId"]), "{name}");
        ids.push(step["spanId"].clone());
        before = from;
    }
    assert_eq!(
        named(&spans, "upstream")["spanId"],
        parts[2],
        "the upstream's parent is the span of the exchange"
    );
    gateway.counts("sealpost_traced_requests_total", &["exported"], 1.0);
}

#[test]
fn without_a_valid_one_a_trace_is_begun() {
    let upstream = Upstream::start();
    let gateway = traced(&upstream, "{}");
    let mut seen = vec![TRACE.to_owned()];
    for (number, parents) in [&[][..], &["00-nonsense"], &[CALLER, CALLER]].into_iter().enumerate() {
        let request = delivery(&format!("evt_{number}")).header("tracestate", "vendor=1");
        let request = parents.iter().fold(request, |request, parent| request.header("traceparent", *parent));
        assert_eq!(gateway.send(&request).status, 200);
        let parts = passed_on(&upstream);
        assert!(!seen.contains(&parts[1]), "{parts:?}");
        assert_eq!(upstream.last().header("tracestate"), None, "it belongs to another trace");
        assert_eq!(gateway.reason("forwarded")["trace_id"], parts[1]);
        seen.push(parts[1].clone());
    }
}

#[test]
fn a_senders_trace_may_be_linked_to_instead() {
    let (upstream, collector) = (Upstream::start(), Collector::start(200));
    let gateway = traced(&upstream, &format!("{{ otlp: \"{}/\", incoming: link }}", collector.url()));
    assert_eq!(gateway.send(&delivery("evt_1").header("traceparent", CALLER)).status, 200);
    let parts = passed_on(&upstream);
    assert_ne!(parts[1], TRACE);
    let spans = collector.trace(&parts[1]);
    let server = named(&spans, "POST /hooks/*");
    assert_eq!(server["links"], json!([{ "traceId": TRACE, "spanId": "00f067aa0ba902b7" }]));
    assert_eq!(server["parentSpanId"], Value::Null);
}

#[test]
fn refusals_and_failures_have_their_spans_as_far_as_they_came() {
    let (upstream, collector) = (Upstream::start(), Collector::start(200));
    let gateway = traced(&upstream, &format!("{{ otlp: \"{}\" }}", collector.url()));
    let spans_of = |reason: &str, request: &Request| {
        gateway.send(request);
        let id = gateway.reason(reason)["trace_id"].as_str().unwrap().to_owned();
        collector.trace(&id)
    };
    let forged = spans_of("signature_mismatch", &delivery("evt_1").body("{}"));
    assert_eq!(forged.len(), 3, "body and verify, no claim and no upstream: {forged:#?}");
    let server = named(&forged, "POST /hooks/*");
    assert_eq!(attribute(server, "sealpost.reason").as_deref(), Some("signature_mismatch"));
    assert_eq!(server["status"], json!({}), "a forger's mistake is no error of ours");

    let lost = spans_of("no_route", &Request::new("BREW", "/elsewhere").body("{}"));
    assert_eq!(lost[0]["name"], "HTTP");
    assert_eq!(attribute(&lost[0], "http.request.method").as_deref(), Some("_OTHER"));

    upstream.next(status(500, "broken"));
    let broken = spans_of("forwarded", &delivery("evt_2"));
    assert_eq!(named(&broken, "POST /hooks/*")["status"]["code"], 2);

    let long = "x".repeat(100_000);
    let cut = spans_of("forwarded", &timed("/hooks/a", event(&long), now()));
    assert_eq!(attribute(named(&cut, "POST /hooks/*"), "sealpost.event_id").unwrap().len(), 256);
}

#[test]
fn without_the_section_nothing_is_touched_and_with_sample_0_nothing_is_sent() {
    let (upstream, collector) = (Upstream::start(), Collector::start(200));
    let plain_route = route("r", "/r", "webhook-signature", upstream.url(), &[]);
    let gateway = Setup::new().route(plain_route).start();
    let odd =
        plain("/r", event("evt_1")).header("traceparent", "not valid at all").header("tracestate", "a=1");
    assert_eq!(gateway.send(&odd).status, 200);
    assert_eq!(upstream.last().all("traceparent"), ["not valid at all"]);
    assert_eq!(upstream.last().all("tracestate"), ["a=1"]);
    assert_eq!(gateway.reason("forwarded")["trace_id"], Value::Null);

    let mut gateway = traced(&upstream, &format!("{{ otlp: \"{}\", sample: 0 }}", collector.url()));
    assert_eq!(gateway.send(&delivery("evt_1").header("traceparent", CALLER)).status, 200);
    let parts = passed_on(&upstream);
    assert_eq!(
        (parts[1].as_str(), parts[3].as_str()),
        (TRACE, "00"),
        "what the sender says of it does not count"
    );
    gateway.signal("TERM");
    gateway.ended();
    assert_eq!(collector.spans().len(), 0);
}

#[test]
fn the_last_spans_are_sent_before_the_process_ends() {
    let (upstream, collector) = (Upstream::start(), Collector::start(200));
    let mut gateway = traced(&upstream, &format!("{{ otlp: \"{}\" }}", collector.url()));
    for number in 0..3 {
        assert_eq!(gateway.send(&delivery(&format!("evt_{number}"))).status, 200);
    }
    gateway.signal("TERM");
    assert!(gateway.ended().success());
    let servers = collector.spans().into_iter().filter(|span| span["kind"] == 2).count();
    assert_eq!(servers, 3);
}

#[test]
fn a_collector_that_is_away_or_hangs_holds_nobody_up() {
    let upstream = Upstream::start();
    let refusing = Collector::start(503);
    let gateway = traced(&upstream, &format!("{{ otlp: \"{}\" }}", refusing.url()));
    assert_eq!(gateway.send(&delivery("evt_1")).status, 200);
    gateway.counts("sealpost_traced_requests_total", &["failed"], 1.0);
    let told = |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("it answered 503"));
    gateway.log.wait("the collector's answer", told);

    // Connections to it are made by the system, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = traced(&upstream, &format!("{{ otlp: \"http://{}\" }}", silent.local_addr().unwrap()));
    let mut client = gateway.connect();
    let forged = Request::new("POST", "/hooks/a").body("{}");
    // The queue holds 2048, and a message that is given up takes 256 of them along every five seconds.
    let mut sent = 0;
    while gateway.metric("sealpost_traced_requests_total", &["dropped"]) < 1.0 {
        assert!(sent < 50_000, "what does not fit is dropped and counted");
        for _ in 0..500 {
            assert_eq!(client.exchange(&forged).status, 401);
        }
        sent += 500;
    }
    assert_eq!(gateway.send(&delivery("evt_1")).status, 200);
}
