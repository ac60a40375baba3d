//! Deliveries signed in advance, so that signing costs nothing while a gateway is measured.
//!
//! Every delivery has an id of its own: nothing is answered from the gateway's memory of earlier ones.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret's bytes; gateway.yaml gets them as `whsec_` and base64.
pub const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

/// What kind of deliveries to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As Standard Webhooks says; the id is in a signed header.
    Signed,
    /// The same with a wrong last character in the signature.
    Forged,
}

/// A delivery: one body for all of them and headers for each.
pub struct Deliveries {
    /// The body that all share.
    pub body: Vec<u8>,
    /// The head of each request up to and with the empty line.
    pub heads: Vec<Vec<u8>>,
}

/// The secret as an operator would write it.
pub fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(KEY))
}

/// Makes `count` deliveries of `size` bytes for `path`; `first` numbers the first one and must never repeat.
pub fn make(kind: Kind, path: &str, size: usize, first: usize, count: usize) -> Deliveries {
    let body = body(size);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let heads = (first..first + count)
        .map(|number| {
            let id = format!("msg_{number:016}");
            let mut signature = sign(&id, now, &body);
            if kind == Kind::Forged {
                // Still 44 characters of base64, so the refusal comes from the comparison and not from the form.
                let flipped = if signature.starts_with('A') { "B" } else { "A" };
                signature.replace_range(..1, flipped);
            }
            format!(
                "POST {path} HTTP/1.1\r\nhost: hooks.example.com\r\nuser-agent: sealpost-bench\r\n\
                 content-type: application/json\r\naccept: */*\r\nwebhook-id: {id}\r\nwebhook-timestamp: {now}\r\n\
                 webhook-signature: v1,{signature}\r\ncontent-length: {size}\r\n\r\n"
            )
            .into_bytes()
        })
        .collect();
    Deliveries { body, heads }
}

fn sign(id: &str, now: u64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(KEY) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(format!("{id}.{now}.").as_bytes());
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// JSON of exactly `size` bytes that looks like an event: a type first, then many small fields.
fn body(size: usize) -> Vec<u8> {
    let mut body = br#"{"type":"invoice.paid","data":{"#.to_vec();
    let end = br#""end":""#;
    for number in 0.. {
        let field = format!("\"field_{number}\":\"a value of ordinary length\",");
        if body.len() + field.len() + end.len() + 3 > size {
            break;
        }
        body.extend_from_slice(field.as_bytes());
    }
    body.extend_from_slice(end);
    let fill = size.saturating_sub(body.len() + 3);
    body.extend(std::iter::repeat_n(b'x', fill));
    body.extend_from_slice(br#""}}"#);
    assert_eq!(body.len(), size, "a body must have at least 64 bytes");
    body
}
