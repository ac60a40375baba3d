//! Shadow mode: everything arrives, marked, and what would have been refused is told. What is no HTTP is still refused.

use crate::support::client::Request;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{event, plain};
use crate::support::upstream::{Upstream, status};

fn shadow(upstream: &Upstream) -> Gateway {
    let top = "limits: { body: 1KiB, body_timeout: 500ms }";
    let route = route("r", "/r", "webhook-signature", upstream.url(), &["mode: shadow"]);
    Setup::new().top(top).route(route).start()
}

#[test]
fn what_did_not_verify_is_marked_counted_and_told() {
    let upstream = Upstream::start();
    let gateway = shadow(&upstream);
    let forged = plain("/r", event("x")).body(event("forged"));
    for (request, verified, reason) in [
        (plain("/r", event("good")), "true", "forwarded"),
        (forged.clone(), "false", "signature_mismatch"),
        (forged.clone().without("X-Webhook-Signature"), "false", "signature_missing"),
        (forged.with("X-Webhook-Signature", "not hex"), "false", "signature_malformed"),
    ] {
        // Whatever the request says of itself is removed.
        for imitation in ["sealpost-verified", "Sealpost-Verified", "sealpost_verified"] {
            let answer = gateway.send(&request.clone().header(imitation, "true"));
            assert_eq!(answer.status, 200, "{reason}: {answer:?}");
            let arrived = upstream.last();
            assert_eq!(arrived.all("sealpost-verified"), [verified], "{reason}");
            assert_eq!(arrived.header("sealpost_verified"), None, "{reason}");
            assert_eq!(arrived.header("sealpost-secret"), (verified == "true").then_some("0"), "{reason}");
            let line =
                gateway.log.wait(reason, |line| line["reason"] == reason || line["reason"] == "duplicate");
            assert_eq!(
                (&line["status"], line["shadow"] == true),
                (&200.into(), verified == "false"),
                "{line}"
            );
            assert_eq!(line["why"].is_string(), verified == "false", "{line}");
        }
        if verified == "false" {
            gateway.counts("sealpost_requests_total", &[&format!("reason=\"{reason}\"")], 3.0);
        }
    }
    let warned = |line: &&str| line.contains("routes[0].mode") && line.contains("\"warn\"");
    assert!(gateway.log.text().lines().any(|line| warned(&line)), "{}", gateway.log.text());
}

#[test]
fn a_failure_of_the_upstream_is_not_hidden_by_what_would_have_been_refused() {
    let upstream = Upstream::start();
    let gateway = shadow(&upstream);
    upstream.next(status(500, "broken"));
    let answer = gateway.send(&plain("/r", event("x")).body(event("forged")));
    assert_eq!((answer.status, answer.text().as_str()), (500, "broken"));
    assert_eq!(gateway.reason("signature_mismatch")["status"], 500);
}

#[test]
fn limits_and_the_rules_of_http_hold_all_the_same() {
    let upstream = Upstream::start();
    let gateway = shadow(&upstream);
    let forged = Request::new("POST", "/r");
    gateway.send(&forged.clone().body(vec![b'x'; 1025])).expect_error(413);
    let mut slow = gateway.connect();
    slow.send(&forged.head(10)).send(b"half").final_answer("POST").expect_error(408);
    gateway.send(&forged.clone().method("DELETE")).expect_error(405);
    let twice = forged.head_with("Content-Length: 2\r\nContent-Length: 3\r\n");
    gateway.connect().send(&twice).send(b"{}").final_answer("POST").expect_error(400);
    let smuggled = forged.head_with("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n");
    gateway.connect().send(&smuggled).send(b"{}").final_answer("POST").expect_error(400);
    gateway.send(&Request::new("POST", "/r/%2e%2e/r").body("{}")).expect_error(400);
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_route_without_provider_marks_everything_as_unverified() {
    let upstream = Upstream::start();
    let gateway = Setup::new().route(route("open", "/open", "none", upstream.url(), &[])).start();
    let claimed = Request::new("POST", "/open").header("sealpost-verified", "true").body("anything");
    assert_eq!(gateway.send(&claimed).status, 200);
    assert_eq!(upstream.last().all("sealpost-verified"), ["false"]);
}
