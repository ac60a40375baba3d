//! Writes what a sender signs: a template's parts, taken from the delivery, into a MAC or a buffer.

use zeroize::Zeroizing;

use super::body::{Body, Place, query_parameter};
use super::delivery::{Head, Single};
use super::detached;
use super::encoding;
use super::mac::{self, Sink};
use super::rejection::Rejection;
use super::scheme::{Alternative, Layout, TimeUnit, UrlForm};
use super::signature;
use super::template::Part;
use super::timestamp;

/// Longer header values are no ids and no times, which is all that senders sign of their headers.
const LONGEST_HEADER: usize = 256;

/// Where the parts of a template come from.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) alternative: &'c Alternative,
    pub(crate) head: &'c Head<'c>,
    /// The signature's text after its prefix.
    pub(crate) signature: &'c str,
    /// The send time as received.
    pub(crate) timestamp: Option<&'c str>,
    /// While it is not there, the parts that need it are passed over.
    pub(crate) body: Option<&'c Body<'c>>,
    pub(crate) url: UrlVariant,
}

/// The forms in which one URL may have been signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UrlVariant {
    /// As the route knows it.
    AsKnown,
    /// With the default port written out if it had none, without a port if it had one.
    OtherPort,
}

/// What is written, and the key itself for plain digests.
pub(crate) trait SecretSink: Sink {
    fn write_secret(&mut self);
}

/// For checking what the head has before the body is there.
pub(crate) struct Discard;

/// The variants of the URL that this form of the scheme allows.
pub(crate) fn url_variants(url: &UrlForm) -> &'static [UrlVariant] {
    if url.ports { &[UrlVariant::AsKnown, UrlVariant::OtherPort] } else { &[UrlVariant::AsKnown] }
}

/// Writes the parts.
///
/// # Errors
/// Something that is signed is not there, or could be cut from its neighbours in two ways.
pub(crate) fn write(
    parts: &[Part],
    context: &Context<'_>,
    sink: &mut impl SecretSink,
) -> Result<(), Rejection> {
    write_between(parts, Sides { before: Beside::Nothing, after: Beside::Nothing }, context, sink)
}

/// Writes parts that stand right before another value, such as the body.
pub(crate) fn write_before_value(
    parts: &[Part],
    context: &Context<'_>,
    sink: &mut impl SecretSink,
) -> Result<(), Rejection> {
    write_between(parts, Sides { before: Beside::Nothing, after: Beside::Value }, context, sink)
}

/// Writes parts that stand right behind another value, such as the body.
pub(crate) fn write_after_value(
    parts: &[Part],
    context: &Context<'_>,
    sink: &mut impl SecretSink,
) -> Result<(), Rejection> {
    write_between(parts, Sides { before: Beside::Value, after: Beside::Nothing }, context, sink)
}

/// What stands right beside a part of a template.
#[derive(Clone, Copy)]
enum Beside<'t> {
    /// The template begins or ends.
    Nothing,
    Text(&'t str),
    Value,
}

/// What stands on both sides of one part or several.
#[derive(Clone, Copy)]
struct Sides<'t> {
    before: Beside<'t>,
    after: Beside<'t>,
}

fn write_between(
    parts: &[Part],
    around: Sides<'_>,
    context: &Context<'_>,
    sink: &mut impl SecretSink,
) -> Result<(), Rejection> {
    let mut before = around.before;
    let mut rest = parts.iter();
    while let Some(part) = rest.next() {
        let after = rest.as_slice().first().map_or(around.after, Part::beside);
        let sides = Sides { before, after };
        before = part.beside();
        match part {
            Part::Optional(inside) if is_absent(inside, context) => {}
            Part::Optional(inside) => write_between(inside, sides, context, sink)?,
            Part::Filtered(..) if part.needs_body() && context.body.is_none() => {}
            Part::Filtered(source, filters) => {
                let mut value = Vec::new();
                write_part(source, sides, context, &mut value)?;
                for filter in filters {
                    value = filter.apply(&value)?;
                }
                sink.write(&value);
            }
            part => write_part(part, sides, context, sink)?,
        }
    }
    Ok(())
}

