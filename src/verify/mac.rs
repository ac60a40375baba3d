//! Running HMACs and digests of the SHA family behind one type, so that bytes can be fed as they come.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::encoding::Bytes;
use super::scheme::Sha;

/// Something that signed bytes can be written into.
pub(crate) trait Sink {
    fn write(&mut self, bytes: &[u8]);
}

/// A hash under way. For HMAC the key is already in it, so a copy starts a message without hashing the key again.
///
/// The wide hashes are boxed: hardly any sender uses them, and a request that is waiting holds room for the widest.
#[derive(Clone)]
pub(crate) enum State {
    HmacSha1(Hmac<Sha1>),
    HmacSha256(Hmac<Sha256>),
    HmacSha384(Box<Hmac<Sha384>>),
    HmacSha512(Box<Hmac<Sha512>>),
    Md5(Md5),
    Sha1(Sha1),
    Sha256(Sha256),
    Sha384(Box<Sha384>),
    Sha512(Box<Sha512>),
}

impl State {
    /// A HMAC with this key, before its first byte. `None` for MD5, of which no sender makes one; keys may have any length.
    pub(crate) fn hmac(sha: Sha, key: &[u8]) -> Option<Self> {
        match sha {
            Sha::Md5 => None,
            Sha::Sha1 => Hmac::new_from_slice(key).ok().map(Self::HmacSha1),
            Sha::Sha256 => Hmac::new_from_slice(key).ok().map(Self::HmacSha256),
            Sha::Sha384 => Hmac::new_from_slice(key).ok().map(|mac| Self::HmacSha384(Box::new(mac))),
            Sha::Sha512 => Hmac::new_from_slice(key).ok().map(|mac| Self::HmacSha512(Box::new(mac))),
        }
    }

    /// A plain digest before its first byte.
    pub(crate) fn digest(sha: Sha) -> Self {
        match sha {
            Sha::Md5 => Self::Md5(Md5::new()),
            Sha::Sha1 => Self::Sha1(Sha1::new()),
            Sha::Sha256 => Self::Sha256(Sha256::new()),
            Sha::Sha384 => Self::Sha384(Box::default()),
            Sha::Sha512 => Self::Sha512(Box::default()),
        }
    }

    /// The MAC or digest of everything written.
    pub(crate) fn finish(self) -> Bytes {
        match self {
            Self::HmacSha1(mac) => Bytes::from_slice(&mac.finalize().into_bytes()),
            Self::HmacSha256(mac) => Bytes::from_slice(&mac.finalize().into_bytes()),
            Self::HmacSha384(mac) => Bytes::from_slice(&(*mac).finalize().into_bytes()),
            Self::HmacSha512(mac) => Bytes::from_slice(&(*mac).finalize().into_bytes()),
            Self::Md5(digest) => Bytes::from_slice(&digest.finalize()),
            Self::Sha1(digest) => Bytes::from_slice(&digest.finalize()),
            Self::Sha256(digest) => Bytes::from_slice(&digest.finalize()),
            Self::Sha384(digest) => Bytes::from_slice(&(*digest).finalize()),
            Self::Sha512(digest) => Bytes::from_slice(&(*digest).finalize()),
        }
    }
}

/// The digest of one text.
pub(crate) fn digest(sha: Sha, bytes: &[u8]) -> Bytes {
    let mut state = State::digest(sha);
    state.write(bytes);
    state.finish()
}

/// The SHA-256 of one text.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl Sink for State {
    fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::HmacSha1(mac) => mac.update(bytes),
            Self::HmacSha256(mac) => mac.update(bytes),
            Self::HmacSha384(mac) => mac.update(bytes),
            Self::HmacSha512(mac) => mac.update(bytes),
            Self::Md5(digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
            Self::Sha384(digest) => digest.update(bytes),
            Self::Sha512(digest) => digest.update(bytes),
        }
    }
}

impl Sink for Vec<u8> {
    fn write(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hmac(sha: Sha, key: &[u8], message: &[u8]) -> String {
        let mut state = State::hmac(sha, key).unwrap();
        let (first, second) = message.split_at(message.len() / 2);
        state.write(first);
        state.write(second);
        hex::encode(state.finish())
    }

    /// RFC 4231 section 4.3 and RFC 2202 section 3, test case 2.
    #[test]
    fn hmac_gives_the_published_answers() {
        let published = [
            (Sha::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (Sha::Sha256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                Sha::Sha384,
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                Sha::Sha512,
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
                 caeab1a34d4a6b4b636e070a38bce737",
            ),
        ];
        for (sha, expected) in published {
            assert_eq!(hmac(sha, b"Jefe", b"what do ya want for nothing?"), expected, "{sha:?}");
        }
    }

    /// RFC 4231 section 4.7, test case 6: a key longer than the block is hashed first.
    #[test]
    fn a_key_longer_than_the_block_is_hashed_first() {
        assert_eq!(
            hmac(Sha::Sha256, &[0xaa; 131], b"Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn every_digest_has_its_length() {
        for sha in [Sha::Md5, Sha::Sha1, Sha::Sha256, Sha::Sha384, Sha::Sha512] {
            assert_eq!(digest(sha, b"").len(), sha.length());
        }
        assert_eq!(digest(Sha::Sha256, b"abc").as_slice(), sha256(b"abc"));
    }
}
