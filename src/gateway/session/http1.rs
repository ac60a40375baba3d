//! One HTTP/1 connection: heads and bodies as they arrive, answers in one write.

use std::future::{Future as _, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use pingora::protocols::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::answer::Outgoing;
use super::head::Head;
use super::{Arrival, Broken, KEEPALIVE, LINGER, LINGER_BYTES, Piece, WRITE_TIMEOUT};
use crate::admit::Reason;
use crate::clock;
use crate::config::Limits;
use crate::gateway::chunked::{Chunked, Step};
use crate::gateway::framing::{Framing, Problem};
use crate::gateway::patience::Patience;
use crate::gateway::state::ConnectionPermit;

/// How much room the first read of a head has. Most requests fit; a connection that waits holds no room at all.
const FIRST_READ: usize = 4 * 1024;

/// A body up to this length gets its room at once, a longer one as it really arrives.
const FIRST_ALLOTMENT: usize = 64 * 1024;

/// How much of an unread body is taken in without waiting, to keep the connection.
const SKIM_BYTES: usize = 64 * 1024;

/// A connection and the request that is under way on it.
pub(in crate::gateway) struct Http1 {
    pub(super) stream: Stream,
    /// What was read and not taken yet; of a body with a length, all of it that has come.
    inbox: BytesMut,
    pub(super) head: Head,
    body: Incoming,
    /// Whether the connection may carry another request.
    pub(super) keep: bool,
    /// Whether the sender knows that this is the last request of the connection.
    last: bool,
    pub(super) peer: Option<IpAddr>,
    /// How the body of the answer is written.
    pub(super) outgoing: Outgoing,
    /// How long all this may take.
    pub(super) patience: Patience,
    _permit: ConnectionPermit,
}

/// Where the body of the request stands.
#[derive(Debug)]
enum Incoming {
    /// `come` of `length` bytes are at the beginning of the inbox.
    Length { length: u64, come: usize },
    /// The length is said on the way.
    Chunked(Chunked),
    /// Nothing is left of it, or there was none.
    Done,
}

impl Http1 {
    /// A connection on which nothing has been read.
    pub(in crate::gateway) fn new(stream: Stream, permit: ConnectionPermit) -> Self {
        let digest = stream.get_socket_digest();
        let address = digest.as_ref().and_then(|digest| digest.peer_addr()).and_then(|peer| peer.as_inet());
        let peer = address.map(std::net::SocketAddr::ip);
        Self {
            stream,
            inbox: BytesMut::new(),
            head: Head::none(),
            body: Incoming::Done,
            keep: true,
            last: false,
            peer,
            outgoing: Outgoing::Whole,
            patience: Patience::default(),
            _permit: permit,
        }
    }

    /// Reads the head of the next request: an idle connection may wait, a head that has begun may not take long.
    pub(in crate::gateway) async fn arrive(&mut self, limits: &Limits) -> Arrival {
        // The last request's head and buffer are not held while nothing comes, nor taken for those of the next.
        self.head = Head::none();
        // Some senders put an empty line behind a body; it is no beginning of a request (RFC 9112 section 2.2).
        if matches!(&*self.inbox, b"" | b"\r\n") {
            self.inbox = BytesMut::new();
            match self.read_within(KEEPALIVE).await {
                Some(Ok(1..)) => {}
                Some(Ok(0) | Err(_)) | None => return Arrival::Gone,
            }
        }
        let begun = clock::monotonic();
        // A head that comes in crumbs is not parsed anew for each of them: only when it may have ended, and now and then
        // to see whether it is a head at all.
        let (mut seen, mut again) = (0, 0);
        loop {
            let worth = self.inbox.len() >= again || may_end(self.inbox.get(seen..).unwrap_or_default());
            seen = self.inbox.len().saturating_sub(END_LENGTH);
            // More than one empty line is nothing that a request begins with, and would be passed over again and again.
            if self.inbox.starts_with(b"\r\n\r\n") || self.inbox.starts_with(b"\n") {
                return self.refused(Reason::BadRequest, 400, "the head begins with empty lines");
            }
            match if worth { Head::take(&mut self.inbox) } else { Ok(None) } {
                // The connection ends after a refusal: where the next request would begin is anybody's guess.
                Err(why) => return self.refused(Reason::BadRequest, 400, why),
                Ok(None) if self.inbox.len() > limits.headers => return self.too_large(),
                Ok(None) if worth => again = self.inbox.len().saturating_mul(2),
                Ok(None) => {}
                Ok(Some(parsed)) => {
                    (self.keep, self.last) = (parsed.keep, !parsed.keep);
                    self.body = match parsed.framing {
                        Framing::Length(0) => Incoming::Done,
                        Framing::Length(length) => Incoming::Length { length, come: 0 },
                        Framing::Chunked => Incoming::Chunked(Chunked::Size),
                    };
                    self.head = parsed.head;
                    if self.head.fields.length() > limits.headers {
                        return self.too_large();
                    }
                    return Arrival::Complete;
                }
            }
            let left = limits.header_timeout.saturating_sub(begun.elapsed());
            match self.read_within(left).await {
                Some(Ok(1..)) => {}
                Some(Ok(0) | Err(_)) => return Arrival::Gone,
                None => {
                    return self.refused(Reason::BodyTimeout, 408, "the head did not arrive in time");
                }
            }
        }
    }

    fn too_large(&mut self) -> Arrival {
        self.refused(Reason::BadRequest, 431, "the head is larger than limits.headers")
    }

    fn refused(&mut self, reason: Reason, status: u16, why: Problem) -> Arrival {
        (self.keep, self.last) = (false, false);
        Arrival::Refused { reason, status, why }
    }

    /// Waits for more of the body.
    ///
    /// # Errors
    /// When the sender hung up or the coding is broken.
    pub(in crate::gateway) async fn more(&mut self) -> Result<Piece<'_>, Broken> {
        loop {
            match &mut self.body {
                Incoming::Done => return Ok(Piece::End),
                Incoming::Length { length, come } => {
                    let length = usize::try_from(*length).unwrap_or(usize::MAX);
                    let here = self.inbox.len().min(length);
                    if here > *come {
                        let from = std::mem::replace(come, here);
                        return Ok(Piece::Next(self.inbox.get(from..here).unwrap_or_default()));
                    }
                    if here == length {
                        // What came behind it goes into a buffer of its own: this one lives as long as the body that
                        // is counted, and no longer.
                        let rest = BytesMut::from(self.inbox.get(length..).unwrap_or_default());
                        let mut whole = std::mem::replace(&mut self.inbox, rest);
                        whole.truncate(length);
                        self.body = Incoming::Done;
                        return Ok(Piece::Whole(whole.freeze()));
                    }
                    // Declaring a length has to cost a stranger as much as it costs us.
                    let room = here.saturating_mul(3).max(FIRST_ALLOTMENT).min(length.saturating_sub(here));
                    self.body_bytes(room).await?;
                }
                Incoming::Chunked(chunked) => {
                    match chunked.step(&mut self.inbox).map_err(Broken::Framing)? {
                        Step::Data(data) => return Ok(Piece::Copy(data)),
                        Step::End => self.body = Incoming::Done,
                        Step::More => self.body_bytes(FIRST_READ).await?,
                    }
                }
            }
        }
    }

    /// Whether the whole body has been taken.
    pub(in crate::gateway) fn is_body_done(&self) -> bool {
        matches!(self.body, Incoming::Done)
    }

    /// Asks for the body (RFC 9110 section 10.1.1).
    ///
    /// # Errors
    /// When the sender is gone.
    pub(in crate::gateway) async fn go_on(&mut self) -> io::Result<()> {
        self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await
    }

    /// Takes in what has already arrived of a body that nobody will read, without waiting for more.
    ///
    /// A refusal by the head alone then leaves the connection usable where the sender sent head and body together.
    pub(in crate::gateway) async fn skim(&mut self) {
        let mut taken = 0_usize;
        while taken < SKIM_BYTES {
            let next = {
                let mut more = pin!(self.more());
                poll_fn(|cx| {
                    Poll::Ready(match more.as_mut().poll(cx) {
                        Poll::Ready(Ok(Piece::Next(bytes))) => Some(Ok(bytes.len())),
                        Poll::Ready(Ok(Piece::Copy(bytes))) => Some(Ok(bytes.len())),
                        Poll::Ready(Err(_)) => Some(Err(())),
                        Poll::Ready(Ok(Piece::Whole(_) | Piece::End)) | Poll::Pending => None,
                    })
                })
                .await
            };
            match next {
                Some(Ok(count)) => taken = taken.saturating_add(count.max(1)),
                // What comes after broken framing is nobody's next request.
                Some(Err(())) => return self.keep = false,
                None => return,
            }
        }
    }

    /// Ends the connection so that the last answer arrives: says goodbye on our side, then takes in a bounded rest of
    /// whatever is on its way.
    pub(in crate::gateway) async fn leave(mut self) {
        // Who asked for the end has sent nothing else that could turn it into a reset.
        let expected = self.last && self.is_body_done() && self.inbox.is_empty();
        let goodbye = pingora::protocols::Shutdown::shutdown(self.stream.as_mut());
        if timeout(WRITE_TIMEOUT, goodbye).await.is_err() || expected {
            return;
        }
        let drain = async {
            let mut taken = 0_usize;
            while taken < LINGER_BYTES {
                self.inbox.clear();
                self.inbox.reserve(FIRST_READ);
                match self.stream.read_buf(&mut self.inbox).await {
                    Ok(0) | Err(_) => break,
                    Ok(count) => taken = taken.saturating_add(count),
                }
            }
        };
        let _ = timeout(LINGER, drain).await;
    }

    /// Writes all of it and sends it off.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { stream, patience, .. } = self;
        let writing = pin!(async {
            stream.write_all(bytes).await?;
            stream.flush().await
        });
        patience.within(WRITE_TIMEOUT, writing).await.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn body_bytes(&mut self, room: usize) -> Result<(), Broken> {
        self.inbox.reserve(room);
        // Not more than that: what follows the body is read when its turn comes.
        match self.stream.read_buf(&mut (&mut self.inbox).limit(room)).await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(Broken::Gone),
        }
    }

    /// Lets go of what came of a body that nobody will read. The connection ends after the answer.
    pub(in crate::gateway) fn forget_body(&mut self) {
        if !self.is_body_done() {
            self.inbox = BytesMut::new();
            self.keep = false;
        }
    }

    /// Reads a little more; `None` when nothing came within this time.
    async fn read_within(&mut self, limit: Duration) -> Option<io::Result<usize>> {
        let Self { stream, inbox, patience, .. } = self;
        inbox.reserve(FIRST_READ);
        patience.within(limit, pin!(stream.read_buf(inbox))).await
    }
}

/// How much of the bytes before is looked at again for the end of a head.
const END_LENGTH: usize = 3;

/// Whether an empty line is among these bytes of a head.
fn may_end(bytes: &[u8]) -> bool {
    bytes.windows(END_LENGTH).any(|end| end == b"\n\r\n" || end.ends_with(b"\n\n"))
}
