//! Limits: past each of them the answer is a clear refusal, and everybody else is served on.

use crate::support::arena::Arena;
use crate::support::client::Client;
use crate::support::gateway::{Setup, route};
use crate::support::sender::plain;
use crate::support::upstream::{Upstream, gated};
use crate::support::{Gate, eventually};

#[test]
fn a_body_that_does_not_come_is_a_408() {
    let arena = Arena::with(|setup| setup.top("limits: { body_timeout: 500ms }"));
    let request = plain("/raw", "0123456789");
    for (what, bytes) in [
        ("no byte of it", request.head(10)),
        ("half of it", [request.head(10), b"01234".to_vec()].concat()),
        (
            "half a chunk",
            [request.head_with("Transfer-Encoding: chunked\r\n"), b"a\r\n01234".to_vec()].concat(),
        ),
        (
            "no last chunk",
            [request.head_with("Transfer-Encoding: chunked\r\n"), b"a\r\n0123456789\r\n".to_vec()].concat(),
        ),
    ] {
        let mut client = arena.gateway.connect();
        client.send(&bytes);
        client.final_answer("POST").expect_error(408);
        assert!(client.is_closed(), "{what}");
        arena.gateway.reason("body_timeout");
    }
    assert_eq!(arena.upstream.connections(), 0);
    arena.only_good_requests_arrived("slow bodies");
}

#[test]
fn bodies_held_at_once_are_bounded() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .top("limits: { body: 64KiB, buffered: 100KiB }")
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off"]))
        .start();
    let gate = Gate::new();
    upstream.next(gated(&gate, 200, "held"));
    let large = plain("/r", "x".repeat(60_000));
    std::thread::scope(|scope| {
        let held = scope.spawn(|| gateway.send(&large));
        upstream.begun(1);
        assert!(gateway.metric("sealpost_buffered_bytes", &[]) >= 60_000.0);
        gateway.send(&large).expect_come_back();
        let mut client = gateway.connect();
        client.send(&large.chunked(1000, "", ""));
        client.final_answer("POST").expect_come_back();
        gateway.reason("overloaded");
        assert_eq!(gateway.send(&plain("/r", "small")).status, 200, "what fits is served");
        gate.open();
        assert_eq!(held.join().unwrap().status, 200);
    });
    eventually("the bytes are given back", || {
        (gateway.metric("sealpost_buffered_bytes", &[]) == 0.0).then_some(())
    });
    assert_eq!(gateway.send(&large).status, 200);
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn broken_off_bodies_give_their_share_back() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .top("limits: { body: 64KiB, buffered: 100KiB }")
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off"]))
        .start();
    let large = plain("/r", "x".repeat(60_000));
    for _ in 0..10 {
        let mut client = gateway.connect();
        client.send(&large.head(60_000)).send(&[b'x'; 30_000]);
        drop(client);
    }
    // Some of them may only be met now: their share is held for a moment.
    eventually("the share is given back", || (gateway.send(&large).status == 200).then_some(()));
    eventually("nothing is held any more", || {
        (gateway.metric("sealpost_buffered_bytes", &[]) == 0.0).then_some(())
    });
}

#[test]
fn connections_are_bounded() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .top("limits: { connections: 8 }")
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off"]))
        .start();
    let mut open: Vec<Client> = (0..8).map(|_| gateway.connect()).collect();
    for client in &mut open {
        assert_eq!(client.exchange(&plain("/r", "{}")).status, 200);
    }
    let mut ninth = gateway.connect();
    ninth.send(&plain("/r", "{}").bytes());
    match ninth.answer_to("POST") {
        Some(answer) => drop(answer.expect_come_back()),
        None => assert_eq!(upstream.requests().len(), 8, "it was closed without an answer"),
    }
    for client in &mut open {
        assert_eq!(client.exchange(&plain("/r", "{}")).status, 200, "those that are open go on");
    }
    open.pop();
    eventually("a place is free again", || {
        let mut client = gateway.connect();
        client.send(&plain("/r", "{}").bytes());
        client.answer_to("POST").filter(|answer| answer.status == 200)
    });
}

#[test]
fn the_admin_address_answers_when_all_connections_are_taken() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .top("limits: { connections: 2 }")
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off"]))
        .start();
    let mut open: Vec<Client> = (0..2).map(|_| gateway.connect()).collect();
    for client in &mut open {
        client.exchange(&plain("/r", "{}"));
    }
    assert_eq!(gateway.get("/healthz").status, 200);
    assert!(gateway.metric("sealpost_connections", &[]) >= 2.0);
}
