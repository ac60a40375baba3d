//! Counts over time for each route, in three finenesses: the last ten minutes, the last hour, the last day.
//!
//! They are counted as requests end and lose nothing to the journal's bounds. One route takes some 100 KiB at most, and
//! next to nothing while it is quiet.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::entry::Entry;
use super::outcome::Outcome;
use super::times::{STEPS, Times, quantile};
use crate::admit::Reason;
use crate::time::UnixTime;

/// The lengths of a stretch; of each there are [`DEPTH`].
const LENGTHS: [i64; 3] = [10_000, 60_000, 24 * 60_000];
const DEPTH: i64 = 60;
/// The longest window.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// One stretch of time of one route.
#[derive(Clone, Debug, Default)]
struct Stretch {
    /// Its beginning, milliseconds of the steady clock.
    at: i64,
    outcomes: [u32; Outcome::ALL.len()],
    reasons: Vec<(Reason, u32)>,
    shadow: u32,
    took: Times,
    upstream: Times,
}

impl Stretch {
    fn count(&mut self, entry: &Entry) {
        if let Some(outcome) = self.outcomes.get_mut(entry.outcome() as usize) {
            *outcome = outcome.saturating_add(1);
        }
        let told = entry.told();
        match self.reasons.iter_mut().find(|(reason, _)| *reason == told) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => self.reasons.push((told, 1)),
        }
        self.shadow = self.shadow.saturating_add(u32::from(entry.shadow.is_some()));
        self.took.count(entry.took);
        if let Some(took) = entry.upstream_took {
            self.upstream.count(took);
        }
    }
}

/// One secret of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecretUse {
    /// How often it matched since counting began.
    pub count: u64,
    /// When it matched last.
    pub last: Option<UnixTime>,
}

#[derive(Debug, Default)]
struct RouteCounts {
    finenesses: [VecDeque<Stretch>; LENGTHS.len()],
    secrets: BTreeMap<Box<str>, SecretUse>,
}

impl RouteCounts {
    fn count(&mut self, entry: &Entry, steady: UnixTime, now: UnixTime) {
        let at = steady.millis();
        for (stretches, length) in self.finenesses.iter_mut().zip(LENGTHS) {
            let begin = at.saturating_sub(at.rem_euclid(length));
            if stretches.back().is_none_or(|newest| newest.at < begin) {
                stretches.push_back(Stretch { at: begin, ..Stretch::default() });
                let oldest = begin.saturating_sub(length.saturating_mul(DEPTH));
                while stretches.front().is_some_and(|stretch| stretch.at <= oldest) {
                    stretches.pop_front();
                }
            }
            if let Some(newest) = stretches.back_mut() {
                newest.count(entry);
            }
        }
        if let Some(used) = self.matched(entry, now) {
            used.count = used.count.saturating_add(1);
        }
    }

    /// Its secret matched. A time that is not there yet, because the clock was set since, counts as now.
    fn matched(&mut self, entry: &Entry, now: UnixTime) -> Option<&mut SecretUse> {
        let name = entry.secret_name()?;
        if !self.secrets.contains_key(name) {
            self.secrets.insert(name.into(), SecretUse::default());
        }
        let used = self.secrets.get_mut(name)?;
        let before = used.last.filter(|last| *last <= now);
        used.last = before.max(Some(entry.received.min(now)));
        Some(used)
    }
}

/// The counts of all routes.
#[derive(Debug)]
pub(super) struct Stats {
    routes: BTreeMap<Box<str>, RouteCounts>,
    began: UnixTime,
}

/// What is told of one route over a window.
#[derive(Clone, Debug, Default)]
pub struct RouteNumbers {
    /// By the reason.
    pub reasons: BTreeMap<&'static str, u64>,
    /// How many there were.
    pub requests: u64,
    /// How many of them would have been refused, in shadow mode.
    pub shadow: u64,
    /// Half of them and 99 of 100 took at most this long, microseconds.
    pub took: (Option<u64>, Option<u64>),
    /// The upstream's part.
    pub upstream: (Option<u64>, Option<u64>),
    /// By name.
    pub secrets: BTreeMap<Box<str>, SecretUse>,
    /// Stretch by stretch, oldest first: beginning, counts in the order of [`Outcome::ALL`], shadow.
    pub series: Vec<(i64, [u64; Outcome::ALL.len()], u64)>,
}

/// A window of time that ends now, by the steady clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Its beginning, milliseconds.
    pub since: i64,
    /// Its end.
    pub until: i64,
    /// The length of a stretch, milliseconds.
    pub stretch: i64,
    fineness: usize,
}

