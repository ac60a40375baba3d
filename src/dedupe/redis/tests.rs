//! The contract with a real server, once by a clock that the tests set and once by the server's own; the model; and
//! what only a server can do to its clients.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::TestRunner;

use super::*;
use crate::dedupe::contract::{Rig, START, answer, contract_tests, key};
use crate::dedupe::model::{self, Bounds, Subject, steps};

#[path = "../../../tests/it/support/redis.rs"]
mod support;

use support::RedisServer;

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(24 * 3600);

/// Stands in for the server's time: a key that the tests set.
const TEST_TIME: &str = "local now = tonumber(redis.call('GET', 'clock'))";

fn options(url: &str) -> RedisOptions {
    // A busy machine is no failure of the server's.
    RedisOptions { url: url.parse().unwrap(), prefix: "sealpost:".into(), timeout: Duration::from_secs(5) }
}

async fn connected(store: RedisStore) -> RedisStore {
    let connect = async {
        while store.check().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), connect).await.expect("it connects");
    store
}

async fn open(server: &RedisServer) -> RedisStore {
    connected(RedisStore::open(options(&server.url())).unwrap()).await
}

async fn told(server: &RedisServer) -> RedisStore {
    connected(RedisStore::with_scripts(options(&server.url()), Scripts::new(TEST_TIME)).unwrap()).await
}

fn tell(server: &RedisServer, now: UnixTime) {
    server.ask(&["SET", "clock", &now.millis().to_string()]);
}

mod by_a_clock_that_is_set {
    use super::*;

    async fn rig() -> Rig<RedisStore> {
        let server = Arc::new(RedisServer::start());
        let clock = Arc::clone(&server);
        let store = told(&server).await;
        let set = move |now| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            tell(&clock, now);
            Box::pin(std::future::ready(()))
        };
        Rig::told(store, Box::new(set)).await.with(server)
    }

    contract_tests!(rig().await);
}

mod by_the_servers_clock {
    use super::*;

    async fn rig() -> Rig<RedisStore> {
        let server = RedisServer::start();
        Rig::real(open(&server).await).with(server)
    }

    contract_tests!(rig().await);
}

const BOUNDS: Bounds = Bounds { entries: usize::MAX, answers: usize::MAX, remembers_what_it_forgot: true };

struct Shared {
    server: Arc<RedisServer>,
    store: RedisStore,
}

impl Subject for Shared {
    type Store = RedisStore;

    fn store(&self) -> &RedisStore {
        &self.store
    }

    async fn tell(&mut self, now: UnixTime) {
        tell(&self.server, now);
    }

    /// What the gateway held in flight is still in flight for the one that takes over.
    async fn crash(&mut self, _now: UnixTime) {
        self.store = told(&self.server).await;
    }
}

#[test]
fn any_history_goes_as_in_the_model() {
    // Not a static: that would never be ended.
    let server = Arc::new(RedisServer::start());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() };
    let follow = |steps| {
        server.ask(&["FLUSHALL"]);
        runtime.block_on(async {
            let store = told(&server).await;
            model::follow(Shared { server: Arc::clone(&server), store }, BOUNDS, steps).await
        })
    };
    if let Err(failure) = TestRunner::new(config).run(&steps(false), follow) {
        panic!("{failure}");
    }
}

async fn claimed(store: &RedisStore, key: &EventKey) -> Lease {
    match store.claim(key, START, LEASE).await {
        Ok(Claim::New(lease)) => lease,
        other => panic!("expected a new claim, got {other:?}"),
    }
}

#[tokio::test]
async fn two_gateways_share_what_is_in_flight_and_what_was_accepted() {
    let server = RedisServer::start();
    let (one, other) = (open(&server).await, open(&server).await);
    let key = key("shared");
    let lease = claimed(&one, &key).await;
    assert_eq!(other.claim(&key, START, LEASE).await, Ok(Claim::InFlight));
    let waits = tokio::spawn(async move {
        assert_eq!(other.settled(&key, START).await, Ok(Wait::Changed));
        other.claim(&key, START, LEASE).await
    });
    assert_eq!(one.commit(&key, lease.token, START, TTL, Some(answer("first"))).await, Ok(Committed::Yes));
    assert_eq!(waits.await.unwrap(), Ok(Claim::Seen { answer: Some(answer("first")), attempt: 1 }));
}

