//! The Redis store from outside: several gateways that are one, and what becomes of deliveries while Redis is away.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::certificate::Certificate;
use crate::support::client::Answer;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::redis::RedisServer;
use crate::support::relay::Relay;
use crate::support::sender::{event, plain};
use crate::support::upstream::{Upstream, gated, status};
use crate::support::{Gate, eventually};

/// The time limit for a question while Redis is well; generous, because a busy machine is no failure.
const PATIENT: &str = "5s";
/// The one where Redis is made to hang.
const IMPATIENT: &str = "200ms";
/// What any request may take while Redis is away: a few time limits and a slow machine, and no route's timeout.
const SOON: Duration = Duration::from_secs(3);

fn is_duplicate(answer: &Answer) -> bool {
    answer.header("sealpost-result") == Some("duplicate")
}

fn setup(url: &str, upstream: &Upstream, policy: &str, timeout: &str) -> Setup {
    let dedupe = format!("dedupe: {{ key: [\"json:/id\"], on_store_error: {policy} }}");
    Setup::new()
        .variable("REDIS_URL", url)
        .top(format!("dedupe: {{ store: redis, url: env:REDIS_URL, timeout: {timeout} }}"))
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["timeout: 10s", &dedupe]))
}

/// A gateway that is connected to its Redis.
fn connected(setup: Setup) -> Gateway {
    let gateway = setup.start();
    answers(&gateway);
    gateway
}

fn answers(gateway: &Gateway) {
    gateway.log.wait("Redis", |line| {
        line["message"].as_str().is_some_and(|message| message.contains("the Redis store answers"))
    });
}

fn start(redis: &RedisServer, upstream: &Upstream) -> Gateway {
    connected(setup(&redis.url(), upstream, "refuse", PATIENT))
}

fn send(gateway: &Gateway, id: &str) -> Answer {
    gateway.send(&plain("/r", event(id)))
}

/// Sends it and sees that it did not take long.
fn send_soon(gateway: &Gateway, id: &str) -> Answer {
    let began = Instant::now();
    let answer = send(gateway, id);
    assert!(began.elapsed() < SOON, "{:?} for {answer:?}", began.elapsed());
    answer
}

#[test]
fn two_copies_at_two_gateways_reach_the_upstream_once_and_share_its_answer() {
    let (redis, upstream) = (RedisServer::start(), Upstream::start());
    let (one, other) = (start(&redis, &upstream), start(&redis, &upstream));
    for round in 0..5 {
        let id = format!("evt-{round}");
        let gate = Gate::new();
        upstream.next(gated(&gate, 201, &format!("answer {round}")));
        let answers: Vec<Answer> = thread::scope(|scope| {
            let copies: Vec<_> =
                [&one, &other, &one, &other].map(|gateway| scope.spawn(|| send(gateway, &id))).into();
            upstream.begun(round + 1);
            // The others are inside, too, before the first is answered.
            eventually("all copies are in flight", || {
                let count = |gateway: &Gateway| gateway.metric("sealpost_requests_in_flight", &[]);
                (count(&one) + count(&other) >= 4.0).then_some(())
            });
            gate.open();
            copies.into_iter().map(|copy| copy.join().unwrap()).collect()
        });
        let expected = format!("answer {round}");
        assert!(answers.iter().all(|answer| (answer.status, answer.text()) == (201, expected.clone())));
        assert_eq!(answers.iter().filter(|answer| !is_duplicate(answer)).count(), 1, "{answers:?}");
        assert_eq!(upstream.requests().len(), round + 1);
    }
}

