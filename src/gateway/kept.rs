//! The head of a request as the journal keeps it, and back.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::Method;

use super::framing::Problem;
use super::session::{Fields, Head, put_line};
use crate::journal::Kept;

/// The header fields as `Name: value` lines, in the order and letter case received.
pub(super) fn lines(fields: &Fields) -> Bytes {
    // Exactly as much as it takes: it may be kept for days.
    let needed = fields.iter().map(|(name, value)| name.len().saturating_add(value.len()).saturating_add(4));
    let mut lines = BytesMut::with_capacity(needed.fold(0, usize::saturating_add));
    for (name, value) in fields.iter() {
        put_line(&mut lines, name, value);
    }
    lines.freeze()
}

/// The head that the journal kept, as it was received. It is read as strictly as one from the wire.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(method: &Method, kept: &Kept) -> Result<Head, Problem> {
    let mut text = BytesMut::new();
    for part in [method.as_str().as_bytes(), b" ", kept.target.as_bytes(), b" HTTP/1.1\r\n"] {
        text.put_slice(part);
    }
    // Over HTTP/2 the host was no header.
    if !kept.fields().any(|(name, _)| name.eq_ignore_ascii_case(b"host")) {
        text.put_slice(b"Host: ");
        text.put_slice(kept.host.as_bytes());
        text.put_slice(b"\r\n");
    }
    text.put_slice(&kept.head);
    text.put_slice(b"\r\n");
    let parsed = Head::take(&mut text)?.ok_or("it does not end")?;
    if text.is_empty() { Ok(parsed.into_head()) } else { Err("it ends before its end") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_as_it_was() {
        let wire = "POST /x?y=1 HTTP/1.1\r\nX-Hub-Signature: a: b\r\nhOst: h\r\nx-LOWER: 1\r\nX-hub-signature: 2\r\n\
                    Empty: \r\nContent-Length: 7\r\n\r\n";
        let first = Head::take(&mut BytesMut::from(wire)).unwrap().unwrap().into_head();
        let kept = Kept {
            target: "/x?y=1".into(),
            host: "h".into(),
            https: false,
            signed_origin: None,
            trusted: false,
            forwarded_for: "unknown".into(),
            head: lines(&first.fields),
            body: Bytes::new(),
        };
        let again = read(&Method::POST, &kept).unwrap();
        assert_eq!(lines(&again.fields), kept.head);
        assert_eq!(
            (again.target.as_str(), again.fields.iter().collect::<Vec<_>>()),
            ("/x?y=1", first.fields.iter().collect())
        );
        let over_http_2 = Kept { head: Bytes::from_static(b"a: 1\r\n"), ..kept.clone() };
        assert_eq!(read(&Method::POST, &over_http_2).unwrap().fields.all("host").next(), Some(&b"h"[..]));
        let smuggled = Kept { head: Bytes::from_static(b"Host: h\r\n\r\nGET / HTTP/1.1\r\n"), ..kept };
        assert!(read(&Method::POST, &smuggled).is_err(), "one head and no more");
    }
}
