//! Questions that are answered with a MAC although nobody signed them, and how that stays harmless.
//!
//! Some senders check an endpoint by asking it, unsigned, for the HMAC of a text of theirs, and sign their deliveries
//! with the same key. Whoever can ask then has any text of the question's kind signed. So a question has a narrow
//! alphabet and length, and a delivery whose signed bytes are themselves a text of that kind is never accepted: what
//! the answers give away is worth nothing.

use super::content::SecretSink;
use super::delivery::Head;
use super::mac::Sink;
use super::scheme::{Algorithm, Scheme};
use super::signed;
use super::verification::Verified;

/// The texts of which anyone may have the MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// What they are made of.
    pub alphabet: Alphabet,
    /// Their greatest length in bytes.
    pub longest: usize,
}

/// What a question is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alphabet {
    /// `0-9 a-f A-F`.
    Hex,
    /// Letters, digits, `-` and `_`.
    Word,
    /// Letters, digits, `-`, `_`, `.` and `=`.
    Token,
}

/// Longer questions are none: bodies of deliveries begin where this ends.
pub const LONGEST_QUESTION: usize = 256;

impl Alphabet {
    /// Every word of the provider language for this type.
    pub const WORDS: &'static [&'static str] = &["hex", "word", "token"];

    /// The alphabet of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "hex" => Some(Self::Hex),
            "word" => Some(Self::Word),
            "token" => Some(Self::Token),
            _ => None,
        }
    }

    fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Token => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'='),
        }
    }
}

impl Question {
    /// Whether this text may be asked.
    #[must_use]
    pub fn allows(&self, text: &[u8]) -> bool {
        let mut asked = Asked { question: *self, length: 0, fits: true };
        asked.write(text);
        asked.is_question()
    }

    /// Whether deliveries of this scheme can be held against questions: what it signs has to be the text that its
    /// templates give, or a token, and no digest of it, no element by itself and no detached form.
    #[must_use]
    pub fn suits(scheme: &Scheme) -> bool {
        scheme.alternatives.iter().all(|form| {
            let known = matches!(form.algorithm, Algorithm::Hmac(_) | Algorithm::Jwt(_));
            is_no_mac(&form.algorithm) || (known && form.prehash.is_none() && form.each.is_none())
        })
    }

    /// Whether the signature of this delivery could be the answer to a question, so that it proves nothing.
    ///
    /// Exact for whatever the scheme's templates hold, literals included. What cannot be told counts as yes.
    #[must_use]
    pub fn could_be(&self, scheme: &Scheme, verified: &Verified, head: &Head<'_>, body: &[u8]) -> bool {
        let (form, _) = verified.form();
        let algorithm = scheme.alternatives.get(form).map(|form| &form.algorithm);
        if algorithm.is_some_and(is_no_mac) {
            return false;
        }
        let mut asked = Asked { question: *self, length: 0, fits: true };
        match signed::write(scheme, verified, head, body, &mut asked) {
            Some(()) => asked.is_question(),
            None => true,
        }
    }
}

/// Whether a MAC of anything is of no use for this kind of signature.
fn is_no_mac(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Token
            | Algorithm::Basic
            | Algorithm::Digest(_)
            | Algorithm::Ed25519
            | Algorithm::Ecdsa(_)
            | Algorithm::RsaPkcs1(_)
            | Algorithm::RsaPss(_)
    )
}

/// Watches bytes go by; after the first foreign one it only counts.
struct Asked {
    question: Question,
    length: usize,
    fits: bool,
}

impl Asked {
    /// The empty text counts: it is never asked, and nothing of worth is signed by signing nothing.
    fn is_question(&self) -> bool {
        self.fits && self.length <= self.question.longest
    }
}

impl Sink for Asked {
    fn write(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len());
        self.fits = self.fits
            && self.length <= self.question.longest
            && bytes.iter().all(|byte| self.question.alphabet.has(*byte));
    }
}

impl SecretSink for Asked {
    fn write_secret(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_has_its_alphabet_and_its_length() {
        let question = |word: &str| Question { alphabet: Alphabet::of(word).unwrap(), longest: 8 };
        for (word, text, asked) in [
            ("token", "aZ09-_.=", true),
            ("token", "aZ09-_.=a", false),
            ("token", "a b", false),
            ("token", "{}", false),
            ("token", "a\u{e4}", false),
            ("word", "aZ09-_", true),
            ("word", "a.b", false),
            ("hex", "09afAF", true),
            ("hex", "0g", false),
        ] {
            assert_eq!(question(word).allows(text.as_bytes()), asked, "{word} {text}");
        }
    }
}
