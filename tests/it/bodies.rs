//! The same bytes: what was verified is what the upstream receives, with an exact length, and its answer comes back whole.

use crate::support::arena::Arena;
use crate::support::gateway::{Setup, route};
use crate::support::sender::{event, plain};
use crate::support::upstream::{Recorded, Upstream, answer, status};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bytes of every value, with line ends and chunk-like lines among them.
fn content(size: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut bytes = Vec::with_capacity(size);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        bytes.extend(state.to_le_bytes());
        if state.is_multiple_of(97) {
            bytes.extend(b"\r\n0\r\n\r\n");
        }
    }
    bytes.truncate(size);
    bytes
}

fn arrived(request: &Recorded, sent: &[u8], what: &str) {
    assert!(request.body == sent, "{what}: {} of {} bytes, or others", request.body.len(), sent.len());
    assert_eq!(request.all("content-length"), [sent.len().to_string()], "{what}");
    assert_eq!(request.header("transfer-encoding"), None, "{what}");
    assert_eq!(request.header("trailer"), None, "{what}");
    assert_eq!(request.header("x-trailer"), None, "{what}");
}

#[test]
fn bodies_with_a_length_arrive_byte_for_byte() {
    let arena = Arena::new();
    for size in [0, 1, 65_535, 65_536, 65_537, MIB, 25 * MIB] {
        let body = content(size);
        let answer = arena.gateway.send(&plain("/raw", body.clone()));
        assert_eq!(answer.status, 200, "{size}: {answer:?}");
        arrived(&arena.upstream.last(), &body, &format!("{size} bytes"));
    }
}

#[test]
fn chunked_bodies_arrive_with_an_exact_length() {
    let arena = Arena::new();
    for (size, chunk) in [
        (0, 1),
        (1, 1),
        (1000, 1),
        (65_535, 7),
        (65_536, 4096),
        (65_537, 65_537),
        (MIB, 1000),
        (25 * MIB, 100_000),
    ] {
        let body = content(size);
        for (extension, trailers) in [("", ""), (";name=\"value\"", "X-Trailer: 1\r\nContent-Length: 3\r\n")]
        {
            let mut client = arena.gateway.connect();
            client.send(&plain("/raw", body.clone()).chunked(chunk, extension, trailers));
            let answer = client.final_answer("POST");
            assert_eq!(answer.status, 200, "{size} in {chunk} {extension}: {answer:?}");
            arrived(&arena.upstream.last(), &body, &format!("{size} bytes in chunks of {chunk}{extension}"));
        }
    }
}

#[test]
fn a_body_that_comes_byte_by_byte_arrives_whole() {
    let arena = Arena::new();
    let request = plain("/raw", content(300));
    let mut client = arena.gateway.connect();
    for byte in request.bytes() {
        client.send(&[byte]);
    }
    assert_eq!(client.final_answer("POST").status, 200);
    arrived(&arena.upstream.last(), &request.body, "byte by byte");
}

#[test]
fn one_connection_carries_many_bodies_of_both_framings() {
    let arena = Arena::new();
    let mut client = arena.gateway.connect();
    for round in 0..20 {
        let body = content(round * 4096 + round);
        let request = plain("/raw", body.clone());
        client.send(&if round % 2 == 0 { request.bytes() } else { request.chunked(1024, "", "") });
        assert_eq!(client.final_answer("POST").status, 200, "round {round}");
        arrived(&arena.upstream.last(), &body, &format!("round {round}"));
    }
    assert!(arena.upstream.connections() <= 2, "connections to the upstream are kept and used again");
}

