//! Answers to the sender: our own, and those of the upstream.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::headers::each_answer_field;
use super::session::{Fields, Length, Lines, Session};
use super::upstream::{self, Pool};
use crate::admit::Reason;

/// Tells the sender when to try again; below the shortest retry delay of any known sender.
const RETRY_AFTER_SECONDS: &str = "1";

const JSON: HeaderValue = HeaderValue::from_static("application/json");

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

/// Writes a whole reply. Returns the bytes of body sent.
///
/// # Errors
/// When the sender is gone.
pub(super) async fn reply(session: &mut Session, reply: &Reply) -> io::Result<u64> {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let sent = u64::try_from(reply.body.len()).unwrap_or(u64::MAX);
    let length = if is_bare(status) { Length::Absent } else { Length::Known(sent) };
    let fields = |lines: &mut Lines<'_>| {
        if let Some(content_type) = &reply.content_type {
            lines.put(b"Content-Type", content_type.as_bytes());
            lines.put(b"X-Content-Type-Options", b"nosniff");
        }
        for (name, value) in &reply.fields {
            lines.put(name.as_str().as_bytes(), value.as_bytes());
        }
    };
    session.answer(status, length, fields, reply.body.clone(), true).await?;
    Ok(sent)
}

/// Whether an answer with this status has no body and no length.
fn is_bare(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// What of an upstream's answer was read before it went on to the sender.
pub(super) struct Passed {
    pub(super) status: StatusCode,
    pub(super) fields: Fields,
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
    session: &mut Session,
    pool: &Pool,
    answer: Passed,
    within: Duration,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let started = u64::try_from(answer.start.len()).unwrap_or(u64::MAX);
    let length = if session.head().method == Method::HEAD {
        // What a GET would have had; there is no body here to measure.
        Length::Told(answer.fields.value("content-length"))
    } else if is_bare(answer.status) {
        Length::Absent
    } else {
        match &answer.rest {
            None => Length::Known(started),
            Some(rest) => {
                rest.length().map_or(Length::Unknown, |left| Length::Known(left.saturating_add(started)))
            }
        }
    };
    let has_body = !matches!(length, Length::Told(_) | Length::Absent);
    let fields =
        |lines: &mut Lines<'_>| each_answer_field(&answer.fields, |name, value| lines.put(name, value));
    let start = if has_body { answer.start } else { Bytes::new() };
    session.answer(answer.status, length, fields, start, answer.rest.is_none()).await?;
    let mut sent = started;
    if let Some(mut rest) = answer.rest {
        let passing = async {
            while let Some(piece) = rest.next().await.map_err(|error| error.to_string())? {
                sent = sent.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                if has_body {
                    session.answer_more(piece).await?;
                }
            }
            Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
        };
        tokio::time::timeout(within, passing).await.map_err(|_| "the answer took too long")??;
        rest.release(pool).await;
    }
    Ok(sent)
}