/// The signed bytes as a whole, for what cannot be hashed as it comes: public keys, values put in order, a digest that is
/// signed in their place. The secret is written where a plain digest's template holds it.
pub(crate) fn message(
    parts: &[Part],
    context: &Context<'_>,
    secret: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, Rejection> {
    let alternative = context.alternative;
    let mut whole = Whole { bytes: Zeroizing::default(), secret };
    if alternative.sort_parts {
        let mut values = Vec::with_capacity(parts.len());
        let sides = Sides { before: Beside::Value, after: Beside::Value };
        for part in parts {
            write_between(std::slice::from_ref(part), sides, context, &mut whole)?;
            values.push(std::mem::take(&mut whole.bytes));
        }
        values.sort_unstable_by(|one: &Zeroizing<Vec<u8>>, other| one.as_slice().cmp(other));
        values.iter().for_each(|value| whole.write(value));
    } else {
        write(parts, context, &mut whole)?;
    }
    Ok(match alternative.prehash {
        Some(digest) => Zeroizing::new(mac::digest(digest, &whole.bytes).to_vec()),
        None => whole.bytes,
    })
}

/// Collects what is signed, the secret among it.
struct Whole<'s> {
    bytes: Zeroizing<Vec<u8>>,
    secret: Option<&'s [u8]>,
}

impl Sink for Whole<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

impl SecretSink for Whole<'_> {
    fn write_secret(&mut self) {
        self.bytes.extend_from_slice(self.secret.unwrap_or_default());
    }
}

/// Whether a value of a piece in brackets is not there, so that the piece falls away.
fn is_absent(parts: &[Part], context: &Context<'_>) -> bool {
    let absent = |place: Place<'_>| matches!(place, Place::Absent);
    parts.iter().any(|part| match (part, context.body) {
        (Part::Filtered(source, _), _) => is_absent(std::slice::from_ref(source), context),
        (Part::Header(name), _) => matches!(context.head.single(name), Single::Absent),
        (Part::QueryParameter(name), _) => absent(query_parameter(context.head, name)),
        (Part::Pair(name), _) => matches!(pair(name, context), Ok(None)),
        (Part::Timestamp, _) => context.timestamp.is_none(),
        (Part::FormField(name), Some(body)) => absent(body.field(name)),
        (Part::Json(pointer), Some(body)) => absent(body.json(pointer)),
        (Part::JsonRaw(pointer), Some(body)) => absent(body.raw(pointer)),
        _ => false,
    })
}

impl Part {
    /// What it is to the parts beside it.
    fn beside(&self) -> Beside<'_> {
        match self {
            Self::Literal(text) => Beside::Text(text),
            _ => Beside::Value,
        }
    }

    /// Whether the head is not enough to write it.
    pub(crate) fn needs_body(&self) -> bool {
        match self {
            Self::Body
            | Self::BodyDigest(..)
            | Self::FormSorted
            | Self::FormField(_)
            | Self::Json(_)
            | Self::JsonRaw(_) => true,
            Self::Filtered(part, _) => part.needs_body(),
            Self::Optional(parts) => parts.iter().any(Self::needs_body),
            Self::Literal(_)
            | Self::Timestamp
            | Self::Header(_)
            | Self::Pair(_)
            | Self::Method
            | Self::Url
            | Self::Path
            | Self::Query
            | Self::Target
            | Self::UrlWithoutQuery
            | Self::QueryParameter(_)
            | Self::Setting(_)
            | Self::JwsHeaders(_)
            | Self::Secret => false,
        }
    }
}

impl Sink for Discard {
    fn write(&mut self, _: &[u8]) {}
}

impl SecretSink for Discard {
    fn write_secret(&mut self) {}
}

impl SecretSink for Vec<u8> {
    fn write_secret(&mut self) {}
}

