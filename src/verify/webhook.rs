//! Signatures of our own towards the upstream, in the form of Standard Webhooks 1.0 (<https://www.standardwebhooks.com>).

use std::fmt;

use base64::Engine as _;
use smallvec::SmallVec;

use super::encoding::BASE64;
use super::keys::KeyError;
use super::mac::{Sink, State};
use super::scheme::{KeyEncoding, KeyForm, Sha};
use crate::secret::Secret;

/// What signs requests to an upstream: one key, or two while it is rotated, made ready once.
#[derive(Clone)]
pub struct WebhookSigner {
    keys: SmallVec<[State; 2]>,
}

/// Why a secret cannot sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerError {
    /// It is no `whsec_` and base64.
    NotAKey(KeyError),
    /// Its key is too short or too long.
    Length {
        /// How many bytes it has.
        found: usize,
    },
}

/// Bytes of a key, as the standard has them.
const LENGTHS: std::ops::RangeInclusive<usize> = 24..=64;

impl WebhookSigner {
    /// A signer with these secrets: `whsec_` and base64, or base64 alone.
    ///
    /// # Errors
    /// The index of the first secret that is none, and why.
    pub fn new(secrets: &[Secret]) -> Result<Self, (usize, SignerError)> {
        let form = KeyForm {
            encoding: KeyEncoding::Base64,
            strip_prefix: Some("whsec_".to_owned()),
            ..KeyForm::default()
        };
        let mut keys = SmallVec::new();
        for (index, secret) in secrets.iter().enumerate() {
            let key = form.decode(secret).map_err(|error| (index, SignerError::NotAKey(error)))?;
            if !LENGTHS.contains(&key.len()) {
                return Err((index, SignerError::Length { found: key.len() }));
            }
            keys.extend(State::hmac(Sha::Sha256, &key));
        }
        Ok(Self { keys })
    }

    /// The value of `webhook-signature`: `v1,` and base64 of the MAC of `id.timestamp.body`, one for each key with a space
    /// between them. `timestamp` is in Unix seconds.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let mut text = String::with_capacity(self.keys.len().saturating_mul(48));
        for key in &self.keys {
            let mut state = key.clone();
            state.write(head.as_bytes());
            state.write(body);
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str("v1,");
            BASE64.encode_string(state.finish(), &mut text);
        }
        text
    }
}

/// Whether an id may be signed: visible ASCII without the dot that ends it in what is signed, so that no other id, time and
/// body have the same signature.
#[must_use]
pub fn is_webhook_id(id: &str) -> bool {
    (1..=256).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

impl fmt::Debug for WebhookSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSigner({} key(s))", self.keys.len())
    }
}

impl fmt::Display for SignerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKey(_) => {
                f.write_str("no secret as of Standard Webhooks: `whsec_` and base64 of 24 to 64 random bytes")
            }
            Self::Length { found } => write!(
                f,
                "its key has {found} bytes; Standard Webhooks has 24 to 64: write `whsec_` and base64 of 32 random bytes"
            ),
        }
    }
}

impl std::error::Error for SignerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secrets: &[&str]) -> Result<WebhookSigner, (usize, SignerError)> {
        let secrets: Vec<_> = secrets.iter().map(|text| Secret::new(text.as_bytes().to_vec())).collect();
        WebhookSigner::new(&secrets)
    }

    /// The example of the specification, which the libraries test as well.
    #[test]
    fn the_standards_own_example_is_signed_as_there() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let sign = |secrets: &[&str]| {
            let body = br#"{"test": 2432232314}"#;
            signer(secrets).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
        };
        assert_eq!(sign(&[secret]), expected);
        assert_eq!(sign(&[&secret.replace("whsec_", "")]), expected);
        let both = sign(&["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", secret]);
        assert_eq!(both.split(' ').count(), 2);
        assert!(both.ends_with(&format!(" {expected}")), "{both}");
    }

    #[test]
    fn what_is_no_key_of_the_standard_is_refused() {
        let good = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert!(matches!(signer(&[good, "hunter2!"]), Err((1, SignerError::NotAKey(_)))));
        assert_eq!(signer(&["whsec_AAAA"]).unwrap_err(), (0, SignerError::Length { found: 3 }));
        assert_eq!(signer(&[&"A".repeat(88)]).unwrap_err(), (0, SignerError::Length { found: 66 }));
        assert!(!format!("{:?}", signer(&[good])).contains("AAAA"));
    }

    #[test]
    fn an_id_ends_where_its_dot_stands() {
        for id in ["", "a.b", "a b", "caf\u{e9}", "a\n", &"x".repeat(257)] {
            assert!(!is_webhook_id(id), "{id:?}");
        }
        assert!(is_webhook_id("msg_p5jXN8AQM9LWM0D4loKWxJek"));
    }
}
