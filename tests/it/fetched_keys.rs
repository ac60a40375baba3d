//! Keys that a sender publishes: fetched when they are needed, and no more often than that.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use crate::support::client::Request;
use crate::support::eventually;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::key_server::{KeyServer, Reply};
use crate::support::upstream::Upstream;

/// Senders with an Ed25519 signature over the body, and their keys in each of the known ways.
const SENDERS: &str = r#"providers:
  in-a-set:
    signature: { header: X-Sig, encoding: base64 }
    algorithm: ed25519
    signed: "{body}"
    keys: { jwks: "https://keys.example.com/jwks", key_id: "header:X-Key-Id" }
  in-a-set-without-ids:
    signature: { header: X-Sig, encoding: base64 }
    algorithm: ed25519
    signed: "{body}"
    keys: { jwks: "https://{setting:domain}/jwks" }
    settings: { domain: the tenant's domain }
  one-by-one:
    signature: { header: X-Sig, encoding: base64 }
    algorithm: ed25519
    signed: "{body}"
    keys: { key: "https://keys.example.com/keys/{key_id}", key_id: "header:X-Key-Id", json: /data/publicKey, auth: bearer }
  by-url:
    signature: { json: /Signature, encoding: base64 }
    algorithm: ed25519
    signed: "{json:/Message}"
    unsigned_body: true
    keys: { certificate: { from: "json:/SigningCertURL", hosts: ["sns.@-#.amazonaws.com"], suffix: .pem } }
  by-certificate:
    signature: { header: X-Sig, encoding: base64 }
    algorithm: ecdsa-p256-sha256
    signed: "{body}"
    keys: { certificate: { from: "header:X-Cert-Url", hosts: [api.example.com], prefix: /certs/ } }
  in-a-token:
    signature: { header: Authorization, prefix: "Bearer " }
    algorithm: jwt
    jwt: { algorithms: [EdDSA], body_hash: { claim: sha256 } }
    keys: { jwks: "https://keys.example.com/jwks" }
"#;

struct Signer(Ed25519KeyPair);

impl Signer {
    fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn jwk(&self, id: Option<&str>) -> String {
        let id = id.map_or(String::new(), |id| format!("\"kid\":\"{id}\","));
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key());
        format!("{{{id}\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"{x}\"}}")
    }

    fn signature(&self, message: &str) -> String {
        STANDARD.encode(self.0.sign(message.as_bytes()))
    }

    fn delivery(&self, id: &str, body: &str) -> Request {
        Request::new("POST", "/r")
            .header("X-Sig", self.signature(body))
            .header("X-Key-Id", id)
            .header("Content-Type", "application/json")
            .body(body)
    }
}

fn set(keys: &[String]) -> Reply {
    Reply::Document(format!("{{\"keys\":[{}]}}", keys.join(",")))
}

fn gateway(provider: &str, upstream: &Upstream, more: &[&str]) -> Gateway {
    let yaml =
        route("r", "/r", provider, upstream.url(), more).replace("    secrets: [\"env:TEST_SECRET\"]\n", "");
    Setup::new().top(SENDERS).variable("KEY_TOKEN", "a-token-for-the-keys").route(yaml).start()
}

fn key_url(server: &KeyServer, path: &str) -> String {
    format!("key_url: \"{}\"", server.url(path))
}

#[test]
fn a_set_is_fetched_once_and_only_for_what_could_be_a_delivery() {
    let (upstream, signer) = (Upstream::start(), Signer::new());
    let reply = set(&[signer.jwk(Some("a"))]);
    let server = KeyServer::start(move |_| Reply::Slow(Duration::from_millis(300), Box::new(reply.clone())));
    let gateway = gateway("in-a-set", &upstream, &[&key_url(&server, "/jwks")]);
    let good = |number: usize| signer.delivery("a", &format!("{{\"id\":\"{number}\"}}"));
    for wrong in [good(0).without("X-Sig"), good(0).with("X-Sig", "????"), good(0).with("X-Sig", "")] {
        assert_eq!(gateway.send(&wrong).status, 401);
    }
    assert_eq!(server.asked(), 0, "nothing is fetched for what no key could verify");
    std::thread::scope(|scope| {
        for number in 0..12 {
            let (gateway, good) = (&gateway, &good);
            scope.spawn(move || assert_eq!(gateway.send(&good(number)).status, 200));
        }
    });
    assert_eq!((upstream.requests().len(), server.asked()), (12, 1), "twelve at once wait for one fetch");
    assert_eq!(upstream.last().header("sealpost-secret"), Some("fetched"));
    let forged = gateway.send(&good(1).body("{\"id\":\"forged\"}"));
    assert_eq!((forged.status, forged.text()), (401, "{\"error\":\"Invalid signature\"}".into()));
    gateway.reason("signature_mismatch");
    assert_eq!(server.asked(), 1);
    gateway.counts("sealpost_key_fetches_total", &["result=\"ok\""], 1.0);
}

