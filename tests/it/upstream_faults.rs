//! What becomes of a delivery when the upstream is away, slow, broken, early, odd, or behind a socket or TLS.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::support::Gate;
use crate::support::certificate::Certificate;
use crate::support::client::Request;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::http2;
use crate::support::sender::{event, plain};
use crate::support::upstream::{Step, Upstream, answer, gated, status};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A gateway with the route `/r`, a second long, before this URL.
fn before(url: &str) -> Gateway {
    Setup::new()
        .route(route("r", "/r", "webhook-signature", url, &["timeout: 1s", "body: 32MiB"]))
        .route(route("off", "/off", "webhook-signature", url, &["timeout: 1s", "dedupe: off"]))
        .start()
}

fn delivery(id: &str) -> Request {
    plain("/r", event(id))
}

#[test]
fn an_upstream_that_is_not_there_is_a_502() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gateway = before(&format!("http://127.0.0.1:{port}"));
    gateway.send(&delivery("evt-1")).expect_error(502);
    gateway.reason("upstream_unreachable");
    let gateway = before("unix:/nowhere/at/all.sock");
    gateway.send(&delivery("evt-1")).expect_error(502);
    gateway.reason("upstream_unreachable");
    let gateway = before("http://name.invalid:80");
    gateway.send(&delivery("evt-1")).expect_error(502);
    gateway.reason("upstream_unreachable");
}

#[test]
fn an_upstream_that_comes_back_is_found_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let gateway = before(&format!("unix:{}", socket.display()));
    assert_eq!(gateway.send(&delivery("evt-1")).status, 502, "port {port}");
    let upstream = Upstream::unix(&socket);
    assert_eq!(gateway.send(&delivery("evt-1")).status, 200);
    assert_eq!(upstream.last().header("sealpost-attempt"), Some("2"));
}

#[test]
fn an_upstream_that_hangs_is_a_504() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let gate = Gate::new();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec();
    for (what, script) in [
        ("before it answers", gated(&gate, 200, "late")),
        ("before it reads", vec![Step::Wait(gate.clone())]),
        (
            "within the head",
            vec![Step::ReadBody, Step::Send(b"HTTP/1.1 200".to_vec()), Step::Wait(gate.clone())],
        ),
        (
            "after 1xx",
            vec![
                Step::ReadBody,
                Step::Send(b"HTTP/1.1 102 Processing\r\n\r\n".to_vec()),
                Step::Wait(gate.clone()),
            ],
        ),
    ] {
        upstream.next(script);
        gateway.send(&plain("/off", "{}")).expect_error(504);
        gateway.reason("upstream_timeout");
        assert_eq!(gateway.send(&plain("/off", "{}")).status, 200, "{what}");
    }
    // The status went out already: what is left is to end the answer visibly too short.
    upstream.next(vec![
        Step::ReadBody,
        Step::Send(head),
        Step::Send(b"ab".to_vec()),
        Step::Wait(gate.clone()),
    ]);
    let mut client = gateway.connect();
    client.send(&plain("/off", "{}").header("Connection", "close").bytes());
    let bytes = client.rest();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.starts_with("HTTP/1.1 504") || text.ends_with("\r\n\r\nab"), "{text}");
    gate.open();
}

#[test]
fn a_long_answer_that_stops_is_given_up_too() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let gate = Gate::new();
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", "x".repeat(300_000));
    upstream.next(vec![Step::ReadBody, Step::Send(long.into_bytes()), Step::Wait(gate.clone())]);
    let mut client = gateway.connect();
    client.send(&plain("/off", "{}").header("Connection", "close").bytes());
    // It ends: short, so that the sender sees that it is not whole, and at the route's timeout.
    assert!(client.rest().len() < 1_000_000);
    gate.open();
    assert_eq!(gateway.send(&plain("/off", "{}")).status, 200);
}

