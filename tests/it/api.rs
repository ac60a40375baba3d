//! The admin API: its description holds, its guards hold, its streams go on where they were.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::journal::{count, keeping, newest, post};
use crate::support::DEADLINE;
use crate::support::arena::Arena;
use crate::support::client::{Answer, Request};
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{SECRET, event, github, plain};
use crate::support::upstream::{Upstream, status};

/// Every operation of the description: path, method, what it says.
fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let paths = description["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods.iter().map(|(method, operation)| (path.clone(), method.to_uppercase(), operation.clone()))
        })
        .collect()
}

/// Holds an answer to what the description says of its status and content type.
fn check(description: &Value, operation: &Value, what: &str, answer: &Answer) {
    let described = &operation["responses"][answer.status.to_string()];
    assert!(described.is_object(), "{what}: {} is not described: {answer:?}", answer.status);
    let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
    let content = &described["content"][kind];
    assert!(content.is_object(), "{what}: {kind} is not described");
    if kind != "application/json" {
        return;
    }
    let mut schema = content["schema"].clone();
    schema["components"] = description["components"].clone();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(problems.is_empty(), "{what}: {problems:#?}\n{body:#}");
}

#[test]
fn the_description_is_true() {
    let upstream = Upstream::start();
    let setup = Setup::new().variable("OTHER", "another-long-secret-text");
    let keep = "journal: { bodies: all }";
    let gateway = setup
        .route(route("hook", "/hook", "webhook-signature", upstream.url(), &[keep]))
        .route(route("open", "/open", "none", upstream.url(), &[keep]))
        .route(route("try", "/try", "bella-baxter", upstream.url(), &[keep, "mode: shadow"]))
        .start();
    upstream.next(status(500, "no"));
    for request in [
        plain("/hook", event("evt-0")),
        plain("/hook", event("evt-1")),
        plain("/hook", event("evt-1")),
        plain("/hook", event("evt-2")).body(vec![0xff, 0xfe]),
        plain("/open", "x"),
        plain("/try", event("evt-3")),
        plain("/nowhere", "{}"),
        Request::new("BREW", "/hook"),
    ] {
        gateway.send(&request);
    }
    let all = count(&gateway, "", 8);
    let description = gateway.json("/api/openapi.json");
    let id = |reason: &str| {
        let found =
            all.iter().find(|one| one["reason"] == reason).unwrap_or_else(|| panic!("{reason} in {all:#?}"));
        found["id"].as_str().unwrap().to_owned()
    };
    let (forwarded, forged) = (id("forwarded"), id("signature_mismatch"));
    let mut asked = BTreeSet::new();
    let mut ask = |method: &str, path: &str, target: &str, status: u16| {
        let operation = &description["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        let answer = gateway.ask(&Request::new(method, target));
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
        check(&description, operation, &format!("{method} {target}"), &answer);
        asked.insert((path.to_owned(), method.to_owned()));
        answer
    };
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/openapi.json",
        "/api/routes",
        "/api/config",
        "/api/first-contacts",
    ] {
        ask("GET", path, path, 200);
    }
    ask("POST", "/api/reload", "/api/reload", 200);
    for (query, status) in [
        ("", 200),
        ("?limit=2", 200),
        ("?limit=0", 400),
        ("?before=x", 400),
        ("?rout=hook", 400),
        ("?reason=lost", 400),
    ] {
        ask("GET", "/api/deliveries", &format!("/api/deliveries{query}"), status);
    }
    for one in &all {
        let id = one["id"].as_str().unwrap();
        ask("GET", "/api/deliveries/{id}", &format!("/api/deliveries/{id}"), 200);
    }
    ask("GET", "/api/deliveries/{id}", "/api/deliveries/none", 404);
    ask("GET", "/api/deliveries/{id}/body", &format!("/api/deliveries/{forged}/body"), 200);
    ask("GET", "/api/deliveries/{id}/body", &format!("/api/deliveries/{}/body", id("no_route")), 404);
    ask("GET", "/api/deliveries/{id}/explain", &format!("/api/deliveries/{forged}/explain"), 200);
    ask("GET", "/api/deliveries/{id}/explain", &format!("/api/deliveries/{}/explain", id("no_route")), 409);
    ask("POST", "/api/deliveries/{id}/redeliver", &format!("/api/deliveries/{forwarded}/redeliver"), 200);
    ask("POST", "/api/deliveries/{id}/redeliver", &format!("/api/deliveries/{forged}/redeliver"), 409);
    ask("POST", "/api/deliveries/{id}/release", &format!("/api/deliveries/{forged}/release"), 200);
    ask("POST", "/api/deliveries/{id}/release", &format!("/api/deliveries/{forwarded}/release"), 409);
    ask("POST", "/api/release", "/api/release?route=hook", 200);
    ask(
        "POST",
        "/api/release",
        "/api/release?route=hook&after=1f.1767225600000.1767225600000.x&limit=1",
        200,
    );
    for query in [
        "",
        "?route=hook&after=x",
        "?route=hook&after=x.y",
        "?route=hook&after=1..y.x",
        "?route=hook&limit=1001",
    ] {
        ask("POST", "/api/release", &format!("/api/release{query}"), 400);
    }
    for (query, status) in [("", 200), ("?window=24h", 200), ("?window=9m", 200), ("?window=2d", 400)] {
        ask("GET", "/api/stats", &format!("/api/stats{query}"), status);
    }
    for (query, status) in [
        ("route=hook&event_id=evt-1", 200),
        ("route=hook&event_id=none", 200),
        ("route=none&event_id=x", 404),
        ("key=x", 400),
    ] {
        ask("GET", "/api/dedupe", &format!("/api/dedupe?{query}"), status);
        ask("POST", "/api/dedupe/forget", &format!("/api/dedupe/forget?{query}"), status);
    }
    ask("GET", "/api/deliveries/export", "/api/deliveries/export?route=-", 200);
    ask("GET", "/api/deliveries/export", "/api/deliveries/export?limit=1", 400);
    ask("GET", "/api/deliveries/stream", "/api/deliveries/stream?reason=lost", 400);

    let described: BTreeSet<(String, String)> =
        operations(&description).into_iter().map(|(path, method, _)| (path, method)).collect();
    assert_eq!(described, asked, "what is described is served, and the other way round");
    // Everything that is served is described: a path that is not answers 404.
    for path in [
        "/api",
        "/api/",
        "/api/deliveries/",
        "/api/deliveries/x/y",
        "/api/deliveries/x/body/y",
        "/api/dedupe/",
        "/api/stats/x",
    ] {
        assert_eq!(gateway.get(path).status, 404, "{path}");
    }
    // The parameters that are described are those that are known.
    for (path, method, operation) in operations(&description) {
        let named =
            operation["parameters"].as_array().into_iter().flatten().filter(|one| one["in"] == "query");
        for parameter in named {
            let target = format!("{}?{}=", path.replace("{id}", "x"), parameter["name"].as_str().unwrap());
            let answer = gateway.ask(&Request::new(
                &method,
                if method == "GET" && path.ends_with("stream") { continue } else { &target },
            ));
            assert!(!answer.text().contains("there is no parameter"), "{target}: {answer:?}");
        }
    }
}

