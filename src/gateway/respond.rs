//! Answers to the sender, and leaving a connection so that the answer arrives.

use std::future::{Future as _, poll_fn};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode, Version};
use pingora::ErrorType;
use pingora::apps::{HttpPersistentSettings, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use tokio::io::AsyncReadExt as _;

use super::connection::Connection;
use super::headers::each_answer_field;
use super::upstream::{self, Pool};
use crate::admit::Reason;

/// Tells the sender when to try again; below the shortest retry delay of any known sender.
const RETRY_AFTER_SECONDS: &str = "1";

/// How much of an unread body is taken in after an early refusal, and for how long, before the connection is
/// closed: closing on unread bytes resets the connection, and the reset can overtake the answer.
const LINGER_BYTES: u64 = 512 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// How long a sender may take to accept a piece of its answer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How much of an unread body is taken in without waiting, to keep the connection.
const SKIM_BYTES: usize = 64 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A short answer of our own or a stored one.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: Option<HeaderValue>,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

impl Reply {
    /// JSON on one line.
    pub(super) fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, content_type: Some(JSON), fields: Vec::new(), body: body.into() }
    }

    /// A refusal: `{"error":"…"}`, the same bytes for every reason that shares a text.
    pub(super) fn refusal(reason: Reason, status: u16) -> Self {
        let mut reply = Self::json(status, format!("{{\"error\":\"{}\"}}", reason.text()));
        if status == 503 {
            reply.fields.push((RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS)));
        }
        reply
    }

    /// Adds a field.
    pub(super) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.push((name, value));
        self
    }
}

/// Asks for the body with `100 Continue`.
///
/// # Errors
/// When the sender is gone.
pub(super) async fn go_on(session: &mut ServerSession) -> pingora::Result<()> {
    // Pingora takes any answer before the end of the body for a final one and would close the connection after it.
    session.set_close_on_response_before_downstream_finish(false);
    let written = tokio::time::timeout(WRITE_TIMEOUT, session.write_continue_response()).await;
    session.set_close_on_response_before_downstream_finish(true);
    written.unwrap_or_else(|_| Err(pingora::Error::new(ErrorType::WriteTimedout)))
}

/// Writes a whole reply. Returns the bytes of body sent.
///
/// # Errors
/// When the sender is gone.
pub(super) async fn reply(session: &mut ServerSession, reply: &Reply) -> pingora::Result<u64> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut head = ResponseHeader::build(status, Some(8))?;
    if let Some(content_type) = &reply.content_type {
        head.append_header(CONTENT_TYPE, content_type.clone())?;
        head.append_header("x-content-type-options", NOSNIFF)?;
    }
    for (name, value) in &reply.fields {
        head.append_header(name.clone(), value.clone())?;
    }
    let no_body = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if !no_body {
        head.append_header(CONTENT_LENGTH, HeaderValue::from(reply.body.len()))?;
    }
    write_head(session, head).await?;
    if !no_body && !is_head(session) && !reply.body.is_empty() {
        session.write_response_body(reply.body.clone(), true).await?;
    }
    Ok(u64::try_from(reply.body.len()).unwrap_or(u64::MAX))
}

/// Whether a body has to be held back. Over HTTP/1 Pingora does that itself, also when there is no readable head.
fn is_head(session: &ServerSession) -> bool {
    session.as_http2().is_some_and(|session| session.req_header().method == http::Method::HEAD)
}

/// Pingora bounds the writing of a body but not that of a head, which waits for a sender that reads nothing.
async fn write_head(session: &mut ServerSession, head: ResponseHeader) -> pingora::Result<()> {
    match tokio::time::timeout(WRITE_TIMEOUT, session.write_response_header(Box::new(head))).await {
        Ok(written) => written,
        Err(_) => Err(pingora::Error::new(ErrorType::WriteTimedout)),
    }
}

/// What of an upstream's answer was read before it went on to the sender.
pub(super) struct Passed {
    pub(super) status: StatusCode,
    pub(super) headers: http::HeaderMap,
    /// The beginning of the body; all of it when `rest` is `None`.
    pub(super) start: Bytes,
    /// What is still to be read from the upstream.
    pub(super) rest: Option<upstream::AnswerBody>,
}

