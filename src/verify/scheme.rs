//! How one sender signs, as plain data: what the provider language of a catalogue file is read into.

use std::fmt;

use http::HeaderName;

use super::jose_form::{JwsForm, JwtForm};
use super::locator::{Location, Pointer};
use super::message_form::MessageForm;
use super::template::{Part, Template};

/// How one sender signs: one or more complete forms, of which the first whose conditions hold is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// The forms, in the order in which their conditions are looked at.
    pub alternatives: Vec<Alternative>,
}

impl Scheme {
    /// The form field that holds the JSON, if the body is a form.
    #[must_use]
    pub fn document(&self) -> Option<&str> {
        self.alternatives.first()?.document.as_deref()
    }

    /// The same with the values of its settings in their places; a setting without a value stays.
    #[must_use]
    pub fn with_settings(&self, value: &dyn Fn(&str) -> Option<Part>) -> Self {
        let filled = |form: &Alternative| Alternative {
            signed: form.signed.iter().map(|template| template.with_settings(value)).collect(),
            ..form.clone()
        };
        Self { alternatives: self.alternatives.iter().map(filled).collect() }
    }

    /// The names of the settings that its templates sign.
    pub fn settings(&self) -> impl Iterator<Item = &str> {
        let signed = self.alternatives.iter().flat_map(|form| &form.signed);
        signed.flat_map(Template::leaves).filter_map(|part| match part {
            Part::Setting(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether its deliveries expire by themselves, as JWTs and HTTP message signatures do.
    #[must_use]
    pub fn expires(&self) -> bool {
        let expiring =
            |form: &Alternative| matches!(form.algorithm, Algorithm::Jwt(_) | Algorithm::HttpMessage(_));
        self.alternatives.iter().any(expiring)
    }

    /// Whether the form can be chosen only once the body is there.
    pub(crate) fn needs_body_to_choose(&self) -> bool {
        let mut conditions = self.alternatives.iter().flat_map(|form| &form.when);
        conditions.any(|condition| matches!(condition.subject, Subject::Json(_)))
    }

    /// Whether any form signs the URL, so that [`super::Head::origin`] has to be known.
    #[must_use]
    pub fn signs_url(&self) -> bool {
        let signed = self.alternatives.iter().flat_map(|form| &form.signed);
        signed.flat_map(Template::leaves).any(|part| matches!(part, Part::Url | Part::UrlWithoutQuery))
            || self.alternatives.iter().any(|form| match &form.algorithm {
                Algorithm::Jwt(jwt) => jwt.url.is_some() || jwt.url_hash.is_some(),
                Algorithm::HttpMessage(_) => true,
                _ => false,
            })
    }
}

/// One complete form of a sender's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// What must all hold of the head for this form to be the one; nothing means always.
    pub when: Vec<Condition>,
    /// Where the signature stands and how it is written.
    pub signature: SignatureForm,
    /// What makes the signature from the key and the signed bytes.
    pub algorithm: Algorithm,
    /// How the stored secret becomes the key.
    pub key: KeyForm,
    /// Further ways in which the stored secret may become a key; each that it fits is tried. Only for HMAC.
    pub further_keys: Vec<KeyForm>,
    /// The signed bytes. Several are variants of the same content that this sender is known to sign; any may fit.
    /// Empty for tokens, Basic and JWT, which sign no template.
    pub signed: Vec<Template>,
    /// Whether the values of the template are put in order, byte by byte, before they are joined.
    pub sort_parts: bool,
    /// A digest that the sender takes of the signed bytes before it signs that.
    pub prehash: Option<Sha>,
    /// Where the elements stand of which each carries and proves its own signature; every one has to.
    pub each: Option<Pointer>,
    /// The form field that holds the JSON, if the body is a form.
    pub document: Option<String>,
    /// Set where this sender is known not to sign the body, so that no template leaves it out by mistake.
    pub unsigned_body: bool,
    /// Which bytes `{body}` and the body's digests mean.
    pub body: BodyForm,
    /// A digest of the body that stands elsewhere in the delivery (in its signed part) and must be right.
    pub body_digest: Option<BodyDigest>,
    /// The signed send time.
    pub timestamp: Option<TimestampForm>,
    /// How `{url}` is written.
    pub url: UrlForm,
}

/// A fact of the head that the provider's documents name as the mark of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is looked at.
    pub subject: Subject,
    /// What must hold of it.
    pub test: Test,
}

/// What a [`Condition`] looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A header.
    Header(HeaderName),
    /// A parameter of the query.
    Query(String),
    /// A value of the JSON body. A scheme that asks for one is chosen once the body is there.
    Json(Pointer),
}

/// What a [`Condition`] asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It is there, whatever its value.
    Present,
    /// It is not there.
    Absent,
    /// It is there once and has this value, in either letter case.
    Equals(String),
    /// It is there once and its value starts with this, in either letter case.
    StartsWith(String),
    /// It is there once and its value has this many bytes.
    Length(usize),
}

