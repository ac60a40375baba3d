//! Somebody sets the machine's clock, by hours and in either direction, while deliveries are on their way: what was claimed stays
//! claimed, what was accepted stays known, and only a signed send time is held against the new time.

use std::thread;

use tempfile::TempDir;

use crate::support::arena::routes;
use crate::support::client::Answer;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::redis::RedisServer;
use crate::support::sender::{event, now, plain, timed};
use crate::support::upstream::{Upstream, gated, status};
use crate::support::wall_clock::WallClock;
use crate::support::{Gate, eventually};

const HOUR: i64 = 3600;

fn is_duplicate(answer: &Answer) -> bool {
    answer.header("sealpost-result") == Some("duplicate")
}

/// A gateway that reads this clock, with the store of this section.
fn start(clock: &WallClock, upstream: &Upstream, dedupe: &str) -> Gateway {
    let dedupe_line = "dedupe: { key: [\"json:/id\"], ttl: 24h }";
    let mut setup = Setup::new()
        .top(dedupe)
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["timeout: 10s", dedupe_line]))
        .route(routes(upstream.url()));
    for (name, value) in clock.variables() {
        setup = setup.variable(name, &value);
    }
    let gateway = setup.start();
    eventually("the gateway is ready", || (gateway.get("/readyz").status == 200).then_some(()));
    gateway
}

fn send(gateway: &Gateway, id: &str) -> Answer {
    gateway.send(&plain("/r", event(id)))
}

/// Runs the same with each store. The server of the Redis store has a clock of its own, which goes on as it was.
fn with_each_store(test: impl Fn(&WallClock, &Upstream, &dyn Fn() -> Gateway)) {
    let (folder, redis) = (TempDir::new().unwrap(), RedisServer::start());
    let disk = format!("dedupe: {{ store: disk, path: \"{}\" }}", folder.path().join("store").display());
    let shared = format!("dedupe: {{ store: redis, url: \"{}\", timeout: 5s }}", redis.url());
    for dedupe in ["dedupe: { store: memory }", &disk, &shared] {
        let (clock, upstream) = (WallClock::new(), Upstream::start());
        println!("{dedupe}");
        test(&clock, &upstream, &|| start(&clock, &upstream, dedupe));
    }
}

#[test]
fn the_clock_of_the_gateway_is_the_one_that_is_set() {
    let (clock, upstream) = (WallClock::new(), Upstream::start());
    let gateway = start(&clock, &upstream, "");
    let delivery = |sent| timed("/timed", event("evt-1"), sent);
    assert_eq!(gateway.send(&delivery(now())).status, 200);
    for hours in [3, -3] {
        clock.set(hours * HOUR);
        assert_eq!(
            gateway.send(&delivery(now())).status,
            401,
            "signed {hours} hours from the gateway's time"
        );
        assert_eq!(gateway.send(&delivery(now() + hours * HOUR)).status, 200);
    }
    clock.set(0);
    assert_eq!(gateway.send(&delivery(now())).status, 200);
    assert_eq!(upstream.requests().len(), 1, "it was the same event all the time");
}

#[test]
fn what_is_counted_is_told_at_once_after_the_clock_was_set_back() {
    let (clock, upstream) = (WallClock::new(), Upstream::start());
    let gateway = start(&clock, &upstream, "");
    let counted = || {
        let stats = gateway.json("/api/stats?window=5m");
        let route = stats["routes"]
            .as_array()
            .unwrap()
            .iter()
            .find(|route| route["name"] == "r" || route["route"] == "r");
        (route.unwrap()["requests"].as_u64().unwrap(), stats["until"].as_i64().unwrap() / 1000)
    };
    for (sent, hours) in [30, -3, 0].into_iter().enumerate() {
        clock.set(hours * HOUR);
        send(&gateway, &format!("evt-{hours}"));
        eventually("it is counted", || (counted().0 == sent as u64 + 1).then_some(()));
        let by_the_gateway = now() + hours * HOUR;
        assert!((counted().1 - by_the_gateway).abs() < 600, "told in the time of day, {hours} hours");
    }
}

#[test]
fn a_claim_in_flight_stays_one() {
    with_each_store(|clock, upstream, start| {
        let gateway = start();
        for (round, hours) in [5, -5, 30, -30].into_iter().enumerate() {
            let id = format!("evt-{hours}");
            let gate = Gate::new();
            upstream.next(gated(&gate, 201, "the first answer"));
            thread::scope(|scope| {
                let first = scope.spawn(|| send(&gateway, &id));
                upstream.begun(round + 1);
                let before = scope.spawn(|| send(&gateway, &id));
                let in_flight = |count: f64| {
                    eventually("they are in flight", || {
                        (gateway.metric("sealpost_requests_in_flight", &[]) >= count).then_some(())
                    });
                };
                in_flight(2.0);
                clock.set(clock.ahead() + hours * HOUR);
                let after = scope.spawn(|| send(&gateway, &id));
                in_flight(3.0);
                gate.open();
                for answer in [first, before, after].map(|copy| copy.join().unwrap()) {
                    assert_eq!((answer.status, answer.text().as_str()), (201, "the first answer"), "{hours}");
                }
            });
            assert_eq!(upstream.requests().len(), round + 1, "the copies waited, {hours} hours");
            assert!(
                is_duplicate(&send(&gateway, &id)),
                "the first one's commit was not too late, {hours} hours"
            );
        }
    });
}

#[test]
fn what_was_accepted_stays_known_and_what_failed_is_free() {
    with_each_store(|clock, upstream, start| {
        let gateway = start();
        for hours in [0, 30, -30] {
            clock.set(hours * HOUR);
            upstream.next(status(500, "not now"));
            let id = format!("evt-{hours}");
            assert_eq!(send(&gateway, &id).status, 500);
            assert!(!is_duplicate(&send(&gateway, &id)));
            assert_eq!(upstream.last().header("sealpost-attempt"), Some("2"));
        }
        let seen = upstream.requests().len();
        // Further than any event is remembered.
        for hours in [40, -40, 0] {
            clock.set(hours * HOUR);
            for id in ["evt-0", "evt-30", "evt--30"] {
                assert!(is_duplicate(&send(&gateway, id)), "{id} at {hours} hours");
            }
        }
        assert_eq!(upstream.requests().len(), seen);
    });
}

#[test]
fn a_restart_after_the_clock_was_corrected_forgets_nothing() {
    let (clock, upstream, folder) = (WallClock::new(), Upstream::start(), TempDir::new().unwrap());
    let disk = format!("dedupe: {{ store: disk, path: \"{}\" }}", folder.path().join("store").display());
    // A machine that wakes up in the past and learns the time later: what it writes then is dated by the right time.
    clock.set(-1000 * HOUR);
    let gateway = start(&clock, &upstream, &disk);
    clock.set(0);
    assert!(!is_duplicate(&send(&gateway, "evt-1")));
    gateway.signal("KILL");
    drop(gateway);
    let gateway = start(&clock, &upstream, &disk);
    assert!(is_duplicate(&send(&gateway, "evt-1")));
    assert_eq!(upstream.requests().len(), 1);
}
