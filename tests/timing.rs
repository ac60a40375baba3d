//! How long a refusal takes tells nothing about the secret: a signature that is wrong in its first byte costs what one costs
//! that is wrong in its last, and a stale delivery that is signed what a stale forgery costs.
//!
//! Measured twice. Valgrind counts instructions, which no other program on the machine changes. And a sign test over pairs in
//! random order times the same calls; it sees what instructions do not show, and is what remains where there is no Valgrind.
//! tests/it/timing.rs does it over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

use std::cell::RefCell;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sealpost::catalog::{self, Provider};
use sealpost::secret::{NamedSecret, Secret};
use sealpost::time::{Tolerance, UnixTime};
use sealpost::verify::{Head, Keys, Rejection, Scheme, verify};

#[path = "it/support/sign_test.rs"]
mod sign_test;

const SECRET: &str = "correct-horse-battery-staple";
const NOW: i64 = 1_800_000_000;

/// Every input is decided so often.
const TIMES: usize = 4;

/// How many instructions of a call depend on where its bytes lie: in the allocator, and in copies. A comparison that goes byte by
/// byte and stops early is further apart than that.
const NOISE: u64 = 32;

/// Deliveries that must cost the same, and how many instructions they may differ by.
struct Group {
    name: &'static str,
    provider: Arc<Provider>,
    keys: Keys,
    header: HeaderName,
    inputs: Vec<(String, Vec<u8>)>,
    may_differ: u64,
}

impl Group {
    fn new(name: &'static str, provider: &str, header: &'static str, may_differ: u64) -> Self {
        let provider = catalog::find(provider).unwrap();
        let secret = NamedSecret::new("0", Secret::new(SECRET.into()));
        let keys = provider.scheme.prepare(&[secret]).unwrap();
        Self { name, provider, keys, header: HeaderName::from_static(header), inputs: Vec::new(), may_differ }
    }

    fn with(mut self, value: impl Into<String>, body: &[u8]) -> Self {
        self.inputs.push((value.into(), body.to_vec()));
        self
    }

    fn headers(&self, input: usize) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(&self.header, HeaderValue::from_str(&self.inputs[input].0).unwrap());
        headers
    }

    fn is_refused(&self, input: usize) {
        let headers = self.headers(input);
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        let decided = decide_once(&self.provider.scheme, &self.keys, &head, &self.inputs[input].1);
        let rejection = decided.expect_err(self.name);
        let expected =
            matches!(rejection, Rejection::SignatureMismatch { .. } | Rejection::TimestampTooOld { .. });
        assert!(expected, "{}: {rejection:?}", self.name);
    }

    /// How long a decision takes. The bytes lie in the same place whichever input it is.
    fn time(&self, input: usize, body: &mut Vec<u8>) -> Duration {
        let headers = self.headers(input);
        body.clear();
        body.extend(&self.inputs[input].1);
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        let began = Instant::now();
        let decided = black_box(decide_once(&self.provider.scheme, &self.keys, &head, body));
        let took = began.elapsed();
        drop(decided);
        took
    }
}

/// What is measured; Valgrind finds it by its name.
#[inline(never)]
fn decide_once(scheme: &Scheme, keys: &Keys, head: &Head<'_>, body: &[u8]) -> Result<(), Rejection> {
    let tolerance = Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(60) };
    let now = UnixTime::from_seconds(NOW).unwrap();
    match black_box(verify(scheme, keys, head, body, Some(tolerance), now)) {
        Ok(_) => Ok(()),
        Err(rejection) => Err(rejection),
    }
}

