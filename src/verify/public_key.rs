//! Public keys: read from PEM, DER, raw bytes or a JSON Web Key Set, and held against signatures (`ring`).

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

use super::der;
use super::encoding::{BASE64, BASE64URL};
use super::scheme::{Algorithm, JwtAlgorithm, Sha};

/// How a public key is used: the scheme says it, never the delivery alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Ed25519,
    EcdsaP256 { fixed: bool },
    RsaPkcs1(Sha),
    RsaPss(Sha),
}

/// A public key of one of the three kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// Its `kid`, if it came in a set.
    pub(crate) id: Option<String>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Ed25519([u8; 32]),
    /// The uncompressed point: 4, then x and y.
    P256(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// Below this RSA is broken in practice, and `ring` refuses it too.
const LEAST_RSA_BYTES: usize = 256;

/// Reads every key in the text: a PEM block, a key set, base64 or hex of DER or of a raw key, or DER itself.
///
/// # Errors
/// What is wrong, without a word of what was read.
pub(crate) fn read(bytes: &[u8], uses: &[Use]) -> Result<Vec<PublicKey>, &'static str> {
    let keys = match std::str::from_utf8(bytes).map(str::trim) {
        Ok(text) if text.starts_with('{') => read_set(text)?,
        Ok(text) if text.contains("-----BEGIN") => vec![read_pem(text)?],
        Ok(text) => vec![read_raw(&decode(text).ok_or("it is neither PEM nor base64 nor hex")?)?],
        Err(_) => vec![read_raw(bytes)?],
    };
    if keys.iter().all(|key| uses.iter().any(|wanted| key.fits(*wanted))) {
        Ok(keys)
    } else {
        Err("it is a key of another kind than this sender's algorithm needs")
    }
}

impl PublicKey {
    /// Whether the key can be used so.
    pub(crate) fn fits(&self, wanted: Use) -> bool {
        matches!(
            (&self.kind, wanted),
            (Kind::Ed25519(_), Use::Ed25519)
                | (Kind::P256(_), Use::EcdsaP256 { .. })
                | (Kind::Rsa { .. }, Use::RsaPkcs1(_) | Use::RsaPss(_))
        )
    }

    /// Whether the signature is this key's over the message.
    pub(crate) fn verifies(&self, wanted: Use, message: &[u8], signature: &[u8]) -> bool {
        match (&self.kind, wanted) {
            (Kind::Ed25519(key), Use::Ed25519) => {
                UnparsedPublicKey::new(&ED25519, key).verify(message, signature).is_ok()
            }
            (Kind::P256(point), Use::EcdsaP256 { fixed }) => {
                let algorithm = if fixed { &ECDSA_P256_SHA256_FIXED } else { &ECDSA_P256_SHA256_ASN1 };
                UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok()
            }
            (Kind::Rsa { n, e }, Use::RsaPkcs1(_) | Use::RsaPss(_)) => {
                parameters(wanted).is_some_and(|parameters| {
                    RsaPublicKeyComponents { n, e }.verify(parameters, message, signature).is_ok()
                })
            }
            _ => false,
        }
    }

    fn new(kind: Kind) -> Self {
        Self { id: None, kind }
    }

    fn rsa(n: &[u8], e: &[u8]) -> Result<Self, &'static str> {
        let (n, e) = (without_zeros(n), without_zeros(e));
        if n.len() < LEAST_RSA_BYTES || e.is_empty() {
            return Err("an RSA key needs at least 2048 bits");
        }
        Ok(Self::new(Kind::Rsa { n: n.to_vec(), e: e.to_vec() }))
    }

    fn p256(point: &[u8]) -> Result<Self, &'static str> {
        if point.len() != 65 || point.first() != Some(&4) {
            return Err("a P-256 key is an uncompressed point of 65 bytes");
        }
        Ok(Self::new(Kind::P256(point.to_vec())))
    }

    fn ed25519(key: &[u8]) -> Result<Self, &'static str> {
        let key = key.try_into().map_err(|_| "an Ed25519 key has 32 bytes")?;
        Ok(Self::new(Kind::Ed25519(key)))
    }
}

