//! Which headers go on, which end here, and which this gateway adds.

use bytes::{BufMut, Bytes, BytesMut};
use http::Version;
use http::header::{self, HeaderValue};
use pingora::http::RequestHeader;
use smallvec::SmallVec;

use super::session::{Fields, put_line};
use super::signing::Signature;
use super::upstream::Outbound;
use crate::journal::Again;
use crate::trace::{TRACEPARENT, TRACESTATE};

/// What becomes of a header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It goes on.
    Kept,
    /// It concerns one connection only (RFC 9110 section 7.6.1), or this gateway writes it itself.
    EndsHere,
    /// In a request it is replaced by our own statement, whoever sent it.
    Rewritten,
    /// It states where a request came from, which is believed of trusted proxies only.
    OriginClaim,
}

/// The names with a fate of their own, by their length: most names have none, and are told from these without a comparison.
const FATES: &[&[(&[u8], Fate)]] = {
    use Fate::{EndsHere, OriginClaim, Rewritten};
    &[
        &[],
        &[],
        &[(b"te", EndsHere)],
        &[],
        &[(b"host", Rewritten)],
        &[],
        &[(b"expect", Rewritten)],
        &[(b"upgrade", EndsHere), (b"trailer", EndsHere)],
        &[],
        &[(b"forwarded", OriginClaim), (b"x-real-ip", OriginClaim)],
        &[(b"connection", EndsHere), (b"keep-alive", EndsHere)],
        &[],
        &[],
        &[],
        &[(b"content-length", Rewritten), (b"http2-settings", EndsHere)],
        &[(b"x-forwarded-for", Rewritten)],
        &[
            (b"x-forwarded-host", Rewritten),
            (b"x-forwarded-port", OriginClaim),
            (b"proxy-connection", EndsHere),
        ],
        &[(b"transfer-encoding", EndsHere), (b"x-forwarded-proto", Rewritten)],
        &[(b"x-forwarded-server", OriginClaim), (b"proxy-authenticate", EndsHere)],
        &[(b"proxy-authorization", EndsHere)],
    ]
};

const OURS: &[u8] = b"sealpost-";

fn fate(name: &[u8]) -> Fate {
    if name.first().is_some_and(|first| first | 0x20 == b's')
        && name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
    {
        return Fate::Rewritten;
    }
    let known = FATES.get(name.len()).copied().unwrap_or_default();
    known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map_or(Fate::Kept, |(_, fate)| *fate)
}

/// Whether a request's header line goes on to the upstream.
fn goes_on(name: &[u8], trusted: bool) -> bool {
    let kept = |fate| match fate {
        Fate::Kept => true,
        Fate::OriginClaim => trusted,
        Fate::EndsHere | Fate::Rewritten => false,
    };
    // An application behind CGI, WSGI or Rack takes `_` for `-`, and such a name for one of ours.
    let imitated = || {
        let dashed: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
        fate(&dashed)
    };
    kept(fate(name)) && (!name.contains(&b'_') || kept(imitated()))
}

/// The fields of Standard Webhooks, which are ours on a route that signs; `_` and `-` are the same to some applications.
fn signed_by_us(name: &[u8]) -> bool {
    ["webhook-id", "webhook-timestamp", "webhook-signature"].iter().any(|ours| {
        let same =
            |(one, other): (&u8, u8)| one.to_ascii_lowercase() == other || (*one == b'_' && other == b'-');
        name.len() == ours.len() && name.iter().zip(ours.bytes()).all(same)
    })
}

/// The names that `Connection` declares to concern this connection only.
struct Named<'a>(SmallVec<[&'a [u8]; 2]>);

impl<'a> Named<'a> {
    fn of(fields: &'a Fields) -> Self {
        let named = fields
            .all("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|name| {
                !name.is_empty()
                    && !name.eq_ignore_ascii_case(b"close")
                    && !name.eq_ignore_ascii_case(b"keep-alive")
            })
            .collect();
        Self(named)
    }

    fn contains(&self, name: &[u8]) -> bool {
        self.0.iter().any(|named| named.eq_ignore_ascii_case(name))
    }
}

