//! The upstream's first answer, as far as it is kept to be given again.

use bytes::Bytes;
use http::HeaderValue;

/// What a duplicate is answered with: the first answer's status, content type and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status, 200 to 299.
    pub status: u16,
    /// The `Content-Type`, if the upstream sent one.
    pub content_type: Option<HeaderValue>,
    /// The whole body.
    pub body: Bytes,
}

/// Content types common enough to be stored as one byte; a position in this list is stored, so it may only
/// grow at its end.
const COMMON: [&[u8]; 5] = [
    b"application/json",
    b"application/json; charset=utf-8",
    b"text/plain",
    b"text/plain; charset=utf-8",
    b"text/html; charset=utf-8",
];
const NO_TYPE: u8 = 0xff;
const SPELLED_OUT: u8 = 0xfe;

impl Answer {
    /// The largest body that is kept, in bytes. An event with a larger answer is remembered without it.
    pub const MAX_BODY: usize = 64 * 1024;

    /// The answer as bytes for a store: status (two bytes, big-endian), content type (one byte: its place
    /// among the common ones, none, or "a length byte and the text follow"), body. `None` if the body is
    /// larger than [`Self::MAX_BODY`]; a content type of more than 255 bytes is left out.
    #[must_use]
    pub fn pack(&self) -> Option<Box<[u8]>> {
        if self.body.len() > Self::MAX_BODY {
            return None;
        }
        let named = self.content_type.as_ref().map_or(&[][..], HeaderValue::as_bytes);
        let common = COMMON.iter().position(|common| *common == named).map(u8::try_from);
        let (kind, spelled) = match (common, u8::try_from(named.len())) {
            (Some(Ok(place)), _) => ([place, 0], &[][..]),
            (_, Ok(length @ 1..)) => ([SPELLED_OUT, length], named),
            _ => ([NO_TYPE, 0], &[][..]),
        };
        let kind = if spelled.is_empty() { &kind[..1] } else { &kind[..] };
        // Joined in one allocation of the exact size: shrinking one would leave a gap behind each answer.
        Some([&self.status.to_be_bytes(), kind, spelled, &self.body].concat().into_boxed_slice())
    }

    /// Reads what [`Self::pack`] wrote; `None` if it is not that.
    #[must_use]
    pub fn unpack(packed: &[u8]) -> Option<Self> {
        let (status, rest) = packed.split_first_chunk::<2>()?;
        let (kind, rest) = rest.split_first()?;
        let (content_type, body) = match *kind {
            NO_TYPE => (None, rest),
            SPELLED_OUT => {
                let (length, rest) = rest.split_first()?;
                let (spelled, body) = rest.split_at_checked(usize::from(*length))?;
                (Some(HeaderValue::from_bytes(spelled).ok()?), body)
            }
            place => {
                let common: &'static [u8] = COMMON.get(usize::from(place))?;
                (Some(HeaderValue::from_bytes(common).ok()?), rest)
            }
        };
        Some(Self { status: u16::from_be_bytes(*status), content_type, body: Bytes::copy_from_slice(body) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(content_type: Option<&'static str>, body: &'static [u8]) -> Answer {
        Answer {
            status: 202,
            content_type: content_type.map(HeaderValue::from_static),
            body: Bytes::from_static(body),
        }
    }

    #[test]
    fn what_was_packed_comes_out_again() {
        for content_type in [None, Some("application/json"), Some("application/problem+json; v=2")] {
            for body in [&b""[..], b"{\"received\":true}", &[0, 0xfe, 0xff]] {
                let answer = answer(content_type, body);
                let packed = answer.pack().unwrap();
                assert_eq!(Answer::unpack(&packed), Some(answer));
            }
        }
    }

    #[test]
    fn a_common_content_type_costs_one_byte() {
        let packed = answer(Some("application/json; charset=utf-8"), b"ok").pack().unwrap();
        assert_eq!(packed.len(), 2 + 1 + 2);
    }

    #[test]
    fn a_body_of_64_kib_is_kept_and_one_byte_more_is_not() {
        let sized = |length| Answer { body: vec![b'x'; length].into(), ..answer(None, b"") };
        assert!(sized(65_536).pack().is_some());
        assert_eq!(sized(65_537).pack(), None);
    }

    #[test]
    fn an_overlong_content_type_is_left_out() {
        let long = HeaderValue::from_bytes(&[b'x'; 256]).unwrap();
        let packed = Answer { content_type: Some(long), ..answer(None, b"ok") }.pack().unwrap();
        assert_eq!(Answer::unpack(&packed), Some(answer(None, b"ok")));
    }

    #[test]
    fn torn_bytes_are_no_answer() {
        let packed = answer(Some("application/problem+json"), b"").pack().unwrap();
        for length in 0..packed.len() {
            assert_eq!(Answer::unpack(&packed[..length]), None, "{length} bytes");
        }
        assert_eq!(Answer::unpack(&[0, 200, 0x80, b'x']), None, "a place beyond the list");
    }
}