#[tokio::test]
async fn keys_carry_the_prefix_and_expire_by_themselves() {
    let server = RedisServer::start();
    let options = RedisOptions { prefix: "mine:".into(), ..options(&server.url()) };
    let store = connected(RedisStore::open(options).unwrap()).await;
    let (kept, free) = (key("kept"), key("free"));
    let lease = claimed(&store, &kept).await;
    let long = Duration::from_secs(1000);
    store.commit(&kept, lease.token, START, long, None).await.unwrap();
    let lease = claimed(&store, &free).await;
    store.release(&free, lease.token, START, long).await.unwrap();
    claimed(&store, &key("claimed")).await;
    let keys = server.ask(&["KEYS", "*"]);
    assert_eq!(keys.matches("mine:").count(), 4, "three events and the probe: {keys}");
    for name in [&kept, &free].map(|key| store.shared.name(key)) {
        let left: i64 = server.ask(&["PTTL", &name]).trim_start_matches(':').parse().unwrap();
        assert!((900_000..=1_000_000).contains(&left), "{left}");
    }
    let claim = store.shared.name(&key("claimed"));
    let left: i64 = server.ask(&["PTTL", &claim]).trim_start_matches(':').parse().unwrap();
    assert!(left > 0, "a gateway that dies leaves nothing for ever: {left}");
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_is_told_them_again() {
    let server = RedisServer::start();
    let store = open(&server).await;
    claimed(&store, &key("one")).await;
    server.ask(&["SCRIPT", "FLUSH"]);
    claimed(&store, &key("two")).await;
}

#[tokio::test]
async fn a_commit_that_the_server_has_no_claim_for_is_remembered() {
    let server = RedisServer::start();
    let store = open(&server).await;
    let key = key("lost");
    let lease = claimed(&store, &key).await;
    server.ask(&["FLUSHALL"]);
    assert_eq!(store.commit(&key, lease.token, START, TTL, Some(answer("kept"))).await, Ok(Committed::Yes));
    let seen = Claim::Seen { answer: Some(answer("kept")), attempt: 1 };
    assert_eq!(store.claim(&key, START, LEASE).await, Ok(seen));
}

#[tokio::test]
async fn a_key_of_somebody_else_is_an_error_and_is_left_alone() {
    let server = RedisServer::start();
    let store = open(&server).await;
    let name = store.shared.name(&key("theirs"));
    server.ask(&["LPUSH", &name, "x"]);
    let claim = store.claim(&key("theirs"), START, LEASE).await;
    assert!(matches!(&claim, Err(StoreError::Unavailable(why)) if why.contains("WRONGTYPE")), "{claim:?}");
    assert_eq!(server.ask(&["LLEN", &name]), ":1");
    assert_eq!(store.check(), Ok(()), "the others are served");
    claimed(&store, &key("ours")).await;
}

/// Long enough to tell a question that waits from one that does not, on any machine.
const IMPATIENT: Duration = Duration::from_millis(400);

async fn impatient(server: &RedisServer) -> RedisStore {
    let options = RedisOptions { timeout: IMPATIENT, ..options(&server.url()) };
    connected(RedisStore::open(options).unwrap()).await
}

#[tokio::test]
async fn a_server_that_hangs_costs_one_time_limit_and_then_nothing() {
    let server = RedisServer::start();
    let store = Arc::new(impatient(&server).await);
    server.pause();
    let waits: Vec<_> = (0..10)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.claim(&key(&n.to_string()), START, LEASE).await })
        })
        .collect();
    for claim in waits {
        assert!(matches!(claim.await.unwrap(), Err(StoreError::Unavailable(_))));
    }
    let began = tokio::time::Instant::now();
    for n in 0..100 {
        let claim = store.claim(&key(&n.to_string()), START, LEASE).await;
        assert!(matches!(claim, Err(StoreError::Unavailable(_))), "{claim:?}");
    }
    assert!(began.elapsed() < IMPATIENT / 2, "a hundred questions that nobody asks: {:?}", began.elapsed());
    assert!(store.check().is_err());
    server.resume();
    while store.check().is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    claimed(&store, &key("after")).await;
}

