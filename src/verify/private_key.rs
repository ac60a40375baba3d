//! Private keys (PEM, PKCS#8), for making the signatures that `public_key` checks (`ring`; RustCrypto where `ring` has no such pair).

use p521::ecdsa::signature::hazmat::PrehashSigner as _;
use p521::pkcs8::DecodePrivateKey as _;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};

use super::der;
use super::mac;
use super::public_key::Use;
use super::scheme::{Curve, Ecdsa, Sha};
use super::sign::SignError;

/// Signs the message with the private key in this PEM text.
pub(crate) fn sign(pem: &[u8], wanted: Use, message: &[u8]) -> Result<Vec<u8>, SignError> {
    let key = |why: &str| SignError::Key(why.to_owned());
    let text = std::str::from_utf8(pem).map_err(|_| key(EXPECTED))?;
    let (label, der) = der::pem(text).ok_or_else(|| key(EXPECTED))?;
    if label != "PRIVATE KEY" {
        return Err(key(EXPECTED));
    }
    let random = SystemRandom::new();
    match wanted {
        Use::Ed25519 => {
            let pair =
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|_| key("it is no Ed25519 key"))?;
            Ok(pair.sign(message).as_ref().to_vec())
        }
        Use::Ecdsa(ecdsa) => {
            let form = match (ecdsa.curve, ecdsa.sha, ecdsa.fixed) {
                (Curve::P256, Sha::Sha256, false) => &ECDSA_P256_SHA256_ASN1_SIGNING,
                (Curve::P256, Sha::Sha256, true) => &ECDSA_P256_SHA256_FIXED_SIGNING,
                (Curve::P384, Sha::Sha384, false) => &ECDSA_P384_SHA384_ASN1_SIGNING,
                (Curve::P384, Sha::Sha384, true) => &ECDSA_P384_SHA384_FIXED_SIGNING,
                _ => return sign_prehashed(ecdsa, &der, &mac::digest(ecdsa.sha, message)),
            };
            let pair = EcdsaKeyPair::from_pkcs8(form, &der, &random)
                .map_err(|_| key("it is no key on this sender's curve"))?;
            let signature = pair.sign(&random, message).map_err(|_| key("it cannot sign"))?;
            Ok(signature.as_ref().to_vec())
        }
        Use::RsaPkcs1(_) | Use::RsaPss(_) => {
            let padding = padding(wanted).ok_or(SignError::Unsupported("a signature with RSA and SHA-1"))?;
            let pair =
                RsaKeyPair::from_pkcs8(&der).map_err(|_| key("it is no RSA key of at least 2048 bits"))?;
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(padding, &random, message, &mut signature).map_err(|_| key("it cannot sign"))?;
            Ok(signature)
        }
    }
}

fn sign_prehashed(ecdsa: Ecdsa, der: &[u8], digest: &[u8]) -> Result<Vec<u8>, SignError> {
    use p256::ecdsa as p256;
    use p521::ecdsa as p521;
    let key = || SignError::Key("it is no key on this sender's curve".to_owned());
    match (ecdsa.curve, ecdsa.sha) {
        (Curve::P256, Sha::Sha1) => {
            let pair = p256::SigningKey::from_pkcs8_der(der).map_err(|_| key())?;
            let signature: p256::Signature = pair.sign_prehash(digest).map_err(|_| key())?;
            Ok(if ecdsa.fixed {
                signature.to_bytes().to_vec()
            } else {
                signature.to_der().as_bytes().to_vec()
            })
        }
        (Curve::P521, Sha::Sha512) => {
            let pair = p521::SigningKey::from_pkcs8_der(der).map_err(|_| key())?;
            let signature: p521::Signature = pair.sign_prehash(digest).map_err(|_| key())?;
            Ok(if ecdsa.fixed {
                signature.to_bytes().to_vec()
            } else {
                signature.to_der().as_bytes().to_vec()
            })
        }
        _ => Err(SignError::Unsupported("a signature of this curve and hash")),
    }
}

const EXPECTED: &str = "expected the private key as PEM (PKCS#8, `-----BEGIN PRIVATE KEY-----`)";

fn padding(wanted: Use) -> Option<&'static dyn RsaEncoding> {
    match wanted {
        Use::RsaPkcs1(Sha::Sha256) => Some(&RSA_PKCS1_SHA256),
        Use::RsaPkcs1(Sha::Sha384) => Some(&RSA_PKCS1_SHA384),
        Use::RsaPkcs1(Sha::Sha512) => Some(&RSA_PKCS1_SHA512),
        Use::RsaPss(Sha::Sha256) => Some(&RSA_PSS_SHA256),
        Use::RsaPss(Sha::Sha384) => Some(&RSA_PSS_SHA384),
        Use::RsaPss(Sha::Sha512) => Some(&RSA_PSS_SHA512),
        Use::RsaPkcs1(Sha::Md5 | Sha::Sha1)
        | Use::RsaPss(Sha::Md5 | Sha::Sha1)
        | Use::Ed25519
        | Use::Ecdsa(_) => None,
    }
}