/// Passes an upstream's answer on, the rest of a long one `within` this time. Returns the bytes of body sent.
///
/// # Errors
/// When the sender is gone, or the upstream breaks off or stalls in the middle of a long body; the connection is
/// then unusable and has to be cut, which is how the sender learns of it.
pub(super) async fn pass_on(
    session: &mut ServerSession,
    pool: &Pool,
    answer: Passed,
    within: Duration,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let head_request = session.req_header().method == http::Method::HEAD;
    let mut head = ResponseHeader::build(answer.status, Some(answer.headers.len().saturating_add(4)))?;
    let mut built = Ok(());
    each_answer_field(&answer.headers, |name, value| {
        if built.is_ok() {
            built = head.append_header(name.clone(), value.clone()).map(drop);
        }
    });
    built?;
    let without_body = answer.status == StatusCode::NO_CONTENT || answer.status == StatusCode::NOT_MODIFIED;
    let length = match &answer.rest {
        None => Some(u64::try_from(answer.start.len()).unwrap_or(u64::MAX)),
        Some(rest) => {
            rest.length().map(|left| left.saturating_add(u64::try_from(answer.start.len()).unwrap_or(0)))
        }
    };
    if head_request {
        // What a GET would have had; there is no body here to measure.
        if let Some(length) = answer.headers.get(CONTENT_LENGTH) {
            head.append_header(CONTENT_LENGTH, length.clone())?;
        }
    } else if let Some(length) = length.filter(|_| !without_body) {
        head.append_header(CONTENT_LENGTH, HeaderValue::from(length))?;
    } else if !without_body && session.req_header().version == Version::HTTP_11 {
        head.append_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    }
    write_head(session, head).await?;
    let mut sent = u64::try_from(answer.start.len()).unwrap_or(u64::MAX);
    let last = answer.rest.is_none();
    if !head_request && !without_body && !answer.start.is_empty() {
        session.write_response_body(answer.start, last).await?;
    }
    if let Some(mut rest) = answer.rest {
        let passing = async {
            while let Some(piece) = rest.next().await.map_err(|error| error.to_string())? {
                sent = sent.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                if !piece.is_empty() {
                    session.write_response_body(piece, false).await?;
                }
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        };
        tokio::time::timeout(within, passing).await.map_err(|_| "the answer took too long")??;
        rest.release(pool).await;
    }
    Ok(sent)
}

/// Ends the exchange: hands the connection back for the next request if it can carry one.
pub(super) async fn finish(mut session: ServerSession) -> Option<ReusedHttpStream> {
    // Over HTTP/2 a stream that is dropped now is reset, which some clients take for the loss of the answer before it.
    if !session.is_body_done() {
        Box::pin(linger(&mut session)).await;
        return None;
    }
    let settings = HttpPersistentSettings::for_session(&session);
    let finished = tokio::time::timeout(WRITE_TIMEOUT, session.finish()).await;
    let reusable = finished.ok()?.ok().flatten()?;
    Some(ReusedHttpStream::from_reusable_stream(reusable, settings))
}

/// Takes in what has already arrived of a body that nobody will read, without waiting for more.
///
/// A refusal by the head alone then leaves the connection usable where the sender sent head and body together.
pub(super) async fn skim(session: &mut ServerSession) {
    let mut taken = 0;
    while taken < SKIM_BYTES && !session.is_body_done() {
        // A read that has to wait is dropped; it has taken nothing then.
        let ready = {
            let mut read = std::pin::pin!(session.read_request_body());
            poll_fn(|cx| Poll::Ready(read.as_mut().poll(cx))).await
        };
        match ready {
            Poll::Ready(Ok(Some(chunk))) => taken += chunk.len().max(1),
            // What comes after broken framing is nobody's next request.
            Poll::Ready(Err(_)) => return session.set_keepalive(None),
            Poll::Ready(Ok(None)) | Poll::Pending => return,
        }
    }
}

/// Ends a connection whose head could not be read, so that there is no body to speak of: says goodbye on our side,
/// then takes in a bounded rest of whatever is on its way.
pub(super) async fn leave(session: ServerSession) {
    let ServerSession::H1(mut session) = session else { return };
    let leaving = async {
        let _ = session.finish_body().await;
        session.shutdown().await;
        let mut stream = session.into_inner();
        if let Some(watch) = Connection::watch(&stream) {
            watch.head_done();
        }
        let mut piece = [0; 4096];
        let mut taken = 0_u64;
        while taken < LINGER_BYTES {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => break,
                Ok(count) => taken = taken.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, leaving).await;
}

/// Says goodbye on our side, then takes in a bounded rest of the body so that the answer is not reset away.
async fn linger(session: &mut ServerSession) {
    let goodbye = async {
        let _ = session.finish_body().await;
        session.shutdown().await;
    };
    if tokio::time::timeout(WRITE_TIMEOUT, goodbye).await.is_err() {
        return;
    }
    let drain = async {
        let mut taken = 0_u64;
        while taken < LINGER_BYTES {
            match session.read_request_body().await {
                Ok(Some(chunk)) => {
                    taken = taken.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX))
                }
                Ok(None) | Err(_) => break,
            }
        }
    };
    let _ = tokio::time::timeout(LINGER, drain).await;
}
