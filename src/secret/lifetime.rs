//! The time in which a secret counts: from `not_before` on, up to `not_after`.

use chrono::{DateTime, NaiveDate, SecondsFormat};

use crate::time::UnixTime;

/// When a secret counts. Without either end it always does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetime {
    /// The first moment at which it counts.
    pub from: Option<UnixTime>,
    /// The first moment at which it does not count any more.
    pub until: Option<UnixTime>,
}

/// On which side of its time a secret was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfTime {
    /// Its time begins only then.
    Before(UnixTime),
    /// Its time ended then.
    After(UnixTime),
}

impl Lifetime {
    /// Whether a secret with this lifetime counts at `now`.
    ///
    /// # Errors
    /// On which side of its time `now` lies.
    pub fn check(&self, now: UnixTime) -> Result<(), OutOfTime> {
        match (self.from, self.until) {
            (_, Some(until)) if now >= until => Err(OutOfTime::After(until)),
            (Some(from), _) if now < from => Err(OutOfTime::Before(from)),
            _ => Ok(()),
        }
    }

    /// Whether it has an end or a beginning.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        self.from.is_some() || self.until.is_some()
    }
}

/// Reads `not_before`: a time as of RFC 3339, or a date, which means the beginning of that day in UTC.
///
/// # Errors
/// What to write instead.
pub fn first_moment(text: &str) -> Result<UnixTime, String> {
    match date(text) {
        Some(day) => midnight(day),
        None => moment(text),
    }
}

/// Reads `not_after`: a time as of RFC 3339, or a date, which means the end of that day in UTC.
///
/// # Errors
/// What to write instead.
pub fn end(text: &str) -> Result<UnixTime, String> {
    match date(text) {
        Some(day) => midnight(day.succ_opt().unwrap_or(day)),
        None => moment(text),
    }
}

/// A time as it is shown: RFC 3339 in UTC, to the second.
#[must_use]
pub fn shown(time: UnixTime) -> String {
    DateTime::from_timestamp_millis(time.millis()).map_or_else(
        || format!("{time} seconds after 1970"),
        |time| time.to_rfc3339_opts(SecondsFormat::Secs, true),
    )
}

fn date(text: &str) -> Option<NaiveDate> {
    // Ten characters, or `2026-3-1` and `+2026-03-01` were dates as well.
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

fn midnight(day: NaiveDate) -> Result<UnixTime, String> {
    let start = day.and_hms_opt(0, 0, 0).ok_or_else(wrong)?;
    Ok(UnixTime::from_millis(start.and_utc().timestamp_millis()))
}

fn moment(text: &str) -> Result<UnixTime, String> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| wrong())?;
    Ok(UnixTime::from_millis(time.timestamp_millis()))
}

fn wrong() -> String {
    "write a time with its offset, such as `2026-03-31T12:00:00Z`, or a date, such as `2026-03-31` (a whole day in UTC)".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_whole_day_in_utc() {
        let first = first_moment("2026-03-31").unwrap();
        let until = end("2026-03-31").unwrap();
        assert_eq!(
            (shown(first), shown(until)),
            ("2026-03-31T00:00:00Z".into(), "2026-04-01T00:00:00Z".into())
        );
        let lifetime = Lifetime { from: Some(first), until: Some(until) };
        let at = |millis: i64| lifetime.check(UnixTime::from_millis(first.millis() + millis));
        assert_eq!(at(-1), Err(OutOfTime::Before(first)));
        assert_eq!(at(0), Ok(()));
        assert_eq!(at(86_400_000 - 1), Ok(()));
        assert_eq!(at(86_400_000), Err(OutOfTime::After(until)));
    }

    #[test]
    fn a_time_needs_its_offset() {
        assert_eq!(first_moment("2026-03-31T12:00:00+02:00"), first_moment("2026-03-31T10:00:00Z"));
        assert_eq!(end("2026-03-31T10:00:00Z"), first_moment("2026-03-31T10:00:00Z"));
        for text in
            ["", "2026-03-31T12:00:00", "2026-3-1", "31.03.2026", "2026-02-30", "1773829800", "tomorrow"]
        {
            assert!(first_moment(text).is_err() && end(text).is_err(), "{text}");
        }
    }

    #[test]
    fn without_ends_it_always_counts() {
        for millis in [i64::MIN, 0, i64::MAX] {
            assert_eq!(Lifetime::default().check(UnixTime::from_millis(millis)), Ok(()));
        }
    }
}
