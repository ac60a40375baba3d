//! HTTP/2 from the sender: the same rules, over cleartext with prior knowledge (`h2c: true`).

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request, Version};

use crate::support::arena::Arena;
use crate::support::client::Request as Delivery;
use crate::support::http2::{Answer, Client, read, run, send};
use crate::support::sender::{event, now, plain, timed};
use crate::support::upstream::gated;
use crate::support::{Gate, eventually};

fn arena() -> Arena {
    Arena::with(|setup| setup.listen("{ address: \"127.0.0.1:0\", h2c: true }"))
}

/// The same delivery as HTTP/2 has it.
fn converted(delivery: &Delivery) -> Request<()> {
    let mut request = Request::builder()
        .method(delivery.method.as_str())
        .uri(format!("http://hooks.example.com{}", delivery.target))
        .version(Version::HTTP_2);
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    request.body(()).unwrap()
}

async fn exchange(client: &mut Client, delivery: &Delivery) -> Answer {
    client.exchange(converted(delivery), &delivery.body).await.unwrap()
}

#[test]
fn bodies_arrive_byte_for_byte_with_an_exact_length() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        for size in [0, 1, 65_535, 65_536, 65_537, 3 * 1024 * 1024] {
            let body: Vec<u8> = (0..size).map(|at: usize| (at % 251) as u8).collect();
            let answer = exchange(&mut client, &plain("/raw", body.clone())).await;
            assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()), "{size}");
            let got = arena.upstream.last();
            assert!(got.body == body, "{size}");
            assert_eq!(got.all("content-length"), [size.to_string()]);
            assert_eq!(got.line(), "POST /raw HTTP/1.1");
            assert_eq!(got.all("host").len(), 1);
            assert_eq!(got.all("x-forwarded-host"), ["hooks.example.com"]);
        }
    });
    let gateway = &arena.gateway;
    assert_eq!(gateway.send(&plain("/raw", "{}")).status, 200, "HTTP/1.1 is spoken at the same address");
}

#[test]
fn refusals_are_the_same_as_over_http_1() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        for (what, delivery, status) in [
            ("forged", plain("/raw", "{}").body("{ }"), 401),
            ("unsigned", plain("/raw", "{}").without("X-Webhook-Signature"), 401),
            ("signed twice", plain("/raw", "{}").header("X-Webhook-Signature", "0".repeat(64)), 401),
            ("stale", timed("/timed", "{}", now() - 3600), 401),
            ("no route", plain("/nowhere", "{}"), 404),
            ("method", plain("/raw", "{}").method("PUT"), 405),
            ("too large", plain("/small", "x".repeat(1025)), 413),
            ("dot segments", plain("/pre/../raw", "{}"), 400),
            ("an encoded slash", plain("/pre/a%2fb", "{}"), 400),
            ("an empty segment", plain("/pre//b", "{}"), 400),
        ] {
            match client.exchange(converted(&delivery), &delivery.body).await {
                Ok(answer) => assert_eq!(answer.status, status, "{what}"),
                // A peer may break a malformed stream off instead of answering it.
                Err(error) => assert!(status == 400 && error.is_reset(), "{what}: {error}"),
            }
        }
        let mut client = Client::cleartext(arena.gateway.address).await;
        assert_eq!(exchange(&mut client, &plain("/raw", "{}")).await.status, 200);
    });
    assert_eq!(arena.upstream.requests().len(), 1);
}

#[test]
fn what_the_head_can_refuse_is_refused_before_the_body() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        for (delivery, status) in [
            (plain("/nowhere", "{}"), 404),
            (plain("/raw", "{}").without("X-Webhook-Signature"), 401),
            (timed("/timed", "{}", now() - 3600), 401),
            (plain("/small", "{}").header("content-length", "1025"), 413),
        ] {
            let (answer, _unfinished) = client.begin(converted(&delivery), false).await;
            assert_eq!(read(answer).await.unwrap().status, status, "{delivery:?}");
        }
    });
    assert_eq!(arena.upstream.connections(), 0);
}

#[test]
fn trailers_are_dropped() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let (answer, mut stream) = client.begin(converted(&plain("/raw", "{}")), false).await;
        stream.send_data(Bytes::from_static(b"{}"), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-trailer", "1".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
        assert_eq!(read(answer).await.unwrap().status, 200);
    });
    assert_eq!(arena.upstream.last().header("x-trailer"), None);
    assert_eq!(arena.upstream.last().text(), "{}");
}

