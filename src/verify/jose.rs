//! A compact JSON Web Signature (RFC 7515): its parts, its header, and whether a key made it.

use serde::Deserialize;
use serde_json::Value;
use subtle::{Choice, ConstantTimeEq};

use crate::time::UnixTime;

use super::encoding::{self, Bytes};
use super::jose_form::{JwtAlgorithm, X5cForm};
use super::keys::Key;
use super::mac::Sink;
use super::public_key::{PublicKey, Use};
use super::rejection::Rejection;
use super::scheme::Encoding;
use super::x5c;

/// A header with five certificates is shorter. Nothing is proven when it is read, and lists in it cost many times their length.
const LONGEST_HEADER: usize = 32 * 1024;

/// A JWS whose header and signature could be read; nothing of it is proven yet.
pub(crate) struct Compact<'t> {
    pub(crate) algorithm: JwtAlgorithm,
    pub(crate) header: Header,
    /// The header as it was signed.
    pub(crate) header_text: &'t str,
    /// The payload as it was signed.
    pub(crate) payload: &'t str,
    signature: Bytes,
}

/// The members of a header that this gateway understands. A member that stands there twice is refused.
#[derive(Deserialize)]
pub(crate) struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood.
    pub(crate) crit: Option<Value>,
    /// RFC 7797: whether the payload is signed in base64url.
    pub(crate) b64: Option<Value>,
    x5c: Option<Vec<String>>,
}

/// Which certificates a JWS must bring, and at what time they must be valid.
#[derive(Clone, Copy)]
pub(crate) struct Chain<'f> {
    pub(crate) form: &'f X5cForm,
    pub(crate) now: UnixTime,
}

