//! A histogram that many threads write at once: a search in a fixed list, two atomic additions, no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations by upper bounds in seconds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds: the last is for everything above them.
    counts: Box<[AtomicU64]>,
    /// The bits of an `f64`, in seconds.
    sum: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Snapshot {
    /// All durations together, in seconds.
    pub(super) sum: f64,
    /// How many there were.
    pub(super) count: u64,
    /// Upper bound and how many fell into that bucket alone.
    pub(super) buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// An empty one; `bounds` ascend.
    #[must_use]
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: std::iter::repeat_with(AtomicU64::default).take(bounds.len() + 1).collect(),
            sum: AtomicU64::new(0f64.to_bits()),
        }
    }

    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let add = |sum| Some((f64::from_bits(sum) + seconds).to_bits());
        let _ = self.sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The count is the buckets' own sum, so that a scrape in the middle of a write agrees with itself.
    pub(super) fn snapshot(&self) -> Snapshot {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<_> = bounds.zip(counts).collect();
        Snapshot {
            sum: f64::from_bits(self.sum.load(Ordering::Relaxed)),
            count: buckets.iter().map(|(_, count)| count).sum(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_own_bucket_and_what_is_above_all_to_the_last() {
        let histogram = Histogram::new(&[0.5, 1.0]);
        for millis in [0, 500, 501, 1000, 1001, 60_000] {
            histogram.observe(Duration::from_millis(millis));
        }
        let buckets = vec![(0.5, 2), (1.0, 2), (f64::INFINITY, 2)];
        assert_eq!(histogram.snapshot(), Snapshot { sum: 63.002, count: 6, buckets });
    }

    #[test]
    fn nothing_is_lost_when_threads_write_at_once() {
        let histogram = Histogram::new(&[1.0]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| histogram.observe(Duration::from_millis(500))));
            }
        });
        let Snapshot { sum, count, .. } = histogram.snapshot();
        assert_eq!((sum, count), (20_000.0, 40_000));
    }
}
