//! The store of a process that can be relieved by another one: here first, held for the moment in which it moves, and
//! from then on asked for where it is now.
//!
//! Requests that the old process still has in flight, and those that arrive on its open connections, claim and commit
//! in the new process's store. So an event goes through once also while two processes serve.

mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;

pub use self::wire::{Ask, Question, Reply, read_frame, write_frame};
use super::memory::{Which, end};
use super::{
    Answer, Backend, Claim, Committed, EventKey, Forgotten, Known, Lease, MemoryStore, Store, StoreError,
    Token, Wait,
};
use crate::time::UnixTime;

/// How long a claim is held while the store moves; a move that takes longer is called off before.
const HELD: Duration = Duration::from_secs(5);

/// How long the process that has the store may take for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long operations that have begun may take to end before a move.
const SETTLE: Duration = Duration::from_secs(2);

const HERE: u8 = 0;
const HELD_BACK: u8 = 1;
const AWAY: u8 = 2;

/// A store that another process can take over.
pub struct MovingStore {
    own: Backend,
    /// Nothing without a process that could take it, and for a store that all processes share anyway.
    place: Option<Arc<Place>>,
}

/// Where the store is.
struct Place {
    now: AtomicU8,
    changed: watch::Sender<u8>,
    /// Operations on the own store that have begun.
    busy: AtomicUsize,
    /// The socket at which the process that has the store answers.
    path: PathBuf,
}

impl MovingStore {
    /// A store that stays; or, with the socket at which a later process will answer, one that can move.
    #[must_use]
    pub fn new(own: Backend, path: Option<PathBuf>) -> Self {
        let shared = matches!(own, Backend::Redis(_));
        let place = path.filter(|_| !shared).map(|path| {
            Arc::new(Place {
                now: AtomicU8::new(HERE),
                changed: watch::channel(HERE).0,
                busy: AtomicUsize::new(0),
                path,
            })
        });
        Self { own, place }
    }

    /// # Errors
    /// [`StoreError::Unavailable`] while it cannot be asked; nothing is tried for this.
    pub fn check(&self) -> Result<(), StoreError> {
        self.own.check()
    }

    /// The end of the process. It blocks until what has to be written is written.
    pub fn close(&self) {
        self.own.close();
    }

    /// The store of this process itself, wherever its events are now.
    #[must_use]
    pub fn own(&self) -> &Backend {
        &self.own
    }

    /// Holds every operation back until [`Self::resume`] or [`Self::moved`], and waits for those that have begun.
    /// A disk store's file is closed then.
    ///
    /// # Errors
    /// When they do not end; then nothing is held.
    pub async fn hold(&self) -> Result<(), String> {
        let Some(place) = &self.place else { return Ok(()) };
        place.set(HELD_BACK);
        let quiet = async {
            while place.busy.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        if tokio::time::timeout(SETTLE, quiet).await.is_err() {
            place.set(HERE);
            return Err(format!("the store's operations have not ended within {SETTLE:?}"));
        }
        if let Backend::Disk(store) = &self.own {
            blocking(|| store.lend());
        }
        Ok(())
    }

    /// The store is this process's after all.
    pub fn resume(&self) {
        let Some(place) = &self.place else { return };
        if place.now.load(Ordering::SeqCst) != HELD_BACK {
            return;
        }
        if let Backend::Disk(store) = &self.own {
            blocking(|| store.take_back());
        }
        place.set(HERE);
    }

    /// The store is the other process's from now on.
    pub fn moved(&self) {
        if let Some(place) = &self.place {
            place.set(AWAY);
        }
    }

    /// What the other process has to be told while operations are held, part by part; `None` after the last part. It says
    /// how long each entry has left.
    #[must_use]
    pub fn part(&self, number: usize, now: UnixTime) -> Option<Vec<u8>> {
        let (memory, which) = match &self.own {
            Backend::Memory(store) => (store, Which::All),
            // What was written the other process reads itself.
            Backend::Disk(store) => (store.index(), Which::WithoutCopy),
            Backend::Redis(_) => return None,
        };
        let mut bytes = Vec::new();
        match number.cmp(&memory.parts()) {
            std::cmp::Ordering::Less => memory.pass_on(number, which, now, &mut bytes),
            std::cmp::Ordering::Equal => end(&mut bytes),
            std::cmp::Ordering::Greater => return None,
        }
        Some(bytes)
    }

    /// Answers a question of the process before. `now` is this process's own: the other's runs apart from it when the
    /// machine's clock was set between the two starts.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn answer(&self, stream: UnixStream, question: Question, now: UnixTime) -> std::io::Result<()> {
        let (mut source, mut sink) = stream.into_split();
        let reply = tokio::select! {
            answered = self.answered(question, now) => answered,
            // It says nothing more but that it has lost patience.
            _ = source.read_u8() => return Ok(()),
        };
        let reply = reply.unwrap_or_else(|error| match error {
            StoreError::Full => Reply::Full,
            StoreError::Unavailable(why) => Reply::Unavailable { why },
        });
        write_frame(&mut sink, &reply).await
    }

