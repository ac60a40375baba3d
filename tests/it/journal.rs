//! The delivery journal: every decision with what led to it, kept requests without what must not be shown, and nothing in the
//! way of a delivery.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::arena::Arena;
use crate::support::client::{Client, Request};
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{SECRET, event, github, hmac_hex, now, plain, timed};
use crate::support::upstream::{Step, Upstream, gated, status};
use crate::support::{Gate, eventually};

/// The newest delivery that this query finds, once there is one.
pub(crate) fn newest(gateway: &Gateway, query: &str) -> Value {
    eventually(&format!("a delivery for {query}"), || {
        gateway.json(&format!("/api/deliveries?{query}&limit=1"))["deliveries"].get(0).cloned()
    })
}

/// All that is known of the newest delivery that this query finds.
pub(crate) fn whole(gateway: &Gateway, query: &str) -> Value {
    let id = newest(gateway, query)["id"].as_str().unwrap().to_owned();
    gateway.json(&format!("/api/deliveries/{id}"))
}

/// Waits until so many deliveries are found.
pub(crate) fn count(gateway: &Gateway, query: &str, expected: usize) -> Vec<Value> {
    eventually(&format!("{expected} deliveries for {query}"), || {
        let page = gateway.json(&format!("/api/deliveries?{query}&limit=500"));
        let found = page["deliveries"].as_array().unwrap().clone();
        (found.len() == expected).then_some(found)
    })
}

/// A gateway whose one route keeps these bodies; its secret is in the file `secret`.
pub(crate) fn keeping(upstream: &Upstream, bodies: &str, top: &str) -> Gateway {
    let setup = Setup::new().top(top);
    setup.file("secret", SECRET);
    let journal = format!("journal: {{ bodies: {bodies}, redact: [\"json:/card\", \"header:x-private\"] }}");
    let more = ["secrets: [\"file:secret\"]", &journal, "timeout: 5s"];
    setup.route(route("shop", "/shop", "webhook-signature", upstream.url(), &more)).start()
}

#[test]
fn an_id_that_was_read_where_nothing_is_shown_is_not_shown_and_still_looked_up() {
    let upstream = Upstream::start();
    let hook = |redact: &str| {
        let journal = format!("journal: {{ redact: [\"{redact}\"] }}");
        route(
            "hook",
            "/hook",
            "webhook-signature",
            upstream.url(),
            &["dedupe: { key: [\"json:/id\"] }", &journal],
        )
    };
    let gateway = Setup::new().route(hook("json:/id")).start();
    gateway.send(&plain("/hook", event("evt-1")));
    let told = newest(&gateway, "");
    assert_eq!((&told["event_id"], &told["event_type"]), (&json!("[redacted]"), &json!("test.happened")));
    let id = told["id"].as_str().unwrap();
    assert!(!gateway.get(&format!("/api/deliveries/{id}")).text().contains("evt-1"));
    let whole = whole(&gateway, "");
    assert_eq!((&whole["dedupe"]["key"], &whole["body_xxh128"]), (&json!(null), &json!(null)));
    assert!(!gateway.get("/api/deliveries/export").text().contains("evt-1"));
    assert_eq!(gateway.json("/api/deliveries?q=evt-")["deliveries"], json!([]));
    assert_eq!(gateway.json("/api/dedupe?route=hook&event_id=evt-1")["state"], "accepted");
}

