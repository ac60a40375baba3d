//! Every metric: its name, its labels, its meaning, and the handles through which requests are counted.
//!
//! A route's handles are resolved when a configuration is loaded; counting a request hashes no label.

mod collect;
mod histogram;
mod secret;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

pub use self::histogram::Histogram;
use self::secret::SecretSeries;
pub use self::secret::SecretUse;
pub use self::text::Format;
use crate::admit::Reason;
use crate::time::UnixTime;

/// A metric as it is described to whoever scrapes it.
struct Family {
    /// After the prefix `sealpost_`; a counter's ends in `_total` there, which is not written here.
    name: &'static str,
    meaning: &'static str,
}

const REQUESTS: Family = Family {
    name: "requests",
    meaning: "Requests by route, provider and what became of them; an unmatched request has an empty route",
};
const REQUEST_SECONDS: Family =
    Family { name: "request_seconds", meaning: "From a request's first byte to the last of its answer" };
const UPSTREAM_SECONDS: Family =
    Family { name: "upstream_seconds", meaning: "From asking the upstream to the end of its answer" };
const VERIFY_SECONDS: Family =
    Family { name: "verify_seconds", meaning: "Processor time spent verifying one delivery" };
const SIGNATURE_AGE_SECONDS: Family = Family {
    name: "signature_age_seconds",
    meaning: "Age of the signed send time of verified deliveries, 0 where it lies ahead",
};
const SECRET_MATCHED: Family = Family {
    name: "secret_matched",
    meaning: "Verified deliveries by the secret that matched; an old secret that stays still can go",
};
const SECRET_LAST_MATCHED: Family = Family {
    name: "secret_last_matched_timestamp_seconds",
    meaning: "When a secret verified a delivery last, Unix seconds; nothing for one that has not since the start",
};
const SECRET_EXPIRES: Family = Family {
    name: "secret_expires_timestamp_seconds",
    meaning: "When a secret's `not_after` ends it, Unix seconds; only for secrets that have one",
};
const STORE_SECONDS: Family = Family { name: "store_seconds", meaning: "Time the dedupe store took" };
const STORE_ERRORS: Family =
    Family { name: "store_errors", meaning: "Operations the dedupe store failed at" };
const STORE_ENTRIES: Family =
    Family { name: "store_entries", meaning: "Events remembered, those in flight included" };
const STORE_EVICTIONS: Family = Family {
    name: "store_evictions",
    meaning: "Accepted events forgotten before their time because the store was full",
};
const BUFFERED_BYTES: Family = Family { name: "buffered_bytes", meaning: "Bodies held now" };
const REQUESTS_IN_FLIGHT: Family =
    Family { name: "requests_in_flight", meaning: "Requests being worked on now" };
const CONNECTIONS: Family = Family { name: "connections", meaning: "Connections from senders open now" };
const RELOADS: Family =
    Family { name: "reloads", meaning: "Configurations loaded (ok) or refused (error), the first included" };
const KEY_FETCHES: Family =
    Family { name: "key_fetches", meaning: "Fetches of keys that senders publish: had (ok) or not (error)" };
const TRACED_REQUESTS: Family = Family {
    name: "traced_requests",
    meaning: "Traced requests by what became of their spans: taken by the collector (exported), not taken (failed), no room in the queue (dropped)",
};
const CONFIG: Family = Family { name: "config", meaning: "The configuration in force, by its hash" };
const LOG_LINES_DROPPED: Family = Family {
    name: "log_lines_dropped",
    meaning: "Log lines thrown away because stderr was not read fast enough",
};

const JOURNAL_ENTRIES: Family = Family { name: "journal_entries", meaning: "Decisions in the journal now" };
const JOURNAL_BYTES: Family =
    Family { name: "journal_bytes", meaning: "Bytes of the journal's entries and kept requests" };
const JOURNAL_DROPPED: Family = Family {
    name: "journal_dropped",
    meaning: "Decisions not taken down in the journal because too many waited for it",
};