    async fn answered(&self, question: Question, now: UnixTime) -> Result<Reply, StoreError> {
        let millis = Duration::from_millis;
        Ok(match question {
            Question::Claim { key, lease } => match self.claim(&EventKey(key), now, millis(lease)).await? {
                Claim::New(lease) => Reply::New { token: lease.token.0, attempt: lease.attempt },
                Claim::InFlight => Reply::InFlight,
                Claim::Seen { answer, attempt } => {
                    Reply::Seen { answer: answer.as_ref().and_then(Answer::pack), attempt }
                }
            },
            Question::Commit { key, token, ttl, answer } => {
                let answer = answer.as_deref().and_then(Answer::unpack);
                let committed = self.commit(&EventKey(key), Token(token), now, millis(ttl), answer).await?;
                Reply::Committed { counted: committed == Committed::Yes }
            }
            Question::Release { key, token, ttl } => {
                self.release(&EventKey(key), Token(token), now, millis(ttl)).await?;
                Reply::Released
            }
            Question::Settled { key } => {
                let wait = self.settled(&EventKey(key), now).await?;
                Reply::Settled { changed: wait == Wait::Changed }
            }
        })
    }

    async fn enter(&self) -> Result<At<'_>, StoreError> {
        let Some(place) = &self.place else { return Ok(At::Here(None)) };
        loop {
            place.busy.fetch_add(1, Ordering::SeqCst);
            let busy = Busy(place);
            match place.now.load(Ordering::SeqCst) {
                HERE => return Ok(At::Here(Some(busy))),
                AWAY => return Ok(At::Away(place)),
                _ => drop(busy),
            }
            let mut changed = place.changed.subscribe();
            let decided = changed.wait_for(|now| *now != HELD_BACK);
            if tokio::time::timeout(HELD, decided).await.is_err() {
                return Err(StoreError::Unavailable(
                    "it has been moving to another process for too long".into(),
                ));
            }
        }
    }
}

impl Place {
    fn set(&self, now: u8) {
        self.now.store(now, Ordering::SeqCst);
        let _ = self.changed.send_replace(now);
    }

    async fn ask(&self, question: Question, within: Option<Duration>) -> Result<Reply, StoreError> {
        let unavailable =
            |error: std::io::Error| StoreError::Unavailable(format!("the new process: {error}"));
        // Boxed: nearly all requests find the store here, and each has room for the way to it.
        let asking = Box::pin(async {
            let mut stream = UnixStream::connect(&self.path).await?;
            write_frame(&mut stream, &Ask::Store(question)).await?;
            read_frame(&mut stream).await
        });
        let reply: Reply = match within {
            Some(within) => tokio::time::timeout(within, asking)
                .await
                .map_err(|_| StoreError::Unavailable("the new process does not answer".into()))?,
            None => asking.await,
        }
        .map_err(unavailable)?;
        match reply {
            Reply::Full => Err(StoreError::Full),
            Reply::Unavailable { why } => Err(StoreError::Unavailable(why)),
            reply => Ok(reply),
        }
    }
}

/// Work that blocks, on a thread that serves: the others take over what else it has to do. Where it is the only one, everything
/// waits, which is why this is for the few moments of a handover only.
pub fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => tokio::task::block_in_place(work),
    }
}

/// Where an operation goes.
enum At<'s> {
    Here(#[allow(dead_code, reason = "it counts until it is dropped")] Option<Busy<'s>>),
    Away(&'s Place),
}

struct Busy<'s>(&'s Place);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Store for MovingStore {
    async fn claim(&self, key: &EventKey, now: UnixTime, lease: Duration) -> Result<Claim, StoreError> {
        let place = match self.enter().await? {
            At::Here(_busy) => return self.own.claim(key, now, lease).await,
            At::Away(place) => place,
        };
        let question = Question::Claim { key: key.0, lease: whole(lease) };
        match place.ask(question, Some(PATIENCE)).await? {
            Reply::New { token, attempt } => Ok(Claim::New(Lease { token: Token(token), attempt })),
            Reply::InFlight => Ok(Claim::InFlight),
            Reply::Seen { answer, attempt } => {
                Ok(Claim::Seen { answer: answer.as_deref().and_then(Answer::unpack), attempt })
            }
            _ => Err(beside_the_point()),
        }
    }

