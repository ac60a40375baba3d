//! HTTP/2 from the sender: the same rules, over cleartext with prior knowledge (`h2c: true`).

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Request, Version};

use crate::support::Gate;
use crate::support::arena::Arena;
use crate::support::client::Request as Delivery;
use crate::support::http2::{Answer, Client, read, run, send};
use crate::support::sender::{event, now, plain, timed};
use crate::support::upstream::gated;

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

/// How a stream ends after its data.
#[derive(Clone, Copy, Debug)]
enum End {
    Data,
    EmptyFrame,
    Trailers,
}

#[test]
fn however_a_stream_ends_its_whole_body_is_verified() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        for end in [End::Data, End::EmptyFrame, End::Trailers] {
            for (signed, sent, told) in [
                (r#"{"a":1}"#, r#"{"a":1}"#, true),
                (r#"{"a":1}"#, r#"{"a":1}"#, false),
                // The signature of an empty body is the easiest to come by.
                ("", r#"{"never":"signed"}"#, true),
                ("", r#"{"never":"signed"}"#, false),
            ] {
                let mut delivery = plain("/raw", signed);
                if told {
                    delivery = delivery.header("content-length", sent.len().to_string());
                }
                let (answer, mut stream) = client.begin(converted(&delivery), false).await;
                let body = Bytes::from_static(sent.as_bytes());
                stream.send_data(body, matches!(end, End::Data)).unwrap();
                match end {
                    End::Data => {}
                    End::EmptyFrame => stream.send_data(Bytes::new(), true).unwrap(),
                    End::Trailers => stream.send_trailers(HeaderMap::new()).unwrap(),
                }
                let status = read(answer).await.unwrap().status;
                assert_eq!(status, if signed == sent { 200 } else { 401 }, "{end:?} {sent} {told}");
                if status == 200 {
                    assert_eq!(arena.upstream.last().text(), sent);
                }
            }
        }
    });
    assert_eq!(arena.upstream.requests().len(), 6);
}

#[test]
fn a_head_has_at_most_as_many_lines_as_over_http_1() {
    let arena = arena();
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        for (lines, status) in [(200, 200), (300, 400)] {
            let delivery =
                (0..lines).fold(plain("/raw", "{}"), |delivery, at| delivery.header(&format!("x-{at}"), "1"));
            assert_eq!(exchange(&mut client, &delivery).await.status, status, "{lines}");
            assert_eq!(arena.gateway.send(&delivery).status, status, "{lines} over HTTP/1");
        }
    });
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
            ("a raw byte beyond ASCII in the query", plain("/raw?name=é", "{}"), 400),
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