impl Window {
    /// The window of about this length that ends at `now`: whole stretches, the last one not over yet.
    #[must_use]
    pub fn ending(now: UnixTime, length: Duration) -> Self {
        let length = i64::try_from(length.min(LONGEST_WINDOW).as_millis()).unwrap_or(i64::MAX).max(1);
        let fineness =
            LENGTHS.iter().position(|one| one.saturating_mul(DEPTH) >= length).unwrap_or(LENGTHS.len() - 1);
        let stretch = LENGTHS.get(fineness).copied().unwrap_or(1);
        let count = length
            .div_euclid(stretch)
            .saturating_add(i64::from(length.rem_euclid(stretch) > 0))
            .clamp(1, DEPTH);
        let until = now.millis();
        let last = until.saturating_sub(until.rem_euclid(stretch));
        Self { since: last.saturating_sub(stretch.saturating_mul(count - 1)), until, stretch, fineness }
    }
}

impl Stats {
    pub(super) fn new(began: UnixTime) -> Self {
        Self { routes: BTreeMap::new(), began }
    }

    /// When counting began.
    pub(super) fn began(&self) -> UnixTime {
        self.began
    }

    /// A request is over, at this time of the steady clock and of the day. By the time of day alone a clock that was set back would
    /// leave everything from then on behind the newest stretch.
    pub(super) fn count(&mut self, entry: &Entry, steady: UnixTime, now: UnixTime) {
        self.route(entry).count(entry, steady, now);
    }

    /// An entry of an earlier process: it tells when its secret matched, and nothing is counted of it.
    pub(super) fn recall(&mut self, entry: &Entry, now: UnixTime) {
        if entry.secret_name().is_some() {
            self.route(entry).matched(entry, now);
        }
    }

    fn route(&mut self, entry: &Entry) -> &mut RouteCounts {
        let name = entry.about.route.as_deref().unwrap_or_default();
        if !self.routes.contains_key(name) {
            self.routes.insert(name.into(), RouteCounts::default());
        }
        self.routes.entry(name.into()).or_default()
    }

    /// The numbers of a route (`None`: of everything without one) over a window.
    pub(super) fn of(&self, route: Option<&str>, window: &Window) -> RouteNumbers {
        let mut numbers = RouteNumbers::default();
        let mut begin = window.since;
        while begin <= window.until {
            numbers.series.push((begin, [0; Outcome::ALL.len()], 0));
            begin = begin.saturating_add(window.stretch);
        }
        let Some(counts) = self.routes.get(route.unwrap_or_default()) else { return numbers };
        numbers.secrets.clone_from(&counts.secrets);
        let (mut took, mut upstream) = ([0; STEPS], [0; STEPS]);
        let stretches = counts.finenesses.get(window.fineness).into_iter().flatten();
        for stretch in stretches.filter(|stretch| (window.since..=window.until).contains(&stretch.at)) {
            for (reason, count) in &stretch.reasons {
                let sum = numbers.reasons.entry(reason.word()).or_default();
                *sum = sum.saturating_add(u64::from(*count));
                numbers.requests = numbers.requests.saturating_add(u64::from(*count));
            }
            numbers.shadow = numbers.shadow.saturating_add(u64::from(stretch.shadow));
            stretch.took.add_to(&mut took);
            stretch.upstream.add_to(&mut upstream);
            if let Some((_, outcomes, shadow)) = numbers.series.iter_mut().find(|(at, ..)| *at == stretch.at)
            {
                *shadow = u64::from(stretch.shadow);
                for (to, from) in outcomes.iter_mut().zip(stretch.outcomes) {
                    *to = u64::from(from);
                }
            }
        }
        numbers.took = (quantile(&took, 50), quantile(&took, 99));
        numbers.upstream = (quantile(&upstream, 50), quantile(&upstream, 99));
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_hides_nothing_of_what_comes() {
        use crate::journal::tests::{NOW, about, entry};

        let at = |minutes: i64| UnixTime::from_millis(NOW.millis() + minutes * 60_000);
        let mut stats = Stats::new(NOW);
        let mut one = entry("ahead", &about(Some("shop")), true, None);
        one.received = at(600);
        stats.count(&one, at(1), at(600));
        one.received = at(2);
        stats.count(&one, at(2), at(2));
        stats.count(&one, at(3), at(2));
        for (minutes, requests) in [(60, 3), (24 * 60, 3), (2, 2)] {
            let window = Window::ending(at(3), Duration::from_secs(minutes * 60));
            let numbers = stats.of(Some("shop"), &window);
            assert_eq!(numbers.requests, requests, "{minutes}");
            let told: u64 = numbers.series.iter().map(|(_, outcomes, _)| outcomes.iter().sum::<u64>()).sum();
            assert_eq!(told, requests, "{minutes}");
            assert_eq!(numbers.secrets["old"], SecretUse { count: 3, last: Some(at(2)) });
        }
    }

    #[test]
    fn a_window_has_at_most_sixty_stretches_and_ends_now() {
        let now = UnixTime::from_millis(1_795_251_612_345);
        for (seconds, count) in
            [(1, 1), (60, 6), (600, 60), (601, 11), (3600, 60), (86_400, 60), (999_999_999, 60)]
        {
            let window = Window::ending(now, Duration::from_secs(seconds));
            let numbers = Stats::new(now).of(None, &window);
            assert_eq!(numbers.series.len(), count, "{seconds}");
            assert!(numbers.series.last().unwrap().0 <= now.millis());
        }
    }
}
