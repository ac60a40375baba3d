//! The policy on one page: what a request can come to, and the permit without which nothing is forwarded.

use std::future::Future;
use std::time::Duration;

use crate::dedupe::{Answer, Claim, Committed, Lease, Store, StoreError, Stores, Token, Wait};
use crate::routes::{Dedupe, Mode, OnStoreError, Route};
use crate::time::UnixTime;
use crate::verify::{EventKey, Rejection, Verified};

/// What became of a request: one variant, one stable word, used alike in logs, metrics, tests and docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Reason {
    /// The upstream answered and its answer was passed on.
    Forwarded,
    /// The event was accepted before; the stored first answer was given.
    Duplicate,
    /// A copy of an event in flight could not wait for it any longer, or too many copies waited already.
    InFlight,
    /// The route does not want this event type.
    Filtered,
    /// The sender's handshake was answered.
    Challenge,
    /// The signature is not where the provider puts it, or is empty.
    SignatureMissing,
    /// There is a signature but not in the provider's form.
    SignatureMalformed,
    /// No secret makes this signature over these bytes.
    SignatureMismatch,
    /// The provider signs the send time and there is none.
    TimestampMissing,
    /// The send time is not in the provider's form.
    TimestampMalformed,
    /// The signed send time is older than the route allows.
    TimestampTooOld,
    /// The signed send time lies further ahead than the route allows.
    TimestampInFuture,
    /// Verified, but the event id that the route dedupes by is not there.
    EventIdMissing,
    /// No route matches host and path.
    NoRoute,
    /// A route matches but not with this method.
    MethodNotAllowed,
    /// The body is larger than the route allows.
    BodyTooLarge,
    /// The head or the body did not arrive in time.
    BodyTimeout,
    /// Not HTTP as this gateway accepts it.
    BadRequest,
    /// A limit of ours is reached.
    Overloaded,
    /// The gateway is shutting down.
    Draining,
    /// The dedupe store cannot be reached or has no room, and the route says to refuse then.
    StoreUnavailable,
    /// The key that would verify this is not known: the route waits for its first contact, or the key cannot be had.
    KeysUnavailable,
    /// No connection to the upstream could be made.
    UpstreamUnreachable,
    /// The upstream broke off or answered something that is not HTTP.
    UpstreamFailed,
    /// The upstream did not answer within the route's timeout.
    UpstreamTimeout,
}

impl Reason {
    /// Every reason, in the order of the specification's table.
    pub const ALL: [Self; 25] = [
        Self::Forwarded,
        Self::Duplicate,
        Self::InFlight,
        Self::Filtered,
        Self::Challenge,
        Self::SignatureMissing,
        Self::SignatureMalformed,
        Self::SignatureMismatch,
        Self::TimestampMissing,
        Self::TimestampMalformed,
        Self::TimestampTooOld,
        Self::TimestampInFuture,
        Self::EventIdMissing,
        Self::NoRoute,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::BadRequest,
        Self::Overloaded,
        Self::Draining,
        Self::StoreUnavailable,
        Self::KeysUnavailable,
        Self::UpstreamUnreachable,
        Self::UpstreamFailed,
        Self::UpstreamTimeout,
    ];

    /// The stable word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Duplicate => "duplicate",
            Self::InFlight => "in_flight",
            Self::Filtered => "filtered",
            Self::Challenge => "challenge",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureMalformed => "signature_malformed",
            Self::SignatureMismatch => "signature_mismatch",
            Self::TimestampMissing => "timestamp_missing",
            Self::TimestampMalformed => "timestamp_malformed",
            Self::TimestampTooOld => "timestamp_too_old",
            Self::TimestampInFuture => "timestamp_in_future",
            Self::EventIdMissing => "event_id_missing",
            Self::NoRoute => "no_route",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BadRequest => "bad_request",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::StoreUnavailable => "store_unavailable",
            Self::KeysUnavailable => "keys_unavailable",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }

    /// The status the sender gets where no provider demands another one.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Forwarded | Self::Duplicate | Self::Filtered | Self::Challenge => 200,
            Self::BadRequest | Self::EventIdMissing => 400,
            Self::SignatureMissing
            | Self::SignatureMalformed
            | Self::SignatureMismatch
            | Self::TimestampMissing
            | Self::TimestampMalformed
            | Self::TimestampTooOld
            | Self::TimestampInFuture => 401,
            Self::NoRoute => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::UpstreamUnreachable | Self::UpstreamFailed => 502,
            Self::InFlight
            | Self::Overloaded
            | Self::Draining
            | Self::StoreUnavailable
            | Self::KeysUnavailable => 503,
            Self::UpstreamTimeout => 504,
        }
    }

    /// The text of the one-line JSON error body. Every refusal for a signature or a time has the same one.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::SignatureMissing
            | Self::SignatureMalformed
            | Self::SignatureMismatch
            | Self::TimestampMissing
            | Self::TimestampMalformed
            | Self::TimestampTooOld
            | Self::TimestampInFuture => "Invalid signature",
            Self::Forwarded | Self::Duplicate | Self::Filtered | Self::Challenge => "",
            Self::InFlight => "Another copy of this event is being processed",
            Self::EventIdMissing => "Event id missing",
            Self::NoRoute => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::BodyTooLarge => "Body too large",
            Self::BodyTimeout => "Request timeout",
            Self::BadRequest => "Bad request",
            Self::Overloaded => "Overloaded",
            Self::Draining => "Shutting down",
            Self::StoreUnavailable => "Store unavailable",
            Self::KeysUnavailable => "Keys unavailable",
            Self::UpstreamUnreachable => "Upstream unreachable",
            Self::UpstreamFailed => "Upstream failed",
            Self::UpstreamTimeout => "Upstream timeout",
        }
    }
}

