//! What the room promises as a whole: what a sender signs is accepted, and nothing else is.

use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::sign::{SignRequest, Signed, sign};
use super::*;
use crate::secret::{NamedSecret, Secret};
use crate::time::{Tolerance, UnixTime};

const NOW: i64 = 1_773_829_800;
const URL: &str = "https://hooks.example.com/webhooks/a?x=1";
const WINDOW: Tolerance = Tolerance { past: Duration::from_secs(300), future: Duration::from_secs(60) };

pub(crate) fn now() -> UnixTime {
    UnixTime::from_seconds(NOW).unwrap()
}

/// A scheme with one HMAC-SHA256 in hex in `x-signature`.
pub(crate) fn hmac(template: &str) -> Scheme {
    Scheme { alternatives: vec![Alternative::new(at("header:x-signature"), template.parse().unwrap())] }
}

/// A delivery signed and verified, with the headers it has then.
pub(crate) fn verified(scheme: &Scheme, headers: HeaderMap, body: &[u8]) -> (HeaderMap, Verified) {
    let delivery = Delivery::signed(scheme, "secret", headers, body);
    let verified = delivery.verify(scheme, &["secret"]).unwrap();
    (delivery.headers, verified)
}

fn at(text: &str) -> Location {
    text.parse().unwrap()
}

fn keys(scheme: &Scheme, secrets: &[&str]) -> Keys {
    let named =
        |text: &&str| NamedSecret { name: String::new(), secret: Secret::new(text.as_bytes().to_vec()) };
    scheme.prepare(&secrets.iter().map(named).collect::<Vec<_>>()).unwrap()
}

/// A delivery as it arrives.
#[derive(Clone, Debug)]
struct Delivery {
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Delivery {
    fn signed(scheme: &Scheme, secret: &str, headers: HeaderMap, body: &[u8]) -> Self {
        let request = SignRequest {
            method: "POST",
            url: URL,
            headers: &headers,
            body,
            id: Some("msg_1"),
            timestamp: now(),
        };
        let signed = sign(scheme, &Secret::new(secret.as_bytes().to_vec()), &request).unwrap();
        let Signed { headers: added, url, body } = signed;
        let mut headers = headers;
        for (name, value) in added {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Self { url, headers, body }
    }

    fn verify(&self, scheme: &Scheme, secrets: &[&str]) -> Result<Verified, Rejection> {
        self.verify_at(scheme, &keys(scheme, secrets), now())
    }

    /// Verifies in one piece and in pieces, which must come to the same.
    fn verify_at(&self, scheme: &Scheme, keys: &Keys, now: UnixTime) -> Result<Verified, Rejection> {
        let origin = "https://hooks.example.com";
        let target = self.url.strip_prefix(origin).unwrap();
        let head = Head { method: "POST", target, origin: Some(origin), headers: &self.headers };
        let whole = verify(scheme, keys, &head, &self.body, Some(WINDOW), now);
        let pieces = begin(scheme, keys, &head, Some(WINDOW), now).and_then(|mut verification| {
            self.body.chunks(3).for_each(|chunk| verification.update(chunk));
            verification.finish(&head, &self.body)
        });
        assert_eq!(whole.as_ref().err(), pieces.as_ref().err());
        whole
    }
}

#[test]
fn hello() {
    let _ = verified(&hmac("{body}"), HeaderMap::new(), b"{}");
}