fn write_part(
    part: &Part,
    sides: Sides<'_>,
    context: &Context<'_>,
    sink: &mut impl SecretSink,
) -> Result<(), Rejection> {
    let head = context.head;
    match part {
        Part::Literal(text) => sink.write(text.as_bytes()),
        Part::Secret => sink.write_secret(),
        Part::Method => sink.write(head.method.as_bytes()),
        Part::Path => sink.write(head.path().as_bytes()),
        Part::Query => sink.write(head.query().unwrap_or_default().as_bytes()),
        Part::Target => sink.write(head.target.as_bytes()),
        Part::Url => write_url(context, head.target, sink)?,
        Part::UrlWithoutQuery => write_url(context, head.path(), sink)?,
        // The route's values are put in when it is loaded; one that is left was not given.
        Part::JwsHeaders(member) => detached::write_headers(context.signature, member, head, sink)?,
        Part::Setting(_) => return Err(malformed("a setting that is signed is not given")),
        Part::Timestamp => match (context.timestamp, context.body) {
            // Cut short by its `Z` it would still be a time, and the `Z` the first letter of the body.
            (Some(text), _) if matches!(sides.after, Beside::Value) && timestamp_lacks_end(text, context) => {
                return Err(Rejection::TimestampMalformed);
            }
            (Some(text), _) => sink.write(text.as_bytes()),
            (None, Some(_)) => return Err(Rejection::TimestampMissing),
            (None, None) => {}
        },
        Part::Header(name) => match head.single(name) {
            Single::Once(value) => sink.write(unambiguous(value, sides)?),
            Single::Absent => return Err(malformed("a header that is signed is missing")),
            Single::Repeated => return Err(malformed("a header that is signed stands there several times")),
        },
        Part::Pair(name) => match pair(name, context) {
            Ok(Some(value)) => sink.write(unambiguous(value.as_bytes(), sides)?),
            Ok(None) => return Err(malformed("an item of the signature that is signed is missing")),
            Err(_) => {
                return Err(malformed("an item of the signature that is signed stands there several times"));
            }
        },
        Part::QueryParameter(name) => {
            sink.write(unambiguous(required(query_parameter(head, name))?.as_bytes(), sides)?);
        }
        // Both are taken apart by the caller.
        Part::Optional(parts) => write_between(parts, sides, context, sink)?,
        Part::Filtered(..) => return Err(malformed("a filter of a filter")),
        Part::Body
        | Part::BodyDigest(..)
        | Part::FormSorted
        | Part::FormField(_)
        | Part::Json(_)
        | Part::JsonRaw(_) => {
            if let Some(body) = context.body {
                write_body_part(part, sides, body, sink)?;
            }
        }
    }
    Ok(())
}

/// Whether the time's own text does not show that it is all of it.
fn timestamp_lacks_end(text: &str, context: &Context<'_>) -> bool {
    let unit = context.alternative.timestamp.as_ref().map(|time| time.unit);
    unit == Some(TimeUnit::Rfc3339) && !timestamp::has_offset(text)
}

fn write_body_part(
    part: &Part,
    sides: Sides<'_>,
    body: &Body<'_>,
    sink: &mut impl SecretSink,
) -> Result<(), Rejection> {
    match part {
        Part::Body => sink.write(body.bytes),
        Part::BodyDigest(sha, encoding) => {
            sink.write(encoding::encode(&mac::digest(*sha, body.bytes), *encoding).as_bytes());
        }
        Part::FormSorted => {
            for (name, value) in body.sorted()? {
                sink.write(&name);
                sink.write(&value);
            }
        }
        Part::FormField(name) => sink.write(required(body.field(name))?.as_bytes()),
        Part::Json(pointer) => {
            let value = required(body.json(pointer))?;
            // Lines are what some senders keep their values apart with; an id that brings lines of its own could be
            // cut in two ways. Other marks stand in honest values too.
            if let Beside::Text(next) = sides.after
                && next.starts_with('\n')
                && !ends_before(value.as_bytes(), next)
            {
                return Err(malformed(
                    "a value that is signed holds the lines that separate it from what follows",
                ));
            }
            sink.write(value.as_bytes());
        }
        Part::JsonRaw(pointer) => sink.write(required(body.raw(pointer))?.as_bytes()),
        _ => {}
    }
    Ok(())
}

