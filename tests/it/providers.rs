//! Ways of signing, from the catalogue and from one's own file; and what a route does with them: filter, shadow, challenge.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;

use crate::support::client::Request;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{event, hmac, hmac_hex, now, plain};
use crate::support::upstream::Upstream;

/// A gateway with one route `/r` for a catalogue entry and a secret in `TEST_SECRET`'s stead.
fn catalogue(provider: &str, secret: &str, upstream: &Upstream) -> Gateway {
    Setup::new()
        .variable("OWN_SECRET", secret)
        .route(route("r", "/r", provider, upstream.url(), &["secrets: [\"env:OWN_SECRET\"]"]))
        .start()
}

/// Checks that the delivery is accepted, and that with another body, with its signature's last letter changed, or without the
/// signature it is not.
fn accepted_only_as_it_is(gateway: &Gateway, upstream: &Upstream, delivery: &Request, header: &str) {
    let value = delivery.value(header).unwrap().to_owned();
    let at = value.trim_end_matches('=').len() - 2;
    let letter = if &value[at..=at] == "a" { "b" } else { "a" };
    let changed = format!("{}{letter}{}", &value[..at], &value[at + 1..]);
    let body = [delivery.body.clone(), b" ".to_vec()].concat();
    for (what, wrong) in [
        ("another body", delivery.clone().body(body)),
        ("another signature", delivery.clone().with(header, changed)),
        ("no signature", delivery.clone().without(header)),
    ] {
        assert_eq!(gateway.send(&wrong).status, 401, "{what}");
    }
    assert_eq!(upstream.connections(), 0);
    let answer = gateway.send(delivery);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(upstream.last().body, delivery.body);
}

#[test]
fn stripe() {
    let upstream = Upstream::start();
    let gateway = catalogue("stripe", "whsec_test_secret_of_stripe_0123", &upstream);
    let (body, sent) = ("{\"id\":\"evt_1\",\"type\":\"charge.succeeded\"}", now());
    let mac = hmac_hex("whsec_test_secret_of_stripe_0123", format!("{sent}.{body}").as_bytes());
    let delivery =
        Request::new("POST", "/r").header("Stripe-Signature", format!("t={sent},v1={mac}")).body(body);
    accepted_only_as_it_is(&gateway, &upstream, &delivery, "Stripe-Signature");
}

#[test]
fn slack_and_its_signed_challenge() {
    let upstream = Upstream::start();
    let gateway = catalogue("slack", "8f742231b10e8888abcd99yyyzzz85a5", &upstream);
    let signed = |body: &str, sent: i64| {
        let mac = hmac_hex("8f742231b10e8888abcd99yyyzzz85a5", format!("v0:{sent}:{body}").as_bytes());
        Request::new("POST", "/r")
            .header("Content-Type", "application/json")
            .header("X-Slack-Request-Timestamp", sent.to_string())
            .header("X-Slack-Signature", format!("v0={mac}"))
            .body(body)
    };
    let challenge = "{\"token\":\"x\",\"challenge\":\"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P\",\"type\":\"url_verification\"}";
    let answer = gateway.send(&signed(challenge, now()));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text().contains("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"), "{answer:?}");
    gateway.reason("challenge");
    assert_eq!(gateway.send(&signed(challenge, now()).body(challenge.replace("3e", "4e"))).status, 401);
    assert_eq!(upstream.connections(), 0, "a challenge is answered here");

    let delivery =
        signed("{\"event_id\":\"Ev1\",\"type\":\"event_callback\",\"event\":{\"type\":\"message\"}}", now());
    accepted_only_as_it_is(&gateway, &upstream, &delivery, "X-Slack-Signature");
    let stale = signed("{\"event_id\":\"Ev2\"}", now() - 3600);
    assert_eq!(gateway.send(&stale).status, 401);
    let fresh = stale.with("X-Slack-Request-Timestamp", now().to_string());
    assert_eq!(gateway.send(&fresh).status, 401, "the time is signed");
}

#[test]
fn shopify() {
    let upstream = Upstream::start();
    let gateway = catalogue("shopify", "shpss_0123456789abcdef0123456789abcdef", &upstream);
    let body = "{\"id\":820982911946154508}";
    let mac = STANDARD.encode(hmac(b"shpss_0123456789abcdef0123456789abcdef", body.as_bytes()));
    let delivery = Request::new("POST", "/r")
        .header("X-Shopify-Hmac-Sha256", mac)
        .header("X-Shopify-Topic", "orders/create")
        .header("X-Shopify-Webhook-Id", "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043")
        .header("X-Shopify-Event-Id", "98880550-7158-44d4-b7cd-2c97c8a091b5")
        .body(body);
    accepted_only_as_it_is(&gateway, &upstream, &delivery, "X-Shopify-Hmac-Sha256");
}

