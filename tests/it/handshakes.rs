//! Handshakes through real sockets: answered here, forwarded never, and first contacts that bring a secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::client::Request;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{hmac, hmac_hex};
use crate::support::upstream::Upstream;

/// A sender that asks in every way, and signs the body alone.
const ASKER: &str = r#"providers:
  asker:
    signature: { header: X-Sig }
    algorithm: hmac-sha256
    signed: "{body}"
    challenges:
      - method: GET
        when: { "query:crc_token": { present: true } }
        ask: { pattern: token, longest: 64 }
        answer: { content_type: application/json, body: '{"response_token":"sha256={hmac_base64:query:crc_token}"}' }
      - method: GET
        when: { "query:verify": { present: true } }
        token: "query:verify"
        refusal: { status: 404 }
        answer: { status: 204 }
      - method: GET
        when: { "query:challenge_code": { present: true } }
        answer: { content_type: text/plain, body: "{sha256_hex:query:challenge_code+token+url}" }
      - method: HEAD
        answer: { status: 200 }
      - method: OPTIONS
        when: { "header:WebHook-Request-Origin": { present: true } }
        answer: { headers: { WebHook-Allowed-Origin: "{header:WebHook-Request-Origin}" } }
      - method: POST
        when: { "query:validationToken": { present: true } }
        answer: { content_type: text/plain, body: "{query:validationToken}" }
      - method: PUT
        when: { "json:/kind": ping }
        answer: { content_type: application/json, body: '{"pong":{json_text:/id}}' }
      - method: POST
        when: { "form:webhook_id": { present: true }, "header:X-Sig": { absent: true } }
        answer: { status: 200 }
      - method: POST
        when: { body: { absent: true }, "header:X-Sig": { absent: true } }
        answer: { status: 202 }
"#;

const REVEALER: &str = r#"providers:
  revealer:
    signature: { header: X-Sig }
    algorithm: hmac-sha256
    signed: "{body}"
    challenges:
      - method: POST
        when: { "json:/verification_token": { present: true }, "header:X-Sig": { absent: true } }
        reveal: "json:/verification_token"
        answer: { status: 200 }
"#;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn asker(upstream: &Upstream, more: &[&str]) -> Gateway {
    let mut lines = vec![
        "secrets: [\"env:OWN\", \"env:OLD\"]",
        "public_url: https://hooks.example.com",
        "verify_token: env:TOKEN",
    ];
    lines.extend(more);
    Setup::new()
        .top(ASKER)
        .variable("OWN", SECRET)
        .variable("OLD", "an-older-secret-of-this-route-123")
        .variable("TOKEN", "a-token-of-32-characters-or-more")
        .route(route("r", "/r", "asker", upstream.url(), &lines))
        .start()
}

