//! Mistakes about the send time, once the signature itself is right.

use std::time::Duration;

use crate::time::{Distance, UnixTime};

use super::attempt::{Attempt, Fit};
use super::{Mistake, Question};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Why a rightly signed delivery is refused for its time; nothing if it is not.
pub(super) fn mistakes(attempt: &Attempt<'_>, question: &Question<'_>) -> Vec<Mistake> {
    let Some(tolerance) = question.tolerance else { return Vec::new() };
    let Ok(Fit { sent: Some(sent), .. }) = attempt.judge(None) else { return Vec::new() };
    let Err(distance) = tolerance.check(sent, question.now) else { return Vec::new() };
    let proven = |mistake, advice: String| Mistake { mistake, advice, proven: true };
    if near(UnixTime::from_millis(sent.seconds()), question.now) {
        let advice = "the send time is written in milliseconds, this sender writes seconds: divide by 1000 when signing";
        return vec![proven("timestamp_unit", advice.to_owned())];
    }
    if UnixTime::from_seconds(sent.millis()).is_some_and(|seconds| near(seconds, question.now)) {
        let advice = "the send time is written in seconds, this sender writes milliseconds: multiply by 1000 when signing";
        return vec![proven("timestamp_unit", advice.to_owned())];
    }
    let (apart, side) = match distance {
        Distance::Past(apart) => (apart, "behind"),
        Distance::Future(apart) => (apart, "ahead of"),
    };
    let mut mistakes = Vec::new();
    if let Some(hours) = time_zone(apart) {
        let advice = format!(
            "the send time lies almost exactly {hours} {side} ours, which looks like a time zone: sign seconds since 1970 in \
             UTC, not local time"
        );
        mistakes.push(proven("time_zone", advice));
    }
    mistakes.push(match distance {
        Distance::Past(age) => proven("stale", stale(age)),
        Distance::Future(lead) => {
            let advice = format!(
                "the send time lies {} ahead of our clock: set both clocks by NTP, and look whether ours is the slow one",
                show(lead)
            );
            proven("clock_ahead", advice)
        }
    });
    mistakes
}

/// A duration for people: two units at most.
pub(super) fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |large: u64, name: &str, small: u64, unit: &str| match (seconds % large) / small {
        0 => format!("{} {name}", seconds / large),
        rest => format!("{} {name} {rest} {unit}", seconds / large),
    };
    match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => two(MINUTE, "min", 1, "s"),
        HOUR..DAY => two(HOUR, "h", MINUTE, "min"),
        _ => two(DAY, "days", HOUR, "h"),
    }
}

fn stale(age: Duration) -> String {
    format!(
        "the signature is right but {} old: it was captured then (give --now, the time at which it arrived), or it was replayed, \
         waited in a queue, or is a retry that kept its first signature; if the sender does that, widen the route's \
         `tolerance`",
        show(age)
    )
}

/// Within two days: near enough to tell milliseconds from seconds, which differ by decades.
fn near(one: UnixTime, other: UnixTime) -> bool {
    match one.distance_from(other) {
        Distance::Past(apart) | Distance::Future(apart) => apart <= Duration::from_secs(2 * DAY),
    }
}

/// Whole or half hours up to 14, give or take half a minute.
fn time_zone(apart: Duration) -> Option<String> {
    let half_hours = (apart.as_secs() + HALF_HOUR / 2) / HALF_HOUR;
    let off = apart.as_secs().abs_diff(half_hours * HALF_HOUR);
    let fits = (1..=28).contains(&half_hours) && off <= 30;
    fits.then(|| show(Duration::from_secs(half_hours * HALF_HOUR)))
}

const HALF_HOUR: u64 = HOUR / 2;

#[cfg(test)]
mod tests {
    use super::super::testing::Case;
    use super::*;
    use crate::verify::TimeUnit;

    fn sent(time: &str, now: i64) -> Case {
        Case::signed(b"{}")
            .timed("x-time", TimeUnit::Seconds, time)
            .signs("{timestamp}.{body}")
            .content(format!("{time}.{{}}").as_bytes())
            .now(now)
    }

    #[test]
    fn milliseconds_for_seconds() {
        sent("1700000000000", 1_700_000_000).is("timestamp_unit", "milliseconds");
    }

    #[test]
    fn seconds_for_milliseconds() {
        Case::signed(b"{}")
            .timed("x-time", TimeUnit::Milliseconds, "1700000000")
            .signs("{timestamp}.{body}")
            .content(b"1700000000.{}")
            .now(1_700_000_000)
            .is("timestamp_unit", "in seconds");
    }

    #[test]
    fn a_time_zone_off() {
        sent("1700000000", 1_700_000_000 + 7200).is("time_zone", "2 h behind");
        sent("1700000000", 1_700_000_000 - 19_800).is("time_zone", "5 h 30 min ahead of");
    }

    #[test]
    fn old_or_ahead() {
        sent("1700000000", 1_700_000_000 + 700).is("stale", "11 min 40 s old");
        sent("1700000000", 1_700_000_000 - 700).is("clock_ahead", "11 min 40 s ahead");
        sent("1700000000", 1_700_000_000 + 300).verifies();
    }

    #[test]
    fn a_wrong_secret_does_not_hide_that_it_is_stale_too() {
        let explanation =
            sent("1700000000", 1_700_000_000 + 700).and_secret(b"hunter2\n").with_key(b"hunter2").explained();
        let words: Vec<_> = explanation.likely.iter().map(|mistake| mistake.mistake).collect();
        assert_eq!(words, ["secret_whitespace", "stale"]);
        assert!(explanation.together);
    }

    #[test]
    fn durations_for_people() {
        for (seconds, text) in
            [(0, "0 ms"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (90_000, "1 days 1 h")]
        {
            assert_eq!(show(Duration::from_secs(seconds)), text);
        }
    }
}