/// A delivery by the Standard Webhooks specification.
fn standard(id: &str, sent: &str, body: &str) -> Request {
    let mac =
        STANDARD.encode(hmac(b"0123456789abcdef0123456789abcdef", format!("{id}.{sent}.{body}").as_bytes()));
    Request::new("POST", "/r")
        .header("webhook-id", id)
        .header("webhook-timestamp", sent)
        .header("webhook-signature", format!("v1,{mac}"))
        .body(body)
}

fn standard_secret() -> String {
    format!("whsec_{}", STANDARD.encode("0123456789abcdef0123456789abcdef"))
}

#[test]
fn standard_webhooks_with_several_signatures() {
    let upstream = Upstream::start();
    let gateway = catalogue("standard-webhooks", &standard_secret(), &upstream);
    let delivery = standard("msg_1", &now().to_string(), "{\"type\":\"a\"}");
    accepted_only_as_it_is(&gateway, &upstream, &delivery, "webhook-signature");
    assert_eq!(upstream.last().header("sealpost-event-id"), Some("msg_1"));
    let good = delivery.value("webhook-signature").unwrap();
    let bad = format!("v1,{}", STANDARD.encode([0; 32]));
    for (value, status) in [
        (format!("{bad} {good}"), 200),
        (format!("{good} {bad}"), 200),
        (format!("v1a,{} {good}", STANDARD.encode([0; 64])), 200),
        (format!("{bad} {bad}"), 401),
        (good.replacen("v1,", "v2,", 1), 401),
        (good.replacen("v1,", "v1a,", 1), 401),
        (good.replacen("v1,", "", 1), 401),
    ] {
        let answer = gateway.send(&delivery.clone().with("webhook-signature", value.clone()));
        assert_eq!(answer.status, status, "{value}");
    }
}

#[test]
fn an_id_that_could_be_split_in_two_ways_is_refused() {
    let upstream = Upstream::start();
    let gateway = catalogue("standard-webhooks", &standard_secret(), &upstream);
    let sent = now().to_string();
    for id in ["msg.1", "msg_1.1700000000", "msg\u{e9}", &"m".repeat(257)] {
        let answer = gateway.send(&standard(id, &sent, "{}"));
        assert_eq!(answer.status, 401, "{id}");
    }
    for time in
        [format!("+{sent}"), format!("{sent}.0"), format!(" {sent} x"), format!("{sent}e0"), "0x65".into()]
    {
        assert_eq!(gateway.send(&standard("msg_1", &time, "{}")).status, 401, "{time}");
    }
    // One signature, two readings: `a.T1` + `T2` or `a` + `T1.T2`. Neither may be chosen by who has only the signature.
    let honest = standard("msg_1", &sent, "{\"a\":1}");
    let moved = honest
        .clone()
        .with("webhook-id", format!("msg_1.{sent}"))
        .with("webhook-timestamp", "{\"a\":1}")
        .body("");
    assert_eq!(gateway.send(&moved).status, 401);
    assert_eq!(upstream.connections(), 0);
    assert_eq!(gateway.send(&standard(&"m".repeat(256), &sent, "{}")).status, 200);
    assert_eq!(gateway.send(&honest).status, 200);
}

