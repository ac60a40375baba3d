//! Holds SECURITY.md to the tests: each one that its threat model names is there and runs, and each row names one or says that
//! there is none.
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A row of a table: `| attack | what happens | tests |`.
struct Row {
    attack: String,
    proof: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn document() -> String {
    fs::read_to_string(root().join("SECURITY.md")).expect("SECURITY.md")
}

/// The rows of all tables whose last column is `which test shows it`.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut inside = false;
    for line in document().lines() {
        let cells: Vec<&str> = line.trim().trim_matches('|').split(" | ").map(str::trim).collect();
        if !line.starts_with('|') {
            inside = false;
        } else if cells.last() == Some(&"which test shows it") {
            inside = true;
        } else if inside && !line.starts_with("|---") {
            assert_eq!(cells.len(), 3, "three columns: {line}");
            rows.push(Row { attack: cells[0].into(), proof: cells[2].into() });
        }
    }
    rows
}

/// The tests that a text names as [`file.rs::name`](path/to/file.rs): path and name.
fn named(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for link in text.split("[`").skip(1) {
        let (label, rest) = link.split_once("`](").unwrap_or_else(|| panic!("no link: {link}"));
        let path = rest.split(')').next().unwrap_or_default();
        let (file, name) = label.split_once("::").unwrap_or_else(|| panic!("{label} is no file::test"));
        assert!(path.ends_with(&format!("/{file}")), "{label} leads to {path}");
        found.push((path.to_owned(), name.to_owned()));
    }
    found
}

/// Why a source has no such test that runs, if so. A file of `tests/attacks` has cases; tests/it/attacks runs all of every file.
fn problem(path: &str, source: &str, name: &str) -> Option<&'static str> {
    if path.ends_with(".yaml") {
        let case = format!("\n  - name: {name}\n");
        return (!source.contains(&case)).then_some("there is no such case");
    }
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let starts = [format!("fn {name}("), format!("async fn {name}(")];
    let Some(at) = lines.iter().position(|line| starts.iter().any(|start| line.starts_with(start))) else {
        return Some("there is no such function");
    };
    let above = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let attributes: Vec<_> = above.filter(|line| line.starts_with("#[")).collect();
    if attributes.iter().any(|line| line.starts_with("#[ignore")) {
        return Some("it is ignored");
    }
    let is_test = |line: &&str| line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    if attributes.into_iter().any(is_test) { None } else { Some("it is no test") }
}

#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let mut sources = BTreeMap::new();
    let mut wrong = Vec::new();
    let names = named(&document());
    assert!(names.len() > 60, "{} tests are named", names.len());
    for (path, name) in names {
        let source = sources
            .entry(path.clone())
            .or_insert_with(|| fs::read_to_string(root().join(&path)).unwrap_or_default());
        if let Some(why) = problem(&path, source, &name) {
            wrong.push(format!("{path}::{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "SECURITY.md: {wrong:#?}");
}

#[test]
fn every_row_names_a_test_or_says_that_there_is_none() {
    let rows = rows();
    assert!(rows.len() > 30, "{} rows: the tables have another form than this test reads", rows.len());
    for row in rows {
        let told = !named(&row.proof).is_empty() || row.proof.contains("not tested");
        assert!(told, "SECURITY.md: {}: {}", row.attack, row.proof);
    }
}

#[test]
fn a_test_is_told_from_what_is_none() {
    let source = "#[test]\nfn one() {}\n\n    /// Words.\n    #[test]\n    #[cfg(unix)]\n    fn two() {\n#[test]\n#[ignore = \"x\"]\nfn three() {}\n\nfn four() {}\n";
    assert_eq!(problem("a.rs", source, "one"), None);
    assert_eq!(problem("a.rs", source, "two"), None);
    assert_eq!(problem("a.rs", source, "three"), Some("it is ignored"));
    assert_eq!(problem("a.rs", source, "four"), Some("it is no test"));
    assert_eq!(problem("a.rs", source, "tw"), Some("there is no such function"));
    assert_eq!(problem("a.yaml", "cases:\n  - name: one\n    why: x\n", "one"), None);
    assert_eq!(problem("a.yaml", "cases:\n  - name: one\n    why: x\n", "on"), Some("there is no such case"));
    assert_eq!(named("x [`a.rs::b`](tests/it/a.rs) y"), [("tests/it/a.rs".into(), "b".into())]);
}
