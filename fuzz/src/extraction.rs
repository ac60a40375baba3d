//! Values found in JSON, form and multipart bodies, against plain readers of the same.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use sealpost::verify::{self, Event, EventSpec, Head, Locator, Scheme};

use crate::senders::SENDERS;
use crate::{fields, input, naive};

const BOUNDARY: &str = "xYz";

fn event(id: Locator, document: Option<&str>, kind: &'static str, target: &str, body: &[u8]) -> Event {
    let headers: HeaderMap = [(CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect();
    let head = Head { method: "POST", target, origin: None, headers: &headers };
    let spec = EventSpec { id: vec![id], document: document.map(str::to_owned), ..EventSpec::default() };
    verify::event(&spec, &Scheme { alternatives: Vec::new() }, &head, body)
}

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=xYz";

/// The input is a kind, a pointer or a field's name, and a body.
pub fn run(data: &[u8]) {
    let [kind, name, body] = fields(data);
    let Ok(name) = std::str::from_utf8(name) else { return };
    match kind {
        b"json" => json(name, body),
        b"form" => form(name, body),
        b"multipart" => multipart(name, body),
        b"disposition" => disposition(name, body),
        _ => written_multipart(name, body),
    }
}

/// Deeper nesting is left to the reader's own limit.
const DEEPEST: usize = 60;

fn json(pointer: &str, body: &[u8]) {
    let Ok(locator) = pointer.parse() else { return };
    if body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > DEEPEST {
        return;
    }
    let found = event(Locator::Json(locator), None, "application/json", "/", body).id;
    let text = String::from_utf8_lossy(body);
    let values = if naive::is_json(&text) { naive::json(&text, &naive::steps(pointer)) } else { Vec::new() };
    let values: Vec<String> = values.into_iter().filter_map(naive::scalar).collect();
    let there = !values.is_empty() && values.iter().all(|value| !value.is_empty());
    let expected = there.then(|| values.join(","));
    // A value that is no UTF-8 is not found, and neither is what stands under such a name.
    let readable = std::str::from_utf8(body).is_ok();
    assert!(
        found == expected || (!readable && found.is_none()),
        "{pointer} in {text:?}: {found:?}, not {expected:?}"
    );
    // The same text as a form's field.
    let encoded: String = form_urlencoded::byte_serialize(body).collect();
    let other = event(
        Locator::Json(pointer.parse().expect("as before")),
        Some("payload"),
        FORM,
        "/",
        format!("a=b&payload={encoded}").as_bytes(),
    );
    assert_eq!(other.id, found, "{pointer} in a form");
}

fn form(name: &str, body: &[u8]) {
    if name.is_empty() {
        return;
    }
    let found = event(Locator::Form(name.to_owned()), None, FORM, "/", body).id;
    let all = naive::form(body);
    let mut values = all.iter().filter(|(field, _)| field == name.as_bytes()).map(|(_, value)| value);
    let only = values.next().filter(|value| values.next().is_none() && !value.is_empty());
    let only = only.and_then(|value| String::from_utf8(value.clone()).ok());
    assert_eq!(found, only, "{name} in {:?}", String::from_utf8_lossy(body));
    let lossy: Vec<(String, String)> = all
        .iter()
        .map(|(name, value)| (String::from_utf8_lossy(name).into(), String::from_utf8_lossy(value).into()))
        .collect();
    let published: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    assert_eq!(lossy, published, "two readers of one form");
    if let Ok(query) = std::str::from_utf8(body) {
        let target = format!("/?{query}");
        assert_eq!(
            event(Locator::Query(name.to_owned()), None, FORM, &target, b"").id,
            only,
            "{name} of {target}"
        );
    }
}

/// What is found in any bytes stands there between two delimiters.
fn multipart(name: &str, body: &[u8]) {
    let Some(found) = event(Locator::Form(name.to_owned()), None, MULTIPART, "/", body).id else { return };
    let whole = format!("\r\n\r\n{found}\r\n--{BOUNDARY}");
    assert!(
        body.windows(whole.len()).any(|window| window == whole.as_bytes()),
        "{found:?} is no part's content"
    );
    assert!(!found.contains(&format!("\r\n--{BOUNDARY}")), "{found:?} holds a delimiter");
    let first = format!("--{BOUNDARY}\r\n");
    assert!(body.starts_with(first.as_bytes()), "nothing may stand before the first delimiter");
}

/// A header's parameters (RFC 2045, section 5.1), with quoted texts read as such; nothing if it is not written so.
fn parameters(text: &str) -> Option<Vec<(String, String)>> {
    let mut parameters = Vec::new();
    let mut rest = text;
    while !rest.trim().is_empty() {
        let (name, after) = rest.trim_start().strip_prefix(';')?.split_once('=')?;
        let value;
        if let Some(quoted) = after.strip_prefix('"') {
            let end = quoted.find('"').filter(|end| !quoted[..*end].contains('\\'))?;
            (value, rest) = (&quoted[..end], &quoted[end + 1..]);
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (value, rest) = after.split_at(end);
            if value.contains('"') {
                return None;
            }
        }
        parameters.push((name.trim().to_lowercase(), value.trim().to_owned()));
    }
    Some(parameters)
}

/// A part is called what its header says to a reader that knows quotes.
fn disposition(name: &str, rest: &[u8]) {
    let Ok(rest) = std::str::from_utf8(rest) else { return };
    if rest.contains(['\r', '\n']) || name.is_empty() {
        return;
    }
    let body = format!("--{BOUNDARY}\r\nContent-Disposition: form-data{rest}\r\n\r\n1\r\n--{BOUNDARY}--\r\n");
    if event(Locator::Form(name.to_owned()), None, MULTIPART, "/", body.as_bytes()).id.is_none() {
        return;
    }
    let names = parameters(rest).unwrap_or_default();
    let names: Vec<&str> =
        names.iter().filter(|(key, _)| key == "name").map(|(_, value)| value.as_str()).collect();
    assert_eq!(names, [name], "form-data{rest}");
}

/// What a plain writer writes is read, whatever it is.
fn written_multipart(name: &str, content: &[u8]) {
    let plain = |character: char| character.is_ascii_graphic() && !"\";\\".contains(character);
    let delimiter = format!("\r\n--{BOUNDARY}");
    let inside = [content, b"\r\n"].concat();
    if name.is_empty()
        || !name.chars().all(plain)
        || inside.windows(delimiter.len()).any(|window| window == delimiter.as_bytes())
        || String::from_utf8_lossy(content).contains(&delimiter)
    {
        return;
    }
    let part = |name: &str, content: &[u8]| {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let end = format!("--{BOUNDARY}--\r\n").into_bytes();
    let body = [part("x", b"before"), part(name, content), part("y", b"after"), end.clone()].concat();
    let found = event(Locator::Form(name.to_owned()), None, MULTIPART, "/", &body).id;
    let there =
        std::str::from_utf8(content).ok().filter(|text| !text.is_empty() && !["x", "y"].contains(&name));
    assert_eq!(found.as_deref(), there, "{name} written and read");
    let twice = [part(name, content), part(name, content), end].concat();
    assert_eq!(event(Locator::Form(name.to_owned()), None, MULTIPART, "/", &twice).id, None, "{name} twice");
}

/// The vectors' bodies with the places that their senders' events are read from.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for sender in SENDERS.iter().step_by(3) {
        for (locator, vector) in sender.provider.event.id.iter().zip(sender.accepted()) {
            match locator {
                Locator::Json(pointer) => {
                    seeds.push(input(&[b"json", pointer.to_string().as_bytes(), &vector.body]))
                }
                Locator::Form(name) => seeds.push(input(&[b"form", name.as_bytes(), &vector.body])),
                _ => {}
            }
        }
    }
    for (pointer, body) in [
        ("/a/*/b", r#"{"a":[{"b":1},{"b":"\u00e4"},{"c":null}]}"#),
        ("/a", r#"{"a":1,"a":{"b":2},"a":-1.50e+3}"#),
        ("/a~1b/0", r#"{"a/b":[true,false]}"#),
        ("/", r#"{"":"x"}"#),
    ] {
        seeds.push(input(&[b"json", pointer.as_bytes(), body.as_bytes()]));
    }
    seeds.push(input(&[b"form", b"a b", b"a+b=c%20d&a%20b&=x&%zz=%4"]));
    let body = b"--xYz\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain\r\n\r\n{}\r\n--xYz\r\n\
        content-disposition: form-data; filename=x; name=b\r\n\r\n1\r\n--xYz--\r\n";
    seeds.push(input(&[b"multipart", b"a", body]));
    seeds.push(input(&[b"multipart", b"b", body]));
    for rest in [
        "; name=a",
        "; name=\"a\"; filename=\"b;c\"",
        "; filename=\"x; name=a\"; name=\"b\"",
        "; name=a; name=b",
    ] {
        seeds.push(input(&[b"disposition", b"a", rest.as_bytes()]));
    }
    seeds.push(input(&[b"written", b"payload", b"{\"a\":\r\n--xY 1}"]));
    seeds
}
