//! Undoing gzip, zlib and raw deflate, bounded.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// The largest text that is worth comparing: larger than any body the gateway takes by default.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The plain text of a compressed one; `None` if it is not compressed, or becomes larger than 64 MiB.
pub(super) fn inflate(compressed: &[u8]) -> Option<Vec<u8>> {
    match compressed {
        [0x1f, 0x8b, ..] => read(MultiGzDecoder::new(compressed)),
        [0x78, ..] => read(ZlibDecoder::new(compressed)).or_else(|| read(DeflateDecoder::new(compressed))),
        [] => None,
        _ => read(DeflateDecoder::new(compressed)),
    }
}

fn read(decoder: impl Read) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let length = decoder.take(LIMIT + 1).read_to_end(&mut plain).ok()?;
    (u64::try_from(length).is_ok_and(|length| length <= LIMIT) && !plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compressed_comes_back_and_text_is_not_taken_for_it() {
        assert_eq!(inflate(&super::super::testing::gzip(b"{\"id\":1}")).as_deref(), Some(&b"{\"id\":1}"[..]));
        assert_eq!(inflate(b"{\"id\":1}"), None);
        assert_eq!(inflate(b""), None);
    }
}
