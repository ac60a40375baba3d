//! Public keys as they are configured: PEM blocks, certificates, a JSON Web Key Set, base64 or hex of DER or of a raw key.

use base64::Engine as _;
use serde::Deserialize;

use super::certificate;
use super::der;
use super::encoding::{BASE64, BASE64URL};
use super::public_key::{PublicKey, Use};
use super::scheme::Curve;

/// Reads every key in the text that can be used so: PEM blocks, a key set, base64 or hex of DER or of a raw key, DER itself.
///
/// Of a set the keys of other kinds are passed over, for senders publish them together.
///
/// # Errors
/// What is wrong, without a word of what was read.
pub(crate) fn read(bytes: &[u8], uses: &[Use]) -> Result<Vec<PublicKey>, &'static str> {
    let mut keys = match std::str::from_utf8(bytes).map(str::trim) {
        Ok(text) if text.starts_with('{') => read_set(text)?,
        Ok(text) if text.contains(PEM) => read_pems(text)?,
        Ok(text) => vec![read_raw(&decode(text).ok_or("it is neither PEM nor base64 nor hex")?)?],
        Err(_) => vec![read_raw(bytes)?],
    };
    keys.retain(|key| uses.iter().any(|wanted| key.fits(*wanted)));
    if keys.is_empty() {
        Err("it is a key of another kind than this sender's algorithm needs")
    } else {
        Ok(keys)
    }
}

/// Whether a secret is written as only asymmetric keys are: as PEM, as a JSON Web Key (Set), or as base64 of a
/// `SubjectPublicKeyInfo` or a certificate. Such a secret must never become the key of a HMAC, for everybody may have it.
pub(crate) fn reads_as_public(secret: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(secret).map(str::trim) else {
        return der::spki(secret).is_some();
    };
    if text.contains(PEM) {
        return true;
    }
    if text.starts_with('{') {
        let members = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
        return members.is_ok_and(|members| members.contains_key("kty") || members.contains_key("keys"));
    }
    decode(text).is_some_and(|der| der::spki(&der).is_some() || certificate::public_key(&der).is_some())
}

const PEM: &str = "-----BEGIN";

fn read_pems(text: &str) -> Result<Vec<PublicKey>, &'static str> {
    let blocks = der::pems(text).filter(|blocks| !blocks.is_empty()).ok_or("the PEM block is broken")?;
    let keys = blocks.iter().map(|(label, der)| match *label {
        "PUBLIC KEY" => read_spki(der),
        "RSA PUBLIC KEY" => read_pkcs1(der),
        "CERTIFICATE" => read_certificate(der),
        _ => Err("it is not a public key"),
    });
    keys.collect()
}

/// The key of a certificate that the operator trusts as it stands: who issued it and until when is not asked.
fn read_certificate(der: &[u8]) -> Result<PublicKey, &'static str> {
    read_spki(&certificate::public_key(der).ok_or("the certificate is broken")?)
}

fn read_raw(bytes: &[u8]) -> Result<PublicKey, &'static str> {
    match (bytes.len(), bytes.first()) {
        (32, _) => PublicKey::ed25519(bytes),
        (65, Some(4)) => PublicKey::ec(Curve::P256, bytes),
        _ => match certificate::public_key(bytes) {
            Some(key) => read_spki(&key),
            None => read_spki(bytes),
        },
    }
}

/// A `SubjectPublicKeyInfo` (RFC 5280).
pub(crate) fn read_spki(der: &[u8]) -> Result<PublicKey, &'static str> {
    let (algorithm, key) = der::spki(der).ok_or("it is not a public key in the form SubjectPublicKeyInfo")?;
    match algorithm {
        der::RSA => read_pkcs1(key),
        der::P256 => PublicKey::ec(Curve::P256, key),
        der::P384 => PublicKey::ec(Curve::P384, key),
        der::P521 => PublicKey::ec(Curve::P521, key),
        der::ED25519 => PublicKey::ed25519(key),
        _ => Err("it is neither RSA nor P-256, P-384 or P-521 nor Ed25519"),
    }
}

fn read_pkcs1(der: &[u8]) -> Result<PublicKey, &'static str> {
    let (n, e) = der::two_integers(der).ok_or("the RSA key is broken")?;
    PublicKey::rsa(n, e)
}

/// A JSON Web Key Set (RFC 7517), or one such key. Keys of other kinds in it are passed over.
fn read_set(text: &str) -> Result<Vec<PublicKey>, &'static str> {
    const BROKEN: &str = "it is neither a JSON Web Key nor a set of them";
    let set = match serde_json::from_str::<JsonKeySet>(text) {
        Ok(set) => set.keys,
        Err(_) => vec![serde_json::from_str(text).map_err(|_| BROKEN)?],
    };
    let keys: Vec<PublicKey> = set.iter().filter_map(JsonKey::read).collect::<Result<_, _>>()?;
    if keys.is_empty() {
        Err("the key set holds no RSA, P-256, P-384, P-521 or Ed25519 key for signatures")
    } else {
        Ok(keys)
    }
}

#[derive(Deserialize)]
struct JsonKeySet {
    keys: Vec<JsonKey>,
}

