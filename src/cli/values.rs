//! Readers of single values of the command line.

use std::time::Duration;

/// `250ms`, `10s`, `5m`, `24h`, `7d`, as in gateway.yaml.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("a duration is a whole number with ms, s, m, h or d, such as 30s".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "a duration begins with a whole number, such as 30s".to_owned())?;
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or_else(|| "this duration is too long".to_owned())
}

/// 1 to 1024 worker threads.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=1024) => Ok(number),
        _ => Err("the number of threads is between 1 and 1024".to_owned()),
    }
}

/// `Name: value`.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written `Name: value`")?;
    let (name, value) = (name.trim(), value.trim());
    http::HeaderName::try_from(name).map_err(|_| format!("{name:?} cannot be the name of a header"))?;
    http::HeaderValue::try_from(value)
        .map_err(|_| "a header value cannot hold control characters".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_in_the_file() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("24h"), Ok(Duration::from_secs(86_400)));
        for wrong in ["", "30", "s", "-1s", "1.5s", "99999999999999999999s", "99999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_header_needs_a_name_and_one_line() {
        assert_eq!(header("X-Test:  a:b "), Ok(("X-Test".to_owned(), "a:b".to_owned())));
        for wrong in ["X-Test", ": a", "X Test: a", "X-Test: a\r\nb"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }
}
