//! Once: repeats, copies in flight, failures, and who can burn an id (nobody without the secret).

use std::thread;

use crate::support::arena::Arena;
use crate::support::client::{Answer, Request};
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{event, github, plain};
use crate::support::upstream::{Step, Upstream, answer, gated, status};
use crate::support::{Gate, eventually};

/// How many copies of one event may wait for the first.
const WAITING: usize = 32;

/// Sends a request from a thread of its own.
fn send<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    gateway: &'scope Gateway,
    request: Request,
) -> thread::ScopedJoinHandle<'scope, Answer> {
    scope.spawn(move || gateway.send(&request))
}

/// Waits until so many requests are inside the gateway.
fn in_flight(gateway: &Gateway, count: usize) {
    let expected = f64::from(u32::try_from(count).unwrap());
    eventually("the requests are in flight", || {
        (gateway.metric("sealpost_requests_in_flight", &[]) >= expected).then_some(())
    });
}

fn is_duplicate(answer: &Answer) -> bool {
    answer.header("sealpost-result") == Some("duplicate")
}

#[test]
fn a_repeat_gets_the_first_answer_again() {
    let arena = Arena::new();
    let first = "HTTP/1.1 201 Created\r\nContent-Type: text/x-receipt\r\nX-Other: 1\r\nContent-Length: 9\r\n\r\nreceipt 7";
    arena.upstream.next(answer(first));
    let request = plain("/hook", event("evt-1"));
    let original = arena.gateway.send(&request);
    assert_eq!((original.status, original.text().as_str()), (201, "receipt 7"));
    assert!(!is_duplicate(&original));
    for _ in 0..3 {
        let again = arena.gateway.send(&request);
        assert_eq!((again.status, again.text().as_str()), (201, "receipt 7"));
        assert_eq!(again.header("content-type"), Some("text/x-receipt"));
        assert!(is_duplicate(&again));
    }
    assert_eq!(arena.upstream.requests().len(), 1);
    arena.gateway.counts("sealpost_requests_total", &["reason=\"duplicate\""], 3.0);
    arena.gateway.reason("duplicate");
}

#[test]
fn the_id_counts_and_not_the_bytes_around_it() {
    let arena = Arena::new();
    let one = plain("/hook", "{\"id\":\"same\",\"n\":1}");
    let other = plain("/hook", "{\"n\":2,\"id\":\"same\"}");
    assert!(!is_duplicate(&arena.gateway.send(&one)));
    assert!(is_duplicate(&arena.gateway.send(&other)));
    assert!(!is_duplicate(&arena.gateway.send(&plain("/hook", event("Same")))));
}

#[test]
fn two_copies_at_once_reach_the_upstream_once() {
    let arena = Arena::new();
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "the first"));
    let request = plain("/hook", event("evt-1"));
    thread::scope(|scope| {
        let first = send(scope, &arena.gateway, request.clone());
        arena.upstream.begun(1);
        let second = send(scope, &arena.gateway, request.clone());
        in_flight(&arena.gateway, 2);
        gate.open();
        let (first, second) = (first.join().unwrap(), second.join().unwrap());
        assert_eq!((first.status, first.text().as_str()), (200, "the first"));
        assert_eq!((second.status, second.text().as_str()), (200, "the first"));
        assert!(!is_duplicate(&first) && is_duplicate(&second));
    });
    assert_eq!(arena.upstream.requests().len(), 1);
}

#[test]
fn a_copy_is_forwarded_when_the_first_failed() {
    let arena = Arena::new();
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 500, "broken"));
    let request = plain("/hook", event("evt-1"));
    thread::scope(|scope| {
        let first = send(scope, &arena.gateway, request.clone());
        arena.upstream.begun(1);
        let second = send(scope, &arena.gateway, request.clone());
        in_flight(&arena.gateway, 2);
        gate.open();
        assert_eq!(first.join().unwrap().status, 500);
        assert_eq!(second.join().unwrap().status, 200);
    });
    let attempts: Vec<String> =
        arena.upstream.finished(2).iter().map(|r| r.header("sealpost-attempt").unwrap().into()).collect();
    assert_eq!(attempts, ["1", "2"]);
}

#[test]
fn only_2xx_counts_as_accepted() {
    let arena = Arena::new();
    for code in [301, 400, 401, 404, 409, 410, 422, 429, 500, 502, 503] {
        let request = plain("/hook", event(&format!("evt-{code}")));
        let before = arena.upstream.requests().len();
        arena.upstream.next(status(code, "no"));
        assert_eq!(arena.gateway.send(&request).status, code, "the upstream's own status");
        let again = arena.gateway.send(&request);
        assert_eq!(again.status, 200);
        assert!(!is_duplicate(&again), "{code}");
        let seen = arena.upstream.finished(before + 2);
        assert_eq!(seen.last().unwrap().header("sealpost-attempt"), Some("2"), "{code}");
        assert!(is_duplicate(&arena.gateway.send(&request)), "{code}");
    }
    for code in [200, 201, 202, 204, 299] {
        let request = plain("/hook", event(&format!("evt-{code}")));
        let head =
            format!("HTTP/1.1 {code} Fine\r\n{}\r\n", if code == 204 { "" } else { "Content-Length: 0\r\n" });
        arena.upstream.next(answer(head));
        assert_eq!(arena.gateway.send(&request).status, code);
        let again = arena.gateway.send(&request);
        assert_eq!((again.status, is_duplicate(&again)), (code, true));
    }
}

