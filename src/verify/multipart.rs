//! `multipart/form-data` (RFC 7578), as far as webhooks use it: small text fields by name.

use std::borrow::Cow;

use http::header::CONTENT_TYPE;

use super::form::Field;
use super::headers::Headers;

/// More parts than any sender's form has.
const MOST_PARTS: usize = 64;

/// A boundary has at most 70 characters (RFC 2046 section 5.1.1).
const LONGEST_BOUNDARY: usize = 70;

/// The boundary, if the headers call the body `multipart/form-data`.
pub(crate) fn boundary(headers: &dyn Headers) -> Option<Cow<'_, str>> {
    let kind = headers.text(&CONTENT_TYPE)?;
    let boundary = parameter(kind, "multipart/form-data", "boundary")?;
    (1..=LONGEST_BOUNDARY).contains(&boundary.len()).then_some(Cow::Borrowed(boundary))
}

/// Looks for the one field of this name. A body that is not wholly well-formed has none.
pub(crate) fn field<'a>(body: &'a [u8], boundary: &str, name: &str) -> Field<'a> {
    let Some(parts) = parts(body, boundary) else { return Field::Absent };
    let mut values = parts.into_iter().filter(|(found, _)| *found == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (None, _) => Field::Absent,
        (Some(value), None) => Field::Once(Cow::Borrowed(value)),
        (Some(_), Some(_)) => Field::Repeated,
    }
}

/// Every part's name and content.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<(&'a str, &'a [u8])>> {
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(delimiter.trim_start().as_bytes())?;
    let mut parts = Vec::new();
    loop {
        if let Some(after) = rest.strip_prefix(b"--") {
            // A reader that knows no end would go on here.
            return matches!(after, b"" | b"\r\n").then_some(parts);
        }
        if parts.len() >= MOST_PARTS {
            return None;
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let (head, after) = split_once(rest, b"\r\n\r\n")?;
        let (content, after) = split_once(after, delimiter.as_bytes())?;
        parts.push((field_name(std::str::from_utf8(head).ok()?)?, content));
        rest = after;
    }
}

/// The `name` of a part's `Content-Disposition: form-data`.
fn field_name(head: &str) -> Option<&str> {
    let mut dispositions = head.split("\r\n").filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    let (first, second) = (dispositions.next()?, dispositions.next());
    // Some readers know folded lines and lone line feeds, and find another name in them.
    let is_plain = second.is_none() && !head.contains("\r\n ") && !head.contains("\r\n\t");
    let is_plain = is_plain && !head.replace("\r\n", "").contains(['\r', '\n']);
    if is_plain { parameter(first, "form-data", "name") } else { None }
}

/// The one parameter of this name, `name=value` or `name="value"`, of a header whose value begins with `kind`.
///
/// A semicolon in quotes separates nothing (RFC 2045, section 5.1): whoever cut there would read a name out of another one's
/// value, and prove a field that the upstream does not see. Escapes in quotes and encoded names (`name*`) are written by no
/// sender and read in several ways, so a text that holds them has no parameters.
fn parameter<'t>(text: &'t str, kind: &str, name: &str) -> Option<&'t str> {
    let (found, mut rest) = text.split_at_checked(text.find(';')?)?;
    if !found.trim().eq_ignore_ascii_case(kind) {
        return None;
    }
    let mut wanted = None;
    while let Some(parameters) = rest.strip_prefix(';') {
        let (found, after) = parameters.split_once('=')?;
        let value;
        (value, rest) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at_checked(after.find(';').unwrap_or(after.len()))?,
        };
        rest = rest.trim_start();
        let found = found.trim();
        if found.contains(['*', '"', ';']) || value.contains(['\\', '"']) {
            return None;
        }
        if found.eq_ignore_ascii_case(name) && wanted.replace(value.trim()).is_some() {
            return None;
        }
    }
    if rest.is_empty() { wanted } else { None }
}

fn split_once<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len().max(1)).position(|window| window == mark)?;
    let (before, from) = text.split_at_checked(at)?;
    Some((before, from.strip_prefix(mark)?))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use proptest::prelude::*;

    /// What stands in quotes is one value, and what two readers could read in two ways has no name.
    #[test]
    fn a_name_is_read_as_a_reader_of_quotes_reads_it() {
        let name = |parameters: &str| {
            field_name(&format!("Content-Disposition: form-data{parameters}")).map(str::to_owned)
        };
        assert_eq!(name("; filename=\"x; name=json\"; name=\"other\"").as_deref(), Some("other"));
        assert_eq!(name("; name=\"a;b\" ; filename=c").as_deref(), Some("a;b"));
        assert_eq!(name("; filename=\"a=b\"; Name=c").as_deref(), Some("c"));
        for odd in [
            "; name=a; name=b",
            "; name=\"a\\\"b\"",
            "; name*=utf-8''a",
            "; filename=\"x; name=a",
            "; name=\"a\"b",
            "; name",
            ";",
            "",
            "; name=a\r\nContent-Disposition: form-data; name=b",
            "; filename=b\r\n ; name=a",
            "; name=a\nContent-Disposition: form-data; name=b",
        ] {
            assert_eq!(name(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn nothing_may_follow_the_last_delimiter() {
        assert_eq!(found(&[BODY, b"--xYz\r\n"].concat(), "json"), "absent");
        assert_eq!(found(BODY.strip_suffix(b"\r\n").unwrap(), "json"), "{\"a\":\r\n1}");
    }

    const BODY: &[u8] = b"--xYz\r\nContent-Disposition: form-data; name=\"json\"\r\nContent-Type: text/plain\r\n\r\n{\"a\":\r\n1}\r\n\
        --xYz\r\ncontent-disposition: form-data; filename=x; name=other\r\n\r\n\r\n--xYz--\r\n";

    fn found(body: &[u8], name: &str) -> String {
        match field(body, "xYz", name) {
            Field::Once(text) => String::from_utf8_lossy(&text).into_owned(),
            Field::Absent => "absent".into(),
            Field::Repeated => "repeated".into(),
        }
    }

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(found(BODY, "json"), "{\"a\":\r\n1}");
        assert_eq!(found(BODY, "other"), "");
        assert_eq!(found(BODY, "none"), "absent");
        let twice = [&BODY[..BODY.len() - 4], b"\r\n", &BODY[7..]].concat();
        assert_eq!(found(&twice, "json"), "repeated");
    }

    #[test]
    fn a_body_that_is_not_whole_has_no_fields() {
        assert_eq!(found(&BODY[..BODY.len() - 4], "json"), "absent", "no end");
        assert_eq!(found(&[b"preamble", BODY].concat(), "json"), "absent");
        assert_eq!(found(b"", "json"), "absent");
    }

    #[test]
    fn the_boundary_stands_in_the_content_type() {
        let of = |kind: &str| {
            let headers: HeaderMap = [(CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
            boundary(&headers).map(Cow::into_owned)
        };
        assert_eq!(of("multipart/form-data; boundary=xYz").as_deref(), Some("xYz"));
        assert_eq!(of("Multipart/Form-Data; charset=utf-8; boundary=\"x y\"").as_deref(), Some("x y"));
        assert_eq!(of("multipart/form-data"), None);
        assert_eq!(of("multipart/form-data; boundary="), None);
        assert_eq!(of("multipart/mixed; boundary=b"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, boundary in "[a-b]{0,3}", text in "(--a|\r\n|name=|;|\"|x){0,20}") {
            field(&bytes, &boundary, "name");
            field(text.as_bytes(), &boundary, "name");
        }
    }
}
