//! Public keys of the kinds that senders use, held against signatures (`ring`; RustCrypto where `ring` has no such pair).

use p521::ecdsa::signature::hazmat::PrehashVerifier as _;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA384_FIXED,
    ED25519, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};

use super::jose_form::JwtAlgorithm;
use super::mac;
use super::scheme::{Algorithm, Curve, Ecdsa, Sha};

/// How a public key is used: the scheme says it, never the delivery alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Ed25519,
    Ecdsa(Ecdsa),
    RsaPkcs1(Sha),
    RsaPss(Sha),
}

/// A public key of one of the kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// Its `kid`, if it came in a set.
    pub(crate) id: Option<String>,
    /// The only JOSE algorithm for which its set publishes it.
    pub(crate) algorithm: Option<String>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Ed25519([u8; 32]),
    /// The uncompressed point: 4, then x and y.
    Ec(Curve, Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// Below this RSA is broken in practice, and `ring` refuses it too.
const LEAST_RSA_BYTES: usize = 256;

impl PublicKey {
    /// Whether the key can be used so.
    pub(crate) fn fits(&self, wanted: Use) -> bool {
        match (&self.kind, wanted) {
            (Kind::Ed25519(_), Use::Ed25519) | (Kind::Rsa { .. }, Use::RsaPkcs1(_) | Use::RsaPss(_)) => true,
            (Kind::Ec(curve, _), Use::Ecdsa(ecdsa)) => *curve == ecdsa.curve,
            _ => false,
        }
    }

    /// Whether it may serve a delivery that names its key by this id: one without an id on either side is tried.
    pub(crate) fn answers_to(&self, id: Option<&str>) -> bool {
        self.id.is_none() || id.is_none() || self.id.as_deref() == id
    }

    /// Whether the signature is this key's over the message.
    pub(crate) fn verifies(&self, wanted: Use, message: &[u8], signature: &[u8]) -> bool {
        match (&self.kind, wanted) {
            (Kind::Ed25519(key), Use::Ed25519) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
            }
            (Kind::Ec(curve, point), Use::Ecdsa(ecdsa)) if *curve == ecdsa.curve => {
                verify_ecdsa(ecdsa, point, message, signature)
            }
            (Kind::Rsa { n, e }, Use::RsaPkcs1(_) | Use::RsaPss(_)) => {
                parameters(wanted).is_some_and(|parameters| {
                    RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
                })
            }
            _ => false,
        }
    }

    /// An RSA key from modulus and exponent, big-endian.
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, &'static str> {
        let (n, e) = (without_zeros(n), without_zeros(e));
        if n.len() < LEAST_RSA_BYTES || e.is_empty() {
            return Err("an RSA key needs at least 2048 bits");
        }
        Ok(Self::new(Kind::Rsa { n: n.to_vec(), e: e.to_vec() }))
    }

    /// A point on a curve, uncompressed.
    pub(crate) fn ec(curve: Curve, point: &[u8]) -> Result<Self, &'static str> {
        let (length, wrong) = match curve {
            Curve::P256 => (65, "a P-256 key is an uncompressed point of 65 bytes"),
            Curve::P384 => (97, "a P-384 key is an uncompressed point of 97 bytes"),
            Curve::P521 => (133, "a P-521 key is an uncompressed point of 133 bytes"),
        };
        if point.len() != length || point.first() != Some(&4) {
            return Err(wrong);
        }
        Ok(Self::new(Kind::Ec(curve, point.to_vec())))
    }

    /// An Ed25519 key, 32 bytes.
    pub(crate) fn ed25519(key: &[u8]) -> Result<Self, &'static str> {
        let key = key.try_into().map_err(|_| "an Ed25519 key has 32 bytes")?;
        Ok(Self::new(Kind::Ed25519(key)))
    }

    /// The same key with the id and the algorithm of its set.
    pub(crate) fn named(self, id: Option<String>, algorithm: Option<String>) -> Self {
        Self { id, algorithm, ..self }
    }

    fn new(kind: Kind) -> Self {
        Self { id: None, algorithm: None, kind }
    }
}