fn mac(message: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

/// The text with another character at this place. A digit becomes a digit and a letter a letter, because reading them may take
/// different ways: what was sent is no secret.
fn wrong_at(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = match bytes[at] {
        digit @ b'0'..=b'8' => digit + 1,
        b'9' => b'0',
        b'f' | b'z' => b'a',
        letter => letter + 1,
    };
    String::from_utf8(bytes).unwrap()
}

fn groups() -> Vec<Group> {
    let body = b"{\"id\":\"evt_1\",\"type\":\"test.happened\"}";
    let good = mac(body);
    let bella = |sent: i64| format!("t={sent},v1={}", mac(&[format!("{sent}.").as_bytes(), body].concat()));
    let fresh = bella(NOW - 10);
    let stale = bella(NOW - 3600);
    let linear = format!("{{\"webhookTimestamp\":{}}}", (NOW - 3600) * 1000);
    let linear_mac = mac(linear.as_bytes());
    vec![
        Group::new(
            "an HMAC, wrong in its first byte, in the middle or in its last",
            "webhook-signature",
            "x-webhook-signature",
            0,
        )
        .with(wrong_at(&good, 0), body)
        .with(wrong_at(&good, 31), body)
        .with(wrong_at(&good, 63), body),
        Group::new(
            "an HMAC over a time, wrong in its first byte or in its last",
            "bella-baxter",
            "x-bella-signature",
            0,
        )
        .with(wrong_at(&fresh, fresh.len() - 64), body)
        .with(wrong_at(&fresh, fresh.len() - 1), body),
        Group::new("a token, wrong in its first byte or in its last", "gitlab", "x-gitlab-token", 0)
            .with(wrong_at(SECRET, 0), body)
            .with(wrong_at(SECRET, SECRET.len() - 1), body),
        Group::new("a stale time in the header, signed or forged", "bella-baxter", "x-bella-signature", 0)
            .with(stale.clone(), body)
            .with(wrong_at(&stale, stale.len() - 1), body),
        // Which of two reasons is given is decided at the very end, by a branch.
        Group::new("a stale time in the body, signed or forged", "linear", "linear-signature", 100)
            .with(linear_mac.clone(), linear.as_bytes())
            .with(wrong_at(&linear_mac, 0), linear.as_bytes())
            .with(wrong_at(&linear_mac, 63), linear.as_bytes()),
    ]
}

/// Which input alone is to be decided, counted over all groups; set for the process that Valgrind runs.
const ONLY: &str = "SEALPOST_TIMING_ONLY";

#[test]
fn what_is_compared_is_refused() {
    let only: Option<usize> = std::env::var(ONLY).ok().map(|number| number.parse().unwrap());
    if let Some(wrong) = only.and_then(|only| only.checked_sub(STOPS_EARLY)) {
        assert!(!decide_once_and_stop_early(&[0; 32], &differs_at(wrong)));
    }
    let mut number = 0;
    for group in groups() {
        for input in 0..group.inputs.len() {
            if only.is_none_or(|only| only == number) {
                for _ in 0..TIMES {
                    group.is_refused(input);
                }
            }
            number += 1;
        }
    }
}

/// From here on the numbers stand for a comparison that stops at its first wrong byte, at this place.
const STOPS_EARLY: usize = 1000;

/// What must not be: it shows that both measurements would see it.
#[inline(never)]
fn decide_once_and_stop_early(one: &[u8; 32], other: &[u8; 32]) -> bool {
    for at in 0..one.len() {
        if black_box(one[at]) != black_box(other[at]) {
            return false;
        }
    }
    true
}

fn differs_at(place: usize) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[place] = 1;
    bytes
}

/// The instructions of all calls of [`decide_once`] in a process that decides this input alone; `None` without Valgrind.
fn counted(number: usize) -> Option<u64> {
    let folder = tempfile::Builder::new().prefix("sealpost-timing-").tempdir().unwrap();
    let file = folder.path().join("counts");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*decide_once*"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "what_is_compared_is_refused", "--test-threads=1"])
        .env(ONLY, number.to_string())
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("valgrind: {error}"),
    };
    assert!(output.status.success(), "valgrind: {}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(&file).unwrap();
    let sum = text.lines().find_map(|line| line.strip_prefix("summary: ")).expect("a sum");
    Some(sum.trim().parse().unwrap())
}

#[test]
fn a_refusal_costs_as_many_instructions_whichever_byte_is_wrong() {
    let (mut number, mut wrong) = (0, Vec::new());
    for group in groups() {
        let mut counts = Vec::new();
        for _ in &group.inputs {
            let Some(count) = counted(number) else {
                eprintln!(
                    "valgrind is not installed: instructions are not counted, the sign tests stand alone"
                );
                return;
            };
            counts.push(count);
            number += 1;
        }
        println!("{}: {counts:?} instructions", group.name);
        assert!(counts.iter().all(|count| *count > 1000), "{}: they were counted: {counts:?}", group.name);
        let apart = counts.iter().max().unwrap() - counts.iter().min().unwrap();
        if apart > group.may_differ.max(NOISE) * TIMES as u64 {
            wrong.push(format!("{}: {counts:?} instructions", group.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_refusal_takes_as_long_whichever_byte_is_wrong() {
    // What may differ by a branch does so in nanoseconds; its instructions are bounded above.
    for group in groups().iter().filter(|group| group.may_differ == 0) {
        for other in 1..group.inputs.len() {
            let buffer = RefCell::new(Vec::new());
            let time = |input: usize| group.time(input, &mut buffer.borrow_mut());
            sign_test::assert_alike(group.name, 20_000, || time(0), || time(other));
        }
    }
}

#[test]
fn a_comparison_that_stops_early_would_be_seen() {
    let good = [0; 32];
    let time = |wrong: usize| {
        let other = differs_at(wrong);
        let began = Instant::now();
        black_box(decide_once_and_stop_early(&good, &other));
        began.elapsed()
    };
    let (deviations, control) = sign_test::deviations(20_000, || time(31), || time(0));
    assert!(deviations > sign_test::BOUND, "{deviations:+.1}");
    assert!(control.abs() < sign_test::BOUND, "{control:+.1}");
    if let (Some(first), Some(last)) = (counted(STOPS_EARLY), counted(STOPS_EARLY + 31)) {
        assert!(last > first + NOISE, "{last} and {first} instructions");
    }
}
