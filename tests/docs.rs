//! Holds the documents to the code: the senders' table, the schema, the list of metrics, links and paths.
//!
//! `SEALPOST_WRITE_DOCS=1 cargo test --test docs` writes what is generated instead of comparing it.
#![cfg(feature = "gateway")]
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use sealpost::admit::Reason;
use sealpost::catalog::{Row, provider_table};
use sealpost::metrics::{Format, Gauges, Metrics, Operation};

#[test]
fn the_readme_lists_every_sender_of_the_catalogue() {
    let rows = provider_table();
    let mut table =
        format!("{} senders.\n\n| name | sender | proof | remembered by | how sure |\n", rows.len());
    table.push_str("|---|---|---|---|---|\n");
    for Row { name, title, proof, key, confidence } in rows {
        // An unescaped bar would end the cell.
        let key = key.replace('|', "\\|");
        table.push_str(&format!("| `{name}` | {title} | {proof} | `{key}` | {} |\n", confidence.word()));
    }
    generated("README.md", "providers", &table);
}

#[test]
fn the_readme_lists_every_metric() {
    let mut table = String::from("| metric | labels | meaning |\n|---|---|---|\n");
    let scrape = scrape();
    let mut lines = scrape.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, meaning)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) else {
            continue;
        };
        // The first sample below a metric's own lines has its labels; `le` is a histogram's.
        let sample = lines.by_ref().find(|line| !line.starts_with('#')).unwrap_or_default();
        let labels = sample.split_once('{').map_or("", |(_, rest)| rest);
        let labels: Vec<_> = labels
            .split(['{', ',', '}'])
            .filter_map(|label| label.split_once("=\""))
            .filter(|(label, _)| *label != "le")
            .map(|(label, _)| format!("`{label}`"))
            .collect();
        table.push_str(&format!("| `{name}` | {} | {meaning} |\n", labels.join(" ")));
    }
    assert!(table.contains("`sealpost_requests_total` | `route` `provider` `reason`"), "{table}");
    generated("README.md", "metrics", &table);
}

#[test]
fn the_readme_names_every_reason() {
    let words: Vec<_> = Reason::ALL.iter().map(|reason| format!("`{}`", reason.word())).collect();
    let mut lines = String::new();
    for chunk in words.chunks(6) {
        lines.push_str(&chunk.join(" "));
        lines.push('\n');
    }
    generated("README.md", "reasons", &lines);
}

#[test]
fn the_schema_for_editors_is_that_of_the_reader() {
    let schema = sealpost::config::schema();
    let written = serde_json::from_str::<serde_json::Value>(&read("gateway.schema.json")).ok();
    if asked_to_write() {
        let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
        fs::write(root().join("gateway.schema.json"), text + "\n").expect("the schema can be written");
    } else {
        assert!(written == Some(schema), "gateway.schema.json is behind; {WRITE}");
    }
}

#[test]
fn every_relative_link_leads_somewhere() {
    for document in ["README.md", "ARCHITECTURE.md", "examples/README.md", "docs/benchmarks.md"] {
        let folder = root().join(document).parent().expect("a file is in a folder").to_owned();
        for part in read(document).split("](").skip(1) {
            let target = part.split([')', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(folder.join(target).exists(), "{document} links to {target}");
        }
    }
}

#[test]
fn every_script_and_folder_the_readme_names_is_there() {
    let readme = read("README.md");
    for path in ["scripts/demo", "scripts/test", "scripts/bench", "examples/own-provider"] {
        assert!(readme.contains(path), "README.md no longer names {path}");
        assert!(root().join(path).exists(), "README.md names {path}");
    }
}

/// Several tests write parts of one document.
static DOCUMENTS: Mutex<()> = Mutex::new(());

/// What to do about a document that is behind.
const WRITE: &str = "run SEALPOST_WRITE_DOCS=1 cargo test --test docs";

#[allow(clippy::disallowed_methods, reason = "asked for by whoever runs the tests")]
fn asked_to_write() -> bool {
    std::env::var_os("SEALPOST_WRITE_DOCS").is_some()
}

/// A scrape in which every metric has at least one sample.
fn scrape() -> String {
    let metrics = Metrics::new();
    let route = metrics.route("route", "provider", &["0".into()]);
    let took = Duration::from_millis(1);
    route.verified(0, Some(took));
    route.verifying(took);
    route.upstream(took);
    route.finished(Reason::Forwarded, took);
    metrics.store(Operation::Claim, took);
    metrics.store_error(Operation::Claim);
    metrics.reloaded(true);
    metrics.config_info("hash");
    metrics.render(Gauges::default(), Format::Plain)
}

/// Asserts that what stands between the markers called `name` is `expected`, or writes it there.
fn generated(document: &str, name: &str, expected: &str) {
    let _one_writer = DOCUMENTS.lock();
    let text = read(document);
    let (before, rest) = text.split_once(&format!("<!-- {name}:")).expect("the opening marker");
    let (comment, rest) = rest.split_once("-->\n").expect("the end of the opening marker");
    let (found, after) = rest.split_once(&format!("<!-- /{name} -->")).expect("the closing marker");
    if asked_to_write() {
        let text = format!("{before}<!-- {name}:{comment}-->\n{expected}<!-- /{name} -->{after}");
        fs::write(root().join(document), text).expect("the document can be written");
    } else {
        assert!(found == expected, "{document} is behind; {WRITE}");
    }
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
