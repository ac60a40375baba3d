//! What a sender's JSON Web Tokens and JSON Web Signatures must be, as plain data of the provider language.

use std::time::Duration;

use super::scheme::{Encoding, Sha, words};

/// What a sender's JWT must be. `exp` and `nbf` are obeyed wherever they are present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwtForm {
    /// The algorithms this sender uses. A token that names another one is refused before anything else. If some are HMAC
    /// and some are not, the form of the configured key decides which kind counts, never the token.
    pub algorithms: Vec<JwtAlgorithm>,
    /// The claim that holds a digest of the body.
    pub body_hash: Option<BodyHashClaim>,
    /// The claim that holds the body's own text.
    pub body_text: Option<String>,
    /// The claim that holds a digest of the whole URL.
    pub url_hash: Option<UrlHashClaim>,
    /// The claim that holds the whole URL.
    pub url: Option<String>,
    /// The claim that holds Atlassian's query hash, `qsh`.
    pub query_hash: Option<String>,
    /// The required `iss`.
    pub issuer: Option<String>,
    /// A required `aud` (or a member of it).
    pub audience: Option<String>,
    /// Claims that must be there, whatever they say.
    pub required: Vec<String>,
    /// How far `exp` and `nbf` may be overstepped, if not by the window of the send time.
    pub leeway: Option<Duration>,
    /// Whether the JSON object in which the token stands must hold nothing else, so that the token is all of the body.
    pub alone: bool,
    /// Set if the token brings the certificates of its key, and the configured secret is the root to which they lead.
    pub x5c: Option<X5cForm>,
}

/// The claim of a JWT that holds a digest of the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyHashClaim {
    /// The claim's name.
    pub claim: String,
    /// The digest.
    pub digest: Sha,
    /// How it is written.
    pub encoding: Encoding,
    /// Whether the claim is left out for an empty body. Without the claim any other body is refused.
    pub absent_if_empty: bool,
}

/// The claim of a JWT that holds a digest of the whole URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlHashClaim {
    /// The claim's name.
    pub claim: String,
    /// The digest.
    pub digest: Sha,
    /// How it is written.
    pub encoding: Encoding,
}

/// What the certificates in a token's `x5c` (RFC 7515, section 4.1.6) must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X5cForm {
    /// How many there are, from the signing key's to the root's.
    pub length: usize,
    /// The extension by which the signing key's certificate is known.
    pub leaf_oid: Option<String>,
    /// The extension by which the certificate above it is known.
    pub intermediate_oid: Option<String>,
}

/// What a sender's detached JWS must be. What it signs is the template's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JwsForm {
    /// The algorithms this sender uses, as for [`JwtForm::algorithms`].
    pub algorithms: Vec<JwtAlgorithm>,
    /// Whether the payload is signed in base64url.
    pub payload: JwsPayload,
    /// Members that the header must have, and their values.
    pub header: Vec<(String, String)>,
}

/// Whether a detached payload is signed in base64url (RFC 7515) or as it is (RFC 7797, `b64: false`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JwsPayload {
    /// `true`: in base64url; a header that says otherwise is refused.
    #[default]
    Encoded,
    /// `false`: as it is; the header must say so.
    Plain,
    /// `header`: as the header says.
    Either,
}

/// A signature algorithm of RFC 7518 or RFC 8037. `none` is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    Rs384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    Rs512,
    /// RSA-PSS with SHA-256.
    Ps256,
    /// RSA-PSS with SHA-384.
    Ps384,
    /// RSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
}

words!(JwtAlgorithm {
    "HS256" => Self::Hs256,
    "HS384" => Self::Hs384,
    "HS512" => Self::Hs512,
    "RS256" => Self::Rs256,
    "RS384" => Self::Rs384,
    "RS512" => Self::Rs512,
    "PS256" => Self::Ps256,
    "PS384" => Self::Ps384,
    "PS512" => Self::Ps512,
    "ES256" => Self::Es256,
    "ES384" => Self::Es384,
    "ES512" => Self::Es512,
    "EdDSA" => Self::EdDsa,
});

words!(JwsPayload {
    "true" => Self::Encoded,
    "false" => Self::Plain,
    "header" => Self::Either,
});

impl JwtAlgorithm {
    /// Its name in a token's header.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The hash of its HMAC, if it is one.
    #[must_use]
    pub fn hmac(self) -> Option<Sha> {
        match self {
            Self::Hs256 => Some(Sha::Sha256),
            Self::Hs384 => Some(Sha::Sha384),
            Self::Hs512 => Some(Sha::Sha512),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_its_own_algorithm_and_none_is_no_word() {
        for word in JwtAlgorithm::WORDS {
            assert_eq!(word.parse::<JwtAlgorithm>().unwrap().word(), *word);
        }
        assert_eq!("none".parse::<JwtAlgorithm>().unwrap_err().known(), JwtAlgorithm::WORDS);
    }
}