#[test]
fn a_new_key_is_looked_for_once_and_an_unknown_one_is_not_final() {
    let (upstream, old, new) = (Upstream::start(), Signer::new(), Signer::new());
    let first = set(&[old.jwk(Some("old"))]);
    let server = KeyServer::start(move |_| first.clone());
    let gateway = gateway("in-a-set", &upstream, &[&key_url(&server, "/jwks")]);
    assert_eq!(gateway.send(&old.delivery("old", "1")).status, 200);
    let both = set(&[old.jwk(Some("old")), new.jwk(Some("new"))]);
    server.answer(move |_| both.clone());
    assert_eq!(gateway.send(&new.delivery("new", "2")).status, 200, "the set is fetched anew");
    assert_eq!(server.asked(), 2);
    for number in 0..50 {
        let answer = gateway.send(&new.delivery(&format!("unknown-{number}"), "3"));
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{number}");
    }
    gateway.reason("keys_unavailable");
    assert_eq!(server.asked(), 2, "not more than once a minute");
    assert_eq!(gateway.send(&old.delivery("old", "4")).status, 200);
}

#[test]
fn a_set_without_ids_is_tried_whole_and_fetched_anew_for_a_signature_of_nobody() {
    let (upstream, old, new) = (Upstream::start(), Signer::new(), Signer::new());
    let first = set(&[Signer::new().jwk(None), old.jwk(None)]);
    let server = KeyServer::start(move |_| first.clone());
    let more = [&*key_url(&server, "/jwks"), "settings: { domain: tenant.example.com }"];
    let gateway = gateway("in-a-set-without-ids", &upstream, &more);
    assert_eq!(gateway.send(&old.delivery("", "1")).status, 200);
    let second = set(&[new.jwk(None)]);
    server.answer(move |_| second.clone());
    assert_eq!(gateway.send(&new.delivery("", "2")).status, 200);
    for number in 0..20 {
        assert_eq!(gateway.send(&old.delivery("", &format!("{number}"))).status, 401, "its key is gone");
    }
    assert_eq!(server.asked(), 2);
}

#[test]
fn a_token_names_its_key() {
    let (upstream, one, two) = (Upstream::start(), Signer::new(), Signer::new());
    let reply = set(&[one.jwk(Some("one")), two.jwk(Some("two"))]);
    let server = KeyServer::start(move |_| reply.clone());
    let gateway = gateway("in-a-token", &upstream, &[&key_url(&server, "/jwks")]);
    let token = |signer: &Signer, id: &str, body: &str| {
        use sha2::Digest as _;
        let hash = hex::encode(sha2::Sha256::digest(body));
        let part = |text: String| URL_SAFE_NO_PAD.encode(text);
        let signed = [
            part(format!("{{\"alg\":\"EdDSA\",\"kid\":\"{id}\"}}")),
            part(format!("{{\"sha256\":\"{hash}\"}}")),
        ]
        .join(".");
        let signature = URL_SAFE_NO_PAD.encode(signer.0.sign(signed.as_bytes()));
        Request::new("POST", "/r").header("Authorization", format!("Bearer {signed}.{signature}")).body(body)
    };
    assert_eq!(gateway.send(&token(&one, "one", "1")).status, 200);
    assert_eq!(gateway.send(&token(&two, "two", "2")).status, 200);
    assert_eq!(gateway.send(&token(&two, "one", "3")).status, 401);
    assert_eq!(gateway.send(&token(&one, "one", "4").body("5")).status, 401, "another body");
    assert_eq!(server.asked(), 1);
    assert_eq!(gateway.send(&token(&one, "three", "6")).status, 401, "a fresh set does not have it");
    assert_eq!(gateway.send(&token(&one, "three", "7")).status, 503, "and now it is not asked again");
    assert_eq!(server.asked(), 2);
}

