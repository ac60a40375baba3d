//! Any template: its text is read back as itself, and what is accepted under a signature is exactly what was signed.

use std::str::FromStr;

use http::{HeaderMap, HeaderName, HeaderValue};
use sealpost::secret::{NamedSecret, Secret};
use sealpost::time::UnixTime;
use sealpost::verify::{
    self, Algorithm, Alternative, Encoding, Filter, Head, Layout, PairsForm, Part, Rejection, Scheme, Sha,
    Template, TimeUnit, TimestampForm, TimestampSource, Verified,
};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::naive::is_json;
use crate::senders::SENDERS;
use crate::{fields, input, naive};

const SECRET: &[u8] = b"the secret of the route";
const ORIGIN: &str = "https://hooks.example.com";
/// How many of the headers that a template names get a value.
const HEADERS: usize = 3;

/// A delivery as the input says it.
struct Delivery<'d> {
    target: &'d str,
    kind: &'d str,
    headers: HeaderMap,
    body: &'d [u8],
}

/// What a part stands for.
enum Value {
    Absent,
    Unusable,
    Bytes(Vec<u8>),
}

impl<'d> Delivery<'d> {
    fn read(names: &[HeaderName], time: &'d [u8], fields: [&'d [u8]; 3 + HEADERS]) -> Option<Self> {
        let [target, kind, body, values @ ..] = fields;
        let (target, kind) = (std::str::from_utf8(target).ok()?, std::str::from_utf8(kind).ok()?);
        let mut headers = HeaderMap::new();
        headers.insert("x-time", HeaderValue::from_bytes(time).ok()?);
        for (name, value) in names.iter().zip(values) {
            headers.insert(name.clone(), HeaderValue::from_bytes(value).ok()?);
        }
        if !kind.is_empty() {
            headers.insert("content-type", HeaderValue::from_str(kind).ok()?);
        }
        Some(Self { target, kind, headers, body })
    }

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    fn value(&self, part: &Part, pairs: &str) -> Value {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        let text = |text: String| Value::Bytes(text.into_bytes());
        let only = |all: Vec<Vec<u8>>| match all.as_slice() {
            [] => Value::Absent,
            [one] if std::str::from_utf8(one).is_ok() => Value::Bytes(one.clone()),
            _ => Value::Unusable,
        };
        let named = |fields: Vec<(Vec<u8>, Vec<u8>)>, name: &str| {
            only(
                fields
                    .into_iter()
                    .filter(|(found, _)| found == name.as_bytes())
                    .map(|(_, value)| value)
                    .collect(),
            )
        };
        let header = |name: &str| match self.headers.get(name) {
            Some(value) => bytes(value.as_bytes()),
            None => Value::Absent,
        };
        let is_form = self.kind.split(';').next().unwrap_or_default().trim().to_lowercase()
            == "application/x-www-form-urlencoded";
        let document = String::from_utf8_lossy(self.body);
        let found = |pointer: &str| {
            if is_json(&document) { naive::json(&document, &naive::steps(pointer)) } else { Vec::new() }
        };
        match part {
            Part::Literal(literal) => bytes(literal.as_bytes()),
            Part::Body => bytes(self.body),
            Part::BodyDigest(sha, encoding) => {
                let digest = match sha {
                    Sha::Sha1 => Sha1::digest(self.body).to_vec(),
                    Sha::Sha256 => Sha256::digest(self.body).to_vec(),
                    _ => Sha512::digest(self.body).to_vec(),
                };
                text(if *encoding == Encoding::Hex {
                    naive::hex(&digest)
                } else {
                    naive::base64_padded(&digest)
                })
            }
            Part::Timestamp => header("x-time"),
            Part::Header(name) => header(name.as_str()),
            Part::Pair(name) => {
                let items = pairs.split(',').filter_map(|item| item.trim().split_once('='));
                let mut values =
                    items.filter(|(found, _)| found.trim() == name).map(|(_, value)| value.trim());
                match values.next() {
                    None => Value::Absent,
                    Some(first) if values.all(|value| value == first) => bytes(first.as_bytes()),
                    Some(_) => Value::Unusable,
                }
            }
            Part::Method => bytes(b"POST"),
            Part::Url => text(format!("{ORIGIN}{}", self.target)),
            Part::UrlWithoutQuery => text(format!("{ORIGIN}{}", self.path())),
            Part::Path => bytes(self.path().as_bytes()),
            Part::Query => bytes(self.query().as_bytes()),
            Part::Target => bytes(self.target.as_bytes()),
            Part::QueryParameter(name) => named(naive::form(self.query().as_bytes()), name),
            Part::FormField(_) if self.kind.contains("multipart") => Value::Unusable,
            Part::FormField(name) if is_form => named(naive::form(self.body), name),
            Part::FormField(_) => Value::Absent,
            Part::FormSorted if self.body.is_empty() => bytes(b""),
            Part::FormSorted if is_form => {
                let sorted: std::collections::BTreeSet<_> = naive::form(self.body).into_iter().collect();
                Value::Bytes(sorted.into_iter().flat_map(|(name, value)| [name, value].concat()).collect())
            }
            Part::FormSorted => Value::Unusable,
            Part::Json(pointer) => {
                let scalars = found(&pointer.to_string()).into_iter().filter_map(naive::scalar);
                only(scalars.map(String::into_bytes).collect())
            }
            Part::JsonRaw(pointer) => {
                only(found(&pointer.to_string()).into_iter().map(|raw| raw.as_bytes().to_vec()).collect())
            }
            Part::Secret => bytes(SECRET),
            Part::Filtered(source, filters) => match self.value(source, pairs) {
                Value::Bytes(value) => filters
                    .iter()
                    .try_fold(value, |value, filter| filtered(*filter, &value))
                    .map_or(Value::Unusable, Value::Bytes),
                other => other,
            },
            Part::Optional(parts) => {
                let values: Vec<Value> = parts.iter().map(|part| self.value(part, pairs)).collect();
                if values.iter().any(|value| matches!(value, Value::Absent)) {
                    return bytes(b"");
                }
                let values: Option<Vec<Vec<u8>>> = values.into_iter().map(Value::bytes).collect();
                values.map_or(Value::Unusable, |values| Value::Bytes(values.concat()))
            }
            Part::Setting(_) | Part::JwsHeaders(_) => Value::Unusable,
        }
    }

    /// What a sender with this template signs.
    fn signed(&self, template: &Template, pairs: &str) -> Option<Vec<u8>> {
        let values: Option<Vec<Vec<u8>>> =
            template.parts().iter().map(|part| self.value(part, pairs).bytes()).collect();
        values.map(|values| values.concat())
    }

    fn verify(&self, scheme: &Scheme, signature: &str) -> Result<Verified, Rejection> {
        let named = [NamedSecret::new("", Secret::new(SECRET.to_vec()))];
        let keys = scheme.prepare(&named).expect("the secret is a key");
        let mut headers = self.headers.clone();
        let value = HeaderValue::from_str(signature);
        let value =
            value.map_err(|_| Rejection::SignatureMalformed { what: "it cannot stand in a header" })?;
        headers.insert("x-signature", value);
        let head = Head { method: "POST", target: self.target, origin: Some(ORIGIN), headers: &headers };
        verify::verify(scheme, &keys, &head, self.body, None, UnixTime::from_millis(0))
    }
}

