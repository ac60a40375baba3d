//! The admin address as its users see it: curl, Prometheus, a probe, and a browser on an evil page.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::{self, HeaderMap, HeaderName};
use serde_json::json;

use super::*;

/// A gateway that is in whatever state a test wants.
#[derive(Default)]
struct Gateway {
    unready: Vec<String>,
    broken: Option<String>,
    reloads: AtomicUsize,
}

impl Status for Gateway {
    fn ready(&self) -> Result<(), Vec<String>> {
        if self.unready.is_empty() { Ok(()) } else { Err(self.unready.clone()) }
    }

    fn gauges(&self) -> Gauges {
        Gauges { connections: 7, ..Gauges::default() }
    }

    fn routes(&self) -> Value {
        json!([{ "name": "bella" }])
    }

    fn first_contacts(&self) -> Value {
        json!([])
    }

    fn config(&self) -> Value {
        json!({ "hash": "0123456789abcdef" })
    }

    fn reload(&self) -> Result<Value, String> {
        self.reloads.fetch_add(1, Ordering::Relaxed);
        self.broken.clone().map_or(Ok(json!({ "hash": "fedcba9876543210" })), Err)
    }
}

const TOKEN: &str = "the-operators-token";

fn open(gateway: Gateway) -> (Admin, Arc<Gateway>) {
    let gateway = Arc::new(gateway);
    (Admin::new(Arc::clone(&gateway) as _, Arc::default(), None), gateway)
}

fn locked(gateway: Gateway) -> Admin {
    Admin::new(Arc::new(gateway), Arc::default(), Some(&Secret::new(TOKEN.into())))
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::from_iter([(header::HOST, "127.0.0.1:9090".parse().unwrap())]);
    for (name, value) in lines {
        headers.insert(HeaderName::from_static(name), value.parse().unwrap());
    }
    headers
}

fn get(admin: &Admin, target: &str) -> AdminAnswer {
    admin.answer("GET", target, &headers(&[]))
}

fn header<'a>(answer: &'a AdminAnswer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(found, _)| found == name).and_then(|(_, value)| value.to_str().ok())
}

fn text(answer: &AdminAnswer) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn body(answer: &AdminAnswer) -> Value {
    serde_json::from_slice(&answer.body).unwrap()
}

#[test]
fn each_address_answers_what_the_manual_says() {
    let (admin, _) = open(Gateway::default());
    for (target, expected) in [
        ("/healthz", json!({ "status": "alive" })),
        ("/readyz", json!({ "status": "ready" })),
        ("/readyz?verbose", json!({ "status": "ready" })),
        ("/api/routes", json!([{ "name": "bella" }])),
        ("/api/config", json!({ "hash": "0123456789abcdef" })),
    ] {
        let answer = get(&admin, target);
        assert_eq!((answer.status, body(&answer)), (200, expected), "{target}");
        assert_eq!(header(&answer, "content-type"), Some("application/json"));
        assert_eq!(admin.answer("HEAD", target, &headers(&[])), answer, "HEAD is a GET without its body");
    }
}

