//! The request line as it stands on the wire, before any parser has mended it.

/// The request line as it comes over the wire.
///
/// Pingora escapes what its parser does not like in a target and parses again, and drops a fragment; what was
/// verified and what was sent would then be two things. So the line is checked before Pingora sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RequestLine {
    /// Empty lines before it are skipped (RFC 9112 section 2.2).
    begun: bool,
    ended: bool,
    spaces: u8,
    broken: bool,
}

impl RequestLine {
    /// Takes the next bytes of the head.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                _ if self.ended => return,
                b'\r' | b'\n' if !self.begun => continue,
                b'\n' => self.ended = true,
                b'\r' => {}
                b' ' => self.spaces = self.spaces.saturating_add(1),
                b'#' => self.broken = true,
                0x21..=0x7e => {}
                _ => self.broken = true,
            }
            self.begun = true;
        }
    }

    /// Whether it is not `METHOD target VERSION` in printable ASCII.
    pub(super) fn is_broken(self) -> bool {
        self.broken || (self.ended && self.spaces != 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(line: &str) -> bool {
        let mut whole = RequestLine::default();
        whole.feed(line.as_bytes());
        // However the bytes are cut, the verdict is the same.
        let mut cut = RequestLine::default();
        for byte in line.as_bytes() {
            cut.feed(&[*byte]);
        }
        assert_eq!(whole, cut);
        whole.is_broken()
    }

    #[test]
    fn a_line_that_pingora_would_rewrite_is_broken() {
        for line in ["POST /a?b=c%20d HTTP/1.1\r\n", "\r\nPOST / HTTP/1.1\r\nX: #\x01\r\n", "POST /a HT"] {
            assert!(!broken(line), "{line:?}");
        }
        for line in [
            "POST /a#b HTTP/1.1\r\n",
            "POST /a b HTTP/1.1\r\n",
            "POST /\x01 HTTP/1.1\n",
            "POST\t/ HTTP/1.1\n",
            "POST /\n",
            "GET /é HTTP/1.1\n",
        ] {
            assert!(broken(line), "{line:?}");
        }
    }
}
