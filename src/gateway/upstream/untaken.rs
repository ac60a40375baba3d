//! Whether a request that got no answer may be sent again at once: only where the upstream evidently had not taken it.
//!
//! An upstream closes connections that were idle for some time, and the request can be on its way just then. It can also
//! end the connection because it fell over the request: sent again, that would be one event delivered twice, with the
//! same `sealpost-attempt`. A proxy must not repeat a POST on its own (RFC 9110 section 9.2.2), but may where it can tell
//! that the first one was never applied.

use std::io::{Error, ErrorKind};

use pingora::protocols::SocketDigest;

/// Whether the upstream cannot have taken all of a request after which its connection ended without a byte: in order, or
/// by the error `broke`.
///
/// * Not all of it could be written, or has left this system: there was a body of known length, of which the end is
///   missing.
/// * The connection ended in order, and what ended it does not acknowledge all bytes: the end was sent before they came.
///   That is so of every connection that an upstream closed while it was idle.
/// * A Unix socket was reset: it was closed with bytes unread. There is nothing else that resets one.
///
/// All else is taken for taken: the sender gets a 502 and decides. A TCP reset says nothing. It acknowledges nothing
/// either, so an upstream that read all and fell over it, one that closed with all unread, and one that had gone before
/// look the same.
pub(super) fn untaken(whole: bool, broke: Option<&Error>, socket: Option<&SocketDigest>) -> bool {
    if !whole {
        return true;
    }
    let Some(socket) = socket else { return false };
    let Some(tcp) = socket.tcp_info() else {
        return broke.is_some_and(|error| error.kind() == ErrorKind::ConnectionReset);
    };
    // The counts of bytes outlast the connection; those of segments do not. Elsewhere than on Linux, and on one before
    // 4.19, nothing is known and they are 0. What opened the connection counts as one byte acknowledged.
    let sent = tcp.tcpi_bytes_sent.saturating_sub(tcp.tcpi_bytes_retrans);
    tcp.tcpi_notsent_bytes > 0 || (broke.is_none() && tcp.tcpi_bytes_acked < sent)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";

    /// A connection on which one exchange has been made: our end and the upstream's.
    fn kept() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut theirs = listener.accept().unwrap().0;
        ours.write_all(REQUEST).unwrap();
        theirs.read_exact(&mut [0; REQUEST.len()]).unwrap();
        theirs.write_all(b"ok").unwrap();
        ours.read_exact(&mut [0; 2]).unwrap();
        (ours, theirs)
    }

    fn reset(theirs: TcpStream) {
        socket2::SockRef::from(&theirs).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// The verdict after the end of the connection was read.
    fn verdict(mut ours: TcpStream) -> bool {
        let broke = match ours.read(&mut [0]) {
            Ok(0) => None,
            Ok(_) => panic!("a byte of an answer"),
            Err(error) => Some(error),
        };
        untaken(true, broke.as_ref(), Some(&SocketDigest::from_raw_fd(ours.as_raw_fd())))
    }

    #[test]
    fn what_comes_to_a_connection_that_was_closed_while_idle_is_not_taken() {
        let (mut ours, theirs) = kept();
        drop(theirs);
        ours.write_all(REQUEST).unwrap();
        assert!(verdict(ours));
    }

    #[test]
    fn what_was_read_is_taken_however_the_connection_ends() {
        for end in [reset as fn(TcpStream), drop] {
            let (mut ours, mut theirs) = kept();
            ours.write_all(REQUEST).unwrap();
            theirs.read_exact(&mut [0; REQUEST.len()]).unwrap();
            end(theirs);
            assert!(!verdict(ours));
        }
    }

    #[test]
    fn what_was_acknowledged_and_not_read_may_have_been_taken() {
        let (mut ours, theirs) = kept();
        ours.write_all(REQUEST).unwrap();
        theirs.peek(&mut [0; REQUEST.len()]).unwrap();
        drop(theirs);
        assert!(!verdict(ours));
    }

    #[test]
    fn what_still_waited_here_for_its_turn_is_not_taken() {
        for end in [reset as fn(TcpStream), drop] {
            let (mut ours, mut theirs) = kept();
            ours.set_nonblocking(true).unwrap();
            // As much as there is room for, which is more than the other side takes unread.
            while ours.write(&[b'x'; 64 * 1024]).is_ok() {}
            ours.set_nonblocking(false).unwrap();
            theirs.read_exact(&mut [0; 1000]).unwrap();
            end(theirs);
            assert!(verdict(ours));
        }
    }

    #[test]
    fn a_unix_socket_is_reset_only_with_bytes_unread() {
        for unread in [0, 1] {
            let (mut ours, mut theirs) = UnixStream::pair().unwrap();
            ours.write_all(REQUEST).unwrap();
            theirs.read_exact(&mut vec![0; REQUEST.len() - unread]).unwrap();
            drop(theirs);
            let broke = ours.read(&mut [0]).err();
            let socket = SocketDigest::from_raw_fd(ours.as_raw_fd());
            assert_eq!(untaken(true, broke.as_ref(), Some(&socket)), unread > 0, "{broke:?}");
        }
    }

    #[test]
    fn a_request_that_could_not_be_written_to_its_end_is_not_taken() {
        assert!(untaken(false, None, None));
        assert!(!untaken(true, Some(&ErrorKind::ConnectionReset.into()), None));
    }
}