#[test]
fn an_upstream_that_breaks_is_a_502_and_never_a_success() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    // Each on a new connection: on a kept one, a close before any byte of an answer is retried.
    upstream.always(answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
    let read = Step::ReadBody;
    let send = |bytes: &str| Step::Send(bytes.as_bytes().to_vec());
    for (what, script) in [
        ("closes before it answers", vec![read.clone(), Step::Close]),
        ("resets before it answers", vec![read.clone(), Step::Reset]),
        ("resets within the head", vec![read.clone(), send("HTTP/1.1 200 OK\r\nConte"), Step::Reset]),
        ("closes within the head", vec![read.clone(), send("HTTP/1.1 200 OK\r\nConte"), Step::Close]),
        ("closes after 1xx", vec![read.clone(), send("HTTP/1.1 102 Processing\r\n\r\n"), Step::Close]),
        ("says nonsense", vec![read.clone(), send("hello there\r\n\r\n"), Step::Close]),
        ("says half a status", vec![read.clone(), send("HTTP/1.1 2\r\n\r\n"), Step::Close]),
        (
            "frames twice",
            vec![
                read.clone(),
                send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
                Step::Close,
            ],
        ),
        (
            "frames by a bad length",
            vec![read.clone(), send("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok"), Step::Close],
        ),
        (
            "switches protocols",
            vec![
                read.clone(),
                send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
                Step::Close,
            ],
        ),
    ] {
        upstream.next(script);
        let answer = gateway.send(&plain("/off", "{}"));
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        gateway.reason("upstream_failed");
        assert_eq!(gateway.send(&plain("/off", "{}")).status, 200, "{what}");
    }
}

#[test]
fn a_head_without_end_is_not_read_without_end() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let endless = format!("HTTP/1.1 200 OK\r\n{}", format!("X: {}\r\n", "y".repeat(1000)).repeat(4000));
    upstream.next(vec![Step::ReadBody, Step::Send(endless.into_bytes()), Step::Close]);
    gateway.send(&plain("/off", "{}")).expect_error(502);
    assert_eq!(gateway.send(&plain("/off", "{}")).status, 200);
}

#[test]
fn an_answer_that_breaks_off_is_not_stored_and_ends_visibly_short() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    for (id, head, last) in [
        ("length, close", "Content-Length: 10\r\n\r\nhalf", Step::Close),
        ("length, reset", "Content-Length: 10\r\n\r\nhalf", Step::Reset),
        ("chunked, close", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Step::Close),
        ("chunked, nonsense", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n", Step::Close),
    ] {
        upstream.next(vec![
            Step::ReadBody,
            Step::Send(format!("HTTP/1.1 200 OK\r\n{head}").into_bytes()),
            last,
        ]);
        let mut client = gateway.connect();
        client.send(&delivery(id).header("Connection", "close").bytes());
        let bytes = client.rest();
        let text = String::from_utf8_lossy(&bytes);
        let short = text.starts_with("HTTP/1.1 200") && !text.ends_with("0\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 502") || short, "{id}: {text}");
        // Whether half an answer is an acceptance or not: the next copy gets a whole one.
        let again = gateway.send(&delivery(id));
        assert_eq!(again.status, 200, "{id}");
        assert!(
            ["ok", "{\"received\":true,\"status\":\"duplicate\"}"].contains(&again.text().trim_end()),
            "{id}: {again:?}"
        );
    }
}

#[test]
fn an_answer_before_the_body_was_read_is_passed_on() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let early = "HTTP/1.1 413 Too Much\r\nContent-Length: 8\r\nConnection: close\r\n\r\ntoo much";
    let large = plain("/r", format!("{{\"id\":\"evt-1\",\"x\":\"{}\"}}", "y".repeat(20 * 1024 * 1024)));
    for script in [
        vec![Step::Send(early.into()), Step::ReadBody, Step::Close],
        vec![Step::ReadSome(1000), Step::Send(early.into()), Step::ReadBody, Step::Close],
    ] {
        upstream.next(script);
        let answer = gateway.send(&large);
        assert_eq!((answer.status, answer.text().as_str()), (413, "too much"));
    }
    // It answers and does not read on at all.
    let gate = Gate::new();
    upstream.next(vec![Step::Send(early.into()), Step::Wait(gate.clone()), Step::Close]);
    let answer = gateway.send(&large);
    assert_eq!((answer.status, answer.text().as_str()), (413, "too much"));
    gate.open();
    assert_eq!(gateway.send(&large).status, 200, "not accepted, so the next one is forwarded");
}