#[test]
fn a_length_that_is_not_the_bodys_is_refused() {
    let arena = arena();
    run(async {
        for (length, body) in [("3", "{}"), ("1", "{}"), ("0", "{}")] {
            let mut client = Client::cleartext(arena.gateway.address).await;
            let delivery = plain("/raw", body).header("content-length", length);
            match client.exchange(converted(&delivery), &delivery.body).await {
                Ok(answer) => assert!(matches!(answer.status, 400 | 401), "{length}: {answer:?}"),
                Err(error) => assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR), "{length}"),
            }
        }
    });
    assert_eq!(arena.upstream.connections(), 0);
    arena.only_good_requests_arrived("wrong lengths");
}

#[test]
fn a_repeated_length_is_refused_here_too() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let delivery = plain("/raw", "{}").header("content-length", "2").header("content-length", "2");
        match client.exchange(converted(&delivery), &delivery.body).await {
            Ok(answer) => assert_eq!(answer.status, 400),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
    });
    assert_eq!(arena.upstream.connections(), 0);
}

#[test]
fn a_body_that_is_broken_off_is_not_forwarded() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let (_answer, mut stream) = client.begin(converted(&plain("/raw", "{}")), false).await;
        stream.send_data(Bytes::from_static(b"{}"), false).unwrap();
        stream.send_reset(Reason::CANCEL);
        assert_eq!(exchange(&mut client, &plain("/raw", "next")).await.status, 200);
    });
    let bodies: Vec<String> = arena.upstream.requests().iter().map(|r| r.text()).collect();
    assert_eq!(bodies, ["next"]);
}

#[test]
fn the_exchange_goes_on_when_the_sender_resets_the_stream() {
    let arena = arena();
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "done without you"));
    let delivery = plain("/hook", event("evt-1"));
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let (answer, mut stream) = client.begin(converted(&delivery), false).await;
        send(&mut stream, &delivery.body).await.unwrap();
        arena.upstream.begun(1);
        stream.send_reset(Reason::CANCEL);
        drop(answer);
        gate.open();
        let again = exchange(&mut client, &delivery).await;
        assert_eq!(again.body, b"done without you");
        assert_eq!(again.headers["sealpost-result"], "duplicate");
    });
    assert_eq!(arena.upstream.requests().len(), 1);
}

#[test]
fn a_slow_stream_does_not_hold_up_the_others() {
    let arena = arena();
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "slow"));
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let slow_delivery = plain("/raw", "slow");
        let (slow, mut stream) = client.begin(converted(&slow_delivery), false).await;
        send(&mut stream, &slow_delivery.body).await.unwrap();
        arena.upstream.begun(1);
        for _ in 0..10 {
            assert_eq!(exchange(&mut client, &plain("/raw", "quick")).await.body, b"ok");
        }
        gate.open();
        assert_eq!(read(slow).await.unwrap().body, b"slow");
    });
}

#[test]
fn nobody_outside_can_set_our_headers_here_either() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let delivery = plain("/raw", "{}")
            .header("sealpost-route", "other")
            .header("x-kept", "1")
            .header("te", "trailers");
        assert_eq!(exchange(&mut client, &delivery).await.status, 200);
    });
    let got = arena.upstream.last();
    assert_eq!(got.all("sealpost-route"), ["raw"]);
    assert_eq!(got.all("x-kept"), ["1"]);
    assert_eq!(got.header("te"), None);
    assert!(got.headers.iter().all(|(name, _)| !name.starts_with(':')));
}

#[test]
fn connect_is_refused() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let request = Request::builder().method("CONNECT").uri("upstream.example:80").body(()).unwrap();
        let (answer, _stream) = client.begin(request, false).await;
        match read(answer).await {
            Ok(answer) => assert!(matches!(answer.status, 400 | 404 | 405 | 501), "{answer:?}"),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
    });
    assert_eq!(arena.upstream.connections(), 0);
}

#[test]
fn an_authority_and_a_host_that_differ_are_refused() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let delivery = plain("/raw", "{}").header("host", "other.example.com");
        match client.exchange(converted(&delivery), &delivery.body).await {
            Ok(answer) => assert_eq!(answer.status, 400),
            Err(error) => assert!(error.is_reset(), "{error}"),
        }
    });
    assert_eq!(arena.upstream.connections(), 0);
}

#[test]
fn streams_that_are_opened_and_reset_at_once_harm_nobody() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        for _ in 0..2000 {
            let Ok((answer, mut stream)) = client.try_begin(converted(&plain("/raw", "{}"))).await else {
                break;
            };
            stream.send_reset(Reason::CANCEL);
            drop(answer);
        }
        let mut client = Client::cleartext(arena.gateway.address).await;
        assert_eq!(exchange(&mut client, &plain("/raw", "{}")).await.status, 200);
    });
    assert_eq!(arena.upstream.requests().len(), 1);
    eventually("they are all over", || {
        (arena.gateway.metric("sealpost_requests_in_flight", &[]) == 0.0).then_some(())
    });
}
