//! The admin address: health, readiness, metrics, routes, configuration; guarded, and never with a secret in it.

use crate::support::arena::{Arena, routes};
use crate::support::client::{Answer, Request};
use crate::support::gateway::Setup;
use crate::support::sender::{SECRET, event, github, now, plain, timed};
use crate::support::upstream::Upstream;

/// Everything that is read.
const READ: &[&str] = &["/healthz", "/readyz", "/metrics", "/api/routes", "/api/config"];

/// Every metric there is, by SPEC.
const METRICS: &[&str] = &[
    "sealpost_requests_total",
    "sealpost_request_seconds",
    "sealpost_upstream_seconds",
    "sealpost_verify_seconds",
    "sealpost_signature_age_seconds",
    "sealpost_secret_matched_total",
    "sealpost_store_seconds",
    "sealpost_store_errors_total",
    "sealpost_store_entries",
    "sealpost_store_evictions_total",
    "sealpost_buffered_bytes",
    "sealpost_requests_in_flight",
    "sealpost_connections",
    "sealpost_reloads_total",
    "sealpost_config_info",
];

/// Some of everything: accepted, repeated, forged, stale, lost.
fn traffic(arena: &Arena) {
    for request in [
        plain("/hook", event("evt-1")),
        plain("/hook", event("evt-1")),
        plain("/hook", event("evt-2")).body("{}"),
        plain("/nowhere", "{}"),
        timed("/timed", event("evt-3"), now()),
        timed("/timed", event("evt-4"), now() - 3600),
        github("/github", "{}", "delivery-1").header("Authorization", "Bearer token-of-the-app"),
    ] {
        arena.gateway.send(&request);
    }
}

#[test]
fn every_metric_is_there_with_its_labels() {
    let arena = Arena::new();
    traffic(&arena);
    let answer = arena.gateway.get("/metrics");
    assert!(answer.header("content-type").is_some_and(|value| value.contains("text")), "{}", answer.head);
    let text = answer.text();
    for name in METRICS {
        assert!(
            text.lines().any(|line| line.starts_with("# TYPE ") && line.contains(name)),
            "{name} in\n{text}"
        );
    }
    let count = |labels: &[&str]| arena.gateway.counts("sealpost_requests_total", labels, 1.0);
    count(&["route=\"hook\"", "provider=\"webhook-signature\"", "reason=\"forwarded\""]);
    count(&["route=\"hook\"", "reason=\"duplicate\""]);
    count(&["route=\"hook\"", "reason=\"signature_mismatch\""]);
    count(&["route=\"timed\"", "provider=\"bella-baxter\"", "reason=\"forwarded\""]);
    count(&["route=\"timed\"", "reason=\"timestamp_too_old\""]);
    count(&["reason=\"no_route\""]);
    arena.gateway.counts("sealpost_request_seconds_count", &["route=\"hook\""], 3.0);
    arena.gateway.counts("sealpost_upstream_seconds_count", &["route=\"hook\""], 1.0);
    assert!(arena.gateway.metric("sealpost_verify_seconds_count", &["provider=\"bella-baxter\""]) >= 1.0);
    assert!(arena.gateway.metric("sealpost_signature_age_seconds_count", &["route=\"timed\""]) >= 1.0);
    arena.gateway.counts("sealpost_secret_matched_total", &["route=\"timed\"", "secret=\"0\""], 1.0);
    arena.gateway.counts("sealpost_store_entries", &[], 3.0);
    assert!(arena.gateway.metric("sealpost_store_seconds_count", &["operation=\"claim\""]) >= 4.0);
    arena.gateway.counts("sealpost_config_info", &[&format!("hash=\"{}\"", arena.gateway.hash())], 1.0);
    arena.gateway.counts("sealpost_requests_in_flight", &[], 0.0);
    arena.gateway.counts("sealpost_buffered_bytes", &[], 0.0);
}

#[test]
fn a_strangers_request_cannot_make_new_series() {
    let arena = Arena::new();
    let series =
        || arena.gateway.get("/metrics").text().lines().filter(|line| !line.starts_with('#')).count();
    arena.gateway.send(&plain("/nowhere", "{}"));
    arena.gateway.send(&plain("/raw", "{}").body("x"));
    arena.gateway.counts("sealpost_requests_total", &["reason=\"no_route\""], 1.0);
    arena.gateway.counts("sealpost_requests_total", &["reason=\"signature_mismatch\""], 1.0);
    let before = series();
    for number in 0..50 {
        arena
            .gateway
            .send(&plain(&format!("/nowhere-{number}"), "{}").header("Host", format!("{number}.example")));
        arena.gateway.send(&plain("/raw", "{}").body("x").header("sealpost-route", format!("r{number}")));
    }
    assert_eq!(series(), before);
}

#[test]
fn no_answer_and_no_log_line_holds_a_secret() {
    let arena = Arena::with(|setup| {
        setup
            .variable("ADMIN_TOKEN", "token-of-the-operator")
            .admin("admin: { address: \"127.0.0.1:0\", token: \"env:ADMIN_TOKEN\" }")
    });
    traffic(&arena);
    let signature = plain("/hook", event("evt-1"));
    let signature = signature.value("x-webhook-signature").unwrap();
    let mut texts: Vec<(String, String)> = READ
        .iter()
        .map(|target| {
            let request = Request::new("GET", target).header("Authorization", "Bearer token-of-the-operator");
            let answer = arena.gateway.ask(&request);
            assert_eq!(answer.status, 200, "{target}");
            ((*target).to_owned(), format!("{}{}", answer.head, answer.text()))
        })
        .collect();
    texts.push(("the log".into(), arena.gateway.log.text()));
    for (place, text) in texts {
        for secret in [SECRET, "token-of-the-operator", "token-of-the-app", signature] {
            assert!(!text.contains(secret), "{place} holds {secret}:\n{text}");
        }
    }
}

