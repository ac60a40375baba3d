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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_needs_a_name_and_one_line() {
        assert_eq!(header("X-Test:  a:b "), Ok(("X-Test".to_owned(), "a:b".to_owned())));
        for wrong in ["X-Test", ": a", "X Test: a", "X-Test: a\r\nb"] {
            assert!(header(wrong).is_err(), "{wrong:?}");
        }
    }
}
