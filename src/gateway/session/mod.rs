//! One sender's session: requests as they arrive and answers as they leave, over HTTP/1 or HTTP/2.
//!
//! HTTP/2 is Pingora's. HTTP/1 is read and written here: Pingora's session mends request lines, merges lengths and drops
//! fragments, which a gateway has to refuse, so every head had to be read twice; and what is only passed on does not
//! have to become a map of headers first.

mod answer;
mod fields;
mod head;
mod http1;
mod http2;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use super::framing::Problem;
use super::patience::Patience;
use crate::admit::Reason;
use crate::config::Limits;

pub(super) use answer::{Length, Lines, WRITE_TIMEOUT};
pub(super) use fields::{Fields, Places, put_line};
pub(super) use head::{Head, MAX_FIELDS};
pub(super) use http1::Http1;
pub(super) use http2::Http2;

/// How long a connection may be idle between two requests.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(60);

/// How much of an unread body is taken in after an early answer, and for how long, before a connection or stream is
/// closed: closing on unread bytes resets it, and the reset can overtake the answer.
const LINGER_BYTES: usize = 512 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// A request under way.
pub(super) enum Session {
    Http1(Box<Http1>),
    Http2(Box<Http2>),
}

/// What came of waiting for a head.
pub(super) enum Arrival {
    /// A request.
    Complete,
    /// Nothing: the connection was closed or idle for too long.
    Gone,
    /// Something that gets an answer and nothing else.
    Refused { reason: Reason, status: u16, why: &'static str },
}

/// What comes next of a body.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// More of it, which the session keeps until the body is whole.
    Next(&'a [u8]),
    /// All of it, in pieces that were shown before.
    Whole(Bytes),
    /// More of it, which the session does not keep.
    Copy(Bytes),
    /// Nothing.
    End,
}

/// Why a body does not go on.
#[derive(Debug)]
pub(super) enum Broken {
    /// The sender hung up.
    Gone,
    /// Nothing came for too long.
    TimedOut,
    /// What came is no body.
    Framing(Problem),
}

impl Session {
    /// The head of the request.
    pub(super) fn head(&self) -> &Head {
        match self {
            Self::Http1(session) => &session.head,
            Self::Http2(session) => &session.head,
        }
    }

    /// Waits for the head of the next request.
    pub(super) async fn arrive(&mut self, limits: &Limits) -> Arrival {
        match self {
            Self::Http1(session) => session.arrive(limits).await,
            // HTTP/2 heads come complete, in frames that h2 bounds.
            Self::Http2(_) => Arrival::Complete,
        }
    }

    /// The address at the other end; `None` on a Unix socket.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Http1(session) => session.peer,
            Self::Http2(session) => session.peer(),
        }
    }

    /// Its timer, for work that also needs the session.
    pub(super) fn lend_patience(&mut self) -> Patience {
        match self {
            Self::Http1(session) => std::mem::take(&mut session.patience),
            Self::Http2(_) => Patience::default(),
        }
    }

    /// Takes its timer back.
    pub(super) fn take_back(&mut self, patience: Patience) {
        if let Self::Http1(session) = self {
            session.patience = patience;
        }
    }

    /// Waits for more of the body.
    ///
    /// # Errors
    /// When the sender hung up or what it sends is no body.
    pub(super) async fn more(&mut self) -> Result<Piece<'_>, Broken> {
        match self {
            Self::Http1(session) => session.more().await,
            Self::Http2(session) => session.more().await,
        }
    }

    /// Asks for the body with `100 Continue`.
    ///
    /// # Errors
    /// When the sender is gone.
    pub(super) async fn go_on(&mut self) -> std::io::Result<()> {
        match self {
            Self::Http1(session) => session.go_on().await,
            Self::Http2(session) => session.go_on().await,
        }
    }

    /// This is the last request of its connection.
    pub(super) fn close_after(&mut self) {
        match self {
            Self::Http1(session) => session.keep = false,
            // The other streams of the connection have nothing to do with this one.
            Self::Http2(_) => {}
        }
    }

    /// Takes in what has already arrived of a body that nobody will read.
    pub(super) async fn skim(&mut self) {
        if let Self::Http1(session) = self
            && !session.is_body_done()
        {
            session.skim().await;
            session.forget_body();
        }
    }

    /// Writes the end of the answer.
    ///
    /// # Errors
    /// When the sender is gone.
    pub(super) async fn end(&mut self) -> std::io::Result<()> {
        match self {
            Self::Http1(session) => session.end().await,
            Self::Http2(session) => session.end().await,
        }
    }

    /// Leaves the exchange after the end of its answer: gives the connection back if it can carry another request.
    pub(super) async fn finish(self) -> Option<Box<Http1>> {
        match self {
            Self::Http1(session) => {
                if session.keep {
                    return Some(session);
                }
                Box::pin(session.leave()).await;
                None
            }
            Self::Http2(session) => {
                // Boxed: it has more to wait for than all the rest, and hardly ever does.
                Box::pin(session.finish()).await;
                None
            }
        }
    }
}