/// Seconds for requests and upstreams: half a millisecond to a minute.
const EXCHANGE: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Seconds for verification: a small HMAC takes a microsecond, 25 MiB some twenty milliseconds.
const VERIFY: &[f64] = &[1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 5e-3, 2.5e-2, 0.1];
/// Seconds for stores: memory a tenth of a microsecond, a slow Redis a second.
const STORE: &[f64] = &[2.5e-7, 1e-6, 5e-6, 2.5e-5, 1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 0.1, 1.0];
/// Seconds of age: the usual window is five minutes, retries that sign anew are seconds old.
const AGE: &[f64] = &[0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 120.0, 300.0, 600.0, 3600.0, 86_400.0];

/// What is asked of a dedupe store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A claim.
    Claim,
    /// A commit.
    Commit,
    /// A release.
    Release,
    /// Waiting for a claim in flight; only its failures are counted.
    Wait,
}

impl Operation {
    const ALL: [Self; 4] = [Self::Claim, Self::Commit, Self::Release, Self::Wait];

    /// Its label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Commit => "commit",
            Self::Release => "release",
            Self::Wait => "wait",
        }
    }
}

/// What became of a request's spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanResult {
    /// The collector took them.
    Exported,
    /// The collector did not take them.
    Failed,
    /// There was no room in the queue.
    Dropped,
}

impl SpanResult {
    const ALL: [Self; 3] = [Self::Exported, Self::Failed, Self::Dropped];

    /// Its label.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// What is measured at the moment of a scrape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Bytes of bodies held.
    pub buffered_bytes: u64,
    /// Requests being worked on.
    pub requests_in_flight: u64,
    /// Open connections from senders.
    pub connections: u64,
    /// Events the dedupe store remembers.
    pub store_entries: u64,
    /// Accepted events it has evicted so far.
    pub store_evictions: u64,
    /// Log lines thrown away so far.
    pub log_lines_dropped: u64,
    /// Entries in the journal.
    pub journal_entries: u64,
    /// Their bytes.
    pub journal_bytes: u64,
    /// Entries that found no room to wait.
    pub journal_dropped: u64,
}

/// All metrics of a process.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// By route.
    routes: Mutex<BTreeMap<String, Arc<Series>>>,
    verify: Mutex<BTreeMap<String, Arc<Histogram>>>,
    unrouted: Series,
    store: [Histogram; Operation::ALL.len()],
    store_errors: [AtomicU64; Operation::ALL.len()],
    reloads_ok: AtomicU64,
    reloads_error: AtomicU64,
    key_fetches_ok: AtomicU64,
    key_fetches_error: AtomicU64,
    spans: [AtomicU64; SpanResult::ALL.len()],
    config: Mutex<String>,
}

/// One route's counters. They outlive a reload as long as the route does.
#[derive(Debug)]
struct Series {
    provider: String,
    requests: [AtomicU64; Reason::ALL.len()],
    request: Histogram,
    upstream: Histogram,
    age: Histogram,
    secrets: Mutex<BTreeMap<String, Arc<SecretSeries>>>,
}

impl Series {
    fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            requests: std::array::from_fn(|_| AtomicU64::new(0)),
            request: Histogram::new(EXCHANGE),
            upstream: Histogram::new(EXCHANGE),
            age: Histogram::new(AGE),
            secrets: Mutex::default(),
        }
    }

    fn finished(&self, reason: Reason, took: Duration) {
        self.requests[reason as usize].fetch_add(1, Ordering::Relaxed);
        self.request.observe(took);
    }
}

/// One route's handles, for one configuration. The route's series are shown as long as one of these lives.
#[derive(Debug)]
pub struct RouteMetrics {
    series: Arc<Series>,
    verify: Arc<Histogram>,
    secrets: Box<[Arc<SecretSeries>]>,
}

impl RouteMetrics {
    /// A delivery was verified by the secret at this index of the route's list; `age` is that of its signed
    /// send time, if it has one.
    pub fn verified(&self, secret: usize, age: Option<Duration>, now: UnixTime) {
        if let Some(series) = self.secrets.get(secret) {
            series.matched(now);
        }
        if let Some(age) = age {
            self.series.age.observe(age);
        }
    }