#[tokio::test]
async fn a_claim_that_came_too_late_blocks_nobody() {
    let server = RedisServer::start();
    let store = impatient(&server).await;
    let key = key("too late");
    // The server knows the script, so that one message is all it takes.
    claimed(&store, &self::key("another")).await;
    server.pause();
    // The server will read it when it goes on, and nobody will know of the claim.
    assert!(store.claim(&key, START, LEASE).await.is_err());
    server.resume();
    let taken_back = async {
        loop {
            match store.claim(&key, START, LEASE).await {
                Ok(Claim::New(lease)) => return lease,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let lease =
        tokio::time::timeout(LEASE / 2, taken_back).await.expect("it is free long before its lease is over");
    store.release(&key, lease.token, START, TTL).await.unwrap();
}

#[tokio::test]
async fn a_copy_of_what_is_held_here_waits_though_the_server_is_away() {
    let mut server = RedisServer::start();
    let store = open(&server).await;
    let (key, other) = (key("held"), key("other"));
    let lease = claimed(&store, &key).await;
    server.kill();
    while store.claim(&other, START, LEASE).await.is_ok() {}
    assert_eq!(store.claim(&key, START, LEASE).await, Ok(Claim::InFlight));
    let mut waits = std::pin::pin!(store.settled(&key, START));
    let soon = Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, waits.as_mut()).await.is_err(), "it waits");
    assert!(store.commit(&key, lease.token, START, TTL, None).await.is_err());
    assert!(tokio::time::timeout(soon, waits.as_mut()).await.is_err(), "until it is remembered elsewhere");
    store.let_go(&key);
    assert_eq!(waits.await, Ok(Wait::Changed));
    assert!(store.claim(&key, START, LEASE).await.is_err(), "nor is it held for ever");
}

#[tokio::test]
async fn few_permissions_are_enough() {
    let server = RedisServer::start();
    let rules = ["ACL", "SETUSER", "gate", "on", ">hunter2", "~sealpost:*"];
    let commands = ["+get", "+set", "+time", "+eval", "+evalsha"];
    assert_eq!(server.ask(&[&rules[..], &commands[..]].concat()), "+OK");
    let url = format!("redis://gate:hunter2@127.0.0.1:{}", server.port());
    let store = connected(RedisStore::open(options(&url)).unwrap()).await;
    let lease = claimed(&store, &key("one")).await;
    assert_eq!(store.commit(&key("one"), lease.token, START, TTL, None).await, Ok(Committed::Yes));
}

#[tokio::test]
async fn a_commit_that_could_not_be_told_is_told_later() {
    let server = RedisServer::start();
    let store = impatient(&server).await;
    let key = key("told later");
    let lease = claimed(&store, &key).await;
    server.pause();
    assert!(store.commit(&key, lease.token, START, TTL, Some(answer("kept"))).await.is_err());
    server.resume();
    let other = open(&server).await;
    let told = async {
        loop {
            match other.claim(&key, START, LEASE).await.unwrap() {
                Claim::Seen { answer, .. } => return answer,
                Claim::InFlight => tokio::time::sleep(Duration::from_millis(5)).await,
                Claim::New(lease) => panic!("it was free: {lease:?}"),
            }
        }
    };
    let kept = tokio::time::timeout(LEASE / 2, told).await.expect("it is told");
    assert_eq!(kept, Some(answer("kept")));
}

#[tokio::test]
async fn a_server_that_ends_and_comes_back_is_found_again() {
    let mut server = RedisServer::start();
    let store = open(&server).await;
    claimed(&store, &key("before")).await;
    server.kill();
    let began = tokio::time::Instant::now();
    assert!(store.claim(&key("meanwhile"), START, LEASE).await.is_err());
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "the end of a connection is noticed: {:?}",
        began.elapsed()
    );
    server.restart();
    let store = connected(store).await;
    assert_eq!(claimed(&store, &key("before")).await.attempt, 1, "it was restarted empty");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_well() {
    let server = RedisServer::start();
    let store = open(&server).await;
    let somewhere = support::free_port().to_string();
    // As after a failover: the server that was the master has become a replica.
    server.ask(&["REPLICAOF", "127.0.0.1", &somewhere]);
    let refused = store.claim(&key("one"), START, LEASE).await;
    assert!(matches!(&refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    // It stays so, however often it is tried: a server that answers is not yet one that takes writes.
    let tried = async {
        while !server.ask(&["INFO", "commandstats"]).lines().any(|line| {
            let rejected = line.split_once("rejected_calls=").map(|(_, rest)| rest.split(',').next());
            line.starts_with("cmdstat_set:")
                && rejected.flatten().is_some_and(|count| count.len() > 1 || count > "2")
        }) {
            assert!(store.check().is_err());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), tried).await.expect("it is tried again and again");
    assert!(store.check().is_err());
    server.ask(&["REPLICAOF", "NO", "ONE"]);
    claimed(&connected(store).await, &key("one")).await;
}

#[tokio::test]
async fn a_wrong_password_is_said_and_the_right_one_works() {
    let server = RedisServer::start_with(&["--requirepass", "hunter2"]);
    let port = server.port();
    let right = RedisStore::open(options(&format!("redis://:hunter2@127.0.0.1:{port}"))).unwrap();
    claimed(&connected(right).await, &key("one")).await;
    let wrong = RedisStore::open(options(&format!("redis://:hunter3@127.0.0.1:{port}"))).unwrap();
    let said = async {
        loop {
            let why = wrong.check().unwrap_err().to_string();
            if !why.contains("yet") {
                return why;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let why = tokio::time::timeout(Duration::from_secs(20), said).await.unwrap();
    assert!(why.to_lowercase().contains("password") && !why.contains("hunter"), "{why}");
}

#[tokio::test]
async fn a_unix_socket_will_do() {
    let server = RedisServer::start();
    let url = format!("unix://{}", server.socket().display());
    let store = connected(RedisStore::open(options(&url)).unwrap()).await;
    claimed(&store, &key("one")).await;
}

#[test]
fn what_no_script_answers_is_no_claim() {
    for value in [
        Value::Nil,
        Value::Okay,
        Value::Int(-1),
        Value::BulkString(b"".to_vec()),
        Value::BulkString(b"a".to_vec()),
        Value::BulkString(b"a x 1 ".to_vec()),
        Value::BulkString(b"r 1 2".to_vec()),
    ] {
        assert_eq!(script::claimed(value.clone()), None, "{value:?}");
    }
    let torn = script::claimed(Value::BulkString(b"a 2 1 \x01".to_vec()));
    assert_eq!(torn, Some(script::Claimed::Seen { attempt: 2, answer: None }));
}
