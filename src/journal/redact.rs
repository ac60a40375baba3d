//! What of a kept request is never shown: the places that the route or its provider names, and wherever a credential stands.
//!
//! The journal holds the bytes as they came, because only those verify and only those may go on to the upstream. They leave
//! through here alone.

use std::ops::Range;

use http::header;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;

use super::kept::Kept;
use crate::verify::{Locator, Pointer, json_places};

/// What stands in the place of a value.
pub const REDACTED: &str = "[redacted]";

/// Headers whose whole purpose is to carry a credential.
pub(super) const CREDENTIALS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

/// A kept request as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Scheme and host.
    pub origin: String,
    /// Path and query.
    pub target: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The places where something was taken out.
    pub places: Vec<String>,
    /// Whether some of these are in the body.
    pub body_changed: bool,
}

/// The request without the values at these places.
#[must_use]
pub fn shown(kept: &Kept, redact: &[Locator]) -> Shown {
    let mut flat = Vec::new();
    redact.iter().for_each(|locator| flatten(locator, &mut flat));
    let mut places: Vec<String> = Vec::new();
    let mut note = |place: String| {
        if !places.contains(&place) {
            places.push(place);
        }
    };

    let mut headers = Vec::new();
    for (name, value) in kept.fields() {
        let text = String::from_utf8_lossy(name).into_owned();
        let hidden = HeaderName::from_bytes(name).map_or(true, |name| {
            CREDENTIALS.contains(&name)
                || flat.iter().any(|locator| matches!(locator, Locator::Header(wanted) if *wanted == name))
        });
        let value = if hidden {
            note(format!("header:{}", text.to_ascii_lowercase()));
            REDACTED.to_owned()
        } else {
            String::from_utf8_lossy(value).into_owned()
        };
        headers.push((text, value));
    }

    let queries: Vec<&str> =
        flat.iter().filter_map(|l| if let Locator::Query(name) = l { Some(&**name) } else { None }).collect();
    let target = match kept.target.split_once('?') {
        Some((path, query)) => {
            let (query, hidden) = without_fields(query.as_bytes(), &queries);
            hidden.into_iter().for_each(|name| note(format!("query:{name}")));
            format!("{path}?{}", String::from_utf8_lossy(&query))
        }
        None => kept.target.to_string(),
    };

    let (body, hidden) = body(kept, &flat);
    let body_changed = !hidden.is_empty();
    hidden.into_iter().for_each(note);
    Shown { origin: kept.origin(), target, headers, body, places, body_changed }
}

pub(super) fn flatten<'l>(locator: &'l Locator, flat: &mut Vec<&'l Locator>) {
    match locator {
        Locator::AnyOf(several) => several.iter().for_each(|one| flatten(one, flat)),
        one => flat.push(one),
    }
}

/// The body and what was taken out of it. A body that cannot be read as its locators mean it is not shown at all.
fn body(kept: &Kept, redact: &[&Locator]) -> (Vec<u8>, Vec<String>) {
    let whole = || (REDACTED.as_bytes().to_vec(), vec!["body".to_owned()]);
    if kept.body.is_empty() {
        return (Vec::new(), Vec::new());
    }
    if redact.iter().any(|locator| matches!(locator, Locator::Body)) {
        return whole();
    }
    let pointers: Vec<&Pointer> = redact
        .iter()
        .filter_map(|l| if let Locator::Json(pointer) = l { Some(pointer) } else { None })
        .collect();
    let fields: Vec<&str> = redact
        .iter()
        .filter_map(|l| if let Locator::Form(name) = l { Some(&**name) } else { None })
        .collect();
    if pointers.is_empty() && fields.is_empty() {
        return (kept.body.to_vec(), Vec::new());
    }
    if encoded(kept) {
        return whole();
    }
    if is_form(kept) {
        // JSON inside of a form's field is not looked into.
        if !pointers.is_empty() {
            return whole();
        }
        let (body, hidden) = without_fields(&kept.body, &fields);
        return (body, hidden.into_iter().map(|name| format!("form:{name}")).collect());
    }
    // A form of another kind, or one that does not say that it is one: where the field stands in it is not known here.
    if !fields.is_empty() && serde_json::from_slice::<serde::de::IgnoredAny>(&kept.body).is_err() {
        return whole();
    }
    if pointers.is_empty() {
        return (kept.body.to_vec(), Vec::new());
    }
    let mut body = kept.body.to_vec();
    let mut hidden = Vec::new();
    let mut spans: Vec<Range<usize>> = Vec::new();
    for pointer in pointers {
        let Some(found) = json_places(&kept.body, &[pointer]) else { return whole() };
        if !found.is_empty() {
            hidden.push(format!("json:{pointer}"));
            spans.extend(found);
        }
    }
    // From the end, so that the places before stay where they are; a value inside of another one goes with it.
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut outer: Vec<Range<usize>> = Vec::new();
    for span in spans {
        if outer.last().is_none_or(|last| span.start >= last.end) {
            outer.push(span);
        }
    }
    for span in outer.into_iter().rev() {
        body.splice(span, format!("\"{REDACTED}\"").into_bytes());
    }
    (body, hidden)
}