    /// The secret at this index counts until then; without an end it has none.
    pub fn expires(&self, secret: usize, until: Option<UnixTime>) {
        if let Some(series) = self.secrets.get(secret) {
            series.expires(until);
        }
    }

    /// How the secret at this index was used since the start, or since it came under this name.
    #[must_use]
    pub fn secret(&self, secret: usize) -> SecretUse {
        self.secrets.get(secret).map(|series| series.used()).unwrap_or_default()
    }

    /// Verifying one delivery, accepted or not, took this much of a processor.
    pub fn verifying(&self, took: Duration) {
        self.verify.observe(took);
    }

    /// The upstream took this long.
    pub fn upstream(&self, took: Duration) {
        self.series.upstream.observe(took);
    }

    /// A request is over.
    pub fn finished(&self, reason: Reason, took: Duration) {
        self.series.finished(reason, took);
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            routes: Mutex::default(),
            verify: Mutex::default(),
            unrouted: Series::new(""),
            store: std::array::from_fn(|_| Histogram::new(STORE)),
            store_errors: std::array::from_fn(|_| AtomicU64::new(0)),
            reloads_ok: AtomicU64::new(0),
            reloads_error: AtomicU64::new(0),
            key_fetches_ok: AtomicU64::new(0),
            key_fetches_error: AtomicU64::new(0),
            spans: std::array::from_fn(|_| AtomicU64::new(0)),
            config: Mutex::default(),
        }))
    }

    /// The handles of a route; its counters go on where they were if it exists already.
    #[must_use]
    pub fn route(&self, name: &str, provider: &str, secrets: &[String]) -> Arc<RouteMetrics> {
        let mut routes = self.0.routes.lock();
        let series = match routes.get(name) {
            Some(series) if series.provider == provider => Arc::clone(series),
            // Another sender is another series, even under the same name.
            _ => Arc::new(Series::new(provider)),
        };
        routes.insert(name.to_owned(), Arc::clone(&series));
        drop(routes);
        let verify = Arc::clone(
            self.0
                .verify
                .lock()
                .entry(provider.to_owned())
                .or_insert_with(|| Arc::new(Histogram::new(VERIFY))),
        );
        let mut known = series.secrets.lock();
        known.retain(|name, _| secrets.contains(name));
        let secrets = secrets.iter().map(|name| Arc::clone(known.entry(name.clone()).or_default())).collect();
        drop(known);
        Arc::new(RouteMetrics { series, verify, secrets })
    }

    /// A request that met no route is over.
    pub fn unrouted(&self, reason: Reason, took: Duration) {
        self.0.unrouted.finished(reason, took);
    }

    /// The dedupe store took this long.
    pub fn store(&self, operation: Operation, took: Duration) {
        self.0.store[operation as usize].observe(took);
    }

    /// The dedupe store failed.
    pub fn store_error(&self, operation: Operation) {
        self.0.store_errors[operation as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A configuration was loaded, or refused.
    pub fn reloaded(&self, ok: bool) {
        let counter = if ok { &self.0.reloads_ok } else { &self.0.reloads_error };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Keys that a sender publishes were fetched, or could not be.
    pub fn keys_fetched(&self, ok: bool) {
        let counter = if ok { &self.0.key_fetches_ok } else { &self.0.key_fetches_error };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The spans of so many requests were sent, or could not be.
    pub fn traced(&self, result: SpanResult, requests: u64) {
        self.0.spans[result as usize].fetch_add(requests, Ordering::Relaxed);
    }

    /// The configuration with this hash is in force.
    pub fn config_info(&self, hash: &str) {
        hash.clone_into(&mut self.0.config.lock());
    }

    /// Everything as text.
    #[must_use]
    pub fn render(&self, gauges: Gauges, format: Format) -> String {
        // A route that no configuration holds any more is gone; its series end, as Prometheus expects.
        self.0.routes.lock().retain(|_, series| Arc::strong_count(series) > 1);
        self.0.verify.lock().retain(|_, histogram| Arc::strong_count(histogram) > 1);
        text::render(Arc::clone(&self.0), gauges, format)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
