//! As much of HTTP/1 as the load needs: signed requests, and reading an answer or a request with a length.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt};

pub(crate) const SECRET: &str = "correct-horse-battery-staple";

/// A delivery of `webhook-signature` with a body of `size` bytes that has this id; its head and its body.
pub(crate) fn delivery(id: &str, size: usize, good: bool) -> (Vec<u8>, Vec<u8>) {
    let mut body = format!("{{\"id\":\"{id}\",\"pad\":\"").into_bytes();
    body.resize(size - 2, b'x');
    body.extend(b"\"}");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&body);
    let mut signature = mac.finalize().into_bytes();
    if !good {
        signature[31] ^= 1;
    }
    let head = format!(
        "POST /hook HTTP/1.1\r\nHost: hooks.example.com\r\nX-Webhook-Signature: {}\r\nContent-Length: {size}\r\n\r\n",
        signature.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    );
    (head.into_bytes(), body)
}

/// Reads one message; its first line, or `None` when the connection ends.
pub(crate) async fn message(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> Option<String> {
    let mut buffer = [0; 8192];
    loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |value| value.trim().parse().unwrap());
            if read.len() >= end + 4 + length {
                read.drain(..end + 4 + length);
                return head.lines().next().map(ToOwned::to_owned);
            }
        }
        match stream.read(&mut buffer).await {
            Ok(count) if count > 0 => read.extend(&buffer[..count]),
            _ => return None,
        }
    }
}
