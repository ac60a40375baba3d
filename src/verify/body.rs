//! The body as its sender signed it, and the values that stand in it.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::{GzDecoder, ZlibDecoder};
use http::HeaderName;
use http::header::CONTENT_ENCODING;

use super::delivery::{Head, Single};
use super::form;
use super::headers::Headers;
use super::json::{self, Found};
use super::locator::{Location, Pointer};
use super::multipart;
use super::rejection::Rejection;
use super::scheme::{Alternative, BodyForm, Scheme, TimestampSource};
use super::template::{Part, Template};

/// A compressed body may grow by this factor. JSON shrinks by less; a bomb by a thousand.
const MOST_GROWTH: usize = 10;
/// However little was sent, this much may come of it: short texts of one letter shrink by more than the factor.
const ALWAYS_ALLOWED: usize = 64 * 1024;
/// However much was sent, no more may come of it.
const MOST_DECODED: usize = 32 * 1024 * 1024;

/// The bytes that the signature is over.
pub(crate) fn signed_form<'b>(
    form: BodyForm,
    head: &Head<'_>,
    wire: &'b [u8],
) -> Result<Cow<'b, [u8]>, Rejection> {
    let encoding = match (form, head.single(&CONTENT_ENCODING)) {
        (BodyForm::Wire, _) | (BodyForm::Decoded, Single::Absent) => return Ok(Cow::Borrowed(wire)),
        (BodyForm::Decoded, Single::Once(encoding)) => encoding.to_ascii_lowercase(),
        (BodyForm::Decoded, Single::Repeated) => return Err(UNKNOWN_ENCODING),
    };
    match encoding.as_slice() {
        b"" | b"identity" => Ok(Cow::Borrowed(wire)),
        b"gzip" | b"x-gzip" => inflate(GzDecoder::new(wire), wire.len(), |decoder| decoder.into_inner()),
        b"deflate" => inflate(ZlibDecoder::new(wire), wire.len(), |decoder| decoder.into_inner()),
        _ => Err(UNKNOWN_ENCODING),
    }
}

/// The body in which names are looked for: without its `Content-Encoding` where any form of the scheme is signed so.
pub(crate) fn readable<'b>(scheme: &Scheme, head: &Head<'_>, wire: &'b [u8]) -> Cow<'b, [u8]> {
    let decoded = scheme.alternatives.iter().any(|form| form.body == BodyForm::Decoded);
    let form = if decoded { BodyForm::Decoded } else { BodyForm::Wire };
    signed_form(form, head, wire).unwrap_or(Cow::Borrowed(wire))
}

const UNKNOWN_ENCODING: Rejection = Rejection::SignatureMalformed {
    what: "the body's content-encoding is none of gzip, deflate and identity",
};

/// Nothing may follow the compressed stream: it would reach the upstream unsigned.
fn inflate<'b, D: Read>(
    mut decoder: D,
    wire: usize,
    rest: impl FnOnce(D) -> &'b [u8],
) -> Result<Cow<'b, [u8]>, Rejection> {
    const BROKEN: Rejection = Rejection::SignatureMalformed { what: "the body cannot be decompressed" };
    let most = wire.saturating_mul(MOST_GROWTH).clamp(ALWAYS_ALLOWED, MOST_DECODED);
    let mut plain = Vec::new();
    let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    decoder.by_ref().take(bound).read_to_end(&mut plain).map_err(|_| BROKEN)?;
    if plain.len() > most {
        return Err(Rejection::SignatureMalformed {
            what: "the body grows too much when it is decompressed",
        });
    }
    if rest(decoder).is_empty() { Ok(Cow::Owned(plain)) } else { Err(BROKEN) }
}

/// A body with the values that its scheme reads from it.
pub(crate) struct Body<'b> {
    /// The signed form.
    pub(crate) bytes: &'b [u8],
    headers: &'b dyn Headers,
    json: Vec<(&'b Pointer, Found<'b>)>,
    raw: Vec<(&'b Pointer, Found<'b>)>,
    /// Whether something that its scheme reads stands in the JSON twice.
    twice: bool,
}

/// What the headers call the body.
enum Kind<'b> {
    Form,
    /// `multipart/form-data`, with its boundary.
    Multipart(Cow<'b, str>),
    Other,
}

