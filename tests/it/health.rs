//! `sealpost health`: the answer of a running gateway as an exit code, for images without a shell and for probes.

use std::process::{Command, Output};

use crate::support::arena::Arena;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{event, plain};
use crate::support::upstream::{Upstream, gated};
use crate::support::{Gate, eventually};

fn health(arguments: &[&str]) -> Output {
    // A proxy of the environment is for the way out and must not be asked.
    let proxy = "http://127.0.0.1:1";
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    command.env("http_proxy", proxy).env("HTTP_PROXY", proxy).env("ALL_PROXY", proxy);
    command.arg("health").args(arguments).output().unwrap()
}

fn of(gateway: &Gateway, more: &[&str]) -> (Option<i32>, String) {
    let admin = gateway.admin().to_string();
    let output = health(&[&["--admin", &admin], more].concat());
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn ready_is_0_and_leaving_is_1_while_it_is_still_alive() {
    let arena = Arena::new();
    assert_eq!(of(&arena.gateway, &[]), (Some(0), "ready\n".to_owned()));
    assert_eq!(of(&arena.gateway, &["--live"]), (Some(0), "alive\n".to_owned()));
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "finished"));
    let mut client = arena.gateway.connect();
    client.send(&plain("/hook", event("evt-1")).bytes());
    arena.upstream.begun(1);
    arena.gateway.signal("TERM");
    let (code, said) = eventually("it leaves", || {
        let told = of(&arena.gateway, &[]);
        (told.0 != Some(0)).then_some(told)
    });
    assert_eq!(code, Some(1));
    assert!(said.contains("shutting down"), "{said}");
    assert_eq!(of(&arena.gateway, &["--live"]).0, Some(0), "it is not to be restarted for that");
    gate.open();
    assert_eq!(client.final_answer("POST").text(), "finished");
}

#[test]
fn a_probe_needs_no_token_and_no_secret() {
    let upstream = Upstream::start();
    let gateway = Setup::new()
        .admin("admin: { address: \"127.0.0.1:0\", token: env:ADMIN_TOKEN }")
        .variable("ADMIN_TOKEN", "a-token-of-the-admin-address")
        .route(route("r", "/r", "webhook-signature", upstream.url(), &[]))
        .start();
    assert_eq!(of(&gateway, &[]), (Some(0), "ready\n".to_owned()));
    // Neither variable is set here, and the file has a mistake that the running gateway has not taken over.
    let port = gateway.admin().port().to_string();
    let yaml = gateway.yaml.replacen("127.0.0.1:0\", token", &format!("0.0.0.0:{port}\", token"), 1);
    let file = gateway.folder.path().join("another.yaml");
    std::fs::write(&file, yaml.replace("upstream:", "upstrem:")).unwrap();
    let output = health(&[file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn nobody_there_and_somebody_else_there_are_1() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = health(&["--admin", &nobody]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot ask"), "{output:?}");
    let upstream = Upstream::start();
    let other = upstream.url().trim_end_matches('/').to_owned();
    let output = health(&["--admin", &other]);
    assert_eq!(output.status.code(), Some(1), "a 200 of another server is no health: {output:?}");
}

#[test]
fn what_accepts_and_never_answers_is_given_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = health(&["--admin", &silent.local_addr().unwrap().to_string(), "--timeout", "200ms"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
