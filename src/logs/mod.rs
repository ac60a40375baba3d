//! The log: one line for each request and one for whatever else is worth telling, on stderr.

mod line;
mod sink;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::line::Line;
use self::sink::{Flush, Sink};
use crate::clock;

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// `TIME LEVEL PART message name=value …`
    Text,
}

/// What is told where nobody says otherwise: all of ours, and what goes wrong in the libraries.
pub const DEFAULT_FILTER: &str = "warn,sealpost=info";

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Lines thrown away so far because stderr was not read fast enough.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Keeps the log going; dropped at the end of `main`, it writes out the last lines.
pub struct Logging {
    _flush: Flush,
}

/// Starts the log of this process. `filter` is in the language of `RUST_LOG`: `warn`, `sealpost=debug,info`.
///
/// # Errors
/// One sentence, when the filter cannot be understood or the process logs already.
pub fn start(format: LogFormat, filter: Option<&str>) -> Result<Logging, String> {
    let filter = filter.filter(|filter| !filter.trim().is_empty()).unwrap_or(DEFAULT_FILTER);
    let enabled = EnvFilter::builder()
        .parse(filter)
        .map_err(|error| format!("cannot understand the log filter `{filter}`: {error}"))?;
    let (sink, flush) = Sink::start(std::io::stderr(), &DROPPED)
        .map_err(|error| format!("cannot start the log's thread: {error}"))?;
    let lines = Lines { format, write: move |line: &str| sink.push(line.as_bytes()) };
    Registry::default()
        .with(lines.with_filter(enabled))
        .try_init()
        .map_err(|error| format!("cannot start the log: {error}"))?;
    Ok(Logging { _flush: flush })
}

/// What is told of a request when it is over. Never a body, a secret, or a header that may hold one.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// The name the request has in all places.
    pub request_id: &'a str,
    /// The route's name, if one matched.
    pub route: Option<&'a str>,
    /// The provider's name, `none` for a route without.
    pub provider: Option<&'a str>,
    /// What became of it.
    pub reason: &'a str,
    /// Whether it was let through although it would have been refused.
    pub shadow: bool,
    /// The event's id.
    pub event_id: Option<&'a str>,
    /// The event's type.
    pub event_type: Option<&'a str>,
    /// Which attempt at the event it was, as counted here; 0 if it did not come to a claim.
    pub attempt: u32,
    /// The name of the secret that matched.
    pub secret: Option<&'a str>,
    /// The status answered.
    pub status: u16,
    /// Bytes of body received.
    pub received: u64,
    /// Bytes of body answered.
    pub sent: u64,
    /// From the first byte to the last.
    pub took: Duration,
    /// The upstream's part of it.
    pub upstream: Option<Duration>,
    /// Who asked, as far as trusted proxies tell.
    pub client: Option<IpAddr>,
    /// The exact reason behind the reason.
    pub why: Option<&'a str>,
    /// The name of its trace, where requests are traced.
    pub trace_id: Option<&'a str>,
}

/// Writes a request's line: a warning where we owe the sender an answer (5xx), otherwise for information.
pub fn request(line: &RequestLine<'_>) {
    macro_rules! tell {
        ($level:expr) => {
            tracing::event!(
                target: "sealpost::request",
                $level,
                request_id = line.request_id,
                reason = line.reason,
                status = line.status,
                route = line.route,
                provider = line.provider,
                event_id = line.event_id.map(cut),
                event_type = line.event_type.map(cut),
                attempt = (line.attempt > 0).then_some(line.attempt),
                secret = line.secret,
                shadow = line.shadow.then_some(true),
                received = line.received,
                sent = line.sent,
                took_us = micros(line.took),
                upstream_us = line.upstream.map(micros),
                client = line.client.as_ref().map(tracing::field::display),
                trace_id = line.trace_id,
                why = line.why,
            )
        };
    }
    if line.status >= 500 { tell!(tracing::Level::WARN) } else { tell!(tracing::Level::INFO) }
}

