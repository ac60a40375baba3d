//! Holds the documents to the code: the senders' table, the schema, the list of metrics, links and paths.
//!
//! `SEALPOST_WRITE_DOCS=1 cargo test --test docs` writes what is generated instead of comparing it.
#![cfg(feature = "gateway")]
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use clap::Parser as _;
use sealpost::admit::Reason;
use sealpost::catalog::pages::{Sender, Trial, index};
use sealpost::catalog::{names, provider_table};
use sealpost::cli::Arguments;
use sealpost::config::{Reference, Source, language_reference, load};
use sealpost::metrics::{Format, Gauges, Metrics, Operation};
use sealpost::secret::{NamedSecret, Secret};
use sealpost::time::UnixTime;
use sealpost::verify::sign::{SignRequest, sign};
use sealpost::verify::{Head, TimeUnit, TimestampSource, event_key, verify};

#[test]
fn the_readme_names_every_sender_of_the_catalogue() {
    let mut titles: Vec<_> = provider_table().into_iter().map(|row| row.title).collect();
    titles.sort_by_key(|title| title.to_lowercase());
    let mut text = format!("{} senders: ", titles.len());
    let mut width = text.len();
    for (index, title) in titles.iter().enumerate() {
        let end = if index + 1 == titles.len() { ".\n" } else { "," };
        if index > 0 {
            let fits = width + title.len() < 120;
            text.push(if fits { ' ' } else { '\n' });
            width = if fits { width } else { 0 };
        }
        width += title.len() + 2;
        text.push_str(&format!("{title}{end}"));
    }
    generated("README.md", "providers", &text);
}

#[test]
fn every_sender_has_its_page() {
    let folder = root().join("docs/providers");
    let mut pages: Vec<(String, String)> = vec![("README.md".to_owned(), index())];
    for name in names() {
        let sender = Sender::find(name).unwrap_or_else(|| panic!("{name}"));
        pages.push((format!("{name}.md"), sender.page()));
    }
    let mut wrong = Vec::new();
    for (file, text) in &pages {
        let path = folder.join(file);
        if fs::read_to_string(&path).is_ok_and(|found| found == *text) {
            continue;
        }
        if asked_to_write() {
            fs::create_dir_all(&folder).expect("the folder can be made");
            fs::write(&path, text).expect("the page can be written");
        } else {
            wrong.push(format!("{file} is behind"));
        }
    }
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if pages.iter().any(|(known, _)| *known == file) {
            continue;
        }
        if asked_to_write() {
            fs::remove_file(entry.path()).expect("a page of nobody can be removed");
        } else {
            wrong.push(format!("{file} belongs to no sender"));
        }
    }
    assert!(wrong.is_empty(), "docs/providers: {}; {WRITE}", wrong.join(", "));
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
fn the_reference_of_the_language_is_that_of_the_reader() {
    generated("docs/provider-language.md", "language", &language_reference());
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
    if asked_to_write() {
        // What a link leads to may be written at this moment.
        return;
    }
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "examples/README.md",
        "examples/monitoring/README.md",
        "packaging/README.md",
        "docs/benchmarks.md",
        "docs/frameworks.md",
        "docs/migrate.md",
        "docs/operate.md",
        "docs/provider-language.md",
        "docs/stores.md",
        "docs/providers/README.md",
    ] {
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
    for path in [
        "scripts/demo",
        "scripts/test",
        "scripts/bench",
        "scripts/sbom",
        "scripts/advisories",
        "examples/own-provider",
    ] {
        assert!(readme.contains(path), "README.md no longer names {path}");
        assert!(root().join(path).exists(), "README.md names {path}");
    }
}

