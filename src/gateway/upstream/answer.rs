//! An upstream's answer: its head, and its body as it comes.

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use pingora::protocols::Stream;
use pingora::protocols::http::client::HttpSession;
use tokio::io::AsyncReadExt;

use super::peer::At;
use super::{Pool, UpstreamError};
use crate::gateway::chunked::{Chunked, Step};
use crate::gateway::session::Fields;

/// How much is read at once from a plain upstream.
const READ: usize = 16 * 1024;

/// Status and headers of an answer, with its body still to come.
pub(in crate::gateway) struct Answer {
    /// The final status; 1xx answers were passed over.
    pub(in crate::gateway) status: StatusCode,
    /// The header lines as the upstream sent them.
    pub(in crate::gateway) fields: Fields,
    /// The body.
    pub(in crate::gateway) body: Body,
}

/// The body of an answer and the connection it comes on.
pub(in crate::gateway) enum Body {
    /// From a plain connection, read here.
    Plain(Box<Plain>),
    /// From a TLS connection, read by Pingora.
    Session(Box<(HttpSession, At)>),
}

/// A plain connection in the middle of an answer.
pub(in crate::gateway) struct Plain {
    pub(super) stream: Stream,
    pub(super) inbox: BytesMut,
    pub(super) framing: Framing,
    /// Whether the connection may be kept once the body is complete.
    pub(super) keep: bool,
    pub(super) key: u64,
}

/// The length that the head tells of the body, if it does: one number, however often it stands there (RFC 9110
/// section 8.6).
///
/// # Errors
/// One sentence.
pub(super) fn length(fields: &Fields) -> Result<Option<u64>, &'static str> {
    let mut lengths = fields.all("content-length");
    let Some(length) = lengths.next() else { return Ok(None) };
    if lengths.any(|other| other != length) {
        return Err("its answer has two different lengths");
    }
    let digits = !length.is_empty() && length.len() <= 18 && length.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(length).ok().filter(|_| digits).and_then(|digits| digits.parse().ok());
    length.map(Some).ok_or("its answer's Content-Length is not a number")
}

/// Where the body ends.
#[derive(Debug)]
pub(super) enum Framing {
    /// After this many more bytes.
    Length(u64),
    /// Where the coding says so.
    Chunked(Chunked),
    /// Where the connection does.
    UntilClose,
}

impl Body {
    /// How long the whole body is, if the head said so.
    pub(in crate::gateway) fn length(&self) -> Option<u64> {
        match self {
            Self::Plain(plain) => match plain.framing {
                Framing::Length(length) => Some(length),
                Framing::Chunked(_) | Framing::UntilClose => None,
            },
            Self::Session(_) => None,
        }
    }

    /// The next piece of the body, `None` at its end.
    ///
    /// # Errors
    /// When the upstream breaks off before the end.
    pub(in crate::gateway) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        match self {
            Self::Plain(plain) => plain.next().await,
            Self::Session(session) => session.0.read_response_body().await.map_err(|error| {
                UpstreamError::Failed(format!("its answer broke off: {}", error.etype().as_str()))
            }),
        }
    }

    /// Gives the connection back after the body was read to its end.
    pub(in crate::gateway) async fn release(self, pool: &Pool) {
        match self {
            Self::Plain(plain) => {
                if plain.keep && plain.inbox.is_empty() {
                    pool.keep(plain.stream, plain.key);
                }
            }
            Self::Session(session) => {
                let (session, at) = *session;
                Box::pin(pool.keep_session(session, &at)).await;
            }
        }
    }
}

impl Plain {
    async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            match &mut self.framing {
                Framing::Length(0) => return Ok(None),
                Framing::Length(left) if !self.inbox.is_empty() => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(self.inbox.len());
                    *left = left.saturating_sub(u64::try_from(take).unwrap_or(u64::MAX));
                    return Ok(Some(self.inbox.split_to(take).freeze()));
                }
                Framing::Chunked(decoder) => match decoder.step(&mut self.inbox) {
                    Ok(Step::Data(data)) => return Ok(Some(data)),
                    Ok(Step::End) => return Ok(None),
                    Ok(Step::More) => {}
                    Err(why) => return Err(UpstreamError::Failed(format!("its answer is not HTTP: {why}"))),
                },
                Framing::UntilClose if !self.inbox.is_empty() => {
                    return Ok(Some(self.inbox.split().freeze()));
                }
                Framing::Length(_) | Framing::UntilClose => {}
            }
            self.inbox.reserve(READ);
            let read = self
                .stream
                .read_buf(&mut self.inbox)
                .await
                .map_err(|error| UpstreamError::Failed(format!("its answer broke off: {error}")))?;
            if read == 0 {
                return match self.framing {
                    Framing::UntilClose => Ok(None),
                    Framing::Length(_) | Framing::Chunked(_) => Err(UpstreamError::Failed(
                        "it closed the connection in the middle of its answer".into(),
                    )),
                };
            }
        }
    }
}