#[test]
fn an_upstream_that_failed_on_the_wire_leaves_the_event_unseen() {
    let arena = Arena::new();
    let request = plain("/hook", event("evt-1"));
    arena.upstream.next(vec![Step::ReadBody, Step::Reset]);
    assert_eq!(arena.gateway.send(&request).status, 502);
    assert_eq!(arena.gateway.send(&request).status, 200);
    assert_eq!(arena.upstream.last().header("sealpost-attempt"), Some("2"));
    assert!(is_duplicate(&arena.gateway.send(&request)));
}

#[test]
fn the_exchange_goes_on_when_the_sender_hangs_up() {
    let arena = Arena::new();
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "done without you"));
    let request = plain("/hook", event("evt-1"));
    let mut client = arena.gateway.connect();
    client.send(&request.bytes());
    arena.upstream.begun(1);
    drop(client);
    gate.open();
    arena.upstream.finished(1);
    let again = arena.gateway.send(&request);
    assert_eq!((again.status, again.text().as_str()), (200, "done without you"));
    assert!(is_duplicate(&again));
    assert_eq!(arena.upstream.requests().len(), 1);
}

#[test]
fn a_sender_that_hangs_up_before_its_body_is_there_has_claimed_nothing() {
    let arena = Arena::new();
    let request = plain("/hook", event("evt-1"));
    let whole = request.bytes();
    let body = request.body.len();
    for (round, part) in [whole.len() - body, whole.len() - body / 2, whole.len() - 1].into_iter().enumerate()
    {
        let mut client = arena.gateway.connect();
        client.send(&whole[..part]);
        in_flight(&arena.gateway, 1);
        drop(client);
        arena.gateway.counts("sealpost_requests_total", &["reason=\"bad_request\""], (round + 1) as f64);
    }
    assert_eq!(arena.upstream.bytes(), 0);
    assert!(!is_duplicate(&arena.gateway.send(&request)));
    assert_eq!(arena.upstream.last().header("sealpost-attempt"), Some("1"));
}

#[test]
fn a_waiting_copy_that_hangs_up_harms_nobody() {
    let arena = Arena::new();
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "first"));
    let request = plain("/hook", event("evt-1"));
    thread::scope(|scope| {
        let first = send(scope, &arena.gateway, request.clone());
        arena.upstream.begun(1);
        let mut second = arena.gateway.connect();
        second.send(&request.bytes());
        in_flight(&arena.gateway, 2);
        drop(second);
        gate.open();
        assert_eq!(first.join().unwrap().status, 200);
    });
    assert!(is_duplicate(&arena.gateway.send(&request)));
    assert_eq!(arena.upstream.requests().len(), 1);
}

#[test]
fn so_many_copies_wait_and_no_more() {
    let arena = Arena::new();
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "first"));
    let request = plain("/hook", event("evt-1"));
    thread::scope(|scope| {
        let first = send(scope, &arena.gateway, request.clone());
        arena.upstream.begun(1);
        let copies: Vec<_> = (0..=WAITING).map(|_| send(scope, &arena.gateway, request.clone())).collect();
        eventually("one is too many", || {
            (arena.gateway.metric("sealpost_requests_total", &["reason=\"in_flight\""]) >= 1.0).then_some(())
        });
        assert_eq!(arena.gateway.send(&plain("/raw", "somebody else")).status, 200, "others are served");
        gate.open();
        assert_eq!(first.join().unwrap().text(), "first");
        let (shared, refused): (Vec<Answer>, Vec<Answer>) =
            copies.into_iter().map(|copy| copy.join().unwrap()).partition(|copy| copy.status == 200);
        assert_eq!((shared.len(), refused.len()), (WAITING, 1));
        assert!(shared.iter().all(|copy| copy.text() == "first" && is_duplicate(copy)));
        refused[0].expect_come_back();
    });
    arena.gateway.reason("in_flight");
    assert_eq!(arena.upstream.requests().len(), 2);
}

#[test]
fn a_copy_waits_no_longer_than_its_route_allows() {
    let upstream = Upstream::start();
    let gateway =
        Setup::new().route(route("r", "/r", "webhook-signature", upstream.url(), &["timeout: 1s"])).start();
    let gate = Gate::new();
    upstream.next(gated(&gate, 200, "late"));
    let request = plain("/r", event("evt-1"));
    thread::scope(|scope| {
        let first = send(scope, &gateway, request.clone());
        upstream.begun(1);
        let second = send(scope, &gateway, request.clone());
        // The first times out; the copy then is forwarded or told to come back, within its own second.
        first.join().unwrap().expect_error(504);
        let second = second.join().unwrap();
        assert!(matches!(second.status, 200 | 503), "{second:?}");
        gate.open();
    });
}