/// Where the signature stands and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureForm {
    /// Where it stands.
    pub location: Location,
    /// Text that must stand before it, such as `sha256=`; in a list before each. Empty for none.
    pub prefix: String,
    /// How one text holds one or several signatures.
    pub layout: Layout,
    /// How a signature's bytes are written.
    pub encoding: Encoding,
    /// Set if the text is base64 of JSON in which the signature stands.
    pub wrapped: Option<Wrapped>,
}

/// A signature inside base64 of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// Where in the JSON the signature stands.
    pub signature: Pointer,
    /// Where in the JSON the key's id stands, if it is there: of keys with ids only that one is tried.
    pub key_id: Option<Pointer>,
}

/// How one text holds one or several signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The whole text is one signature.
    Single,
    /// `t=1700000000,v1=abc,v1=def`: named items; spaces around them do not count.
    Pairs(PairsForm),
    /// `abc, def`: every item is a signature; spaces around them do not count.
    List {
        /// What separates the items.
        separator: char,
    },
    /// `v1,abc v1a,def`: every item says its version. Items of other versions are ignored.
    Versioned {
        /// What separates the items, usually a space. Spaces around items do not count, and neither does a `,` at the end.
        separator: char,
        /// The accepted versions.
        versions: Vec<String>,
    },
    /// `1700000000,abc,def`: first the send time, then signatures.
    Positional {
        /// What separates the items.
        separator: char,
    },
}

/// How a text of named items is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairsForm {
    /// What the sender writes between the items, usually `,`. Reading, each of its characters separates.
    pub separators: String,
    /// What stands between an item's name and its value, usually `=`.
    pub mark: char,
    /// The name of the items that are signatures, or `*` for every item. Items of other names are ignored.
    pub signature: String,
    /// The name of the item that is the send time.
    pub timestamp: Option<String>,
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal: all lower case or all upper case.
    Hex,
    /// Base64 with `+` and `/`, padded or not.
    Base64,
    /// Base64 with `-` and `_`, padded or not.
    Base64Url,
    /// Base64 of the hexadecimal text.
    Base64Hex,
    /// The text itself: tokens, JWT.
    Text,
}

/// What makes a signature from the key and the signed bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC (RFC 2104): `hmac-sha1`, `hmac-sha256`, `hmac-sha384`, `hmac-sha512`.
    Hmac(Sha),
    /// A plain digest over a template that holds `{secret}`: `md5`, `sha1`, `sha256`, `sha384`, `sha512`.
    Digest(Sha),
    /// `ed25519` (RFC 8032).
    Ed25519,
    /// ECDSA: `ecdsa-p256-sha256` (DER), `ecdsa-p256-sha256-fixed` (r and s), `ecdsa-p256-sha1`, and the like for P-384
    /// and P-521.
    Ecdsa(Ecdsa),
    /// RSA PKCS#1 v1.5: `rsa-pkcs1-sha1`, `rsa-pkcs1-sha256`, `rsa-pkcs1-sha384`, `rsa-pkcs1-sha512`.
    RsaPkcs1(Sha),
    /// RSA-PSS with MGF1 and a salt as long as the digest: `rsa-pss-sha256`, `rsa-pss-sha384`, `rsa-pss-sha512`.
    RsaPss(Sha),
    /// The secret itself is sent: `token`.
    Token,
    /// HTTP Basic; the secret is `user:password`: `basic`.
    Basic,
    /// A compact JWS (RFC 7515) with claims: `jwt`.
    Jwt(Box<JwtForm>),
    /// A compact JWS without its payload (RFC 7515, appendix F), over the template's bytes: `jws-detached`.
    JwsDetached(JwsForm),
    /// HTTP Message Signatures (RFC 9421) with a digest of the body (RFC 9530): `http-message-signature`.
    HttpMessage(MessageForm),
}

/// How a sender uses ECDSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ecdsa {
    /// The curve.
    pub curve: Curve,
    /// What the message is hashed with.
    pub sha: Sha,
    /// Whether the signature is r and s, each as long as the curve's field, and not DER.
    pub fixed: bool,
}

/// A curve of NIST (FIPS 186).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// P-521.
    P521,
}

/// A hash function: a member of the SHA family, or its predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sha {
    /// MD5 (RFC 1321), 16 bytes: broken, and only for the plain digests of senders that never moved on.
    Md5,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
    /// SHA-512, 64 bytes.
    Sha512,
}