impl Use {
    /// How this algorithm of the provider language uses a public key, if it has one.
    pub(crate) fn of(algorithm: &Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Ed25519 => Some(Self::Ed25519),
            Algorithm::EcdsaP256 { fixed } => Some(Self::EcdsaP256 { fixed: *fixed }),
            Algorithm::RsaPkcs1(sha) => Some(Self::RsaPkcs1(*sha)),
            Algorithm::RsaPss(sha) => Some(Self::RsaPss(*sha)),
            Algorithm::Hmac(_)
            | Algorithm::Digest(_)
            | Algorithm::Token
            | Algorithm::Basic
            | Algorithm::Jwt(_) => None,
        }
    }

    /// How this algorithm of a JWT uses a public key, if it has one.
    pub(crate) fn of_jwt(algorithm: JwtAlgorithm) -> Option<Self> {
        match algorithm {
            JwtAlgorithm::Hs256 | JwtAlgorithm::Hs384 | JwtAlgorithm::Hs512 => None,
            JwtAlgorithm::Rs256 => Some(Self::RsaPkcs1(Sha::Sha256)),
            JwtAlgorithm::Rs512 => Some(Self::RsaPkcs1(Sha::Sha512)),
            JwtAlgorithm::Ps256 => Some(Self::RsaPss(Sha::Sha256)),
            JwtAlgorithm::Es256 => Some(Self::EcdsaP256 { fixed: true }),
            JwtAlgorithm::EdDsa => Some(Self::Ed25519),
        }
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
        Use::RsaPkcs1(Sha::Md5)
        | Use::RsaPss(Sha::Md5 | Sha::Sha1)
        | Use::Ed25519
        | Use::EcdsaP256 { .. } => None,
    }
}

fn read_pem(text: &str) -> Result<PublicKey, &'static str> {
    let (label, der) = der::pem(text).ok_or("the PEM block is broken")?;
    match label {
        "PUBLIC KEY" => read_spki(&der),
        "RSA PUBLIC KEY" => read_pkcs1(&der),
        "CERTIFICATE" => Err("it is a certificate; give its public key (openssl x509 -pubkey -noout)"),
        _ => Err("it is not a public key"),
    }
}

fn read_raw(bytes: &[u8]) -> Result<PublicKey, &'static str> {
    match (bytes.len(), bytes.first()) {
        (32, _) => PublicKey::ed25519(bytes),
        (65, Some(4)) => PublicKey::p256(bytes),
        _ => read_spki(bytes),
    }
}

fn read_spki(der: &[u8]) -> Result<PublicKey, &'static str> {
    let (algorithm, key) = der::spki(der).ok_or("it is not a public key in the form SubjectPublicKeyInfo")?;
    match algorithm {
        der::RSA => read_pkcs1(key),
        der::P256 => PublicKey::p256(key),
        der::ED25519 => PublicKey::ed25519(key),
        _ => Err("it is neither RSA nor P-256 nor Ed25519"),
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
    if keys.is_empty() { Err("the key set holds no RSA, P-256 or Ed25519 key") } else { Ok(keys) }
}

#[derive(Deserialize)]
struct JsonKeySet {
    keys: Vec<JsonKey>,
}

#[derive(Deserialize)]
struct JsonKey {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl JsonKey {
    fn read(&self) -> Option<Result<PublicKey, &'static str>> {
        use base64::Engine as _;
        let part = |text: &Option<String>| {
            let decoded = text.as_ref().and_then(|text| BASE64URL.decode(text).ok());
            decoded.ok_or("a key of the set is broken")
        };
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => part(&self.n).and_then(|n| PublicKey::rsa(&n, &part(&self.e)?)),
            ("EC", Some("P-256")) => {
                part(&self.x).and_then(|x| PublicKey::p256(&[&[4_u8][..], &x, &part(&self.y)?].concat()))
            }
            ("OKP", Some("Ed25519")) => part(&self.x).and_then(|x| PublicKey::ed25519(&x)),
            _ => return None,
        };
        Some(key.map(|key| PublicKey { id: self.kid.clone(), ..key }))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let compact: String = text.split_ascii_whitespace().collect();
    hex::decode(&compact)
        .or_else(|_| BASE64.decode(&compact))
        .or_else(|_| BASE64URL.decode(&compact))
        .ok()
        .filter(|bytes| !bytes.is_empty())
}

fn without_zeros(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    integer.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert!(!keys[0].verifies(Use::EcdsaP256 { fixed: true }, &[0x72], &signature));
    }

    /// RFC 7515 appendix A.3 (ES256) and RFC 8037 appendix A.2 (the key of A.1).
    #[test]
    fn a_key_set_holds_several_kinds_and_passes_over_the_unknown() {
        let set = br#"{"keys":[
            {"kty":"EC","crv":"P-256","kid":"a",
             "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
            {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
            {"kty":"EC","crv":"P-521","x":"AA","y":"AA"}]}"#;
        let es256 = Use::EcdsaP256 { fixed: true };
        let keys = read(set, &[es256, Use::Ed25519]).unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0].id.as_deref(), Some("a"));
        let message = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature = super::super::encoding::decode(
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
            super::super::scheme::Encoding::Base64Url,
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

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, signature: Vec<u8>) {
            let _ = read(&bytes, &[Use::Ed25519]);
            let _ = read(&[&[0x30, 0x82], bytes.as_slice()].concat(), &[Use::Ed25519]);
            if let Ok(key) = PublicKey::ed25519(&[7; 32]) {
                prop_assert!(!key.verifies(Use::Ed25519, &bytes, &signature));
            }
        }
    }
}
