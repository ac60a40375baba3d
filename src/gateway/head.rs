//! Waiting for a request's head: idle connections may wait, a head that has begun may not take long.

use std::time::Duration;

use pingora::ErrorType;
use pingora::protocols::http::ServerSession;

use super::connection::Connection;
use crate::admit::Reason;
use crate::clock;
use crate::config::Limits;

/// How long a connection may be idle between two requests.
pub(super) const KEEPALIVE: Duration = Duration::from_secs(60);

/// What came of waiting for a head.
pub(super) enum Arrival {
    /// A request.
    Complete,
    /// Nothing: the connection was closed or idle for too long.
    Gone,
    /// Something that gets an answer and nothing else.
    Refused { reason: Reason, status: u16, why: String },
}

fn refused(reason: Reason, status: u16, why: impl Into<String>) -> Arrival {
    Arrival::Refused { reason, status, why: why.into() }
}

/// Reads the head of the next request.
pub(super) async fn read(session: &mut ServerSession, limits: &Limits) -> Arrival {
    // HTTP/2 heads come complete, in frames that h2 bounds.
    let watch = session.stream().and_then(Connection::watch);
    let Some(watch) = watch else {
        return match session.read_request().await {
            Ok(true) => Arrival::Complete,
            Ok(false) | Err(_) => Arrival::Gone,
        };
    };
    watch.expect_head(limits.headers);
    session.set_read_timeout(None);
    let read = {
        let read = session.read_request();
        let mut read = std::pin::pin!(read);
        let awaited = clock::monotonic();
        let mut patience = limits.header_timeout;
        loop {
            match tokio::time::timeout(patience, &mut read).await {
                Ok(read) => break read,
                Err(_) => match watch.head_begun() {
                    // It began while we waited: it has what is left of its time.
                    Some(begun) => match limits.header_timeout.checked_sub(begun.elapsed()) {
                        Some(left) if !left.is_zero() => patience = left,
                        _ => return refused(Reason::BodyTimeout, 408, "the head did not arrive in time"),
                    },
                    None if awaited.elapsed() >= KEEPALIVE => return Arrival::Gone,
                    None => patience = limits.header_timeout,
                },
            }
        }
    };
    match read {
        Ok(true) => {
            watch.head_done();
            if watch.request_line_broken() {
                return refused(
                    Reason::BadRequest,
                    400,
                    "the request line is not METHOD target VERSION in printable ASCII",
                );
            }
            let length = session.as_http1().map_or(0, |session| session.get_headers_raw_bytes().len());
            if length > limits.headers {
                return refused(Reason::BadRequest, 431, "the head is larger than limits.headers");
            }
            Arrival::Complete
        }
        Ok(false) => Arrival::Gone,
        Err(_) if watch.head_too_large() => {
            refused(Reason::BadRequest, 431, "the head is larger than limits.headers")
        }
        Err(error) if matches!(error.etype(), ErrorType::ConnectionClosed | ErrorType::ReadError) => {
            Arrival::Gone
        }
        Err(_) => refused(Reason::BadRequest, 400, "the head is not HTTP"),
    }
}
