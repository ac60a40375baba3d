//! One line of the log, as JSON or as text.
//!
//! Values come from strangers. Nothing in them may end a line, start another one or speak to a terminal:
//! control characters, and those that turn the direction of writing, are written as escapes in both forms.

use std::fmt::{self, Write as _};

use tracing::Level;
use tracing::field::{Field, Visit};

use super::LogFormat;
use crate::time::UnixTime;

/// Characters of one value at most; the rest is cut off with an ellipsis.
const MAX_VALUE: usize = 8192;

/// A line being written.
pub(super) struct Line {
    format: LogFormat,
    text: String,
    scratch: String,
}

impl Line {
    /// Begins with time, level and the part of the program that speaks.
    pub(super) fn begin(format: LogFormat, at: UnixTime, level: Level, target: &str) -> Self {
        let mut line = Self { format, text: String::with_capacity(640), scratch: String::new() };
        match format {
            LogFormat::Json => {
                line.text.push_str("{\"time\":\"");
                push_rfc3339(&mut line.text, at);
                line.text.push_str("\",\"level\":\"");
                line.text.push_str(word(level));
                line.text.push('"');
            }
            LogFormat::Text => {
                push_rfc3339(&mut line.text, at);
                line.text.push(' ');
                line.text.push_str(word(level));
            }
        }
        line.string("target", target);
        line
    }

    /// The whole line.
    pub(super) fn end(mut self) -> String {
        if self.format == LogFormat::Json {
            self.text.push('}');
        }
        self.text.push('\n');
        self.text
    }

    fn name(&mut self, name: &str) {
        match self.format {
            LogFormat::Json => {
                self.text.push_str(",\"");
                self.text.push_str(name);
                self.text.push_str("\":");
            }
            LogFormat::Text => {
                self.text.push(' ');
                if !matches!(name, "message" | "target") {
                    self.text.push_str(name);
                    self.text.push('=');
                }
            }
        }
    }

    fn bare(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        // Writing to a string does not fail.
        let _ = write!(self.text, "{value}");
    }

    fn string(&mut self, name: &str, value: &str) {
        self.name(name);
        let bare = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-+@".contains(&byte);
        let quote = self.format == LogFormat::Json
            || (name != "message" && (value.is_empty() || !value.bytes().all(bare)));
        if quote {
            self.text.push('"');
        }
        self.escaped(value, quote);
        if quote {
            self.text.push('"');
        }
    }

