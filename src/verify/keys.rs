//! Keys made ready once when the configuration is loaded, so that a request only copies their state.

use std::fmt;

use base64::Engine as _;
use rustls_pki_types::TrustAnchor;
use smallvec::SmallVec;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::secret::{NamedSecret, Secret};
use crate::time::UnixTime;

use super::encoding::BASE64;
use super::jose_form::JwtAlgorithm;
use super::jose_keys;
use super::lives::Lives;
use super::mac::{self, Sink, State, sha256};
use super::public_key::{PublicKey, Use};
use super::read_key;
use super::scheme::{Algorithm, Alternative, KeyEncoding, KeyForm, Scheme, Sha};

/// A route's secrets, prepared for every form of its scheme. Only [`Scheme::prepare`] makes one.
#[derive(Clone)]
pub struct Keys {
    secrets: usize,
    /// For every form of the scheme, for every secret.
    forms: Vec<Vec<Key>>,
    /// When each of them counts.
    lives: Lives,
}

/// Why a secret cannot be a key of its scheme. Never holds any part of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is nothing in it, or nothing but its prefix.
    Empty,
    /// It is not written in the alphabet its sender uses.
    NotEncoded {
        /// What it should be: `hex` or `base64`.
        expected: &'static str,
    },
    /// It is no public key of the scheme's algorithm.
    NotAPublicKey {
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is not `user:password`.
    NotUserAndPassword,
}

/// One secret, ready for one form.
#[derive(Clone)]
pub(crate) enum Key {
    /// The HMAC's state after its key, for each way in which the secret can be one.
    Mac(SmallVec<[State; 1]>),
    /// A digest's state before anything, and the secret that its template writes.
    Digest { start: State, secret: Secret },
    /// One key, or all of a key set.
    Public(Vec<PublicKey>),
    /// Certificates that a token's own must lead to.
    Roots(Vec<TrustAnchor<'static>>),
    /// The SHA-256 of the token, so that comparing takes the same time whatever the lengths.
    Token([u8; 32]),
    /// The HMAC's state for each algorithm that the sender's JWTs may name.
    JwtMac(Vec<(JwtAlgorithm, State)>),
}

impl Scheme {
    /// Makes keys of the secrets.
    ///
    /// # Errors
    /// Every secret that cannot be a key, with its index.
    pub fn prepare(&self, secrets: &[NamedSecret]) -> Result<Keys, Vec<(usize, KeyError)>> {
        let mut errors: Vec<(usize, KeyError)> = Vec::new();
        let mut forms = Vec::with_capacity(self.alternatives.len());
        for alternative in &self.alternatives {
            let mut keys = Vec::with_capacity(secrets.len());
            for (index, named) in secrets.iter().enumerate() {
                match prepare(alternative, &named.secret) {
                    Ok(key) => keys.push(key),
                    Err(error) if errors.contains(&(index, error.clone())) => {}
                    Err(error) => errors.push((index, error)),
                }
            }
            forms.push(keys);
        }
        if errors.is_empty() {
            Ok(Keys { secrets: secrets.len(), forms, lives: Lives::of(secrets) })
        } else {
            Err(errors)
        }
    }
}

impl Keys {
    /// How many secrets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.secrets
    }

    /// Whether there is no secret, so that nothing can be verified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets == 0
    }

    /// The MAC of a message under the secret of this index, for challenges that are answered with one: while a secret is
    /// rotated the answer must come from the one that verified the question. `None` if the scheme's key makes no MAC.
    #[must_use]
    pub fn mac(&self, secret: usize, message: &[u8]) -> Option<Vec<u8>> {
        match self.forms.first()?.get(secret)? {
            Key::Mac(starts) => {
                let mut state = starts.first()?.clone();
                state.write(message);
                Some(state.finish().into_vec())
            }
            Key::Digest { .. } | Key::Public(_) | Key::Roots(_) | Key::Token(_) | Key::JwtMac(_) => None,
        }
    }

    /// Whether all of them are public keys: what anybody can fetch must never become a shared secret.
    #[must_use]
    pub fn are_public(&self) -> bool {
        self.forms.iter().flatten().all(|key| matches!(key, Key::Public(_)))
    }

    /// Whether a public key has this id, or none at all, so that it may be the one.
    #[must_use]
    pub fn may_have(&self, id: &str) -> bool {
        let public = self.forms.iter().flatten().filter_map(|key| match key {
            Key::Public(keys) => Some(keys),
            _ => None,
        });
        public.flatten().any(|key| key.id.as_deref().is_none_or(|known| known == id))
    }

    /// The first secret that counts at `now`: with it is answered whatever no secret proved.
    #[must_use]
    pub fn first(&self, now: UnixTime) -> Option<usize> {
        (0..self.secrets).find(|secret| self.lives.counts(*secret, now))
    }

    /// When each of the secrets counts.
    pub(crate) fn lives(&self) -> &Lives {
        &self.lives
    }

    /// The keys for one form of the scheme.
    pub(crate) fn of_form(&self, index: usize) -> &[Key] {
        self.forms.get(index).map_or(&[], Vec::as_slice)
    }
}

