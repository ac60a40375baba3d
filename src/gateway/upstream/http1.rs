//! One HTTP/1.1 exchange with a plain upstream (TCP or Unix socket) on a pooled stream.
//!
//! Head and body leave in one write, and the answer is heard while a long body is still being written: an
//! upstream may answer, and stop reading, before it has seen all of it.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use http::{Method, StatusCode, Version};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::answer::{Answer, Body, Framing, Plain, length};
use super::untaken::untaken;
use super::{Outbound, Peer, Pool, UpstreamError};
use crate::gateway::chunked::Chunked;
use crate::gateway::framing;
use crate::gateway::headers;
use crate::gateway::session::{Fields, Places};

/// The largest head of an answer.
const HEAD_LIMIT: usize = 64 * 1024;
/// The most headers of an answer.
const MAX_HEADERS: usize = 128;
/// The most 1xx answers before the final one.
const MAX_INTERIM: u32 = 16;
/// Bodies up to this size are copied behind the head and leave in one write.
const ONE_WRITE: usize = 32 * 1024;
const FIRST_READ: usize = 2048;
/// How long an upstream that has answered 2xx early may take no more of the body before the rest is kept back.
const STALL: Duration = Duration::from_secs(5);

/// Why an attempt failed, and whether the upstream can have acted on it.
struct Attempt {
    error: UpstreamError,
    /// Not one byte of an answer came, and not all of the request was taken.
    untaken: bool,
}

/// Sends on a kept connection if there is one, otherwise, or if that one was closed before it took the request, on a new
/// one.
pub(super) async fn send(pool: &Pool, peer: &Peer, outbound: &Outbound<'_>) -> Result<Answer, UpstreamError> {
    if let Some(stream) = pool.kept(peer).await {
        match exchange(stream, peer, outbound).await {
            Ok(answer) => return Ok(answer),
            Err(attempt) if attempt.untaken => {}
            Err(attempt) => return Err(attempt.error),
        }
    }
    // Boxed, as everything rare and large: a future is as large as its largest part, on every open connection.
    let stream = Box::pin(pool.connect(peer)).await?;
    exchange(stream, peer, outbound).await.map_err(|attempt| attempt.error)
}

async fn exchange(mut stream: Stream, peer: &Peer, outbound: &Outbound<'_>) -> Result<Answer, Attempt> {
    let mut inbox = BytesMut::new();
    let mut late = None;
    let written = write(&mut stream, outbound, &mut inbox, &mut late).await;
    let (status, fields, keep) = match read_head(&mut stream, &mut inbox).await {
        Ok(Head::Final(status, fields, keep)) => (status, fields, keep),
        Ok(Head::None(broke)) => {
            let broke = late.or(broke);
            let why = match written.as_ref().err().or(broke.as_ref()) {
                Some(error) => format!("it broke off before answering: {error}"),
                None => "it closed the connection without an answer".to_owned(),
            };
            let whole = matches!(written, Ok(true));
            let untaken = untaken(whole, broke.as_ref(), stream.get_socket_digest().as_deref());
            return Err(Attempt { error: UpstreamError::Failed(why), untaken });
        }
        Err(error) => return Err(Attempt { error, untaken: false }),
    };
    let (framing, framed) = framing_of(&outbound.head.method, status, &fields)
        .map_err(|why| Attempt { error: UpstreamError::Failed(why.into()), untaken: false })?;
    // A body that was not written to its end leaves the connection in the middle of a request.
    let keep = keep && framed && matches!(written, Ok(true));
    let body = Body::Plain(Box::new(Plain { stream, inbox, framing, keep, key: peer.key() }));
    Ok(Answer { status, fields, body })
}