#[test]
fn simultaneous_copies_of_many_events_are_forwarded_once_each() {
    const EVENTS: usize = 100;
    let (redis, upstream) = (RedisServer::start(), Upstream::start());
    let (one, other) = (start(&redis, &upstream), start(&redis, &upstream));
    thread::scope(|scope| {
        for gateway in [&one, &other, &one, &other] {
            scope.spawn(move || {
                let mut client = gateway.connect();
                for number in 0..EVENTS {
                    let answer = client.exchange(&plain("/r", event(&format!("evt-{number}"))));
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            });
        }
    });
    assert_eq!(upstream.requests().len(), EVENTS);
}

#[test]
fn what_one_gateway_accepted_the_others_know_also_after_restarts() {
    let (redis, upstream) = (RedisServer::start(), Upstream::start());
    upstream.next(status(202, "the first answer"));
    let gateway = start(&redis, &upstream);
    assert!(!is_duplicate(&send(&gateway, "evt-1")));
    gateway.signal("KILL");
    drop(gateway);
    let again = send(&start(&redis, &upstream), "evt-1");
    assert_eq!((again.status, again.text().as_str()), (202, "the first answer"));
    assert!(is_duplicate(&again));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_copy_goes_next_when_the_other_gateways_attempt_failed() {
    let (redis, upstream) = (RedisServer::start(), Upstream::start());
    let (one, other) = (start(&redis, &upstream), start(&redis, &upstream));
    let gate = Gate::new();
    upstream.next(gated(&gate, 500, "broken"));
    thread::scope(|scope| {
        let first = scope.spawn(|| send(&one, "evt-1"));
        upstream.begun(1);
        let second = scope.spawn(|| send(&other, "evt-1"));
        eventually("the copy is in flight", || {
            (other.metric("sealpost_requests_in_flight", &[]) >= 1.0).then_some(())
        });
        gate.open();
        assert_eq!(first.join().unwrap().status, 500);
        let second = second.join().unwrap();
        assert!(second.status == 200 && !is_duplicate(&second), "{second:?}");
    });
    assert_eq!(upstream.last().header("sealpost-attempt"), Some("2"));
}

#[test]
fn a_killed_gateways_claim_blocks_no_retry_longer_than_its_lease() {
    let (redis, upstream) = (RedisServer::start(), Upstream::start());
    let short = |upstream: &Upstream| {
        Setup::new()
            .variable("REDIS_URL", &redis.url())
            .top("dedupe: { store: redis, url: env:REDIS_URL, timeout: 5s }")
            .route(route(
                "r",
                "/r",
                "webhook-signature",
                upstream.url(),
                &["timeout: 1s", "dedupe: { key: [\"json:/id\"] }"],
            ))
    };
    let gateway = connected(short(&upstream));
    let gate = Gate::new();
    upstream.next(gated(&gate, 200, "too late"));
    let mut client = gateway.connect();
    client.send(&plain("/r", event("evt-1")).bytes());
    upstream.begun(1);
    gateway.signal("KILL");
    drop(gateway);
    gate.open();
    let began = Instant::now();
    let gateway = connected(short(&upstream));
    let retried = eventually("the retry goes through", || {
        let answer = send(&gateway, "evt-1");
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        (answer.status == 200).then_some(answer)
    });
    assert!(!is_duplicate(&retried));
    // The route's timeout and 5 seconds, and the wait of the retry that was under way.
    assert!(began.elapsed() < Duration::from_secs(6 + 3), "{:?}", began.elapsed());
    assert_eq!(upstream.last().header("sealpost-attempt"), Some("2"), "the claim of the dead one is known");
}

/// Ways of being away, and of coming back.
type Away = (&'static str, fn(&mut RedisServer), fn(&mut RedisServer));
const AWAYS: [Away; 2] = [
    ("paused", |redis| redis.pause(), |redis| redis.resume()),
    ("ended and restarted empty", RedisServer::kill, RedisServer::restart),
];

/// A gateway whose Redis has just gone away, and which knows it.
fn away(redis: &mut RedisServer, upstream: &Upstream, policy: &str, leave: fn(&mut RedisServer)) -> Gateway {
    let gateway = connected(setup(&redis.url(), upstream, policy, IMPATIENT));
    assert_eq!(send(&gateway, "before").status, 200);
    assert_eq!(gateway.get("/readyz").status, 200);
    leave(redis);
    gateway
}

/// What holds once Redis is back, whatever happened meanwhile.
fn back(gateway: &Gateway, redis: &RedisServer) {
    answers(gateway);
    assert_eq!(gateway.get("/readyz").status, 200);
    assert!(!is_duplicate(&send(gateway, "after")));
    assert!(is_duplicate(&send(gateway, "after")));
    let keys = redis.ask(&["KEYS", "sealpost:*"]);
    assert!(
        keys.lines().filter(|line| line.starts_with("sealpost:")).count() >= 2,
        "an event and the probe: {keys}"
    );
}

#[test]
fn without_redis_new_events_are_refused_where_the_route_says_so() {
    for (how, leave, come_back) in AWAYS {
        let (mut redis, upstream) = (RedisServer::start(), Upstream::start());
        let gateway = away(&mut redis, &upstream, "refuse", leave);
        for number in 0..20 {
            send_soon(&gateway, &format!("evt-{number}")).expect_error(503).expect_come_back();
        }
        assert_eq!(upstream.requests().len(), 1, "{how}: only what came before was forwarded");
        gateway.reason("store_unavailable");
        gateway.log.wait("the failure", |line| {
            line["message"].as_str().is_some_and(|message| message.contains("the Redis store failed"))
        });
        gateway.counts("sealpost_store_errors_total", &["operation=\"claim\""], 20.0);
        assert_eq!(gateway.get("/readyz").status, 503, "{how}");
        assert_eq!(gateway.get("/healthz").status, 200, "{how}");
        come_back(&mut redis);
        back(&gateway, &redis);
        for number in 0..20 {
            let retry = send(&gateway, &format!("evt-{number}"));
            assert!(retry.status == 200 && !is_duplicate(&retry), "{how}: {retry:?}");
        }
        assert_eq!(upstream.requests().len(), 1 + 1 + 20, "{how}");
    }
}

#[test]
fn without_redis_the_gateways_own_memory_does_where_the_route_says_so() {
    for (how, leave, come_back) in AWAYS {
        let (mut redis, upstream) = (RedisServer::start(), Upstream::start());
        let gateway = away(&mut redis, &upstream, "memory", leave);
        for number in 0..20 {
            let id = format!("evt-{number}");
            let first = send_soon(&gateway, &id);
            assert!(first.status == 200 && !is_duplicate(&first), "{how}: {first:?}");
            assert!(is_duplicate(&send_soon(&gateway, &id)), "{how}");
        }
        assert_eq!(upstream.requests().len(), 1 + 20, "{how}");
        assert_eq!(gateway.get("/readyz").status, 200, "{how}: nothing is refused");
        come_back(&mut redis);
        back(&gateway, &redis);
        for number in 0..20 {
            assert!(is_duplicate(&send(&gateway, &format!("evt-{number}"))), "{how}: still known here");
        }
    }
}

#[test]
fn without_redis_everything_goes_through_where_the_route_says_so() {
    for (how, leave, come_back) in AWAYS {
        let (mut redis, upstream) = (RedisServer::start(), Upstream::start());
        let gateway = away(&mut redis, &upstream, "pass", leave);
        for _ in 0..20 {
            let passed = send_soon(&gateway, "evt-1");
            assert!(passed.status == 200 && !is_duplicate(&passed), "{how}: {passed:?}");
        }
        assert_eq!(upstream.requests().len(), 1 + 20, "{how}");
        assert_eq!(gateway.get("/readyz").status, 200, "{how}");
        come_back(&mut redis);
        back(&gateway, &redis);
    }
}

#[test]
fn a_sender_gets_the_upstreams_answer_when_redis_went_away_meanwhile() {
    for (how, leave, come_back) in AWAYS {
        let (mut redis, upstream) = (RedisServer::start(), Upstream::start());
        let gateway = connected(setup(&redis.url(), &upstream, "refuse", IMPATIENT));
        let other = connected(setup(&redis.url(), &upstream, "refuse", IMPATIENT));
        let gate = Gate::new();
        upstream.next(gated(&gate, 201, "done"));
        thread::scope(|scope| {
            let first = scope.spawn(|| send(&gateway, "evt-1"));
            upstream.begun(1);
            leave(&mut redis);
            let began = Instant::now();
            gate.open();
            let first = first.join().unwrap();
            assert_eq!((first.status, first.text().as_str()), (201, "done"), "{how}");
            assert!(began.elapsed() < SOON, "{how}: {:?}", began.elapsed());
        });
        gateway.counts("sealpost_store_errors_total", &["operation=\"commit\""], 1.0);
        let again = send_soon(&gateway, "evt-1");
        assert_eq!((again.status, again.text().as_str()), (201, "done"), "{how}: this gateway remembers it");
        come_back(&mut redis);
        // What Redis could not be told it is told now, before anything else: the other gateway knows it as well.
        if how != "paused" {
            answers(&gateway);
        }
        let there = eventually("the other gateway is served again", || {
            let answer = send(&other, "evt-1");
            (answer.status != 503).then_some(answer)
        });
        assert!(there.status == 201 && is_duplicate(&there), "{how}: {there:?}");
        assert_eq!(upstream.requests().len(), 1, "{how}");
    }
}

#[test]
fn a_copy_waits_for_the_one_in_flight_here_though_redis_went_away() {
    for policy in ["refuse", "memory", "pass"] {
        let (mut redis, upstream) = (RedisServer::start(), Upstream::start());
        let gateway = connected(setup(&redis.url(), &upstream, policy, IMPATIENT));
        let gate = Gate::new();
        upstream.next(gated(&gate, 201, "the first answer"));
        thread::scope(|scope| {
            let first = scope.spawn(|| send(&gateway, "evt-1"));
            upstream.begun(1);
            let before = scope.spawn(|| send(&gateway, "evt-1"));
            redis.kill();
            gateway.log.wait("the failure", |line| {
                line["message"].as_str().is_some_and(|message| message.contains("the Redis store failed"))
            });
            let after = scope.spawn(|| send(&gateway, "evt-1"));
            eventually("all three are in flight", || {
                (gateway.metric("sealpost_requests_in_flight", &[]) >= 3.0).then_some(())
            });
            gate.open();
            for answer in [first, before, after].map(|copy| copy.join().unwrap()) {
                assert_eq!((answer.status, answer.text().as_str()), (201, "the first answer"), "{policy}");
            }
        });
        assert_eq!(upstream.requests().len(), 1, "{policy}");
    }
}

#[test]
fn a_slow_redis_costs_time_and_beyond_its_limit_it_is_away() {
    let (redis, upstream) = (RedisServer::start(), Upstream::start());
    let relay = Relay::to(redis.port());
    let url = format!("redis://127.0.0.1:{}", relay.port());
    let gateway = connected(setup(&url, &upstream, "refuse", "1s"));
    // Below the limit everything goes its way.
    relay.hold_back(Duration::from_millis(200));
    let began = Instant::now();
    let first = send(&gateway, "evt-1");
    assert!(first.status == 200 && !is_duplicate(&first), "{first:?}");
    assert!(began.elapsed() >= Duration::from_millis(400), "a claim and a commit: {:?}", began.elapsed());
    assert!(relay.held_back() >= 2);
    assert!(is_duplicate(&send(&gateway, "evt-1")));
    assert_eq!(gateway.get("/readyz").status, 200);
    // Beyond it the server makes the claims and nobody hears of them.
    relay.hold_back(Duration::from_secs(3));
    for number in 2..5 {
        send_soon(&gateway, &format!("evt-{number}")).expect_error(503).expect_come_back();
    }
    assert_eq!(gateway.get("/readyz").status, 503);
    let began = Instant::now();
    send_soon(&gateway, "evt-5").expect_come_back();
    assert!(began.elapsed() < Duration::from_secs(1), "nobody waits for it any more: {:?}", began.elapsed());
    relay.hold_back(Duration::ZERO);
    back(&gateway, &redis);
    // Those claims were given back: no retry waits for the end of a lease.
    for number in 1..5 {
        let retry = send_soon(&gateway, &format!("evt-{number}"));
        assert_eq!((retry.status, is_duplicate(&retry)), (200, number == 1), "{retry:?}");
    }
    assert_eq!(upstream.requests().len(), 1 + 3 + 1);
}

#[test]
fn a_gateway_starts_without_redis_and_finds_it() {
    let (mut redis, upstream) = (RedisServer::start(), Upstream::start());
    redis.kill();
    let gateway = setup(&redis.url(), &upstream, "refuse", IMPATIENT).start();
    assert_eq!(gateway.get("/readyz").status, 503);
    send_soon(&gateway, "evt-1").expect_come_back();
    redis.restart();
    back(&gateway, &redis);
}

#[test]
fn redis_over_tls_is_verified() {
    let (certificate, stranger) = (Certificate::new("redis"), Certificate::new("stranger"));
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (pem, key) = (file("cert.pem", &certificate.pem), file("key.pem", &certificate.key_pem));
    let stranger = file("stranger.pem", &stranger.pem);
    let redis = RedisServer::start_with(&[
        "--tls-port",
        "--tls-cert-file",
        &pem,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &pem,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{}", redis.port());
    let gateway = connected(setup(&url, &upstream, "refuse", PATIENT).variable("SSL_CERT_FILE", &pem));
    assert!(!is_duplicate(&send(&gateway, "evt-1")));
    assert!(is_duplicate(&send(&gateway, "evt-1")));
    let distrusts = setup(&url, &upstream, "refuse", PATIENT).variable("SSL_CERT_FILE", &stranger).start();
    let why = distrusts.log.wait("the certificate", |line| {
        line["message"].as_str().is_some_and(|message| message.contains("the Redis store failed"))
            || line["message"].as_str().is_some_and(|message| message.contains("cannot connect"))
    });
    assert!(why.to_string().to_lowercase().contains("certificate"), "{why}");
    assert_eq!(send(&distrusts, "evt-2").status, 503);
}

#[test]
fn a_cluster_is_one_store() {
    let options = &["--cluster-enabled", "yes", "--cluster-node-timeout", "5000"][..];
    let nodes: Vec<RedisServer> = (0..3).map(|_| RedisServer::start_with(options)).collect();
    for (node, slots) in nodes.iter().zip([["0", "5460"], ["5461", "10922"], ["10923", "16383"]]) {
        assert_eq!(node.ask(&["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]]), "+OK");
        for other in &nodes {
            node.ask(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string()]);
        }
    }
    for node in &nodes {
        eventually("the cluster has formed", || {
            node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(())
        });
    }
    let upstream = Upstream::start();
    let url = format!("redis-cluster://127.0.0.1:{},127.0.0.1:{}", nodes[0].port(), nodes[1].port());
    let gateways = [(); 2].map(|()| connected(setup(&url, &upstream, "refuse", PATIENT)));
    for number in 0..30 {
        let id = format!("evt-{number}");
        assert!(!is_duplicate(&send(&gateways[number % 2], &id)));
        assert!(is_duplicate(&send(&gateways[(number + 1) % 2], &id)), "{id}");
    }
    for node in &nodes {
        assert_ne!(node.ask(&["DBSIZE"]), ":0", "every node has its part");
    }
}

#[test]
fn the_master_is_where_the_sentinels_say_and_a_failover_is_followed() {
    let mut master = RedisServer::start();
    let port = master.port().to_string();
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    eventually("the replica follows", || {
        replica.ask(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
    });
    let sentinel = RedisServer::sentinel("main", master.port());
    eventually("the sentinel knows the replica", || {
        sentinel.ask(&["SENTINEL", "REPLICAS", "main"]).contains(&replica.port().to_string()).then_some(())
    });
    let upstream = Upstream::start();
    let url = format!("redis-sentinel://127.0.0.1:{}/main", sentinel.port());
    let gateway = connected(setup(&url, &upstream, "refuse", IMPATIENT));
    assert!(!is_duplicate(&send(&gateway, "evt-1")));
    assert_ne!(master.ask(&["DBSIZE"]), ":0");
    eventually("the event has reached the replica", || {
        (replica.ask(&["DBSIZE"]) == master.ask(&["DBSIZE"])).then_some(())
    });
    master.kill();
    let again = eventually("the gateway has followed", || {
        let answer = send(&gateway, "evt-1");
        (answer.status != 503).then_some(answer)
    });
    assert!(is_duplicate(&again), "{again:?}");
    assert!(!is_duplicate(&send(&gateway, "evt-2")));
    assert_eq!(upstream.requests().len(), 2);
}