#[test]
fn every_change_needs_the_token_and_comes_from_no_other_site() {
    const CHANGES: [&str; 5] = [
        "/api/reload",
        "/api/release?route=hook",
        "/api/dedupe/forget?route=hook&event_id=evt-1",
        "/api/deliveries/ID/release",
        "/api/deliveries/ID/redeliver",
    ];
    let upstream = Upstream::start();
    let keep = "journal: { bodies: all }";
    let setup = || Setup::new().route(route("hook", "/hook", "webhook-signature", upstream.url(), &[keep]));
    let open = setup().start();
    let locked = setup()
        .variable("ADMIN_TOKEN", "token-of-the-operator")
        .admin("admin: { address: \"127.0.0.1:0\", token: \"env:ADMIN_TOKEN\" }")
        .start();
    open.send(&plain("/hook", event("evt-1")));
    let id = newest(&open, "event_id=evt-1")["id"].as_str().unwrap().to_owned();
    for change in CHANGES {
        let target = change.replace("ID", &id);
        let from = |name: &str, value: &str| open.ask(&Request::new("POST", &target).header(name, value));
        for (name, value) in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            from(name, value).expect_error(403);
        }
        let named = open.ask(&Request::new("POST", &target).header("Host", "evil.example"));
        named.expect_error(403);
        assert_eq!(open.get(&target).status, 405, "a link does not change anything: {target}");
        locked.ask(&Request::new("POST", &target)).expect_error(401);
        let with = |extra: &str| {
            let request =
                Request::new("POST", &target).header("Authorization", "Bearer token-of-the-operator");
            locked.ask(&request.header("Sec-Fetch-Site", extra)).status
        };
        assert_eq!(with("cross-site"), 403, "a token does not make another site ours: {target}");
        assert!([200, 404].contains(&with("same-origin")), "{target}");
    }
    assert_eq!(upstream.requests().len(), 1, "nothing was delivered again");
    for target in [
        "/api/deliveries",
        "/api/deliveries/stream",
        "/api/deliveries/export",
        "/api/stats",
        "/api/dedupe?key=x",
        "/api/openapi.json",
    ] {
        locked.get(target).expect_error(401);
    }
}