#[test]
fn each_question_is_answered_and_none_reaches_the_upstream() {
    let upstream = Upstream::start();
    let gateway = asker(&upstream, &[]);
    let get = |target: &str| Request::new("GET", target);
    let mac = STANDARD.encode(hmac(SECRET.as_bytes(), b"nonce-1"));
    let digest = {
        use sha2::Digest as _;
        hex::encode(sha2::Sha256::digest("c0dea-token-of-32-characters-or-morehttps://hooks.example.com/r"))
    };
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (request, status, body) in [
        (get("/r?crc_token=nonce-1"), 200, format!("{{\"response_token\":\"sha256={mac}\"}}")),
        (get("/r?verify=a-token-of-32-characters-or-more"), 204, String::new()),
        (get("/r?challenge_code=c0de"), 200, digest),
        (
            Request::new("POST", "/r?validationToken=Validation%3A+a%20b").header("Content-Length", "0"),
            200,
            "Validation: a b".into(),
        ),
        (Request::new("PUT", "/r").body("{\"kind\":\"ping\",\"id\":\"7\"}"), 200, "{\"pong\":\"7\"}".into()),
        (Request::new("POST", "/r").header(form.0, form.1).body("webhook_id=12"), 200, String::new()),
        (Request::new("POST", "/r").header("Content-Length", "0"), 202, String::new()),
    ] {
        let answer = gateway.send(&request);
        assert_eq!((answer.status, answer.text()), (status, body), "{request:?}");
        gateway.reason("challenge");
    }
    assert_eq!(gateway.send(&Request::new("HEAD", "/r")).status, 200);
    let preflight = Request::new("OPTIONS", "/r").header("WebHook-Request-Origin", "events.example");
    assert_eq!(gateway.send(&preflight).header("webhook-allowed-origin"), Some("events.example"));
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn what_is_no_question_is_refused_as_ever() {
    let upstream = Upstream::start();
    let gateway = asker(&upstream, &[]);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    let long = format!("webhook_id={}", "1".repeat(20_000));
    for (request, status, reason) in [
        (Request::new("GET", "/r"), 405, "method_not_allowed"),
        (Request::new("GET", "/r?crc_token=two%20words"), 405, "method_not_allowed"),
        (Request::new("GET", "/r?crc_token=%7B%7D"), 405, "method_not_allowed"),
        (Request::new("GET", &format!("/r?crc_token={}", "a".repeat(65))), 405, "method_not_allowed"),
        (Request::new("GET", "/r?verify=another"), 404, "signature_mismatch"),
        (Request::new("OPTIONS", "/r"), 405, "method_not_allowed"),
        (Request::new("PUT", "/r").body("{\"kind\":\"order\"}"), 405, "method_not_allowed"),
        (Request::new("POST", "/r").body("{\"webhook_id\":1}"), 401, "signature_missing"),
        (
            Request::new("POST", "/r").header(form.0, form.1).header("X-Sig", "00").body("webhook_id=12"),
            401,
            "signature_malformed",
        ),
        (Request::new("POST", "/r").header(form.0, form.1).body(long), 401, "signature_missing"),
    ] {
        let answer = gateway.send(&request);
        assert_eq!(answer.status, status, "{request:?}: {answer:?}");
        gateway.reason(reason);
    }
    assert_eq!(upstream.connections(), 0);
    let body = "{\"id\":1}";
    let delivery = Request::new("POST", "/r").header("X-Sig", hmac_hex(SECRET, body.as_bytes())).body(body);
    assert_eq!(gateway.send(&delivery).status, 200);
    assert_eq!(upstream.last().text(), body);
}

/// Whoever asks for the MAC of `1` must not be able to deliver `1`.
#[test]
fn the_answer_to_a_question_forges_no_delivery() {
    let upstream = Upstream::start();
    let gateway = asker(&upstream, &[]);
    for text in ["1", "null", "a=b"] {
        let answer =
            gateway.send(&Request::new("GET", &format!("/r?crc_token={}", text.replace('=', "%3D"))));
        let token = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap();
        let token = token["response_token"].as_str().unwrap().strip_prefix("sha256=").unwrap();
        let mac = hex::encode(STANDARD.decode(token).unwrap());
        assert_eq!(mac, hmac_hex(SECRET, text.as_bytes()), "this is the real signature of the text");
        let forged = gateway.send(&Request::new("POST", "/r").header("X-Sig", mac).body(text));
        assert_eq!(
            (forged.status, forged.text()),
            (401, "{\"error\":\"Invalid signature\"}".into()),
            "{text}"
        );
        gateway.reason("signature_malformed");
    }
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn a_route_waits_for_its_secret_and_begins_once_it_has_it() {
    let upstream = Upstream::start();
    let with = |secrets: &str| route("r", "/r", "revealer", upstream.url(), &[secrets]);
    let setup = Setup::new()
        .top(REVEALER)
        .variable("OWN", "secret_tM-the-value-that-came")
        .route(with("secrets: []"));
    let gateway = setup.start();
    assert!(gateway.log.text().contains("no secret yet"), "check and the log say what to do");
    assert_eq!(gateway.json("/api/first-contacts"), json!([]));

    let body = "{\"id\":1}";
    let signed = |secret: &str| {
        Request::new("POST", "/r").header("X-Sig", hmac_hex(secret, body.as_bytes())).body(body)
    };
    for early in [signed("secret_tM-the-value-that-came"), signed(""), Request::new("POST", "/r").body(body)]
    {
        let answer = gateway.send(&early);
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (503, Some("1")),
            "the sender has to try again"
        );
        gateway.reason("keys_unavailable");
    }

    let first = Request::new("POST", "/r").body("{\"verification_token\":\"secret_tM-the-value-that-came\"}");
    assert_eq!(gateway.send(&first).status, 200);
    assert_eq!(gateway.send(&first).status, 200);
    let line = gateway.log.wait("the first contact", |line| line["value"] == "secret_tM-the-value-that-came");
    assert_eq!((line["route"].as_str(), line["provider"].as_str()), (Some("r"), Some("revealer")));
    assert!(
        gateway.log.take(|line| line["value"] == "secret_tM-the-value-that-came").is_none(),
        "it is told once"
    );
    let shown = gateway.json("/api/first-contacts");
    assert_eq!(shown[0]["value"], "secret_tM-the-value-that-came");
    assert_eq!((&shown[0]["route"], &shown[0]["client"]), (&json!("r"), &json!("127.0.0.1")));
    assert_eq!(
        gateway.send(&signed("secret_tM-the-value-that-came")).status,
        503,
        "a stranger's word is no secret"
    );
    assert_eq!(upstream.connections(), 0);

    let yaml = gateway.yaml.replace("secrets: []", "secrets: [\"env:OWN\"]");
    gateway.reloads(|| std::fs::write(&gateway.file, yaml).unwrap());
    assert_eq!(
        gateway.json("/api/first-contacts"),
        json!([]),
        "the reload that brings it into force clears it"
    );
    assert_eq!(gateway.send(&signed("secret_tM-the-value-that-came")).status, 200);
    assert_eq!(upstream.last().text(), body);
    assert_eq!(gateway.send(&signed("another")).status, 401);
}

#[test]
fn strangers_cannot_fill_the_log_with_first_contacts() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .top(REVEALER)
        .route(route("r", "/r", "revealer", upstream.url(), &["secrets: []"]))
        .start();
    let statuses: Vec<u16> = (0..10)
        .map(|number| {
            let body = format!("{{\"verification_token\":\"stranger-{number}\"}}");
            gateway.send(&Request::new("POST", "/r").body(body)).status
        })
        .collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 503, 503, 503, 503, 503]);
    assert_eq!(gateway.json("/api/first-contacts").as_array().unwrap().len(), 5);
}

#[test]
fn only_a_sender_that_brings_its_secret_may_have_none() {
    let upstream = Upstream::start();
    let yaml = route("r", "/r", "asker", upstream.url(), &["secrets: []"]);
    let (status, text) = Setup::new().top(ASKER).route(yaml).refused();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("the list is empty"), "{text}");
}
