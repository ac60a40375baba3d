//! The two text formats of a scrape.
//!
//! The client library writes OpenMetrics 1.0, which Prometheus asks for. Everything else (curl, older
//! scrapers, most agents) gets the plain format 0.0.4: the same samples, but a counter's family is named
//! with its `_total`, an info is a gauge, and there is no end marker.

use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

use super::collect::Scrape;
use super::{Gauges, Inner};

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `text/plain; version=0.0.4`
    Plain,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl Format {
    /// What the scraper's `Accept` asks for.
    #[must_use]
    pub fn wanted(accept: Option<&str>) -> Self {
        let is_open = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            kind.eq_ignore_ascii_case("application/openmetrics-text")
                && parts.all(|parameter| !matches!(parameter, "version=0.0.1" | "q=0" | "q=0.0"))
        };
        match accept {
            Some(accept) if accept.split(',').any(is_open) => Self::OpenMetrics,
            _ => Self::Plain,
        }
    }

    /// The value of `Content-Type`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

pub(super) fn render(inner: Arc<Inner>, gauges: Gauges, format: Format) -> String {
    let mut registry = Registry::with_prefix("sealpost");
    registry.register_collector(Box::new(Scrape { inner, gauges }));
    let mut page = String::new();
    // Writing to a string does not fail.
    let _ = text::encode(&mut page, &registry);
    match format {
        Format::OpenMetrics => page,
        Format::Plain => plain(&page),
    }
}

fn plain(page: &str) -> String {
    let mut plain = String::with_capacity(page.len());
    let mut help = None;
    for line in page.lines() {
        match line.strip_prefix("# ").and_then(|comment| comment.split_once(' ')) {
            Some(("HELP", rest)) => help = rest.split_once(' '),
            Some(("TYPE", rest)) => {
                let Some((name, kind)) = rest.split_once(' ') else { continue };
                let (suffix, kind) = match kind {
                    "counter" => ("_total", kind),
                    "info" => ("_info", "gauge"),
                    _ => ("", kind),
                };
                if let Some((_, meaning)) = help.take() {
                    plain.extend(["# HELP ", name, suffix, " ", meaning, "\n"]);
                }
                plain.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
            }
            _ if line.starts_with('#') => {}
            _ => plain.extend([line, "\n"]),
        }
    }
    plain
}
