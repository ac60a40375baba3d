//! Refusals: as early as the facts allow, the same bytes for every reason, the exact reason inside only.

use crate::support::arena::Arena;
use crate::support::client::{Answer, Request};
use crate::support::sender::{SECRET, event, now, plain, timed, timed_signature};

/// Requests to `/raw` and `/timed` with something wrong in signature or time, and the word for it.
fn wrong() -> Vec<(&'static str, Request)> {
    let sent = now();
    let good = |body: &str| plain("/raw", body);
    let value = |request: &Request| request.value("x-webhook-signature").unwrap().to_owned();
    let signature = value(&good("{}"));
    let flipped = signature.replace(&signature[..1], if signature.starts_with('0') { "1" } else { "0" });
    let bella =
        |header: String| Request::new("POST", "/timed").header("X-Bella-Signature", header).body("{}");
    let mac = timed_signature(SECRET, b"{}", sent);
    let mac = mac.split("v1=").nth(1).unwrap();
    vec![
        ("signature_missing", good("{}").without("X-Webhook-Signature")),
        ("signature_mismatch", good("{}").body("{ }")),
        ("signature_mismatch", good("{}").with("X-Webhook-Signature", flipped)),
        ("signature_mismatch", good("{}").with("X-Webhook-Signature", "0".repeat(64))),
        ("signature_malformed", good("{}").with("X-Webhook-Signature", format!("{signature}zz"))),
        ("signature_malformed", good("{}").with("X-Webhook-Signature", &signature[..63])),
        ("signature_malformed", good("{}").with("X-Webhook-Signature", &signature[..62])),
        ("signature_malformed", good("{}").with("X-Webhook-Signature", format!("sha256={signature}"))),
        ("signature_missing", good("{}").with("X-Webhook-Signature", "")),
        ("signature_malformed", good("{}").with("X-Webhook-Signature", "test_signature")),
        ("signature_malformed", good("{}").header("X-Webhook-Signature", signature.clone())),
        ("signature_malformed", good("{}").header("X-Webhook-Signature", "0".repeat(64))),
        ("timestamp_too_old", timed("/timed", "{}", sent - 3600)),
        ("timestamp_in_future", timed("/timed", "{}", sent + 3600)),
        ("timestamp_missing", bella(format!("v1={mac}"))),
        ("timestamp_malformed", bella(format!("t=soon,v1={mac}"))),
        ("timestamp_malformed", bella(format!("t=-1,v1={mac}"))),
        ("timestamp_malformed", bella(format!("t=+{sent},v1={mac}"))),
        ("timestamp_malformed", bella(format!("t=99999999999999999999,v1={mac}"))),
        ("signature_mismatch", bella(format!("t={},v1={mac}", sent - 1))),
        ("signature_missing", Request::new("POST", "/timed").body("{}")),
    ]
}

/// An answer without what must differ from one to the next.
fn comparable(answer: &Answer) -> String {
    let head: Vec<&str> =
        answer.head.split("\r\n").filter(|line| !line.to_lowercase().starts_with("date:")).collect();
    format!("{}{}", head.join("\r\n"), answer.text())
}

#[test]
fn every_wrong_signature_or_time_gets_the_same_bytes() {
    let arena = Arena::new();
    let mut first = None;
    for (reason, request) in wrong() {
        let answer = arena.gateway.send(&request);
        assert_eq!(answer.status, 401, "{reason}: {request:?} {answer:?}");
        assert_eq!(answer.text().trim_end(), "{\"error\":\"Invalid signature\"}", "{reason}");
        let bytes = comparable(&answer);
        assert_eq!(*first.get_or_insert_with(|| bytes.clone()), bytes, "{reason}: {request:?}");
    }
    assert_eq!(arena.upstream.connections(), 0);
    arena.only_good_requests_arrived("all of them");
}

#[test]
fn the_exact_reason_is_in_the_log_and_the_metrics() {
    let arena = Arena::new();
    for (number, (reason, request)) in wrong().into_iter().enumerate() {
        arena.gateway.send(&request);
        let line = arena
            .gateway
            .log
            .wait("the request", |line| line["reason"].is_string() && line["route"].is_string());
        assert_eq!(line["reason"], reason, "case {number}: {request:?}");
    }
    for reason in wrong().into_iter().map(|(reason, _)| reason) {
        let expected = wrong().iter().filter(|(other, _)| *other == reason).count();
        let expected = f64::from(u32::try_from(expected).unwrap());
        arena.gateway.counts("sealpost_requests_total", &[&format!("reason=\"{reason}\"")], expected);
    }
}

