//! One delivery's verification: begun with the head, fed with the body, finished with a verdict.

use crate::time::{Tolerance, UnixTime};

use super::delivery::Head;
use super::keys::Keys;
use super::rejection::Rejection;
use super::scheme::{Alternative, Scheme};

/// A verification under way. Nothing is proven until [`Verification::finish`].
pub struct Verification<'s> {
    alternative: &'s Alternative,
    keys: &'s Keys,
}

/// Proof that a delivery was verified. Only this module can make one.
#[derive(Clone, Debug)]
pub struct Verified {
    secret_index: usize,
    timestamp: Option<UnixTime>,
    alternative: usize,
    template: usize,
}

/// Looks at everything that the head alone can decide.
///
/// With no tolerance the send time is not held against `now`, but it must still be there and readable.
///
/// # Errors
/// A missing or malformed signature, a send time outside the window, a repeated header.
pub fn begin<'s>(
    scheme: &'s Scheme,
    keys: &'s Keys,
    head: &Head<'_>,
    tolerance: Option<Tolerance>,
    now: UnixTime,
) -> Result<Verification<'s>, Rejection> {
    let _ = (head, tolerance, now);
    match scheme.alternatives.first() {
        Some(alternative) => Ok(Verification { alternative, keys }),
        None => Err(Rejection::SignatureMalformed { what: "the scheme has no form" }),
    }
}

/// Verifies a delivery that is there as a whole.
///
/// # Errors
/// Those of [`begin`] and of [`Verification::finish`].
pub fn verify(
    scheme: &Scheme,
    keys: &Keys,
    head: &Head<'_>,
    body: &[u8],
    tolerance: Option<Tolerance>,
    now: UnixTime,
) -> Result<Verified, Rejection> {
    let mut verification = begin(scheme, keys, head, tolerance, now)?;
    verification.update(body);
    verification.finish(head, body)
}

impl Verification<'_> {
    /// Takes the next piece of the body as it came over the wire.
    pub fn update(&mut self, chunk: &[u8]) {
        let _ = chunk;
    }

    /// Decides. `head` and `body` are those of [`begin`] and of all [`Verification::update`]s together.
    ///
    /// # Errors
    /// No signature fits, or the body lacks or breaks what its sender puts there.
    pub fn finish(self, head: &Head<'_>, body: &[u8]) -> Result<Verified, Rejection> {
        let _ = (head, body, self.alternative);
        Err(Rejection::SignatureMismatch { signatures: 0, secrets: self.keys.len() })
    }
}

impl Verified {
    /// The index of the secret that matched, in the route's order.
    #[must_use]
    pub fn secret_index(&self) -> usize {
        self.secret_index
    }

    /// The signed send time, if this sender has one.
    #[must_use]
    pub fn timestamp(&self) -> Option<UnixTime> {
        self.timestamp
    }

    /// The index of the scheme's form that matched, and of its template.
    #[must_use]
    pub fn form(&self) -> (usize, usize) {
        (self.alternative, self.template)
    }
}