    fn escaped(&mut self, value: &str, quoted: bool) {
        let harmless = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\');
        // Without an early end, so that the compiler can look at many bytes at once.
        if value.len() <= MAX_VALUE && value.bytes().fold(true, |all, byte| all & harmless(byte)) {
            return self.text.push_str(value);
        }
        let end = value.char_indices().nth(MAX_VALUE).map_or(value.len(), |(at, _)| at);
        let mut from = 0;
        for (at, found) in value[..end].char_indices() {
            let escape = match found {
                '"' if quoted => true,
                // Everywhere, so that an escape is never mistaken for the sender's own backslash.
                '\\' => true,
                _ => harmful(found),
            };
            if escape {
                self.text.push_str(&value[from..at]);
                from = at + found.len_utf8();
                let _ = match found {
                    '"' | '\\' => write!(self.text, "\\{found}"),
                    '\n' => self.text.write_str("\\n"),
                    '\r' => self.text.write_str("\\r"),
                    '\t' => self.text.write_str("\\t"),
                    // All of them lie in the first plane, so that four digits do for JSON too.
                    other => write!(self.text, "\\u{:04x}", u32::from(other)),
                };
            }
        }
        self.text.push_str(&value[from..end]);
        if end < value.len() {
            self.text.push('…');
        }
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let _ = write!(scratch, "{value:?}");
        self.string(field.name(), &scratch);
        self.scratch = scratch;
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        // What the bridge from the `log` crate adds is in the metadata already.
        if !field.name().starts_with("log.") {
            self.string(field.name(), value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !field.name().starts_with("log.") {
            self.bare(field.name(), value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field.name(), value);
    }
}

/// Control characters, line and paragraph separators, marks and overrides of the writing direction, and
/// the invisible mark that some programs take for the beginning of a file.
fn harmful(found: char) -> bool {
    found.is_control()
        || matches!(
            found,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// `2026-11-21T09:00:00.123Z`
fn push_rfc3339(text: &mut String, at: UnixTime) {
    let (days, millis) = (at.millis().div_euclid(86_400_000), at.millis().rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let seconds = millis / 1000;
    if (0..10_000).contains(&year) {
        push_two(text, year / 100);
        push_two(text, year % 100);
    } else {
        let _ = write!(text, "{year:+}");
    }
    let two =
        [('-', month), ('-', day), ('T', seconds / 3600), (':', seconds / 60 % 60), (':', seconds % 60)];
    for (separator, number) in two {
        text.push(separator);
        push_two(text, number);
    }
    text.push('.');
    text.push(digit(millis / 100 % 10));
    push_two(text, millis % 100);
    text.push('Z');
}

/// By hand: the formatting machinery takes ten times as long, and a busy gateway does this all the time.
fn push_two(text: &mut String, number: i64) {
    text.push(digit(number / 10));
    text.push(digit(number % 10));
}

fn digit(number: i64) -> char {
    u32::try_from(number).ok().and_then(|number| char::from_digit(number, 10)).unwrap_or('?')
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Years begin in March
/// here, so that the leap day is the last of its year.
fn date(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097; // days in 400 years
    let days = days + 719_468; // from 0000-03-01
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixTime = UnixTime::from_millis(1_795_251_600_123);

    fn line(format: LogFormat, name: &str, value: &str) -> String {
        let mut line = Line::begin(format, AT, Level::INFO, "sealpost");
        line.string(name, value);
        line.end()
    }

    fn json(value: &str) -> serde_json::Value {
        serde_json::from_str(&line(LogFormat::Json, "event_id", value)).unwrap()
    }

    #[test]
    fn a_line_begins_with_time_level_and_target() {
        assert_eq!(
            line(LogFormat::Json, "event_id", "evt_1"),
            "{\"time\":\"2026-11-21T09:00:00.123Z\",\"level\":\"info\",\"target\":\"sealpost\",\"event_id\":\"evt_1\"}\n"
        );
        assert_eq!(
            line(LogFormat::Text, "event_id", "evt_1"),
            "2026-11-21T09:00:00.123Z info sealpost event_id=evt_1\n"
        );
    }

    #[test]
    fn any_character_reads_back_from_json_and_none_breaks_the_line() {
        for code in 0..0x3000 {
            let Some(found) = char::from_u32(code) else { continue };
            let value = format!("a{found}b");
            assert_eq!(json(&value)["event_id"], value.as_str());
            for format in [LogFormat::Json, LogFormat::Text] {
                let line = line(format, "event_id", &value);
                let line = line.strip_suffix('\n').unwrap();
                assert!(!line.contains(harmful), "{code:#x} in {line:?}");
            }
        }
    }

    #[test]
    fn what_moves_a_cursor_turns_the_writing_or_hides_is_escaped() {
        let harmful = "\0\u{7}\u{8}\u{1b}\u{7f}\u{85}\u{9b}\u{200b}\u{200e}\u{2028}\u{202e}\u{2066}\u{feff}";
        for found in harmful.chars() {
            for format in [LogFormat::Json, LogFormat::Text] {
                assert!(!line(format, "event_id", &format!("a{found}b")).contains(found), "{found:?}");
            }
        }
    }

    #[test]
    fn a_value_cannot_forge_a_line_or_a_field_in_text() {
        assert_eq!(
            line(LogFormat::Text, "event_id", "x\n2026-11-21T09:00:00Z info reason=forwarded"),
            "2026-11-21T09:00:00.123Z info sealpost event_id=\"x\\n2026-11-21T09:00:00Z info reason=forwarded\"\n"
        );
        assert_eq!(
            line(LogFormat::Text, "event_id", "x\" reason=\"forwarded"),
            "2026-11-21T09:00:00.123Z info sealpost event_id=\"x\\\" reason=\\\"forwarded\"\n"
        );
        assert_eq!(
            line(LogFormat::Text, "message", "told\u{1b}[2Jwhat\rnow"),
            "2026-11-21T09:00:00.123Z info sealpost told\\u001b[2Jwhat\\rnow\n"
        );
        assert!(line(LogFormat::Text, "event_id", "").ends_with(" event_id=\"\"\n"));
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        for kept in ["é".repeat(MAX_VALUE), "e".repeat(MAX_VALUE)] {
            assert_eq!(json(&kept)["event_id"], kept.as_str());
            assert_eq!(json(&format!("{kept}e"))["event_id"], format!("{kept}…").as_str());
        }
    }

    #[test]
    fn dates_are_right_at_the_edges_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_512, (2026, 2, 28)),
            (20_513, (2026, 3, 1)),
            (21_244, (2028, 3, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }
}
