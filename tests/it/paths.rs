//! Paths, hosts and methods: which route takes a request, what it becomes for the upstream, and what no route may see.

use crate::support::arena::Arena;
use crate::support::client::Request;
use crate::support::gateway::{Setup, route};
use crate::support::sender::plain;
use crate::support::upstream::Upstream;

#[test]
fn targets_that_two_servers_could_read_differently_are_refused() {
    let arena = Arena::new();
    for target in [
        // dot segments, plain and encoded
        "/pre/./x",
        "/pre/../raw",
        "/pre/..",
        "/pre/.",
        "/./raw",
        "/../raw",
        "/pre/x/../../raw",
        "/pre/%2e/x",
        "/pre/%2E%2E/raw",
        "/pre/.%2e/raw",
        "/pre/a%2eb",
        "/raw/..",
        "/raw/.",
        // empty segments
        "//raw",
        "/pre//x",
        "/pre/x//y",
        "//",
        "/pre///",
        // separators in disguise
        "/pre/a\\b",
        "/pre\\..\\raw",
        "/pre/%2f",
        "/pre/a%2Fb",
        "/pre%2fx",
        "/pre/%5c",
        "/pre/a%5Cb",
        "/pre/;x",
        "/pre/x;y=1",
        "/raw;v=1",
        "/pre/%00",
        "/raw%00",
        "/pre/%25",
        "/pre/%252e%252e/raw",
    ] {
        arena.refuses(target, &plain(target, "{}").bytes(), 400);
    }
}

#[test]
fn a_target_that_would_have_to_be_rewritten_is_refused() {
    let arena = Arena::new();
    for target in [
        // a fragment
        "/raw#x",
        "/pre/a#b",
        "/pre/#",
        "/raw?a=1#b",
        // control bytes and spaces
        "/pre/a\x01b",
        "/pre/a\x7fb",
        "/pre/a\tb",
        "/raw\x0b",
        "/pre/a?b\x01",
        "/pre/a b",
        "/pre/a?b c",
    ] {
        arena.refuses(target, &plain(target, "{}").bytes(), 400);
    }
}

#[test]
fn ordinary_targets_pass_unchanged_below_a_prefix() {
    let arena = Arena::new();
    for target in [
        "/pre/x",
        "/pre/x/y/z",
        "/pre/x?a=1&b=%20c&a=2",
        "/pre/a%20b",
        "/pre/caf%C3%A9",
        "/pre/a.b..c/d...",
        "/pre/.well-known",
        "/pre/a:b@c,d=e+f$g!h*i'j(k)~l",
        "/pre/x?",
        "/pre/x?next=/a/b",
    ] {
        let answer = arena.gateway.send(&plain(target, "{}"));
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        assert_eq!(arena.upstream.last().target(), target);
    }
}

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