impl From<&Rejection> for Reason {
    fn from(rejection: &Rejection) -> Self {
        match rejection {
            Rejection::SignatureMissing { .. } => Self::SignatureMissing,
            Rejection::SignatureMalformed { .. } => Self::SignatureMalformed,
            Rejection::SignatureMismatch { .. } | Rejection::SecretOutOfTime { .. } => {
                Self::SignatureMismatch
            }
            Rejection::TimestampMissing => Self::TimestampMissing,
            Rejection::TimestampMalformed => Self::TimestampMalformed,
            Rejection::TimestampTooOld { .. } => Self::TimestampTooOld,
            Rejection::TimestampInFuture { .. } => Self::TimestampInFuture,
        }
    }
}

/// Why a request may be forwarded. Only [`Proof::of`], [`Proof::of_before`], [`Proof::without_provider`] and [`Proof::shadow`]
/// make one.
#[derive(Debug)]
pub struct Proof(Proven);

#[derive(Debug)]
enum Proven {
    Verified(Verified),
    Before,
    Unchecked,
}

/// That a delivery was verified once, as the journal holds it. Made from the [`Verified`] itself, or by the journal's
/// reader from what was written then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasVerified {
    secret: usize,
}

impl WasVerified {
    /// What is left of it for later.
    #[must_use]
    pub fn of(verified: &Verified) -> Self {
        Self { secret: verified.secret_index() }
    }

    /// As it was written down.
    pub(crate) const fn recorded(secret: usize) -> Self {
        Self { secret }
    }

    /// The index of the secret that matched, in the route's list of then.
    #[must_use]
    pub const fn secret_index(self) -> usize {
        self.secret
    }
}

impl Proof {
    /// The sender proved itself.
    #[must_use]
    pub fn of(verified: Verified) -> Self {
        Self(Proven::Verified(verified))
    }

    /// The sender proved itself when the delivery came first, and the operator wants it delivered again.
    #[must_use]
    pub fn of_before(_then: WasVerified) -> Self {
        Self(Proven::Before)
    }

    /// Whether the sender proved itself, now or then.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        !matches!(self.0, Proven::Unchecked)
    }

    /// The operator wrote `provider: none` in full. `None` for every route that has a provider.
    #[must_use]
    pub fn without_provider(route: &Route) -> Option<Self> {
        route.provider.is_none().then_some(Self(Proven::Unchecked))
    }

    /// The operator wrote `mode: shadow`. `None` for every route that enforces.
    #[must_use]
    pub fn shadow(route: &Route) -> Option<Self> {
        (route.mode == Mode::Shadow).then_some(Self(Proven::Unchecked))
    }

    /// What verification found, if the request was verified.
    #[must_use]
    pub fn verified(&self) -> Option<&Verified> {
        match &self.0 {
            Proven::Verified(verified) => Some(verified),
            Proven::Before | Proven::Unchecked => None,
        }
    }
}

/// The permit: the only value from which an upstream connection can be asked.
#[derive(Debug)]
pub struct Admitted {
    proof: Proof,
    lease: Option<Held>,
    /// Which attempt it is where nothing is claimed.
    number: u32,
}

/// A claim on an event that this request holds.
#[derive(Debug)]
struct Held {
    key: EventKey,
    token: Token,
    attempt: u32,
    ttl: Duration,
    /// Whether it was made in this gateway's own memory because the store failed; there it is settled, too.
    here: bool,
}

/// What the policy says of a request that has its proof.
#[derive(Debug)]
pub enum Admission {
    /// Forward it.
    Admitted(Admitted),
    /// The event was accepted before; this is the answer it got, if it was kept.
    Duplicate {
        /// The stored first answer.
        answer: Option<Answer>,
        /// Which attempt was accepted.
        attempt: u32,
    },
    /// It has to be refused for now, with a status on which the sender retries.
    Later(Reason),
}

impl Admitted {
    /// Admits without a claim: the route does not dedupe, or the request is let through unverified.
    #[must_use]
    pub fn unclaimed(proof: Proof) -> Self {
        Self { proof, lease: None, number: 1 }
    }

    /// Admits past the dedupe store on purpose: the operator wants the event delivered once more, as this attempt.
    #[must_use]
    pub fn redelivery(proof: Proof, attempt: u32) -> Self {
        Self { proof, lease: None, number: attempt }
    }

