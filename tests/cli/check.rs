//! `sealpost check`

use crate::sealpost::Folder;

const GOOD: &str = "\
listen:
  - address: 127.0.0.1:8080
routes:
  - name: bella
    match: { path: /webhooks/bella }
    provider: bella-baxter
    secrets: [file:secret]
    upstream: http://127.0.0.1:3000
";

const SECRET: &str = "whsec-0123456789abcdef\n";

#[test]
fn a_good_configuration_is_shown_with_what_follows_from_the_sender() {
    let folder = Folder::with(&[("gateway.yaml", GOOD), ("secret", SECRET)]);
    let ended = folder.run("check");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for shown in ["bella", "POST /webhooks/bella", "bella-baxter", "json:/id", "3d", "enforce"] {
        assert!(ended.out.contains(shown), "{shown}: {}", ended.out);
    }
    let route = &folder.run("check --json").json()["routes"][0];
    assert_eq!(route["dedupe"]["key"], serde_json::json!(["json:/id"]));
    assert_eq!(route["tolerance"]["past"], "5m");
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_line() {
    let broken = GOOD.replace("bella-baxter", "bela-baxter").replace("file:secret", "hunter2hunter2");
    let folder = Folder::with(&[("gateway.yaml", &broken)]);
    let ended = folder.run("check");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("gateway.yaml:6:15 routes[0].provider: "), "{}", ended.err);
    assert!(ended.err.contains("6 |     provider: bela-baxter\n    |               ^\n"), "{}", ended.err);
    assert!(ended.err.contains("gateway.yaml:7:15 routes[0].secrets[0]: "), "{}", ended.err);
    assert!(!ended.err.contains("hunter2"), "a secret in the file is not repeated: {}", ended.err);
    assert_eq!(folder.run("check --json").json()["problems"].as_array().unwrap().len(), 2);
}

#[test]
fn the_schema_is_json_schema() {
    let schema = Folder::with(&[]).run("schema").json();
    assert!(schema["$schema"].is_string() && schema["properties"]["routes"].is_object());
}

#[test]
fn secrets_that_ended_or_are_about_to_are_warned_of() {
    let timed =
        |times: &str| GOOD.replace("[file:secret]", &format!("[{{ file: secret, name: old, {times} }}]"));
    let folder = Folder::with(&[("secret", SECRET), ("gateway.yaml", &timed("not_after: 2020-01-31"))]);
    let ended = folder.run("check");
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    for said in ["`old` ended on 2020-02-01T00:00:00Z", "no secret of route `bella` is within its time"] {
        assert!(ended.out.contains(said), "{said}: {}", ended.out);
    }
    assert_eq!(folder.run("check --json").json()["warnings"].as_array().unwrap().len(), 2);
    folder.write("gateway.yaml", &timed("not_after: 2999-01-31"));
    assert_eq!(folder.run("check --json").json()["warnings"].as_array().unwrap().len(), 0);
    folder.write("gateway.yaml", &timed("not_before: 2999-02-01, not_after: 2999-01-31"));
    let refused = folder.run("check");
    assert!(refused.code == Some(1) && refused.err.contains("`not_after` is not later"), "{}", refused.err);
}
