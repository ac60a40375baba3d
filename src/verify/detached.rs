//! A JWS without its payload (RFC 7515, appendix F; RFC 7797): what it signs is the template's bytes.

use http::HeaderName;
use serde_json::Value;
use subtle::Choice;

use crate::time::UnixTime;

use super::content::SecretSink;
use super::delivery::{Head, Single};
use super::encoding::encode;
use super::jose::{Compact, header_json, malformed};
use super::jose_form::{JwsForm, JwsPayload};
use super::keys::Key;
use super::rejection::Rejection;
use super::scheme::{Alternative, Encoding, TimeUnit, TimestampSource};
use super::template::Part;
use super::timestamp;

/// More headers than any sender signs.
const MOST_HEADERS: usize = 32;
/// A longer value is no id and no time.
const LONGEST_HEADER: usize = 4096;

/// A detached JWS whose header could be read; nothing of it is proven yet.
pub(crate) struct Detached<'t> {
    compact: Compact<'t>,
    encoded: bool,
}

impl<'t> Detached<'t> {
    /// Reads it. What this sender would not write in a header is refused.
    pub(crate) fn read(form: &JwsForm, text: &'t str) -> Result<Self, Rejection> {
        let compact = Compact::read(&form.algorithms, text)?;
        if !compact.payload.is_empty() {
            return Err(malformed("the signature carries a payload of its own"));
        }
        let encoded = match (&compact.header.b64, &compact.header.crit) {
            (None, None) | (Some(Value::Bool(true)), None) => true,
            (Some(Value::Bool(encoded)), Some(Value::Array(critical)))
                if critical.as_slice() == [Value::from("b64")] =>
            {
                *encoded
            }
            _ => return Err(malformed("the signature needs an extension that is not understood")),
        };
        let fits = match form.payload {
            JwsPayload::Encoded => encoded,
            JwsPayload::Plain => !encoded,
            JwsPayload::Either => true,
        };
        if !fits {
            return Err(malformed("the signature's b64 is not this sender's"));
        }
        if !form.header.is_empty() {
            let header = header_json(text).ok_or(malformed("the signature's header cannot be read"))?;
            let says =
                |(name, value): &(String, String)| header.get(name).and_then(Value::as_str) == Some(value);
            if !form.header.iter().all(says) {
                return Err(malformed("the signature's header does not say what this sender's says"));
            }
        }
        Ok(Self { compact, encoded })
    }

    /// The send time in this member of the header.
    pub(crate) fn time(&self, text: &str, member: &str, unit: TimeUnit) -> Result<UnixTime, Rejection> {
        let header = header_json(text).ok_or(malformed("the signature's header cannot be read"))?;
        let value = header.get(member).ok_or(Rejection::TimestampMissing)?;
        let number = match value {
            Value::Number(number) => number.to_string(),
            _ => return Err(Rejection::TimestampMalformed),
        };
        timestamp::parse(&number, unit).ok_or(Rejection::TimestampMalformed)
    }

    /// What was signed if this was the payload.
    pub(crate) fn message(&self, payload: &[u8]) -> Vec<u8> {
        signing_input(self.compact.header_text, self.encoded, payload)
    }

    /// For every key, whether it signed the message. All are tried.
    pub(crate) fn matches(&self, keys: &[Key], message: &[u8]) -> Vec<Choice> {
        keys.iter().map(|key| self.compact.is_signed_with(key, message, None)).collect()
    }
}

/// A send time in a header that only the list in the JWS's own header can sign must be in that list.
pub(crate) fn check_time(alternative: &Alternative, compact: &str) -> Result<(), Rejection> {
    let Some(TimestampSource::Header(name)) = alternative.timestamp.as_ref().map(|time| &time.source) else {
        return Ok(());
    };
    for template in &alternative.signed {
        let names_time = |part: &Part| *part == Part::Timestamp || *part == Part::Header(name.clone());
        let mut signed = template.leaves().any(names_time);
        for part in template.leaves() {
            if let Part::JwsHeaders(member) = part {
                signed |= header_names(compact, member)?.iter().any(|(_, listed)| listed == name);
            }
        }
        if !signed {
            return Err(Rejection::TimestampMissing);
        }
    }
    Ok(())
}

/// The signed bytes: the header, a dot, and the payload in base64url or as it is.
pub(crate) fn signing_input(header: &str, encoded: bool, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("{header}.").into_bytes();
    if encoded {
        message.extend_from_slice(encode(payload, Encoding::Base64Url).as_bytes());
    } else {
        message.extend_from_slice(payload);
    }
    message
}

/// The names of headers, with commas between them, in this member of the JWS's header; none if it is not there.
pub(crate) fn header_names(compact: &str, member: &str) -> Result<Vec<(String, HeaderName)>, Rejection> {
    const WRONG: Rejection = malformed("the signature's list of headers cannot be read");
    let header = header_json(compact).ok_or(malformed("the signature's header cannot be read"))?;
    let names = match header.get(member) {
        None => return Ok(Vec::new()),
        Some(names) => names.as_str().ok_or(WRONG)?,
    };
    let names = names.split(',').filter(|name| !name.is_empty()).take(MOST_HEADERS.saturating_add(1));
    let names: Vec<_> = names
        .map(|name| Ok((name.to_owned(), name.parse::<HeaderName>().map_err(|_| WRONG)?)))
        .collect::<Result<_, Rejection>>()?;
    if names.len() > MOST_HEADERS {
        Err(malformed("the signature lists too many headers"))
    } else {
        Ok(names)
    }
}