#[test]
fn a_forwarded_delivery_is_told_with_everything_that_led_to_it() {
    let arena = Arena::new();
    let sent = now() - 2;
    let answer = arena.gateway.send(&timed("/timed?x=1", event("evt-1"), sent));
    assert_eq!(answer.status, 200);
    let told = whole(&arena.gateway, "route=timed");
    let id = arena.upstream.last().header("sealpost-request-id").unwrap().to_owned();
    for (key, expected) in [
        ("id", json!(id)),
        ("route", json!("timed")),
        ("sender", json!("bella-baxter")),
        ("method", json!("POST")),
        ("path", json!("/timed")),
        ("client", json!("127.0.0.1")),
        ("event_id", json!("evt-1")),
        ("event_type", json!("test.happened")),
        ("attempt", json!(1)),
        ("outcome", json!("accepted")),
        ("reason", json!("forwarded")),
        ("shadow", json!(false)),
        ("verified", json!(true)),
        ("secret", json!("0")),
        ("status", json!(200)),
        ("upstream_status", json!(200)),
        ("received", json!(event("evt-1").len())),
        ("sent", json!(2)),
        ("retries", json!("no")),
        ("next_retry_at", json!(null)),
        ("why", json!(null)),
        ("request", json!(null)),
        ("releasable", json!(false)),
        ("config_hash", json!(arena.gateway.hash())),
    ] {
        assert_eq!(told[key], expected, "{key} in {told}");
    }
    assert_eq!(told["dedupe"]["verdict"], "new");
    assert_eq!(told["dedupe"]["key"].as_str().unwrap().len(), 64);
    assert_eq!(told["body_xxh128"], json!(null), "its sender carries a key in the body, which is not kept");
    arena.gateway.send(&plain("/hook", event("evt-2")));
    let hash = xxhash_rust::xxh3::xxh3_128(event("evt-2").as_bytes());
    assert_eq!(whole(&arena.gateway, "route=hook")["body_xxh128"], format!("{hash:032x}"));
    let age = told["signature_age_ms"].as_i64().unwrap();
    assert!((1000..60_000).contains(&age), "{age}");
    assert!((told["time"].as_i64().unwrap() / 1000 - now()).abs() < 60);
    let moments: Vec<&str> =
        told["timeline"].as_array().unwrap().iter().map(|moment| moment["event"].as_str().unwrap()).collect();
    assert_eq!(moments, ["head", "body", "verified", "claimed", "upstream", "answered"]);
    let times: Vec<u64> =
        told["timeline"].as_array().unwrap().iter().map(|moment| moment["at_us"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn every_other_decision_is_told_with_its_own_reason() {
    let arena = Arena::new();
    let send = |request: &Request| arena.gateway.send(request);
    send(&plain("/hook", event("evt-1")));
    send(&plain("/hook", event("evt-1")));
    send(&plain("/hook", event("evt-2")).body("{}"));
    send(&timed("/timed", event("evt-3"), now() - 3600));
    send(&plain("/nowhere?token=x", "{}"));
    send(&plain("/small", vec![b'x'; 2000]));
    arena.upstream.next(status(500, "no"));
    send(&github("/github", "{}", "delivery-1"));
    let told = |query: &str| whole(&arena.gateway, query);

    let duplicate = told("reason=duplicate");
    assert_eq!(
        (&duplicate["outcome"], &duplicate["dedupe"]["verdict"]),
        (&json!("answered"), &json!("duplicate"))
    );
    assert_eq!(duplicate["dedupe"]["key"], told("route=hook&reason=forwarded")["dedupe"]["key"]);

    let forged = told("reason=signature_mismatch");
    assert_eq!(
        (&forged["outcome"], &forged["verified"], &forged["status"]),
        (&json!("refused"), &json!(false), &json!(401))
    );
    assert!(
        forged["why"].is_string()
            && forged["why_not_releasable"].as_str().unwrap().contains("journal.bodies")
    );

    assert_eq!(told("reason=timestamp_too_old")["route"], "timed");
    let lost = told("route=-");
    assert_eq!(
        (&lost["reason"], &lost["path"], &lost["sender"]),
        (&json!("no_route"), &json!("/nowhere"), &json!(null))
    );
    assert_eq!(told("reason=body_too_large")["status"], 413);
    let declined = told("outcome=declined");
    assert_eq!((&declined["status"], &declined["upstream_status"]), (&json!(500), &json!(500)));
    // GitHub delivers once and never again.
    assert_eq!((&declined["sender"], &declined["retries"]), (&json!("github"), &json!("no")));
    assert_eq!(count(&arena.gateway, "since=1h", 7).len(), 7);
    assert_eq!(count(&arena.gateway, "q=EVT-1", 2).len(), 2);
}

#[test]
fn whether_and_when_the_sender_comes_again_is_told_as_the_catalogue_knows_it() {
    let upstream = Upstream::start();
    let provider = "providers: { acme: { signature: { header: X-Webhook-Signature }, algorithm: hmac-sha256, signed: \"{body}\", \
                    event: { id: json:/id }, retry: { delays: [1m, 5m], on: [5xx, timeout] } } }";
    let gateway =
        Setup::new().top(provider).route(route("acme", "/acme", "acme", upstream.url(), &[])).start();
    upstream.next(status(500, "no")).next(status(422, "never"));
    gateway.send(&plain("/acme", event("evt-1")));
    let first = whole(&gateway, "event_id=evt-1");
    assert_eq!(first["retries"], "yes");
    let wait = first["next_retry_at"].as_i64().unwrap() - first["time"].as_i64().unwrap();
    assert!((60_000..90_000).contains(&wait), "{wait} ms after it came");
    gateway.send(&plain("/acme", event("evt-2")));
    let second = whole(&gateway, "event_id=evt-2");
    assert_eq!((&second["retries"], &second["next_retry_at"]), (&json!("no"), &json!(null)));
}

#[test]
fn in_shadow_mode_it_is_told_what_would_have_been() {
    let upstream = Upstream::start();
    let more = ["mode: shadow", "journal: { bodies: refused }"];
    let gateway =
        Setup::new().route(route("try", "/try", "webhook-signature", upstream.url(), &more)).start();
    assert_eq!(gateway.send(&plain("/try", event("evt-1")).body(event("evt-2"))).status, 200);
    let told = whole(&gateway, "route=try");
    assert_eq!(
        (&told["reason"], &told["shadow"], &told["outcome"], &told["verified"]),
        (&json!("signature_mismatch"), &json!(true), &json!("accepted"), &json!(false))
    );
    assert_eq!(told["request"]["body"], event("evt-2"));
    assert_eq!(told["dedupe"]["verdict"], "off");
}

#[test]
fn a_kept_request_is_shown_without_what_must_not_be_shown() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "all", "");
    let body = r#"{"id":"evt-1","card":{"number":"4242424242424242"},"amount": 1.0}"#;
    let request = plain("/shop?a=1", body)
        .header("Authorization", "Bearer token-of-the-app")
        .header("Cookie", "session=1")
        .header("X-Private", "mine-and-nobody-elses")
        .header("X-Public", "yours");
    assert_eq!(gateway.send(&request).status, 200);
    assert!(upstream.last().text().contains("4242424242424242"), "the upstream gets it whole");
    let told = whole(&gateway, "route=shop");
    let request = &told["request"];
    assert_eq!(request["body"], r#"{"id":"evt-1","card":"[redacted]","amount": 1.0}"#);
    assert_eq!(request["target"], "/shop?a=1");
    let headers = request["headers"].to_string();
    assert!(headers.contains(r#"["X-Public","yours"]"#), "{headers}");
    for name in ["Authorization", "Cookie", "X-Private"] {
        assert!(headers.contains(&format!(r#"["{name}","[redacted]"]"#)), "{name} in {headers}");
    }
    assert_eq!(
        request["redacted"],
        json!(["header:authorization", "header:cookie", "header:x-private", "json:/card"])
    );
    for hash in ["body_sha256", "body_xxh128"] {
        assert!(told[hash].is_null(), "{hash} of what is hidden would let it be guessed");
    }

    let id = told["id"].as_str().unwrap();
    let raw = gateway.get(&format!("/api/deliveries/{id}/body"));
    assert_eq!(raw.text(), r#"{"id":"evt-1","card":"[redacted]","amount": 1.0}"#);
    for (name, value) in [
        ("content-type", "application/octet-stream"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment; filename=\"body\""),
        ("sealpost-redacted", "true"),
    ] {
        assert_eq!(raw.header(name), Some(value));
    }
    let exported = gateway.get("/api/deliveries/export?route=shop");
    for secret in ["4242424242424242", "token-of-the-app", "session=1", "mine-and-nobody-elses", SECRET] {
        let everything = format!("{told}{}{}{}", raw.text(), exported.text(), gateway.log.text());
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
}

#[test]
fn the_token_of_a_sender_that_signs_nothing_is_never_shown() {
    let upstream = Upstream::start();
    let more = ["journal: { bodies: all }"];
    let gateway = Setup::new().route(route("gitlab", "/gitlab", "gitlab", upstream.url(), &more)).start();
    for token in [SECRET, "another-token"] {
        gateway.send(
            &Request::new("POST", "/gitlab")
                .header("X-Gitlab-Token", token)
                .header("X-Gitlab-Event", "Push Hook")
                .body("{}"),
        );
    }
    count(&gateway, "route=gitlab", 2);
    for query in ["reason=forwarded", "reason=signature_mismatch"] {
        let told = whole(&gateway, query);
        assert!(
            told["request"]["headers"].to_string().contains(r#"["X-Gitlab-Token","[redacted]"]"#),
            "{told}"
        );
        assert!(!told.to_string().contains(SECRET) && !told.to_string().contains("another-token"));
    }
}

#[test]
fn only_what_a_route_wants_kept_is_kept() {
    let upstream = Upstream::start();
    for (bodies, good, bad) in [("none", false, false), ("refused", false, true), ("all", true, true)] {
        let gateway = keeping(&upstream, bodies, "");
        gateway.send(&plain("/shop", event("evt-1")));
        gateway.send(&plain("/shop", event("evt-2")).body(event("evt-3")));
        gateway.send(&Request::new("POST", "/shop").body(event("evt-4")));
        assert_eq!(whole(&gateway, "reason=forwarded")["request"].is_object(), good, "{bodies}");
        for reason in ["signature_mismatch", "signature_missing"] {
            assert_eq!(
                whole(&gateway, &format!("reason={reason}"))["request"].is_object(),
                bad,
                "{bodies} {reason}"
            );
        }
    }
}

#[test]
fn a_flood_of_forgeries_pushes_no_delivery_out() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "journal: { size: 1MiB }");
    for number in 0..5 {
        assert_eq!(gateway.send(&plain("/shop", event(&format!("good-{number}")))).status, 200);
    }
    let mut client = gateway.connect();
    for number in 0..600 {
        let forged = plain("/shop", event("x")).body(vec![b'x'; 4000]);
        client.send(&forged.bytes());
        assert_eq!(client.answer_to("POST").unwrap().status, 401, "forgery {number}");
        client.send(&plain("/nowhere", "{}").bytes());
        assert_eq!(client.answer_to("POST").unwrap().status, 404);
    }
    gateway.counts("sealpost_requests_total", &["reason=\"signature_mismatch\""], 600.0);
    count(&gateway, "route=shop&reason=forwarded", 5);
    let held = gateway.json("/api/stats")["journal"].clone();
    assert!(held["bytes"].as_u64().unwrap() <= 1 << 20, "{held}");
    assert!(held["entries"].as_u64().unwrap() < 1205 && held["dropped"] == 0, "{held}");
    // The counts have lost nothing to the bounds.
    let stats = gateway.json("/api/stats?window=1h");
    assert_eq!(stats["routes"][0]["reasons"]["signature_mismatch"], 600);
    assert_eq!(stats["unrouted"]["reasons"]["no_route"], 600);
}

#[test]
fn a_journal_on_disk_is_there_again_after_a_restart() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let top = format!("journal: {{ path: \"{}\" }}", folder.path().join("journal").display());
    let mut gateway = keeping(&upstream, "refused", &top);
    gateway.send(&plain("/shop", event("evt-1")));
    gateway.send(&plain("/shop", event("evt-2")).body(event("evt-3")));
    let before = whole(&gateway, "reason=signature_mismatch");
    assert_eq!(gateway.json("/api/stats")["journal"]["durable"], true);
    gateway.signal("TERM");
    gateway.ended();

    let gateway = keeping(&upstream, "refused", &top);
    let after = whole(&gateway, "reason=signature_mismatch");
    assert_eq!(before, after);
    assert_eq!(count(&gateway, "route=shop", 2).len(), 2);
    let secrets = gateway.json("/api/stats")["routes"][0]["secrets"].clone();
    assert_eq!(secrets[0]["count"], 0);
    assert!(secrets[0]["last_matched"].is_number(), "when it matched last outlives the process: {secrets}");
}

#[test]
fn a_process_that_is_killed_leaves_a_journal_that_can_be_read() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let top = format!("journal: {{ path: \"{}\" }}", path.display());
    let mut gateway = keeping(&upstream, "refused", &top);
    gateway.send(&plain("/shop", event("evt-1")));
    newest(&gateway, "event_id=evt-1");
    // It is in the file once another process can see it there; that takes a moment.
    let file = path.join("journal.redb");
    let written = eventually("the file is written", || {
        std::fs::metadata(&file).ok().map(|data| data.modified().unwrap())
    });
    gateway.send(&plain("/shop", event("evt-2")));
    eventually("the file is written again", || {
        (std::fs::metadata(&file).unwrap().modified().unwrap() > written).then_some(())
    });
    gateway.signal("KILL");
    gateway.ended();
    let gateway = keeping(&upstream, "refused", &top);
    newest(&gateway, "event_id=evt-1");
    assert_eq!(gateway.send(&plain("/shop", event("evt-3"))).status, 200);
}

#[test]
fn a_damaged_journal_keeps_nobody_from_starting() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("journal.redb"), b"no database").unwrap();
    let gateway = keeping(&upstream, "refused", &format!("journal: {{ path: \"{}\" }}", path.display()));
    assert_eq!(gateway.get("/readyz").status, 200);
    let line = gateway
        .log
        .wait("the damage", |line| line["message"].as_str().is_some_and(|text| text.contains("damaged")));
    assert_eq!(line["level"], "error");
    assert!(std::fs::read_dir(&path).unwrap().count() >= 2, "it was set aside");
}

#[test]
fn without_a_journal_everything_else_goes_on() {
    let arena = Arena::with(|setup| setup.top("journal: off"));
    assert_eq!(arena.gateway.send(&plain("/hook", event("evt-1"))).status, 200);
    assert_eq!(
        arena.gateway.json("/api/deliveries"),
        json!({ "deliveries": [], "next": null, "total_held": 0 })
    );
    assert_eq!(arena.gateway.json("/api/stats")["journal"]["enabled"], false);
}

#[test]
fn a_wrong_secret_at_two_in_the_morning_is_mended_and_nothing_is_lost() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    let path = gateway.folder.path().join("secret");
    gateway.reloads(|| std::fs::write(&path, "somebody-typed-another-one").unwrap());
    let bodies: Vec<String> =
        (0..3).map(|number| format!("{{\"id\":\"evt-{number}\",  \"n\":{number}.0}}")).collect();
    for body in &bodies {
        let request =
            plain("/shop", body.clone()).header("X-Number", "as it came").header("sealpost-route", "forged");
        assert_eq!(gateway.send(&request).status, 401);
    }
    let refused = count(&gateway, "reason=signature_mismatch", 3);
    assert!(
        refused.iter().all(|one| one["releasable"] == true && one["redeliverable"] == false),
        "{refused:?}"
    );
    let named = |name: &str| refused.iter().find(|one| one["event_id"] == name).unwrap();
    // Released too early they stay refused.
    let early = post(&gateway, "/api/release?route=shop");
    assert_eq!(
        (early["accepted"].as_u64(), early["results"][0]["result"].as_str()),
        (Some(0), Some("signature_mismatch"))
    );
    let first = named("evt-0")["id"].as_str().unwrap();
    let refusal = post(&gateway, &format!("/api/deliveries/{first}/redeliver"));
    assert!(refusal["error"].as_str().unwrap().contains("released, not delivered again"), "{refusal}");
    assert_eq!(upstream.requests().len(), 0);

    gateway.reloads(|| std::fs::write(&path, SECRET).unwrap());
    // The sender's own retry of the second one comes in between.
    assert_eq!(gateway.send(&plain("/shop", bodies[1].clone())).status, 200);
    let released = post(&gateway, "/api/release?route=shop&reason=signature_mismatch");
    let results: Vec<(&str, bool)> = released["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| (result["result"].as_str().unwrap(), result["accepted"].as_bool().unwrap()))
        .collect();
    assert_eq!(results, [("forwarded", true), ("duplicate", true), ("forwarded", true)], "{released}");
    assert_eq!(
        (&released["accepted"], &released["left"], &released["stopped"]),
        (&json!(3), &json!(0), &json!(null))
    );

    let arrived = upstream.finished(3);
    let texts: Vec<String> = arrived.iter().map(|request| request.text()).collect();
    assert_eq!(
        texts,
        [bodies[1].clone(), bodies[0].clone(), bodies[2].clone()],
        "each once, the released in order"
    );
    let request = &arrived[1];
    assert_eq!(request.header("X-Number"), Some("as it came"));
    assert_eq!(request.header("x-webhook-signature"), Some(&*hmac_hex(SECRET, bodies[0].as_bytes())));
    assert_eq!(request.header("sealpost-route"), Some("shop"));
    assert_eq!(request.header("sealpost-release"), Some(first));
    assert_eq!(request.header("sealpost-verified"), Some("true"));
    assert_eq!(
        (request.header("host"), request.header("x-forwarded-for")),
        (arrived[0].header("host"), Some("127.0.0.1"))
    );

    let told = gateway.json(&format!("/api/deliveries/{first}"));
    assert_eq!((&told["released"], &told["releasable"]), (&json!(true), &json!(false)));
    let kinds: Vec<&str> =
        told["results"].as_array().unwrap().iter().map(|one| one["reason"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["signature_mismatch", "forwarded"]);
    let again = &told["results"][1]["id"];
    let entry = gateway.json(&format!("/api/deliveries/{}", again.as_str().unwrap()));
    assert_eq!(entry["origin"], json!({ "kind": "release", "id": first }));
    assert_eq!((&entry["secret"], &entry["outcome"]), (&json!("0"), &json!("accepted")));

    let twice = post(&gateway, &format!("/api/deliveries/{first}/release"));
    assert_eq!(twice["error"], "it was released already");
    // And the sender's late retry of a released one is a duplicate.
    let late = gateway.send(&plain("/shop", bodies[2].clone()));
    assert_eq!(late.header("sealpost-result"), Some("duplicate"));
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn a_delivery_refused_for_its_time_is_released_as_of_its_reception() {
    let upstream = Upstream::start();
    let journal = "journal: { bodies: refused }";
    let setup = Setup::new().route(route(
        "timed",
        "/timed",
        "bella-baxter",
        upstream.url(),
        &[journal, "tolerance: 1m"],
    ));
    let gateway = setup.start();
    let sent = now() - 600;
    assert_eq!(gateway.send(&timed("/timed", event("evt-1"), sent)).status, 401);
    let told = whole(&gateway, "reason=timestamp_too_old");
    let id = told["id"].as_str().unwrap().to_owned();
    let explained = gateway.json(&format!("/api/deliveries/{id}/explain"));
    assert_eq!((&explained["verified"], &explained["reason"]), (&json!(false), &json!("timestamp_too_old")));
    assert_eq!(post(&gateway, &format!("/api/deliveries/{id}/release"))["result"], "timestamp_too_old");
    gateway.reloads(|| {
        std::fs::write(&gateway.file, gateway.yaml.replace("tolerance: 1m", "tolerance: 20m")).unwrap();
    });
    let released = post(&gateway, &format!("/api/deliveries/{id}/release"));
    assert_eq!((&released["result"], &released["status"]), (&json!("forwarded"), &json!(200)), "{released}");
    assert_eq!(upstream.last().text(), event("evt-1"));
}

#[test]
fn a_release_stops_where_the_upstream_is_away_and_goes_on_later() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    let path = gateway.folder.path().join("secret");
    gateway.reloads(|| std::fs::write(&path, "somebody-typed-another-one").unwrap());
    for number in 0..3 {
        gateway.send(&plain("/shop", event(&format!("evt-{number}"))));
    }
    count(&gateway, "reason=signature_mismatch", 3);
    gateway.reloads(|| std::fs::write(&path, SECRET).unwrap());
    upstream.next(status(200, "ok"));
    upstream.next(vec![Step::ReadBody, Step::Send(b"HTTP/1.1 2".to_vec()), Step::Close]);
    let first = post(&gateway, "/api/release?route=shop");
    assert_eq!(
        (&first["accepted"], &first["left"], &first["stopped"]),
        (&json!(1), &json!(1), &json!("upstream_failed")),
        "{first}"
    );
    let second = post(&gateway, "/api/release?route=shop&reason=signature_mismatch");
    assert_eq!(
        (&second["accepted"], &second["left"], &second["stopped"]),
        (&json!(2), &json!(0), &json!(null)),
        "{second}"
    );
    let texts: Vec<String> = upstream.finished(4).iter().map(|request| request.text()).collect();
    assert_eq!(texts, [event("evt-0"), event("evt-1"), event("evt-1"), event("evt-2")]);
}

#[test]
fn a_release_stops_when_the_gateway_is_to_end_and_takes_nothing_for_impossible() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    let path = gateway.folder.path().join("secret");
    gateway.reloads(|| std::fs::write(&path, "somebody-typed-another-one").unwrap());
    for number in 0..4 {
        gateway.send(&plain("/shop", event(&format!("evt-{number}"))));
    }
    count(&gateway, "reason=signature_mismatch", 4);
    gateway.reloads(|| std::fs::write(&path, SECRET).unwrap());
    let gate = Gate::new();
    upstream.next(status(200, "ok"));
    upstream.next(gated(&gate, 200, "ok"));
    std::thread::scope(|scope| {
        let release = scope.spawn(|| post(&gateway, "/api/release?route=shop"));
        upstream.begun(2);
        gateway.signal("TERM");
        eventually("it is to end", || (gateway.get("/readyz").status == 503).then_some(()));
        gate.open();
        let release = release.join().unwrap();
        let told = ["accepted", "left", "stopped", "next"].map(|key| release[key].clone());
        assert_eq!(told, [json!(2), json!(2), json!("draining"), json!(null)], "{release}");
        assert_eq!(release["results"].as_array().unwrap().len(), 2);
    });
}

#[test]
fn a_release_in_parts_goes_on_behind_the_last_one_also_within_a_millisecond() {
    const ALL: usize = 60;
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    // Sent ahead on one connection, so that they are received in this order and as fast as can be.
    let requests: Vec<u8> = (0..ALL)
        .flat_map(|number| {
            let body = event(&format!("evt-{number}"));
            let request = Request::new("POST", "/shop")
                .header("X-Webhook-Signature", hmac_hex("guessed", body.as_bytes()));
            request.body(body).bytes()
        })
        .collect();
    let mut client = gateway.connect();
    client.send(&requests);
    for _ in 0..ALL {
        assert_eq!(client.answer_to("POST").unwrap().status, 401);
    }
    let refused = count(&gateway, "reason=signature_mismatch", ALL);
    let times: BTreeSet<i64> = refused.iter().map(|one| one["time"].as_i64().unwrap()).collect();
    assert!(times.len() < ALL, "some share a millisecond");
    let (mut tried, mut after) = (Vec::new(), String::new());
    loop {
        let part = post(&gateway, &format!("/api/release?route=shop&since=1h&limit=7&after={after}"));
        let results = part["results"].as_array().unwrap();
        assert!(results.len() == 7 || part["left"] == 0, "{part}");
        tried.extend(results.iter().map(|one| one["delivery"].as_str().unwrap().to_owned()));
        assert_eq!(part["left"], ALL - tried.len());
        match part["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    let received: Vec<&str> = refused.iter().rev().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(tried, received, "each once, in the order of reception");
}

#[test]
fn a_release_in_parts_comes_to_an_end_whatever_is_refused_meanwhile() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    let refuse = |number: usize| {
        let body = event(&format!("evt-{number}"));
        let request = Request::new("POST", "/shop")
            .header("X-Webhook-Signature", hmac_hex("guessed", body.as_bytes()))
            .body(body);
        assert_eq!(gateway.send(&request).status, 401);
    };
    (0..5).for_each(refuse);
    count(&gateway, "reason=signature_mismatch", 5);
    let mut part = post(&gateway, "/api/release?route=shop&until=0s&limit=2");
    let (mut tried, mut calls) = (2, 1);
    while let Some(next) = part["next"].as_str() {
        (0..2).for_each(|number| refuse(100 * calls + number));
        count(&gateway, "reason=signature_mismatch&q=evt-", 5 + 2 * calls);
        part = post(&gateway, &format!("/api/release?route=shop&until=0s&limit=2&after={next}"));
        tried += part["results"].as_array().unwrap().len();
        calls += 1;
        assert!(calls < 10, "{tried} tried: {part}");
    }
    assert_eq!((tried, calls, &part["left"]), (5, 3, &json!(0)));
    // Another release takes those, and what was tried and not accepted.
    assert_eq!(post(&gateway, "/api/release?route=shop&limit=1")["left"], 8);
}

#[test]
fn a_verified_delivery_is_delivered_again_past_the_dedupe_store() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "all", "");
    assert_eq!(gateway.send(&plain("/shop", event("evt-1"))).status, 200);
    let id = newest(&gateway, "event_id=evt-1")["id"].as_str().unwrap().to_owned();
    for number in 2..4 {
        let again = post(&gateway, &format!("/api/deliveries/{id}/redeliver"));
        assert_eq!((&again["result"], &again["accepted"]), (&json!("forwarded"), &json!(true)), "{again}");
        let request = upstream.last();
        assert_eq!(request.text(), event("evt-1"));
        assert_eq!(request.header("sealpost-redelivery"), Some(&*id));
        assert_eq!(request.header("sealpost-attempt"), Some(&*number.to_string()));
        assert_eq!(request.header("sealpost-verified"), Some("true"));
        let entry = gateway.json(&format!("/api/deliveries/{}", again["id"].as_str().unwrap()));
        assert_eq!(
            (&entry["origin"]["kind"], &entry["dedupe"]["verdict"]),
            (&json!("redelivery"), &json!("off"))
        );
    }
    // Also when the secret that proved it is gone by now.
    let path = gateway.folder.path().join("secret");
    gateway.reloads(|| std::fs::write(&path, "the-next-one-after-a-rotation").unwrap());
    let again = post(&gateway, &format!("/api/deliveries/{id}/redeliver"));
    assert_eq!(again["result"], "forwarded");
    assert_eq!(upstream.requests().len(), 4);
    // The store does not know it from these: a retry is a duplicate of the first.
    let refusal = post(&gateway, &format!("/api/deliveries/{id}/release"));
    assert_eq!(refusal["error"], "it was accepted");
}

/// `POST` at the admin address; its JSON, whatever the status.
pub(crate) fn post(gateway: &Gateway, target: &str) -> Value {
    let host = gateway.admin().to_string();
    let answer =
        Client::connect(gateway.admin()).exchange(&Request::new("POST", target).header("Host", host));
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}
