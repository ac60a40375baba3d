//! One stream of HTTP/2, which Pingora and h2 speak.

use std::io;
use std::net::IpAddr;

use bytes::Bytes;
use http::Method;
use pingora::ErrorType;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use tokio::time::timeout;

use super::head::Head;
use super::{Broken, LINGER, LINGER_BYTES, Piece, WRITE_TIMEOUT};

/// A stream and its request.
pub(in crate::gateway) struct Http2 {
    inner: ServerSession,
    pub(super) head: Head,
}

impl Http2 {
    /// The request on a stream whose head is there. `None` for anything but HTTP/2.
    pub(in crate::gateway) fn new(mut inner: ServerSession) -> Option<Self> {
        let head = Head::of_http2(inner.as_http2()?.req_header());
        inner.set_write_timeout(Some(WRITE_TIMEOUT));
        Some(Self { inner, head })
    }

    pub(super) fn peer(&self) -> Option<IpAddr> {
        let address = self.inner.client_addr()?.as_inet()?;
        Some(address.ip())
    }

    pub(super) async fn more(&mut self) -> Result<Piece<'_>, Broken> {
        match self.inner.read_request_body().await {
            Ok(Some(bytes)) => Ok(Piece::Copy(bytes)),
            Ok(None) => Ok(Piece::End),
            Err(error) => Err(match error.etype() {
                ErrorType::ReadTimedout => Broken::TimedOut,
                ErrorType::ConnectionClosed | ErrorType::ReadError => Broken::Gone,
                _ => Broken::Framing("the body's framing is broken"),
            }),
        }
    }

    pub(super) async fn go_on(&mut self) -> io::Result<()> {
        // Pingora takes any answer before the end of the body for a final one.
        self.inner.set_close_on_response_before_downstream_finish(false);
        let written = timeout(WRITE_TIMEOUT, self.inner.write_continue_response()).await;
        self.inner.set_close_on_response_before_downstream_finish(true);
        written?.map_err(io::Error::other)
    }

    pub(super) async fn write_head(&mut self, head: ResponseHeader) -> io::Result<()> {
        // Pingora bounds the writing of a body but not that of a head, which waits for a sender that reads nothing.
        timeout(WRITE_TIMEOUT, self.inner.write_response_header(Box::new(head)))
            .await?
            .map_err(io::Error::other)
    }

    pub(super) async fn write_body(&mut self, piece: Bytes, last: bool) -> io::Result<()> {
        if self.head.method == Method::HEAD {
            return Ok(());
        }
        self.inner.write_response_body(piece, last).await.map_err(io::Error::other)
    }

    /// Ends the answer.
    pub(super) async fn end(&mut self) -> io::Result<()> {
        let ended = timeout(WRITE_TIMEOUT, self.inner.finish_body()).await?;
        ended.map(drop).map_err(io::Error::other)
    }

    /// Leaves the stream. One that is dropped with its body unread is reset, which some clients take for the loss of the
    /// answer before it.
    pub(super) async fn finish(mut self) {
        if self.inner.is_body_done() {
            let _ = timeout(WRITE_TIMEOUT, self.inner.finish()).await;
            return;
        }
        if timeout(WRITE_TIMEOUT, self.inner.shutdown()).await.is_err() {
            return;
        }
        let drain = async {
            let mut taken = 0_usize;
            while taken < LINGER_BYTES {
                match self.inner.read_request_body().await {
                    Ok(Some(bytes)) => taken = taken.saturating_add(bytes.len()),
                    Ok(None) | Err(_) => break,
                }
            }
        };
        let _ = timeout(LINGER, drain).await;
    }
}