#[test]
fn single_keys_come_with_the_routes_token_and_a_flood_of_names_asks_for_few() {
    let (upstream, signer) = (Upstream::start(), Signer::new());
    let key = STANDARD.encode(signer.0.public_key());
    let document = format!("{{\"data\":{{\"publicKey\":\"{key}\"}}}}");
    let server = KeyServer::start(move |path| match path {
        "/keys/right" => Reply::Document(document.clone()),
        _ => Reply::Other(404, String::new(), "{}".into()),
    });
    let more = [&*key_url(&server, "/keys/{key_id}"), "key_token: env:KEY_TOKEN"];
    let gateway = gateway("one-by-one", &upstream, &more);
    for (id, status) in
        [("../right", 401), ("right?x", 401), ("", 401), ("right/", 401), (&*"a".repeat(129), 401)]
    {
        assert_eq!(gateway.send(&signer.delivery(id, "0")).status, status, "{id}");
    }
    assert_eq!(server.asked(), 0, "such names are part of no URL");
    assert_eq!(gateway.send(&signer.delivery("right", "1")).status, 200);
    let head = server.heads().remove(0).to_ascii_lowercase();
    assert!(head.contains("authorization: bearer a-token-for-the-keys"), "{head}");
    for number in 0..100 {
        let answer = gateway.send(&signer.delivery(&format!("forged-{number}"), "2"));
        assert_eq!(answer.status, 503, "{number}");
    }
    assert!(server.asked() <= 11, "{} fetches", server.asked());
    assert_eq!(gateway.send(&signer.delivery("right", "3")).status, 200, "known keys serve on");
}

#[test]
fn a_named_key_is_fetched_from_its_senders_host_and_no_other() {
    let (upstream, signer) = (Upstream::start(), Signer::new());
    let key = STANDARD.encode(signer.0.public_key());
    let server = KeyServer::start(move |_| Reply::Document(key.clone()));
    let gateway = gateway("by-url", &upstream, &[&key_url(&server, "/")]);
    let named = |url: &str, message: &str| {
        let signature = signer.signature(message);
        let body = format!(
            "{{\"Message\":\"{message}\",\"Signature\":\"{signature}\",\"SigningCertURL\":\"{url}\"}}"
        );
        Request::new("POST", "/r").body(body)
    };
    for url in [
        "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.us-east-1.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com@evil.example/a.pem",
        "https://sns.s3.amazonaws.com/a.pem",
        "https://sns.us-east-1.amazonaws.com:8443/a.pem",
        "https://sns.us-east-1.amazonaws.com/a.pem?x=.pem",
        "https://sns.us-east-1.amazonaws.com/a.crt",
        "https://sns.us-east-1.amazonaws.com/../a.pem",
        "http://sns.us-east-1.amazonaws.com/a.pem",
        "http://127.0.0.1/a.pem",
        "",
    ] {
        assert_eq!(gateway.send(&named(url, "m")).status, 401, "{url}");
        gateway.reason("signature_malformed");
    }
    assert_eq!(server.asked(), 0);
    let right = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a.pem";
    assert_eq!(gateway.send(&named(right, "m")).status, 200);
    assert!(server.heads()[0].starts_with("GET /SimpleNotificationService-0a.pem "), "{:?}", server.heads());
    let forged =
        named(right, "m").body(String::from_utf8(named(right, "m").body).unwrap().replace("\"m\"", "\"n\""));
    assert_eq!(gateway.send(&forged).status, 401);
    assert_eq!(server.asked(), 1);
}

