//! Shutdown: readiness fails first, what is in flight finishes, then exit 0; and never later than the grace allows.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::arena::Arena;
use crate::support::client::Client;
use crate::support::sender::{event, plain};
use crate::support::upstream::gated;
use crate::support::{Gate, eventually};

#[test]
fn a_request_in_flight_finishes_and_the_exit_code_is_0() {
    for signal in ["TERM", "INT"] {
        let mut arena = Arena::new();
        let gate = Gate::new();
        arena.upstream.next(gated(&gate, 200, "finished"));
        let mut client = arena.gateway.connect();
        client.send(&plain("/hook", event("evt-1")).bytes());
        arena.upstream.begun(1);
        arena.gateway.signal(signal);
        gate.open();
        assert_eq!(client.final_answer("POST").text(), "finished", "{signal}");
        drop(client);
        assert_eq!(arena.gateway.ended().code(), Some(0), "{signal}");
    }
}

#[test]
fn an_idle_gateway_ends_soon() {
    let mut arena = Arena::new();
    let mut idle = arena.gateway.connect();
    assert_eq!(idle.exchange(&plain("/raw", "{}")).status, 200);
    let never_used = TcpStream::connect(arena.gateway.address).unwrap();
    let began = Instant::now();
    arena.gateway.signal("TERM");
    assert_eq!(arena.gateway.ended().code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "idle connections hold nobody up: {:?}",
        began.elapsed()
    );
    drop(never_used);
}

#[test]
fn readiness_fails_first_while_health_does_not() {
    let arena = Arena::new();
    assert_eq!(arena.gateway.get("/readyz").status, 200);
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "finished"));
    let mut client = arena.gateway.connect();
    client.send(&plain("/hook", event("evt-1")).bytes());
    arena.upstream.begun(1);
    arena.gateway.signal("TERM");
    eventually("readiness fails", || (arena.gateway.get("/readyz").status == 503).then_some(()));
    assert_eq!(arena.gateway.get("/healthz").status, 200);
    gate.open();
    assert_eq!(client.final_answer("POST").text(), "finished");
}

#[test]
fn no_new_request_is_taken_while_draining() {
    let arena = Arena::new();
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "finished"));
    let mut kept = arena.gateway.connect();
    let mut client = arena.gateway.connect();
    client.send(&plain("/hook", event("evt-1")).bytes());
    arena.upstream.begun(1);
    // A connection that was open before, and has been accepted for sure.
    assert_eq!(kept.exchange(&plain("/nowhere", "{}")).status, 404);
    arena.gateway.signal("TERM");
    eventually("readiness fails", || (arena.gateway.get("/readyz").status == 503).then_some(()));
    // For a moment whoever balances the load may still send; then nothing new is taken on any connection.
    let late = plain("/raw", "too late");
    let mut before = 0;
    eventually("nothing new is taken", || {
        let Ok(fresh) = TcpStream::connect(arena.gateway.address) else { return Some(()) };
        let mut fresh = Client::over(Box::new(fresh));
        fresh.send(&late.bytes());
        let taken = fresh.answer_to("POST").filter(|answer| answer.status == 200);
        before += usize::from(taken.is_some());
        taken.is_none().then_some(())
    });
    kept.send(&late.bytes());
    if let Some(answer) = kept.answer_to("POST") {
        answer.expect_come_back();
        arena.gateway.reason("draining");
    }
    gate.open();
    assert_eq!(client.final_answer("POST").text(), "finished");
    assert_eq!(arena.upstream.requests().len(), 1 + before);
}

#[test]
fn a_body_on_its_way_when_the_signal_comes_is_finished() {
    let arena = Arena::new();
    let request = plain("/raw", "0123456789");
    let mut client = arena.gateway.connect();
    client.send(&[request.head(10), b"01234".to_vec()].concat());
    eventually("the request is in flight", || {
        (arena.gateway.metric("sealpost_requests_in_flight", &[]) >= 1.0).then_some(())
    });
    arena.gateway.signal("TERM");
    eventually("readiness fails", || (arena.gateway.get("/readyz").status == 503).then_some(()));
    client.send(b"56789");
    assert_eq!(client.final_answer("POST").status, 200);
}

#[test]
fn the_grace_is_the_longest_it_takes() {
    let mut arena = Arena::with(|setup| setup.argument("--grace").argument("1s"));
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "never"));
    let mut client = arena.gateway.connect();
    client.send(&plain("/hook", event("evt-1")).bytes());
    arena.upstream.begun(1);
    let began = Instant::now();
    arena.gateway.signal("TERM");
    let status = arena.gateway.ended();
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(0));
    gate.open();
}

#[test]
fn under_load_no_answered_request_is_lost() {
    let mut arena = Arena::new();
    let address = arena.gateway.address;
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            std::thread::spawn(move || {
                let mut accepted = Vec::new();
                let Ok(stream) = TcpStream::connect(address) else { return accepted };
                let mut client = Client::over(Box::new(stream));
                for number in 0.. {
                    let id = format!("{sender}-{number}");
                    client.send(&plain("/hook", event(&id)).bytes());
                    match client.answer_to("POST") {
                        Some(answer) if answer.status == 200 => accepted.push(id),
                        Some(answer) => {
                            answer.expect_come_back();
                            break;
                        }
                        None => break,
                    }
                }
                accepted
            })
        })
        .collect();
    arena.upstream.finished(100);
    arena.gateway.signal("TERM");
    let accepted: Vec<String> = senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect();
    assert_eq!(arena.gateway.ended().code(), Some(0));
    assert!(accepted.len() >= 100);
    let seen: Vec<String> = arena.upstream.requests().iter().map(|request| request.text()).collect();
    for id in accepted {
        assert_eq!(seen.iter().filter(|body| **body == event(&id)).count(), 1, "{id}");
    }
}

#[test]
fn an_address_in_use_is_one_clear_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let upstream = crate::support::upstream::Upstream::start();
    let (status, text) = crate::support::gateway::Setup::new()
        .listen(format!("{{ address: \"{address}\" }}"))
        .route(crate::support::arena::routes(upstream.url()))
        .refused();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains(&address.to_string()), "{text}");
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{text}");
}