/// Writes the request; `Ok(false)` when its final answer began, or it closed, before the body was written to its end.
///
/// A 1xx changes nothing, and after an early 2xx the rest of the body still goes out: an event that the upstream
/// accepts while it reads is counted as seen, so it has to get all of it.
///
/// A broken write is not final: the upstream may have answered and closed before it read everything. What broke the
/// connection after all was written goes into `broke`.
async fn write(
    stream: &mut Stream,
    outbound: &Outbound<'_>,
    inbox: &mut BytesMut,
    broke: &mut Option<std::io::Error>,
) -> std::io::Result<bool> {
    let body = outbound.body;
    let small = body.len() <= ONE_WRITE;
    let mut head = BytesMut::with_capacity(1024 + if small { body.len() } else { 0 });
    headers::write_head(&mut head, outbound);
    if small {
        head.put_slice(body);
        stream.write_all(&head).await?;
        stream.flush().await?;
        return Ok(true);
    }
    stream.write_all(&head).await?;
    let mut rest = body;
    // Runs from an early 2xx on, and anew with every piece of the body that the upstream still takes.
    let mut stalled: Option<Pin<Box<tokio::time::Sleep>>> = None;
    let complete = poll_fn(|cx| {
        loop {
            if inbox.len() <= HEAD_LIMIT {
                // Here and not outside, where it would be a part of the future, and moved with it.
                let mut piece = [const { MaybeUninit::uninit() }; FIRST_READ];
                let mut heard = ReadBuf::uninit(&mut piece);
                match Pin::new(&mut *stream).poll_read(cx, &mut heard) {
                    // Once all of it was handed over it may have been taken, however the connection ends.
                    Poll::Ready(Ok(())) if heard.filled().is_empty() => {
                        return Poll::Ready(Ok(rest.is_empty()));
                    }
                    Poll::Ready(Ok(())) => {
                        inbox.extend_from_slice(heard.filled());
                        if stalled.is_none() {
                            match early(inbox) {
                                Early::Interim => {}
                                Early::Accepted => stalled = Some(Box::pin(tokio::time::sleep(STALL))),
                                Early::Final => return Poll::Ready(Ok(false)),
                            }
                        }
                        continue;
                    }
                    Poll::Ready(Err(error)) if rest.is_empty() => {
                        // It is told only once: whoever reads next finds an end in order.
                        *broke = Some(error);
                        return Poll::Ready(Ok(true));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            } else if stalled.is_none() {
                // Too much for a head; whoever reads it next says so.
                return Poll::Ready(Ok(false));
            }
            if rest.is_empty() {
                return Poll::Ready(Ok(true));
            }
            match Pin::new(&mut *stream).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    rest = rest.get(count..).unwrap_or_default();
                    if let Some(stalled) = &mut stalled {
                        stalled.as_mut().reset(tokio::time::Instant::now() + STALL);
                    }
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    let over = stalled.as_mut().is_some_and(|stalled| stalled.as_mut().poll(cx).is_ready());
                    return if over { Poll::Ready(Ok(false)) } else { Poll::Pending };
                }
            }
        }
    })
    .await?;
    if complete {
        stream.flush().await?;
    }
    // After an early answer nobody knows how far the upstream reads on: no second request is put behind this one.
    Ok(complete && stalled.is_none())
}

/// What the bytes heard while the body is being written come to.
enum Early {
    /// Nothing final yet: 1xx answers, or part of a head.
    Interim,
    /// A 2xx.
    Accepted,
    /// Any other answer, or something that is none.
    Final,
}

fn early(mut inbox: &[u8]) -> Early {
    loop {
        match parse_head(inbox) {
            Ok(None) => return Early::Interim,
            Ok(Some(Parsed { length, status, .. }))
                if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS =>
            {
                inbox = inbox.get(length..).unwrap_or_default();
            }
            Ok(Some(Parsed { status, .. })) if status.is_success() => return Early::Accepted,
            Ok(Some(_)) | Err(_) => return Early::Final,
        }
    }
}

/// What was read of an answer's head.
#[allow(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Head {
    /// Status, header lines, and whether the connection may be kept.
    Final(StatusCode, Fields, bool),
    /// The connection ended before any byte came: in order, or by this.
    None(Option<std::io::Error>),
}

