//! Headers: what passes, what is removed, what is added.

use crate::support::arena::Arena;
use crate::support::client::Request;
use crate::support::gateway::{Setup, route};
use crate::support::sender::{event, now, plain, timed};
use crate::support::upstream::{Recorded, Upstream, answer};

/// Sends it and returns what the upstream received.
fn forwarded(arena: &Arena, request: &Request) -> Recorded {
    let before = arena.upstream.requests().len();
    let answer = arena.gateway.send(request);
    assert_eq!(answer.status, 200, "{answer:?}");
    arena.upstream.finished(before + 1).pop().unwrap()
}

#[test]
fn end_to_end_headers_are_kept_with_their_repeated_values_in_order() {
    let arena = Arena::new();
    let request = plain("/raw", "{}")
        .header("User-Agent", "sender/1.0 (+https://example.com)")
        .header("Content-Type", "application/json; charset=utf-8")
        .header("X-List", "first")
        .header("Authorization", "Bearer for-the-app")
        .header("X-List", "second, third")
        .header("Cookie", "a=1; b=2")
        .header("x-lower", "kept")
        .header("X-Empty", "")
        .header("X-List", "first");
    let got = forwarded(&arena, &request);
    assert_eq!(got.all("x-list"), ["first", "second, third", "first"]);
    for name in
        ["User-Agent", "Content-Type", "Authorization", "Cookie", "X-Lower", "X-Empty", "X-Webhook-Signature"]
    {
        assert_eq!(got.all(name), [request.value(name).unwrap()], "{name}");
    }
    assert_eq!(got.all("host").len(), 1);
}

#[test]
fn the_app_is_told_what_was_verified() {
    let arena = Arena::new();
    let got = forwarded(&arena, &plain("/hook", event("evt-1")));
    assert_eq!(got.all("sealpost-provider"), ["webhook-signature"]);
    assert_eq!(got.all("sealpost-route"), ["hook"]);
    assert_eq!(got.all("sealpost-event-id"), ["evt-1"]);
    assert_eq!(got.all("sealpost-event-type"), ["test.happened"]);
    assert_eq!(got.all("sealpost-attempt"), ["1"]);
    assert_eq!(got.all("sealpost-secret"), ["0"]);
    assert_eq!(got.header("sealpost-timestamp"), None, "this sender signs no time");
    assert_eq!(got.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(got.all("x-forwarded-proto"), ["http"]);
    assert_eq!(got.all("x-forwarded-host"), ["hooks.example.com"]);
    let first = got.header("sealpost-request-id").unwrap().to_owned();
    let second = forwarded(&arena, &plain("/hook", event("evt-2")));
    assert_ne!(second.header("sealpost-request-id").unwrap(), first);

    let sent = now() - 100;
    let got = forwarded(&arena, &timed("/timed", event("evt-3"), sent));
    assert_eq!(got.all("sealpost-timestamp"), [sent.to_string()]);
}

#[test]
fn event_values_go_into_headers_only_if_they_are_visible_ascii() {
    let arena = Arena::new();
    for (id, kind) in
        [("caf\u{e9}", "ok"), ("a\\nsealpost-route: other", "ok"), ("a\\u0000b", "ok"), ("a\\r\\nX: y", "ok")]
    {
        let got = forwarded(&arena, &plain("/hook", format!("{{\"id\":\"{id}\",\"type\":\"{kind}\"}}")));
        assert_eq!(got.header("sealpost-event-id"), None, "{id}");
        assert_eq!(got.all("sealpost-event-type"), [kind], "{id}");
        assert_eq!(got.all("sealpost-route"), ["hook"], "{id}");
        assert_eq!(got.header("x"), None, "{id}");
    }
}

#[test]
fn the_secret_that_matched_is_named_by_name_or_index() {
    let upstream = Upstream::start();
    let setup =
        Setup::new().variable("OLD", "the-secret-from-last-year").variable("OTHER", "another-one-entirely");
    let file = setup.file("old", "the-secret-from-last-year\n");
    let secrets = format!(
        "secrets: [\"env:OTHER\", \"env:TEST_SECRET\", {{ file: \"{}\", name: old }}]",
        file.display()
    );
    let gateway = setup
        .route(route("rotating", "/r", "webhook-signature", upstream.url(), &["dedupe: off", &secrets]))
        .start();
    assert_eq!(gateway.send(&plain("/r", "new")).status, 200);
    assert_eq!(upstream.last().all("sealpost-secret"), ["1"]);
    let signature = crate::support::sender::hmac_hex("the-secret-from-last-year", b"old");
    let old = plain("/r", "old").with("X-Webhook-Signature", signature);
    assert_eq!(gateway.send(&old).status, 200, "the trailing newline of the file is not part of the secret");
    assert_eq!(upstream.last().all("sealpost-secret"), ["old"]);
    gateway.counts("sealpost_secret_matched_total", &["secret=\"old\""], 1.0);
}

#[test]
fn x_forwarded_for_of_strangers_is_not_believed() {
    let arena = Arena::new();
    let got = forwarded(&arena, &plain("/raw", "{}").header("X-Forwarded-For", "203.0.113.9"));
    let hops: Vec<&str> = got.all("x-forwarded-for").iter().flat_map(|value| value.split(", ")).collect();
    assert_eq!(hops.last(), Some(&"127.0.0.1"), "{hops:?}");
    let line = arena.gateway.reason("forwarded").to_string();
    assert!(line.contains("127.0.0.1") && !line.contains("203.0.113.9"), "{line}");
}

#[test]
fn of_trusted_proxies_the_rightmost_untrusted_hop_counts() {
    let arena = Arena::with(|setup| setup.top("trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]"));
    for (given, client) in [
        ("198.51.100.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.1, nonsense, 10.1.2.3", "10.1.2.3"),
        ("10.0.0.7", "10.0.0.7"),
    ] {
        let got = forwarded(&arena, &plain("/raw", "{}").header("X-Forwarded-For", given));
        assert!(got.header("x-forwarded-for").unwrap().contains(client), "{given}: {got:?}");
        let line = arena.gateway.reason("forwarded").to_string();
        assert!(line.contains(&format!("\"{client}\"")), "{given}: {line}");
    }
}

#[test]
fn the_upstreams_answer_comes_back_with_its_headers() {
    let arena = Arena::new();
    let head = "HTTP/1.1 202 Accepted\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nX-Request: 7\r\nSet-Cookie: b=2\r\n\
                Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nContent-Length: 4\r\n\r\ndone";
    arena.upstream.next(answer(head));
    let got = arena.gateway.send(&plain("/raw", "{}"));
    assert_eq!((got.status, got.text().as_str()), (202, "done"));
    let cookies: Vec<&str> = got
        .headers
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case("set-cookie"))
        .map(|(_, v)| v.as_str())
        .collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(got.header("content-type"), Some("text/plain"));
    assert_eq!(got.header("x-request"), Some("7"));
    assert_eq!(got.header("x-hop"), None);
    assert_eq!(got.header("keep-alive"), None);
}

#[test]
fn connection_close_is_honoured_and_keep_alive_is_the_rule() {
    let arena = Arena::new();
    let mut client = arena.gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.exchange(&plain("/raw", "{}")).status, 200);
    }
    assert_eq!(client.exchange(&plain("/raw", "{}").header("Connection", "close")).status, 200);
    assert!(client.is_closed());
}
