//! Slow senders, half-sent bodies and forgeries by the hundred: good requests are answered beside them, and all that they took
//! is given back. `scripts/limits` does the same by the thousand, with times.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::arena::Arena;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::process::{Growth, descriptors};
use crate::support::sender::{event, plain};

const SLOW: usize = 200;
const HALF_SENT: usize = 200;
const BODY: usize = 64 * 1024;
const FORGERS: usize = 4;
const FORGERIES: usize = 2000;
const GOOD: usize = 200;
const MIB: u64 = 1 << 20;

/// Far beyond what it takes; the figures are in docs/limits.md.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn good_requests_are_answered_beside_attacks_and_all_that_those_took_is_given_back() {
    let arena = Arena::with(|setup| setup.top("limits: { header_timeout: 5s, body_timeout: 5s }"));
    let gateway = &arena.gateway;
    for number in 0..GOOD {
        assert_eq!(gateway.send(&plain("/hook", event(&format!("before-{number}")))).status, 200);
    }
    let memory = Growth::of(gateway.id());
    let open = descriptors(gateway.id());
    let over = AtomicBool::new(false);
    let (forged, longest) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut slow: Vec<TcpStream> =
                (0..SLOW).map(|_| TcpStream::connect(gateway.address).unwrap()).collect();
            while !over.load(Ordering::Relaxed) {
                for stream in &mut slow {
                    // Those that were given up come back.
                    if stream.write_all(b"P").is_err() {
                        *stream = TcpStream::connect(gateway.address).unwrap();
                    }
                }
                std::thread::park_timeout(Duration::from_millis(200));
            }
        });
        scope.spawn(|| {
            let body = plain("/raw", "x".repeat(BODY));
            let half = [body.head(BODY as u64), body.body[..BODY / 2].to_vec()].concat();
            let mut held: Vec<Client> = (0..HALF_SENT).map(|_| gateway.connect()).collect();
            for client in &mut held {
                client.send(&half);
            }
            while !over.load(Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        });
        for _ in 0..FORGERS {
            scope.spawn(|| {
                let forgery = plain("/raw", "{}").body("{ }");
                let mut client = gateway.connect();
                while forged.fetch_add(1, Ordering::Relaxed) < FORGERIES {
                    assert_eq!(client.exchange(&forgery).status, 401);
                }
            });
        }
        let mut client = gateway.connect();
        let mut sent = 0;
        // At least so many, and for as long as forgeries come.
        while sent < GOOD || forged.load(Ordering::Relaxed) < FORGERIES {
            let began = Instant::now();
            let answer = client.exchange(&plain("/hook", event(&format!("good-{sent}"))));
            assert_eq!(answer.status, 200, "{answer:?}");
            let took = usize::try_from(began.elapsed().as_millis()).unwrap();
            longest.fetch_max(took, Ordering::Relaxed);
            sent += 1;
        }
        eventually("the halves are there", || {
            let held = gateway.metric("sealpost_buffered_bytes", &[]);
            let refused = gateway.metric("sealpost_requests_total", &["reason=\"body_timeout\""]);
            (held > 0.0 || refused > 0.0).then_some(())
        });
        over.store(true, Ordering::Relaxed);
    });
    let longest = Duration::from_millis(longest.into_inner().try_into().unwrap());
    assert!(longest < PATIENCE, "a good request took {longest:?}");
    let bodies = (HALF_SENT * BODY / 2) as u64;
    assert!(
        memory.most() < bodies + 64 * MIB,
        "{} MiB beside the bodies",
        memory.most().saturating_sub(bodies) / MIB
    );
    for gauge in ["sealpost_connections", "sealpost_buffered_bytes", "sealpost_requests_in_flight"] {
        eventually(gauge, || (gateway.metric(gauge, &[]) == 0.0).then_some(()));
    }
    // The metrics' own connection comes and goes.
    eventually("descriptors are given back", || (descriptors(gateway.id()) <= open + 4).then_some(()));
    eventually("memory is given back", || (memory.left() < 16 * MIB).then_some(()));
    assert_eq!(gateway.send(&plain("/hook", event("after"))).status, 200);
}
