//! scripts/advisories with a cargo that is not there, finds something, or cannot fetch: what was not checked is said.
#![cfg(unix)]
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Runs the script with a cargo whose answers are the lines of a shell's `case` on its arguments.
fn run(cargo: &str, copy_of_the_database: bool, arguments: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let stub = folder.path().join("cargo");
    fs::write(&stub, format!("#!/bin/sh\necho \"cargo $*\"\ncase \"$*\" in\n{cargo}\nesac\n"))
        .expect("a stub");
    fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("a stub that runs");
    if copy_of_the_database {
        fs::create_dir_all(folder.path().join("advisory-dbs/a-copy")).expect("a copy");
    }
    let output = Command::new("bash")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/advisories"))
        .args(arguments)
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", folder.path().display()))
        .env("CARGO_HOME", folder.path())
        .output()
        .expect("bash runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("UTF-8"))
}

#[test]
fn without_cargo_deny_the_advisories_are_not_checked_and_that_is_said() {
    let missing = "*) exit 101;;";
    let (code, text) = run(missing, true, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("NOT CHECKED: advisories and yanked releases"), "{text}");
    assert!(!text.contains("nothing was found"), "{text}");
    assert_eq!(run(missing, true, &["--strict"]).0, Some(1), "a release wants them checked");
}

#[test]
fn with_cargo_deny_everything_is_checked_against_the_newest_database() {
    let (code, text) = run("*) exit 0;;", false, &["--strict"]);
    assert_eq!(code, Some(0), "{text}");
    for command in ["check bans licenses sources", "fetch db", "check advisories"] {
        assert!(text.contains(&format!("cargo deny --locked {command}\n")), "{command}: {text}");
    }
    assert!(text.contains("nothing was found") && !text.contains("NOT CHECKED"), "{text}");
}

#[test]
fn what_is_found_fails() {
    for check in ["check advisories", "check bans licenses sources"] {
        let (code, text) = run(&format!("*\"{check}\") exit 1;;"), false, &[]);
        assert_eq!(code, Some(1), "{check}: {text}");
        assert!(text.contains("something was found") && !text.contains("nothing was found"), "{text}");
    }
}

#[test]
fn without_a_network_the_last_copy_is_used_and_what_is_missing_is_said() {
    let offline = "*\"fetch db\") exit 1;;";
    let (code, text) = run(offline, true, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("cargo deny --locked --offline check advisories"), "{text}");
    assert!(text.contains("NOT CHECKED: advisories after"), "{text}");
    let (code, text) = run(offline, false, &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("NOT CHECKED") && !text.contains("check advisories"), "{text}");
    for copy in [true, false] {
        assert_eq!(run(offline, copy, &["--strict"]).0, Some(1));
    }
}