/// Reads up to the end of the final head.
async fn read_head(stream: &mut Stream, inbox: &mut BytesMut) -> Result<Head, UpstreamError> {
    let failed = |why: &str| UpstreamError::Failed(format!("its answer is not HTTP: {why}"));
    let mut interim = 0;
    loop {
        if !inbox.is_empty() {
            if let Some(Parsed { length, status, http_11, places }) =
                parse_head(inbox).map_err(|why| failed(&why))?
            {
                let raw = inbox.split_to(length).freeze();
                if !status.is_informational() {
                    let fields = Fields::new(raw, places);
                    let keep = keeps_alive(http_11, &fields);
                    return Ok(Head::Final(status, fields, keep));
                }
                interim += 1;
                if status == StatusCode::SWITCHING_PROTOCOLS || interim > MAX_INTERIM {
                    return Err(failed("it switches protocols or sends no final answer"));
                }
                continue;
            }
            if inbox.len() > HEAD_LIMIT {
                return Err(failed("its head is larger than 64 KiB"));
            }
        }
        inbox.reserve(FIRST_READ);
        match stream.read_buf(inbox).await {
            Ok(0) if inbox.is_empty() && interim == 0 => return Ok(Head::None(None)),
            Ok(0) => {
                return Err(UpstreamError::Failed(
                    "it closed the connection in the middle of its answer".into(),
                ));
            }
            Ok(_) => {}
            Err(error) if inbox.is_empty() && interim == 0 => return Ok(Head::None(Some(error))),
            Err(error) => return Err(UpstreamError::Failed(format!("its answer broke off: {error}"))),
        }
    }
}

/// The head of an answer in its buffer.
struct Parsed {
    length: usize,
    status: StatusCode,
    http_11: bool,
    places: Places,
}

fn parse_head(inbox: &[u8]) -> Result<Option<Parsed>, String> {
    let mut slots = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        inbox,
        &mut slots,
    );
    let httparse::Status::Complete(length) = parsed.map_err(|error| error.to_string())? else {
        return Ok(None);
    };
    let status =
        StatusCode::from_u16(response.code.unwrap_or_default()).map_err(|error| error.to_string())?;
    let places = Fields::find(inbox, response.headers)?;
    Ok(Some(Parsed { length, status, http_11: response.version == Some(1), places }))
}

fn keeps_alive(http_11: bool, fields: &Fields) -> bool {
    framing::keeps_alive(if http_11 { Version::HTTP_11 } else { Version::HTTP_10 }, fields)
}

/// Where the answer's body ends (RFC 9112 section 6.3), and whether the connection can be kept after it.
fn framing_of(method: &Method, status: StatusCode, fields: &Fields) -> Result<(Framing, bool), &'static str> {
    if method == Method::HEAD || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok((Framing::Length(0), true));
    }
    let mut codings = fields.all("transfer-encoding");
    if let Some(coding) = codings.next() {
        if !coding.eq_ignore_ascii_case(b"chunked") || codings.next().is_some() {
            return Err("its answer has a Transfer-Encoding other than chunked");
        }
        return Ok((Framing::Chunked(Chunked::Size), fields.all("content-length").next().is_none()));
    }
    Ok(length(fields)?.map_or((Framing::UntilClose, false), |length| (Framing::Length(length), true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_final_answer_ends_the_writing_and_a_2xx_does_not() {
        for (heard, interim, accepted) in [
            ("", true, false),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", true, false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 20", true, false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n", false, true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false, true),
            ("HTTP/1.1 413 Content Too Large\r\n\r\n", false, false),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", false, false),
            ("nonsense\r\n\r\n", false, false),
        ] {
            let early = early(heard.as_bytes());
            assert_eq!(matches!(early, Early::Interim), interim, "{heard}");
            assert_eq!(matches!(early, Early::Accepted), accepted, "{heard}");
        }
    }
}