/// Writes `Name: value` and a line feed for each header in the list, with the name as the list writes it.
pub(crate) fn write_headers(
    compact: &str,
    member: &str,
    head: &Head<'_>,
    sink: &mut impl SecretSink,
) -> Result<(), Rejection> {
    for (written, name) in header_names(compact, member)? {
        let value = match head.single(&name) {
            Single::Once(value) => value,
            Single::Absent => return Err(malformed("a header that is signed is missing")),
            Single::Repeated => return Err(malformed("a header that is signed stands there several times")),
        };
        if value.len() > LONGEST_HEADER || !value.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(malformed("a header that is signed is too long or not printable ASCII"));
        }
        sink.write(written.as_bytes());
        sink.write(b": ");
        sink.write(value);
        sink.write(b"\n");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::JwtAlgorithm;
    use http::HeaderMap;
    use proptest::prelude::*;

    fn form(payload: JwsPayload) -> JwsForm {
        JwsForm { algorithms: vec![JwtAlgorithm::Hs256], payload, header: Vec::new() }
    }

    fn compact(header: &str) -> String {
        format!("{}..AAAA", encode(header.as_bytes(), Encoding::Base64Url))
    }

    #[test]
    fn the_header_says_how_the_payload_is_signed_and_the_scheme_which_of_both_it_takes() {
        let plain = r#"{"alg":"HS256","b64":false,"crit":["b64"]}"#;
        let encoded = r#"{"alg":"HS256","b64":true,"crit":["b64"]}"#;
        for (header, payload, expected) in [
            (r#"{"alg":"HS256"}"#, JwsPayload::Encoded, Some(true)),
            (r#"{"alg":"HS256"}"#, JwsPayload::Plain, None),
            (r#"{"alg":"HS256"}"#, JwsPayload::Either, Some(true)),
            (plain, JwsPayload::Encoded, None),
            (plain, JwsPayload::Plain, Some(false)),
            (plain, JwsPayload::Either, Some(false)),
            (encoded, JwsPayload::Either, Some(true)),
            (r#"{"alg":"HS256","b64":false}"#, JwsPayload::Either, None),
            (r#"{"alg":"HS256","b64":0,"crit":["b64"]}"#, JwsPayload::Either, None),
            (r#"{"alg":"HS256","crit":["b64"]}"#, JwsPayload::Either, None),
            (r#"{"alg":"HS256","b64":false,"crit":["b64","exp"]}"#, JwsPayload::Either, None),
            (r#"{"alg":"HS256","crit":[]}"#, JwsPayload::Either, None),
            (r#"{"alg":"none"}"#, JwsPayload::Either, None),
        ] {
            let read = Detached::read(&form(payload), &compact(header)).ok().map(|jws| jws.encoded);
            assert_eq!(read, expected, "{header} {payload:?}");
        }
        let carried = format!("{}.AAAA.AAAA", encode(plain.as_bytes(), Encoding::Base64Url));
        assert!(Detached::read(&form(JwsPayload::Plain), &carried).is_err());
    }

    #[test]
    fn the_header_may_hold_the_send_time() {
        let time = |header: &str| {
            let text = compact(header);
            let jws = Detached::read(&form(JwsPayload::Encoded), &text).unwrap();
            jws.time(&text, "ts", TimeUnit::Seconds)
        };
        assert_eq!(time(r#"{"alg":"HS256","ts":17}"#), Ok(UnixTime::from_seconds(17).unwrap()));
        assert_eq!(time(r#"{"alg":"HS256"}"#), Err(Rejection::TimestampMissing));
        for header in
            [r#"{"alg":"HS256","ts":"17"}"#, r#"{"alg":"HS256","ts":-1}"#, r#"{"alg":"HS256","ts":1.5}"#]
        {
            assert_eq!(time(header), Err(Rejection::TimestampMalformed), "{header}");
        }
    }

    #[test]
    fn the_header_must_say_what_the_senders_says() {
        let form = JwsForm { header: vec![("v".into(), "2".into())], ..form(JwsPayload::Encoded) };
        let reads = |header: &str| Detached::read(&form, &compact(header)).is_ok();
        assert!(reads(r#"{"alg":"HS256","v":"2"}"#));
        assert!(!reads(r#"{"alg":"HS256","v":"1"}"#) && !reads(r#"{"alg":"HS256","v":2}"#));
        assert!(!reads(r#"{"alg":"HS256"}"#));
    }

    #[test]
    fn listed_headers_are_written_as_they_are_listed() {
        let headers: HeaderMap = [("x-a", "1"), ("x-b", " two ")]
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .into_iter()
            .collect();
        let head = Head { method: "POST", target: "/", origin: None, headers: &headers };
        let written = |list: &str| {
            let mut bytes = Vec::new();
            let compact = compact(&format!(r#"{{"alg":"HS256","names":{list}}}"#));
            write_headers(&compact, "names", &head, &mut bytes).map(|()| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(written(r#""X-B,x-A""#).unwrap(), "X-B:  two \nx-A: 1\n");
        assert_eq!(written(r#""""#).unwrap(), "");
        for list in [r#""x-c""#, r#""x a""#, "7", &format!("\"{}\"", "x-a,".repeat(33))] {
            assert!(written(list).is_err(), "{list}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-zA-Z0-9_.-]{0,60}", header in "\\PC{0,60}") {
            let form = JwsForm { header: vec![("a".into(), "b".into())], ..form(JwsPayload::Either) };
            for text in [text, compact(&header)] {
                let _ = (Detached::read(&form, &text), header_names(&text, "a"));
            }
        }
    }
}