#[test]
fn an_early_answer_does_not_poison_the_connection_for_the_next() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let large = plain("/off", "y".repeat(1024 * 1024));
    upstream.next(vec![
        Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly".to_vec()),
        Step::ReadBody,
    ]);
    assert_eq!(gateway.send(&large).text(), "early");
    for _ in 0..3 {
        assert_eq!(gateway.send(&plain("/off", "{}")).text(), "ok");
    }
    let bodies: Vec<usize> = upstream.finished(4).iter().map(|r| r.body.len()).skip(1).collect();
    assert_eq!(bodies, [2, 2, 2]);
}

#[test]
fn a_kept_connection_that_turns_out_closed_is_replaced() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    for round in 1..=5 {
        let gate = Gate::new();
        upstream.next(vec![Step::ReadBody, Step::Send(OK.into()), Step::Wait(gate.clone()), Step::Reset]);
        assert_eq!(gateway.send(&plain("/off", "{}")).status, 200, "round {round}");
        gate.open();
        upstream.hung_up(round);
    }
    assert_eq!(upstream.requests().len(), 5);
}

#[test]
fn a_kept_connection_that_closes_before_its_system_has_taken_the_next_request_is_replaced_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let upstream = thread::spawn(move || {
        let mut taken = Vec::new();
        let mut take = |stream: &mut TcpStream| {
            let mut read = Vec::new();
            while !read.ends_with(b"}") {
                let mut piece = [0; 4096];
                let count = stream.read(&mut piece).unwrap();
                assert_ne!(count, 0, "the request breaks off");
                read.extend_from_slice(&piece[..count]);
            }
            taken.push(String::from_utf8(read).unwrap());
            stream.write_all(OK.as_bytes()).unwrap();
        };
        let (mut kept, _) = listener.accept().unwrap();
        take(&mut kept);
        // The next request begins to come, is larger than what is taken in unread, and nobody reads it any more.
        assert_eq!(kept.peek(&mut [0]).unwrap(), 1);
        drop(kept);
        let (mut other, _) = listener.accept().unwrap();
        take(&mut other);
        taken
    });
    let gateway = before(&url);
    assert_eq!(gateway.send(&delivery("evt-1")).status, 200);
    let large = format!("{{\"id\":\"evt-2\",\"x\":\"{}\"}}", "y".repeat(1024 * 1024));
    let answer = gateway.send(&plain("/r", large));
    assert_eq!(answer.status, 200, "{answer:?}");
    let taken = upstream.join().unwrap();
    assert!(
        taken[1].contains("evt-2") && taken[1].to_ascii_lowercase().contains("\r\nsealpost-attempt: 1\r\n"),
        "{}",
        &taken[1][..1000]
    );
}

#[test]
fn a_kept_connection_that_ends_after_it_took_the_request_is_not_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    for (over, end) in [
        ("tcp", Step::Close),
        ("tcp", Step::Reset),
        ("tls", Step::Close),
        ("tls", Step::Reset),
        ("unix", Step::Close),
    ] {
        let certificate = Certificate::new("upstream");
        let setup = Setup::new();
        let trusted = setup.file("ca.pem", &certificate.pem);
        let setup = setup.variable("SSL_CERT_FILE", trusted.to_str().unwrap());
        let (upstream, url) = match over {
            "tcp" => (Upstream::start(), None),
            "unix" => (Upstream::unix(&socket), None),
            _ => {
                let config = certificate.server(&["http/1.1"]);
                let upstream = Upstream::tcp("https", move |stream| Certificate::accept(&config, stream));
                let url = format!("https://localhost:{}", upstream.port());
                (upstream, Some(url))
            }
        };
        let url = url.unwrap_or_else(|| upstream.url().to_owned());
        let gateway = setup.route(route("r", "/r", "webhook-signature", &url, &["timeout: 20s"])).start();
        // Now and then a connection inside TLS is not back yet when the next request wants it.
        let kept = (1..=50).any(|round| {
            assert_eq!(gateway.send(&delivery(&format!("before-{round}"))).status, 200);
            // It fell over the request: sent again at once, the event would arrive twice as the same attempt.
            upstream.next(vec![Step::ReadBody, end.clone()]);
            let taken = delivery(&format!("taken-{round}"));
            let answer = gateway.send(&taken);
            assert_eq!(answer.status, 502, "{over} {end:?}: {answer:?}");
            assert_eq!(gateway.send(&taken).status, 200, "the sender tries again");
            let seen = upstream.finished(3 * round);
            let [before, first, second] = &seen[3 * (round - 1)..] else {
                panic!("{over} {end:?}: {} requests in {round} rounds", seen.len())
            };
            let attempts = [before, first, second].map(|one| one.header("sealpost-attempt").unwrap());
            assert_eq!(attempts, ["1", "1", "2"], "{over} {end:?}");
            before.connection == first.connection
        });
        assert!(kept, "{over} {end:?}: a kept connection is used");
    }
}

