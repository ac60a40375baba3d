//! `sealpost explain`

use crate::sealpost::{Ended, Folder};

/// Signed by another program (Python's `hmac`), so that signing and verifying here cannot agree on a mistake.
const BODY: &str = r#"{"id":"evt-7e98d73e","type":"SecretUpdated","timestamp":"2026-03-18T10:30:00Z","tenantId":"t1","data":{"key":"DATABASE_URL","metadata":{}}}"#;
const HEADERS: &str = "\
POST /webhooks/bella HTTP/1.1
Content-Type: application/json
X-Bella-Signature: t=1773829800,v1=802722e55953fd3a36d8afc3cdebef7b3c9a498ab936610e10e0cdd013b9f904
";

fn explain(body: &str, headers: &str, secret: &str, now: i64, more: &str) -> Ended {
    let folder = Folder::with(&[("body", body), ("headers", headers), ("secret", secret)]);
    folder.run(&format!(
        "explain --provider bella-baxter --secret file:secret --headers headers --body body --now {now} {more}"
    ))
}

#[test]
fn a_delivery_that_verifies_says_with_which_secret() {
    let ended = explain(BODY, HEADERS, "whsec-abc123\n", 1_773_829_800, "");
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(ended.out.starts_with("verified") && ended.out.contains("`file:secret` fits"), "{}", ended.out);
}

#[test]
fn a_reserialised_body_and_a_late_look_are_told_apart() {
    let spaced = BODY.replace("\":", "\": ").replace("\",\"", "\", \"");
    let ended = explain(&spaced, HEADERS, "whsec-abc123", 1_773_829_800, "--json");
    let said = ended.json();
    assert_eq!((ended.code, &said["reason"]), (Some(1), &"signature_mismatch".into()));
    assert_eq!(said["likely"][0]["mistake"], "body_reserialised", "{said}");

    let late = explain(BODY, HEADERS, "whsec-abc123", 1_773_829_800 + 1000, "--json").json();
    assert_eq!(
        (&late["reason"], &late["likely"][0]["mistake"]),
        (&"timestamp_too_old".into(), &"stale".into())
    );
}

#[test]
fn neither_the_secret_nor_the_expected_signature_is_printed() {
    let ended = explain("{}", HEADERS, "whsec-abc124", 1_773_829_800, "");
    assert!(ended.out.contains("nothing_fits"), "{}", ended.out);
    assert!(!ended.out.contains("abc124") && !ended.out.contains("802722e5"), "{}", ended.out);
}

#[test]
fn a_configuration_gives_route_and_other_secrets() {
    let config = "\
routes:
  - name: bella
    provider: bella-baxter
    secrets: [file:wrong]
  - name: old
    provider: bella-baxter
    secrets: [{ file: right, name: retired }]
";
    let folder = Folder::with(&[
        ("gateway.yaml", config),
        ("wrong", "whsec-xyz"),
        ("right", "whsec-abc123"),
        ("body", BODY),
        ("headers", HEADERS),
    ]);
    let said = folder
        .run("explain --config gateway.yaml --route bella --headers headers --body body --now 1773829800 --json")
        .json();
    assert_eq!(said["likely"][0]["mistake"], "other_secret", "{said}");
    let advice = said["likely"][0]["advice"].as_str().unwrap();
    assert!(advice.contains("secret `retired` of route `old`"), "{advice}");
}

#[test]
fn a_secret_whose_time_was_over_is_named() {
    let config = "\
routes:
  - name: bella
    provider: bella-baxter
    secrets: [{ file: right, name: old, not_after: \"2026-03-18T10:30:00Z\" }]
";
    let folder = Folder::with(&[
        ("gateway.yaml", config),
        ("right", "whsec-abc123"),
        ("body", BODY),
        ("headers", HEADERS),
    ]);
    let explain = |now: i64| {
        let line = "explain --config gateway.yaml --route bella --headers headers --body body --json --now";
        folder.run(&format!("{line} {now}")).json()
    };
    let said = explain(1_773_829_800);
    let detail = "signed with the secret `old`, whose time ended on 2026-03-18T10:30:00Z";
    assert_eq!((&said["reason"], &said["detail"]), (&"signature_mismatch".into(), &detail.into()));
    assert_eq!(said["likely"][0]["mistake"], "secret_ended", "{said}");
    assert_eq!(explain(1_773_829_799)["verified"], true, "what arrived in its time verifies for ever");
}

#[test]
fn a_file_that_holds_no_headers_is_told_with_its_line() {
    let ended = explain(BODY, "X-A: 1\nnot a header\n", "whsec-abc123", 0, "");
    assert_eq!(
        (ended.code, &*ended.err),
        (Some(1), "sealpost: headers:2: this is not a `Name: value` line\n")
    );
}

/// A delivery of a text that the sender's handshake would have had signed for anyone.
#[test]
fn what_anyone_can_have_signed_does_not_pass_for_a_delivery() {
    let own = "listen: [{ address: \"127.0.0.1:0\" }]\nroutes: []\nproviders:\n  own:\n    signature: { header: X-Sig }\n    algorithm: hmac-sha256\n    \
               signed: \"{body}\"\n    challenges: [{ method: GET, when: { \"query:c\": { present: true } }, ask: { pattern: word, longest: 8 }, \
               answer: { content_type: text/plain, body: \"{hmac_hex:query:c}\" } }]\n";
    // printf null | openssl dgst -sha256 -hmac whsec-abc123, and the same for {}
    for (body, mac, reason) in [
        ("null", "6b368b88adefb7b7246301c062e011736447341022573565ea1318aa9864af5f", "signature_malformed"),
        ("{}", "b0fb448fd5c3c741c9d9f802dd807b21d68a6f15c3b9f32151e8d4d5ccd99aa1", "verified"),
    ] {
        let headers = format!("X-Sig: {mac}\n");
        let folder = Folder::with(&[
            ("body", body),
            ("headers", &headers),
            ("secret", "whsec-abc123"),
            ("own.yaml", own),
        ]);
        let said = folder
            .run("explain --config own.yaml --provider own --secret file:secret --headers headers --body body --json")
            .json();
        assert_eq!(said["reason"], reason, "{said}");
    }
}

#[test]
fn a_published_key_is_asked_for_where_nothing_is_fetched() {
    let config = "listen: [{ address: \"127.0.0.1:0\" }]\nroutes:\n  - { name: sns, match: { path: /sns }, provider: aws-sns, upstream: \"http://127.0.0.1:1\" }\n";
    let folder = Folder::with(&[("body", "{}"), ("headers", "X: y\n"), ("gateway.yaml", config)]);
    let ended = folder.run("explain --config gateway.yaml --route sns --headers headers --body body");
    assert!(ended.err.contains("published key"), "{}", ended.err);
}