impl Use {
    /// How this algorithm of the provider language uses a public key, if it has one.
    pub(crate) fn of(algorithm: &Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Ed25519 => Some(Self::Ed25519),
            Algorithm::Ecdsa(ecdsa) => Some(Self::Ecdsa(*ecdsa)),
            Algorithm::RsaPkcs1(sha) => Some(Self::RsaPkcs1(*sha)),
            Algorithm::RsaPss(sha) => Some(Self::RsaPss(*sha)),
            Algorithm::Hmac(_)
            | Algorithm::Digest(_)
            | Algorithm::Token
            | Algorithm::Basic
            | Algorithm::Jwt(_)
            | Algorithm::JwsDetached(_)
            | Algorithm::HttpMessage(_) => None,
        }
    }

    /// How this algorithm of JOSE uses a public key, if it has one.
    pub(crate) fn of_jwt(algorithm: JwtAlgorithm) -> Option<Self> {
        match algorithm {
            JwtAlgorithm::Hs256 | JwtAlgorithm::Hs384 | JwtAlgorithm::Hs512 => None,
            JwtAlgorithm::Rs256 => Some(Self::RsaPkcs1(Sha::Sha256)),
            JwtAlgorithm::Rs384 => Some(Self::RsaPkcs1(Sha::Sha384)),
            JwtAlgorithm::Rs512 => Some(Self::RsaPkcs1(Sha::Sha512)),
            JwtAlgorithm::Ps256 => Some(Self::RsaPss(Sha::Sha256)),
            JwtAlgorithm::Ps384 => Some(Self::RsaPss(Sha::Sha384)),
            JwtAlgorithm::Ps512 => Some(Self::RsaPss(Sha::Sha512)),
            JwtAlgorithm::Es256 => Some(Self::Ecdsa(Ecdsa::p256(true))),
            JwtAlgorithm::Es384 => Some(Self::Ecdsa(Ecdsa::p384(true))),
            JwtAlgorithm::Es512 => Some(Self::Ecdsa(Ecdsa::p521(true))),
            JwtAlgorithm::EdDsa => Some(Self::Ed25519),
        }
    }
}

fn verify_ecdsa(ecdsa: Ecdsa, point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let ring = match (ecdsa.curve, ecdsa.sha, ecdsa.fixed) {
        (Curve::P256, Sha::Sha256, false) => &ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Sha::Sha256, true) => &ECDSA_P256_SHA256_FIXED,
        (Curve::P384, Sha::Sha384, false) => &ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Sha::Sha384, true) => &ECDSA_P384_SHA384_FIXED,
        _ => return verify_prehashed(ecdsa, point, &mac::digest(ecdsa.sha, message), signature),
    };
    UnparsedPublicKey::new(ring, point).verify(message, signature).is_ok()
}

/// The pairs that `ring` does not have: P-256 with SHA-1, P-521 with SHA-512.
fn verify_prehashed(ecdsa: Ecdsa, point: &[u8], digest: &[u8], signature: &[u8]) -> bool {
    use p256::ecdsa as p256;
    use p521::ecdsa as p521;
    match (ecdsa.curve, ecdsa.sha) {
        (Curve::P256, Sha::Sha1) => {
            let key = p256::VerifyingKey::from_sec1_bytes(point);
            let signature = match ecdsa.fixed {
                true => p256::Signature::from_slice(signature),
                false => p256::Signature::from_der(signature),
            };
            key.is_ok_and(|key| {
                signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
            })
        }
        (Curve::P521, Sha::Sha512) => {
            let key = p521::VerifyingKey::from_sec1_bytes(point);
            let signature = match ecdsa.fixed {
                true => p521::Signature::from_slice(signature),
                false => p521::Signature::from_der(signature),
            };
            key.is_ok_and(|key| {
                signature.is_ok_and(|signature| key.verify_prehash(digest, &signature).is_ok())
            })
        }
        _ => false,
    }
}

fn parameters(wanted: Use) -> Option<&'static RsaParameters> {
    match wanted {
        Use::RsaPkcs1(Sha::Sha1) => Some(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY),
        Use::RsaPkcs1(Sha::Sha256) => Some(&RSA_PKCS1_2048_8192_SHA256),
        Use::RsaPkcs1(Sha::Sha384) => Some(&RSA_PKCS1_2048_8192_SHA384),
        Use::RsaPkcs1(Sha::Sha512) => Some(&RSA_PKCS1_2048_8192_SHA512),
        Use::RsaPss(Sha::Sha256) => Some(&RSA_PSS_2048_8192_SHA256),
        Use::RsaPss(Sha::Sha384) => Some(&RSA_PSS_2048_8192_SHA384),
        Use::RsaPss(Sha::Sha512) => Some(&RSA_PSS_2048_8192_SHA512),
        Use::RsaPkcs1(Sha::Md5) | Use::RsaPss(Sha::Md5 | Sha::Sha1) | Use::Ed25519 | Use::Ecdsa(_) => None,
    }
}

fn without_zeros(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    integer.get(zeros..).unwrap_or_default()
}