#[test]
fn a_named_certificate_gives_its_key() {
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap().pem();
    let random = SystemRandom::new();
    let signer =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pair.serialize_der(), &random).unwrap();
    let upstream = Upstream::start();
    let server = KeyServer::start(move |_| Reply::Document(certificate.clone()));
    let gateway = gateway("by-certificate", &upstream, &[&key_url(&server, "/")]);
    let signature = STANDARD.encode(signer.sign(&random, b"{}").unwrap());
    let named = |url: &str| {
        Request::new("POST", "/r").header("X-Sig", signature.clone()).header("X-Cert-Url", url).body("{}")
    };
    assert_eq!(gateway.send(&named("https://api.example.com/certs/CERT-360caa42")).status, 200);
    assert_eq!(gateway.send(&named("https://api.example.com/certs/CERT-360caa42").body("{ }")).status, 401);
    for other in ["https://api.example.com/other/CERT", "https://api.example.org/certs/CERT"] {
        assert_eq!(gateway.send(&named(other)).status, 401, "{other}");
    }
    assert_eq!(server.asked(), 1);
}

#[test]
fn without_its_key_a_delivery_has_to_come_again_and_then_gets_through() {
    let (upstream, signer) = (Upstream::start(), Signer::new());
    let server = KeyServer::start(|_| Reply::Other(500, String::new(), "oops".into()));
    let gateway = gateway("in-a-set", &upstream, &[&key_url(&server, "/jwks")]);
    for number in 0..20 {
        let answer = gateway.send(&signer.delivery("a", &format!("{number}")));
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        assert_eq!(answer.text(), "{\"error\":\"Keys unavailable\"}");
    }
    let line = gateway.reason("keys_unavailable");
    assert!(line["why"].as_str().unwrap().contains("it was answered 500"), "{line}");
    assert!(server.asked() <= 3, "{} fetches for twenty deliveries", server.asked());
    assert_eq!(gateway.get("/readyz").status, 200, "the sender's host is not ours");
    assert_eq!(upstream.connections(), 0);
    let reply = set(&[signer.jwk(Some("a"))]);
    server.answer(move |_| reply.clone());
    eventually("the key is there", || (gateway.send(&signer.delivery("a", "1")).status == 200).then_some(()));
    gateway.counts("sealpost_key_fetches_total", &["result=\"ok\""], 1.0);
}

#[test]
fn what_is_no_document_with_keys_is_not_taken_for_one() {
    let (upstream, signer) = (Upstream::start(), Signer::new());
    let elsewhere = KeyServer::start({
        let reply = set(&[signer.jwk(Some("a"))]);
        move |_| reply.clone()
    });
    let good = format!("{{\"keys\":[{}]}}", signer.jwk(Some("a")));
    let huge = format!("{{\"keys\":[{}],\"more\":\"{}\"}}", signer.jwk(Some("a")), "x".repeat(300_000));
    for (what, reply) in [
        ("a redirect", Reply::Other(302, format!("Location: {}\r\n", elsewhere.url("/jwks")), good.clone())),
        ("a page", Reply::Document("<html>welcome</html>".into())),
        ("no keys", Reply::Document("{\"keys\":[]}".into())),
        ("too much", Reply::Document(huge)),
        ("another status", Reply::Other(203, String::new(), good)),
        ("silence", Reply::Silence(Duration::from_secs(10))),
    ] {
        let server = KeyServer::start(move |_| reply.clone());
        let gateway = gateway("in-a-set", &upstream, &[&key_url(&server, "/jwks")]);
        let started = Instant::now();
        assert_eq!(gateway.send(&signer.delivery("a", "1")).status, 503, "{what}");
        assert!(started.elapsed() < Duration::from_secs(6), "{what} took {:?}", started.elapsed());
        assert_eq!(server.asked(), 1, "{what}");
    }
    assert_eq!(elsewhere.asked(), 0, "no redirect is followed");
    assert_eq!(upstream.connections(), 0);
}

