//! The store that any number of gateways share: Redis or Valkey, one server, behind sentinels, or a cluster.
//!
//! One key per event. A claim, a commit and a release are one script each, so each is atomic and one round trip; the
//! server's clock counts for all gateways and the server forgets by itself. What happens when it fails is decided
//! here in milliseconds: a question has a short time limit, and after a failure no request asks again until a probe
//! has come back.

mod gates;
mod keeper;
mod owed;
mod script;
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::Value;

use self::gates::Gates;
use self::keeper::{Shared, keep};
use self::owed::Owed;
use self::script::{Peeked, Scripts};
use self::server::Server;
use super::{Answer, Claim, Committed, EventKey, Forgotten, Known, Lease, Store, StoreError, Token, Wait};
use crate::config::RedisUrl;
use crate::time::UnixTime;

/// How long a copy that waits for a claim of another gateway waits before it asks the first time, and at most between
/// two questions. A claim that ends in this gateway is heard of at once.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Where, and how patiently.
#[derive(Clone, Debug)]
pub struct RedisOptions {
    /// Where it is.
    pub url: RedisUrl,
    /// What the keys' names begin with.
    pub prefix: String,
    /// How long one question may take.
    pub timeout: Duration,
}

/// Remembers events in Redis or Valkey.
pub struct RedisStore {
    shared: Arc<Shared>,
    scripts: Scripts,
    gates: Gates,
    /// A random start and a walk over all 64-bit numbers from there.
    token: AtomicU64,
}

impl RedisStore {
    /// Begins to connect, and stays connected from then on; needs a runtime. A server that is not there yet is no
    /// error: until it is, every operation fails.
    ///
    /// # Errors
    /// One sentence when the address cannot be used at all.
    pub fn open(options: RedisOptions) -> Result<Self, String> {
        Self::with_scripts(options, Scripts::new(script::SERVER_TIME))
    }

    fn with_scripts(options: RedisOptions, scripts: Scripts) -> Result<Self, String> {
        let server = Server::new(&options.url).map_err(|error| {
            format!("cannot use the address of the Redis store, {}: {error}", options.url)
        })?;
        let shared = Arc::new(Shared::new(options));
        tokio::spawn(keep(Arc::downgrade(&shared), server, scripts.clone()));
        let start = getrandom::u64().map_err(|error| format!("the system has no random numbers: {error}"))?;
        Ok(Self { shared, scripts, gates: Gates::default(), token: AtomicU64::new(start) })
    }

    /// # Errors
    /// [`StoreError::Unavailable`] while the server cannot be asked.
    pub fn check(&self) -> Result<(), StoreError> {
        self.shared.health.check()
    }

    fn next_token(&self) -> Token {
        Token(self.token.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }
}

impl Store for RedisStore {
    async fn claim(&self, key: &EventKey, _now: UnixTime, lease: Duration) -> Result<Claim, StoreError> {
        let token = self.next_token();
        let script = self.scripts.claim(&self.shared.name(key), token, lease);
        match self.shared.ask(&script).await {
            Ok(value) => match script::claimed(value) {
                Some(script::Claimed::New(attempt)) => {
                    self.gates.hold(key, lease);
                    Ok(Claim::New(Lease { token, attempt }))
                }
                Some(script::Claimed::InFlight) => Ok(Claim::InFlight),
                Some(script::Claimed::Seen { attempt, answer }) => Ok(Claim::Seen { answer, attempt }),
                None => Err(StoreError::Unavailable(script::STRANGE.into())),
            },
            Err(failed) => {
                // It may have been claimed all the same; nobody would settle that claim before its lease is over.
                if failed.asked {
                    self.shared.owe(Owed::release(*key, token, super::ABANDONED_KEPT));
                }
                // Of a claim that is held here a copy can wait whatever the server does.
                if self.gates.held(key).is_some() { Ok(Claim::InFlight) } else { Err(failed.error) }
            }
        }
    }

    async fn commit(
        &self,
        key: &EventKey,
        token: Token,
        _now: UnixTime,
        ttl: Duration,
        answer: Option<Answer>,
    ) -> Result<Committed, StoreError> {
        let packed = answer.as_ref().and_then(Answer::pack);
        let script = self.scripts.commit(&self.shared.name(key), token, ttl, packed.as_deref());
        match self.shared.ask(&script).await {
            Ok(Value::Int(counts)) => {
                self.gates.let_go(key);
                Ok(if counts == 1 { Committed::Yes } else { Committed::TooLate })
            }
            Ok(_) => Err(StoreError::Unavailable(script::STRANGE.into())),
            Err(failed) => {
                self.shared.owe(Owed::commit(*key, token, ttl, packed));
                Err(failed.error)
            }
        }
    }

    async fn release(
        &self,
        key: &EventKey,
        token: Token,
        _now: UnixTime,
        ttl: Duration,
    ) -> Result<(), StoreError> {
        let script = self.scripts.release(&self.shared.name(key), token, ttl);
        let outcome = self.shared.ask(&script).await;
        self.gates.let_go(key);
        outcome.map(drop).map_err(|failed| {
            self.shared.owe(Owed::release(*key, token, ttl));
            failed.error
        })
    }

    async fn settled(&self, key: &EventKey, _now: UnixTime) -> Result<Wait, StoreError> {
        let Some(mut place) = self.gates.enter(key) else { return Ok(Wait::TooMany) };
        let script = self.scripts.peek(&self.shared.name(key));
        let mut waits_for = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let value = match self.shared.ask(&script).await {
                Ok(value) => value,
                Err(failed) => {
                    let Some(left) = self.gates.held(key) else { return Err(failed.error) };
                    let _ = tokio::time::timeout(left, place.opened()).await;
                    return Ok(Wait::Changed);
                }
            };
            let (token, left) = match script::peeked(&value) {
                Some(Peeked::InFlight { token, left }) => (token, left),
                Some(Peeked::Settled) => return Ok(Wait::Changed),
                None => return Err(StoreError::Unavailable(script::STRANGE.into())),
            };
            if *waits_for.get_or_insert(token) != token {
                return Ok(Wait::Changed);
            }
            let over = left <= pause;
            tokio::select! {
                () = place.opened() => return Ok(Wait::Changed),
                () = tokio::time::sleep(if over { left } else { jittered(pause) }) => {}
            }
            if over {
                return Ok(Wait::Changed);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn look(&self, key: &EventKey, _now: UnixTime) -> Result<Option<Known>, StoreError> {
        let script = self.scripts.look(&self.shared.name(key));
        let value = self.shared.ask(&script).await.map_err(|failed| failed.error)?;
        script::looked(&value).ok_or_else(|| StoreError::Unavailable(script::STRANGE.into()))
    }

    async fn forget(&self, key: &EventKey, _now: UnixTime) -> Result<Forgotten, StoreError> {
        let script = self.scripts.forget(&self.shared.name(key));
        match self.shared.ask(&script).await.map_err(|failed| failed.error)? {
            Value::Int(0) => Ok(Forgotten::Unknown),
            Value::Int(1) => Ok(Forgotten::Yes),
            Value::Int(2) => Ok(Forgotten::InFlight),
            _ => Err(StoreError::Unavailable(script::STRANGE.into())),
        }
    }

    fn let_go(&self, key: &EventKey) {
        self.gates.let_go(key);
    }

    /// Its server's: here nothing is remembered.
    fn entries(&self) -> u64 {
        0
    }

    /// Its server's.
    fn evictions(&self) -> u64 {
        0
    }
}

/// Between half of it and all of it, so that copies do not ask in step.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