impl KeyForm {
    /// The key's bytes.
    pub(crate) fn decode(&self, secret: &Secret) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let normalized = self.normalize(secret.expose());
        let stored: &[u8] = &normalized;
        let prefix = self.strip_prefix.as_deref().unwrap_or_default().as_bytes();
        let text = stored.strip_prefix(prefix).unwrap_or(stored);
        let mut bytes = Zeroizing::new(match self.encoding {
            KeyEncoding::Utf8 => text.to_vec(),
            KeyEncoding::Base64 => {
                BASE64.decode(text).map_err(|_| KeyError::NotEncoded { expected: "base64" })?
            }
            KeyEncoding::Hex => hex::decode(text).map_err(|_| KeyError::NotEncoded { expected: "hex" })?,
        });
        if bytes.is_empty() {
            return Err(KeyError::Empty);
        }
        if let Some(digest) = self.digest {
            bytes = Zeroizing::new(mac::digest(digest, &bytes).to_vec());
        }
        bytes.extend_from_slice(self.suffix.as_bytes());
        Ok(bytes)
    }

    fn normalize(&self, stored: &[u8]) -> Zeroizing<Vec<u8>> {
        let text = std::str::from_utf8(stored).ok().filter(|_| self.nfkd);
        Zeroizing::new(match text {
            Some(text) => text.nfkd().collect::<String>().into_bytes(),
            None => stored.to_vec(),
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} secret(s))", self.secrets)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the secret is empty, and an empty secret protects nothing"),
            Self::NotEncoded { expected } => {
                write!(f, "this sender's secrets are written in {expected}; this one is not")
            }
            Self::NotAPublicKey { why } => write!(f, "this is no public key of the sender's kind: {why}"),
            Self::NotUserAndPassword => f.write_str("expected user:password"),
        }
    }
}

impl std::error::Error for KeyError {}

fn prepare(alternative: &Alternative, secret: &Secret) -> Result<Key, KeyError> {
    let decoded = || alternative.key.decode(secret);
    if secret.is_empty() {
        return Err(KeyError::Empty);
    }
    let shared = matches!(alternative.algorithm, Algorithm::Hmac(_) | Algorithm::Digest(_));
    if shared && read_key::reads_as_public(secret.expose()) {
        return Err(KeyError::NotAPublicKey { why: jose_keys::SHARED });
    }
    match &alternative.algorithm {
        Algorithm::Hmac(sha) => prepare_mac(*sha, alternative, secret),
        Algorithm::Digest(sha) => {
            Ok(Key::Digest { start: State::digest(*sha), secret: Secret::new(decoded()?.to_vec()) })
        }
        Algorithm::Token => Ok(Key::Token(sha256(&decoded()?))),
        Algorithm::Basic => {
            let credentials = decoded()?;
            if credentials.contains(&b':') {
                Ok(Key::Token(sha256(&credentials)))
            } else {
                Err(KeyError::NotUserAndPassword)
            }
        }
        Algorithm::Jwt(form) => jose_keys::prepare_jwt(form, &alternative.key, secret),
        Algorithm::JwsDetached(form) => jose_keys::prepare(&form.algorithms, &alternative.key, secret),
        Algorithm::HttpMessage(form) => jose_keys::prepare_message(form, &alternative.key, secret),
        Algorithm::Ed25519 | Algorithm::Ecdsa(_) | Algorithm::RsaPkcs1(_) | Algorithm::RsaPss(_) => {
            let uses: Vec<Use> = Use::of(&alternative.algorithm).into_iter().collect();
            public(&uses, &alternative.key, secret)
        }
    }
}