#[test]
fn health_and_readiness_are_200() {
    let arena = Arena::new();
    for target in ["/healthz", "/readyz"] {
        assert_eq!(arena.gateway.get(target).status, 200, "{target}");
    }
}

#[test]
fn routes_are_listed_with_what_was_derived() {
    let arena = Arena::new();
    let text = arena.gateway.json("/api/routes").to_string();
    for expected in ["hook", "/pre/*", "webhook-signature", "bella-baxter", "github", arena.upstream.url()] {
        assert!(text.contains(expected), "{expected} in {text}");
    }
}

#[test]
fn the_configuration_is_told_by_hash_and_time() {
    let arena = Arena::new();
    let told = arena.gateway.json("/api/config");
    assert_eq!(told["hash"].as_str().unwrap().len(), 16, "{told}");
    assert!(told.to_string().contains("loaded_at"), "{told}");
}

#[test]
fn unknown_targets_and_methods_are_refused() {
    let arena = Arena::new();
    arena.gateway.get("/api/secrets").expect_error(404);
    arena.gateway.get("/webhooks").expect_error(404);
    for target in READ {
        let answer = arena.gateway.ask(&Request::new("POST", target));
        assert_eq!(answer.status, 405, "{target}: {answer:?}");
    }
}

#[test]
fn webhooks_are_not_taken_there_and_the_api_not_here() {
    let arena = Arena::new();
    let answer = arena.gateway.ask(&plain("/raw", "{}"));
    assert!(matches!(answer.status, 404 | 405), "{answer:?}");
    for target in READ {
        assert_eq!(arena.gateway.send(&Request::new("GET", target)).status, 404, "{target}");
    }
    assert_eq!(arena.upstream.connections(), 0);
}

#[test]
fn a_token_guards_everything_that_tells_or_does_something() {
    let arena = Arena::with(|setup| {
        setup
            .variable("ADMIN_TOKEN", "token-of-the-operator")
            .admin("admin: { address: \"127.0.0.1:0\", token: \"env:ADMIN_TOKEN\" }")
    });
    let ask = |method: &str, target: &str, authorization: Option<&str>| -> Answer {
        let request = Request::new(method, target);
        let request = match authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        };
        arena.gateway.ask(&request)
    };
    for (method, target) in
        [("GET", "/metrics"), ("GET", "/api/routes"), ("GET", "/api/config"), ("POST", "/api/reload")]
    {
        for wrong in [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer "),
            Some("Bearer token-of-the-operato"),
            Some("Bearer token-of-the-operator2"),
            Some("Basic token-of-the-operator"),
            Some("token-of-the-operator"),
        ] {
            assert_eq!(ask(method, target, wrong).status, 401, "{method} {target} {wrong:?}");
        }
        assert_eq!(
            ask(method, target, Some("Bearer token-of-the-operator")).status,
            200,
            "{method} {target}"
        );
    }
}

#[test]
fn a_page_of_another_site_cannot_use_the_operators_browser() {
    let arena = Arena::new();
    // DNS rebinding: the browser believes to speak to a name of the attacker's.
    for target in ["/api/config", "/api/routes"] {
        let request = Request::new("GET", target).header("Host", "attacker.example");
        let answer = arena.gateway.ask(&request);
        assert!(matches!(answer.status, 400 | 403 | 421), "{target}: {answer:?}");
    }
    let cross = Request::new("POST", "/api/reload").header("Origin", "https://attacker.example");
    let answer = arena.gateway.ask(&cross);
    assert!(matches!(answer.status, 400 | 403), "{answer:?}");
}

#[test]
fn an_address_beyond_loopback_needs_a_token() {
    let upstream = Upstream::start();
    let (status, text) =
        Setup::new().admin("admin: { address: \"0.0.0.0:0\" }").route(routes(upstream.url())).refused();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("token"), "{text}");
}

#[test]
fn without_an_admin_section_there_is_no_admin_address() {
    let arena = Arena::with(|setup| setup.admin(""));
    assert_eq!(arena.gateway.send(&plain("/raw", "{}")).status, 200);
    assert!(!arena.gateway.log.text().contains("\"admin\""));
}

#[test]
fn a_request_is_one_structured_line_of_the_log() {
    let arena = Arena::new();
    arena.gateway.send(&plain("/hook", event("evt-1")));
    let line = arena.gateway.reason("forwarded");
    assert_eq!(line["route"], "hook", "{line}");
    assert_eq!(line["provider"], "webhook-signature", "{line}");
    assert_eq!(line["event_id"], "evt-1", "{line}");
    assert_eq!(line["event_type"], "test.happened", "{line}");
    assert_eq!(line["attempt"], 1, "{line}");
    assert_eq!(line["status"], 200, "{line}");
    let id = arena.upstream.last().header("sealpost-request-id").unwrap().to_owned();
    assert_eq!(line["request_id"], id.as_str(), "{line}");
}