/// What the gateway tells the upstream about the request. Absent values are not sent.
#[derive(Debug, Default)]
pub(super) struct Added<'a> {
    pub(super) host: &'a [u8],
    pub(super) provider: &'a str,
    pub(super) route: &'a str,
    pub(super) request_id: &'a str,
    pub(super) event_id: Option<&'a str>,
    pub(super) event_type: Option<&'a str>,
    pub(super) timestamp: Option<i64>,
    pub(super) attempt: u32,
    pub(super) secret: Option<&'a str>,
    /// Whether the route signs, so that a signature is ours or is not there.
    pub(super) signs: bool,
    /// Our signature, on what was verified.
    pub(super) signature: Option<&'a Signature>,
    /// The upstream's `traceparent` where requests are traced, and whether `tracestate` goes on.
    pub(super) trace: Option<(&'a str, bool)>,
    /// Whether a secret or key of the route proved the sender. Never so on a route without a provider, and in shadow mode
    /// not of what would have been refused.
    pub(super) verified: bool,
    /// How it comes again without its sender, and the request id it had first.
    pub(super) again: Option<(Again, &'a str)>,
    pub(super) forwarded_for: &'a str,
    pub(super) forwarded_proto: &'a str,
    pub(super) forwarded_host: &'a [u8],
    /// Whether the peer is a trusted proxy, whose other claims about the origin are passed on.
    pub(super) trusted: bool,
}

/// The longest value taken out of an event into a header.
const EVENT_VALUE_LIMIT: usize = 256;

/// Values from the event are sent only if they are visible ASCII: anything else could end the line.
fn sendable(value: &&str) -> bool {
    !value.is_empty() && value.len() <= EVENT_VALUE_LIMIT && value.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Added<'_> {
    /// Whether a field of the request gives way to one of these, which not every route adds.
    fn replaces(&self, name: &[u8]) -> bool {
        let signed = self.signs && signed_by_us(name);
        let traced = self.trace.is_some_and(|(_, state_goes_on)| {
            name.eq_ignore_ascii_case(TRACEPARENT.as_bytes())
                || (!state_goes_on && name.eq_ignore_ascii_case(TRACESTATE.as_bytes()))
        });
        signed || traced
    }

    fn each(&self, mut put: impl FnMut(&'static str, &[u8])) {
        let mut digits = itoa::Buffer::new();
        put("sealpost-provider", self.provider.as_bytes());
        put("sealpost-route", self.route.as_bytes());
        put("sealpost-request-id", self.request_id.as_bytes());
        if let Some(id) = self.event_id.filter(sendable) {
            put("sealpost-event-id", id.as_bytes());
        }
        if let Some(kind) = self.event_type.filter(sendable) {
            put("sealpost-event-type", kind.as_bytes());
        }
        if let Some(timestamp) = self.timestamp {
            put("sealpost-timestamp", digits.format(timestamp).as_bytes());
        }
        put("sealpost-attempt", digits.format(self.attempt).as_bytes());
        if let Some(secret) = self.secret {
            put("sealpost-secret", secret.as_bytes());
        }
        put("sealpost-verified", if self.verified { &b"true"[..] } else { &b"false"[..] });
        if let Some(Signature { id, timestamp, signature }) = self.signature {
            put("webhook-id", id.as_bytes());
            put("webhook-timestamp", digits.format(*timestamp).as_bytes());
            put("webhook-signature", signature.as_bytes());
        }
        if let Some((parent, _)) = self.trace {
            put(TRACEPARENT, parent.as_bytes());
        }
        if let Some((how, id)) = self.again {
            let name = match how {
                Again::Release => "sealpost-release",
                Again::Redelivery => "sealpost-redelivery",
            };
            put(name, id.as_bytes());
        }
        put("x-forwarded-for", self.forwarded_for.as_bytes());
        put("x-forwarded-proto", self.forwarded_proto.as_bytes());
        put("x-forwarded-host", self.forwarded_host);
    }
}

fn each_kept<'h>(outbound: &Outbound<'h>, mut put: impl FnMut(&'h [u8], &'h [u8])) {
    let fields = &outbound.head.fields;
    let named = Named::of(fields);
    for (name, value) in fields.iter() {
        if goes_on(name, outbound.added.trusted) && !named.contains(name) && !outbound.added.replaces(name) {
            put(name, value);
        }
    }
}

/// Writes the head of the request as HTTP/1.1, always with its own exact `Content-Length`.
pub(super) fn write_head(out: &mut BytesMut, outbound: &Outbound<'_>) {
    out.put_slice(outbound.head.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(outbound.target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    put_line(out, b"Host", outbound.added.host);
    each_kept(outbound, |name, value| put_line(out, name, value));
    outbound.added.each(|name, value| put_line(out, name.as_bytes(), value));
    put_line(out, b"Content-Length", itoa::Buffer::new().format(outbound.body.len()).as_bytes());
    out.put_slice(b"\r\n");
}

/// The same head for Pingora's sessions over TLS.
///
/// # Errors
/// When a part is not what Pingora accepts in a head.
pub(super) fn request_header(outbound: &Outbound<'_>, http2: bool) -> pingora::Result<RequestHeader> {
    let mut head = RequestHeader::build(outbound.head.method.clone(), outbound.target.as_bytes(), Some(32))?;
    let mut result = Ok(());
    let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).unwrap_or(HeaderValue::from_static(""));
    if http2 {
        head.set_version(Version::HTTP_2);
        let authority = String::from_utf8_lossy(outbound.added.host);
        if let Ok(uri) = format!("https://{authority}{}", outbound.target).parse() {
            head.set_uri(uri);
        }
    } else {
        head.append_header("Host", value(outbound.added.host))?;
    }
    each_kept(outbound, |name, bytes| {
        if result.is_ok() {
            // With the letter case it was sent in, which Pingora keeps of names given as text.
            result = head.append_header(Bytes::copy_from_slice(name), value(bytes)).map(drop);
        }
    });
    result?;
    let mut result = Ok(());
    outbound.added.each(|name, bytes| {
        if result.is_ok() {
            result = head.append_header(name, value(bytes)).map(drop);
        }
    });
    result?;
    head.append_header(header::CONTENT_LENGTH, HeaderValue::from(outbound.body.len()))?;
    Ok(head)
}

/// The fields of an upstream's answer that go on to the sender; its framing is written anew.
pub(super) fn each_answer_field(fields: &Fields, mut put: impl FnMut(&[u8], &[u8])) {
    let named = Named::of(fields);
    for (name, value) in fields.iter() {
        let framing = name.eq_ignore_ascii_case(b"content-length");
        if !framing && fate(name) != Fate::EndsHere && !named.contains(name) {
            put(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_where_their_length_says() {
        for (length, known) in FATES.iter().enumerate() {
            for (name, fated) in *known {
                assert_eq!(name.len(), length);
                assert_eq!(fate(&name.to_ascii_uppercase()), *fated);
            }
        }
        assert_eq!(FATES.iter().map(|known| known.len()).sum::<usize>(), 20);
    }

    #[test]
    fn an_underscore_does_not_pass_for_a_dash() {
        for name in [
            "sealpost_event_id",
            "SealPost-Event_Id",
            "x_forwarded_for",
            "x-real_ip",
            "content_length",
            "Transfer_Encoding",
        ] {
            assert!(!goes_on(name.as_bytes(), false), "{name}");
        }
        for name in ["x_signature", "sealpost", "x-event-id", "webhook_id"] {
            assert!(goes_on(name.as_bytes(), false), "{name}");
        }
        assert!(goes_on(b"x_real_ip", true));
        assert!(!goes_on(b"Sealpost-Verified", true));
    }
}