impl<'t> Compact<'t> {
    /// Takes a JWS apart. An algorithm that the sender does not use is refused before anything else is looked at.
    pub(crate) fn read(algorithms: &[JwtAlgorithm], text: &'t str) -> Result<Self, Rejection> {
        const PARTS: Rejection = malformed("the token does not have three parts");
        let (header_text, rest) = text.split_once('.').ok_or(PARTS)?;
        let (payload, signature) = rest.split_once('.').ok_or(PARTS)?;
        // RFC 7515, section 5.2: UTF-8 throughout, also in members that are not read.
        let header: Header = Some(header_text)
            .filter(|text| text.len() <= LONGEST_HEADER)
            .and_then(decode)
            .and_then(|bytes| serde_json::from_str(std::str::from_utf8(&bytes).ok()?).ok())
            .ok_or(malformed("the token's header cannot be read"))?;
        let algorithm = header.alg.parse().ok().filter(|algorithm| algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or(malformed("the token's alg is none that this sender uses"))?;
        let signature = decode(signature).ok_or(malformed("the token's signature cannot be read"))?;
        Ok(Self { algorithm, header, header_text, payload, signature })
    }

    /// Whether this key signed the message.
    pub(crate) fn is_signed_with(&self, key: &Key, message: &[u8], chain: Option<Chain<'_>>) -> Choice {
        match key {
            Key::JwtMac(states) => {
                let state = states.iter().find(|(algorithm, _)| *algorithm == self.algorithm);
                state.map_or(Choice::from(0), |(_, start)| {
                    let mut state = start.clone();
                    state.write(message);
                    state.finish().ct_eq(&self.signature)
                })
            }
            Key::Public(keys) => {
                let fitting = keys
                    .iter()
                    .filter(|key| key.answers_to(self.header.kid.as_deref()) && self.is_algorithm_of(key));
                Choice::from(u8::from(fitting.fold(false, |any, key| self.is_signed_by(key, message) | any)))
            }
            Key::Roots(roots) => {
                let certificates = self.header.x5c.as_deref().unwrap_or_default();
                let key = chain.and_then(|chain| x5c::key(chain.form, certificates, roots, chain.now));
                Choice::from(u8::from(key.is_some_and(|key| self.is_signed_by(&key, message))))
            }
            Key::Mac(_) | Key::Digest { .. } | Key::Token(_) => Choice::from(0),
        }
    }

    fn is_signed_by(&self, key: &PublicKey, message: &[u8]) -> bool {
        Use::of_jwt(self.algorithm).is_some_and(|wanted| key.verifies(wanted, message, &self.signature))
    }

    /// A key that its set publishes for one algorithm serves no other. Ed25519 has two names there (RFC 9864).
    fn is_algorithm_of(&self, key: &PublicKey) -> bool {
        key.algorithm.as_deref().is_none_or(|name| {
            name == self.algorithm.word() || (name == "Ed25519" && self.algorithm == JwtAlgorithm::EdDsa)
        })
    }
}

/// RFC 7515 allows no padding.
pub(crate) fn decode(text: &str) -> Option<Bytes> {
    if text.contains('=') { None } else { encoding::decode(text, Encoding::Base64Url) }
}

/// A JWS's own header as JSON.
pub(crate) fn header_json(compact: &str) -> Option<serde_json::Map<String, Value>> {
    let (header, _) = compact.split_once('.')?;
    // Read strictly first: a member that stands there twice may not be read in two ways.
    let bytes = decode(header)?;
    serde_json::from_slice::<Header>(&bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

pub(crate) const fn malformed(what: &'static str) -> Rejection {
    Rejection::SignatureMalformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::read_key;
    use proptest::prelude::*;

    /// RFC 7515, appendix A.4: ES512.
    const ES512_KEY: &str = r#"{"kty":"EC","crv":"P-521",
        "x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}"#;
    const ES512: &str = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";

    #[test]
    fn the_published_signature_on_p521_is_accepted() {
        let read = |text| Compact::read(&[JwtAlgorithm::Es512], text);
        let wanted = [Use::of_jwt(JwtAlgorithm::Es512).unwrap()];
        let key = Key::Public(read_key::read(ES512_KEY.as_bytes(), &wanted).unwrap());
        let token = read(ES512).unwrap();
        let signed = ES512.rsplit_once('.').unwrap().0;
        assert!(bool::from(token.is_signed_with(&key, signed.as_bytes(), None)));
        assert!(!bool::from(token.is_signed_with(&key, b"another", None)));
        let (start, end) = ES512.split_at(ES512.len() - 2);
        let changed = format!("{start}{}", if end == "Jn" { "Kn" } else { "Jn" });
        assert!(!bool::from(read(&changed).unwrap().is_signed_with(&key, signed.as_bytes(), None)));
    }

    #[test]
    fn a_key_serves_only_its_id_and_its_algorithm() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let sign = |header: &str| {
            let signed = format!("{}.AA", encoding::encode(header.as_bytes(), Encoding::Base64Url));
            let wanted = Use::of_jwt(JwtAlgorithm::Es256).unwrap();
            let pem = pair.serialize_pem();
            let bytes = crate::verify::private_key::sign(pem.as_bytes(), wanted, signed.as_bytes()).unwrap();
            format!("{signed}.{}", encoding::encode(&bytes, Encoding::Base64Url))
        };
        let fits = |header: &str, id: Option<&str>, algorithm: Option<&str>| {
            let text = sign(header);
            let mut keys = read_key::read(
                pair.public_key_pem().as_bytes(),
                &[Use::of_jwt(JwtAlgorithm::Es256).unwrap()],
            )
            .unwrap();
            keys[0].id = id.map(str::to_owned);
            keys[0].algorithm = algorithm.map(str::to_owned);
            let token = Compact::read(&[JwtAlgorithm::Es256], &text).unwrap();
            let signed = text.rsplit_once('.').unwrap().0;
            bool::from(token.is_signed_with(&Key::Public(keys), signed.as_bytes(), None))
        };
        let (plain, named) = (r#"{"alg":"ES256"}"#, r#"{"alg":"ES256","kid":"a"}"#);
        assert!(fits(plain, None, None) && fits(plain, Some("a"), None) && fits(named, None, Some("ES256")));
        assert!(fits(named, Some("a"), None) && !fits(named, Some("b"), None));
        assert!(!fits(plain, None, Some("ES384")));
    }

    #[test]
    fn a_header_longer_than_any_senders_is_not_read() {
        let reads = |length: usize| {
            let header = format!(r#"{{"alg":"ES256","x":"{}"}}"#, "a".repeat(length));
            let text = format!("{}.AA.AA", encoding::encode(header.as_bytes(), Encoding::Base64Url));
            Compact::read(&[JwtAlgorithm::Es256], &text).is_ok()
        };
        assert!(reads(LONGEST_HEADER / 2) && !reads(LONGEST_HEADER));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-zA-Z0-9_.=-]{0,80}|\\PC{0,40}", header in "\\PC{0,60}") {
            let _ = Compact::read(&[JwtAlgorithm::Es256], &text);
            let made = format!("{}.{text}.AA", encoding::encode(header.as_bytes(), Encoding::Base64Url));
            let _ = (Compact::read(&[JwtAlgorithm::Hs256], &made), header_json(&made));
        }
    }
}