/// How the stored secret becomes the key. Public keys are recognised by their form and need none of this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyForm {
    /// How the key's bytes are written.
    pub encoding: KeyEncoding,
    /// Taken off the front if it is there, before decoding.
    pub strip_prefix: Option<String>,
    /// Whether the text is put into Unicode normalization form KD before anything else (UAX #15).
    pub nfkd: bool,
    /// Put behind the decoded key.
    pub suffix: String,
    /// A digest that is taken of the decoded key and is the key then.
    pub digest: Option<Sha>,
}

/// How a key's bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyEncoding {
    /// The secret's own bytes.
    Utf8,
    /// Base64 with `+` and `/`, padded or not.
    Base64,
    /// Hexadecimal.
    Hex,
}

/// Which bytes a signature is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyForm {
    /// The body as it came over the wire.
    #[default]
    Wire,
    /// The body after undoing its `Content-Encoding` (gzip or deflate).
    Decoded,
}

/// A digest of the body that the delivery carries beside its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyDigest {
    /// Where it stands. It must be part of what is signed, or it proves nothing.
    pub location: Location,
    /// Text that must stand before it, such as `sha-256=`.
    pub prefix: String,
    /// The digest.
    pub digest: Sha,
    /// How it is written.
    pub encoding: Encoding,
}

/// The signed send time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampForm {
    /// Where it stands.
    pub source: TimestampSource,
    /// How it is written.
    pub unit: TimeUnit,
}

/// Where the signed send time stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimestampSource {
    /// In the signature's own text ([`Layout::Pairs`] or [`Layout::Positional`]).
    Signature,
    /// A header.
    Header(HeaderName),
    /// A parameter of the query.
    Query(String),
    /// A field of the form body.
    Form(String),
    /// A field of the signed JSON body.
    Json(Pointer),
    /// A claim of the JWT, usually `iat`: a number of seconds or milliseconds, or a text in another unit.
    Claim(String),
    /// A parameter of the HTTP message signature, usually `created`, or a member of a detached JWS's header: a number of
    /// seconds, in a JWS also of milliseconds.
    Parameter(String),
}

/// How a send time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Decimal digits, seconds since 1970.
    Seconds,
    /// Decimal digits, milliseconds since 1970.
    Milliseconds,
    /// `2026-03-18T10:30:00.123Z`; without an offset it is UTC.
    Rfc3339,
    /// `Wed, 18 Mar 2026 10:30:00 GMT`.
    Rfc2822,
}

/// How `{url}` is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlForm {
    /// Characters whose percent-escapes the sender decodes before it signs (HubSpot: `:/?@!$'()*,;`).
    pub unescape: String,
    /// Whether the URL is also tried with its default port written out, and without any port (Twilio).
    pub ports: bool,
}

impl Alternative {
    /// A form with nothing unusual: one signature in this header, over this template, as UTF-8 keyed HMAC-SHA256 in hex.
    #[must_use]
    pub fn new(location: Location, signed: Template) -> Self {
        Self {
            when: Vec::new(),
            signature: SignatureForm {
                location,
                prefix: String::new(),
                layout: Layout::Single,
                encoding: Encoding::Hex,
                wrapped: None,
            },
            algorithm: Algorithm::Hmac(Sha::Sha256),
            key: KeyForm::default(),
            further_keys: Vec::new(),
            signed: vec![signed],
            sort_parts: false,
            prehash: None,
            each: None,
            document: None,
            unsigned_body: false,
            body: BodyForm::Wire,
            body_digest: None,
            timestamp: None,
            url: UrlForm::default(),
        }
    }
}

impl Default for KeyForm {
    fn default() -> Self {
        Self {
            encoding: KeyEncoding::Utf8,
            strip_prefix: None,
            nfkd: false,
            suffix: String::new(),
            digest: None,
        }
    }
}

impl Ecdsa {
    /// P-256 with SHA-256, DER or r and s.
    #[must_use]
    pub fn p256(fixed: bool) -> Self {
        Self { curve: Curve::P256, sha: Sha::Sha256, fixed }
    }

    /// P-384 with SHA-384, DER or r and s.
    #[must_use]
    pub fn p384(fixed: bool) -> Self {
        Self { curve: Curve::P384, sha: Sha::Sha384, fixed }
    }

    /// P-521 with SHA-512, DER or r and s.
    #[must_use]
    pub fn p521(fixed: bool) -> Self {
        Self { curve: Curve::P521, sha: Sha::Sha512, fixed }
    }

    /// The signature's length in bytes, if it does not vary.
    #[must_use]
    pub fn length(self) -> Option<usize> {
        let length = match self.curve {
            Curve::P256 => 64,
            Curve::P384 => 96,
            Curve::P521 => 132,
        };
        self.fixed.then_some(length)
    }
}

impl Sha {
    /// The length of its digest in bytes.
    #[must_use]
    pub fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A word of the provider language that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    word: String,
    known: &'static [&'static str],
}

