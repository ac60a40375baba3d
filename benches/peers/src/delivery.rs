//! Deliveries signed in advance, so that signing costs nothing while a gateway is measured.
//!
//! Every delivery has an id of its own: nothing is answered from the gateway's memory of earlier ones.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret's bytes. They are text, because some senders take the text as it is.
pub const TEXT: &str = "0123456789abcdef0123456789abcdef";

/// What kind of deliveries to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As Standard Webhooks says: the id is in a signed header.
    Header,
    /// The same with another first character in the signature.
    Forged,
    /// As Bella Baxter signs: the id is in the JSON body.
    Json,
    /// As GitHub signs: no signed id, so the body itself is what is remembered.
    Body,
}

/// Deliveries that differ in their ids.
pub struct Deliveries {
    /// The body of all of them; an id that belongs into it goes to [`ID_AT`].
    pub body: Vec<u8>,
    /// The head of each request up to and with the empty line.
    pub heads: Vec<Vec<u8>>,
    /// The id for the body of each request; none where the body is the same for all.
    pub ids: Vec<Vec<u8>>,
}

/// Where the id stands in the body.
pub const ID_AT: usize = br#"{"id":""#.len();

impl Kind {
    /// The route that takes it.
    pub fn path(self) -> &'static str {
        match self {
            Self::Header | Self::Forged => "/header",
            Self::Json => "/json",
            Self::Body => "/body",
        }
    }

    /// What a gateway that verifies answers.
    pub fn status(self) -> u16 {
        if self == Self::Forged { 401 } else { 200 }
    }
}

/// The secret as an operator writes it for Standard Webhooks.
pub fn secret() -> String {
    format!("whsec_{}", STANDARD.encode(TEXT))
}

/// Makes `count` deliveries of `size` bytes; `first` numbers the first one and must never repeat.
pub fn make(kind: Kind, size: usize, first: usize, count: usize) -> Deliveries {
    let mut body = body(size);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).to_string();
    let (mut heads, mut ids) = (Vec::with_capacity(count), Vec::new());
    for number in first..first + count {
        let id = format!("msg_{number:016}");
        if matches!(kind, Kind::Json | Kind::Body) {
            put(&mut body, id.as_bytes());
            ids.push(id.clone().into_bytes());
        }
        let proof = match kind {
            Kind::Header | Kind::Forged => {
                let mut signature = STANDARD.encode(mac(&[&id, ".", &now, "."], &body));
                if kind == Kind::Forged {
                    // Still base64 of 32 bytes, so the refusal comes from the comparison and not from the form.
                    let other = if signature.starts_with('A') { "B" } else { "A" };
                    signature.replace_range(..1, other);
                }
                format!("webhook-id: {id}\r\nwebhook-timestamp: {now}\r\nwebhook-signature: v1,{signature}")
            }
            Kind::Json => format!("x-bella-signature: t={now},v1={}", hex(&mac(&[&now, "."], &body))),
            Kind::Body => format!(
                "x-github-delivery: {id}\r\nx-github-event: push\r\nx-hub-signature-256: sha256={}",
                hex(&mac(&[], &body))
            ),
        };
        let path = kind.path();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: hooks.example.com\r\nuser-agent: sealpost-bench\r\n\
             content-type: application/json\r\naccept: */*\r\n{proof}\r\ncontent-length: {size}\r\n\r\n"
        );
        heads.push(head.into_bytes());
    }
    Deliveries { body, heads, ids }
}

/// Writes an id into a body.
pub fn put(body: &mut [u8], id: &[u8]) {
    if let Some(place) = body.get_mut(ID_AT..ID_AT + id.len()) {
        place.copy_from_slice(id);
    }
}

fn mac(before: &[&str], body: &[u8]) -> [u8; 32] {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(TEXT.as_bytes()) else {
        unreachable!("HMAC takes keys of any length")
    };
    for part in before {
        mac.update(part.as_bytes());
    }
    mac.update(body);
    mac.finalize().into_bytes().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON of exactly `size` bytes that looks like an event: id and type first, then many small fields.
fn body(size: usize) -> Vec<u8> {
    let mut body = br#"{"id":"msg_0000000000000000","type":"invoice.paid","data":{"#.to_vec();
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
    assert_eq!(body.len(), size, "a body must have at least 100 bytes");
    body
}