/// The item of this name in the signature's own text.
fn pair<'c>(name: &str, context: &Context<'c>) -> Result<Option<&'c str>, signature::Repeated> {
    match &context.alternative.signature.layout {
        Layout::Pairs(pairs) => pairs.find(context.signature, name),
        _ => Ok(None),
    }
}

fn required(place: Place<'_>) -> Result<std::borrow::Cow<'_, str>, Rejection> {
    match place {
        Place::Text(text) => Ok(text),
        Place::Absent => Err(malformed("a value that is signed is missing")),
        Place::Bad(what) => Err(malformed(what)),
    }
}

/// A value from the head that becomes part of the signed bytes must end where the template says.
///
/// `id` and `1.body` under `{header}.{body}` are the same bytes as `id.1` and `body`: whoever holds one could send
/// the other. So the text that follows in the template may begin nowhere earlier than right after the value. Where no
/// text stands between two values, nothing tells where one ends; there the value is at least no piece of a body.
fn unambiguous<'v>(value: &'v [u8], sides: Sides<'_>) -> Result<&'v [u8], Rejection> {
    if value.len() > LONGEST_HEADER {
        return Err(malformed("a header that is signed is longer than 256 bytes"));
    }
    if !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err(malformed("a header that is signed is not printable ASCII"));
    }
    if let Beside::Text(next) = sides.after
        && !ends_before(value, next)
    {
        return Err(malformed("a header that is signed holds the text that separates it from what follows"));
    }
    let touches_value = matches!(sides.before, Beside::Value) || matches!(sides.after, Beside::Value);
    if touches_value && value.iter().any(|byte| PIECES.contains(byte)) {
        return Err(malformed("a header that is signed could be a piece of the body"));
    }
    Ok(value)
}

/// What JSON and forms of several fields are made of, and no id, nonce or time.
const PIECES: &[u8] = b"{}[]\"&";

/// Whether the text that follows begins nowhere earlier than right after the value.
fn ends_before(value: &[u8], next: &str) -> bool {
    let next = next.as_bytes();
    let begins_at = |start: usize| {
        let from = value.get(start..).unwrap_or_default();
        let (inside, after) = next.split_at_checked(from.len()).unwrap_or((next, &[]));
        from.starts_with(inside) && next.starts_with(after)
    };
    next.is_empty() || !(0..value.len()).any(begins_at)
}

fn write_url(context: &Context<'_>, target: &str, sink: &mut impl SecretSink) -> Result<(), Rejection> {
    let origin =
        context.head.origin.ok_or(malformed("the URL is signed and the route's public URL is not known"))?;
    let (without_port, port) = split_port(origin);
    match (context.url, port) {
        (UrlVariant::AsKnown, _) => sink.write(origin.as_bytes()),
        (UrlVariant::OtherPort, Some(_)) => sink.write(without_port.as_bytes()),
        (UrlVariant::OtherPort, None) => {
            sink.write(origin.as_bytes());
            sink.write(if origin.starts_with("https:") { b":443" } else { b":80" });
        }
    }
    let mut rest = target;
    let unescape = &context.alternative.url.unescape;
    while let (false, Some(position)) = (unescape.is_empty(), rest.find('%')) {
        let (before, escape) = rest.split_at(position);
        sink.write(before.as_bytes());
        let byte = escape.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (written, after) = match byte.filter(|byte| unescape.as_bytes().contains(byte)) {
            Some(byte) => ([byte], escape.get(3..)),
            None => ([b'%'], escape.get(1..)),
        };
        sink.write(&written);
        rest = after.unwrap_or_default();
    }
    sink.write(rest.as_bytes());
    Ok(())
}