    async fn commit(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
        answer: Option<Answer>,
    ) -> Result<Committed, StoreError> {
        let place = match self.enter().await? {
            At::Here(_busy) => return self.own.commit(key, token, now, ttl, answer).await,
            At::Away(place) => place,
        };
        let answer = answer.as_ref().and_then(Answer::pack);
        let question = Question::Commit { key: key.0, token: token.0, ttl: whole(ttl), answer };
        match place.ask(question, Some(PATIENCE)).await? {
            Reply::Committed { counted: true } => Ok(Committed::Yes),
            Reply::Committed { counted: false } => Ok(Committed::TooLate),
            _ => Err(beside_the_point()),
        }
    }

    async fn release(
        &self,
        key: &EventKey,
        token: Token,
        now: UnixTime,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let place = match self.enter().await? {
            At::Here(_busy) => return self.own.release(key, token, now, ttl).await,
            At::Away(place) => place,
        };
        let question = Question::Release { key: key.0, token: token.0, ttl: whole(ttl) };
        match place.ask(question, Some(PATIENCE)).await? {
            Reply::Released => Ok(()),
            _ => Err(beside_the_point()),
        }
    }

    async fn settled(&self, key: &EventKey, now: UnixTime) -> Result<Wait, StoreError> {
        let place = match (self.enter().await?, &self.place) {
            (At::Here(busy), place) => {
                // A wait may last as long as the upstream takes; no move waits for it.
                drop(busy);
                let Some(place) = place else { return self.own.settled(key, now).await };
                let mut changed = place.changed.subscribe();
                // Boxed, as hardly any request waits for another.
                let waiting = Box::pin(async move {
                    tokio::select! {
                        waited = self.own.settled(key, now) => waited,
                        // The claim that is waited for ends elsewhere now.
                        _ = changed.wait_for(|now| *now == AWAY) => Ok(Wait::Changed),
                    }
                });
                return waiting.await;
            }
            (At::Away(place), _) => place,
        };
        // The caller has its own deadline.
        match place.ask(Question::Settled { key: key.0 }, None).await? {
            Reply::Settled { changed: true } => Ok(Wait::Changed),
            Reply::Settled { changed: false } => Ok(Wait::TooMany),
            _ => Err(beside_the_point()),
        }
    }

    async fn look(&self, key: &EventKey, now: UnixTime) -> Result<Option<Known>, StoreError> {
        match self.enter().await? {
            At::Here(_busy) => self.own.look(key, now).await,
            At::Away(_) => Err(elsewhere()),
        }
    }

    async fn forget(&self, key: &EventKey, now: UnixTime) -> Result<Forgotten, StoreError> {
        match self.enter().await? {
            At::Here(_busy) => self.own.forget(key, now).await,
            At::Away(_) => Err(elsewhere()),
        }
    }

    fn let_go(&self, key: &EventKey) {
        self.own.let_go(key);
    }

    fn entries(&self) -> u64 {
        self.own.entries()
    }

    fn evictions(&self) -> u64 {
        self.own.evictions()
    }
}

impl Backend {
    /// What tells whether another process's store is the same one; `None` for what all share.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Disk(_) => "disk",
            Self::Redis(_) => "redis",
        }
    }

    /// Takes in what the process before passed on; how many entries it was. It blocks.
    ///
    /// # Errors
    /// When it breaks off.
    pub fn take_in(&self, source: &mut impl std::io::Read, now: UnixTime) -> std::io::Result<u64> {
        let memory: &MemoryStore = match self {
            Self::Memory(store) => store,
            Self::Disk(store) => return store.take_in(source, now),
            Self::Redis(_) => return Ok(0),
        };
        Ok(memory.take_in(source, now)?.0)
    }
}

fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whoever operates the gateway asks the newer process.
fn elsewhere() -> StoreError {
    StoreError::Unavailable("it has moved to a newer process; ask that one".into())
}

fn beside_the_point() -> StoreError {
    StoreError::Unavailable("the new process answered something else".into())
}

#[cfg(test)]
mod tests;
