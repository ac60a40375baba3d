//! What the targets hold Sealpost against: the rules once more, without regard to speed or time taken.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use sha2::{Digest, Sha256, Sha384, Sha512};

/// RFC 2104 over a hash with blocks of this many bytes.
fn hmac(hash: impl Fn(&[u8]) -> Vec<u8>, block: usize, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut key = if key.len() > block { hash(key) } else { key.to_vec() };
    key.resize(block, 0);
    let padded = |pad: u8| key.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = hash(&[&padded(0x36), message].concat());
    hash(&[padded(0x5c), inner].concat())
}

/// HMAC-SHA256.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac(|bytes| Sha256::digest(bytes).to_vec(), 64, key, message)
}

/// HMAC-SHA384.
#[must_use]
pub fn hmac_sha384(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac(|bytes| Sha384::digest(bytes).to_vec(), 128, key, message)
}

/// HMAC-SHA512.
#[must_use]
pub fn hmac_sha512(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac(|bytes| Sha512::digest(bytes).to_vec(), 128, key, message)
}

/// Lower case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal in one case.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let one_case = text == text.to_lowercase() || text == text.to_uppercase();
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| one_case && digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect())
}

const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn alphabet(url: bool) -> Vec<char> {
    LETTERS.chars().chain(if url { ['-', '_'] } else { ['+', '/'] }).collect()
}

/// Base64 or, with `url`, base64url, without padding.
#[must_use]
pub fn base64(bytes: &[u8], url: bool) -> String {
    let alphabet = alphabet(url);
    let mut bits: Vec<u8> =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    while bits.len() % 6 != 0 {
        bits.push(0);
    }
    bits.chunks(6)
        .map(|six| alphabet[six.iter().fold(0, |number, bit| number * 2 + usize::from(*bit))])
        .collect()
}

/// Base64 with padding.
#[must_use]
pub fn base64_padded(bytes: &[u8]) -> String {
    let text = base64(bytes, false);
    let padding = (4 - text.len() % 4) % 4;
    text + &"=".repeat(padding)
}

/// Base64 or base64url; padding may be left out, bits that are not needed must be zero.
#[must_use]
pub fn from_base64(text: &str, url: bool) -> Option<Vec<u8>> {
    let alphabet = alphabet(url);
    let bare = text.trim_end_matches('=');
    let padding = text.len() - bare.len();
    if bare.len() % 4 == 1 || padding > (4 - bare.len() % 4) % 4 {
        return None;
    }
    let numbers: Option<Vec<usize>> =
        bare.chars().map(|character| alphabet.iter().position(|known| *known == character)).collect();
    let bits: Vec<u8> = numbers?
        .into_iter()
        .flat_map(|number| (0..6).rev().map(move |bit| u8::from(number >> bit & 1 == 1)))
        .collect();
    let (whole, rest) = bits.split_at(bits.len() / 8 * 8);
    if rest.contains(&1) {
        return None;
    }
    Some(whole.chunks(8).map(|byte| byte.iter().fold(0, |number, bit| number * 2 + bit)).collect())
}

/// Percent-decoding; what is no escape stays.
#[must_use]
pub fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digit = |offset: usize| text.get(at + offset).and_then(|byte| char::from(*byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (text[at], digit(1), digit(2)) {
            decoded.push((high * 16 + low) as u8);
            at += 3;
        } else {
            decoded.push(text[at]);
            at += 1;
        }
    }
    decoded
}

/// The fields of a form (`application/x-www-form-urlencoded`).
#[must_use]
pub fn form(text: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decode = |half: &[u8]| {
        let spaced: Vec<u8> = half.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
        percent_decode(&spaced)
    };
    let fields = text.split(|byte| *byte == b'&').filter(|field| !field.is_empty());
    fields
        .map(|field| match field.iter().position(|byte| *byte == b'=') {
            Some(mark) => (decode(&field[..mark]), decode(&field[mark + 1..])),
            None => (decode(field), Vec::new()),
        })
        .collect()
}

/// The texts of all values that a JSON pointer with `*` leads to, as they stand in the document.
#[must_use]
pub fn json<'d>(document: &'d str, steps: &[String]) -> Vec<&'d str> {
    let Some((step, rest)) = steps.split_first() else { return vec![document.trim()] };
    if let Ok(object) = serde_json::from_str::<BTreeMap<String, &'d RawValue>>(document) {
        return match object.get(&unescaped(step)) {
            Some(member) if step != "*" => json(member.get(), rest),
            _ => Vec::new(),
        };
    }
    let Ok(list) = serde_json::from_str::<Vec<&'d RawValue>>(document) else { return Vec::new() };
    let wanted = |index: usize| step == "*" || *step == index.to_string();
    let elements = list.into_iter().enumerate().filter(|(index, _)| wanted(*index));
    elements.flat_map(|(_, element)| json(element.get(), rest)).collect()
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// The steps of a JSON pointer's text.
#[must_use]
pub fn steps(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(str::to_owned).collect()
}

/// Whether a text is JSON; what stands in texts that nobody reads does not matter.
#[must_use]
pub fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// A scalar's text: strings without their escapes, numbers and booleans as they stand.
#[must_use]
pub fn scalar(raw: &str) -> Option<String> {
    match raw.chars().next()? {
        '"' => serde_json::from_str(raw).ok(),
        'n' | '{' | '[' => None,
        _ => Some(raw.to_owned()),
    }
}

/// CRC-32 (ISO 3309), bit by bit.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
