//! W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context/>): reading `traceparent` and writing our own.

use http::HeaderName;

use crate::verify::Headers;

/// The name of the field that carries a request's place in its trace.
pub const TRACEPARENT: &str = "traceparent";
/// The name of the field that carries what tracing systems add to it.
pub const TRACESTATE: &str = "tracestate";

/// Members and bytes of a `tracestate` at most (section 3.3.1.5).
const STATE_MEMBERS: usize = 32;
const STATE_BYTES: usize = 512;

/// Names a trace: never all zeros.
pub(super) type TraceId = [u8; 16];
/// Names a span of a trace: never all zeros.
pub(super) type SpanId = [u8; 8];

/// The caller's place in its trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    /// Its trace.
    pub(super) trace: TraceId,
    /// Its span.
    pub(super) span: SpanId,
    /// Whether it says that it recorded the trace.
    pub(super) sampled: bool,
}

impl Parent {
    /// What the request carries, if it is valid and stands there once.
    pub(super) fn of(headers: &dyn Headers) -> Option<Self> {
        let name = HeaderName::from_static(TRACEPARENT);
        let mut all = headers.values(&name);
        let only = all.next()?;
        if all.next().is_none() { Self::read(only) } else { None }
    }

    /// Reads a `traceparent` (section 3.2.2): `00-TRACE-SPAN-FLAGS` in lower-case hex; a later version may have more behind it.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let (known, more) = text.split_at_checked(55)?;
        let version: [u8; 1] = hex(known.get(0..2)?)?;
        let dashes = [2, 35, 52].iter().all(|at| known.get(*at) == Some(&b'-'));
        let ends =
            if version == [0] { more.is_empty() } else { more.first().is_none_or(|byte| *byte == b'-') };
        let trace: TraceId = hex(known.get(3..35)?)?;
        let span: SpanId = hex(known.get(36..52)?)?;
        let [flags] = hex::<1>(known.get(53..55)?)?;
        let valid = dashes && ends && version != [0xff] && trace != [0; 16] && span != [0; 8];
        valid.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// Writes it as version 00.
    pub(super) fn written(&self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{}-{}-{flags:02x}", hex::encode(self.trace), hex::encode(self.span))
    }
}

/// Whether the request's `tracestate` may go on: not more of it than every hop has to carry. It is never read here.
pub(super) fn state_goes_on(headers: &dyn Headers) -> bool {
    let (mut members, mut bytes) = (0_usize, 0_usize);
    for value in headers.values(&HeaderName::from_static(TRACESTATE)) {
        bytes = bytes.saturating_add(value.len()).saturating_add(1);
        members = members.saturating_add(value.split(|byte| *byte == b',').count());
    }
    members <= STATE_MEMBERS && bytes <= STATE_BYTES + 1
}

/// Lower-case hex of exactly `N` bytes.
fn hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let lower = text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut bytes = [0; N];
    (lower && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    /// The example of section 3.2.3.
    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_recommendations_example_is_read_and_written_again() {
        let parent = Parent::read(GOOD.as_bytes()).unwrap();
        assert!(parent.sampled);
        assert_eq!(hex::encode(parent.span), "00f067aa0ba902b7");
        assert_eq!(parent.written(), GOOD);
        let unsampled = Parent::read(GOOD.replace("-01", "-00").as_bytes()).unwrap();
        assert!(!unsampled.sampled && unsampled.written().ends_with("-00"));
        let later = GOOD.replacen("00-", "cc-", 1);
        for text in [later.clone(), format!("{later}-what-the-future-will-be-like")] {
            assert_eq!(Parent::read(text.as_bytes()), Some(parent), "{text}");
        }
    }

    #[test]
    fn what_is_not_valid_is_no_parent() {
        for text in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replace('-', "_"),
            format!("{GOOD}-more"),
            format!("{GOOD} "),
            GOOD.replacen("00-", "ff-", 1),
            GOOD.replacen("00-", "0x-", 1),
            format!("{}.x", GOOD.replacen("00-", "cc-", 1)),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".into(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".into(),
            GOOD.replace("-01", "-0"),
            GOOD.replace("-01", "-g1"),
        ] {
            assert_eq!(Parent::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn it_stands_there_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(Parent::of(&headers), None);
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert!(Parent::of(&headers).is_some());
        headers.append(TRACEPARENT, GOOD.parse().unwrap());
        assert_eq!(Parent::of(&headers), None);
    }

    #[test]
    fn a_state_has_32_members_and_512_bytes_at_most() {
        let goes_on = |values: &[String]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(TRACESTATE, value.parse().unwrap());
            }
            state_goes_on(&headers)
        };
        assert!(goes_on(&[]) && goes_on(&["a=1,b=2".into(), "c=3".into()]));
        assert!(goes_on(&[vec!["a=1"; 32].join(",")]) && !goes_on(&[vec!["a=1"; 33].join(",")]));
        assert!(goes_on(&["x".repeat(512)]) && !goes_on(&["x".repeat(513)]));
    }
}
