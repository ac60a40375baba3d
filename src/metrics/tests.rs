//! The names, labels and values a scraper sees, read back by a small parser of the text format.

use std::collections::BTreeSet;

use super::*;

const NOW: UnixTime = UnixTime::from_millis(1_773_829_800_000);

/// One sample line.
#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// A page read strictly: every sample belongs to the family described above it, no series comes twice.
struct Read {
    kinds: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

impl Read {
    fn of(page: &str) -> Self {
        let mut read = Self { kinds: BTreeMap::new(), samples: Vec::new() };
        let (mut family, mut helped, mut seen) = (String::new(), String::new(), BTreeSet::new());
        for line in page.lines().take_while(|line| *line != "# EOF") {
            if let Some(help) = line.strip_prefix("# HELP ") {
                helped = help.split_once(' ').expect("a help has a text").0.to_owned();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a type has a kind");
                assert_eq!(name, helped, "each family is explained");
                assert!(read.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
                family = name.to_owned();
            } else {
                let sample = Self::sample(line);
                assert!(sample.name.starts_with(&family), "{} stands under {family}", sample.name);
                assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "twice: {line}");
                read.samples.push(sample);
            }
        }
        read
    }

    fn sample(line: &str) -> Sample {
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let (name, inside) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels = BTreeMap::new();
        let mut rest = inside.strip_suffix('}').expect("the braces close");
        while let Some((label, quoted)) = rest.split_once("=\"") {
            let mut value = String::new();
            let mut chars = quoted.char_indices();
            let end = loop {
                match chars.next().expect("the quotes close") {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next().expect("something is escaped").1 {
                        'n' => '\n',
                        other => other,
                    }),
                    (_, other) => value.push(other),
                }
            };
            labels.insert(label.to_owned(), value);
            rest = quoted[end + 1..].trim_start_matches(',');
        }
        assert_eq!(rest, "", "all of it was labels: {line}");
        Sample { name: name.to_owned(), labels, value: value.parse().expect("the value is a number") }
    }

    fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(label, value)| (label.to_string(), value.to_string())).collect();
        self.samples.iter().find(|sample| sample.name == name && sample.labels == labels).map(|s| s.value)
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