#[test]
fn secrets_are_used_instead_of_fetching_and_shadow_goes_on_without_keys() {
    let (upstream, signer) = (Upstream::start(), Signer::new());
    let yaml = route("r", "/r", "in-a-set", upstream.url(), &["secrets: [\"env:KEY\"]"]);
    let key = format!("{{\"keys\":[{}]}}", signer.jwk(Some("a")));
    let static_keys = Setup::new().top(SENDERS).variable("KEY", &key).route(yaml).start();
    assert_eq!(static_keys.send(&signer.delivery("a", "1")).status, 200);
    assert_eq!(static_keys.send(&Signer::new().delivery("a", "2")).status, 401);

    let away = KeyServer::start(|_| Reply::Other(500, String::new(), String::new()));
    let shadow = gateway("in-a-set", &upstream, &[&key_url(&away, "/jwks"), "mode: shadow"]);
    assert_eq!(shadow.send(&signer.delivery("a", "3")).status, 200);
    assert_eq!(upstream.last().header("sealpost-verified"), Some("false"));
    shadow.counts("sealpost_requests_total", &["keys_unavailable"], 1.0);
}

#[test]
fn an_untrusted_host_over_tls_gives_no_keys() {
    let (upstream, signer) = (Upstream::start(), Signer::new());
    let server = KeyServer::start(|_| Reply::Document("never read".into()));
    let gateway = gateway("in-a-set", &upstream, &[&key_url(&server, "/jwks").replace("http:", "https:")]);
    assert_eq!(gateway.send(&signer.delivery("a", "1")).status, 503);
}

#[test]
fn each_mistake_about_keys_is_said() {
    let upstream = Upstream::start();
    for (provider, more, names) in [
        ("in-a-set", &["key_url: \"http://keys.example.com/jwks\""][..], "keys are fetched over https"),
        ("in-a-set", &["key_url: \"https://user@keys.example.com/\""], "write an URL"),
        (
            "in-a-set",
            &["key_url: \"https://a.example/\"", "secrets: [\"env:TEST_SECRET\"]"],
            "no key is fetched",
        ),
        ("github", &["key_url: \"https://keys.example.com/jwks\""], "signs with a shared secret"),
        (
            "one-by-one",
            &["key_url: \"https://keys.example.com/jwks\"", "key_token: env:KEY_TOKEN"],
            "{key_id}",
        ),
        ("one-by-one", &[], "`key_token` is missing"),
        ("in-a-set", &["key_token: env:KEY_TOKEN"], "without a token"),
        ("in-a-set-without-ids", &["settings: { domain: \"a b\" }"], "keys is none"),
    ] {
        let yaml = route("r", "/r", provider, upstream.url(), more).replace(
            "    secrets: [\"env:TEST_SECRET\"]\n",
            if more.iter().any(|line| line.starts_with("secrets")) {
                "    secrets: [\"env:TEST_SECRET\"]\n"
            } else {
                ""
            },
        );
        let (status, text) = Setup::new().top(SENDERS).variable("KEY_TOKEN", "t").route(yaml).refused();
        assert_eq!(status.code(), Some(1), "{provider} {more:?}: {text}");
        assert!(text.contains(names), "{provider} {more:?}: {text}");
    }
    for (keys, names) in [
        ("{ jwks: \"https://a.example/\", key: \"https://a.example/{key_id}\" }", "exactly one of"),
        ("{ jwks: \"http://a.example/\" }", "over https"),
        ("{ certificate: { from: \"json:/url\" } }", "`hosts` is missing"),
        ("{ certificate: { from: \"json:/url\", hosts: [\"*.com\"] } }", "last two labels"),
    ] {
        let top = format!(
            "providers:\n  own:\n    signature: {{ header: X-Sig }}\n    algorithm: ed25519\n    signed: \"{{body}}\"\n    keys: {keys}\n"
        );
        let (_, text) = Setup::new().top(top).route(route("r", "/r", "own", upstream.url(), &[])).refused();
        assert!(text.contains(names), "{keys}: {text}");
    }
    let shared = "providers:\n  own:\n    signature: { header: X-Sig }\n    algorithm: hmac-sha256\n    signed: \"{body}\"\n    keys: { jwks: \"https://a.example/\" }\n";
    let (_, text) = Setup::new().top(shared).route(route("r", "/r", "own", upstream.url(), &[])).refused();
    assert!(text.contains("no shared secret"), "{text}");
}
