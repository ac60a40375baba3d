//! Which kind of key a secret becomes where a sender's algorithms leave it open. The secret's own form decides.

use rustls_pki_types::{CertificateDer, TrustAnchor};
use smallvec::smallvec;

use crate::secret::Secret;

use super::der;
use super::jose_form::{JwtAlgorithm, JwtForm};
use super::keys::{Key, KeyError, public};
use super::mac::State;
use super::message_form::MessageForm;
use super::public_key::Use;
use super::read_key::reads_as_public;
use super::scheme::{Ecdsa, KeyForm, Sha};

/// What is said of a public key in the place of a shared secret.
pub(crate) const SHARED: &str =
    "this sender signs with a shared secret, and this is a public key, which everybody may have";

/// The key of a JWT: the root of its certificates, or as [`prepare`].
pub(crate) fn prepare_jwt(form: &JwtForm, key: &KeyForm, secret: &Secret) -> Result<Key, KeyError> {
    if form.x5c.is_some() { roots(secret) } else { prepare(&form.algorithms, key, secret) }
}

/// A HMAC's key or a public one.
///
/// Algorithms of one kind settle it. With both kinds a secret that is written as public keys are is only ever one, and any
/// other only ever a HMAC's key: so the public key, which everybody has, can never sign as a shared secret.
pub(crate) fn prepare(algorithms: &[JwtAlgorithm], form: &KeyForm, secret: &Secret) -> Result<Key, KeyError> {
    let uses: Vec<Use> = algorithms.iter().filter_map(|algorithm| Use::of_jwt(*algorithm)).collect();
    let macs = algorithms.iter().any(|algorithm| algorithm.hmac().is_some());
    let is_public = reads_as_public(secret.expose());
    match (macs, uses.is_empty()) {
        (_, false) if is_public || !macs => return public(&uses, form, secret),
        (true, _) if is_public => {
            return Err(KeyError::NotAPublicKey { why: SHARED });
        }
        _ => {}
    }
    let bytes = form.decode(secret)?;
    let macs = algorithms.iter().filter_map(|algorithm| {
        let state = State::hmac(algorithm.hmac()?, &bytes)?;
        Some((*algorithm, state))
    });
    Ok(Key::JwtMac(macs.collect()))
}

/// The key of an HTTP message signature: any kind that RFC 9421 names, by the secret's own form.
///
/// The 32 bytes of a raw Ed25519 key look like a shared secret; they are a public key only where the form says that all are.
pub(crate) fn prepare_message(form: &MessageForm, key: &KeyForm, secret: &Secret) -> Result<Key, KeyError> {
    if form.public || reads_as_public(secret.expose()) {
        return public(&MESSAGE_USES, key, secret);
    }
    let state = State::hmac(Sha::Sha256, &key.decode(secret)?).ok_or(KeyError::Empty)?;
    Ok(Key::Mac(smallvec![state]))
}

/// Every use of a public key in RFC 9421, section 3.3.
pub(crate) const MESSAGE_USES: [Use; 5] = [
    Use::RsaPss(Sha::Sha512),
    Use::RsaPkcs1(Sha::Sha256),
    Use::Ecdsa(Ecdsa { curve: super::scheme::Curve::P256, sha: Sha::Sha256, fixed: true }),
    Use::Ecdsa(Ecdsa { curve: super::scheme::Curve::P384, sha: Sha::Sha384, fixed: true }),
    Use::Ed25519,
];

/// Certificates that are trusted to issue others.
fn roots(secret: &Secret) -> Result<Key, KeyError> {
    let not = |why| KeyError::NotAPublicKey { why };
    const EXPECTED: &str = "expected the root certificate as PEM";
    let text = std::str::from_utf8(secret.expose()).map_err(|_| not(EXPECTED))?;
    let blocks = der::pems(text).filter(|blocks| !blocks.is_empty()).ok_or(not(EXPECTED))?;
    let roots = blocks.iter().map(|(label, der)| anchor(label, der).ok_or(not(EXPECTED)));
    roots.collect::<Result<Vec<_>, _>>().map(Key::Roots)
}

fn anchor(label: &str, der: &[u8]) -> Option<TrustAnchor<'static>> {
    let certificate = CertificateDer::from(der);
    let anchor = (label == "CERTIFICATE").then(|| webpki::anchor_from_trusted_cert(&certificate).ok());
    anchor.flatten().map(|anchor| anchor.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithms: &[JwtAlgorithm], secret: &str) -> &'static str {
        match prepare(algorithms, &KeyForm::default(), &Secret::new(secret.into())) {
            Ok(Key::JwtMac(_)) => "hmac",
            Ok(Key::Public(_)) => "public",
            Ok(_) => "another",
            Err(_) => "refused",
        }
    }

    #[test]
    fn the_form_of_the_secret_decides_where_the_algorithms_do_not() {
        use JwtAlgorithm::{Es256, Hs256, Rs256};
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let (public, private) = (pair.public_key_pem(), pair.serialize_pem());
        for (algorithms, secret, expected) in [
            (&[Hs256, Es256][..], public.as_str(), "public"),
            (&[Hs256, Es256], "a shared secret", "hmac"),
            (&[Hs256, Rs256], &public, "refused"),
            (&[Hs256, Es256], &private, "refused"),
            (&[Hs256, Es256], "{\"keys\":[]}", "refused"),
            (&[Hs256], &public, "refused"),
            (&[Hs256], "a shared secret", "hmac"),
            (&[Es256], &public, "public"),
            (&[Es256], "a shared secret", "refused"),
        ] {
            assert_eq!(key(algorithms, secret), expected, "{algorithms:?} {secret}");
        }
    }
}