#[test]
fn check_accepts_the_route_of_every_page() {
    let mut wrong = Vec::new();
    for name in names() {
        let sender = Sender::find(name).unwrap_or_else(|| panic!("{name}"));
        let page = sender.page();
        let yaml =
            page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
        let Some(example) = sender.example() else {
            wrong.push(format!("{name}: there is no accepted delivery"));
            continue;
        };
        match load(yaml, &Given(example.secret.clone())) {
            Ok(config) => {
                let route = config.routes.iter().next().map(|route| route.name.clone());
                assert_eq!(route.as_deref(), Some(name));
                let warnings = config.warnings.iter().map(|warning| warning.render(name));
                // A short secret of somebody's documents is no fault of the page.
                wrong.extend(warnings.filter(|warning| !warning.contains("shorter than")));
            }
            Err(problems) => wrong.push(problems.render(name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_page_sends_verifies_and_its_command_is_one() {
    let mut tried = 0;
    let mut wrong = Vec::new();
    for name in names() {
        let sender = Sender::find(name).unwrap_or_else(|| panic!("{name}"));
        let page = sender.page();
        let Some(trial) = sender.trial() else {
            assert!(!page.contains("sealpost send"), "{name}");
            continue;
        };
        tried += 1;
        let commands =
            page.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
        let line = commands.replace("\\\n", " ");
        let line = line
            .lines()
            .find(|line| line.starts_with("sealpost "))
            .unwrap_or_else(|| panic!("{name}: {page}"));
        if let Err(error) = Arguments::try_parse_from(words(line)) {
            panic!("{name}: {line}\n{error}");
        }
        // Nothing here makes a key on P-521; its vectors are run by the catalogue's own tests.
        if page.contains("curve:P-521") {
            continue;
        }
        if let Err(why) = verifies(&sender, &trial) {
            wrong.push(format!("{name}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 200, "{tried} pages show how to try it");
}

/// Signs a page's delivery as its command would; it has to verify and to have a key.
fn verifies(sender: &Sender, trial: &Trial) -> Result<(), String> {
    let name = &sender.provider.name;
    let example = sender.example().ok_or("there is no accepted delivery")?;
    let (private, public) = if trial.needs_pair() {
        pair(sender).ok_or("the test has no pair of keys for this sender")?
    } else {
        (example.secret.clone(), example.secret.clone())
    };
    let provider = sender.provider.with_settings(&trial.settings).map_err(|errors| format!("{errors:?}"))?;
    let now = UnixTime::from_seconds(1_767_225_600).ok_or("no time")?;
    let time = match body_unit(sender) {
        Some(TimeUnit::Milliseconds) => "1767225600000",
        Some(TimeUnit::Rfc3339) => "2026-01-01T00:00:00Z",
        Some(TimeUnit::Rfc2822) => "Thu, 01 Jan 2026 00:00:00 +0000",
        Some(TimeUnit::Seconds) | None => "1767225600",
    };
    let body = trial.body.replace("@NOW@", time);
    let mut headers = http::HeaderMap::new();
    let kind =
        if body.starts_with(['{', '[']) { "application/json" } else { "application/x-www-form-urlencoded" };
    let mut add = |name: &str, value: &str| {
        let name: http::HeaderName = name.parse().map_err(|_| format!("{name} is no header"))?;
        headers.insert(name, value.parse().map_err(|_| format!("{value} is no header's value"))?);
        Ok::<_, String>(headers.clone())
    };
    let mut before = add("content-type", kind)?;
    for (name, value) in &trial.headers {
        before = add(name, value)?;
    }
    let url = format!("https://hooks.example.com/webhooks/{name}");
    let request = SignRequest {
        method: &trial.method,
        url: &url,
        headers: &before,
        body: body.as_bytes(),
        id: None,
        timestamp: now,
    };
    let signed = sign(&provider.scheme, &private, &request).map_err(|error| error.to_string())?;
    let mut headers = before.clone();
    for (name, value) in &signed.headers {
        headers = add(name, value)?;
    }
    let origin = "https://hooks.example.com";
    let target = signed.url.strip_prefix(origin).ok_or("it goes to another host")?;
    let head = Head { method: &trial.method, target, origin: Some(origin), headers: &headers };
    let keys = provider.scheme.prepare(&[NamedSecret::new("", public)]);
    let keys = keys.map_err(|errors| format!("{errors:?}"))?;
    let verified = verify(&provider.scheme, &keys, &head, &signed.body, provider.tolerance, now)
        .map_err(|rejection| rejection.to_string())?;
    event_key("r", &provider.event.key, &provider.scheme, &verified, &head, &signed.body)
        .map_err(|missing| missing.to_string())?;
    Ok(())
}

/// A pair of keys of the kind that the page makes, the private one first.
fn pair(sender: &Sender) -> Option<(Secret, Secret)> {
    let page = sender.page();
    let text = |text: String| Secret::new(text.into_bytes());
    if page.contains("-algorithm RSA") {
        let key = |kind: &str| read(&format!("src/verify/testdata/rsa-{kind}-for-tests-only.pem"));
        return Some((text(key("private")), text(key("public"))));
    }
    let kind = [
        ("-algorithm ed25519", &rcgen::PKCS_ED25519),
        ("curve:P-256", &rcgen::PKCS_ECDSA_P256_SHA256),
        ("curve:P-384", &rcgen::PKCS_ECDSA_P384_SHA384),
    ];
    let (_, algorithm) = kind.into_iter().find(|(word, _)| page.contains(word))?;
    let pair = rcgen::KeyPair::generate_for(algorithm).ok()?;
    Some((text(pair.serialize_pem()), text(pair.public_key_pem())))
}

fn body_unit(sender: &Sender) -> Option<TimeUnit> {
    let forms = sender.provider.scheme.alternatives.iter();
    forms.filter_map(|form| form.timestamp.as_ref()).find_map(|timestamp| match timestamp.source {
        TimestampSource::Json(_) => Some(timestamp.unit),
        _ => None,
    })
}

/// A command's words as a shell takes them apart.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for character in line.trim_end().chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                if words.last().is_some_and(|word| !word.is_empty()) {
                    words.push(String::new());
                }
            }
            other => words.last_mut().expect("there is always one").push(other),
        }
    }
    words
}

/// Every variable and every file holds the same secret.
struct Given(Secret);

impl Source for Given {
    fn read(&self, _: &Reference) -> Result<Secret, String> {
        Ok(self.0.clone())
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
    route.verified(0, Some(took), UnixTime::from_millis(0));
    route.expires(0, Some(UnixTime::from_millis(0)));
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
