//! The chunked coding of a sender's body and of an upstream's answer (RFC 9112 section 7.1), strictly.

use bytes::{Buf, Bytes, BytesMut};

/// The longest chunk-size line (with extensions) and trailer line.
const LINE_LIMIT: usize = 4096;
/// All trailer lines together.
const TRAILER_LIMIT: usize = 16 * 1024;

/// Where in the coding the decoder stands.
#[derive(Debug)]
pub(super) enum Chunked {
    Size,
    Data(u64),
    DataEnd,
    Trailer { seen: usize },
    Done,
}

/// What the buffer yields.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Bytes of the body.
    Data(Bytes),
    /// More has to be read first.
    More,
    /// The body is complete.
    End,
}

impl Chunked {
    /// Takes the next piece out of `inbox`.
    ///
    /// # Errors
    /// What breaks the coding.
    pub(super) fn step(&mut self, inbox: &mut BytesMut) -> Result<Step, &'static str> {
        loop {
            match self {
                Self::Size => {
                    let Some(line) = take_line(inbox)? else { return Ok(Step::More) };
                    let size = parse_size(&line)?;
                    *self = if size == 0 { Self::Trailer { seen: 0 } } else { Self::Data(size) };
                }
                Self::Data(left) => {
                    if inbox.is_empty() {
                        return Ok(Step::More);
                    }
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(inbox.len());
                    *left = left.saturating_sub(u64::try_from(take).unwrap_or(u64::MAX));
                    if *left == 0 {
                        *self = Self::DataEnd;
                    }
                    return Ok(Step::Data(inbox.split_to(take).freeze()));
                }
                Self::DataEnd => {
                    if inbox.len() < 2 {
                        return Ok(Step::More);
                    }
                    if !inbox.starts_with(b"\r\n") {
                        return Err("a chunk does not end where its size says");
                    }
                    inbox.advance(2);
                    *self = Self::Size;
                }
                Self::Trailer { seen } => {
                    let Some(line) = take_line(inbox)? else { return Ok(Step::More) };
                    if line.is_empty() {
                        *self = Self::Done;
                        continue;
                    }
                    *seen += line.len();
                    if *seen > TRAILER_LIMIT {
                        return Err("too many trailers");
                    }
                }
                Self::Done => return Ok(Step::End),
            }
        }
    }
}

fn take_line(inbox: &mut BytesMut) -> Result<Option<BytesMut>, &'static str> {
    let Some(end) = inbox.iter().take(LINE_LIMIT).position(|byte| *byte == b'\n') else {
        return if inbox.len() >= LINE_LIMIT { Err("a chunk line is too long") } else { Ok(None) };
    };
    let mut line = inbox.split_to(end + 1);
    if !line.ends_with(b"\r\n") {
        return Err("a chunk line ends with a bare LF");
    }
    line.truncate(line.len().saturating_sub(2));
    if line.contains(&b'\r') {
        return Err("a chunk line holds a bare CR");
    }
    Ok(Some(line))
}

fn parse_size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err("a chunk size is not a number");
    }
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or("a chunk size is not a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds the wire bytes in pieces of `piece` and collects the body.
    fn decode(wire: &[u8], piece: usize) -> Result<Option<Vec<u8>>, &'static str> {
        let (mut decoder, mut inbox, mut body) = (Chunked::Size, BytesMut::new(), Vec::new());
        for part in wire.chunks(piece) {
            inbox.extend_from_slice(part);
            loop {
                match decoder.step(&mut inbox)? {
                    Step::Data(data) => body.extend_from_slice(&data),
                    Step::More => break,
                    Step::End => return Ok(Some(body)),
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn the_same_body_comes_out_however_the_wire_is_cut() {
        let wire = b"5;name=value\r\nhello\r\n00A\r\n, webhooks\r\n0\r\nTrailer: x\r\n\r\n";
        for piece in 1..=wire.len() {
            assert_eq!(decode(wire, piece), Ok(Some(b"hello, webhooks".to_vec())), "pieces of {piece}");
        }
    }

    #[test]
    fn broken_codings_are_errors_and_cut_ones_never_end() {
        for wire in [
            "x\r\n",
            "5\r\r\nhello\r\n",
            "-1\r\n",
            "5\nhello",
            "5\r\nhelloo\r\n",
            "\r\n",
            "ffffffffffffffff1\r\n",
            "0x5\r\n",
        ] {
            assert!(decode(wire.as_bytes(), 3).is_err(), "{wire:?}");
        }
        for wire in ["5\r\nhel", "5\r\nhello\r\n", "0\r\n", "0\r\nA: b\r\n"] {
            assert_eq!(decode(wire.as_bytes(), 4), Ok(None), "{wire:?}");
        }
        assert!(decode(&[b'1'; 5000], 512).is_err());
    }
}