#[test]
fn a_kept_http_2_connection_that_ends_after_it_took_the_request_is_not_replayed() {
    let certificate = Certificate::new("upstream");
    http2::run(async {
        for fall in [http2::Fall::Close, http2::Fall::GoAway, http2::Fall::Reset] {
            let (upstream, gateway) = before_http_2(&certificate).await;
            assert_eq!(gateway.send(&delivery("evt-1")).status, 200);
            upstream.next(fall);
            let answer = gateway.send(&delivery("evt-2"));
            assert_eq!(answer.status, 502, "{fall:?}: {answer:?}");
            gateway.reason("upstream_failed");
            assert_eq!(gateway.send(&delivery("evt-2")).status, 200, "the sender tries again");
            assert_eq!(attempts(&upstream), [(0, "1".into()), (0, "1".into()), (1, "2".into())], "{fall:?}");
        }
    });
}

#[test]
fn a_request_that_an_http_2_upstream_refuses_is_sent_once_more_as_the_same_attempt() {
    let certificate = Certificate::new("upstream");
    http2::run(async {
        let (upstream, gateway) = before_http_2(&certificate).await;
        assert_eq!(gateway.send(&delivery("evt-1")).status, 200);
        upstream.next(http2::Fall::Refuse);
        assert_eq!(gateway.send(&delivery("evt-2")).status, 200);
        assert_eq!(attempts(&upstream), [(0, "1".into()), (0, "1".into()), (1, "1".into())]);
    });
}

/// An HTTP/2 upstream behind TLS and a gateway with the route `/r` before it.
async fn before_http_2(certificate: &Certificate) -> (http2::Upstream, Gateway) {
    let upstream = http2::Upstream::start(certificate).await;
    let setup = Setup::new();
    let trusted = setup.file("ca.pem", &certificate.pem);
    let gateway = setup
        .variable("SSL_CERT_FILE", trusted.to_str().unwrap())
        .route(route("r", "/r", "webhook-signature", &upstream.url, &["timeout: 20s"]))
        .start();
    (upstream, gateway)
}

/// Connection and attempt of each request.
fn attempts(upstream: &http2::Upstream) -> Vec<(usize, String)> {
    let of = |request: &http2::Recorded| request.headers["sealpost-attempt"].to_str().unwrap().to_owned();
    upstream.requests().iter().map(|request| (request.connection, of(request))).collect()
}

#[test]
fn a_length_that_is_none_is_not_passed_on_for_a_head() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route(route(
            "get",
            "{ path: /get, methods: [HEAD] }",
            "webhook-signature",
            upstream.url(),
            &["dedupe: off"],
        ))
        .start();
    for (lengths, expected) in [
        ("Content-Length: 10\r\n", 200),
        ("Content-Length: 10\r\nContent-Length: 10\r\n", 200),
        ("", 200),
        ("Content-Length: 10\r\nContent-Length: 11\r\n", 502),
        ("Content-Length: 10, 10\r\n", 502),
        ("Content-Length: +10\r\n", 502),
        ("Content-Length: ten\r\n", 502),
        ("Content-Length: \r\n", 502),
        ("Content-Length: 99999999999999999999\r\n", 502),
    ] {
        upstream.next(answer(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n")));
        let got = gateway.connect().exchange(&plain("/get", "").method("HEAD"));
        assert_eq!(got.status, expected, "{lengths:?}: {got:?}");
        if expected == 200 {
            let told =
                got.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length")).count();
            assert_eq!(told, usize::from(!lengths.is_empty()), "{got:?}");
        }
    }
}

#[test]
fn a_kept_connection_that_breaks_while_the_next_body_is_written_is_replaced() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let large = plain("/off", "y".repeat(4 * 1024 * 1024));
    for (round, last) in [Step::Reset, Step::Close].into_iter().enumerate() {
        assert_eq!(gateway.send(&plain("/off", "{}")).status, 200);
        // It has begun to read the next request when it goes: most of that is still on its way.
        upstream.next(vec![Step::ReadSome(1000), last]);
        let answer = gateway.send(&large);
        assert_eq!(answer.status, 200, "{answer:?}");
        let seen = upstream.finished(3 * (round + 1));
        let [_, part, whole] = &seen[3 * round..] else { panic!("{} requests", seen.len()) };
        assert_eq!(part.body.len(), 1000);
        assert_eq!(whole.body, large.body, "all of it, on a new connection");
        assert_ne!(part.connection, whole.connection);
    }
}