#[test]
fn what_the_head_can_refuse_is_refused_before_the_body() {
    let arena = Arena::new();
    let stale = timed("/timed", "{}", now() - 3600);
    let head = |request: Request, length: u64| (request.head(length), request);
    for (what, status, (bytes, request)) in [
        ("unknown path", 404, head(plain("/nowhere", "{}"), 1000)),
        ("wrong method", 405, head(plain("/raw", "{}").method("PUT"), 1000)),
        ("no signature", 401, head(Request::new("POST", "/raw"), 1000)),
        (
            "malformed signature",
            401,
            head(Request::new("POST", "/raw").header("X-Webhook-Signature", "zz"), 1000),
        ),
        ("stale", 401, head(stale, 1000)),
        ("oversized", 413, head(plain("/small", "{}"), 1025)),
        ("refused path", 400, head(plain("/pre/../raw", "{}"), 1000)),
    ] {
        // Not a byte of the body is sent: if the answer waited for it, nothing would come.
        let mut client = arena.gateway.connect();
        client.send(&bytes);
        let answer = client.final_answer(&request.method);
        assert_eq!(answer.status, status, "{what}: {answer:?}");

        let mut client = arena.gateway.connect();
        client.send(&request.head_with("Transfer-Encoding: chunked\r\n"));
        if status != 413 {
            assert_eq!(client.final_answer(&request.method).status, status, "{what}, chunked");
        }
    }
    arena.only_good_requests_arrived("heads without bodies");
}

#[test]
fn a_continue_is_sent_only_if_the_request_may_go_on() {
    let arena = Arena::new();
    let expecting = |request: Request| request.header("Expect", "100-continue");
    let stale = timed("/timed", "{}", now() - 3600);
    for (what, status, bytes) in [
        ("unknown path", 404, expecting(plain("/nowhere", "{}")).head(2)),
        ("no signature", 401, expecting(Request::new("POST", "/raw")).head(2)),
        ("stale", 401, expecting(stale).head(2)),
        ("oversized", 413, expecting(plain("/small", "{}")).head(1025)),
    ] {
        let mut client = arena.gateway.connect();
        client.send(&bytes);
        assert_eq!(client.answer().status, status, "{what}: the first answer is the final one");
    }
    let mut client = arena.gateway.connect();
    client.send(&expecting(plain("/raw", "{}")).head(2));
    assert_eq!(client.answer().status, 100);
    assert_eq!(arena.upstream.connections(), 0, "nothing is forwarded before the body was verified");
    client.send(b"{}");
    assert_eq!(client.answer().status, 200);
    assert_eq!(arena.upstream.last().header("expect"), None);
    assert_eq!(client.exchange(&plain("/raw", "again")).status, 200, "the next request is framed right");

    let mut client = arena.gateway.connect();
    client.send(&plain("/raw", "{}").header("Expect", "something-else").head(2));
    client.send(b"{}");
    let status = client.final_answer("POST").status;
    assert!(matches!(status, 200 | 400 | 417), "{status}");
}

#[test]
fn refusals_are_one_line_of_json() {
    let arena = Arena::new();
    for (request, status) in [
        (plain("/nowhere", "{}"), 404),
        (plain("/raw", "{}").method("PUT"), 405),
        (plain("/small", "x".repeat(2000)), 413),
        (plain("/raw", "{}").without("X-Webhook-Signature"), 401),
        (plain("/hook", "{\"type\":\"no id\"}"), 400),
        (plain("/pre/../raw", "{}"), 400),
    ] {
        let answer = arena.gateway.send(&request);
        answer.expect_error(status);
        assert!(answer.header("content-type").unwrap().starts_with("application/json"), "{answer:?}");
        assert_eq!(answer.header("content-length").unwrap(), answer.body.len().to_string());
    }
}

#[test]
fn a_verified_event_without_the_id_its_route_needs_is_refused() {
    let arena = Arena::new();
    for body in ["{\"type\":\"x\"}", "not json", "", "[]", "{\"id\":null}", "{\"id\":{}}", "{\"id\":\"\"}"] {
        let answer = arena.gateway.send(&plain("/hook", body));
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
        arena.gateway.reason("event_id_missing");
    }
    assert_eq!(arena.upstream.connections(), 0);
    // Unverified, the missing id is not even looked for.
    assert_eq!(arena.gateway.send(&plain("/hook", event("x")).body("{}")).status, 401);
}

#[test]
fn the_connection_is_usable_after_a_refusal_whose_body_was_read() {
    let arena = Arena::new();
    let mut client = arena.gateway.connect();
    let refused = client.exchange(&plain("/raw", "{}").body("{ }"));
    assert_eq!(refused.status, 401);
    if refused.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
        assert!(client.is_closed());
    } else {
        assert_eq!(client.exchange(&plain("/raw", "{}")).status, 200);
    }
}
