//! Writing answers: head and body in one write over HTTP/1, in frames over HTTP/2.

use std::io;
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use pingora::http::ResponseHeader;
use pingora::protocols::http::date::get_cached_date;

use super::Session;
use super::fields::put_line as line;
use super::http1::Http1;

/// How long a sender may take to accept a piece of its answer.
pub(in crate::gateway) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Pieces of a body up to this size are copied behind the head and leave in one write.
const ONE_WRITE: usize = 32 * 1024;

/// How the body of an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outgoing {
    /// As it is.
    Whole,
    /// In chunks (RFC 9112 section 7.1).
    Chunked,
}

/// What the head of an answer says of its body.
#[derive(Clone, Debug)]
pub(in crate::gateway) enum Length {
    /// So many bytes.
    Known(u64),
    /// Its end shows itself.
    Unknown,
    /// There is none, but its length is told as this (RFC 9110 section 9.3.2).
    Told(Option<HeaderValue>),
    /// There is none, and nothing is said of it (RFC 9110 section 8.6).
    Absent,
}

/// The header lines of an answer while it is put together.
pub(in crate::gateway) struct Lines<'a> {
    to: To<'a>,
    dated: bool,
}

enum To<'a> {
    Wire(&'a mut BytesMut),
    Map(&'a mut ResponseHeader, &'a mut bool),
}

impl Lines<'_> {
    /// Adds a line.
    pub(in crate::gateway) fn put(&mut self, name: &[u8], value: &[u8]) {
        self.dated |= name.eq_ignore_ascii_case(b"date");
        match &mut self.to {
            To::Wire(buffer) => line(buffer, name, value),
            To::Map(head, failed) => {
                let put = HeaderName::from_bytes(name).ok().zip(HeaderValue::from_bytes(value).ok());
                **failed |= put.is_none_or(|(name, value)| head.append_header(name, value).is_err());
            }
        }
    }
}

impl Session {
    /// Writes the head of the answer and the beginning of its body, which is all of it where `last`.
    ///
    /// # Errors
    /// When the sender is gone.
    pub(in crate::gateway) async fn answer(
        &mut self,
        status: StatusCode,
        length: Length,
        fields: impl FnOnce(&mut Lines<'_>),
        body: Bytes,
        last: bool,
    ) -> io::Result<()> {
        match self {
            Self::Http1(session) => session.answer(status, length, fields, &body).await,
            Self::Http2(session) => {
                let mut head = ResponseHeader::build(status, Some(16)).map_err(io::Error::other)?;
                let mut failed = false;
                let mut lines = Lines { to: To::Map(&mut head, &mut failed), dated: true };
                fields(&mut lines);
                match length {
                    Length::Known(length) => {
                        lines.put(b"content-length", itoa::Buffer::new().format(length).as_bytes())
                    }
                    Length::Told(Some(told)) => lines.put(b"content-length", told.as_bytes()),
                    Length::Told(None) | Length::Unknown | Length::Absent => {}
                }
                if failed {
                    return Err(io::Error::other("a header line of the answer is none"));
                }
                session.write_head(head).await?;
                if !body.is_empty() {
                    session.write_body(body, last).await?;
                }
                Ok(())
            }
        }
    }

    /// Writes the next piece of a body that is longer.
    ///
    /// # Errors
    /// When the sender is gone.
    pub(in crate::gateway) async fn answer_more(&mut self, piece: Bytes) -> io::Result<()> {
        match self {
            _ if piece.is_empty() => Ok(()),
            Self::Http1(session) => match session.outgoing {
                Outgoing::Whole => session.write(&piece).await,
                Outgoing::Chunked => {
                    let mut chunk = BytesMut::with_capacity(piece.len().saturating_add(32));
                    put_chunk(&mut chunk, &piece);
                    session.write(&chunk).await
                }
            },
            Self::Http2(session) => session.write_body(piece, false).await,
        }
    }
}

impl Http1 {
    async fn answer(
        &mut self,
        status: StatusCode,
        length: Length,
        fields: impl FnOnce(&mut Lines<'_>),
        body: &[u8],
    ) -> io::Result<()> {
        // A body that nobody read stands where the next request would.
        self.keep &= self.is_body_done();
        let old = self.head.version == Version::HTTP_10;
        let chunked = matches!(length, Length::Unknown) && !old;
        // Without a length and without chunks the end of the connection is the end of the body.
        self.keep &= chunked || !matches!(length, Length::Unknown);
        self.outgoing = if chunked { Outgoing::Chunked } else { Outgoing::Whole };

        let one_write = body.len() <= ONE_WRITE;
        let mut buffer =
            BytesMut::with_capacity(if one_write { body.len().saturating_add(512) } else { 512 });
        buffer.put_slice(b"HTTP/1.1 ");
        buffer.put_slice(status.as_str().as_bytes());
        buffer.put_u8(b' ');
        buffer.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
        buffer.put_slice(b"\r\n");
        let mut lines = Lines { to: To::Wire(&mut buffer), dated: false };
        fields(&mut lines);
        let dated = lines.dated;
        if !dated {
            // RFC 9110 section 6.6.1.
            line(&mut buffer, b"Date", get_cached_date().as_bytes());
        }
        match &length {
            Length::Known(length) => {
                line(&mut buffer, b"Content-Length", itoa::Buffer::new().format(*length).as_bytes())
            }
            Length::Told(Some(told)) => line(&mut buffer, b"Content-Length", told.as_bytes()),
            Length::Unknown if chunked => line(&mut buffer, b"Transfer-Encoding", b"chunked"),
            Length::Unknown | Length::Told(None) | Length::Absent => {}
        }
        if !self.keep {
            line(&mut buffer, b"Connection", b"close");
        } else if old {
            line(&mut buffer, b"Connection", b"keep-alive");
        }
        buffer.put_slice(b"\r\n");
        if self.head.method == Method::HEAD || matches!(length, Length::Told(_) | Length::Absent) {
            return self.write(&buffer).await;
        }
        if chunked && !body.is_empty() {
            put_chunk(&mut buffer, body);
        } else if one_write {
            buffer.put_slice(body);
        } else {
            self.write(&buffer).await?;
            return self.write(body).await;
        }
        self.write(&buffer).await
    }

    /// Ends the body of an answer.
    ///
    /// # Errors
    /// When the sender is gone.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.outgoing, Outgoing::Whole) {
            Outgoing::Chunked if self.head.method != Method::HEAD => self.write(b"0\r\n\r\n").await,
            Outgoing::Chunked | Outgoing::Whole => Ok(()),
        }
    }
}

fn put_chunk(buffer: &mut BytesMut, piece: &[u8]) {
    buffer.put_slice(format!("{:x}\r\n", piece.len()).as_bytes());
    buffer.put_slice(piece);
    buffer.put_slice(b"\r\n");
}
