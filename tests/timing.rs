//! How long a refusal takes tells nothing about the secret: a signature that is wrong in its first byte costs what one costs
//! that is wrong in its last, and a stale delivery that is signed what a stale forgery costs.
//!
//! Measured twice. Valgrind counts instructions: the same on every machine and in every run, so one more for one of them is a
//! failure. And a sign test over pairs in random order times the same calls; it sees what instructions do not show, and is
//! what remains where there is no Valgrind. tests/it/timing.rs does it over sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]

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

/// Every input is decided so often; the first times also pay for what is set up once.
const TIMES: usize = 4;

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
        let secret = NamedSecret { name: "0".into(), secret: Secret::new(SECRET.into()) };
        let keys = provider.scheme.prepare(&[secret]).unwrap();
        Self { name, provider, keys, header: HeaderName::from_static(header), inputs: Vec::new(), may_differ }
    }

    fn with(mut self, value: impl Into<String>, body: &[u8]) -> Self {
        self.inputs.push((value.into(), body.to_vec()));
        self
    }

    fn decide(&self, input: usize) -> Result<(), Rejection> {
        let (value, body) = &self.inputs[input];
        let mut headers = HeaderMap::new();
        headers.insert(&self.header, HeaderValue::from_str(value).unwrap());
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        decide_once(&self.provider.scheme, &self.keys, &head, body)
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

/// Also what Valgrind runs: every input, so often, in order.
#[test]
fn what_is_compared_is_refused() {
    for group in groups() {
        for input in 0..group.inputs.len() {
            for _ in 0..TIMES {
                let rejection = group.decide(input).expect_err(group.name);
                let expected = matches!(
                    rejection,
                    Rejection::SignatureMismatch { .. } | Rejection::TimestampTooOld { .. }
                );
                assert!(expected, "{}: {rejection:?}", group.name);
            }
        }
    }
}

/// The instructions of each call of [`decide_once`], in order; `None` without Valgrind.
fn counted() -> Option<Vec<u64>> {
    let folder = tempfile::Builder::new().prefix("sealpost-timing-").tempdir().unwrap();
    let mut out = folder.path().as_os_str().to_owned();
    out.push("/out");
    let mut argument = std::ffi::OsString::from("--callgrind-out-file=");
    argument.push(&out);
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*decide_once*", "--dump-after=*decide_once*"])
        .arg(argument)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "what_is_compared_is_refused", "--test-threads=1"])
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => panic!("valgrind: {error}"),
    };
    assert!(output.status.success(), "valgrind: {}", String::from_utf8_lossy(&output.stderr));
    let mut counts = Vec::new();
    loop {
        let mut name = out.clone();
        name.push(format!(".{}", counts.len() + 1));
        let Ok(text) = std::fs::read_to_string(&name) else { return Some(counts) };
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
        counts.push(line.expect("a sum").trim().parse().unwrap());
    }
}

#[test]
fn a_refusal_costs_as_many_instructions_whichever_byte_is_wrong() {
    let Some(counts) = counted() else {
        eprintln!("valgrind is not installed: instructions are not counted, the sign tests stand alone");
        return;
    };
    let groups = groups();
    let expected: usize = groups.iter().map(|group| group.inputs.len() * TIMES).sum();
    assert_eq!(counts.len(), expected, "one dump for each call");
    let mut counts = counts.chunks(TIMES).map(|times| *times.iter().min().unwrap());
    let mut wrong = Vec::new();
    for group in &groups {
        let least: Vec<u64> = counts.by_ref().take(group.inputs.len()).collect();
        println!("{}: {least:?} instructions", group.name);
        assert!(least.iter().all(|count| *count > 1000), "they were counted: {least:?}");
        let apart = least.iter().max().unwrap() - least.iter().min().unwrap();
        if apart > group.may_differ {
            wrong.push(format!("{}: {least:?} instructions", group.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_refusal_takes_as_long_whichever_byte_is_wrong() {
    for group in groups() {
        for other in 1..group.inputs.len() {
            let time = |input: usize| {
                let began = Instant::now();
                let _ = black_box(group.decide(input));
                began.elapsed()
            };
            sign_test::assert_alike(group.name, 20_000, || time(0), || time(other));
        }
    }
}
