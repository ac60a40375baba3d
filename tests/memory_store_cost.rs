//! What a remembered event costs, as the operating system counts it: table, slots, allocator and all.
//! A test binary of its own, so that nothing else moves the process's memory meanwhile.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(all(feature = "gateway", target_os = "linux"))]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use sealpost::dedupe::{Answer, Claim, EventKey, MemoryLimits, MemoryStore, Store};
use sealpost::time::UnixTime;

const MILLION: u64 = 1_000_000;
const NOW: UnixTime = UnixTime::from_millis(1_767_225_600_000);
const DAY: Duration = Duration::from_secs(24 * 3600);
const BODY: &[u8] = br#"{"received":true,"order":4711}"#;

#[test]
fn an_event_costs_at_most_128_bytes_beyond_its_answers_body() {
    let (bare, _kept) = filled(None);
    println!("without an answer: {bare:.1} bytes an event");
    let answer = Answer {
        status: 200,
        content_type: Some(HeaderValue::from_static("application/json; charset=utf-8")),
        body: Bytes::from_static(BODY),
    };
    let (answered, _kept_too) = filled(Some(&answer));
    let answered = answered - BODY.len() as f64;
    println!("beyond an answer's body: {answered:.1} bytes an event");
    assert!(bare <= 128.0, "{bare} bytes an event");
    assert!(answered <= 128.0, "{answered} bytes an event");
}

/// Bytes of process memory per event with a million in the store, and the store, whose memory must not be
/// counted as free the next time; also sees to it that the million-and-first does not copy the others.
fn filled(answer: Option<&Answer>) -> (f64, MemoryStore) {
    let before = kib("VmRSS:");
    let store = MemoryStore::new(MemoryLimits { entries: 2_000_000, answers_bytes: 1 << 30 });
    for n in 0..MILLION {
        remember(&store, n, answer);
    }
    assert_eq!((store.entries(), store.evictions()), (MILLION, 0));
    let full = kib("VmRSS:") - before;
    for n in MILLION..MILLION + 1000 {
        remember(&store, n, answer);
    }
    let grown = kib("VmRSS:") - before - full;
    assert!(grown < 2048, "a thousand events more took {grown} KiB");
    (full as f64 * 1024.0 / MILLION as f64, store)
}

fn remember(store: &MemoryStore, n: u64, answer: Option<&Answer>) {
    let key = digest_like(n);
    let Claim::New(lease) = at_once(store.claim(&key, NOW, DAY)).unwrap() else { panic!("{n} was there") };
    at_once(store.commit(&key, lease.token, NOW, DAY, answer.cloned())).unwrap();
}

/// A key as evenly spread as a SHA-256, without the time to compute one in a debug build.
fn digest_like(n: u64) -> EventKey {
    let mut key = [0; 32];
    for (part, bytes) in key.chunks_exact_mut(8).enumerate() {
        let mixed = (n * 4 + part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        bytes.copy_from_slice(&(mixed ^ (mixed >> 29)).to_le_bytes());
    }
    EventKey(key)
}

fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory store does not wait"),
    }
}

/// A line of `/proc/self/status`, in KiB.
fn kib(name: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