impl UnknownWord {
    pub(crate) fn new(word: &str, known: &'static [&'static str]) -> Self {
        Self { word: word.to_owned(), known }
    }

    /// The words that would have been understood.
    #[must_use]
    pub fn known(&self) -> &'static [&'static str] {
        self.known
    }
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not one of {}", self.word, self.known.join(", "))
    }
}

impl std::error::Error for UnknownWord {}

/// The two directions between a type and its words in the provider language, from one list.
macro_rules! words {
    ($type:ty { $($word:literal => $value:expr),+ $(,)? }) => {
        impl $type {
            /// Every word of the provider language for this type.
            pub const WORDS: &'static [&'static str] = &[$($word),+];
        }

        impl std::str::FromStr for $type {
            type Err = $crate::verify::UnknownWord;

            fn from_str(word: &str) -> Result<Self, $crate::verify::UnknownWord> {
                match word {
                    $($word => Ok($value),)+
                    _ => Err($crate::verify::UnknownWord::new(word, Self::WORDS)),
                }
            }
        }
    };
}
pub(crate) use words;

words!(Algorithm {
    "hmac-sha1" => Self::Hmac(Sha::Sha1),
    "hmac-sha256" => Self::Hmac(Sha::Sha256),
    "hmac-sha384" => Self::Hmac(Sha::Sha384),
    "hmac-sha512" => Self::Hmac(Sha::Sha512),
    "md5" => Self::Digest(Sha::Md5),
    "sha1" => Self::Digest(Sha::Sha1),
    "sha256" => Self::Digest(Sha::Sha256),
    "sha384" => Self::Digest(Sha::Sha384),
    "sha512" => Self::Digest(Sha::Sha512),
    "ed25519" => Self::Ed25519,
    "ecdsa-p256-sha256" => Self::Ecdsa(Ecdsa::p256(false)),
    "ecdsa-p256-sha256-fixed" => Self::Ecdsa(Ecdsa::p256(true)),
    "ecdsa-p256-sha1" => Self::Ecdsa(Ecdsa { sha: Sha::Sha1, ..Ecdsa::p256(false) }),
    "ecdsa-p384-sha384" => Self::Ecdsa(Ecdsa::p384(false)),
    "ecdsa-p384-sha384-fixed" => Self::Ecdsa(Ecdsa::p384(true)),
    "ecdsa-p521-sha512" => Self::Ecdsa(Ecdsa::p521(false)),
    "ecdsa-p521-sha512-fixed" => Self::Ecdsa(Ecdsa::p521(true)),
    "rsa-pkcs1-sha1" => Self::RsaPkcs1(Sha::Sha1),
    "rsa-pkcs1-sha256" => Self::RsaPkcs1(Sha::Sha256),
    "rsa-pkcs1-sha384" => Self::RsaPkcs1(Sha::Sha384),
    "rsa-pkcs1-sha512" => Self::RsaPkcs1(Sha::Sha512),
    "rsa-pss-sha256" => Self::RsaPss(Sha::Sha256),
    "rsa-pss-sha384" => Self::RsaPss(Sha::Sha384),
    "rsa-pss-sha512" => Self::RsaPss(Sha::Sha512),
    "token" => Self::Token,
    "basic" => Self::Basic,
    "jwt" => Self::Jwt(Box::default()),
    "jws-detached" => Self::JwsDetached(JwsForm::default()),
    "http-message-signature" => Self::HttpMessage(MessageForm::default()),
});

words!(Sha {
    "sha1" => Self::Sha1,
    "sha256" => Self::Sha256,
    "sha384" => Self::Sha384,
    "sha512" => Self::Sha512,
});

words!(Encoding {
    "hex" => Self::Hex,
    "base64" => Self::Base64,
    "base64url" => Self::Base64Url,
    "base64_hex" => Self::Base64Hex,
    "text" => Self::Text,
});

words!(KeyEncoding {
    "utf8" => Self::Utf8,
    "base64" => Self::Base64,
    "hex" => Self::Hex,
});

words!(BodyForm {
    "wire" => Self::Wire,
    "decoded" => Self::Decoded,
});

words!(TimeUnit {
    "seconds" => Self::Seconds,
    "milliseconds" => Self::Milliseconds,
    "rfc3339" => Self::Rfc3339,
    "rfc2822" => Self::Rfc2822,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_understood_and_an_unknown_one_names_the_known() {
        for word in Algorithm::WORDS {
            assert!(word.parse::<Algorithm>().is_ok(), "{word}");
        }
        let error = "md4".parse::<Sha>().unwrap_err().to_string();
        assert_eq!(error, "`md4` is not one of sha1, sha256, sha384, sha512");
    }
}
