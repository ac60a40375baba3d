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
use super::template::Part;
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
    let plain = body::readable(scheme, head, body);
    let document = body::document(spec.document.as_deref(), head, &plain);
    let locators = spec.id.iter().chain(&spec.event_type);
    let delivery = Delivery { head, scheme, wire: body, plain: &plain, proof: None };
    let values = Values::read(locators, delivery, &document);
    let first = |locators: &[Locator]| {
        let found = locators.iter().find_map(|locator| values.of(locator))?;
        let mut texts = String::new();
        for (index, value) in found.values.iter().enumerate() {
            if index > 0 {
                texts.push(',');
            }
            texts.push_str(std::str::from_utf8(value).ok()?);
        }
        Some(texts)
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
    let plain = body::readable(scheme, head, body);
    let document = body::document(scheme.document(), head, &plain);
    let delivery = Delivery { head, scheme, wire: body, plain: &plain, proof: Some(verified) };
    let values = Values::read(parts.iter(), delivery, &document);
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

/// The key of an event of which only its id is known, if the id alone makes the key: one part, in one place, that is one of the
/// places of the id.
#[must_use]
pub fn event_key_of_id(route: &str, parts: &[Locator], spec: &EventSpec, id: &str) -> Option<EventKey> {
    let [part] = parts else { return None };
    let single = match part {
        Locator::Header(_) | Locator::Query(_) | Locator::Form(_) | Locator::Claim(_) => true,
        Locator::Json(pointer) => !pointer.is_many(),
        Locator::Body | Locator::Signed | Locator::AnyOf(_) => false,
    };
    if !single || spec.id != [part.clone()] || id.is_empty() {
        return None;
    }
    let mut hash = State::digest(Sha::Sha256);
    write_with_length(&mut hash, route.as_bytes());
    write_length(&mut hash, 0);
    write_length(&mut hash, 1);
    write_with_length(&mut hash, id.as_bytes());
    let mut key = [0; 32];
    key.iter_mut().zip(hash.finish()).for_each(|(to, from)| *to = from);
    Some(EventKey(key))
}

/// A delivery in which names are looked for.
#[derive(Clone, Copy)]
struct Delivery<'v> {
    head: &'v Head<'v>,
    scheme: &'v Scheme,
    /// The body as it came.
    wire: &'v [u8],
    /// The body as it is read.
    plain: &'v [u8],
    proof: Option<&'v Verified>,
}

