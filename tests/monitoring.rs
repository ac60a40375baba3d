//! Every query of the dashboard and of the alerts asks for a metric, a label and a reason that there is. Where promtool is
//! installed it parses them, and the rules' own tests run; where it is not, that is said.
#![cfg(feature = "gateway")]
#![allow(clippy::expect_used, clippy::panic, reason = "what a test's helper cannot do fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sealpost::admit::Reason;
use sealpost::metrics::{Format, Gauges, Metrics, Operation};
use sealpost::time::UnixTime;
use serde_json::Value;

/// Labels that Prometheus itself adds to what it scrapes.
const ADDED: [&str; 2] = ["instance", "job"];

#[test]
fn every_query_asks_for_what_there_is() {
    let known = known();
    let mut wrong = Vec::new();
    let mut asked = BTreeSet::new();
    let queries = [dashboard(), alerts()].concat();
    assert!(
        queries.len() > 30,
        "{} queries: the files have another form than this test reads",
        queries.len()
    );
    for query in &queries {
        asked.extend(metrics_of(query).into_iter().map(|(metric, _)| metric));
        wrong.extend(problems(query, &known).into_iter().map(|problem| format!("{problem} in {query}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let families: BTreeSet<_> = asked.iter().map(|metric| family(metric)).collect();
    let unwatched: Vec<_> = known.keys().filter(|metric| !families.contains(family(metric))).collect();
    assert!(unwatched.is_empty(), "nothing shows {unwatched:?}");
}

#[test]
fn a_query_for_what_is_not_there_is_noticed() {
    let known = known();
    for (query, problem) in [
        ("rate(sealpost_request_total[5m])", "sealpost_request_total"),
        ("rate(sealpost_request_seconds[5m])", "sealpost_request_seconds"),
        ("sum by (rout) (sealpost_requests_total)", "rout"),
        ("sealpost_requests_total{raeson=\"forwarded\"}", "raeson"),
        ("sealpost_requests_total{reason=\"forwardet\"}", "forwardet"),
        ("sealpost_requests_total{reason=~\"signature_.*|signatur_.*\"}", "signatur_.*"),
        ("sealpost_reloads_total{result=\"failed\"}", "failed"),
    ] {
        let found = problems(query, &known);
        assert!(found.iter().any(|found| found.contains(problem)), "{query}: {found:?}");
    }
    assert_eq!(
        problems("sum by (route, le) (sealpost_request_seconds_bucket{route!=\"\"})", &known),
        [""; 0]
    );
}

#[test]
fn promtool_accepts_the_queries_and_the_rules_pass_their_tests() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!(
            "NOT CHECKED: promtool (of Prometheus) is not on this machine; only names and labels were compared"
        );
        return;
    }
    let folder = root().join("examples/monitoring");
    promtool(&["check", "rules", "alerts.yaml"], &folder);
    promtool(&["test", "rules", "alerts.test.yaml"], &folder);
    // The dashboard's queries as recording rules, with Grafana's variables filled in.
    let rules: String = dashboard()
        .iter()
        .filter(|query| !query.starts_with("label_values("))
        .enumerate()
        .map(|(number, query)| {
            let query = query.replace("$__rate_interval", "5m");
            format!("      - {{ record: \"query:{number}\", expr: {} }}\n", Value::from(query))
        })
        .collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(
        folder.path().join("queries.yaml"),
        format!("groups:\n  - name: dashboard\n    rules:\n{rules}"),
    )
    .expect("a file can be written");
    promtool(&["check", "rules", "queries.yaml"], folder.path());
}

#[test]
fn every_alert_has_a_test() {
    let tests = read("examples/monitoring/alerts.test.yaml");
    for line in read("examples/monitoring/alerts.yaml").lines() {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            assert!(tests.contains(&format!("alertname: {name}\n")), "no test lets {name} fire");
        }
    }
}

fn promtool(arguments: &[&str], folder: &Path) {
    let output =
        Command::new("promtool").args(arguments).current_dir(folder).output().expect("promtool runs");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&said));
}