    /// Why it may pass.
    #[must_use]
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Whether the event was claimed for it.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.lease.is_some()
    }

    /// 1 for the first time this event is forwarded, 2 for the next, as counted here.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.lease.as_ref().map_or(self.number, |held| held.attempt)
    }

    /// The upstream accepted the event: from now on copies of it get `answer`.
    ///
    /// # Errors
    /// When the store cannot record it. The sender still gets the upstream's answer, and this gateway remembers the
    /// event for itself; a copy that reaches another gateway, or this one after a restart, may be forwarded again.
    pub async fn commit<S: Store>(
        self,
        stores: &Stores<S>,
        now: UnixTime,
        answer: Option<Answer>,
    ) -> Result<Committed, StoreError> {
        let Some(Held { key, token, attempt, ttl, here }) = self.lease else { return Ok(Committed::Yes) };
        if here {
            return stores.spare.commit(&key, token, now, ttl, answer).await;
        }
        let committed = stores.main.commit(&key, token, now, ttl, answer.clone()).await;
        if committed.is_err() {
            stores.remember_here(&key, attempt, now, ttl, answer.as_ref());
            stores.main.let_go(&key);
        }
        committed
    }

    /// The upstream did not accept the event: the next copy may go through.
    ///
    /// # Errors
    /// When the store cannot be reached; the lease then ends by time.
    pub async fn release<S: Store>(self, stores: &Stores<S>, now: UnixTime) -> Result<(), StoreError> {
        match self.lease {
            Some(held) if held.here => stores.spare.release(&held.key, held.token, now, held.ttl).await,
            Some(held) => stores.main.release(&held.key, held.token, now, held.ttl).await,
            None => Ok(()),
        }
    }
}

/// How much longer than the route's timeout a lease lasts: room for connecting, committing and a slow scheduler.
pub const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// What the store could not do, and at what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreFailure {
    /// Whether it failed while a copy in flight was waited for, and not at a claim.
    pub waiting: bool,
    /// Why.
    pub error: StoreError,
}

/// Claims the event, waiting for a copy in flight up to the route's timeout.
///
/// Where the store fails and the route says so, the claim is made in this gateway's own memory, which is asked first
/// in any case: an event taken in while the store was away is known nowhere else.
///
/// `now` is asked again after every wait; `within` bounds a wait (it returns `None` when the time is over).
pub async fn admit<S, N, W, F>(
    stores: &Stores<S>,
    proof: Proof,
    key: EventKey,
    dedupe: &Dedupe,
    timeout: Duration,
    now: N,
    within: W,
) -> (Admission, Option<StoreFailure>)
where
    S: Store,
    N: Fn() -> UnixTime,
    W: Fn(Duration) -> F,
    F: Future<Output = ()>,
{
    let lease = timeout.saturating_add(LEASE_MARGIN);
    let deadline = within(timeout);
    let mut deadline = std::pin::pin!(deadline);
    let mut failure: Option<StoreFailure> = None;
    loop {
        let known = stores.known_here(&key, now());
        let here = known.is_some() || failure.is_some();
        let claim = match known {
            Some(claim) => Ok(claim),
            None if here => stores.spare.claim(&key, now(), lease).await,
            None => stores.main.claim(&key, now(), lease).await,
        };
        let failed = match claim {
            Ok(Claim::New(Lease { token, attempt })) => {
                let lease = Some(Held { key, token, attempt, ttl: dedupe.ttl, here });
                return (Admission::Admitted(Admitted { proof, lease, number: 1 }), failure);
            }
            Ok(Claim::Seen { answer, attempt }) => {
                return (Admission::Duplicate { answer, attempt }, failure);
            }
            Ok(Claim::InFlight) => {
                let settled = async {
                    if here {
                        stores.spare.settled(&key, now()).await
                    } else {
                        stores.main.settled(&key, now()).await
                    }
                };
                tokio::select! {
                    outcome = settled => match outcome {
                        Ok(Wait::Changed) => continue,
                        Ok(Wait::TooMany) => return (Admission::Later(Reason::InFlight), failure),
                        Err(error) => StoreFailure { waiting: true, error },
                    },
                    () = &mut deadline => return (Admission::Later(Reason::InFlight), failure),
                }
            }
            Err(error) => StoreFailure { waiting: false, error },
        };
        let admission = match dedupe.on_store_error {
            // Once: what has no room in the memory of last resort has none anywhere.
            OnStoreError::Memory if !here && failed.error != StoreError::Full => {
                failure = Some(failed);
                continue;
            }
            OnStoreError::Pass => Admission::Admitted(Admitted::unclaimed(proof)),
            OnStoreError::Refuse | OnStoreError::Memory => Admission::Later(Reason::StoreUnavailable),
        };
        return (admission, Some(failed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_word_and_index() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(Reason::ALL.iter().enumerate().all(|(index, reason)| index == *reason as usize));
    }
}