/// A delivery with the JSON values that some locators name.
struct Values<'v> {
    delivery: Delivery<'v>,
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
    fn read(locators: impl Iterator<Item = &'v Locator>, delivery: Delivery<'v>, document: &'v [u8]) -> Self {
        let Delivery { head, scheme, wire, .. } = delivery;
        let mut pointers = Vec::new();
        let mut asks_claims = false;
        locators.for_each(|locator| collect_pointers(locator, &mut pointers, &mut asks_claims));
        let claims = if asks_claims { claim_path::claims(scheme, head, wire) } else { None };
        let found = if pointers.is_empty() { None } else { json::extract(document, &pointers) };
        let json = pointers.into_iter().zip(found.unwrap_or_default()).collect();
        Self { delivery, json, claims }
    }

    fn of(&self, locator: &Locator) -> Option<Value<'_>> {
        let Delivery { head, scheme, wire, plain, proof } = self.delivery;
        let values = match locator {
            Locator::Header(name) => match head.single(name) {
                Single::Once(value) => vec![Cow::Borrowed(value)],
                Single::Absent | Single::Repeated => return None,
            },
            Locator::Query(name) => vec![once(form::field(head.query()?.as_bytes(), name))?],
            Locator::Form(name) => vec![once(body::form_field(head.headers, plain, name))?],
            Locator::Json(pointer) => {
                let (_, found) = self.json.iter().find(|(known, _)| *known == pointer)?;
                found.iter().map(|value| Cow::Borrowed(value.as_bytes())).collect()
            }
            Locator::Claim(path) => path
                .find(self.claims.as_deref()?)
                .into_iter()
                .map(|text| Cow::Owned(text.into_bytes()))
                .collect(),
            Locator::Body => vec![Cow::Owned(hex::encode(sha256(plain)).into_bytes())],
            Locator::Signed => {
                let digest = signed::digest(scheme, proof?, head, wire)?;
                vec![Cow::Owned(hex::encode(digest).into_bytes())]
            }
            Locator::AnyOf(any) => {
                // Beside the header that the signature covers another one is anybody's word, and the same id under
                // another form's name is the same id.
                if let Some(signed) = any.iter().find(|one| self.is_signed_header(one)) {
                    return self.of(signed);
                }
                let mut present =
                    any.iter().enumerate().filter_map(|(index, one)| Some((index, self.of(one)?)));
                return present.next().map(|(choice, value)| Value { choice, ..value });
            }
        };
        let is_there = !values.is_empty() && values.iter().all(|value| !value.is_empty());
        is_there.then_some(Value { choice: 0, values })
    }

    /// Whether it is a header that the template which fitted holds.
    fn is_signed_header(&self, locator: &Locator) -> bool {
        let Locator::Header(name) = locator else { return false };
        let Delivery { scheme, proof, .. } = self.delivery;
        let template = proof.and_then(|verified| {
            let (form, template) = verified.form();
            scheme.alternatives.get(form)?.signed.get(template)
        });
        template.is_some_and(|template| {
            template.leaves().any(|part| matches!(part, Part::Header(signed) if signed == name))
        })
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
    fn of_two_headers_the_signed_one_is_the_key_under_whichever_name() {
        let form = |prefix: &str| {
            let at = format!("header:{prefix}-signature");
            let signed = format!("{{header:{prefix}-id}}.{{body}}");
            crate::verify::Alternative::new(at.parse().unwrap(), signed.parse().unwrap())
        };
        let mut first = form("a");
        let subject = crate::verify::Subject::Header("a-signature".parse().unwrap());
        first.when = vec![crate::verify::Condition { subject, test: crate::verify::Test::Present }];
        let both = Scheme { alternatives: vec![first, form("b")] };
        let locators = locators(&["header:a-id|header:b-id"]);
        let of = |prefix: &str, extra: &[(&'static str, &'static str)]| {
            let alone = tests::one(form(prefix));
            let id = if prefix == "a" { "a-id" } else { "b-id" };
            let (mut map, _) = tests::verified(&alone, headers(&[(id, "7")]), b"{}");
            for (name, value) in extra {
                map.append(*name, value.parse().unwrap());
            }
            let head = Head { method: "POST", target: "/", origin: None, headers: &map };
            let keys = tests::keys(&both, &["secret"]);
            let verified =
                crate::verify::verify(&both, &keys, &head, b"{}", None, tests::seconds(tests::NOW));
            event_key("r", &locators, &both, &verified.unwrap(), &head, b"{}").unwrap()
        };
        assert_eq!(of("b", &[]), of("b", &[("a-id", "8")]), "nobody signed the other one");
        assert_eq!(of("b", &[]), of("a", &[]), "renamed, it is the same event");
    }

    #[test]
    fn where_the_inflated_body_is_signed_names_are_read_from_it() {
        use std::io::Write as _;
        let mut scheme = hmac("{body}");
        scheme.alternatives[0].body = crate::verify::BodyForm::Decoded;
        let packed = |level| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(br#"{"id":"evt_1"}"#).unwrap();
            encoder.finish().unwrap()
        };
        let of = |parts: &[&str], body: &[u8], encoding: &[(&'static str, &'static str)]| {
            let (map, verified) = tests::verified(&scheme, headers(encoding), body);
            let head = Head { method: "POST", target: "/", origin: None, headers: &map };
            let spec = EventSpec { id: locators(&["json:/id"]), ..EventSpec::default() };
            assert_eq!(event(&spec, &scheme, &head, body).id.as_deref(), Some("evt_1"));
            event_key("r", &locators(parts), &scheme, &verified, &head, body).unwrap()
        };
        let gzip = &[("content-encoding", "gzip")];
        let (one, other) = (packed(flate2::Compression::none()), packed(flate2::Compression::best()));
        assert_ne!(one, other);
        for part in ["body", "json:/id"] {
            let plain = of(&[part], br#"{"id":"evt_1"}"#, &[]);
            assert_eq!((of(&[part], &one, gzip), of(&[part], &other, gzip)), (plain, plain), "{part}");
        }
    }

    #[test]
    fn the_signed_bytes_are_a_key_whatever_the_headers_say() {
        let of =
            |id: &'static str, body: &str| key("r", &["signed"], &headers(&[("x-id", id)]), body).unwrap();
        assert_eq!(of("1", "{}"), of("2", "{}"));
        assert_ne!(of("1", "{}"), of("1", "[]"));
    }
}
