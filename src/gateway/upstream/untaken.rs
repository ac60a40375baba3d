//! Whether a request that got no answer may be sent again at once: only where the upstream evidently had not taken it.
//!
//! An upstream closes connections that were idle for some time, and the request can be on its way just then. It can also
//! end the connection because it fell over the request: sent again, that would be one event delivered twice, with the
//! same `sealpost-attempt`. A proxy must not repeat a POST on its own (RFC 9110 section 9.2.2), but may where it can tell
//! that the first one was never applied.

use std::io::{Error, ErrorKind};

use pingora::protocols::SocketDigest;

/// `TCP_CLOSE` of Linux: what a reset leaves.
const CLOSED: u8 = 7;

/// Whether the upstream cannot have taken all of a request after which its connection ended without a byte.
///
/// * Not all of it could be written: there was a body of known length, of which the end is missing.
/// * The connection was reset: bytes came to a socket that was closed, or lay there unread when it was closed. One that
///   is closed after everything was read, also by the end of its process, ends in order.
/// * It ended in order, and its system has not acknowledged all bytes: the end was sent before they came.
///
/// Ended in order after everything was acknowledged is taken for taken: the sender gets a 502 and decides.
pub(super) fn untaken(whole: bool, broke: Option<&Error>, socket: Option<&SocketDigest>) -> bool {
    let reset = |error: &Error| {
        matches!(
            error.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
        )
    };
    // Elsewhere than on Linux nothing is known, and all of this is 0.
    let unread = || {
        socket
            .and_then(SocketDigest::tcp_info)
            .is_some_and(|info| info.tcpi_state == CLOSED || info.tcpi_unacked > 0)
    };
    !whole || broke.is_some_and(reset) || unread()
}