#[test]
fn a_body_is_not_decoded_on_the_way() {
    let arena = Arena::new();
    // Neither compressed nor JSON nor UTF-8: whatever the headers say of it, the bytes go through.
    for (name, value) in [
        ("Content-Encoding", "gzip"),
        ("Content-Type", "application/json"),
        ("Content-Type", "text/plain; charset=utf-16"),
    ] {
        let body = b"\xff\xfe\x1f\x8b not what the header says \x00".to_vec();
        let answer = arena.gateway.send(&plain("/raw", body.clone()).header(name, value));
        assert_eq!(answer.status, 200);
        arrived(&arena.upstream.last(), &body, name);
        assert_eq!(arena.upstream.last().header(name), Some(value));
    }
}

#[test]
fn whitespace_and_key_order_of_json_stay_as_signed() {
    let arena = Arena::new();
    for (number, body) in [
        "{ \"b\": 1.0,\t\"a\":\"\\u0026\" , \"id\":\"w0\" }\n",
        "\n{\"2\":1,\"1\":2,\"id\":\"w1\",\"id\":\"w1\"}",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(arena.gateway.send(&plain("/hook", *body)).status, 200);
        assert_eq!(arena.upstream.finished(number + 1)[number].text(), *body);
    }
}

#[test]
fn answers_of_every_size_and_framing_come_back_whole() {
    let arena = Arena::new();
    for size in [0, 1, 65_536, 65_537, 5 * MIB] {
        let body = content(size);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        arena.upstream.next(answer([head.as_bytes(), &body].concat()));
        let got = arena.gateway.send(&plain("/raw", "x"));
        assert!(got.status == 200 && got.body == body, "{size} bytes with a length");

        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(10_000) {
            chunked.extend(format!("{:x};e=1\r\n", chunk.len()).into_bytes());
            chunked.extend(chunk);
            chunked.extend(b"\r\n");
        }
        chunked.extend(b"0\r\nX-Trailer: 1\r\n\r\n");
        arena.upstream.next(answer(chunked));
        let got = arena.gateway.send(&plain("/raw", "x"));
        assert!(got.status == 200 && got.body == body, "{size} bytes in chunks: {got:?}");
    }
}

#[test]
fn the_limit_of_a_route_is_exact() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .top("limits: { body: 4KiB }")
        .route(route("usual", "/usual", "webhook-signature", upstream.url(), &["dedupe: off"]))
        .route(route("more", "/more", "webhook-signature", upstream.url(), &["dedupe: off", "body: 8KiB"]))
        .start();
    for (path, limit) in [("/usual", 4 * KIB), ("/more", 8 * KIB)] {
        let fits = plain(path, content(limit));
        assert_eq!(gateway.send(&fits).status, 200, "{path}");
        let mut client = gateway.connect();
        client.send(&fits.chunked(100, "", ""));
        assert_eq!(client.final_answer("POST").status, 200, "{path}, chunked");

        let before = upstream.requests().len();
        let over = plain(path, content(limit + 1));
        gateway.send(&over).expect_error(413);
        let mut client = gateway.connect();
        client.send(&over.chunked(100, "", ""));
        client.final_answer("POST").expect_error(413);
        let name = path.trim_start_matches('/');
        for _ in 0..2 {
            gateway
                .log
                .wait("a body too large", |line| line["reason"] == "body_too_large" && line["route"] == name);
        }
        assert_eq!(upstream.requests().len(), before, "{path}");
    }
}

#[test]
fn an_answer_larger_than_what_is_stored_still_comes_back_whole() {
    let arena = Arena::new();
    let body = "x".repeat(65 * KIB);
    arena.upstream.next(status(200, &body));
    assert_eq!(arena.gateway.send(&plain("/hook", event("large"))).text(), body);
    // Too large to be stored: the event is still a duplicate, with the answer that says so.
    let again = arena.gateway.send(&plain("/hook", event("large")));
    assert_eq!(again.status, 200);
    assert_eq!(again.header("sealpost-result"), Some("duplicate"));
    assert_eq!(again.text().trim_end(), "{\"received\":true,\"status\":\"duplicate\"}");
    assert_eq!(arena.upstream.requests().len(), 1);
}