#[test]
fn metrics_come_in_the_format_that_is_asked_for() {
    let (admin, _) = open(Gateway::default());
    let plain = get(&admin, "/metrics");
    assert_eq!(header(&plain, "content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(text(&plain).contains("\nsealpost_connections 7\n"));
    let open = headers(&[("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]);
    let open = admin.answer("GET", "/metrics", &open);
    assert!(
        header(&open, "content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0")
    );
    assert!(text(&open).ends_with("# EOF\n"));
}

#[test]
fn a_gateway_that_is_not_ready_says_why() {
    let (admin, _) = open(Gateway { unready: vec!["leaving".into()], ..Gateway::default() });
    let answer = get(&admin, "/readyz");
    assert_eq!(
        (answer.status, body(&answer)),
        (503, json!({ "status": "not ready", "reasons": ["leaving"] }))
    );
    assert_eq!(get(&admin, "/healthz").status, 200, "it is alive all the same");
}

#[test]
fn a_reload_tells_what_came_of_it() {
    let (admin, gateway) = open(Gateway::default());
    let answer = admin.answer("POST", "/api/reload", &headers(&[]));
    assert_eq!((answer.status, body(&answer)), (200, json!({ "hash": "fedcba9876543210" })));
    assert_eq!(gateway.reloads.load(Ordering::Relaxed), 1);
    let (admin, _) = open(Gateway { broken: Some("gateway.yaml:3:1 …".into()), ..Gateway::default() });
    let answer = admin.answer("POST", "/api/reload", &headers(&[]));
    assert_eq!((answer.status, body(&answer)), (422, json!({ "error": "gateway.yaml:3:1 …" })));
}

#[test]
fn other_addresses_and_methods_are_refused_with_the_right_status() {
    let (admin, gateway) = open(Gateway::default());
    for target in ["/page", "/page/none.js", "/api", "/api/", "/api/routes/", "/METRICS", "/healthz/..", ""] {
        assert_eq!(get(&admin, target).status, 404, "{target}");
    }
    for (method, target, allow) in [
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/api/routes", "GET, HEAD"),
        ("OPTIONS", "/metrics", "GET, HEAD"),
        ("GET", "/api/reload", "POST"),
        ("HEAD", "/api/reload", "POST"),
        ("post", "/api/reload", "POST"),
    ] {
        let answer = admin.answer(method, target, &headers(&[]));
        assert_eq!((answer.status, header(&answer, "allow")), (405, Some(allow)), "{method} {target}");
    }
    assert_eq!(gateway.reloads.load(Ordering::Relaxed), 0);
}

#[test]
fn nothing_is_cached_or_guessed_at() {
    let (open, _) = open(Gateway::default());
    let locked = locked(Gateway::default());
    for answer in [
        get(&open, "/healthz"),
        get(&open, "/metrics"),
        get(&open, "/nothing"),
        get(&locked, "/api/config"),
        open.answer("POST", "/metrics", &headers(&[])),
        open.answer("GET", "/healthz", &HeaderMap::new()),
    ] {
        assert_eq!(header(&answer, "cache-control"), Some("no-store"), "{answer:?}");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{answer:?}");
    }
}

#[test]
fn where_a_token_is_set_only_probes_do_without() {
    let admin = locked(Gateway { unready: vec!["draining".into()], ..Gateway::default() });
    assert_eq!(get(&admin, "/healthz").status, 200);
    let readiness = get(&admin, "/readyz");
    assert_eq!((readiness.status, body(&readiness)), (503, json!({ "status": "not ready" })), "but not why");
    for (method, target) in [
        ("GET", "/metrics"),
        ("GET", "/api/routes"),
        ("GET", "/api/config"),
        ("POST", "/api/reload"),
        ("GET", "/nothing"),
        ("DELETE", "/metrics"),
    ] {
        let answer = admin.answer(method, target, &headers(&[("authorization", "Bearer wrong")]));
        assert_eq!((answer.status, header(&answer, "www-authenticate")), (401, Some("Bearer")), "{target}");
    }
    let token = headers(&[("authorization", "Bearer the-operators-token")]);
    assert_eq!(admin.answer("GET", "/metrics", &token).status, 200);
    assert_eq!(admin.answer("POST", "/api/reload", &token).status, 200);
    assert_eq!(admin.answer("GET", "/nothing", &token).status, 404);
    assert_eq!(body(&admin.answer("GET", "/readyz", &token))["reasons"], json!(["draining"]));
}

#[test]
fn with_a_token_the_address_may_have_a_name() {
    let named = headers(&[("host", "gateway.internal"), ("authorization", "Bearer the-operators-token")]);
    assert_eq!(locked(Gateway::default()).answer("GET", "/api/routes", &named).status, 200);
}

#[test]
fn a_name_that_somebody_points_at_us_gets_nothing() {
    let (admin, gateway) = open(Gateway::default());
    let rebound = headers(&[("host", "evil.example:9090"), ("origin", "http://evil.example:9090")]);
    for (method, target) in
        [("GET", "/api/config"), ("GET", "/metrics"), ("GET", "/healthz"), ("POST", "/api/reload")]
    {
        assert_eq!(admin.answer(method, target, &rebound).status, 403, "{target}");
    }
    assert_eq!(gateway.reloads.load(Ordering::Relaxed), 0);
}

#[test]
fn another_sites_page_gets_nothing_but_what_is_open_to_all() {
    let (admin, _) = open(Gateway::default());
    let cross = headers(&[("sec-fetch-site", "cross-site")]);
    for target in ["/api/config", "/api/deliveries/stream", "/api/deliveries/export", "/metrics"] {
        assert_eq!(admin.answer("GET", target, &cross).status, 403, "{target}");
    }
    for target in ["/healthz", "/readyz", "/", "/page/page.js"] {
        assert_eq!(admin.answer("GET", target, &cross).status, 200, "a link may lead to it: {target}");
    }
}

#[test]
fn another_sites_page_cannot_reload() {
    let (admin, gateway) = open(Gateway::default());
    for line in [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(admin.answer("POST", "/api/reload", &headers(&[line])).status, 403, "{line:?}");
    }
    assert_eq!(gateway.reloads.load(Ordering::Relaxed), 0);
    let own = headers(&[("origin", "http://127.0.0.1:9090"), ("sec-fetch-site", "same-origin")]);
    assert_eq!(admin.answer("POST", "/api/reload", &own).status, 200);
}

#[test]
fn the_rest_of_a_release_is_read_as_it_is_written() {
    use super::{ReleasePlace, ReleaseRest};
    use crate::time::UnixTime;
    let received = UnixTime::from_millis(1_795_251_600_000);
    for (until, id) in [(None, "id"), (Some(received), "an.id.with.dots")] {
        let rest = ReleaseRest { last: 0xff, until, after: ReleasePlace { received, id: id.into() } };
        assert_eq!(rest.to_string().parse(), Ok(rest));
    }
    for text in ["", "1.2.3", "x.1.1.id", "1.x.1.id", "1.1.x.id"] {
        assert_eq!(text.parse::<ReleaseRest>(), Err(()), "{text}");
    }
}
