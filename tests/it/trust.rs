//! Trust between the gateway and the app: a signature of our own on what was verified, and certificates on both sides.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::certificate::Certificate;
use crate::support::client::Request;
use crate::support::eventually;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{SECRET, event, github, hmac, now, plain, timed};
use crate::support::upstream::{Recorded, Upstream, status};

const APP: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT: &str = "whsec_bmV4dC1uZXh0LW5leHQtbmV4dC1uZXh0LW5leHQ=";

/// A route to an upstream that gets signatures made with the file `app`.
fn signing(upstream: &Upstream, provider: &str, more: &[&str]) -> Gateway {
    let setup = Setup::new();
    setup.file("app", APP);
    let mapping = format!("{{ url: \"{}\", sign: {{ secret: \"file:app\" }} }}", upstream.url());
    setup.variable("SENDER", &sender_secret()).route(route("r", "/r", provider, &mapping, more)).start()
}

/// The secret of `TEST_SECRET` as Standard Webhooks writes it.
fn sender_secret() -> String {
    format!("whsec_{}", STANDARD.encode(SECRET))
}

/// What Standard Webhooks makes of a message, computed here once more.
fn standard(secret: &str, id: &str, timestamp: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    format!("v1,{}", STANDARD.encode(hmac(&key, &signed)))
}

/// The message's id, if it carries this secret's signature and was signed just now.
fn proven(request: &Recorded, secret: &str) -> Option<String> {
    let (id, timestamp) = (request.header("webhook-id")?, request.header("webhook-timestamp")?);
    assert!((now() - timestamp.parse::<i64>().unwrap()).abs() < 60, "{timestamp}");
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        assert_eq!(request.all(name).len(), 1, "{name}: {}", request.head);
    }
    let expected = standard(secret, id, timestamp, &request.body);
    let fits = request.header("webhook-signature")?.split(' ').any(|one| one == expected);
    fits.then(|| id.to_owned())
}

#[test]
fn a_verified_request_carries_the_events_id_and_our_signature() {
    let upstream = Upstream::start();
    let gateway = signing(&upstream, "bella-baxter", &[]);
    upstream.next(status(500, "later"));
    let delivery = |id: &str| timed("/r", event(id), now());
    assert_eq!(gateway.send(&delivery("evt_1")).status, 500);
    assert_eq!(gateway.send(&delivery("evt_1")).status, 200);
    let both: Vec<_> = upstream.requests().iter().map(|request| proven(request, APP)).collect();
    assert_eq!(both, [Some("evt_1".to_owned()), Some("evt_1".to_owned())], "the same for every attempt");
    assert_eq!(proven(&upstream.last(), NEXT), None, "no other secret fits");
    assert!(upstream.last().header("x-bella-signature").is_some(), "the sender's signature stays");

    // The dot ends the id in what is signed, so no id with one is.
    assert_eq!(gateway.send(&delivery("evt.2")).status, 200);
    let id = proven(&upstream.last(), APP).unwrap();
    assert!(id.starts_with("sealpost_") && id.len() == "sealpost_".len() + 32, "{id}");
    assert_eq!(upstream.last().header("sealpost-event-id"), Some("evt.2"));
}

#[test]
fn an_id_that_the_sender_does_not_sign_is_not_signed_by_us() {
    let upstream = Upstream::start();
    for more in [&[][..], &["dedupe: off"]] {
        let gateway = signing(&upstream, "github", more);
        let mut ids = Vec::new();
        for (delivery, body) in [("first", "{}"), ("second", "{}"), ("third", "{\"other\":1}")] {
            upstream.next(status(503, "again"));
            assert_eq!(gateway.send(&github("/r", body, delivery)).status, 503);
            assert_eq!(upstream.last().header("sealpost-event-id"), Some(delivery));
            ids.push(proven(&upstream.last(), APP).unwrap());
        }
        assert!(ids[0].starts_with("sealpost_"), "{ids:?}");
        assert_eq!(ids[0], ids[1], "it is made of what is signed, not of the id");
        assert_ne!(ids[1], ids[2]);
    }
}

#[test]
fn what_was_not_verified_is_never_signed_and_cannot_pretend_to_be() {
    let upstream = Upstream::start();
    let gateway = signing(&upstream, "webhook-signature", &["mode: shadow", "dedupe: off"]);
    let dressed = |request: Request| {
        let made = standard(APP, "msg_1", "1773829800", b"{}");
        let names = [("Webhook-Id", "msg_1"), ("webhook_id", "msg_1"), ("webhook-timestamp", "1773829800")];
        let request = names.iter().fold(request, |request, (name, value)| request.header(name, *value));
        request.header("webhook-signature", &made).header("webhook_signature", made)
    };
    assert_eq!(gateway.send(&dressed(plain("/r", "{}").with("X-Webhook-Signature", "00"))).status, 200);
    let arrived = upstream.last();
    assert_eq!(arrived.header("sealpost-verified"), Some("false"));
    assert!(!arrived.head.to_lowercase().replace('_', "-").contains("\r\nwebhook-"), "{}", arrived.head);
    assert_eq!(gateway.send(&dressed(plain("/r", "{}"))).status, 200);
    assert_ne!(proven(&upstream.last(), APP).unwrap(), "msg_1", "ours replaces whatever was there");
}

