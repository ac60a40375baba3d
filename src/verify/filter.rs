//! What a sender does to a value before it signs it: the filters of a template's placeholder.

use std::borrow::Cow;

use super::encoding::{BASE64, encode};
use super::mac;
use super::rejection::Rejection;
use super::scheme::{Encoding, Sha, words};

/// A change of one value, such as `lower` in `{query:data.id|lower}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// ASCII letters in lower case.
    Lower,
    /// As a JSON text with its quotes, escaped as `JSON.stringify` does (ECMA-262, QuoteJSONString).
    JsonString,
    /// Everything outside printable ASCII as `\uXXXX`, in UTF-16 units and lower case hex, and nothing else changed.
    JsonAscii,
    /// The CRC-32 (ISO 3309, as in gzip) as an unsigned decimal number.
    Crc32,
    /// The SHA-256 in lower case hex.
    Sha256Hex,
    /// Base64 with padding.
    Base64,
    /// Base64url without padding.
    Base64Url,
}

words!(Filter {
    "lower" => Self::Lower,
    "json_string" => Self::JsonString,
    "json_ascii" => Self::JsonAscii,
    "crc32" => Self::Crc32,
    "sha256_hex" => Self::Sha256Hex,
    "base64" => Self::Base64,
    "base64url" => Self::Base64Url,
});

/// The filter's word in the provider language.
pub(crate) fn word(filter: Filter) -> &'static str {
    let mut words = Filter::WORDS.iter().copied();
    words.find(|word| word.parse() == Ok(filter)).unwrap_or_default()
}

impl Filter {
    /// The changed value.
    ///
    /// # Errors
    /// A filter of text was given bytes that are none.
    pub(crate) fn apply(self, value: &[u8]) -> Result<Vec<u8>, Rejection> {
        let text = || {
            std::str::from_utf8(value)
                .map_err(|_| Rejection::SignatureMalformed { what: "a value that is signed as text is none" })
        };
        Ok(match self {
            Self::Lower => value.to_ascii_lowercase(),
            Self::JsonString => serde_json::to_vec(text()?).unwrap_or_default(),
            Self::JsonAscii => json_ascii(text()?).into_owned().into_bytes(),
            Self::Crc32 => {
                let mut crc = flate2::Crc::new();
                crc.update(value);
                crc.sum().to_string().into_bytes()
            }
            Self::Sha256Hex => hex::encode(mac::digest(Sha::Sha256, value)).into_bytes(),
            Self::Base64 => base64::Engine::encode(&BASE64, value).into_bytes(),
            Self::Base64Url => encode(value, Encoding::Base64Url).into_bytes(),
        })
    }
}

fn json_ascii(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte < 0x7f) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len().saturating_mul(2));
    for character in text.chars() {
        if character < '\u{7f}' {
            escaped.push(character);
            continue;
        }
        let mut units = [0; 2];
        for unit in character.encode_utf16(&mut units) {
            escaped.push_str("\\u");
            escaped.push_str(&hex::encode(unit.to_be_bytes()));
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn applied(filter: &str, value: &[u8]) -> String {
        String::from_utf8(filter.parse::<Filter>().unwrap().apply(value).unwrap()).unwrap()
    }

    #[test]
    fn each_filter_does_what_its_name_says() {
        assert_eq!(applied("lower", b"AbC-\xc3\x84".as_slice()), "abc-\u{c4}");
        assert_eq!(
            applied("json_string", "a\"\\\n\u{1}/\u{e4}\u{7f}".as_bytes()),
            "\"a\\\"\\\\\\n\\u0001/\u{e4}\u{7f}\""
        );
        assert_eq!(
            applied("json_ascii", "a\u{e4}\u{1f600}\u{7f}\n".as_bytes()),
            "a\\u00e4\\ud83d\\ude00\\u007f\n"
        );
        // The check value of CRC-32 (ISO-HDLC).
        assert_eq!(applied("crc32", b"123456789"), "3421780262");
        assert_eq!(applied("base64", b"\xfb\xff"), "+/8=");
        assert_eq!(applied("base64url", b"\xfb\xff"), "-_8");
        assert_eq!(
            applied("sha256_hex", b""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn a_word_is_read_back_and_bytes_are_no_text() {
        for name in Filter::WORDS {
            assert_eq!(word(name.parse().unwrap()), *name);
        }
        assert!(Filter::JsonString.apply(b"\xff").is_err());
        assert!(Filter::JsonAscii.apply(b"\xff").is_err());
    }

    proptest! {
        #[test]
        fn json_strings_are_read_back(text: String) {
            let written = Filter::JsonString.apply(text.as_bytes()).unwrap();
            prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text.clone());
            let ascii = Filter::JsonAscii.apply(&written).unwrap();
            prop_assert!(ascii.iter().all(|byte| *byte < 0x7f));
            prop_assert_eq!(serde_json::from_slice::<String>(&ascii).unwrap(), text);
        }
    }
}