#[test]
fn another_site_gets_no_stream_and_takes_none_away() {
    const READ: [&str; 11] = [
        "/api/deliveries/stream",
        "/api/deliveries/export",
        "/api/deliveries",
        "/api/deliveries/ID",
        "/api/deliveries/ID/body",
        "/api/deliveries/ID/explain",
        "/api/stats",
        "/api/routes",
        "/api/config",
        "/api/openapi.json",
        "/metrics",
    ];
    let arena = Arena::with(|setup| setup.top("journal: { bodies: all }"));
    arena.gateway.send(&plain("/hook", event("evt-1")));
    let id = newest(&arena.gateway, "event_id=evt-1")["id"].as_str().unwrap().to_owned();
    for place in READ {
        let target = place.replace("ID", &id);
        let from =
            |name: &str, value: &str| arena.gateway.ask(&Request::new("GET", &target).header(name, value));
        // More often than there are streams. They are answered and closed.
        for _ in 0..if place.ends_with("stream") { 40 } else { 1 } {
            from("Origin", "https://evil.example").expect_error(403);
            // A picture's address, a frame's or a link's has no `Origin`.
            from("Sec-Fetch-Site", "cross-site").expect_error(403);
            // Another port of this machine.
            from("Sec-Fetch-Site", "same-site").expect_error(403);
            from("Host", "evil.example").expect_error(403);
        }
        if !place.ends_with("stream") {
            assert_eq!(from("Sec-Fetch-Site", "same-origin").status, 200, "the page: {target}");
            assert_eq!(from("Sec-Fetch-Site", "none").status, 200, "typed in: {target}");
            assert_eq!(arena.gateway.get(&target).status, 200, "a program: {target}");
        }
    }
    let _all: Vec<Stream> = (0..32).map(|_| Stream::open(&arena.gateway, "", None)).collect();
    for open in ["/", "/page/page.js", "/healthz", "/readyz"] {
        let linked = Request::new("GET", open).header("Sec-Fetch-Site", "cross-site");
        assert_eq!(arena.gateway.ask(&linked).status, 200, "{open}");
    }
}

#[test]
fn pages_lead_from_the_newest_to_the_oldest() {
    let arena = Arena::new();
    for number in 0..7 {
        arena.gateway.send(&plain("/raw", event(&format!("evt-{number}"))));
        // It is taken down after it was answered.
        count(&arena.gateway, "route=raw", number + 1);
    }
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = arena.gateway.json(&format!("/api/deliveries?route=raw&limit=3&before={next}"));
        assert_eq!(page["total_held"], 7);
        seen.extend(
            page["deliveries"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| one["event_id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(cursor) => next = cursor.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, (0..7).rev().map(|number| format!("evt-{number}")).collect::<Vec<_>>());
    let one = arena.gateway.json("/api/deliveries?event_type=test.*&event_id=evt-3");
    assert_eq!(one["deliveries"].as_array().unwrap().len(), 1);
}

/// An open stream.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(gateway: &Gateway, query: &str, last: Option<&str>) -> Self {
        Self::try_open(gateway, query, last).expect("it is there")
    }

    /// `None` if there is no room for one more.
    fn try_open(gateway: &Gateway, query: &str, last: Option<&str>) -> Option<Self> {
        let mut stream = TcpStream::connect(gateway.admin()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        // Without chunks, so that the lines are what they are.
        let request =
            format!("GET /api/deliveries/stream?{query} HTTP/1.0\r\nHost: {}\r\n{last}\r\n", gateway.admin());
        stream.write_all(request.as_bytes()).unwrap();
        let mut stream = Self(BufReader::new(stream));
        if stream.line().contains(" 503 ") {
            return None;
        }
        while !stream.line().is_empty() {}
        assert_eq!(stream.line(), ": hello");
        Some(stream)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// The next event: its name, its id, its data.
    fn event(&mut self) -> (String, String, Value) {
        let (mut name, mut id, mut data) = (String::new(), String::new(), Value::Null);
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("id", value)) => id = value.to_owned(),
                Some(("data", value)) => data = serde_json::from_str(value).unwrap(),
                None if line.is_empty() && !name.is_empty() => return (name, id, data),
                _ => {}
            }
        }
    }
}

