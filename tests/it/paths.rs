//! Paths, hosts and methods: which route takes a request, what it becomes for the upstream, and what no route may see.

use crate::support::arena::Arena;
use crate::support::client::Request;
use crate::support::gateway::{Setup, route};
use crate::support::sender::plain;
use crate::support::upstream::Upstream;

#[test]
fn an_exact_path_is_exact() {
    let arena = Arena::new();
    for target in ["/raw/x", "/RAW", "/rawx", "/ra", "/", "/prefix", "/x/raw", "/r%61w?"] {
        let answer = arena.gateway.send(&plain(target, "{}"));
        assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
    }
    arena.gateway.send(&plain("/raw/", "{}")).expect_error(404);
    arena.gateway.reason("no_route");
    assert_eq!(arena.upstream.connections(), 0);
    assert_eq!(arena.gateway.send(&plain("/raw?x=1", "{}")).status, 200);
    assert_eq!(arena.upstream.last().target(), "/raw?x=1");
}

#[test]
fn an_upstream_with_a_path_replaces_the_matched_path() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let with = |name, path, base: &str| {
        route(name, path, "webhook-signature", &format!("{url}{base}"), &["dedupe: off"])
    };
    let gateway = Setup::new()
        .route(with("exact", "/exact", "/inbox"))
        .route(with("prefix", "/prefix/*", "/base"))
        .route(with("deep", "/prefix/deep/*", "/deeper/base"))
        .route(with("one", "/prefix/deep/one", "/only"))
        .start();
    for (sent, arrives) in [
        ("/exact", "/inbox"),
        ("/exact?a=1", "/inbox?a=1"),
        ("/prefix/a/b?c=d", "/base/a/b?c=d"),
        ("/prefix/deep/x", "/deeper/base/x"),
        ("/prefix/deep/one", "/only"),
        ("/prefix/deeper", "/base/deeper"),
    ] {
        let answer = gateway.send(&plain(sent, "{}"));
        assert_eq!(answer.status, 200, "{sent}: {answer:?}");
        assert_eq!(upstream.last().target(), arrives, "{sent}");
    }
}

#[test]
fn a_route_with_a_host_takes_only_that_host() {
    let upstream = Upstream::start();
    let url = upstream.url();
    let with = |name, matching, base| {
        route(name, matching, "webhook-signature", &format!("{url}{base}"), &["dedupe: off"])
    };
    let gateway = Setup::new()
        .route(with("a", "{ path: /x, host: a.example.com }", "/a"))
        .route(with("b", "{ path: /x, host: b.example.com }", "/b"))
        .route(with("any", "{ path: /any }", "/any"))
        .start();
    for (host, path, arrives) in [
        ("a.example.com", "/x", "/a"),
        ("b.example.com", "/x", "/b"),
        ("A.Example.COM", "/x", "/a"),
        ("b.example.com:8080", "/x", "/b"),
        ("a.example.com", "/any", "/any"),
        ("[::1]:8080", "/any", "/any"),
    ] {
        let answer = gateway.send(&plain(path, "{}").header("Host", host));
        assert_eq!(answer.status, 200, "{host}{path}: {answer:?}");
        assert_eq!(upstream.last().target(), arrives, "{host}{path}");
        assert_eq!(upstream.last().all("x-forwarded-host"), [host]);
    }
    for host in ["c.example.com", "a.example.com.evil.test", "xa.example.com", "example.com"] {
        gateway.send(&plain("/x", "{}").header("Host", host)).expect_error(404);
    }
}

#[test]
fn other_methods_are_refused_with_the_allowed_ones() {
    let upstream = Upstream::start();
    let two = "{ path: /two, methods: [POST, PUT] }";
    let gateway = Setup::new()
        .route(route("one", "/one", "webhook-signature", upstream.url(), &["dedupe: off"]))
        .route(route("two", two, "webhook-signature", upstream.url(), &["dedupe: off"]))
        .start();
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"] {
        let mut client = gateway.connect();
        let answer = client.exchange(&plain("/one", "").method(method));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}: {answer:?}");
    }
    gateway.reason("method_not_allowed");
    assert_eq!(upstream.connections(), 0);
    assert_eq!(gateway.send(&plain("/two", "{}").method("PUT")).status, 200);
    assert!(upstream.last().line().starts_with("PUT /two "));
    let answer = gateway.send(&Request::new("DELETE", "/two"));
    let mut allowed: Vec<&str> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!((answer.status, allowed), (405, vec!["POST", "PUT"]));
}