#[test]
fn a_new_connection_is_never_retried() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    upstream.next(vec![Step::ReadBody, Step::Close]);
    assert_eq!(gateway.send(&delivery("evt-1")).status, 502);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_kept_connection_is_not_retried_after_a_byte_of_an_answer() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    assert_eq!(gateway.send(&delivery("evt-1")).status, 200);
    upstream.next(vec![Step::ReadBody, Step::Send(b"H".to_vec()), Step::Close]);
    assert_eq!(gateway.send(&delivery("evt-2")).status, 502);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn an_upstream_that_closes_after_each_answer_is_no_fault() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    upstream.always(vec![Step::ReadBody, Step::Send(head.into()), Step::Close]);
    let mut client = gateway.connect();
    for _ in 0..5 {
        assert_eq!(client.exchange(&plain("/off", "{}")).text(), "ok", "the sender's own connection is kept");
    }
    assert_eq!(upstream.connections(), 5);
}

#[test]
fn informational_answers_are_not_the_answer() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    for first in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    ] {
        upstream.next(answer(format!("{first}{OK}")));
        let answer = gateway.send(&plain("/off", "{}"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{first}");
    }
    assert_eq!(gateway.send(&plain("/off", "{}")).text(), "ok");
}

#[test]
fn informational_answers_without_end_are_given_up() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let many = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100_000);
    upstream.next(vec![Step::ReadBody, Step::Send(many.into_bytes()), Step::Close]);
    assert!(matches!(gateway.send(&plain("/off", "{}")).status, 502 | 504));
    assert_eq!(gateway.send(&plain("/off", "{}")).status, 200);
}