/// What became of looking for a value.
pub(crate) enum Place<'a> {
    Absent,
    Text(Cow<'a, str>),
    /// It is there and cannot be used.
    Bad(&'static str),
}

impl<'b> Body<'b> {
    /// Reads the JSON values that this form of the scheme names, in one pass; none if it names none.
    pub(crate) fn read(alternative: &'b Alternative, head: &Head<'b>, bytes: &'b [u8]) -> Self {
        let body = Self { bytes, headers: head.headers, json: Vec::new(), raw: Vec::new(), twice: false };
        let (scalars, raw) = (pointers(alternative), raw_pointers(alternative));
        if scalars.is_empty() && raw.is_empty() {
            return body;
        }
        let document = document(alternative.document.as_deref(), head, bytes);
        let (json, one_twice) = found(&document, scalars, json::extract_once);
        let (raw, other_twice) = found(&document, raw, json::extract_raw_once);
        Self { json, raw, twice: one_twice || other_twice, ..body }
    }

    /// The value at a pointer of the scheme.
    pub(crate) fn json(&self, pointer: &Pointer) -> Place<'_> {
        self.one(&self.json, pointer)
    }

    /// Every value at a pointer of the scheme.
    pub(crate) fn every(&self, pointer: &Pointer) -> &[Cow<'b, str>] {
        self.json.iter().find(|(known, _)| *known == pointer).map_or(&[], |(_, found)| found)
    }

    /// The bytes of the value at a pointer of the scheme.
    pub(crate) fn raw(&self, pointer: &Pointer) -> Place<'_> {
        self.one(&self.raw, pointer)
    }

    fn one<'a>(&self, all: &'a [(&Pointer, Found<'_>)], pointer: &Pointer) -> Place<'a> {
        match all.iter().find(|(known, _)| *known == pointer).map(|(_, found)| found.as_slice()) {
            _ if self.twice => Place::Bad("a value that is read on its own stands in the JSON twice"),
            None | Some([]) => Place::Absent,
            Some([value]) => Place::Text(Cow::Borrowed(value)),
            Some(_) => Place::Bad("the body holds several values where one is signed"),
        }
    }

    /// The field of a form body.
    pub(crate) fn field(&self, name: &str) -> Place<'_> {
        text(form_field(self.headers, self.bytes, name))
    }

    /// Every field of a form body; nothing for an empty body, and no other body is allowed.
    pub(crate) fn sorted(&self) -> Result<Vec<(form::Decoded<'_>, form::Decoded<'_>)>, Rejection> {
        if self.bytes.is_empty() {
            return Ok(Vec::new());
        }
        if !form::is_form(self.headers) {
            return Err(Rejection::SignatureMalformed {
                what: "this form of the signature is for form bodies only",
            });
        }
        form::sorted(self.bytes).ok_or(Rejection::SignatureMalformed { what: "the form has too many fields" })
    }
}

impl<'b> Kind<'b> {
    fn of(headers: &'b dyn Headers) -> Self {
        if form::is_form(headers) {
            return Self::Form;
        }
        multipart::boundary(headers).map_or(Self::Other, Self::Multipart)
    }

    fn field<'a>(&self, body: &'a [u8], name: &str) -> form::Field<'a> {
        match self {
            Self::Form => form::field(body, name),
            Self::Multipart(boundary) => multipart::field(body, boundary, name),
            Self::Other => form::Field::Absent,
        }
    }
}

/// The field of a form body of either kind; nothing in any other body.
pub(crate) fn form_field<'a>(headers: &dyn Headers, body: &'a [u8], name: &str) -> form::Field<'a> {
    Kind::of(headers).field(body, name)
}

/// The JSON that a scheme's pointers lead into: the form field of this name if the body is a form, otherwise the body.
pub(crate) fn document<'b>(field: Option<&str>, head: &Head<'_>, body: &'b [u8]) -> Cow<'b, [u8]> {
    let Some(name) = field else { return Cow::Borrowed(body) };
    match Kind::of(head.headers) {
        Kind::Other => Cow::Borrowed(body),
        kind => match kind.field(body, name) {
            form::Field::Once(text) => text,
            // Nothing is found in a field that is not there, and nobody knows which of several was meant.
            form::Field::Absent | form::Field::Repeated => Cow::Borrowed(&[]),
        },
    }
}