fn scrape(metrics: &Metrics) -> Read {
    Read::of(&metrics.render(Gauges::default(), Format::Plain))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn every_metric_of_the_manual_is_there_with_its_kind_and_labels() {
    let metrics = Metrics::new();
    let route = metrics.route("bella", "bella-baxter", &names(&["new", "old"]));
    route.finished(Reason::Forwarded, MILLISECOND);
    route.upstream(MILLISECOND);
    route.verified(1, Some(Duration::from_secs(2)), NOW);
    route.expires(1, Some(NOW));
    route.verifying(Duration::from_micros(1));
    metrics.store(Operation::Claim, Duration::from_micros(1));
    metrics.config_info("0123456789abcdef");
    let read = scrape(&metrics);
    let expected = [
        ("sealpost_requests_total", "counter", "provider reason route"),
        ("sealpost_request_seconds", "histogram", "route"),
        ("sealpost_secret_last_matched_timestamp_seconds", "gauge", "route secret"),
        ("sealpost_secret_expires_timestamp_seconds", "gauge", "route secret"),
        ("sealpost_upstream_seconds", "histogram", "route"),
        ("sealpost_verify_seconds", "histogram", "provider"),
        ("sealpost_signature_age_seconds", "histogram", "route"),
        ("sealpost_secret_matched_total", "counter", "route secret"),
        ("sealpost_store_seconds", "histogram", "operation"),
        ("sealpost_store_errors_total", "counter", "operation"),
        ("sealpost_store_entries", "gauge", ""),
        ("sealpost_store_evictions_total", "counter", ""),
        ("sealpost_buffered_bytes", "gauge", ""),
        ("sealpost_requests_in_flight", "gauge", ""),
        ("sealpost_connections", "gauge", ""),
        ("sealpost_reloads_total", "counter", "result"),
        ("sealpost_key_fetches_total", "counter", "result"),
        ("sealpost_traced_requests_total", "counter", "result"),
        ("sealpost_config_info", "gauge", "hash"),
        ("sealpost_log_lines_dropped_total", "counter", ""),
        ("sealpost_journal_entries", "gauge", ""),
        ("sealpost_journal_bytes", "gauge", ""),
        ("sealpost_journal_dropped_total", "counter", ""),
    ];
    for (name, kind, labels) in expected {
        assert_eq!(read.kinds.get(name).map(String::as_str), Some(kind), "{name}");
        let sample = if kind == "histogram" { format!("{name}_count") } else { name.to_owned() };
        let sample = read.samples.iter().find(|found| found.name == sample).expect(name);
        let found: Vec<_> = sample.labels.keys().map(String::as_str).collect();
        assert_eq!(found.join(" "), labels, "{name}");
    }
    assert_eq!(read.kinds.len(), expected.len(), "and no other");
}

#[test]
fn each_reason_counts_apart_and_starts_at_zero() {
    let metrics = Metrics::new();
    let route = metrics.route("shop", "github", &[]);
    for (times, reason) in Reason::ALL.into_iter().enumerate() {
        (0..times).for_each(|_| route.finished(reason, MILLISECOND));
    }
    let read = scrape(&metrics);
    for (times, reason) in Reason::ALL.into_iter().enumerate() {
        let labels = [("route", "shop"), ("provider", "github"), ("reason", reason.word())];
        assert_eq!(read.value("sealpost_requests_total", &labels), Some(times as f64), "{reason:?}");
    }
}

#[test]
fn a_request_without_a_route_counts_under_an_empty_one() {
    let metrics = Metrics::new();
    metrics.unrouted(Reason::NoRoute, MILLISECOND);
    let read = scrape(&metrics);
    let labels = [("route", ""), ("provider", ""), ("reason", "no_route")];
    assert_eq!(read.value("sealpost_requests_total", &labels), Some(1.0));
    assert_eq!(read.value("sealpost_request_seconds_count", &[("route", "")]), Some(1.0));
}

#[test]
fn a_histograms_buckets_add_up() {
    let metrics = Metrics::new();
    let route = metrics.route("shop", "github", &[]);
    for millis in [1, 20, 20, 90_000] {
        route.upstream(Duration::from_millis(millis));
    }
    let read = scrape(&metrics);
    let below = |bound| read.value("sealpost_upstream_seconds_bucket", &[("route", "shop"), ("le", bound)]);
    assert_eq!([below("0.001"), below("0.025"), below("60.0")], [Some(1.0), Some(3.0), Some(3.0)]);
    assert_eq!(below("+Inf"), Some(4.0));
    assert_eq!(read.value("sealpost_upstream_seconds_count", &[("route", "shop")]), Some(4.0));
    assert_eq!(read.value("sealpost_upstream_seconds_sum", &[("route", "shop")]), Some(90.041));
}

#[test]
fn names_with_quotes_and_line_breaks_come_through() {
    let metrics = Metrics::new();
    let name = "a \"quoted\\\" name,\nreason=\"forged";
    let _route = metrics.route(name, "github", &names(&["se\"cret"]));
    let read = scrape(&metrics);
    let labels = [("route", name), ("secret", "se\"cret")];
    assert_eq!(read.value("sealpost_secret_matched_total", &labels), Some(0.0));
}

#[test]
fn counters_go_on_after_a_reload_and_end_with_their_route() {
    let metrics = Metrics::new();
    let old = metrics.route("shop", "github", &names(&["first", "second"]));
    old.finished(Reason::Forwarded, MILLISECOND);
    old.verified(1, None, NOW);
    old.expires(1, Some(NOW));
    let new = metrics.route("shop", "github", &names(&["second", "third"]));
    drop(old);
    new.finished(Reason::Forwarded, MILLISECOND);
    new.verified(0, None, NOW);
    let read = scrape(&metrics);
    let forwarded = [("route", "shop"), ("provider", "github"), ("reason", "forwarded")];
    assert_eq!(read.value("sealpost_requests_total", &forwarded), Some(2.0));
    let matched =
        |secret| read.value("sealpost_secret_matched_total", &[("route", "shop"), ("secret", secret)]);
    assert_eq!([matched("first"), matched("second"), matched("third")], [None, Some(2.0), Some(0.0)]);
    assert_eq!(new.secret(0), SecretUse { matched: 2, last_matched: Some(NOW) });
    assert_eq!(new.secret(1), SecretUse::default());
    drop(new);
    assert_eq!(scrape(&metrics).value("sealpost_requests_total", &forwarded), None);
}

#[test]
fn a_route_that_changes_its_provider_is_counted_anew_and_only_once() {
    let metrics = Metrics::new();
    let old = metrics.route("shop", "github", &[]);
    old.finished(Reason::Forwarded, MILLISECOND);
    let new = metrics.route("shop", "stripe", &[]);
    old.finished(Reason::Forwarded, MILLISECOND);
    new.finished(Reason::Forwarded, MILLISECOND);
    let read = scrape(&metrics);
    let labels = [("route", "shop"), ("provider", "stripe"), ("reason", "forwarded")];
    assert_eq!(read.value("sealpost_requests_total", &labels), Some(1.0));
    assert_eq!(read.value("sealpost_request_seconds_count", &[("route", "shop")]), Some(1.0));
}

#[test]
fn what_is_measured_at_the_scrape_is_passed_on() {
    let metrics = Metrics::new();
    metrics.reloaded(true);
    metrics.reloaded(false);
    metrics.reloaded(false);
    metrics.store_error(Operation::Commit);
    metrics.config_info("first");
    metrics.config_info("second");
    let gauges = Gauges {
        buffered_bytes: 1,
        requests_in_flight: 2,
        connections: 3,
        store_entries: 4,
        store_evictions: 5,
        log_lines_dropped: 6,
        journal_entries: 7,
        journal_bytes: 8,
        journal_dropped: 9,
    };
    let read = Read::of(&metrics.render(gauges, Format::Plain));
    for (name, labels, value) in [
        ("sealpost_buffered_bytes", &[][..], 1.0),
        ("sealpost_requests_in_flight", &[], 2.0),
        ("sealpost_connections", &[], 3.0),
        ("sealpost_store_entries", &[], 4.0),
        ("sealpost_store_evictions_total", &[], 5.0),
        ("sealpost_log_lines_dropped_total", &[], 6.0),
        ("sealpost_journal_entries", &[], 7.0),
        ("sealpost_journal_bytes", &[], 8.0),
        ("sealpost_journal_dropped_total", &[], 9.0),
        ("sealpost_reloads_total", &[("result", "ok")], 1.0),
        ("sealpost_reloads_total", &[("result", "error")], 2.0),
        ("sealpost_store_errors_total", &[("operation", "commit")], 1.0),
        ("sealpost_store_errors_total", &[("operation", "claim")], 0.0),
        ("sealpost_config_info", &[("hash", "second")], 1.0),
    ] {
        assert_eq!(read.value(name, labels), Some(value), "{name}");
    }
    assert_eq!(read.value("sealpost_config_info", &[("hash", "first")]), None);
}

#[test]
fn openmetrics_names_a_counter_without_its_total_and_ends_with_a_marker() {
    let metrics = Metrics::new();
    let _route = metrics.route("shop", "github", &[]);
    let page = metrics.render(Gauges::default(), Format::OpenMetrics);
    assert!(page.ends_with("# EOF\n"));
    let read = Read::of(&page);
    assert_eq!(read.kinds["sealpost_requests"], "counter");
    assert_eq!(read.kinds["sealpost_config"], "info");
    assert!(!metrics.render(Gauges::default(), Format::Plain).contains("EOF"));
}

#[test]
fn openmetrics_is_for_those_who_ask_for_it() {
    let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                      application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    assert_eq!(Format::wanted(Some(prometheus)), Format::OpenMetrics);
    for other in [None, Some("*/*"), Some("text/plain"), Some("application/openmetrics-text;q=0, text/plain")]
    {
        assert_eq!(Format::wanted(other), Format::Plain, "{other:?}");
    }
}