#[test]
fn answers_without_a_body_end_with_their_head() {
    let upstream = Upstream::start();
    let get = "{ path: /get, methods: [GET, HEAD, POST] }";
    let gateway = Setup::new()
        .route(route("get", get, "webhook-signature", upstream.url(), &["dedupe: off", "timeout: 1s"]))
        .start();
    let mut client = gateway.connect();
    for (method, head) in [
        ("POST", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("POST", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("POST", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        upstream.next(answer(head));
        let got = client.exchange(&plain("/get", "").method(method));
        assert_eq!(got.status.to_string(), head[9..12], "{method} {head}");
        assert!(got.body.is_empty());
        assert_eq!(upstream.last().line(), format!("{method} /get HTTP/1.1"));
    }
    assert_eq!(client.exchange(&plain("/get", "x")).text(), "ok");
}

#[test]
fn an_answer_that_ends_with_its_connection_comes_back_whole() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    let body = "z".repeat(100_000);
    for version in ["HTTP/1.0", "HTTP/1.1"] {
        upstream.next(vec![
            Step::ReadBody,
            Step::Send(format!("{version} 200 OK\r\nX: y\r\n\r\n{body}").into_bytes()),
            Step::Close,
        ]);
        let mut client = gateway.connect();
        assert_eq!(client.exchange(&plain("/off", "{}")).text(), body, "{version}");
    }
}

#[test]
fn a_body_the_upstream_may_not_send_is_not_taken_for_the_next_answer() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    upstream
        .next(answer("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
    assert_eq!(gateway.send(&plain("/off", "{}")).status, 204);
    upstream.next(answer(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")));
    assert_eq!(gateway.send(&plain("/off", "{}")).text(), "ok");
    assert_eq!(gateway.send(&plain("/off", "{}")).text(), "ok", "an unasked answer belongs to nobody");
}

#[test]
fn redirects_are_answers_like_others() {
    let upstream = Upstream::start();
    let gateway = before(upstream.url());
    upstream.next(answer("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"));
    let got = gateway.send(&plain("/off", "{}"));
    assert_eq!((got.status, got.header("location")), (302, Some("http://127.0.0.1:1/")));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_unix_socket_is_an_upstream_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let upstream = Upstream::unix(&socket);
    let gateway = before(upstream.url());
    for number in 0..3 {
        assert_eq!(gateway.send(&delivery(&format!("evt-{number}"))).text(), "ok");
    }
    assert_eq!(upstream.last().line(), "POST /r HTTP/1.1");
    assert_eq!(upstream.last().all("host").len(), 1);
    upstream.next(status(500, "broken"));
    assert_eq!(gateway.send(&delivery("evt-9")).status, 500);
}

#[test]
fn an_https_upstream_is_verified_and_used() {
    let certificate = Certificate::new("upstream");
    let config = certificate.server(&["http/1.1"]);
    let upstream = Upstream::tcp("https", move |stream| Certificate::accept(&config, stream));
    let url = format!("https://localhost:{}", upstream.port());
    let to = |setup: Setup| {
        setup.route(route("r", "/r", "webhook-signature", &url, &["timeout: 5s", "dedupe: off"])).start()
    };
    let setup = Setup::new();
    let trusted = setup.file("ca.pem", &certificate.pem);
    let gateway = to(setup.variable("SSL_CERT_FILE", trusted.to_str().unwrap()));
    for _ in 0..3 {
        let answer = gateway.send(&plain("/r", "over tls"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    }
    assert_eq!(upstream.last().text(), "over tls");

    let setup = Setup::new();
    let other = setup.file("ca.pem", Certificate::new("another").pem);
    let stranger = to(setup.variable("SSL_CERT_FILE", other.to_str().unwrap()));
    let before = upstream.requests().len();
    stranger.send(&plain("/r", "over tls")).expect_error(502);
    let line = stranger.reason("upstream_unreachable");
    assert!(line["why"].to_string().contains("certificate"), "{line}");
    assert_eq!(upstream.requests().len(), before);
}

#[test]
fn an_https_upstream_that_speaks_only_http_2_is_used() {
    let certificate = Certificate::new("upstream");
    http2::run(async {
        let upstream = http2::Upstream::start(&certificate).await;
        let setup = Setup::new();
        let trusted = setup.file("ca.pem", &certificate.pem);
        let gateway = setup
            .variable("SSL_CERT_FILE", trusted.to_str().unwrap())
            .route(route(
                "r",
                "/r",
                "webhook-signature",
                &upstream.url,
                &["timeout: 5s", "body: 8MiB", "dedupe: off"],
            ))
            .start();
        let large = vec![b'x'; 3 * 1024 * 1024];
        for body in [b"small".to_vec(), Vec::new(), large] {
            let request =
                plain("/r?q=1", body.clone()).header("Connection", "keep-alive").header("X-Kept", "1");
            let answer = gateway.send(&request);
            assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{answer:?}");
            let got = upstream.requests().pop().unwrap();
            assert!(got.body == body);
            assert_eq!(got.path, "/r?q=1");
            assert_eq!(got.headers["content-length"], body.len().to_string());
            assert_eq!(got.headers["x-kept"], "1");
            assert_eq!(got.headers["sealpost-route"], "r");
            assert!(!got.headers.contains_key("connection"));
        }
    });
}

#[test]
fn many_slow_exchanges_do_not_hold_up_a_quick_one() {
    let upstream = Upstream::start();
    let gateway =
        Setup::new().route(route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off"])).start();
    let gate = Gate::new();
    for _ in 0..50 {
        upstream.next(gated(&gate, 200, "slow"));
    }
    thread::scope(|scope| {
        let slow: Vec<_> = (0..50).map(|_| scope.spawn(|| gateway.send(&plain("/r", "slow")))).collect();
        upstream.begun(50);
        assert_eq!(gateway.send(&plain("/r", "quick")).text(), "ok");
        gate.open();
        assert!(slow.into_iter().all(|one| one.join().unwrap().text() == "slow"));
    });
}
