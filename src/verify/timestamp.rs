//! Send times as senders write them.

use chrono::{DateTime, NaiveDateTime};

use crate::time::UnixTime;

use super::scheme::TimeUnit;

/// The longest text that any of the forms can have, with room for fractions of a second.
const LONGEST: usize = 64;

/// The time a text stands for, or `None` if it is not written as this unit.
///
/// Digits may not carry a sign or spaces: `-1`, `+1` and ` 1` are no times that a sender writes.
pub(crate) fn parse(text: &str, unit: TimeUnit) -> Option<UnixTime> {
    if text.len() > LONGEST {
        return None;
    }
    match unit {
        TimeUnit::Seconds => UnixTime::from_seconds(digits(text)?),
        TimeUnit::Milliseconds => Some(UnixTime::from_millis(digits(text)?)),
        TimeUnit::Rfc3339 => rfc3339(text).map(UnixTime::from_millis),
        TimeUnit::Rfc2822 => {
            DateTime::parse_from_rfc2822(text).ok().map(|time| UnixTime::from_millis(time.timestamp_millis()))
        }
    }
}

/// The text a sender would write, or `None` if that form cannot express the time.
pub(crate) fn format(time: UnixTime, unit: TimeUnit) -> Option<String> {
    match unit {
        TimeUnit::Seconds => Some(time.seconds().to_string()),
        TimeUnit::Milliseconds => Some(time.millis().to_string()),
        TimeUnit::Rfc3339 => {
            let time = DateTime::from_timestamp_millis(time.millis())?;
            Some(time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        }
        TimeUnit::Rfc2822 => {
            let time = DateTime::from_timestamp_millis(time.millis())?;
            Some(time.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
        }
    }
}

/// Whether a time as of RFC 3339 says its offset, with which it ends.
pub(crate) fn has_offset(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok()
}

fn digits(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn rfc3339(text: &str) -> Option<i64> {
    match DateTime::parse_from_rfc3339(text) {
        Ok(time) => Some(time.timestamp_millis()),
        Err(_) => {
            let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
            Some(time.and_utc().timestamp_millis())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_unit_reads_the_same_moment() {
        let moment = Some(UnixTime::from_millis(1_773_829_800_000));
        assert_eq!(parse("1773829800", TimeUnit::Seconds), moment);
        assert_eq!(parse("1773829800000", TimeUnit::Milliseconds), moment);
        assert_eq!(parse("2026-03-18T10:30:00Z", TimeUnit::Rfc3339), moment);
        assert_eq!(parse("2026-03-18T12:30:00.000000000+02:00", TimeUnit::Rfc3339), moment);
        assert_eq!(parse("2026-03-18T10:30:00.000", TimeUnit::Rfc3339), moment);
        assert_eq!(parse("Wed, 18 Mar 2026 10:30:00 GMT", TimeUnit::Rfc2822), moment);
    }

    #[test]
    fn digits_are_digits_and_nothing_else() {
        for text in ["", "-1", "+1", " 1", "1 ", "1.0", "1e9", "0x1", "١", "9223372036854775808", "1_000"] {
            assert_eq!(parse(text, TimeUnit::Seconds), None, "{text:?}");
            assert_eq!(parse(text, TimeUnit::Milliseconds), None, "{text:?}");
        }
        assert_eq!(parse("9223372036854775807", TimeUnit::Seconds), None, "does not fit in milliseconds");
        assert!(parse("9223372036854775807", TimeUnit::Milliseconds).is_some());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in 0_i64..253_402_300_799) {
            let time = UnixTime::from_seconds(seconds).unwrap();
            for unit in [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Rfc3339, TimeUnit::Rfc2822] {
                prop_assert_eq!(parse(&format(time, unit).unwrap(), unit), Some(time));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}|[-+0-9TZ:., a-zA-Z]{0,70}", millis: i64) {
            for unit in [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Rfc3339, TimeUnit::Rfc2822] {
                parse(&text, unit);
                format(UnixTime::from_millis(millis), unit);
            }
        }
    }
}