#[test]
fn routes_do_not_share_ids() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route(route("a", "/a", "webhook-signature", upstream.url(), &[]))
        .route(route("b", "/b", "webhook-signature", upstream.url(), &[]))
        .start();
    assert!(!is_duplicate(&gateway.send(&plain("/a", event("evt-1")))));
    assert!(!is_duplicate(&gateway.send(&plain("/b", event("evt-1")))));
    assert!(is_duplicate(&gateway.send(&plain("/a", event("evt-1")))));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn the_parts_of_a_key_keep_their_borders() {
    let upstream = Upstream::start();
    let key = "dedupe: { key: [\"json:/a\", \"json:/b\"] }";
    let gateway = Setup::new().route(route("r", "/r", "webhook-signature", upstream.url(), &[key])).start();
    for body in ["{\"a\":\"ab\",\"b\":\"c\"}", "{\"a\":\"a\",\"b\":\"bc\"}", "{\"a\":\"abc\",\"b\":\"d\"}"] {
        assert!(!is_duplicate(&gateway.send(&plain("/r", body))), "{body}");
    }
    assert!(is_duplicate(&gateway.send(&plain("/r", "{\"b\":\"c\",\"a\":\"ab\"}"))));
    assert_eq!(gateway.send(&plain("/r", "{\"a\":\"ab\"}")).status, 400, "every part has to be there");
}

#[test]
fn a_captured_github_body_cannot_be_replayed_under_a_fresh_id() {
    let arena = Arena::new();
    let body = "{\"ref\":\"refs/heads/main\"}";
    assert!(!is_duplicate(&arena.gateway.send(&github(
        "/github",
        body,
        "11111111-0000-0000-0000-000000000000"
    ))));
    let replay = arena.gateway.send(&github("/github", body, "22222222-0000-0000-0000-000000000000"));
    assert!(is_duplicate(&replay), "{replay:?}");
    assert_eq!(arena.upstream.requests().len(), 1);
    assert_eq!(
        arena.upstream.last().header("sealpost-event-id"),
        Some("11111111-0000-0000-0000-000000000000"),
        "the app still learns the delivery id"
    );
}

#[test]
fn the_unsigned_id_counts_where_it_was_chosen() {
    let upstream = Upstream::start();
    let key = "dedupe: { key: [\"header:X-GitHub-Delivery\"] }";
    let gateway = Setup::new().route(route("r", "/r", "github", upstream.url(), &[key])).start();
    assert!(!is_duplicate(&gateway.send(&github("/r", "{}", "one"))));
    assert!(!is_duplicate(&gateway.send(&github("/r", "{}", "two"))));
    assert!(is_duplicate(&gateway.send(&github("/r", "{\"other\":1}", "one"))));
}

#[test]
fn a_forgery_burns_no_id() {
    let arena = Arena::new();
    let forged = plain("/hook", event("other")).body(event("evt-1"));
    assert_eq!(arena.gateway.send(&forged).status, 401);
    let real = arena.gateway.send(&plain("/hook", event("evt-1")));
    assert!(real.status == 200 && !is_duplicate(&real));
    assert_eq!(arena.gateway.send(&forged).status, 401, "nor does it learn that the id is known");
}

#[test]
fn a_remembered_id_is_forgotten_after_its_time() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route(route(
            "r",
            "/r",
            "webhook-signature",
            upstream.url(),
            &["dedupe: { key: [\"json:/id\"], ttl: 1s }"],
        ))
        .start();
    let request = plain("/r", event("evt-1"));
    assert!(!is_duplicate(&gateway.send(&request)));
    eventually("the id is forgotten", || (!is_duplicate(&gateway.send(&request))).then_some(()));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_full_store_forgets_the_oldest_accepted_event() {
    let arena = Arena::with(|setup| setup.top("dedupe: { entries: 3 }"));
    let request = |number: usize| plain("/hook", event(&format!("evt-{number}")));
    for number in 0..20 {
        assert!(!is_duplicate(&arena.gateway.send(&request(number))));
    }
    assert!(is_duplicate(&arena.gateway.send(&request(19))), "the newest is remembered");
    assert!(!is_duplicate(&arena.gateway.send(&request(0))), "the oldest is not");
    assert!(arena.gateway.metric("sealpost_store_entries", &[]) <= 3.0);
    assert!(arena.gateway.metric("sealpost_store_evictions_total", &[]) >= 17.0);
}

#[test]
fn a_route_may_do_without() {
    let arena = Arena::new();
    let request = plain("/raw", event("evt-1"));
    for _ in 0..2 {
        let answer = arena.gateway.send(&request);
        assert!(answer.status == 200 && !is_duplicate(&answer));
    }
    assert_eq!(arena.upstream.requests().len(), 2);
}
