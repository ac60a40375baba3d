//! Text from outside on its way to a terminal: nothing in it may move the cursor, change colours or turn the order of
//! letters around.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};

/// The text with everything that is not simply seen written as `\u{…}`.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_unseen(character) {
            // Writing to a `String` cannot fail.
            let _ = write!(out, "{}", character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// The same line by line.
pub(super) fn plain_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('\n').map(|line| plain(line.strip_suffix('\r').unwrap_or(line)).replace("\\u{9}", "\t"))
}

/// Control characters, and Unicode's format characters (general category Cf) and line separators.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}'
            | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

/// At most `width` characters, the last of them an ellipsis where something was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// Unix milliseconds as RFC 3339 in UTC, to the second.
pub(super) fn time(millis: i64) -> String {
    in_utc(millis, SecondsFormat::Secs)
}

/// The same to the millisecond.
pub(super) fn exact_time(millis: i64) -> String {
    in_utc(millis, SecondsFormat::Millis)
}

fn in_utc(millis: i64, precision: SecondsFormat) -> String {
    DateTime::from_timestamp_millis(millis)
        .map_or_else(|| format!("{millis} ms"), |time| time.to_rfc3339_opts(precision, true))
}

/// Microseconds in the unit in which they are read best.
pub(super) fn took(micros: i64) -> String {
    let value = micros as f64;
    match micros {
        ..1_000 => format!("{micros}µs"),
        1_000..100_000 => format!("{:.1}ms", value / 1e3),
        100_000..1_000_000 => format!("{:.0}ms", value / 1e3),
        1_000_000.. => format!("{:.1}s", value / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_but_what_is_seen() {
        assert_eq!(plain("\x1b[2J\u{9b}31m\r\n\u{7}"), "\\u{1b}[2J\\u{9b}31m\\u{d}\\u{a}\\u{7}");
        assert_eq!(
            plain("a\u{202e}b\u{2066}c\u{200b}d\u{e0041}"),
            "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{e0041}"
        );
        assert_eq!(plain("Grüße, 世界 👍 \"\\"), "Grüße, 世界 👍 \"\\");
        let lines: Vec<String> = plain_lines("a\tb\r\nc\rd").collect();
        assert_eq!(lines, ["a\tb", "c\\u{d}d"]);
    }

    #[test]
    fn times_have_their_zone_and_lengths_their_unit() {
        assert_eq!(time(1_795_226_400_123), "2026-11-21T02:00:00Z");
        assert_eq!(exact_time(1_795_226_400_123), "2026-11-21T02:00:00.123Z");
        assert_eq!(time(i64::MAX), "9223372036854775807 ms");
        for (micros, text) in
            [(0, "0µs"), (999, "999µs"), (12_345, "12.3ms"), (250_000, "250ms"), (1_500_000, "1.5s")]
        {
            assert_eq!(took(micros), text);
        }
        assert_eq!((cut("abc", 3), cut("abcd", 3)), ("abc".to_owned(), "ab…".to_owned()));
    }
}
