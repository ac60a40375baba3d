//! The gateway's deliveries in the terminal: the commands over its admin address, and `check --against` over what it took down.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::journal::{count, keeping, newest};
use crate::support::client::Request;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{event, hmac_hex, now, plain, timed};
use crate::support::upstream::{Upstream, gated, status};
use crate::support::{DEADLINE, Gate, eventually};

fn sealpost(gateway: &Gateway, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    // A proxy of the environment is for the way out and must not be asked.
    command.env("http_proxy", "http://127.0.0.1:1").env("ALL_PROXY", "http://127.0.0.1:1");
    command.args(arguments).args(["--admin", &gateway.admin().to_string()]);
    command.current_dir(gateway.folder.path());
    command
}

/// How a command ended: its code, what it printed, what it complained of.
fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn run(gateway: &Gateway, arguments: &[&str]) -> (Option<i32>, String, String) {
    told(sealpost(gateway, arguments).output().unwrap())
}

fn json(gateway: &Gateway, arguments: &[&str]) -> Value {
    let (_, out, err) = run(gateway, &[arguments, &["--json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}"))
}

fn ids(deliveries: &Value) -> Vec<String> {
    let all = deliveries.as_array().unwrap_or_else(|| panic!("{deliveries}"));
    all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn wrong(target: &str, body: impl Into<Vec<u8>>) -> Request {
    let body = body.into();
    let signature = hmac_hex("another-secret-altogether", &body);
    Request::new("POST", target).header("X-Webhook-Signature", signature).body(body)
}

/// A command that goes on, and the lines it prints.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(gateway: &Gateway, arguments: &[&str]) -> Self {
        let mut command = sealpost(gateway, &[&["deliveries", "--follow"], arguments].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let out: ChildStdout = child.stdout.take().unwrap();
        let (teller, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if teller.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(DEADLINE).expect("a line")
    }

    fn delivery(&self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    fn code(&mut self) -> Option<i32> {
        eventually("the command ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn deliveries_are_listed_chosen_and_counted() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "all", "");
    let requests = [
        plain("/shop", event("evt-1")),
        plain("/shop", event("evt-2")),
        plain("/shop", event("evt-3")),
        wrong("/shop", event("evt-4")),
        plain("/nowhere", "{}"),
    ];
    for (before, request) in requests.iter().enumerate() {
        gateway.send(request);
        // Two that are sent one right after the other may be taken down in either order.
        count(&gateway, "", before + 1);
    }
    let (code, out, _) = run(&gateway, &["deliveries"]);
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("TIME") && lines[0].contains("EVENT ID"), "{out}");
    assert!(lines[1].contains("no_route") && lines[2].contains("signature_mismatch"), "newest first: {out}");
    assert!(lines[5].contains("evt-1") && lines[5].split(' ').next().unwrap().ends_with('Z'), "{out}");
    assert!(out.contains("5 of 5 in the journal"), "{out}");
    assert!(!out.contains('\x1b'), "no colours where no terminal is");

    let chosen = |arguments: &[&str]| {
        let found = json(&gateway, &[&["deliveries"], arguments].concat());
        found["deliveries"].as_array().unwrap().len()
    };
    for (arguments, expected) in [
        (&["--event", "evt-2"][..], 1),
        (&["--event", "evt"], 0),
        (&["--event", "test.happened"], 4),
        (&["--event", "test.*", "--reason", "forwarded"], 3),
        (&["--route", "-"], 1),
        (&["--outcome", "refused"], 2),
        (&["--sender", "github"], 0),
        (&["--since", "1h", "--limit", "2"], 2),
        (&["--until", "1h"], 0),
        (&["--since", "2026-01-01T00:00:00Z"], 5),
    ] {
        assert_eq!(chosen(arguments), expected, "{arguments:?}");
    }
    let page = json(&gateway, &["deliveries", "--event", "test.happened", "--limit", "2"]);
    assert!(page["next"].is_string(), "{page}");

    let stats = run(&gateway, &["stats"]).1;
    let row = stats.lines().find(|line| line.starts_with("shop")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!((cells[1], cells[2], cells[4], cells[7]), ("webhook-signature", "4", "3", "1"), "{stats}");
    assert!(
        stats.contains("signature_mismatch  1") && stats.contains("journal in memory: 5 entries"),
        "{stats}"
    );
    assert_eq!(json(&gateway, &["stats", "--window", "15m"])["routes"][0]["requests"], 4);
}

#[test]
fn one_delivery_is_told_with_its_request_and_its_explanation() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "all", "");
    gateway.send(&wrong("/shop?a=1", event("evt-1")).header("X-Private", "nobody's business"));
    let id = newest(&gateway, "reason=signature_mismatch")["id"].as_str().unwrap().to_owned();
    let (code, out, err) = run(&gateway, &["deliveries", &id]);
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "signature_mismatch, the sender was told 401",
        "shop (webhook-signature)",
        "POST /shop from 127.0.0.1",
        "Timeline",
        "x-private: [redacted]",
        "redacted: ",
        "{\"id\":\"evt-1\",\"type\":\"test.happened\"}",
        "not verified: signature_mismatch",
        &format!("sealpost release {id}"),
    ] {
        let (part, out) = (part.to_ascii_lowercase(), out.to_ascii_lowercase());
        assert!(out.contains(&part), "{part}: {out}");
    }
    assert!(!out.contains("nobody's business"), "{out}");
    let told = json(&gateway, &["deliveries", &id]);
    assert_eq!((&told["id"], &told["explanation"]["verified"]), (&Value::from(id), &Value::from(false)));
    let (code, _, err) = run(&gateway, &["deliveries", "nothing"]);
    assert_eq!((code, err.as_str()), (Some(1), "sealpost: the journal holds no such delivery\n"));
}

#[test]
fn nothing_of_a_delivery_reaches_the_terminal_as_more_than_text() {
    let upstream = Upstream::start();
    let keep = "journal: { bodies: all }";
    let gateway = Setup::new()
        .route(route("shop", "/shop", "webhook-signature", upstream.url(), &[keep]))
        .route(route("raw", "/raw", "webhook-signature", upstream.url(), &[keep, "dedupe: off"]))
        .start();
    let body = "{\"id\":\"\\u001b[2Jx\\u009b31m\",\"type\":\"a\\u202eb\\r\\nfaked\"}";
    gateway.send(&plain("/shop", body).header("X-Note", "\u{202e}evil\u{9b}2J"));
    gateway.send(&plain("/raw", "one\r\n\x1b]0;title\x07\u{2066}\u{200b}"));
    gateway.send(&plain("/shop/%1b%5b2J", "{}"));
    let id = |query: &str| newest(&gateway, query)["id"].as_str().unwrap().to_owned();
    let (seen, raw) = (id("route=shop"), id("route=raw"));
    let dangerous = |text: &str| {
        text.chars().any(|c| {
            (c.is_control() && c != '\n') || ('\u{200b}'..='\u{202e}').contains(&c) || c == '\u{2066}'
        })
    };
    for arguments in
        [&["deliveries"][..], &["deliveries", &seen], &["deliveries", &raw], &["stats"], &["release", &seen]]
    {
        let (_, out, err) = run(&gateway, arguments);
        assert!(!dangerous(&out) && !dangerous(&err), "{arguments:?}: {out:?} {err:?}");
    }
    let (_, out, _) = run(&gateway, &["deliveries", &seen]);
    assert!(out.contains("\\u{1b}[2Jx\\u{9b}31m") && out.contains("a\\u{202e}b\\u{d}\\u{a}faked"), "{out}");
    assert!(out.contains("\\u{202e}evil\\u{9b}2J"), "{out}");
    let (_, out, _) = run(&gateway, &["deliveries", &raw]);
    assert!(out.contains("  one\n  \\u{1b}]0;title\\u{7}\\u{2066}\\u{200b}\n"), "{out}");
    let follow = Following::start(&gateway, &["--route", "shop"]);
    follow.line();
    let line = follow.line();
    assert!(!dangerous(&line) && line.contains("\\u{1b}[2J"), "{line:?}");
}

#[test]
fn deliveries_are_followed_over_a_restart_until_the_reader_or_the_operator_goes() {
    let upstream = Upstream::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let mut gateway = Setup::new()
        .admin(format!("admin: {{ address: \"127.0.0.1:{port}\" }}"))
        .top(format!("journal: {{ path: \"{}\" }}", folder.path().join("journal").display()))
        .route(route("shop", "/shop", "webhook-signature", upstream.url(), &[]))
        .start();
    gateway.send(&plain("/shop", event("evt-0")));
    count(&gateway, "", 1);
    let mut follow = Following::start(&gateway, &["--json"]);
    assert_eq!(follow.delivery()["event_id"], "evt-0", "what was there");
    gateway.send(&plain("/shop", event("evt-1")));
    assert_eq!(follow.delivery()["event_id"], "evt-1", "what comes");
    gateway.signal("TERM");
    assert!(gateway.ended().success());
    let gateway = gateway.another();
    gateway.send(&plain("/shop", event("evt-2")));
    assert_eq!(follow.delivery()["event_id"], "evt-2", "what came while it was away, and nothing twice");
    gateway.send(&plain("/shop", event("evt-3")));
    assert_eq!(follow.delivery()["event_id"], "evt-3");
    let id = follow.child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(follow.code(), Some(0), "Ctrl-C ends it well");

    // `| head -1`: nothing more comes, and it ends all the same.
    let mut command = sealpost(&gateway, &["deliveries", "--follow"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("TIME"), "{first}");
    let ended = eventually("nobody reads", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_wrong_secret_is_found_mended_and_its_deliveries_are_released() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    let secret = gateway.folder.path().join("secret");
    let right = std::fs::read(&secret).unwrap();
    gateway.reloads(|| std::fs::write(&secret, "a-wrong-secret-of-last-night").unwrap());
    for id in ["evt-1", "evt-2", "evt-3"] {
        assert_eq!(gateway.send(&plain("/shop", event(id))).status, 401);
    }
    count(&gateway, "reason=signature_mismatch", 3);
    let (code, out, _) = run(&gateway, &["release", "--route", "shop"]);
    assert_eq!(code, Some(1), "not while it is wrong");
    assert_eq!(out.matches("signature_mismatch").count(), 3, "{out}");
    assert!(out.contains("0 accepted, 3 not"), "{out}");
    assert_eq!(upstream.requests().len(), 0);

    gateway.reloads(|| std::fs::write(&secret, &right).unwrap());
    let refused = json(&gateway, &["deliveries", "--reason", "signature_mismatch", "--outcome", "refused"]);
    let refused = refused["deliveries"].as_array().unwrap();
    let is_first = |one: &&Value| one["event_id"] == "evt-1" && one["origin"].is_null();
    let first = refused.iter().find(is_first).unwrap()["id"].as_str().unwrap();
    let (code, out, err) = run(&gateway, &["release", first]);
    assert_eq!((code, out.contains("1 accepted")), (Some(0), true), "{out}{err}");
    let (code, out, _) = run(&gateway, &["release", "--route", "shop", "--since", "1h"]);
    assert_eq!((code, out.contains("2 accepted")), (Some(0), true), "{out}");
    let arrived: Vec<String> = upstream.finished(3).iter().map(|request| request.text()).collect();
    assert_eq!(arrived, ["evt-1", "evt-2", "evt-3"].map(event), "in the order of their reception");

    let (code, out, _) = run(&gateway, &["release", first]);
    assert_eq!(code, Some(1));
    assert!(out.contains("not_possible") && out.contains("it was released already"), "{out}");
    let (code, out, _) = run(&gateway, &["release", "--route", "shop"]);
    assert_eq!((code, out.as_str()), (Some(0), "nothing to release\n"));
    let (code, _, err) = run(&gateway, &["release", "--route", "shopp"]);
    assert_eq!((code, err.contains("did you mean `shop`?")), (Some(2), true), "{err}");
}

#[test]
fn a_release_stops_where_the_upstream_is_away_and_says_what_is_left() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    upstream.next(status(500, "no")).next(status(500, "no"));
    for id in ["evt-1", "evt-2"] {
        gateway.send(&plain("/shop", event(id)));
    }
    let declined = count(&gateway, "outcome=declined", 2);
    let all = ids(&Value::from(declined));
    let order: Vec<&str> = all.iter().map(String::as_str).collect();
    let (code, out, _) = run(&gateway, &[&["release"], &order[..]].concat());
    assert_eq!((code, out.contains("2 accepted")), (Some(0), true), "{out}");
    let bodies: Vec<String> = upstream.finished(4).iter().skip(2).map(|request| request.text()).collect();
    assert_eq!(bodies, ["evt-1", "evt-2"].map(event), "by reception, though named newest first");

    // The same where it answers that it cannot.
    upstream.next(status(500, "no")).next(status(500, "no"));
    for id in ["evt-3", "evt-4"] {
        gateway.send(&plain("/shop", event(id)));
    }
    let all = ids(&Value::from(count(&gateway, "outcome=declined&event_id=evt-3", 1)));
    let all = [all, ids(&Value::from(count(&gateway, "outcome=declined&event_id=evt-4", 1)))].concat();
    for arguments in [&["--route", "shop"][..], &[&*all[0], &*all[1]]] {
        upstream.next(status(503, "later"));
        let (code, out, err) = run(&gateway, &[&["release"], arguments].concat());
        assert_eq!(code, Some(1), "{err}");
        assert!(out.contains("1 not tried because of the upstream's answer: what comes later"), "{out}");
    }

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Setup::new()
        .route(route(
            "shop",
            "/shop",
            "webhook-signature",
            &format!("http://{nobody}"),
            &["journal: { bodies: refused }"],
        ))
        .start();
    for id in ["evt-1", "evt-2"] {
        gateway.send(&plain("/shop", event(id)));
    }
    let all = ids(&Value::from(count(&gateway, "reason=upstream_unreachable", 2)));
    for arguments in [&["--route", "shop"][..], &[&*all[0], &*all[1]]] {
        let (code, out, err) = run(&gateway, &[&["release"], arguments].concat());
        assert_eq!(code, Some(1), "{err}");
        assert!(out.contains("1 not tried because of upstream_unreachable"), "{out}");
    }
}

#[test]
fn a_release_that_breaks_off_tells_what_it_did_before() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    upstream.next(status(500, "no")).next(status(500, "no")).next(status(500, "no"));
    for id in ["evt-1", "evt-2", "evt-3"] {
        gateway.send(&plain("/shop", event(id)));
    }
    let all = ids(&Value::from(count(&gateway, "outcome=declined", 3)));
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let gate = Gate::new();
    upstream.next(status(200, "ok")).next(gated(&gate, 200, "ok"));
    let release = sealpost(&gateway, &[&["release"], &all[..]].concat())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    upstream.begun(5);
    gateway.signal("KILL");
    let (code, out, err) = told(release.wait_with_output().unwrap());
    gate.open();
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(
        out.contains("1 accepted") && out.contains("forwarded") && out.contains("1 not tried"),
        "{out}{err}"
    );
    assert!(err.contains(&gateway.admin().to_string()), "and why there is no more: {err}");
}

#[test]
fn a_release_of_a_route_tries_each_once_and_goes_on_past_what_is_declined() {
    const FORGED: usize = 1010;
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "refused", "");
    let secret = gateway.folder.path().join("secret");
    let right = std::fs::read(&secret).unwrap();
    gateway.reloads(|| std::fs::write(&secret, "a-wrong-secret-of-last-night").unwrap());
    let mut client = gateway.connect();
    let good = ["evt-1", "evt-2"];
    // Many come within a millisecond.
    let all = (0..FORGED).map(|number| wrong("/shop", event(&format!("forged-{number}"))));
    for request in all.chain(good.map(|id| plain("/shop", event(id)))) {
        client.send(&request.bytes());
        assert_eq!(client.answer_to("POST").unwrap().status, 401);
    }
    let held = |expected: usize| {
        eventually("the journal has them", || {
            (gateway.json("/api/deliveries?limit=1")["total_held"] == expected).then_some(())
        });
    };
    held(FORGED + 2);
    gateway.reloads(|| std::fs::write(&secret, &right).unwrap());
    let (code, out, err) = run(&gateway, &["release", "--route", "shop", "--since", "1h"]);
    assert_eq!(code, Some(1), "{err}");
    assert!(out.ends_with("2 accepted, 1010 not\n"), "{}", out.lines().last().unwrap_or_default());
    assert_eq!(out.matches("signature_mismatch").count(), FORGED, "each with its reason");
    let told: Vec<&str> = err.lines().collect();
    assert_eq!(
        told,
        ["sealpost: 500 released or tried, 512 left", "sealpost: 1000 released or tried, 12 left"]
    );
    let arrived: Vec<String> = upstream.finished(2).iter().map(|request| request.text()).collect();
    assert_eq!(arrived, good.map(event));
    held(2 * (FORGED + 2));
}

#[test]
fn a_delivery_is_sent_again_and_a_refused_one_is_not() {
    let upstream = Upstream::start();
    let gateway = keeping(&upstream, "all", "");
    gateway.send(&plain("/shop", event("evt-1")));
    gateway.send(&wrong("/shop", event("evt-2")));
    let id = |reason: &str| newest(&gateway, &format!("reason={reason}"))["id"].as_str().unwrap().to_owned();
    let (good, bad) = (id("forwarded"), id("signature_mismatch"));
    let (code, out, err) = run(&gateway, &["redeliver", &good]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(upstream.finished(2)[1].header("sealpost-redelivery"), Some(good.as_str()));
    upstream.next(status(503, "later"));
    let (code, out, _) = run(&gateway, &["redeliver", &good]);
    assert_eq!((code, out.contains("503")), (Some(1), true), "{out}");
    let (code, out, _) = run(&gateway, &["redeliver", &bad]);
    assert_eq!((code, out.contains("it was not verified")), (Some(1), true), "{out}");
}

#[test]
fn what_keeps_a_command_from_its_answer_says_what_to_do() {
    let upstream = Upstream::start();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gateway = Setup::new()
        .admin(format!("admin: {{ address: \"127.0.0.1:{port}\", token: env:ADMIN_TOKEN }}"))
        .variable("ADMIN_TOKEN", "a-token-of-the-admin-address")
        .top("journal: off")
        .route(route("shop", "/shop", "webhook-signature", upstream.url(), &[]))
        .start();
    let (code, _, err) = run(&gateway, &["deliveries"]);
    assert_eq!((code, err.contains("wants a token; give --token")), (Some(1), true), "{err}");
    std::fs::write(gateway.folder.path().join("token"), "wrong").unwrap();
    let (_, _, err) = run(&gateway, &["stats", "--token", "file:token"]);
    assert!(err.contains("takes another token"), "{err}");
    std::fs::write(gateway.folder.path().join("token"), "a-token-of-the-admin-address\n").unwrap();
    let (code, out, _) = run(&gateway, &["stats", "--token", "file:token"]);
    assert_eq!((code, out.contains("without a journal")), (Some(0), true), "{out}");
    for arguments in [&["deliveries"][..], &["deliveries", "--follow"]] {
        let (code, _, err) = run(&gateway, &[arguments, &["--token", "file:token"]].concat());
        assert_eq!((code, err.contains("`journal: off`")), (Some(1), true), "{err}");
    }

    // The file of the folder says where it is and what the token is called.
    let mut by_file = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    by_file.arg("stats").current_dir(gateway.folder.path());
    let (code, _, err) = told(by_file.output().unwrap());
    assert_eq!((code, err.contains("the variable ADMIN_TOKEN is not set")), (Some(1), true), "{err}");
    by_file.env("ADMIN_TOKEN", "a-token-of-the-admin-address");
    assert_eq!(told(by_file.output().unwrap()).0, Some(0));
    let _folder = std::sync::Arc::clone(&gateway.folder);
    drop(gateway);
    let (code, _, err) = told(by_file.output().unwrap());
    assert_eq!((code, err.contains("Does the gateway run")), (Some(1), true), "{err}");
    let mut usage = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    usage.args(["deliveries", "--since", "yesterday"]);
    let (code, _, err) = told(usage.output().unwrap());
    assert_eq!((code, err.contains("2026-11-21T02:00:00Z")), (Some(2), true), "{err}");
}

#[test]
fn a_new_file_is_held_against_what_was_recorded() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let keep = "journal: { bodies: all }";
    let mut gateway = Setup::new()
        .top(format!("journal: {{ path: \"{}\" }}", journal.display()))
        .route(route("shop", "/shop", "webhook-signature", upstream.url(), &[keep]))
        .route(route("bella", "/bella", "bella-baxter", upstream.url(), &[keep]))
        .route(route("quiet", "/quiet", "webhook-signature", upstream.url(), &[]))
        .start();
    let kind = |id: &str, kind: &str| format!("{{\"id\":\"{id}\",\"type\":\"{kind}\"}}");
    for request in [
        plain("/shop", kind("evt-1", "order.paid")),
        plain("/shop", kind("evt-1", "order.paid")),
        plain("/shop", kind("evt-2", "order.seen")),
        wrong("/shop", kind("evt-3", "order.paid")),
        timed("/bella", event("evt-4"), now() - 200),
        timed("/bella", event("evt-5"), now()),
        plain("/quiet", event("evt-6")),
        plain("/nowhere", "{}"),
    ] {
        gateway.send(&request);
    }
    let all = count(&gateway, "", 8);
    let id = |event: &str| {
        let found = all.iter().rfind(|one| one["event_id"] == event).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    let file = gateway.folder.path().join("new.yaml");
    let secret = "secrets: [\"env:TEST_SECRET\", { env: OTHER, name: other }]";
    let yaml = [
        "listen: [{ address: \"127.0.0.1:0\" }]\nroutes:\n".to_owned(),
        route("shop", "/shop", "webhook-signature", upstream.url(), &[secret, "events: [order.paid]"]),
        route("bella", "/bella", "bella-baxter", upstream.url(), &["tolerance: 60s"]),
        route("quiet", "/quiet", "webhook-signature", upstream.url(), &[]),
    ];
    std::fs::write(&file, yaml.concat()).unwrap();
    let place = std::sync::Arc::clone(&gateway.folder);
    let check = |file: &str, against: &str, json: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
        command.args(["check", file, "--against", against]).args(json.then_some("--json"));
        command.env("TEST_SECRET", crate::support::sender::SECRET).env("OTHER", "another-secret-altogether");
        told(command.current_dir(place.path()).output().unwrap())
    };
    let (code, exported, err) = run(&gateway, &["deliveries", "--export"]);
    assert_eq!((code, exported.lines().count()), (Some(0), 8), "{err}");
    let export = gateway.folder.path().join("recorded.jsonl");
    std::fs::write(&export, exported).unwrap();
    let running = check("new.yaml", &gateway.admin().to_string(), true);
    let (code, _, err) = check("new.yaml", journal.to_str().unwrap(), true);
    assert_eq!((code, err.contains("in use by a running gateway")), (Some(1), true), "{err}");
    gateway.signal("TERM");
    assert!(gateway.ended().success());

    let mut expected = [
        (id("evt-2"), "forwarded", "filtered"),
        (id("evt-3"), "signature_mismatch", "let_through"),
        (id("evt-4"), "forwarded", "timestamp_too_old"),
    ];
    expected.sort();
    let of_folder = check("new.yaml", journal.to_str().unwrap(), true);
    let of_export = check("new.yaml", "recorded.jsonl", true);
    for (what, (code, out, err)) in [("running", running), ("folder", of_folder), ("export", of_export)] {
        assert_eq!(code, Some(1), "{what}: {out}{err}");
        let report: Value = serde_json::from_str(&out).unwrap();
        let mut changed: Vec<(String, &str, &str)> = report["changed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| {
                let text = |key: &str| change[key].as_str().unwrap();
                (text("id").to_owned(), text("then"), text("now"))
            })
            .collect();
        changed.sort();
        assert_eq!(changed, expected, "{what}: {report:#}");
        // evt-1 twice, evt-5, and what no route took; of evt-6 nothing was kept.
        let counts = ["recorded", "judged", "unchanged"].map(|key| report[key].as_u64().unwrap());
        assert_eq!(counts, [8, 7, 4], "{what}: {report:#}");
        assert_eq!(report["not_judged"][0]["why"], "was kept without headers and body", "{report:#}");
    }
    let (_, out, _) = check("new.yaml", "recorded.jsonl", false);
    for part in [
        &id("evt-3"),
        "signature_mismatch → let_through",
        "3 would be decided otherwise",
        "     1  not judged",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let (code, out, err) = check("gateway.yaml", journal.to_str().unwrap(), false);
    assert_eq!((code, out.contains("none would be decided otherwise")), (Some(0), true), "{out}{err}");
    let (code, _, err) = check("new.yaml", "no-such-journal", false);
    assert_eq!((code, err.contains("--against takes")), (Some(2), true), "{err}");
}
