//! Signatures and digests as text and back, strictly: one text form per value, but for base64's padding.

use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use smallvec::{SmallVec, smallvec};

use super::scheme::Encoding;

/// Decoded bytes. Every MAC fits without an allocation; RSA's signatures are longer.
pub(crate) type Bytes = SmallVec<[u8; 64]>;

/// Base64 with `+` and `/`; padding may be there or not.
pub(crate) const BASE64: GeneralPurpose = engine(&STANDARD);
/// Base64 with `-` and `_`; padding may be there or not.
pub(crate) const BASE64URL: GeneralPurpose = engine(&URL_SAFE);

/// The bytes a text stands for, or `None` if it is not wholly in that encoding.
pub(crate) fn decode(text: &str, encoding: Encoding) -> Option<Bytes> {
    match encoding {
        Encoding::Hex => decode_hex(text),
        Encoding::Base64 => decode_base64(&BASE64, text),
        Encoding::Base64Url => decode_base64(&BASE64URL, text),
        Encoding::Base64Hex => decode_hex(std::str::from_utf8(&decode_base64(&BASE64, text)?).ok()?),
        Encoding::Text => Some(Bytes::from_slice(text.as_bytes())),
    }
}

/// The text as senders write it: hex in lower case, base64 padded, base64url not padded.
pub(crate) fn encode(bytes: &[u8], encoding: Encoding) -> String {
    match encoding {
        Encoding::Hex => hex::encode(bytes),
        Encoding::Base64 => BASE64.encode(bytes),
        Encoding::Base64Url => base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes),
        Encoding::Base64Hex => BASE64.encode(hex::encode(bytes)),
        Encoding::Text => String::from_utf8_lossy(bytes).into_owned(),
    }
}

const fn engine(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_encode_padding(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false);
    GeneralPurpose::new(alphabet, config)
}

/// All lower or all upper case; a mixture is written by no sender.
fn decode_hex(text: &str) -> Option<Bytes> {
    let lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    if (lower && upper) || !text.len().is_multiple_of(2) {
        return None;
    }
    let mut bytes: Bytes = smallvec![0; text.len() / 2];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

fn decode_base64(engine: &GeneralPurpose, text: &str) -> Option<Bytes> {
    let mut bytes: Bytes = smallvec![0; base64::decoded_len_estimate(text.len())];
    let length = engine.decode_slice(text, &mut bytes).ok()?;
    bytes.truncate(length);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hex_is_one_case_even_and_nothing_else() {
        assert_eq!(decode("00ff", Encoding::Hex).as_deref(), Some(&[0, 255][..]));
        assert_eq!(decode("00FF", Encoding::Hex).as_deref(), Some(&[0, 255][..]));
        for text in ["00fF", "00f", "00ffzz", "0x00", " 00", "00\n"] {
            assert_eq!(decode(text, Encoding::Hex), None, "{text:?}");
        }
    }

    #[test]
    fn base64_may_leave_out_padding_but_nothing_else() {
        assert_eq!(decode("+/8=", Encoding::Base64).as_deref(), Some(&[0xfb, 0xff][..]));
        assert_eq!(decode("+/8", Encoding::Base64).as_deref(), Some(&[0xfb, 0xff][..]));
        assert_eq!(decode("-_8", Encoding::Base64Url).as_deref(), Some(&[0xfb, 0xff][..]));
        for text in ["-_8=", "+/9=", "+/8==", "+/8= ", "+/8\n", "+"] {
            assert_eq!(decode(text, Encoding::Base64), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(bytes: Vec<u8>) {
            for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url, Encoding::Base64Hex] {
                let decoded = decode(&encode(&bytes, encoding), encoding);
                prop_assert_eq!(decoded.as_deref(), Some(bytes.as_slice()));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            for encoding in [Encoding::Hex, Encoding::Base64, Encoding::Base64Url, Encoding::Base64Hex, Encoding::Text] {
                decode(&text, encoding);
            }
        }
    }
}
