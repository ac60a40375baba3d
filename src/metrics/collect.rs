//! From the counters to the client library's encoder, one family after the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use super::secret::SecretSeries;
use super::{
    BUFFERED_BYTES, CONFIG, CONNECTIONS, Family, Gauges, Histogram, Inner, JOURNAL_BYTES, JOURNAL_DROPPED,
    JOURNAL_ENTRIES, KEY_FETCHES, LOG_LINES_DROPPED, Operation, RELOADS, REQUEST_SECONDS, REQUESTS,
    REQUESTS_IN_FLIGHT, SECRET_EXPIRES, SECRET_LAST_MATCHED, SECRET_MATCHED, SIGNATURE_AGE_SECONDS,
    STORE_ENTRIES, STORE_ERRORS, STORE_EVICTIONS, STORE_SECONDS, Series, SpanResult, TRACED_REQUESTS,
    UPSTREAM_SECONDS, VERIFY_SECONDS,
};
use crate::admit::Reason;
use crate::time::UnixTime;

/// Everything there is to tell at one scrape.
#[derive(Debug)]
pub(super) struct Scrape {
    pub(super) inner: Arc<Inner>,
    pub(super) gauges: Gauges,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        // A copy, so that a reload does not wait for a slow page.
        let routes = self.inner.routes.lock().clone();
        self.requests(&mut page, &routes)?;
        self.seconds(&mut page, &routes)?;
        self.store(&mut page)?;
        self.process(&mut page)
    }
}

type Pick = fn(&Series) -> &Histogram;
type Routes = BTreeMap<String, Arc<Series>>;

impl Scrape {
    fn requests(&self, page: &mut Page<'_>, routes: &Routes) -> fmt::Result {
        let mut requests = page.family(&REQUESTS, MetricType::Counter)?;
        for (route, series) in routes {
            // From zero, so that the first forgery is an increase and not a new series.
            for (reason, count) in Reason::ALL.iter().zip(&series.requests) {
                let labels =
                    [("route", &**route), ("provider", &*series.provider), ("reason", reason.word())];
                requests.counter(&labels, load(count))?;
            }
        }
        for (reason, count) in Reason::ALL.iter().zip(&self.inner.unrouted.requests) {
            let labels = [("route", ""), ("provider", ""), ("reason", reason.word())];
            if load(count) > 0 {
                requests.counter(&labels, load(count))?;
            }
        }
        let mut matched = page.family(&SECRET_MATCHED, MetricType::Counter)?;
        for (route, series) in routes {
            for (secret, counted) in &*series.secrets.lock() {
                let matched_so_far = counted.used().matched;
                matched.counter(&[("route", &**route), ("secret", &**secret)], matched_so_far)?;
            }
        }
        self.secret_times(page, routes, &SECRET_LAST_MATCHED, |secret| secret.used().last_matched)?;
        self.secret_times(page, routes, &SECRET_EXPIRES, SecretSeries::until)
    }

    fn secret_times(
        &self,
        page: &mut Page<'_>,
        routes: &Routes,
        family: &Family,
        time: fn(&SecretSeries) -> Option<UnixTime>,
    ) -> fmt::Result {
        let mut family = page.family(family, MetricType::Gauge)?;
        for (route, series) in routes {
            for (secret, counted) in &*series.secrets.lock() {
                if let Some(time) = time(counted) {
                    family.time(&[("route", &**route), ("secret", &**secret)], time)?;
                }
            }
        }
        Ok(())
    }

    fn seconds(&self, page: &mut Page<'_>, routes: &Routes) -> fmt::Result {
        let families: [(&Family, Pick); 3] = [
            (&REQUEST_SECONDS, |series| &series.request),
            (&UPSTREAM_SECONDS, |series| &series.upstream),
            (&SIGNATURE_AGE_SECONDS, |series| &series.age),
        ];
        for (family, histogram) in families {
            let mut family = page.family(family, MetricType::Histogram)?;
            for (route, series) in routes {
                family.histogram(&[("route", &**route)], histogram(series))?;
            }
            family.histogram(&[("route", "")], histogram(&self.inner.unrouted))?;
        }
        let mut verify = page.family(&VERIFY_SECONDS, MetricType::Histogram)?;
        for (provider, histogram) in &*self.inner.verify.lock() {
            verify.histogram(&[("provider", &**provider)], histogram)?;
        }
        Ok(())
    }