/// One MAC for each way in which the secret can be a key; it must fit at least one.
fn prepare_mac(sha: Sha, alternative: &Alternative, secret: &Secret) -> Result<Key, KeyError> {
    let mut first_error = KeyError::Empty;
    let mut states: SmallVec<[State; 1]> = SmallVec::new();
    for form in alternative.further_keys.iter().rev().chain([&alternative.key]) {
        match form.decode(secret) {
            Ok(key) => states.extend(State::hmac(sha, &key)),
            Err(error) => first_error = error,
        }
    }
    states.reverse();
    if states.is_empty() { Err(first_error) } else { Ok(Key::Mac(states)) }
}

/// The public keys in a secret.
pub(crate) fn public(uses: &[Use], form: &KeyForm, secret: &Secret) -> Result<Key, KeyError> {
    let stored = secret.expose();
    let prefix = form.strip_prefix.as_deref().unwrap_or_default().as_bytes();
    let bytes = stored.strip_prefix(prefix).unwrap_or(stored);
    read_key::read(bytes, uses).map(Key::Public).map_err(|why| KeyError::NotAPublicKey { why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme(algorithm: Algorithm, encoding: KeyEncoding, strip: Option<&str>) -> Scheme {
        let mut alternative = Alternative::new("header:x".parse().unwrap(), "{body}".parse().unwrap());
        alternative.algorithm = algorithm;
        alternative.key = KeyForm { encoding, strip_prefix: strip.map(str::to_owned), ..KeyForm::default() };
        Scheme { alternatives: vec![alternative] }
    }

    fn prepare(scheme: &Scheme, secrets: &[&str]) -> Result<Keys, Vec<(usize, KeyError)>> {
        let named = |text: &&str| NamedSecret::new("", Secret::new(text.as_bytes().to_vec()));
        scheme.prepare(&secrets.iter().map(named).collect::<Vec<_>>())
    }

    const HMAC: Algorithm = Algorithm::Hmac(Sha::Sha256);

    #[test]
    fn an_empty_secret_is_never_a_key() {
        for algorithm in Algorithm::WORDS {
            let scheme = scheme(algorithm.parse().unwrap(), KeyEncoding::Utf8, None);
            assert!(prepare(&scheme, &[""]).is_err(), "{algorithm}");
        }
        let only_a_prefix = scheme(HMAC, KeyEncoding::Base64, Some("whsec_"));
        assert_eq!(prepare(&only_a_prefix, &["whsec_"]).unwrap_err(), [(0, KeyError::Empty)]);
    }

    #[test]
    fn every_secret_of_the_wrong_alphabet_is_named() {
        let base64 = scheme(HMAC, KeyEncoding::Base64, Some("whsec_"));
        assert_eq!(prepare(&base64, &["whsec_AAAA", "AAAAAA", "AAAAAA=="]).unwrap().len(), 3);
        let wrong = KeyError::NotEncoded { expected: "base64" };
        assert_eq!(
            prepare(&base64, &["whsec-AAAA", "AAAA", "!"]).unwrap_err(),
            [(0, wrong.clone()), (2, wrong)]
        );
        assert!(prepare(&scheme(HMAC, KeyEncoding::Hex, None), &["0g"]).is_err());
        assert!(prepare(&scheme(Algorithm::Basic, KeyEncoding::Utf8, None), &["user"]).is_err());
    }

    #[test]
    fn a_mac_for_challenges_is_made_with_the_first_secret() {
        let keys = prepare(&scheme(HMAC, KeyEncoding::Utf8, None), &["Jefe", "other"]).unwrap();
        let mac = keys.mac(0, b"what do ya want for nothing?").unwrap();
        assert_eq!(hex::encode(mac), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(
            prepare(&scheme(Algorithm::Token, KeyEncoding::Utf8, None), &["a"]).unwrap().mac(0, b""),
            None
        );
    }

    #[test]
    fn debug_shows_nothing_of_it() {
        let keys = prepare(&scheme(HMAC, KeyEncoding::Utf8, None), &["hunter2"]).unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(1 secret(s))");
    }
}