impl Value {
    fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Absent | Self::Unusable => None,
        }
    }
}

fn filtered(filter: Filter, value: &[u8]) -> Option<Vec<u8>> {
    Some(match filter {
        Filter::Lower => value.iter().map(u8::to_ascii_lowercase).collect(),
        Filter::JsonString => {
            serde_json::Value::from(std::str::from_utf8(value).ok()?).to_string().into_bytes()
        }
        Filter::JsonAscii => {
            let escaped = |character: char| match character {
                ..'\u{7f}' => character.to_string(),
                _ => {
                    character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }
            };
            std::str::from_utf8(value).ok()?.chars().map(escaped).collect::<String>().into_bytes()
        }
        Filter::Crc32 => naive::crc32(value).to_string().into_bytes(),
        Filter::Sha256Hex => naive::hex(&Sha256::digest(value)).into_bytes(),
        Filter::Base64 => naive::base64_padded(value).into_bytes(),
        Filter::Base64Url => naive::base64(value, true).into_bytes(),
    })
}

/// Whether every value is followed by a text that tells where it ends, so that two deliveries that are both accepted hold the
/// same values.
fn has_one_reading(parts: &[Part]) -> bool {
    let Some((Part::Body, head)) = parts.split_last() else { return false };
    let mut rest = head.iter().peekable();
    while let Some(part) = rest.next() {
        let ends = match (part, rest.peek()) {
            (Part::Literal(_), _) => true,
            (Part::Header(_) | Part::QueryParameter(_), Some(Part::Literal(_))) => true,
            (Part::Timestamp, Some(Part::Literal(text))) => {
                !text.starts_with(|first: char| first.is_ascii_digit())
            }
            _ => false,
        };
        if !ends {
            return false;
        }
    }
    true
}

fn scheme(template: &Template, has_pairs: bool) -> Scheme {
    let mut alternative =
        Alternative::new("header:x-signature".parse().expect("a location"), template.clone());
    if has_pairs {
        alternative.signature.layout = Layout::Pairs(PairsForm {
            separators: ",".into(),
            mark: '=',
            signature: "sig".into(),
            timestamp: None,
        });
    }
    if template.leaves().any(|part| *part == Part::Secret) {
        alternative.algorithm = Algorithm::Digest(Sha::Sha256);
    }
    if template.leaves().any(|part| *part == Part::Timestamp) {
        let source = TimestampSource::Header(HeaderName::from_static("x-time"));
        alternative.timestamp = Some(TimestampForm { source, unit: TimeUnit::Seconds });
    }
    Scheme { alternatives: vec![alternative] }
}