#[test]
fn a_stream_tells_what_happens_and_goes_on_where_it_was() {
    let arena = Arena::new();
    let mut stream = Stream::open(&arena.gateway, "route=hook", None);
    arena.gateway.send(&plain("/hook", event("evt-1")));
    arena.gateway.send(&plain("/raw", event("evt-2")));
    arena.gateway.send(&plain("/hook", event("evt-3")));
    let (name, cursor, told) = stream.event();
    assert_eq!(
        (name.as_str(), &told["event_id"], &told["cursor"]),
        ("delivery", &json!("evt-1"), &json!(cursor))
    );
    assert_eq!(told, newest(&arena.gateway, "event_id=evt-1"), "the same form as in lists");
    assert_eq!(stream.event().2["event_id"], "evt-3", "and only what is asked for");
    drop(stream);
    arena.gateway.send(&plain("/hook", event("evt-4")));
    count(&arena.gateway, "route=hook", 3);
    let mut resumed = Stream::open(&arena.gateway, "route=hook", Some(&cursor));
    for expected in ["evt-3", "evt-4"] {
        assert_eq!(resumed.event().2["event_id"], expected);
    }
    arena.gateway.send(&plain("/hook", event("evt-5")));
    assert_eq!(resumed.event().2["event_id"], "evt-5");
    // After a cursor of which nothing is known any more it says so first.
    let mut lost = Stream::open(&arena.gateway, "", Some("1"));
    let (name, _, data) = lost.event();
    assert_eq!((name.as_str(), &data["missed"]), ("lagged", &json!(null)));
    assert_eq!(lost.event().2["event_id"], "evt-1");
}

#[test]
fn a_stream_that_is_not_read_holds_nobody_up_and_so_many_are_enough() {
    let arena = Arena::new();
    let streams: Vec<Stream> = (0..32).map(|_| Stream::open(&arena.gateway, "", None)).collect();
    arena.gateway.get("/api/deliveries/stream").expect_error(503);
    let mut client = arena.gateway.connect();
    for number in 0..300 {
        client.send(&plain("/raw", event(&format!("evt-{number}"))).bytes());
        assert_eq!(client.answer_to("POST").unwrap().status, 200);
    }
    count(&arena.gateway, "q=evt-299", 1);
    assert_eq!(arena.gateway.metric("sealpost_journal_dropped_total", &[]), 0.0);
    drop(streams);
    let mut again = crate::support::eventually("there is room again", || {
        // Whoever has gone is noticed at the next thing to tell.
        arena.gateway.send(&plain("/hook", event("evt-more")));
        Stream::try_open(&arena.gateway, "q=evt-last", None)
    });
    arena.gateway.send(&plain("/hook", event("evt-last")));
    assert_eq!(again.event().2["event_id"], "evt-last");
}

#[test]
fn numbers_are_told_for_each_route() {
    let upstream = Upstream::start();
    let more = ["secrets: [{ env: TEST_SECRET, name: new }, { env: OLD, name: old }]"];
    let gateway = Setup::new()
        .variable("OLD", "the-one-before-the-new-one")
        .route(route("hook", "/hook", "webhook-signature", upstream.url(), &more))
        .route(route("quiet", "/quiet", "github", upstream.url(), &[]))
        .start();
    for number in 0..5 {
        gateway.send(&plain("/hook", event(&format!("evt-{number}"))));
    }
    gateway.send(&plain("/hook", event("evt-0")));
    gateway.send(&plain("/hook", event("evt-9")).body("{}"));
    gateway.send(&plain("/nowhere", "{}"));
    count(&gateway, "", 8);
    let stats = gateway.json("/api/stats?window=10m");
    let hook = &stats["routes"][0];
    assert_eq!((&hook["route"], &hook["requests"], &hook["shadow"]), (&json!("hook"), &json!(7), &json!(0)));
    assert_eq!(hook["reasons"], json!({ "forwarded": 5, "duplicate": 1, "signature_mismatch": 1 }));
    assert!(hook["rate"].as_f64().unwrap() > 0.0);
    for (which, part) in
        [("took_us", "p50"), ("took_us", "p99"), ("upstream_us", "p50"), ("upstream_us", "p99")]
    {
        assert!(hook[which][part].as_u64().unwrap() > 0, "{hook}");
    }
    let secrets = &hook["secrets"];
    assert_eq!((&secrets[0]["name"], &secrets[0]["count"]), (&json!("new"), &json!(6)));
    assert_eq!((&secrets[1]["name"], &secrets[1]["last_matched"]), (&json!("old"), &json!(null)));
    let series = hook["series"].as_array().unwrap();
    assert_eq!((series.len(), &stats["bucket_seconds"]), (60, &json!(10)));
    let sum = |key: &str| series.iter().map(|one| one[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("accepted"), sum("answered"), sum("refused")), (5, 1, 1));
    assert_eq!((&stats["routes"][1]["requests"], &stats["unrouted"]["requests"]), (&json!(0), &json!(1)));
}