/// The beginning of an id: enough to find the event by, whatever a sender puts there.
fn cut(id: &str) -> &str {
    id.char_indices().nth(256).map_or(id, |(at, _)| &id[..at])
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Turns events into lines.
struct Lines<W> {
    format: LogFormat,
    write: W,
}

impl<S: Subscriber, W: Fn(&str) + 'static> Layer<S> for Lines<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let bridged = event.normalized_metadata();
        let metadata = bridged.as_ref().unwrap_or_else(|| event.metadata());
        let mut line = Line::begin(self.format, clock::now(), *metadata.level(), metadata.target());
        event.record(&mut line);
        (self.write)(&line.end());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;

    const LINE: RequestLine<'_> = RequestLine {
        request_id: "5ea1",
        route: Some("bella"),
        provider: Some("bella-baxter"),
        reason: "forwarded",
        shadow: false,
        event_id: Some("evt_1"),
        event_type: Some("secret.updated"),
        attempt: 2,
        secret: Some("old"),
        status: 204,
        received: 512,
        sent: 0,
        took: Duration::from_micros(1500),
        upstream: Some(Duration::from_micros(900)),
        client: Some(IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 7))),
        why: None,
        trace_id: None,
    };

    /// The lines written while `what` runs.
    fn logged(format: LogFormat, filter: &str, what: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&lines);
        let layer = Lines { format, write: move |line: &str| to.lock().push(line.to_owned()) };
        let enabled = EnvFilter::builder().parse(filter).unwrap();
        tracing::subscriber::with_default(Registry::default().with(layer.with_filter(enabled)), what);
        std::mem::take(&mut *lines.lock())
    }

    fn logged_json(what: impl FnOnce()) -> serde_json::Value {
        let lines = logged(LogFormat::Json, DEFAULT_FILTER, what);
        assert_eq!(lines.len(), 1);
        let mut line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        line.as_object_mut().unwrap().remove("time").expect("a line has a time");
        line
    }

    #[test]
    fn a_request_is_one_line_with_everything_the_manual_names() {
        assert_eq!(
            logged_json(|| request(&LINE)),
            json!({
                "level": "info", "target": "sealpost::request", "request_id": "5ea1", "reason": "forwarded",
                "status": 204, "route": "bella", "provider": "bella-baxter", "event_id": "evt_1",
                "event_type": "secret.updated", "attempt": 2, "secret": "old", "received": 512, "sent": 0,
                "took_us": 1500, "upstream_us": 900, "client": "203.0.113.7",
            })
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let line = RequestLine {
            route: None,
            provider: None,
            reason: "no_route",
            event_id: None,
            event_type: None,
            attempt: 0,
            secret: None,
            status: 404,
            upstream: None,
            client: None,
            ..LINE
        };
        assert_eq!(
            logged_json(|| request(&line)),
            json!({
                "level": "info", "target": "sealpost::request", "request_id": "5ea1", "reason": "no_route",
                "status": 404, "received": 512, "sent": 0, "took_us": 1500,
            })
        );
    }

    #[test]
    fn shadow_and_the_exact_reason_are_told() {
        let line = RequestLine { shadow: true, why: Some("no secret makes this signature"), ..LINE };
        let told = logged_json(|| request(&line));
        assert_eq!((&told["shadow"], &told["why"]), (&json!(true), &json!("no secret makes this signature")));
    }

    #[test]
    fn what_we_owe_the_sender_is_a_warning() {
        let line = RequestLine { status: 503, reason: "store_unavailable", ..LINE };
        assert_eq!(logged_json(|| request(&line))["level"], "warn");
        assert_eq!(logged(LogFormat::Json, "warn", || request(&LINE)).len(), 0);
        assert_eq!(logged(LogFormat::Json, "warn", || request(&line)).len(), 1);
    }

    #[test]
    fn an_id_of_a_megabyte_does_not_fill_the_log() {
        let long = "é".repeat(1_000_000);
        let told = logged_json(|| request(&RequestLine { event_id: Some(&long), ..LINE }));
        assert_eq!(told["event_id"], "é".repeat(256).as_str());
    }

    #[test]
    fn in_text_a_request_is_one_line_whatever_its_values_hold() {
        let line = RequestLine { event_id: Some("a\r\nb\u{1b}[31m c"), why: None, ..LINE };
        let lines = logged(LogFormat::Text, DEFAULT_FILTER, || request(&line));
        let (_time, rest) = lines[0].split_once(' ').unwrap();
        assert_eq!(
            rest,
            "info sealpost::request request_id=5ea1 reason=forwarded status=204 route=bella \
             provider=bella-baxter event_id=\"a\\r\\nb\\u001b[31m c\" event_type=secret.updated attempt=2 \
             secret=old received=512 sent=0 took_us=1500 upstream_us=900 client=203.0.113.7\n"
        );
    }

    #[test]
    fn other_events_keep_their_words_and_their_fields() {
        let told = logged_json(|| tracing::info!(target: "sealpost", routes = 3, "serving \"{}\"", "x"));
        assert_eq!(
            told,
            json!({ "level": "info", "target": "sealpost", "message": "serving \"x\"", "routes": 3 })
        );
    }

    #[test]
    fn libraries_are_heard_when_they_warn_and_not_before() {
        let lines = logged(LogFormat::Text, DEFAULT_FILTER, || {
            tracing::info!(target: "pingora_core", "an idle remark");
            tracing::warn!(target: "pingora_core", "a warning");
        });
        assert_eq!(lines.len(), 1);
        assert!(lines[0].ends_with(" warn pingora_core a warning\n"), "{lines:?}");
    }

    #[test]
    fn what_libraries_say_through_the_log_crate_is_told_under_their_own_name() {
        use tracing_log::{LogTracer, log};
        // Another test of this process may have been first.
        let _ = LogTracer::init();
        log::set_max_level(log::LevelFilter::Warn);
        let told = logged_json(|| log::warn!(target: "pingora_core::server", "a \"warning\""));
        assert_eq!(
            told,
            json!({ "level": "warn", "target": "pingora_core::server", "message": "a \"warning\"" })
        );
    }

    #[test]
    fn a_filter_that_means_nothing_is_one_clear_sentence() {
        let error = start(LogFormat::Json, Some("sealpost=loud")).err().unwrap();
        assert!(error.starts_with("cannot understand the log filter `sealpost=loud`: "), "{error}");
    }
}
