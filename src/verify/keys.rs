//! Keys made ready once when the configuration is loaded, so that a request only copies their state.

use std::fmt;

use crate::secret::NamedSecret;

use super::scheme::Scheme;

/// A route's secrets, prepared for every form of its scheme. It can only be made by [`Scheme::prepare`].
#[derive(Clone)]
pub struct Keys {
    secrets: usize,
}

/// Why a secret cannot be a key of its scheme. Never holds any part of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// There is nothing in it.
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

impl Scheme {
    /// Makes keys of the secrets.
    ///
    /// # Errors
    /// Every secret that cannot be a key, with its index.
    pub fn prepare(&self, secrets: &[NamedSecret]) -> Result<Keys, Vec<(usize, KeyError)>> {
        let empty = secrets.iter().enumerate().filter(|(_, named)| named.secret.is_empty());
        let errors: Vec<_> = empty.map(|(index, _)| (index, KeyError::Empty)).collect();
        if errors.is_empty() { Ok(Keys { secrets: secrets.len() }) } else { Err(errors) }
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

    /// The MAC of a message under the first secret, for challenges that are answered with one.
    /// `None` if the scheme's key makes no MAC.
    #[must_use]
    pub fn mac(&self, _message: &[u8]) -> Option<Vec<u8>> {
        None
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
