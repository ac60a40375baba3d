//! Limits: past each of them the answer is a clear refusal, and everybody else is served on.

use crate::support::arena::{Arena, answers};
use crate::support::client::Client;
use crate::support::gateway::{Setup, route};
use crate::support::sender::plain;
use crate::support::upstream::{Upstream, gated};
use crate::support::{Gate, eventually};

#[test]
fn a_head_that_does_not_come_is_given_up() {
    let arena = Arena::with(|setup| setup.top("limits: { header_timeout: 500ms }"));
    for (what, beginning) in
        [("half a line", "POST /ra"), ("half a head", "POST /raw HTTP/1.1\r\nHost: a\r\n")]
    {
        let mut client = arena.gateway.connect();
        client.send(beginning.as_bytes());
        let answers = answers(&mut client);
        assert!(answers.len() <= 1 && answers.iter().all(|a| a.status == 408), "{what}: {answers:?}");
    }
    assert_eq!(arena.upstream.connections(), 0);
    arena.only_good_requests_arrived("slow heads");
}

#[test]
fn a_head_that_trickles_is_given_up_all_the_same() {
    let arena = Arena::with(|setup| setup.top("limits: { header_timeout: 500ms }"));
    let mut client = arena.gateway.connect();
    client.send(b"POST /raw HTTP/1.1\r\nHost: a\r\nX: ");
    // Each byte comes well within the limit, the whole head never does.
    let stream = std::net::TcpStream::connect(arena.gateway.address).unwrap();
    let mut trickle = stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        while trickle.write_all(b"x").is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
    });
    let answers = answers(&mut Client::over(Box::new(stream)));
    assert!(answers.iter().all(|answer| matches!(answer.status, 400 | 408)), "{answers:?}");
    sender.join().unwrap();
    arena.only_good_requests_arrived("a trickle");
}

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
fn a_body_that_trickles_is_a_408_all_the_same() {
    let arena = Arena::with(|setup| setup.top("limits: { body_timeout: 500ms }"));
    let mut stream = std::net::TcpStream::connect(arena.gateway.address).unwrap();
    let mut client = Client::over(Box::new(stream.try_clone().unwrap()));
    client.send(&plain("/raw", "x".repeat(100_000)).head(100_000));
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        while stream.write_all(b"x").is_ok() {
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
    });
    client.final_answer("POST").expect_error(408);
    drop(client);
    sender.join().unwrap();
    arena.only_good_requests_arrived("a trickle");
}

#[test]
fn heads_beyond_the_limit_are_refused() {
    let arena = Arena::with(|setup| setup.top("limits: { headers: 8KiB }"));
    assert_eq!(arena.gateway.send(&plain("/raw", "{}").header("X-Large", "x".repeat(6000))).status, 200);
    let before = arena.upstream.requests().len();
    for (what, request) in [
        ("one large value", plain("/raw", "{}").header("X-Large", "x".repeat(9000))),
        ("a long target", plain(&format!("/raw?{}", "x".repeat(9000)), "{}")),
        (
            "many values",
            (0..100).fold(plain("/raw", "{}"), |r, n| r.header(&format!("X-{n}"), "y".repeat(90))),
        ),
    ] {
        let answers = arena.hostile(&request.bytes());
        assert!(
            answers.len() <= 1 && answers.iter().all(|a| matches!(a.status, 400 | 413 | 414 | 431)),
            "{what}: {answers:?}"
        );
        assert_eq!(arena.upstream.requests().len(), before, "{what}");
        assert_eq!(arena.gateway.send(&plain("/nowhere", "{}")).status, 404, "{what}: it serves on");
    }
}

#[test]
fn thousands_of_headers_are_refused() {
    let arena = Arena::new();
    let request =
        (0..5000).fold(plain("/raw", "{}"), |request, number| request.header(&format!("X-{number}"), "y"));
    let answers = arena.hostile(&request.bytes());
    assert!(answers.len() <= 1 && answers.iter().all(|a| matches!(a.status, 400 | 431)), "{answers:?}");
    arena.only_good_requests_arrived("thousands of headers");
    let request =
        (0..80).fold(plain("/raw", "{}"), |request, number| request.header(&format!("X-{number}"), "y"));
    assert_eq!(arena.gateway.send(&request).status, 200, "an ordinary number of them is fine");
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
