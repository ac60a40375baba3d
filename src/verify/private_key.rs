//! Private keys (PEM, PKCS#8), for making the signatures that `public_key` checks (`ring`).

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};

use super::der;
use super::public_key::Use;
use super::scheme::Sha;
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
        Use::EcdsaP256 { fixed } => {
            let form = if fixed { &ECDSA_P256_SHA256_FIXED_SIGNING } else { &ECDSA_P256_SHA256_ASN1_SIGNING };
            let pair =
                EcdsaKeyPair::from_pkcs8(form, &der, &random).map_err(|_| key("it is no P-256 key"))?;
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
        | Use::EcdsaP256 { .. } => None,
    }
}
