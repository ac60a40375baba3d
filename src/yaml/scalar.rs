//! Texts that stand for a boolean, a whole number, a duration or a size, and back.
//!
//! Nothing goes through a floating point number: what is written is what is meant, or it is refused.

use std::time::Duration;

/// YAML 1.2's two booleans.
///
/// # Errors
/// What was found, and for YAML 1.1's words what to write instead.
pub fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Err(format!("write `true` instead of `{text}`")),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Err(format!("write `false` instead of `{text}`")),
        _ => Err(format!("`{}` is neither `true` nor `false`", shortened(text))),
    }
}

/// A whole number in decimal digits.
///
/// # Errors
/// What was found instead.
pub fn integer(text: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        let shown = shortened(text);
        return Err(format!("`{shown}` is not a whole number; write digits only, such as `1000`"));
    }
    text.parse().map_err(|_| format!("`{}` is too large", shortened(text)))
}

/// A number with one of the units `ms`, `s`, `m`, `h`, `d`.
///
/// # Errors
/// What was found instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let millis = with_unit(text, |unit| match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    });
    match millis {
        Ok(Some(millis)) => Ok(Duration::from_millis(millis)),
        Ok(None) => Err(format!("`{}` is too long", shortened(text))),
        Err(()) => Err(format!(
            "`{}` is not a duration; write a whole number and a unit, such as `250ms`, `10s`, `5m`, `24h` or `7d`",
            shortened(text)
        )),
    }
}

/// A number of bytes with one of the units `B`, `KiB`, `MiB`, `GiB`.
///
/// # Errors
/// What was found instead.
pub fn size(text: &str) -> Result<u64, String> {
    let bytes = with_unit(text, |unit| match unit {
        "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    });
    match bytes {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(format!("`{}` is too large", shortened(text))),
        Err(()) => Err(format!(
            "`{}` is not a size; write a whole number and a unit, such as `512B`, `64KiB`, `5MiB` or `1GiB`",
            shortened(text)
        )),
    }
}

/// A duration as [`duration`] reads it, in the largest unit that loses nothing (below a millisecond it rounds down).
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    // Whole days read better as hours up to two of them: `24h`, as the manual writes it.
    let units: [(u128, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let fits = |(unit, name): &&(u128, &str)| {
        millis > 0 && millis.is_multiple_of(*unit) && !(*name == "d" && millis / unit < 3)
    };
    match units.iter().find(fits) {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None => format!("{millis}ms"),
    }
}

/// A size as [`size`] reads it, in the largest unit that loses nothing.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", bytes / unit),
        None => format!("{bytes}B"),
    }
}

/// At most 40 characters of a text in one printable line, for messages.
#[must_use]
pub fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        shown.push('…');
    }
    shown
}

/// Digits and a unit; `Err` if it is not of that form, `Ok(None)` if the product does not fit.
fn with_unit(text: &str, unit: impl Fn(&str) -> Option<u64>) -> Result<Option<u64>, ()> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).ok_or(())?;
    let (digits, name) = text.split_at(end);
    let factor = unit(name).ok_or(())?;
    if digits.is_empty() {
        return Err(());
    }
    Ok(digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_a_whole_number_and_a_unit() {
        for (text, millis) in
            [("250ms", 250), ("10s", 10_000), ("5m", 300_000), ("24h", 86_400_000), ("7d", 604_800_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
        for (text, bytes) in [("512B", 512), ("64KiB", 65_536), ("5MiB", 5_242_880), ("1GiB", 1_073_741_824)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
            assert_eq!(show_size(bytes), text);
        }
        for wrong in [
            "",
            "s",
            "10",
            "1.5h",
            "-1s",
            "+1s",
            "1 s",
            "1S",
            "1h30m",
            "٣s",
            "99999999999999999999s",
            "213503982335d",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "5", "5MB", "5mib", "5 MiB", "0.5KiB", "18446744073709551615KiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_booleans_and_numbers_of_yaml_1_2_are_read() {
        assert_eq!(boolean("true"), Ok(true));
        assert_eq!(boolean("no"), Err("write `false` instead of `no`".into()));
        assert_eq!(boolean("on"), Err("write `true` instead of `on`".into()));
        assert_eq!(integer("18446744073709551615"), Ok(u64::MAX));
        for wrong in ["", "-1", "+1", "1_000", "1e3", "0x10", "1.0", "18446744073709551616"] {
            assert!(integer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_control_characters_escaped_in_messages() {
        let message = integer(&"\u{1b}[31m".repeat(1000)).unwrap_err();
        assert!(message.len() < 300 && !message.contains('\u{1b}'));
    }
}
