//! The fault suite: many events, one fault after the other, and a count of everything.
//!
//! Senders, gateways (the built binary), stores and upstream are real processes and real sockets. Every event must reach the
//! upstream and be accepted at least once, its sender must be told so, and it may be accepted again only where the README says so.
//! `scripts/faults` runs it with 100,000 events; as part of all tests it runs with a few thousand. See docs/faults.md.
//!
//! A binary of its own, apart from `tests/it`: its parts load the machine for a minute and want it for themselves
//! (`.config/nextest.toml`), and the long run is one command with this binary and nothing else.
#![cfg(all(feature = "gateway", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "deadlines need the clock, and a variable says how long to run"
)]
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../it/support/mod.rs"]
#[allow(dead_code, reason = "the harness of tests/it, of which this suite needs a part")]
mod support;

mod acts;
mod dice;
mod ledger;
mod report;
mod scene;
mod sender;
mod upstream;
mod verdict;

use acts::*;
use scene::{Plan, run};
use verdict::Kind;

/// How many events, and by which seed: `SEALPOST_FAULTS=EVENTS,SEED`.
fn asked_for() -> (usize, u64) {
    let Ok(asked) = std::env::var("SEALPOST_FAULTS") else { return (3000, 1) };
    let parsed =
        asked.split_once(',').and_then(|(events, seed)| Some((events.parse().ok()?, seed.parse().ok()?)));
    parsed.unwrap_or_else(|| panic!("SEALPOST_FAULTS is EVENTS,SEED, two numbers, and not {asked:?}"))
}

/// Nothing breaks but that the gateway is reloaded and restarted in order: no request fails that it took in.
#[test]
fn calm_reloads_and_orderly_restarts() {
    run(&Plan {
        name: "calm",
        kind: Kind::Disk,
        gateways: 1,
        calm: true,
        acts: vec![HUP, FILE, TERM],
        share: 0.15,
    });
}

#[test]
fn clock_jumps() {
    run(&Plan {
        name: "clock",
        kind: Kind::Disk,
        gateways: 1,
        calm: false,
        acts: vec![AHEAD, BACK, AHEAD, BACK, KILL],
        share: 0.15,
    });
}

#[test]
fn disk_store() {
    run(&Plan {
        name: "disk",
        kind: Kind::Disk,
        gateways: 1,
        calm: false,
        acts: vec![KILL, KILL, TERM, HUP, FILE, REFUSE, DISK_LIMIT, DISK_FULL, DISK_READ_ONLY],
        share: 0.25,
    });
}

#[test]
fn memory_store() {
    run(&Plan {
        name: "memory",
        kind: Kind::Memory,
        gateways: 1,
        calm: false,
        acts: vec![KILL, TERM, HUP, FILE, REFUSE],
        share: 0.2,
    });
}

#[test]
fn redis_store_two_gateways() {
    run(&Plan {
        name: "redis, two gateways",
        kind: Kind::Redis,
        gateways: 2,
        calm: false,
        acts: vec![
            KILL,
            KILL,
            TERM,
            HUP,
            FILE,
            REFUSE,
            REDIS_KILLED,
            REDIS_STOPPED,
            REDIS_PAUSED,
            REDIS_SLOW,
        ],
        share: 0.25,
    });
}
