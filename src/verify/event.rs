//! What an event is called: its id, its type, and the key under which it is remembered.

use std::fmt;

use super::body;
use super::delivery::Head;
use super::event_values::{Delivery, Read, Values, write_length, write_with_length};
use super::locator::Locator;
use super::mac::State;
use super::scheme::{Scheme, Sha};
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
    let delivery = Delivery { head, scheme, wire: body, plain: &plain };
    let (values, _) = Values::read(spec.id.iter().chain(&spec.event_type), delivery, &document);
    values.event(spec)
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
    let parts = whole_or(parts);
    let plain = body::readable(scheme, head, body);
    let document = body::document(scheme.document(), head, &plain);
    let delivery = Delivery { head, scheme, wire: body, plain: &plain };
    let (values, _) = Values::read(parts.iter(), delivery, &document);
    values.key(route, parts, verified)
}

/// Both of them, with one pass over the body.
pub fn event_and_key(
    spec: &EventSpec,
    route: &str,
    parts: &[Locator],
    scheme: &Scheme,
    verified: &Verified,
    head: &Head<'_>,
    body: &[u8],
) -> (Event, Result<EventKey, MissingPart>) {
    let parts = whole_or(parts);
    if spec.document.as_deref() == scheme.document() {
        let plain = body::readable(scheme, head, body);
        let document = body::document(scheme.document(), head, &plain);
        let delivery = Delivery { head, scheme, wire: body, plain: &plain };
        let places = spec.id.iter().chain(&spec.event_type).chain(parts);
        // Where they cannot be read together, as when one of them finds too much, each is read for itself.
        if let (values, Read::Well) = Values::read(places, delivery, &document) {
            return (values.event(spec), values.key(route, parts, verified));
        }
    }
    (event(spec, scheme, head, body), event_key(route, parts, scheme, verified, head, body))
}

fn whole_or(parts: &[Locator]) -> &[Locator] {
    if parts.is_empty() { &[Locator::Body] } else { parts }
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
    fn read_together_they_are_what_they_are_apart() {
        let many = format!(r#"{{"id":1,"all":[{}0]}}"#, "0,".repeat(70_000));
        let bodies = [r#"{"id":"a","type":"t"}"#, r#"{"type":"t"}"#, "not json", "", many.as_str()];
        let map = headers(&[("x-id", "h")]);
        for body in bodies {
            for (id, event_type, key) in [
                (&["json:/id"][..], &["json:/type"][..], &["json:/id"][..]),
                (&["header:x-id"], &["json:/type"], &[]),
                (&["json:/id|header:x-id"], &[], &["json:/type", "header:x-id"]),
                // Whoever finds too much spoils only what is read with it.
                (&["json:/id"], &["json:/all/*"], &["json:/id"]),
            ] {
                let spec =
                    EventSpec { id: locators(id), event_type: locators(event_type), ..EventSpec::default() };
                let scheme = hmac("{body}");
                let (map, verified) = tests::verified(&scheme, map.clone(), body.as_bytes());
                let head = Head { method: "POST", target: "/", origin: None, headers: &map };
                let parts = locators(key);
                let apart = (
                    event(&spec, &scheme, &head, body.as_bytes()),
                    event_key("r", &parts, &scheme, &verified, &head, body.as_bytes()),
                );
                let together = event_and_key(&spec, "r", &parts, &scheme, &verified, &head, body.as_bytes());
                assert_eq!(together, apart, "{id:?} {event_type:?} {key:?}");
            }
        }
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
