//! What an event is called: its id, its type, and the key under which it is remembered.

use std::borrow::Cow;
use std::fmt;

use super::body;
use super::claim_path;
use super::delivery::{Head, Single};
use super::encoding::Bytes;
use super::form::{self, Field};
use super::json::{self, Found};
use super::locator::{Locator, Pointer};
use super::mac::{Sink, State, sha256};
use super::scheme::{Scheme, Sha};
use super::signed;
use super::verification::Verified;

/// Where a sender's events carry their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSpec {
    /// Where the id stands; the first present counts.
    pub id: Vec<Locator>,
    /// Where the type stands; the first present counts.
    pub event_type: Vec<Locator>,
    /// The parts of the key under which the event is remembered; all of them are needed. None mean the body.
    pub key: Vec<Locator>,
    /// The form field that holds the JSON, if the body is a form.
    pub document: Option<String>,
}

/// An event's names, for people and for the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its id, if one was found. Several values (a `*`) are joined with commas.
    pub id: Option<String>,
    /// Its type, if one was found.
    pub event_type: Option<String>,
}

/// The key under which an event is remembered: SHA-256 over the route and the key's parts, each with its length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey(pub [u8; 32]);

/// The part of an event's key that the delivery lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPart(pub Locator);

/// Reads an event's names. All JSON places are found in one pass over the body.
///
/// Nothing here is proof of anything: names of a delivery that was not verified are a stranger's words.
#[must_use]
pub fn event(spec: &EventSpec, scheme: &Scheme, head: &Head<'_>, body: &[u8]) -> Event {
    let document = body::document(spec.document.as_deref(), head, body);
    let locators = spec.id.iter().chain(&spec.event_type);
    let values = Values::read(locators, scheme, head, body, &document, None);
    let first = |locators: &[Locator]| {
        let found = locators.iter().find_map(|locator| values.of(locator))?;
        let texts =
            found.values.iter().map(|value| std::str::from_utf8(value).ok()).collect::<Option<Vec<_>>>()?;
        Some(texts.join(","))
    };
    Event { id: first(&spec.id), event_type: first(&spec.event_type) }
}

/// Makes the key of a verified event. No parts at all mean the body.
///
/// An empty value counts as missing: otherwise every event without an id would be the same event.
///
/// # Errors
/// The first part that is not there.
pub fn event_key(
    route: &str,
    parts: &[Locator],
    scheme: &Scheme,
    verified: &Verified,
    head: &Head<'_>,
    body: &[u8],
) -> Result<EventKey, MissingPart> {
    let parts = if parts.is_empty() { &[Locator::Body] } else { parts };
    let document = body::document(scheme.document(), head, body);
    let values = Values::read(parts.iter(), scheme, head, body, &document, Some(verified));
    let mut hash = State::digest(Sha::Sha256);
    write_with_length(&mut hash, route.as_bytes());
    for part in parts {
        let found = values.of(part).ok_or_else(|| MissingPart(part.clone()))?;
        write_length(&mut hash, found.choice);
        write_length(&mut hash, found.values.len());
        for value in &found.values {
            write_with_length(&mut hash, value);
        }
    }
    let mut key = [0; 32];
    key.iter_mut().zip(hash.finish()).for_each(|(to, from)| *to = from);
    Ok(EventKey(key))
}

/// A delivery with the JSON values that some locators name.
struct Values<'v> {
    head: &'v Head<'v>,
    body: &'v [u8],
    scheme: &'v Scheme,
    proof: Option<&'v Verified>,
    json: Vec<(&'v Pointer, Found<'v>)>,
    /// Those of the delivery's token, if a locator asks for one.
    claims: Option<Bytes>,
}

/// What stands at a locator.
struct Value<'v> {
    /// Which of several alternatives it is, so that one's value is never taken for another's.
    choice: usize,
    values: Vec<Cow<'v, [u8]>>,
}

impl<'v> Values<'v> {
    fn read(
        locators: impl Iterator<Item = &'v Locator>,
        scheme: &'v Scheme,
        head: &'v Head<'v>,
        body: &'v [u8],
        document: &'v [u8],
        proof: Option<&'v Verified>,
    ) -> Self {
        let mut pointers = Vec::new();
        let mut asks_claims = false;
        locators.for_each(|locator| collect_pointers(locator, &mut pointers, &mut asks_claims));
        let claims = if asks_claims { claim_path::claims(scheme, head, body) } else { None };
        let found = if pointers.is_empty() { None } else { json::extract(document, &pointers) };
        let json = pointers.into_iter().zip(found.unwrap_or_default()).collect();
        Self { head, body, scheme, proof, json, claims }
    }

    fn of(&self, locator: &Locator) -> Option<Value<'_>> {
        let values = match locator {
            Locator::Header(name) => match self.head.single(name) {
                Single::Once(value) => vec![Cow::Borrowed(value)],
                Single::Absent | Single::Repeated => return None,
            },
            Locator::Query(name) => vec![once(form::field(self.head.query()?.as_bytes(), name))?],
            Locator::Form(name) => vec![once(body::form_field(self.head.headers, self.body, name))?],
            Locator::Json(pointer) => {
                let (_, found) = self.json.iter().find(|(known, _)| *known == pointer)?;
                found.iter().map(|value| Cow::Borrowed(value.as_bytes())).collect()
            }
            Locator::Claim(path) => path
                .find(self.claims.as_deref()?)
                .into_iter()
                .map(|text| Cow::Owned(text.into_bytes()))
                .collect(),
            Locator::Body => vec![Cow::Owned(hex::encode(sha256(self.body)).into_bytes())],
            Locator::Signed => {
                let (scheme, verified) = (self.scheme, self.proof?);
                vec![Cow::Owned(
                    hex::encode(signed::digest(scheme, verified, self.head, self.body)?).into_bytes(),
                )]
            }
            Locator::AnyOf(any) => {
                let mut present =
                    any.iter().enumerate().filter_map(|(index, one)| Some((index, self.of(one)?)));
                return present.next().map(|(choice, value)| Value { choice, ..value });
            }
        };
        let is_there = !values.is_empty() && values.iter().all(|value| !value.is_empty());
        is_there.then_some(Value { choice: 0, values })
    }
}

