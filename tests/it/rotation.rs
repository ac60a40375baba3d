//! Rotating a secret: two at once, which one matched, and a time after which the old one is a stranger's.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::support::client::Request;
use crate::support::eventually;
use crate::support::gateway::{Setup, route};
use crate::support::sender::{hmac_hex, plain};
use crate::support::upstream::Upstream;

const OLD: &str = "the-secret-of-last-year";
const NEW: &str = "the-secret-of-this-year";

/// A delivery signed with this secret.
fn signed(secret: &str) -> Request {
    plain("/r", "{}").with("X-Webhook-Signature", hmac_hex(secret, b"{}"))
}

fn rotated(upstream: &Upstream, secrets: &str) -> String {
    let secrets = format!("secrets: [{secrets}]");
    route("r", "/r", "webhook-signature", upstream.url(), &["dedupe: off", &secrets])
}

#[test]
fn a_whole_rotation_under_load_refuses_nothing() {
    const SENDERS: usize = 4;
    let upstream = Upstream::start();
    let setup = Setup::new();
    setup.file("old", OLD);
    setup.file("new", NEW);
    let (old, new) = ("{ file: old, name: old }", "{ file: new, name: new }");
    let only_old = rotated(&upstream, old);
    let gateway = setup.route(only_old.clone()).start();
    let secrets = |secrets: &str| {
        let yaml = gateway.yaml.replace(&only_old, &rotated(&upstream, secrets));
        gateway.reloads(|| fs::write(&gateway.file, yaml).unwrap());
    };
    let (signing, switched, done) = (Mutex::new(OLD), AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut with_new) = (gateway.connect(), 0_u32);
                    while !done.load(Ordering::SeqCst) {
                        let secret = *signing.lock().unwrap();
                        let answer = client.exchange(&signed(secret));
                        assert_eq!(answer.status, 200, "{answer:?}");
                        if secret == NEW {
                            with_new += 1;
                            if with_new == 1 {
                                switched.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                    }
                    with_new
                })
            })
            .collect();
        // However this ends, the senders end with it.
        let _end = Done(&done);
        eventually("the old secret verifies", || {
            (gateway.metric("sealpost_secret_matched_total", &["secret=\"old\""]) > 0.0).then_some(())
        });
        secrets(&format!("{new}, {old}"));
        *signing.lock().unwrap() = NEW;
        eventually("every sender signs with the new secret", || {
            (switched.load(Ordering::SeqCst) == SENDERS).then_some(())
        });
        // Which secret each delivery came with is in the metric, and what was counted before the reload still is.
        for name in ["old", "new"] {
            let labels = ["route=\"r\"", &format!("secret=\"{name}\"")];
            assert!(gateway.metric("sealpost_secret_matched_total", &labels) > 0.0, "{name}");
            assert!(
                gateway.metric("sealpost_secret_last_matched_timestamp_seconds", &labels) > 0.0,
                "{name}"
            );
        }
        secrets(new);
        let before = upstream.requests().len();
        eventually("deliveries go on without the old secret", || {
            (upstream.requests().len() > before + 2 * SENDERS).then_some(())
        });
        done.store(true, Ordering::SeqCst);
        assert!(senders.into_iter().all(|sender| sender.join().unwrap() > 0));
    });
    assert_eq!(gateway.send(&signed(OLD)).status, 401, "its time is over");
    let refused = gateway.metric("sealpost_requests_total", &["route=\"r\""])
        - gateway.metric("sealpost_requests_total", &["route=\"r\"", "reason=\"forwarded\""]);
    assert!(refused <= 1.0, "{refused} deliveries were not forwarded");
    assert!(!gateway.get("/metrics").text().contains("secret=\"old\""), "its series end with it");
}

struct Done<'d>(&'d AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn which_secret_matched_is_in_the_header_the_log_and_the_api() {
    let upstream = Upstream::start();
    let setup = Setup::new();
    setup.file("old", OLD);
    let secrets = "\"env:TEST_SECRET\", { file: old, name: old, not_after: \"2999-01-01T00:00:00Z\" }";
    let gateway = setup.route(rotated(&upstream, secrets)).start();
    for (request, name) in [(plain("/r", "{}"), "0"), (signed(OLD), "old")] {
        assert_eq!(gateway.send(&request).status, 200);
        assert_eq!(upstream.last().header("sealpost-secret"), Some(name));
        assert_eq!(gateway.reason("forwarded")["secret"], name);
    }
    let told = &gateway.json("/api/routes")[0];
    assert_eq!(told["secrets"], json!(["0", "old"]));
    let details = &told["secret_details"];
    assert_eq!(details[0]["not_after"], json!(null));
    assert_eq!(details[1]["not_after"], json!(32_472_144_000_000_u64));
    for secret in [&details[0], &details[1]] {
        assert_eq!((&secret["matched"], &secret["in_time"]), (&json!(1), &json!(true)), "{secret}");
        assert!(secret["last_matched"].as_i64().unwrap() > 1_700_000_000_000, "{secret}");
    }
    gateway.counts("sealpost_secret_expires_timestamp_seconds", &["secret=\"old\""], 32_472_144_000.0);
    gateway.counts("sealpost_secret_expires_timestamp_seconds", &["secret=\"0\""], 0.0);
}

#[test]
fn a_secret_outside_its_time_is_a_forgers_outside_and_named_inside() {
    let upstream = Upstream::start();
    let setup = Setup::new();
    setup.file("old", OLD);
    setup.file("next", "the-secret-of-another-year");
    let secrets = "{ file: old, name: old, not_after: 2020-01-31 }, { env: TEST_SECRET, name: new }, \
                   { file: next, name: next, not_before: 2999-01-01 }";
    let gateway = setup.route(rotated(&upstream, secrets)).start();
    gateway.log.wait("the end of `old`", |line| {
        line["message"].as_str().is_some_and(|text| text.contains("`old` ended on 2020-02-01T00:00:00Z"))
    });
    let forged = gateway.send(&signed("nobody's-secret"));
    assert_eq!(forged.status, 401);
    assert!(gateway.reason("signature_mismatch")["why"].as_str().unwrap().contains("none of 1 signature"));
    let undated = |head: &str| -> Vec<String> {
        head.lines().filter(|line| !line.to_lowercase().starts_with("date:")).map(str::to_owned).collect()
    };
    for (secret, why) in [
        (OLD, "signed with the secret `old`, whose time ended on 2020-02-01T00:00:00Z"),
        (
            "the-secret-of-another-year",
            "signed with the secret `next`, whose time begins on 2999-01-01T00:00:00Z",
        ),
    ] {
        let answer = gateway.send(&signed(secret));
        assert_eq!((undated(&answer.head), &answer.body), (undated(&forged.head), &forged.body));
        assert_eq!(gateway.reason("signature_mismatch")["why"], why);
    }
    assert_eq!(upstream.requests().len(), 0);
    assert_eq!(gateway.send(&plain("/r", "{}")).status, 200, "the secret within its time verifies");
    let warnings = gateway.json("/api/config")["warnings"].to_string();
    assert!(warnings.contains("`old` ended on") && warnings.contains("`next` begins on"), "{warnings}");
}