#[test]
fn a_sender_of_the_same_standard_is_verified_here_and_signed_anew() {
    let upstream = Upstream::start();
    let timestamp = now().to_string();
    let delivery = Request::new("POST", "/r")
        .header("webhook-id", "msg_1")
        .header("webhook-timestamp", &timestamp)
        .header("webhook-signature", standard(&sender_secret(), "msg_1", &timestamp, b"{}"))
        .body("{}");
    let secrets = "secrets: [\"env:SENDER\"]";
    let gateway = signing(&upstream, "standard-webhooks", &[secrets]);
    assert!(gateway.log.text().contains("which ours replace"), "{}", gateway.log.text());
    assert_eq!(gateway.send(&delivery).status, 200);
    assert_eq!(proven(&upstream.last(), APP).as_deref(), Some("msg_1"));

    let plain_route = route("r", "/r", "standard-webhooks", upstream.url(), &[secrets]);
    let gateway = Setup::new().variable("SENDER", &sender_secret()).route(plain_route).start();
    assert_eq!(gateway.send(&delivery).status, 200);
    let kept = upstream.last();
    assert_eq!(
        proven(&kept, &sender_secret()).as_deref(),
        Some("msg_1"),
        "without `sign` the sender's own stays"
    );
}

#[test]
fn the_apps_secret_rotates_with_two_signatures() {
    let upstream = Upstream::start();
    let setup = Setup::new();
    setup.file("app", APP);
    setup.file("next", NEXT);
    let mapping = |secrets: &str| format!("{{ url: \"{}\", sign: {{ secret: {secrets} }} }}", upstream.url());
    let both = mapping("[\"file:next\", \"file:app\"]");
    let gateway = setup.route(route("r", "/r", "webhook-signature", &both, &["dedupe: off"])).start();
    assert_eq!(gateway.send(&plain("/r", "{}")).status, 200);
    let arrived = upstream.last();
    assert!(proven(&arrived, APP).is_some() && proven(&arrived, NEXT).is_some());
    let only = gateway.yaml.replace(&both, &mapping("\"file:next\""));
    gateway.reloads(|| std::fs::write(&gateway.file, only).unwrap());
    assert_eq!(gateway.send(&plain("/r", "{}")).status, 200);
    let arrived = upstream.last();
    assert!(proven(&arrived, APP).is_none() && proven(&arrived, NEXT).is_some());
}

/// An upstream that lets nobody in but the holder of `demanded`'s key. Which one that is can change.
fn demanding(demanded: &Arc<Mutex<Arc<rustls::ServerConfig>>>) -> (Upstream, String) {
    let demanded = Arc::clone(demanded);
    let upstream = Upstream::tcp("https", move |stream| {
        let config = Arc::clone(&demanded.lock().unwrap());
        Certificate::accept(&config, stream)
    });
    let url = format!("https://localhost:{}", upstream.port());
    (upstream, url)
}

#[test]
fn an_upstream_that_asks_who_connects_is_shown_our_certificate() {
    let (server, first, second) =
        (Certificate::new("upstream"), Certificate::new("first"), Certificate::new("second"));
    let demanded = Arc::new(Mutex::new(server.server_for(&first)));
    let (upstream, url) = demanding(&demanded);
    let start = |mapping: &str| {
        let setup = Setup::new();
        setup.file("ca.pem", &server.pem);
        setup.file("other.pem", &first.pem);
        setup.file("client.pem", &first.pem);
        setup.file("client.key", &first.key_pem);
        setup.route(route("r", "/r", "webhook-signature", mapping, &["timeout: 5s", "dedupe: off"])).start()
    };
    let known = "client_certificate: client.pem, client_key: client.key";
    for without in [
        format!("{{ url: \"{url}\", ca: ca.pem }}"),
        format!("{{ url: \"{url}\", ca: other.pem, {known} }}"),
        format!("{{ url: \"{url}\", {known} }}"),
    ] {
        start(&without).send(&plain("/r", "stranger")).expect_error(502);
    }
    assert_eq!(upstream.requests().len(), 0);

    let gateway = start(&format!("{{ url: \"{url}\", ca: ca.pem, {known} }}"));
    for _ in 0..2 {
        assert_eq!(gateway.send(&plain("/r", "known")).status, 200);
    }

    // Key and certificate are two files; between the two nothing changes, and only the old pair is let in.
    let write = |name: &str, text: &str| std::fs::write(gateway.folder.path().join(name), text).unwrap();
    write("client.key", &second.key_pem);
    eventually("that they do not fit is told", || {
        gateway.log.text().contains("cannot be used together").then_some(())
    });
    assert_eq!(gateway.send(&plain("/r", "still")).status, 200, "the old pair serves on");
    let kept = upstream.last().connection;
    *demanded.lock().unwrap() = server.server_for(&second);
    gateway.reloads(|| write("client.pem", &second.pem));
    assert_eq!(gateway.send(&plain("/r", "anew")).status, 200);
    assert_ne!(upstream.last().connection, kept, "another certificate is another connection");
}

#[test]
fn certificates_that_do_not_fit_are_refused_at_the_start() {
    let (one, other) = (Certificate::new("one"), Certificate::new("other"));
    let setup = Setup::new();
    setup.file("client.pem", &one.pem);
    setup.file("client.key", &other.key_pem);
    let mapping = "{ url: \"https://localhost:1\", client_certificate: client.pem, client_key: client.key }";
    let (code, said) = setup.route(route("r", "/r", "webhook-signature", mapping, &[])).refused();
    assert!(!code.success() && said.contains("the upstream of route `r`"), "{said}");
}
