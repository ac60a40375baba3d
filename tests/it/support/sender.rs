//! What senders do, computed here once more and independently of the gateway.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::client::Request;

/// The secret in `TEST_SECRET`.
pub(crate) const SECRET: &str = "correct-horse-battery-staple";

/// Lower-case hex of HMAC-SHA256.
pub(crate) fn hmac_hex(secret: &str, message: &[u8]) -> String {
    hex::encode(hmac(secret.as_bytes(), message))
}

/// HMAC-SHA256.
pub(crate) fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Unix seconds now.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

/// A delivery of the provider `webhook-signature`: hex of HMAC-SHA256 over the body in `X-Webhook-Signature`.
pub(crate) fn plain(target: &str, body: impl Into<Vec<u8>>) -> Request {
    let body = body.into();
    let signature = hmac_hex(SECRET, &body);
    Request::new("POST", target).header("X-Webhook-Signature", signature).body(body)
}

/// A delivery of `bella-baxter`: `t=SECONDS,v1=HEX` over `SECONDS.BODY`.
pub(crate) fn timed(target: &str, body: impl Into<Vec<u8>>, sent: i64) -> Request {
    let body = body.into();
    let signature = timed_signature(SECRET, &body, sent);
    Request::new("POST", target).header("X-Bella-Signature", signature).body(body)
}

/// The value of `X-Bella-Signature`.
pub(crate) fn timed_signature(secret: &str, body: &[u8], sent: i64) -> String {
    let signed = [format!("{sent}.").as_bytes(), body].concat();
    format!("t={sent},v1={}", hmac_hex(secret, &signed))
}

/// A delivery of GitHub, with its unsigned delivery id.
pub(crate) fn github(target: &str, body: impl Into<Vec<u8>>, delivery: &str) -> Request {
    let body = body.into();
    let signature = format!("sha256={}", hmac_hex(SECRET, &body));
    Request::new("POST", target)
        .header("X-GitHub-Event", "push")
        .header("X-GitHub-Delivery", delivery)
        .header("X-Hub-Signature-256", signature)
        .body(body)
}

/// A JSON body with this id, as most senders have it.
pub(crate) fn event(id: &str) -> String {
    format!("{{\"id\":\"{id}\",\"type\":\"test.happened\"}}")
}