/// Every series' name with its labels and the values that they had in a scrape of everything.
fn known() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let metrics = Metrics::new();
    let route = metrics.route("stripe", "stripe", &["0".into()]);
    let took = Duration::from_millis(1);
    route.verified(0, Some(took), UnixTime::from_millis(0));
    route.expires(0, Some(UnixTime::from_millis(0)));
    route.verifying(took);
    route.upstream(took);
    route.finished(Reason::Forwarded, took);
    metrics.store(Operation::Claim, took);
    metrics.reloaded(true);
    metrics.config_info("hash");
    let page = metrics.render(Gauges::default(), Format::Plain);
    let mut known = BTreeMap::<String, BTreeMap<String, BTreeSet<String>>>::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, inside) = series.split_once('{').unwrap_or((series, ""));
        let labels = known.entry(name.to_owned()).or_default();
        for pair in inside.trim_end_matches('}').split(',').filter(|pair| !pair.is_empty()) {
            let (label, value) = pair.split_once('=').expect("a label has a value");
            labels.entry(label.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
    known
}

/// A histogram's series are one family.
fn family(metric: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|end| metric.strip_suffix(end)).unwrap_or(metric)
}

fn problems(query: &str, known: &BTreeMap<String, BTreeMap<String, BTreeSet<String>>>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut labels: BTreeSet<&str> = ADDED.into();
    for (metric, matchers) in metrics_of(query) {
        let Some(has) = known.get(&metric) else {
            problems.push(format!("there is no {metric}"));
            continue;
        };
        labels.extend(has.keys().map(String::as_str));
        for (label, value) in matchers {
            let Some(values) = has.get(&label) else {
                if !ADDED.contains(&label.as_str()) {
                    problems.push(format!("{metric} has no label {label}"));
                }
                continue;
            };
            // Routes and providers are the operator's; what the gateway itself says is a word of its own.
            if !["reason", "result", "operation"].contains(&label.as_str()) {
                continue;
            }
            for word in value.split('|') {
                let meant = |known: &String| match word.strip_suffix(".*") {
                    Some(begin) => known.starts_with(begin),
                    None => known == word,
                };
                if !values.iter().any(meant) {
                    problems.push(format!("{label} is never {word}"));
                }
            }
        }
    }
    for label in grouping(query) {
        if !labels.contains(label.as_str()) {
            problems.push(format!("nothing has the label {label}"));
        }
    }
    problems
}

/// The labels in `by (…)`, `on (…)` and the like, and the one that a Grafana variable lists.
fn grouping(query: &str) -> Vec<String> {
    let lists = ["by (", "on (", "without (", "ignoring ("];
    let listed =
        lists.iter().flat_map(|list| query.split(list).skip(1)).filter_map(|rest| rest.split(')').next());
    let variable =
        query.strip_prefix("label_values(").and_then(|rest| rest.trim_end_matches(')').rsplit(',').next());
    let names = listed.chain(variable).flat_map(|list| list.split(','));
    names.map(|name| name.trim().to_owned()).collect()
}

/// Every metric of ours in a query, with the label and value of each matcher in the braces behind it.
fn metrics_of(query: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    for (at, _) in query.match_indices("sealpost_") {
        let rest = query.split_at(at).1;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let inside = behind.strip_prefix('{').and_then(|inside| inside.split('}').next()).unwrap_or_default();
        let matchers = inside.split("\",").filter_map(|matcher| {
            let (label, value) = matcher.split_once(['=', '!'])?;
            let value = value.trim_start_matches(['=', '~']).trim_matches('"');
            Some((label.trim().to_owned(), value.to_owned()))
        });
        found.push((name.to_owned(), matchers.collect()));
    }
    found
}

fn dashboard() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    match value.as_str() {
                        Some(query) if key == "expr" || key == "definition" => found.push(query.to_owned()),
                        _ => collect(value, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    let text = read("examples/monitoring/dashboard.json");
    collect(&serde_json::from_str(&text).expect("the dashboard is JSON"), &mut found);
    found
}

fn alerts() -> Vec<String> {
    let file: Value =
        serde_yaml::from_str(&read("examples/monitoring/alerts.yaml")).expect("the rules are YAML");
    let rules = file["groups"][0]["rules"].as_array().expect("a group of rules");
    rules.iter().map(|rule| rule["expr"].as_str().expect("a rule has an expression").to_owned()).collect()
}

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}