/// `https://host:8443` without its port, and the port. The colons of an IPv6 address are none.
fn split_port(origin: &str) -> (&str, Option<&str>) {
    match origin.rsplit_once(':') {
        Some((before, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (before, Some(port))
        }
        _ => (origin, None),
    }
}

fn malformed(what: &'static str) -> Rejection {
    Rejection::SignatureMalformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::Template;
    use http::HeaderMap;
    use proptest::prelude::*;

    fn written(
        template: &str,
        url: UrlForm,
        variant: UrlVariant,
        head: &Head<'_>,
        body: &[u8],
    ) -> Result<String, Rejection> {
        let template: Template = template.parse().unwrap();
        let mut alternative = Alternative::new("header:x-signature".parse().unwrap(), template.clone());
        alternative.url = url;
        let body = Body::read(&alternative, head, body);
        let context = Context {
            alternative: &alternative,
            head,
            signature: "",
            timestamp: Some("17"),
            body: Some(&body),
            url: variant,
        };
        let mut bytes = Vec::new();
        write(template.parts(), &context, &mut bytes)?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    fn simple(
        template: &str,
        headers: &[(&'static str, &'static str)],
        body: &str,
    ) -> Result<String, Rejection> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let head = Head {
            method: "POST",
            target: "/a%3ab/c?x=1&y=%2F",
            origin: Some("https://h.example"),
            headers: &map,
        };
        written(template, UrlForm::default(), UrlVariant::AsKnown, &head, body.as_bytes())
    }

    #[test]
    fn every_placeholder_is_written() {
        let form = [("content-type", "application/x-www-form-urlencoded"), ("x-id", "7")];
        for (template, expected) in [
            ("v0:{timestamp}:{body}", "v0:17:b=2&a=1&a=0&a=1"),
            ("{method} {path}|{query}", "POST /a%3ab/c|x=1&y=%2F"),
            ("{url}", "https://h.example/a%3ab/c?x=1&y=%2F"),
            ("{url_without_query}|{target}", "https://h.example/a%3ab/c|/a%3ab/c?x=1&y=%2F"),
            (
                "{[id:{query:y|sha256_hex};]}{[no:{query:z};]}{[{header:x-no}]}{[:{header:x-id}]}.",
                "id:8a5edab282632443219e051e4ade2d1d5bbc671c781051bf1437897cbdfea0f1;:7.",
            ),
            ("{query:y}", "/"),
            ("{form:b}{form_sorted}", "2a0a1b2"),
            ("{header:x-id}.", "7."),
        ] {
            assert_eq!(simple(template, &form, "b=2&a=1&a=0&a=1").unwrap(), expected);
        }
        assert_eq!(simple("{json:/a/0}{json:/b}", &[], r#"{"a":["\u0041"],"b":1.50}"#).unwrap(), "A1.50");
        let nested = r#"{"a": {"b" : [1, 2]},"c":"x"}"#;
        assert_eq!(simple("{json_raw:/a}{json_raw:/c}", &[], nested).unwrap(), r#"{"b" : [1, 2]}"x""#);
        assert_eq!(simple("{[a{json:/no}]}{[b{json:/c}]}", &[], nested).unwrap(), "bx");
        assert_eq!(simple("{body|json_string}", &[], "{\"a\"}").unwrap(), "\"{\\\"a\\\"}\"");
        assert_eq!(
            simple("{body_sha256_hex}", &[], "").unwrap(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn what_is_signed_must_be_there_once() {
        for (template, headers, body) in [
            ("{header:x-id}", &[][..], ""),
            ("{header:x-id}", &[("x-id", "1"), ("x-id", "2")], ""),
            ("{json:/id}", &[], "{}"),
            ("{json:/*/id}", &[], r#"[{"id":1},{"id":2}]"#),
            ("{form:a}", &[("content-type", "application/json")], "a=1"),
            ("{form_sorted}", &[("content-type", "application/json")], "{}"),
            ("{query:none}", &[], ""),
            ("{pair:n}", &[], ""),
            ("{setting:n}", &[], ""),
            ("{json_raw:/id}", &[], "{}"),
            ("{query:none|lower}", &[], ""),
        ] {
            assert_eq!(
                simple(template, headers, body).unwrap_err().word(),
                "signature_malformed",
                "{template}"
            );
        }
        assert_eq!(simple("{form_sorted}", &[], "").unwrap(), "", "no body, no fields");
    }

    #[test]
    fn a_value_that_could_be_cut_in_two_ways_is_refused() {
        let id = |template: &str, id: &'static str| simple(template, &[("x-id", id)], "");
        assert!(id("{header:x-id}.{body}", "msg_1").is_ok());
        assert!(id("{header:x-id}.{body}", "msg.1").is_err());
        assert!(id("{header:x-id}::{body}", "a:b").is_ok());
        assert!(id("{header:x-id}::{body}", "ab:").is_err(), "ab + ::: is also ab: + ::");
        assert!(id("{[{header:x-id}]}.{body}", "msg.1").is_err(), "what follows the brackets counts");
        assert!(id("{header:x-id|lower}.{body}", "msg.1").is_err());
        assert!(id("{header:x-id}.{body}", "\u{e4}").is_err());
        assert!(id("{header:x-id}.{body}", Box::leak("a".repeat(257).into_boxed_str())).is_err());
    }

    #[test]
    fn a_value_that_touches_another_is_no_piece_of_a_body() {
        let id = |template: &str, id: &'static str| simple(template, &[("x-id", id)], "{}");
        let templates = [
            "{header:x-id}{body}",
            "{body}{header:x-id}",
            "{timestamp}{header:x-id}.",
            "{header:x-id}{[-{path}]}",
        ];
        for template in templates {
            assert!(id(template, "Wed, 18 Mar-2026_a+/=:").is_ok(), "{template}");
            for piece in ["n17{", "}17", "a=1&", "n\"", "[1", "1]"] {
                assert!(id(template, piece).is_err(), "{template} {piece}");
            }
        }
        assert!(id("{header:x-id}.{body}", "{a}").is_ok(), "text keeps them apart");
    }

    #[test]
    fn a_value_of_the_body_holds_no_line_that_ends_it() {
        let of = |id: &str| {
            let body = serde_json::json!({ "id": id, "to": "t" }).to_string();
            simple("id\n{json:/id}\n{[to\n{json:/to}\n]}", &[], &body)
        };
        assert_eq!(of("a:b").unwrap(), "id\na:b\nto\nt\n");
        assert!(of("a\nto\nt").is_err());
        let long = serde_json::json!({ "text": "two\nlines", "id": 1 }).to_string();
        assert!(simple("{json:/text}\nid\n{json:/id}", &[], &long).is_ok());
    }

    #[test]
    fn escapes_are_decoded_only_where_the_sender_does() {
        let headers = HeaderMap::new();
        let head = Head {
            method: "POST",
            target: "/a%3ab%3F%20%zz%",
            origin: Some("https://h.example"),
            headers: &headers,
        };
        let url = UrlForm { unescape: ":?".into(), ports: false };
        let url = written("{url}", url, UrlVariant::AsKnown, &head, b"").unwrap();
        assert_eq!(url, "https://h.example/a:b?%20%zz%");
    }

    #[test]
    fn the_port_is_added_or_taken_away() {
        let headers = HeaderMap::new();
        for (origin, other) in [
            ("https://h.example", "https://h.example:443/"),
            ("http://h.example", "http://h.example:80/"),
            ("https://h.example:8443", "https://h.example/"),
            ("https://[::1]", "https://[::1]:443/"),
            ("https://[::1]:443", "https://[::1]/"),
        ] {
            let head = Head { method: "POST", target: "/", origin: Some(origin), headers: &headers };
            assert_eq!(
                written("{url}", UrlForm::default(), UrlVariant::OtherPort, &head, b"").unwrap(),
                other
            );
        }
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        assert!(written("{url}", UrlForm::default(), UrlVariant::AsKnown, &head, b"").is_err());
    }

    proptest! {
        /// The rule in its own words: the separator is found where the value ends and nowhere before.
        #[test]
        fn the_separator_stands_first_right_after_the_value(value in "[ab.:]{0,6}", separator in "[ab.:]{1,3}") {
            let joined = format!("{value}{separator}");
            prop_assert_eq!(
                ends_before(value.as_bytes(), &separator),
                joined.find(&separator) == Some(value.len())
            );
        }
    }
}