fn collect_pointers<'p>(locator: &'p Locator, pointers: &mut Vec<&'p Pointer>, asks_claims: &mut bool) {
    match locator {
        Locator::Json(pointer) => pointers.push(pointer),
        Locator::AnyOf(any) => any.iter().for_each(|one| collect_pointers(one, pointers, asks_claims)),
        Locator::Claim(_) => *asks_claims = true,
        Locator::Header(_) | Locator::Query(_) | Locator::Form(_) | Locator::Body | Locator::Signed => {}
    }
}

fn once(field: Field<'_>) -> Option<Cow<'_, [u8]>> {
    match field {
        Field::Once(value) => Some(value),
        Field::Absent | Field::Repeated => None,
    }
}

fn write_with_length(hash: &mut State, bytes: &[u8]) {
    write_length(hash, bytes.len());
    hash.write(bytes);
}

fn write_length(hash: &mut State, length: usize) {
    hash.write(&u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
}

impl fmt::Debug for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventKey({self})")
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for MissingPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the delivery has nothing at {}", self.0)
    }
}

impl std::error::Error for MissingPart {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::tests::{self, hmac};
    use http::HeaderMap;

    fn locators(texts: &[&str]) -> Vec<Locator> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn key(route: &str, parts: &[&str], map: &HeaderMap, body: &str) -> Result<EventKey, MissingPart> {
        let scheme = hmac("{body}");
        let (map, verified) = tests::verified(&scheme, map.clone(), body.as_bytes());
        let head = Head { method: "POST", target: "/?n=7", origin: None, headers: &map };
        event_key(route, &locators(parts), &scheme, &verified, &head, body.as_bytes())
    }

    #[test]
    fn the_first_present_place_names_the_event() {
        let spec = EventSpec {
            id: locators(&["header:x-id", "json:/data/id", "query:n"]),
            event_type: locators(&["json:/type|json:/events/*/type"]),
            ..EventSpec::default()
        };
        let names = |map: &HeaderMap, body: &str| {
            let head = Head { method: "POST", target: "/?n=7", origin: None, headers: map };
            let event = event(&spec, &hmac("{body}"), &head, body.as_bytes());
            (event.id.unwrap_or_default(), event.event_type.unwrap_or_default())
        };
        let none = HeaderMap::new();
        assert_eq!(names(&headers(&[("x-id", "h")]), "{}"), ("h".into(), String::new()));
        assert_eq!(names(&none, r#"{"data":{"id":12},"type":"a.b"}"#), ("12".into(), "a.b".into()));
        assert_eq!(names(&none, r#"{"events":[{"type":"a"},{"type":"b"}]}"#), ("7".into(), "a,b".into()));
        assert_eq!(names(&none, "not json"), ("7".into(), String::new()));
        assert_eq!(names(&headers(&[("x-id", "1"), ("x-id", "2")]), "{}").0, "7", "repeated names nothing");
    }

    #[test]
    fn parts_keep_their_borders_and_routes_their_events() {
        let none = HeaderMap::new();
        let of = |parts: &[&str], body: &str| key("r", parts, &none, body).unwrap();
        let two = ["json:/a", "json:/b"];
        assert_eq!(of(&two, r#"{"a":"ab","b":"c"}"#), of(&two, r#"{"b":"c", "a":"ab"}"#));
        assert_ne!(of(&two, r#"{"a":"ab","b":"c"}"#), of(&two, r#"{"a":"a","b":"bc"}"#));
        assert_ne!(of(&["json:/*"], r#"["ab","c"]"#), of(&["json:/*"], r#"["a","bc"]"#));
        assert_ne!(of(&["json:/a|json:/b"], r#"{"a":1}"#), of(&["json:/a|json:/b"], r#"{"b":1}"#));
        assert_ne!(key("r", &["body"], &none, "{}"), key("s", &["body"], &none, "{}"));
        assert_eq!(of(&[], "{}"), of(&["body"], "{}"));
    }

    #[test]
    fn a_missing_or_empty_part_is_named() {
        let missing =
            |parts: &[&str], body: &str| key("r", parts, &HeaderMap::new(), body).unwrap_err().to_string();
        assert_eq!(missing(&["json:/id"], "{}"), "the delivery has nothing at json:/id");
        assert_eq!(missing(&["query:n", "json:/id"], r#"{"id":""}"#), "the delivery has nothing at json:/id");
        assert_eq!(missing(&["form:id"], "id=1"), "the delivery has nothing at form:id");
    }

    #[test]
    fn the_signed_bytes_are_a_key_whatever_the_headers_say() {
        let of =
            |id: &'static str, body: &str| key("r", &["signed"], &headers(&[("x-id", id)]), body).unwrap();
        assert_eq!(of("1", "{}"), of("2", "{}"));
        assert_ne!(of("1", "{}"), of("1", "[]"));
    }
}