    fn store(&self, page: &mut Page<'_>) -> fmt::Result {
        let mut seconds = page.family(&STORE_SECONDS, MetricType::Histogram)?;
        for (operation, histogram) in Operation::ALL.iter().zip(&self.inner.store) {
            seconds.histogram(&[("operation", operation.word())], histogram)?;
        }
        let mut errors = page.family(&STORE_ERRORS, MetricType::Counter)?;
        for (operation, count) in Operation::ALL.iter().zip(&self.inner.store_errors) {
            errors.counter(&[("operation", operation.word())], load(count))?;
        }
        page.gauge(&STORE_ENTRIES, self.gauges.store_entries)?;
        page.family(&STORE_EVICTIONS, MetricType::Counter)?.counter(&[], self.gauges.store_evictions)
    }

    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        page.gauge(&BUFFERED_BYTES, self.gauges.buffered_bytes)?;
        page.gauge(&REQUESTS_IN_FLIGHT, self.gauges.requests_in_flight)?;
        page.gauge(&CONNECTIONS, self.gauges.connections)?;
        let mut reloads = page.family(&RELOADS, MetricType::Counter)?;
        reloads.counter(&[("result", "ok")], load(&self.inner.reloads_ok))?;
        reloads.counter(&[("result", "error")], load(&self.inner.reloads_error))?;
        let mut fetches = page.family(&KEY_FETCHES, MetricType::Counter)?;
        fetches.counter(&[("result", "ok")], load(&self.inner.key_fetches_ok))?;
        fetches.counter(&[("result", "error")], load(&self.inner.key_fetches_error))?;
        let mut spans = page.family(&TRACED_REQUESTS, MetricType::Counter)?;
        for (result, count) in SpanResult::ALL.iter().zip(&self.inner.spans) {
            spans.counter(&[("result", result.word())], load(count))?;
        }
        let hash = self.inner.config.lock().clone();
        page.family(&CONFIG, MetricType::Info)?.0.encode_info(&[("hash", hash)])?;
        page.family(&LOG_LINES_DROPPED, MetricType::Counter)?.counter(&[], self.gauges.log_lines_dropped)?;
        page.gauge(&JOURNAL_ENTRIES, self.gauges.journal_entries)?;
        page.gauge(&JOURNAL_BYTES, self.gauges.journal_bytes)?;
        page.family(&JOURNAL_DROPPED, MetricType::Counter)?.counter(&[], self.gauges.journal_dropped)
    }
}

struct Page<'e>(DescriptorEncoder<'e>);

impl Page<'_> {
    fn family(&mut self, family: &Family, kind: MetricType) -> Result<Samples<'_>, fmt::Error> {
        self.0.encode_descriptor(family.name, family.meaning, None, kind).map(Samples)
    }

    fn gauge(&mut self, family: &Family, value: u64) -> fmt::Result {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.0.encode_descriptor(family.name, family.meaning, None, MetricType::Gauge)?.encode_gauge(&value)
    }
}

struct Samples<'e>(MetricEncoder<'e>);

impl Samples<'_> {
    fn counter(&mut self, labels: &[(&str, &str)], value: u64) -> fmt::Result {
        let labels = Labels(labels);
        self.0.encode_family(&labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }

    /// Unix seconds.
    fn time(&mut self, labels: &[(&str, &str)], time: UnixTime) -> fmt::Result {
        let labels = Labels(labels);
        self.0.encode_family(&labels)?.encode_gauge(&time.seconds())
    }

    /// Nothing for a histogram without observations: with thousands of idle routes they would be the bulk.
    fn histogram(&mut self, labels: &[(&str, &str)], histogram: &Histogram) -> fmt::Result {
        let snapshot = histogram.snapshot();
        if snapshot.count == 0 {
            return Ok(());
        }
        let labels = Labels(labels);
        let mut encoder = self.0.encode_family(&labels)?;
        encoder.encode_histogram::<NoLabelSet>(snapshot.sum, snapshot.count, &snapshot.buckets, None)
    }
}

#[derive(Debug)]
struct Labels<'l>(&'l [(&'l str, &'l str)]);

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelSetEncoder<'_>) -> fmt::Result {
        self.0.encode(encoder)
    }
}

fn load(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