#[test]
fn a_sender_of_ones_own_is_written_in_the_same_language() {
    let own = "providers:
  acme:
    name: acme
    title: Acme
    docs: https://acme.example/docs
    signature: { header: X-Acme-Signature, prefix: \"v1=\", encoding: base64 }
    algorithm: hmac-sha512
    key: { encoding: hex }
    signed: \"{timestamp}:{header:X-Acme-Id}:{body}\"
    timestamp: { header: X-Acme-Time, unit: milliseconds, tolerance: 2m }
    event: { id: \"header:X-Acme-Id\", type: \"json:/kind\" }
    retry: { delays: [10s, 1m], timeout: 10s, on: [5xx, timeout] }
";
    let upstream = Upstream::start();
    let key = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    let gateway = Setup::new()
        .top(own)
        .variable("OWN_SECRET", key)
        .route(route("r", "/r", "acme", upstream.url(), &["secrets: [\"env:OWN_SECRET\"]"]))
        .start();
    let signed = |id: &str, sent: i64| {
        let body = "{\"kind\":\"order.paid\"}";
        let mut mac = Hmac::<Sha512>::new_from_slice(&hex::decode(key).unwrap()).unwrap();
        mac.update(format!("{sent}:{id}:{body}").as_bytes());
        let value = format!("v1={}", STANDARD.encode(mac.finalize().into_bytes()));
        Request::new("POST", "/r")
            .header("X-Acme-Signature", value)
            .header("X-Acme-Id", id)
            .header("X-Acme-Time", sent.to_string())
            .body(body)
    };
    let sent = now() * 1000 + 7;
    accepted_only_as_it_is(&gateway, &upstream, &signed("a-1", sent), "X-Acme-Signature");
    let got = upstream.last();
    assert_eq!(got.header("sealpost-event-id"), Some("a-1"));
    assert_eq!(got.header("sealpost-event-type"), Some("order.paid"));
    assert_eq!(got.header("sealpost-timestamp"), Some((sent / 1000).to_string().as_str()));
    assert_eq!(gateway.send(&signed("a-2", sent - 180_000)).status, 401, "older than two minutes");
    assert_eq!(gateway.send(&signed("a:3", sent)).status, 401, "the id holds the separator");
    assert_eq!(gateway.send(&signed("a-1", sent)).header("sealpost-result"), Some("duplicate"));
}

#[test]
fn events_that_nobody_asked_for_are_answered_and_not_forwarded() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .route(route(
            "r",
            "/r",
            "webhook-signature",
            upstream.url(),
            &["events: [\"SecretUpdated\", \"secret.*\"]"],
        ))
        .start();
    let of = |id: &str, kind: &str| plain("/r", format!("{{\"id\":\"{id}\",\"type\":\"{kind}\"}}"));
    for (number, kind) in ["SecretUpdated", "secret.created", "secret.a.b"].into_iter().enumerate() {
        assert_eq!(gateway.send(&of(&format!("yes-{number}"), kind)).text(), "ok", "{kind}");
    }
    for (number, kind) in ["secretupdated", "SecretUpdated2", "secret", "secrets.x", "other", "xsecret.y"]
        .into_iter()
        .enumerate()
    {
        let answer = gateway.send(&of(&format!("no-{number}"), kind));
        assert_eq!(answer.status, 200, "{kind}");
        assert_eq!(answer.text().trim_end(), "{\"received\":true,\"status\":\"filtered\"}", "{kind}");
        gateway.reason("filtered");
    }
    assert_eq!(
        gateway.send(&of("x", "other").body("{}")).status,
        401,
        "a forgery is not filtered but refused"
    );
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn shadow_forwards_everything_and_counts_what_it_would_have_refused() {
    let upstream = Upstream::start();
    let gateway =
        Setup::new().route(route("r", "/r", "webhook-signature", upstream.url(), &["mode: shadow"])).start();
    assert_eq!(gateway.send(&plain("/r", event("good"))).status, 200);
    let forged = plain("/r", event("x")).body(event("forged"));
    assert_eq!(gateway.send(&forged).status, 200);
    assert_eq!(gateway.send(&forged.without("X-Webhook-Signature")).status, 200);
    let bodies: Vec<String> = upstream.requests().iter().map(|r| r.text()).collect();
    assert_eq!(bodies, [event("good"), event("forged"), event("forged")]);
    gateway.counts("sealpost_requests_total", &["signature_mismatch"], 1.0);
    gateway.counts("sealpost_requests_total", &["signature_missing"], 1.0);
    assert_eq!(
        upstream.last().header("sealpost-secret"),
        None,
        "nothing was verified, so nothing is claimed"
    );
}

#[test]
fn a_route_without_verification_says_so_everywhere() {
    let upstream = Upstream::start();
    let gateway =
        Setup::new().route(route("open", "/open", "none", upstream.url(), &["dedupe: off"])).start();
    assert_eq!(gateway.send(&Request::new("POST", "/open").body("anything")).status, 200);
    assert_eq!(upstream.last().text(), "anything");
    let log = gateway.log.text();
    assert!(
        log.lines().any(|line| line.contains("routes[0].provider") && line.contains("\"warn\"")),
        "{log}"
    );
    gateway.counts("sealpost_requests_total", &["provider=\"none\""], 1.0);
}

#[test]
fn a_route_cannot_be_without_verification_by_accident() {
    let upstream = Upstream::start();
    let whole = route("r", "/r", "webhook-signature", upstream.url(), &[]);
    for (what, yaml, names) in [
        ("no provider", whole.replace("    provider: webhook-signature\n", ""), "provider"),
        ("an empty one", whole.replace("webhook-signature", "\"\""), "provider"),
        ("null", whole.replace("webhook-signature", "null"), "provider"),
        ("an unknown one", whole.replace("webhook-signature", "githbu"), "github"),
        ("no secrets", whole.replace("    secrets: [\"env:TEST_SECRET\"]\n", ""), "secrets"),
        ("an empty list", whole.replace("[\"env:TEST_SECRET\"]", "[]"), "secrets"),
        ("an unset variable", whole.replace("TEST_SECRET", "NOT_SET"), "NOT_SET"),
        ("a literal", whole.replace("env:TEST_SECRET", "hunter2"), "secrets[0]"),
        ("an unknown key", format!("{whole}    provder: none\n"), "provder"),
    ] {
        let (status, text) = Setup::new().route(yaml).refused();
        assert_eq!(status.code(), Some(1), "{what}: {text}");
        assert!(text.contains(names) && text.contains("gateway.yaml:"), "{what}: {text}");
        assert!(!text.contains("hunter2"), "{what}: a mistaken secret is not printed: {text}");
    }
    let (status, text) = Setup::new().variable("TEST_SECRET", "").route(whole).refused();
    assert_eq!(status.code(), Some(1), "an empty variable: {text}");
}