type Extract = for<'d> fn(&'d [u8], &[&Pointer]) -> Option<(Vec<Found<'d>>, bool)>;

/// What the pointers find in the document, borrowed from the body where the body is the document.
fn found<'b>(
    document: &Cow<'b, [u8]>,
    pointers: Vec<&'b Pointer>,
    extract: Extract,
) -> (Vec<(&'b Pointer, Found<'b>)>, bool) {
    if pointers.is_empty() {
        return (Vec::new(), false);
    }
    let found = match document {
        Cow::Borrowed(body) => extract(body, &pointers),
        Cow::Owned(field) => extract(field, &pointers).map(|(all, twice)| {
            let owned =
                |found: Found<'_>| found.into_iter().map(|one| Cow::Owned(one.into_owned())).collect();
            (all.into_iter().map(owned).collect(), twice)
        }),
    };
    let (found, twice) = found.unwrap_or_default();
    (pointers.into_iter().zip(found).collect(), twice)
}

/// Looks for a text; places in the body count as absent while the body is not there.
pub(crate) fn locate<'a>(location: &Location, head: &Head<'a>, body: Option<&'a Body<'a>>) -> Place<'a> {
    match (location, body) {
        (Location::Header(name), _) => header(head, name),
        (Location::Headers(names), _) => joined(names.iter().map(|name| header(head, name))),
        (Location::Numbered(prefix), _) => {
            let mut numbered = Vec::new();
            head.headers.each(&mut |name, _| {
                numbered.extend(
                    HeaderName::from_bytes(name).ok().filter(|name| is_numbered(name.as_str(), prefix)),
                );
            });
            joined(numbered.iter().map(|name| header(head, name)))
        }
        (Location::Query(name), _) => query_parameter(head, name),
        (Location::Form(name), Some(body)) => body.field(name),
        (Location::Json(pointer), Some(body)) => body.json(pointer),
        (Location::Body, Some(body)) => match std::str::from_utf8(body.bytes) {
            Ok(text) => Place::Text(Cow::Borrowed(text)),
            Err(_) => Place::Bad("the body is not text"),
        },
        (Location::Form(_) | Location::Json(_) | Location::Body, None) => Place::Absent,
    }
}

/// What is there of several places, as one list.
fn joined<'a>(mut places: impl Iterator<Item = Place<'a>>) -> Place<'a> {
    places
        .try_fold(Place::Absent, |so_far, place| match (so_far, place) {
            (_, Place::Bad(what)) => Err(Place::Bad(what)),
            (Place::Text(all), Place::Text(one)) => Ok(Place::Text(Cow::Owned(format!("{all},{one}")))),
            (so_far, Place::Absent) => Ok(so_far),
            (_, place) => Ok(place),
        })
        .unwrap_or_else(|bad| bad)
}

/// Whether a header has this name, in lower case, and one to three digits behind it.
fn is_numbered(name: &str, prefix: &str) -> bool {
    let number = name.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
    let number = number.and(name.get(prefix.len()..)).unwrap_or_default();
    (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The header of this name.
pub(crate) fn header<'a>(head: &Head<'a>, name: &HeaderName) -> Place<'a> {
    match head.single(name) {
        Single::Absent => Place::Absent,
        Single::Once(value) => match std::str::from_utf8(value) {
            Ok(value) => Place::Text(Cow::Borrowed(value)),
            Err(_) => Place::Bad("the header is not text"),
        },
        Single::Repeated => Place::Bad("the header stands there several times"),
    }
}

/// The parameter of this name in the query.
pub(crate) fn query_parameter<'a>(head: &Head<'a>, name: &str) -> Place<'a> {
    text(form::field(head.query().unwrap_or_default().as_bytes(), name))
}

impl Location {
    /// Whether the head is enough to read it.
    pub(crate) fn is_in_head(&self) -> bool {
        !matches!(self, Self::Form(_) | Self::Json(_) | Self::Body)
    }

    fn pointer(&self) -> Option<&Pointer> {
        match self {
            Self::Json(pointer) => Some(pointer),
            Self::Header(_)
            | Self::Headers(_)
            | Self::Numbered(_)
            | Self::Query(_)
            | Self::Form(_)
            | Self::Body => None,
        }
    }
}