#[test]
fn a_refusal_is_explained_with_the_likely_mistake() {
    let upstream = Upstream::start();
    let keep = "journal: { bodies: refused }";
    let gateway = Setup::new()
        .variable("OTHER", "the-secret-of-the-other-route")
        .route(route("github", "/github", "github", upstream.url(), &[keep]))
        .route(route("other", "/other", "github", upstream.url(), &["secrets: [\"env:OTHER\"]", keep]))
        .start();
    gateway.send(&github("/other", "{\"a\":1}", "delivery-1"));
    let id = newest(&gateway, "route=other")["id"].as_str().unwrap().to_owned();
    let explained = gateway.json(&format!("/api/deliveries/{id}/explain"));
    assert_eq!((&explained["verified"], &explained["reason"]), (&json!(false), &json!("signature_mismatch")));
    let first = &explained["likely"][0];
    assert_eq!(first["proven"], true, "{explained:#}");
    assert!(first["advice"].as_str().unwrap().contains("route `github`"), "{first}");
    assert!(!explained.to_string().contains(SECRET));
    gateway.send(&plain("/nowhere", "{}"));
    let lost = newest(&gateway, "route=-")["id"].as_str().unwrap().to_owned();
    gateway.get(&format!("/api/deliveries/{lost}/explain")).expect_error(409);
}

#[test]
fn an_event_is_looked_up_and_forgotten() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "none", "");
    let look = || gateway.json("/api/dedupe?route=shop&event_id=evt-1");
    assert_eq!(look()["state"], "unknown");
    gateway.send(&plain("/shop", event("evt-1")));
    let known = look();
    assert_eq!(
        (&known["state"], &known["attempt"], &known["answer_kept"]),
        (&json!("accepted"), &json!(1), &json!(true))
    );
    let key = newest(&gateway, "event_id=evt-1")["id"]
        .as_str()
        .map(|id| gateway.json(&format!("/api/deliveries/{id}")));
    assert_eq!(key.unwrap()["dedupe"]["key"], known["key"], "the journal names the same key");
    assert_eq!(gateway.send(&plain("/shop", event("evt-1"))).header("sealpost-result"), Some("duplicate"));
    let target = format!("/api/dedupe/forget?key={}", known["key"].as_str().unwrap());
    assert_eq!(post(&gateway, &target)["forgotten"], true);
    assert_eq!(post(&gateway, &target)["forgotten"], false);
    assert_eq!(look()["state"], "unknown");
    let again = gateway.send(&plain("/shop", event("evt-1")));
    assert_eq!((again.status, again.header("sealpost-result")), (200, None));
    assert_eq!(upstream.requests().len(), 2);
    gateway.get("/api/dedupe?route=shop").expect_error(400);
    gateway.get("/api/dedupe?route=none&event_id=x").expect_error(404);
}

#[test]
fn an_export_is_lines_with_all_that_is_kept_oldest_first() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "all", "");
    for number in 0..150 {
        gateway.send(&plain("/shop", event(&format!("evt-{number}"))));
    }
    count(&gateway, "route=shop", 150);
    let answer = gateway.get("/api/deliveries/export?route=shop");
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 150);
    use base64::Engine as _;
    let bodies: BTreeSet<Vec<u8>> = lines
        .iter()
        .map(|line| line["request"]["body_base64"].as_str().unwrap())
        .map(|body| base64::engine::general_purpose::STANDARD.decode(body).unwrap())
        .collect();
    let sent = (0..150).map(|number| event(&format!("evt-{number}")).into_bytes());
    assert_eq!(bodies, sent.collect());
    let cursors: Vec<u64> =
        lines.iter().map(|line| u64::from_str_radix(line["cursor"].as_str().unwrap(), 16).unwrap()).collect();
    assert!(cursors.is_sorted(), "in the order in which they were taken down");
}