/// The input is a template, the other items of the signature's text, and two times a time, target, content type, body and
/// the values of the first headers that the template names.
pub fn run(data: &[u8]) {
    let all: [&[u8]; 2 + 2 * (4 + HEADERS)] = fields(data);
    let [text, pairs, first_time, a1, a2, a3, a4, a5, a6, second_time, b1, b2, b3, b4, b5, b6] = all;
    let (Ok(text), Ok(pairs)) = (std::str::from_utf8(text), std::str::from_utf8(pairs)) else { return };
    let Ok(template) = Template::from_str(text) else { return };
    let shown = template.to_string();
    assert_eq!(shown.parse().as_ref(), Ok(&template), "{text:?} is shown as {shown:?}");
    if template.leaves().any(|part| matches!(part, Part::Setting(_) | Part::JwsHeaders(_)))
        || pairs.contains("sig")
    {
        return;
    }
    let mut names: Vec<HeaderName> = Vec::new();
    for part in template.leaves() {
        if let Part::Header(name) = part
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    // These say how the delivery is read, or are set by this harness.
    if names.iter().any(|name| ["x-time", "x-signature", "content-type"].contains(&name.as_str())) {
        return;
    }
    let has_pairs = template.leaves().any(|part| matches!(part, Part::Pair(_)));
    let scheme = scheme(&template, has_pairs);
    let Some(first) = Delivery::read(&names, first_time, [a1, a2, a3, a4, a5, a6]) else { return };
    let signed = first.signed(&template, pairs);
    let mac = match &signed {
        Some(signed) if scheme.alternatives[0].algorithm == Algorithm::Digest(Sha::Sha256) => {
            Sha256::digest(signed).to_vec()
        }
        signed => {
            naive::hmac_sha256(SECRET, signed.as_deref().unwrap_or(b"\0nothing that a template writes"))
        }
    };
    let mac = naive::hex(&mac);
    let signature = if has_pairs { format!("{pairs},sig={mac}") } else { mac };
    let outcome = first.verify(&scheme, &signature);
    match (&outcome, &signed) {
        (Ok(_), None) => panic!("{text:?} accepts what nobody can have signed"),
        (Err(Rejection::SignatureMismatch { .. }), Some(signed)) => {
            panic!("{text:?} is not written as {:?}", String::from_utf8_lossy(signed))
        }
        _ => {}
    }
    let Some(second) = Delivery::read(&names, second_time, [b1, b2, b3, b4, b5, b6]) else { return };
    if second.verify(&scheme, &signature).is_ok() {
        let other = second.signed(&template, pairs);
        assert_eq!(other, signed, "{text:?} accepts other bytes under the same signature");
        if outcome.is_ok() && has_one_reading(template.parts()) {
            let values = |delivery: &Delivery<'_>| -> Vec<Option<Vec<u8>>> {
                template.parts().iter().map(|part| delivery.value(part, pairs).bytes()).collect()
            };
            assert_eq!(values(&first), values(&second), "{text:?} is cut in two ways");
        }
    }
}

/// The catalogue's templates with their senders' deliveries, beside the same once more and once changed.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for sender in SENDERS.iter() {
        let Some(vector) = sender.accepted().next() else { continue };
        for template in sender.provider.scheme.alternatives.iter().flat_map(|form| &form.signed) {
            let named = template.leaves().filter_map(|part| match part {
                Part::Header(name) => vector.headers.get(name),
                _ => None,
            });
            let mut values: Vec<&[u8]> = named.map(HeaderValue::as_bytes).take(HEADERS).collect();
            values.resize(HEADERS, b"x");
            let kind = vector.headers.get("content-type").map_or(&b""[..], HeaderValue::as_bytes);
            let text = template.to_string();
            let pairs = template.leaves().filter_map(|part| match part {
                Part::Pair(name) => Some(format!("{name}=1")),
                _ => None,
            });
            let pairs = pairs.collect::<Vec<_>>().join(",");
            let delivery = |body: &[u8]| {
                let target = vector.target.as_bytes();
                input(&[&[b"1700000000", target, kind, body][..], &values].concat())
            };
            let changed = [&vector.body[..], b" "].concat();
            for body in [&vector.body, &changed] {
                let (first, second) = (delivery(&vector.body), delivery(body));
                let seed = input(&[text.as_bytes(), pairs.as_bytes(), &first, &second]);
                if seed.len() < 4096 && !seeds.contains(&seed) {
                    seeds.push(seed);
                }
            }
        }
    }
    seeds.push(input(&[
        b"{header:x-id}.{timestamp}.{body}",
        b"",
        b"17",
        b"/",
        b"",
        b"b",
        b"id.1",
        b"",
        b"",
        b"17",
        b"/",
        b"",
        b"b",
        b"id",
    ]));
    seeds.push(input(&[
        b"{[id:{query:a|lower};]}[{body|json_string|crc32}]]}}{{[{json_raw:/a}",
        b"",
        b"1",
        b"/?a=B",
        b"",
        b"{\"a\":[1]}",
    ]));
    seeds
}
