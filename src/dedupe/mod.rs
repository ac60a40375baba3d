//! Once per event: claims, leases, and what was answered first.
//!
//! A claim comes after verification, so nobody without the secret can burn an id. It is a lease: it ends
//! by commit (the upstream accepted the event), by release (it did not) or by time. Every store keeps the
//! same contract, written down as tests in `contract.rs` and as a model in `model.rs`.

mod answer;
#[cfg(test)]
mod contract;
mod disk;
mod gate;
mod health;
mod memory;
#[cfg(test)]
mod model;
mod moving;
mod redis;
mod stores;

use std::fmt;
use std::future::Future;
use std::time::Duration;

pub use self::answer::Answer;
pub use self::disk::{DiskOptions, DiskStore};
pub use self::memory::{MemoryLimits, MemoryStore};
pub use self::moving::{Ask, MovingStore, Question, Reply, blocking, read_frame, write_frame};
pub use self::redis::{RedisOptions, RedisStore};
pub use self::stores::{Backend, Stores};
use crate::time::UnixTime;
pub use crate::verify::EventKey;

/// At most this many copies of one event wait for its first; more would let one event hold connections
/// without end.
pub const MAX_WAITERS: usize = 32;

/// How long a claim whose lease ran out unsettled is remembered for its attempt number. It may be evicted
/// sooner.
pub const ABANDONED_KEPT: Duration = Duration::from_secs(24 * 3600);

/// Remembers which events are in flight and which were accepted.
///
/// `now` is the caller's time of day. All methods are safe to call from any number of tasks, and for the
/// stores that several gateways share, from any number of processes.
pub trait Store: Send + Sync {
    /// Asks for the right to forward the event. Of any number of concurrent callers one gets
    /// [`Claim::New`]; it must `commit` or `release` within `lease`.
    ///
    /// # Errors
    /// [`StoreError::Full`] when every remembered event is in flight, [`StoreError::Unavailable`] when the
    /// store cannot be reached; in both cases nothing was claimed as far as the caller may assume.
    fn claim(
        &self,
        key: &EventKey,
        now: UnixTime,
        lease: Duration,
    ) -> impl Future<Output = Result<Claim, StoreError>> + Send;

    /// Records that the upstream accepted the event, remembered for `ttl`, with its answer if there is one
    /// worth keeping ([`Answer::MAX_BODY`]). A commit after the lease ran out still counts as long as
    /// nobody claimed the event anew.
    ///
    /// A store that can lose a claim through no fault of its holder (a failover, a server restarted empty) takes the
    /// commit of an event it does not know: better remembered than forwarded again.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store cannot be reached.
    fn commit(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
        answer: Option<Answer>,
    ) -> impl Future<Output = Result<Committed, StoreError>> + Send;

    /// Gives the claim back because the upstream did not accept the event: the next claim is a new one.
    /// Only the count of attempts is remembered, for `ttl`, and evicted before anything else. A release by
    /// anyone but the holder of the claim in flight changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store cannot be reached; the lease then ends by time.
    fn release(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Resolves when the event's claim in flight has ended, at once if there is none. The caller sets its
    /// own deadline (dropping the future gives the place back) and claims again afterwards.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store cannot be reached.
    fn settled(&self, key: &EventKey, now: UnixTime)
    -> impl Future<Output = Result<Wait, StoreError>> + Send;

    /// Whoever could not commit an event has remembered it elsewhere: copies that wait for it in this process may
    /// look again. Of use to a store that lets them wait through its own failure.
    fn let_go(&self, _key: &EventKey) {}

    /// What is known of an event, for whoever operates the gateway; nothing changes by it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store cannot be reached.
    fn look(
        &self,
        key: &EventKey,
        now: UnixTime,
    ) -> impl Future<Output = Result<Option<Known>, StoreError>> + Send;

    /// Forgets an event, so that its next claim is a new one with the count of attempts begun anew. Never one that is in
    /// flight.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the store cannot be reached; it may be forgotten all the same.
    fn forget(
        &self,
        key: &EventKey,
        now: UnixTime,
    ) -> impl Future<Output = Result<Forgotten, StoreError>> + Send;

    /// How many events are remembered in this process now, those in flight included.
    fn entries(&self) -> u64;

    /// How many accepted events were forgotten before their time because the store was full.
    fn evictions(&self) -> u64;
}

/// What became of a request for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The event is the caller's to forward.
    New(Lease),
    /// Another caller is forwarding it now.
    InFlight,
    /// The upstream accepted it before.
    Seen {
        /// What it answered then, unless that was too large or has been dropped.
        answer: Option<Answer>,
        /// Which attempt was accepted.
        attempt: u32,
    },
}

/// The right to forward one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Proves to the store that the claim in flight is this one.
    pub token: Token,
    /// The number of claims of this event so far, this one included; 1 for the first.
    pub attempt: u32,
}

/// Tells one claim from every other claim of the same event, also from another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u64);

/// Whether a commit counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The event is remembered as accepted.
    Yes,
    /// The lease had run out and the claim is gone or another's; nothing was changed.
    TooLate,
}

/// What a store knows of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where the event stands.
    pub state: KnownState,
    /// Which attempt that was.
    pub attempt: u32,
    /// Until when it is so.
    pub until: UnixTime,
    /// Whether the first answer is kept.
    pub answered: bool,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownState {
    /// It is being forwarded.
    InFlight,
    /// The upstream accepted it.
    Accepted,
    /// It did not; only the count of attempts is remembered.
    Released,
}

/// What became of forgetting an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgotten {
    /// It is forgotten.
    Yes,
    /// There was nothing to forget.
    Unknown,
    /// It is in flight, and stays.
    InFlight,
}

/// How waiting for a claim in flight ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The claim is no longer in flight, or was not: claim again.
    Changed,
    /// [`MAX_WAITERS`] copies wait already.
    TooMany,
}

/// Why a store could not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Every entry is a claim in flight; there is nothing that may be forgotten.
    Full,
    /// The store failed or could not be reached; the text is for the log.
    Unavailable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the dedupe store is full of claims in flight"),
            Self::Unavailable(why) => write!(f, "the dedupe store is not available: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}
