//! Bytes as text: what a file of attacks writes for what goes over the wire.
//!
//! Line breaks of the text mean nothing; `\r \n \t \0 \\ \xHH` are bytes. In angle brackets stand
//! * `<each>`: the spelling of the case;
//! * `<signed>`, `<signed TEXT>`: the signature's line over [`BODY`] or over the text;
//! * `<timed>`: the line of a sender that signs its time;
//! * `<good ID>`, `<length of good ID>`, `<hex length of good ID>`: a whole good request to `/raw`, and how long it is;
//! * `<1000 times TEXT>`: the text so often, with its number for `#`;
//! * `<bomb>`: 64 MiB of zeros under gzip, `<bomb signed>` the signature's line over what it inflates to.

use std::io::Write;

use crate::support::sender::{SECRET, event, hmac_hex, now, plain, timed_signature};

/// The body that `<signed>` signs, and that the upstream sees unless a case says otherwise.
pub(crate) const BODY: &str = "{\"id\":\"x\"}";

const BOMB: usize = 64 << 20;

/// The bytes that a text stands for.
pub(crate) fn bytes(text: &str, each: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\\', '<']) {
        bytes.extend(&rest.as_bytes()[..at]);
        let (mark, after) = rest[at..].split_at(1);
        rest = match mark {
            "\n" => after,
            "\\" => escape(after, &mut bytes),
            _ => {
                let end = closing(after);
                bytes.extend(placeholder(&after[..end], each));
                &after[end + 1..]
            }
        };
    }
    bytes.extend(rest.as_bytes());
    bytes
}

/// Where the placeholder ends; one may stand inside another.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '<' => depth += 1,
            '>' if depth == 0 => return at,
            '>' => depth -= 1,
            _ => {}
        }
    }
    panic!("no `>` after `<{text}`");
}

fn escape<'t>(after: &'t str, bytes: &mut Vec<u8>) -> &'t str {
    let (letter, rest) = after.split_at(1);
    let byte = match letter {
        "r" => b'\r',
        "n" => b'\n',
        "t" => b'\t',
        "0" => 0,
        "\\" => b'\\',
        "x" => {
            bytes.push(u8::from_str_radix(&rest[..2], 16).expect("two hex digits after \\x"));
            return &rest[2..];
        }
        other => panic!("no such escape: \\{other}"),
    };
    bytes.push(byte);
    rest
}

fn placeholder(what: &str, each: &str) -> Vec<u8> {
    let line = |text: &[u8]| format!("X-Webhook-Signature: {}\r\n", hmac_hex(SECRET, text)).into_bytes();
    let good = |id: &str| plain("/raw", event(id)).bytes();
    if what == "each" {
        bytes(each, "")
    } else if what == "signed" {
        line(BODY.as_bytes())
    } else if let Some(text) = what.strip_prefix("signed ") {
        line(&bytes(text, each))
    } else if what == "timed" {
        format!("X-Bella-Signature: {}\r\n", timed_signature(SECRET, BODY.as_bytes(), now())).into_bytes()
    } else if let Some(id) = what.strip_prefix("good ") {
        good(id)
    } else if let Some(id) = what.strip_prefix("length of good ") {
        good(id).len().to_string().into_bytes()
    } else if let Some(id) = what.strip_prefix("hex length of good ") {
        format!("{:x}", good(id).len()).into_bytes()
    } else if what == "bomb" {
        bomb()
    } else if what == "length of bomb" {
        bomb().len().to_string().into_bytes()
    } else if what == "bomb signed" {
        line(&vec![0; BOMB])
    } else if let Some((times, text)) = what.split_once(" times ") {
        let times: usize = times.parse().unwrap_or_else(|_| panic!("no number: {times}"));
        if text.contains('#') {
            (0..times).flat_map(|number| bytes(&text.replace('#', &number.to_string()), each)).collect()
        } else {
            bytes(text, each).repeat(times)
        }
    } else {
        panic!("no such placeholder: <{what}>")
    }
}

fn bomb() -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![0; BOMB]).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn text_stands_for_bytes() {
    assert_eq!(bytes("a\\r\\n\n b\\x00\\xff", ""), b"a\r\n b\0\xff");
    assert_eq!(bytes("<each>|<2 times #:<each>;>", "\\t"), b"\t|0:\t;1:\t;");
    assert!(bytes("<signed>", "").starts_with(b"X-Webhook-Signature: "));
    assert_eq!(bytes("<signed {\"id\":\"x\"}>", ""), bytes("<signed>", ""));
    let (good, length) = (bytes("<good y>", ""), bytes("<length of good y>", ""));
    assert_eq!(good.len().to_string().into_bytes(), length);
}
