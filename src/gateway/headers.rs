//! Which headers go on, which end here, and which this gateway adds.

use bytes::{BufMut, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Version};
use pingora::http::RequestHeader;

use super::upstream::Outbound;

/// Fields that concern one connection only (RFC 9110 section 7.6.1) or that this gateway writes itself.
fn ends_here(name: &HeaderName) -> bool {
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
    [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::TE,
        header::TRAILER,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        HTTP2_SETTINGS,
    ]
    .contains(name)
}

/// Fields of a request that are replaced by our own statement, whoever sent them.
fn rewritten(name: &HeaderName) -> bool {
    let text = name.as_str();
    *name == header::CONTENT_LENGTH
        || *name == header::HOST
        || *name == header::EXPECT
        || text.starts_with("sealpost-")
        || matches!(text, "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host")
}

/// Other ways to state where a request came from, believed from trusted proxies only.
fn origin_claim(name: &HeaderName) -> bool {
    *name == header::FORWARDED
        || matches!(name.as_str(), "x-real-ip" | "x-forwarded-port" | "x-forwarded-server")
}

/// Whether an application behind CGI, WSGI or Rack would take it for one of ours: there `_` and `-` are the same.
fn imitates_ours(name: &HeaderName, trusted: bool) -> bool {
    if !name.as_str().contains('_') {
        return false;
    }
    let dashed = name.as_str().replace('_', "-");
    HeaderName::from_bytes(dashed.as_bytes())
        .is_ok_and(|name| ends_here(&name) || rewritten(&name) || (!trusted && origin_claim(&name)))
}

/// The names that `Connection` declares to concern this connection only.
struct Named<'a>(Vec<&'a [u8]>);

impl<'a> Named<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let named = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|name| {
                !name.is_empty()
                    && !name.eq_ignore_ascii_case(b"close")
                    && !name.eq_ignore_ascii_case(b"keep-alive")
            })
            .collect();
        Self(named)
    }

    fn contains(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|named| named.eq_ignore_ascii_case(name.as_str().as_bytes()))
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
    /// `false` in shadow mode and on routes without a provider.
    pub(super) verified: bool,
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
    fn each(&self, mut put: impl FnMut(&'static str, &[u8])) {
        let mut digits = Decimal::default();
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
            put("sealpost-timestamp", digits.of(timestamp));
        }
        put("sealpost-attempt", digits.of(i64::from(self.attempt)));
        if let Some(secret) = self.secret {
            put("sealpost-secret", secret.as_bytes());
        }
        if !self.verified {
            put("sealpost-verified", b"false");
        }
        put("x-forwarded-for", self.forwarded_for.as_bytes());
        put("x-forwarded-proto", self.forwarded_proto.as_bytes());
        put("x-forwarded-host", self.forwarded_host);
    }
}

/// Decimal digits without an allocation.
#[derive(Default)]
struct Decimal {
    text: bytes::BytesMut,
}

impl Decimal {
    fn of(&mut self, value: i64) -> &[u8] {
        use std::fmt::Write;
        self.text.clear();
        // Writing into a growing buffer cannot fail.
        let _ = write!(self.text, "{value}");
        &self.text
    }
}

fn each_kept<'h>(outbound: &Outbound<'h>, mut put: impl FnMut(&[u8], &HeaderName, &'h HeaderValue)) {
    let headers = &outbound.head.headers;
    let named = Named::of(headers);
    let keep = |name: &HeaderName| {
        !ends_here(name)
            && !rewritten(name)
            && (outbound.added.trusted || !origin_claim(name))
            && !named.contains(name)
            && !imitates_ours(name, outbound.added.trusted)
    };
    if outbound.head.has_case() {
        for ((cased, value), name) in
            outbound.head.case_header_iter().zip(headers.iter().map(|(name, _)| name))
        {
            if keep(name) {
                put(cased.as_slice(), name, value);
            }
        }
    } else {
        for (name, value) in headers {
            if keep(name) {
                put(name.as_str().as_bytes(), name, value);
            }
        }
    }
}

/// Writes the head of the request as HTTP/1.1, always with its own exact `Content-Length`.
pub(super) fn write_head(out: &mut BytesMut, outbound: &Outbound<'_>) {
    let line = |out: &mut BytesMut, name: &[u8], value: &[u8]| {
        out.reserve(name.len() + value.len() + 4);
        out.put_slice(name);
        out.put_slice(b": ");
        out.put_slice(value);
        out.put_slice(b"\r\n");
    };
    out.put_slice(outbound.head.method.as_str().as_bytes());
    out.put_u8(b' ');
    out.put_slice(outbound.target.as_bytes());
    out.put_slice(b" HTTP/1.1\r\n");
    line(out, b"Host", outbound.added.host);
    each_kept(outbound, |cased, _, value| line(out, cased, value.as_bytes()));
    outbound.added.each(|name, value| line(out, name.as_bytes(), value));
    line(out, b"Content-Length", outbound.body.len().to_string().as_bytes());
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
    each_kept(outbound, |_, name, value| {
        if result.is_ok() {
            result = head.append_header(name.clone(), value.clone()).map(drop);
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
pub(super) fn each_answer_field(headers: &HeaderMap, mut put: impl FnMut(&HeaderName, &HeaderValue)) {
    let named = Named::of(headers);
    for (name, value) in headers {
        if !ends_here(name) && *name != header::CONTENT_LENGTH && !named.contains(name) {
            put(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_underscore_does_not_pass_for_a_dash() {
        for name in
            ["sealpost_event_id", "x_forwarded_for", "x-real_ip", "content_length", "transfer_encoding"]
        {
            assert!(imitates_ours(&HeaderName::from_static(name), false), "{name}");
        }
        for name in ["x_signature", "sealpost", "x-event-id", "webhook_id"] {
            assert!(!imitates_ours(&HeaderName::from_static(name), false), "{name}");
        }
        assert!(!imitates_ours(&HeaderName::from_static("x_real_ip"), true));
    }
}