fn text(field: form::Field<'_>) -> Place<'_> {
    match field {
        form::Field::Absent => Place::Absent,
        form::Field::Repeated => Place::Bad("the parameter stands there several times"),
        form::Field::Once(Cow::Borrowed(value)) => {
            std::str::from_utf8(value).map_or(Place::Bad(NOT_TEXT), |value| Place::Text(Cow::Borrowed(value)))
        }
        form::Field::Once(Cow::Owned(value)) => {
            String::from_utf8(value).map_or(Place::Bad(NOT_TEXT), |value| Place::Text(Cow::Owned(value)))
        }
    }
}

const NOT_TEXT: &str = "the parameter is not text";

fn pointers(alternative: &Alternative) -> Vec<&Pointer> {
    let signed = alternative.signed.iter().flat_map(Template::leaves).filter_map(|part| match part {
        Part::Json(pointer) => Some(pointer),
        _ => None,
    });
    let time = alternative.timestamp.as_ref().and_then(|time| match &time.source {
        TimestampSource::Json(pointer) => Some(pointer),
        _ => None,
    });
    let digest = alternative.body_digest.as_ref().and_then(|digest| digest.location.pointer());
    let signature = alternative.signature.location.pointer();
    signature.into_iter().chain(time).chain(digest).chain(signed).collect()
}

fn raw_pointers(alternative: &Alternative) -> Vec<&Pointer> {
    let signed = alternative.signed.iter().flat_map(Template::leaves).filter_map(|part| match part {
        Part::JsonRaw(pointer) => Some(pointer),
        _ => None,
    });
    signed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    use http::HeaderMap;
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(encoding: &str, wire: &[u8]) -> Result<Vec<u8>, Rejection> {
        let headers: HeaderMap = [(CONTENT_ENCODING, encoding.parse().unwrap())].into_iter().collect();
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        signed_form(BodyForm::Decoded, &head, wire).map(Cow::into_owned)
    }

    #[test]
    fn the_known_encodings_are_undone() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(b"plain").unwrap();
        assert_eq!(decode("gzip", &gzip(b"plain")).unwrap(), b"plain");
        assert_eq!(decode("GZIP", &gzip(b"plain")).unwrap(), b"plain");
        assert_eq!(decode("deflate", &zlib.finish().unwrap()).unwrap(), b"plain");
        assert_eq!(decode("identity", b"plain").unwrap(), b"plain");
        assert!(decode("br", b"plain").is_err());
        assert!(decode("gzip", b"plain").is_err());
    }

    #[test]
    fn what_follows_the_compressed_stream_is_not_signed_and_so_refused() {
        let wire = [gzip(b"plain"), b"more".to_vec()].concat();
        assert!(decode("gzip", &wire).is_err());
        let wire = [gzip(b"plain"), gzip(b"more")].concat();
        assert!(decode("gzip", &wire).is_err());
    }

    #[test]
    fn several_headers_are_one_list() {
        let headers: HeaderMap = [("x-sig-1", "a"), ("x-sig-12", "b"), ("x-sig-x", "c"), ("x-other", "d")]
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .into_iter()
            .collect();
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        let found = |location: &Location| match locate(location, &head, None) {
            Place::Text(text) => {
                let mut items: Vec<&str> = text.split(',').collect();
                items.sort_unstable();
                items.join(",")
            }
            Place::Absent => "absent".into(),
            Place::Bad(what) => what.into(),
        };
        assert_eq!(found(&Location::Numbered("X-Sig-".into())), "a,b");
        assert_eq!(found(&Location::Numbered("X-None-".into())), "absent");
        let names = |names: &[&'static str]| {
            Location::Headers(names.iter().map(|name| HeaderName::from_static(name)).collect())
        };
        assert_eq!(found(&names(&["x-none", "x-other"])), "d");
        assert_eq!(found(&names(&["x-sig-x", "x-other"])), "c,d");
        assert_eq!(found(&names(&["x-none"])), "absent");
    }

    #[test]
    fn the_document_is_the_field_of_a_form_and_otherwise_the_body() {
        let of = |kind: &str, body: &[u8]| {
            let headers: HeaderMap =
                [(http::header::CONTENT_TYPE, kind.parse().unwrap())].into_iter().collect();
            let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
            String::from_utf8(document(Some("payload"), &head, body).into_owned()).unwrap()
        };
        assert_eq!(of("application/json", b"{}"), "{}");
        assert_eq!(of("application/x-www-form-urlencoded", b"a=1&payload=%7B%7D"), "{}");
        assert_eq!(of("application/x-www-form-urlencoded", b"{}"), "");
        let multipart = b"--b\r\ncontent-disposition: form-data; name=\"payload\"\r\n\r\n{}\r\n--b--\r\n";
        assert_eq!(of("multipart/form-data; boundary=b", multipart), "{}");
    }

    #[test]
    fn a_bomb_does_not_go_off() {
        assert!(decode("gzip", &gzip(&vec![0; ALWAYS_ALLOWED])).is_ok());
        assert!(decode("gzip", &gzip(&vec![0; ALWAYS_ALLOWED + 1])).is_err());
    }
}