#[derive(Deserialize)]
struct JsonKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl JsonKey {
    fn read(&self) -> Option<Result<PublicKey, &'static str>> {
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let part = |text: &Option<String>| {
            let decoded = text.as_ref().and_then(|text| BASE64URL.decode(text).ok());
            decoded.ok_or("a key of the set is broken")
        };
        let point = |curve: Curve, length: usize| {
            let (x, y) = (part(&self.x)?, part(&self.y)?);
            if x.len() != length || y.len() != length {
                return Err("a key of the set is broken");
            }
            PublicKey::ec(curve, &[&[4_u8][..], &x, &y].concat())
        };
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => part(&self.n).and_then(|n| PublicKey::rsa(&n, &part(&self.e)?)),
            ("EC", Some("P-256")) => point(Curve::P256, 32),
            ("EC", Some("P-384")) => point(Curve::P384, 48),
            ("EC", Some("P-521")) => point(Curve::P521, 66),
            ("OKP", Some("Ed25519")) => part(&self.x).and_then(|x| PublicKey::ed25519(&x)),
            _ => return None,
        };
        Some(key.map(|key| key.named(self.kid.clone(), self.alg.clone())))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.split_ascii_whitespace().collect();
    hex::decode(&compact)
        .or_else(|_| BASE64.decode(&compact))
        .or_else(|_| BASE64URL.decode(&compact))
        .ok()
        .filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::scheme::{Ecdsa, Sha};
    use proptest::prelude::*;

    /// RFC 8032 section 7.1, test 2.
    #[test]
    fn ed25519_accepts_the_published_signature_and_no_other_message() {
        let hex_key = b"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        let keys = read(hex_key, &[Use::Ed25519]).unwrap();
        let signature = hex::decode(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        )
        .unwrap();
        assert!(keys[0].verifies(Use::Ed25519, &[0x72], &signature));
        assert!(!keys[0].verifies(Use::Ed25519, &[0x73], &signature));
        assert!(!keys[0].verifies(Use::Ecdsa(Ecdsa::p256(true)), &[0x72], &signature));
    }

    /// RFC 7515 appendix A.3 (ES256) and RFC 8037 appendix A.2 (the key of A.1).
    #[test]
    fn a_key_set_holds_several_kinds_and_passes_over_the_unknown() {
        let set = br#"{"keys":[
            {"kty":"EC","crv":"P-256","kid":"a",
             "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
            {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            {"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"},{"kty":"RSA","use":"enc"}]}"#;
        let es256 = Use::Ecdsa(Ecdsa::p256(true));
        let keys = read(set, &[es256, Use::Ed25519]).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0].id.as_deref(), Some("a"));
        let message = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = super::super::encoding::decode(
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            crate::verify::Encoding::Base64Url,
        )
        .unwrap();
        assert!(keys[0].verifies(es256, message, &signature));
        assert!(!keys[0].verifies(es256, b"another message", &signature));
    }

    #[test]
    fn what_is_no_fitting_public_key_is_refused() {
        let ed25519 = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
        for (text, wanted) in [
            (ed25519, Use::RsaPkcs1(Sha::Sha256)),
            ("", Use::Ed25519),
            ("whsec_abc", Use::Ed25519),
            ("AAAA", Use::Ed25519),
            ("{}", Use::Ed25519),
            ("{\"keys\":[]}", Use::Ed25519),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", Use::Ed25519),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", Use::Ed25519),
        ] {
            assert!(read(text.as_bytes(), &[wanted]).is_err(), "{text}");
        }
    }

    /// One secret may hold several keys, as while a sender changes them.
    #[test]
    fn every_pem_block_is_a_key() {
        let pems: Vec<String> = [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519]
            .map(|kind| rcgen::KeyPair::generate_for(kind).unwrap().public_key_pem())
            .into();
        assert_eq!(read(pems.concat().as_bytes(), &[Use::Ed25519]).unwrap().len(), 2);
        assert_eq!(read(pems.concat().as_bytes(), &[Use::Ecdsa(Ecdsa::p384(true))]).unwrap().len(), 1);
        assert!(read(pems.concat().as_bytes(), &[Use::Ecdsa(Ecdsa::p256(true))]).is_err());
        let broken = pems.concat().replacen("-----END", "----END", 1);
        assert!(read(broken.as_bytes(), &[Use::Ed25519]).is_err());
    }

    #[test]
    fn a_certificate_is_read_for_its_key() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&pair).unwrap();
        let wanted = [Use::Ecdsa(Ecdsa::p256(false))];
        let expected = read(pair.public_key_pem().as_bytes(), &wanted).unwrap();
        assert_eq!(read(certificate.pem().as_bytes(), &wanted).unwrap(), expected);
        assert_eq!(read(certificate.der(), &wanted).unwrap(), expected);
        assert_eq!(read(BASE64.encode(certificate.der()).as_bytes(), &wanted).unwrap(), expected);
    }

    #[test]
    fn what_is_written_as_a_public_key_is_told_from_a_shared_secret() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        for public in [
            &pair.public_key_pem(),
            &pair.serialize_pem(),
            &BASE64.encode(rcgen::PublicKeyData::subject_public_key_info(&pair)),
            &hex::encode(rcgen::PublicKeyData::subject_public_key_info(&pair)),
            "{\"kty\":\"oct\",\"k\":\"AAAA\"}",
            " {\"keys\":[]}",
            "-----BEGIN nonsense",
        ] {
            assert!(reads_as_public(public.as_bytes()), "{public}");
        }
        for shared in
            ["", "secret", "whsec_AAAA", "{not json", "{}", &"ab".repeat(32), "MCowBQYDK2VwAyEA", "\u{e4}"]
        {
            assert!(!reads_as_public(shared.as_bytes()), "{shared}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, signature: Vec<u8>) {
            let _ = (read(&bytes, &[Use::Ed25519]), reads_as_public(&bytes));
            let _ = read(&[&[0x30, 0x82], bytes.as_slice()].concat(), &[Use::Ed25519]);
            if let Ok(key) = PublicKey::ed25519(&[7; 32]) {
                prop_assert!(!key.verifies(Use::Ed25519, &bytes, &signature));
            }
        }
    }
}
