//! Readers of single values of the command line.

/// `NAME=VALUE`.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("write NAME=VALUE, such as webhook_id=WH-123".to_owned()),
    }
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

/// `HOST:PORT` or `http://HOST:PORT`, as the URL without a slash at its end.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn admin(text: &str) -> Result<String, String> {
    let place = text.strip_prefix("http://").unwrap_or(text);
    let place = place.strip_suffix('/').unwrap_or(place);
    let whole = place.parse::<http::uri::Authority>().ok().filter(|place| !place.as_str().contains('@'));
    match whole {
        Some(place) if place.port_u16().is_some() && !place.host().is_empty() => {
            Ok(format!("http://{place}"))
        }
        _ => Err("write HOST:PORT or http://HOST:PORT, such as 127.0.0.1:9090".to_owned()),
    }
}

/// A point in time as the admin API takes it: a duration before now, or Unix milliseconds. RFC 3339 and Unix seconds are
/// read as well.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn moment(text: &str) -> Result<String, String> {
    if crate::yaml::duration(text).is_ok() {
        return Ok(text.to_owned());
    }
    if let Ok(number) = text.parse::<i64>() {
        // Seconds have ten digits until the year 2286, milliseconds thirteen since 2001.
        let millis = if text.len() >= 12 { Some(number) } else { number.checked_mul(1000) };
        return millis.map(|millis| millis.to_string()).ok_or_else(|| "that time is too far away".to_owned());
    }
    let time = chrono::DateTime::parse_from_rfc3339(text);
    time.map(|time| time.timestamp_millis().to_string()).map_err(|_| {
        "write a duration such as 15m, a time such as 2026-11-21T02:00:00Z, or Unix seconds".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_long_ago_or_a_time_with_its_zone() {
        for (text, told) in [
            ("15m", "15m"),
            ("1795251600", "1795251600000"),
            ("1795251600123", "1795251600123"),
            ("2026-11-21T03:00:00+01:00", "1795226400000"),
            ("2026-11-21T02:00:00.5Z", "1795226400500"),
        ] {
            assert_eq!(moment(text).as_deref(), Ok(told), "{text}");
        }
        for wrong in ["", "yesterday", "2026-11-21", "2026-11-21T02:00:00", "15"] {
            let seconds = wrong.parse::<i64>().is_ok();
            assert_eq!(moment(wrong).is_ok(), seconds, "{wrong:?} has no unit or zone");
        }
    }

    #[test]
    fn an_admin_address_has_a_host_and_a_port() {
        for (text, url) in [
            ("127.0.0.1:9090", "http://127.0.0.1:9090"),
            ("http://[::1]:9090/", "http://[::1]:9090"),
            ("gateway:9090", "http://gateway:9090"),
        ] {
            assert_eq!(admin(text).as_deref(), Ok(url));
        }
        for wrong in
            ["", "127.0.0.1", ":9090", "https://gateway:9090", "http://a:9090/api", "a@b:9090", "a:99999"]
        {
            assert!(admin(wrong).is_err(), "{wrong:?}");
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