/// The fields of a query or form without the values of these names, and which of them there were.
fn without_fields(text: &[u8], names: &[&str]) -> (Vec<u8>, Vec<String>) {
    let mut out = Vec::with_capacity(text.len());
    let mut hidden = Vec::new();
    for (index, field) in text.split(|byte| *byte == b'&').enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        let end = field.iter().position(|byte| *byte == b'=').unwrap_or(field.len());
        let raw = field.get(..end).unwrap_or_default();
        let spaced: Vec<u8> = raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        let name = percent_decode(&spaced).collect::<Vec<u8>>();
        match names.iter().find(|wanted| wanted.as_bytes() == name) {
            Some(name) if end < field.len() => {
                out.extend_from_slice(raw);
                out.push(b'=');
                out.extend_from_slice(REDACTED.as_bytes());
                hidden.push((*name).to_owned());
            }
            _ => out.extend_from_slice(field),
        }
    }
    (out, hidden)
}

fn encoded(kept: &Kept) -> bool {
    field(kept, &header::CONTENT_ENCODING).is_some_and(|value| !value.eq_ignore_ascii_case(b"identity"))
}

fn is_form(kept: &Kept) -> bool {
    let essence = field(kept, &header::CONTENT_TYPE).unwrap_or_default().split(|byte| *byte == b';').next();
    essence.is_some_and(|essence| {
        essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

fn field<'k>(kept: &'k Kept, wanted: &HeaderName) -> Option<&'k [u8]> {
    kept.fields()
        .find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_str().as_bytes()))
        .map(|(_, value)| value)
}

/// The header fields of a kept request, for verifying it again. Fields that no header map can hold are left out.
#[must_use]
pub fn header_map(kept: &Kept) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in kept.fields() {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn kept(target: &str, head: &str, body: &str) -> Kept {
        Kept {
            target: target.into(),
            host: "hooks.example".into(),
            https: false,
            signed_origin: None,
            trusted: false,
            forwarded_for: "203.0.113.7".into(),
            head: Bytes::copy_from_slice(head.as_bytes()),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    fn redacted(kept: &Kept, places: &[&str]) -> Shown {
        let places: Vec<Locator> = places.iter().map(|place| place.parse().unwrap()).collect();
        shown(kept, &places)
    }

    #[test]
    fn credentials_are_never_shown_whatever_the_route_says() {
        let kept = kept("/x", "Authorization: Bearer t0k3n\r\nX-A: b\r\ncookie: a=1\r\ncookie: b=2\r\n", "");
        let shown = redacted(&kept, &[]);
        let values: Vec<&str> = shown.headers.iter().map(|(_, value)| &**value).collect();
        assert_eq!(values, [REDACTED, "b", REDACTED, REDACTED]);
        assert_eq!(shown.places, ["header:authorization", "header:cookie"]);
        assert!(!shown.body_changed);
    }

    #[test]
    fn a_form_in_which_the_field_cannot_be_found_is_not_shown_at_all() {
        let part = "--x\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\ns3cret\r\n--x--\r\n";
        for (kind, body) in [("multipart/form-data; boundary=x", part), ("text/plain", "token=s3cret")] {
            let shown = redacted(&kept("/x", &format!("Content-Type: {kind}\r\n"), body), &["form:token"]);
            assert!(shown.body_changed, "{kind}");
            assert!(!String::from_utf8_lossy(&shown.body).contains("s3cret"), "{kind}");
        }
    }

    #[test]
    fn values_are_taken_out_of_query_headers_and_json_and_the_rest_stays_byte_for_byte() {
        let body =
            r#"{ "data" : {"Key": {"a":[1, 2]}, "key":"x" ,"other":1.0}, "list":[{"pin":1},{"pin":"2"}] }"#;
        let shown = redacted(
            &kept("/x?a=1&to%6ben=s3cret&b", "X-Token: s3cret\r\n", body),
            &[
                "query:token",
                "header:x-token",
                "json:/data/key",
                "json:/list/*/pin",
                "json:/data/key/a",
                "form:x",
            ],
        );
        assert_eq!(shown.target, "/x?a=1&to%6ben=[redacted]&b");
        assert_eq!(
            String::from_utf8(shown.body).unwrap(),
            r#"{ "data" : {"Key": "[redacted]", "key":"[redacted]" ,"other":1.0}, "list":[{"pin":"[redacted]"},{"pin":"[redacted]"}] }"#
        );
        assert_eq!(
            shown.places,
            ["header:x-token", "query:token", "json:/data/key", "json:/list/*/pin", "json:/data/key/a"]
        );
    }

    #[test]
    fn a_body_that_cannot_be_read_for_its_places_is_not_shown_at_all() {
        for (head, body, place) in [
            ("", "{\"a\":1", "json:/a"),
            ("", "{\"a\":1} x", "json:/a"),
            ("Content-Encoding: gzip\r\n", "{\"a\":1}", "json:/a"),
            ("Content-Type: application/x-www-form-urlencoded\r\n", "payload=%7B%22a%22%3A1%7D", "json:/a"),
            ("", "anything", "body"),
        ] {
            let shown = redacted(&kept("/x", head, body), &[place]);
            assert_eq!((shown.body.as_slice(), &*shown.places[0]), (REDACTED.as_bytes(), "body"), "{body}");
        }
        let form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
        let shown = redacted(&kept("/x", form, "a=1&s+1=2&a=3"), &["form:s 1", "form:nothing"]);
        assert_eq!(String::from_utf8(shown.body).unwrap(), "a=1&s+1=[redacted]&a=3");
        assert_eq!(shown.places, ["form:s 1"]);
    }
}
