//! Documents with keys, kept by URL: each fetched once at a time, used while it lives, and beyond that while its host is away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore};

use super::Unavailable;
use super::fetch::{Fetcher, TIMEOUT};
use crate::catalog::{KeySource, KeyUrl, Provider};
use crate::clock;
use crate::metrics::Metrics;
use crate::secret::{NamedSecret, Secret};
use crate::verify::Keys;

/// Documents kept at most.
const MOST: usize = 256;
/// Fetches at once; each holds a thread.
const AT_ONCE: usize = 4;
/// How long a failed fetch is not repeated.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a document that was fetched anew because a key was missing from it is not fetched anew for that again.
const REFRESH_PAUSE: Duration = Duration::from_secs(60);
/// How long a document is used beyond its life while no newer one can be had.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);

/// All documents of this process. They outlive configurations.
pub(crate) struct Documents {
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    permits: Arc<Semaphore>,
    fetcher: Arc<Fetcher>,
    metrics: Metrics,
}

/// A document with its keys made ready.
pub(crate) struct Document {
    pub(in crate::gateway) keys: Keys,
    pub(in crate::gateway) fetched: Instant,
    text: String,
    /// Whose scheme the keys were made ready for.
    provider: Arc<Provider>,
}

/// One URL.
#[derive(Default)]
struct Entry {
    /// Held while it is fetched.
    turn: Arc<Turn<()>>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    document: Option<Arc<Document>>,
    /// When the document has to be fetched anew.
    expires: Option<Instant>,
    /// When it was last asked for in vain, and why.
    failed: Option<(Instant, Unavailable)>,
    /// When it was last asked for because a key was missing from it.
    refreshed: Option<Instant>,
    used: Option<Instant>,
}

/// What a request needs.
#[derive(Clone, Copy)]
enum Need {
    Any,
    NewerThan(Instant),
}

/// Everything that a fetch needs to know.
#[derive(Clone)]
struct Job {
    url: String,
    token: Option<Secret>,
    source: KeySource,
    provider: Arc<Provider>,
}

impl Documents {
    pub(crate) fn new(metrics: Metrics) -> Self {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        Self { entries: Mutex::default(), permits, fetcher: Arc::default(), metrics }
    }

    pub(super) async fn get(
        self: &Arc<Self>,
        url: &KeyUrl,
        token: Option<&Secret>,
        source: &KeySource,
        provider: &Arc<Provider>,
        may_ask: impl FnOnce() -> bool,
    ) -> Result<Arc<Document>, Unavailable> {
        let job = Job::new(url, token, source, provider);
        let entry = self.entry(&job, may_ask)?;
        self.wait(entry, job, Need::Any).await
    }

    pub(super) async fn newer(
        self: &Arc<Self>,
        url: &KeyUrl,
        token: Option<&Secret>,
        source: &KeySource,
        provider: &Arc<Provider>,
        than: Instant,
    ) -> Result<Arc<Document>, Unavailable> {
        let job = Job::new(url, token, source, provider);
        let entry = self.entry(&job, || true)?;
        self.wait(entry, job, Need::NewerThan(than)).await
    }

    /// The entry of an URL; a new one only if `may_ask` says so.
    fn entry(&self, job: &Job, may_ask: impl FnOnce() -> bool) -> Result<Arc<Entry>, Unavailable> {
        let name = job.name();
        let mut entries = self.entries.lock();
        if let Some(entry) = entries.get(&name) {
            return Ok(Arc::clone(entry));
        }
        if !may_ask() {
            return Err(Unavailable("too many unknown keys were named in one minute".to_owned()));
        }
        if entries.len() >= MOST {
            // What was never there goes first, then what was not used for the longest time.
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.worth()).map(|(name, _)| name.clone());
            oldest.and_then(|name| entries.remove(&name));
        }
        let entry = Arc::new(Entry::default());
        entries.insert(name, Arc::clone(&entry));
        Ok(entry)
    }

    /// What is there, or what a fetch brings. Whoever comes while it is fetched waits for that fetch.
    async fn wait(
        self: &Arc<Self>,
        entry: Arc<Entry>,
        job: Job,
        need: Need,
    ) -> Result<Arc<Document>, Unavailable> {
        if let Some(answer) = entry.answer(&job, need, clock::monotonic()) {
            return answer;
        }
        let late = || Unavailable(format!("{} took too long", job.url));
        let fetched = async {
            let turn = Arc::clone(&entry.turn).lock_owned().await;
            if let Some(answer) = entry.answer(&job, need, clock::monotonic()) {
                return answer;
            }
            // A task of its own: should this request be given up, the next one still profits.
            if matches!(need, Need::NewerThan(_)) {
                entry.kept.lock().refreshed = Some(clock::monotonic());
            }
            let fetch = tokio::spawn(Arc::clone(self).fetch(Arc::clone(&entry), job.clone(), turn));
            let failed = Unavailable(format!("{} could not be fetched", job.url));
            fetch.await.map_err(|_| failed.clone())?;
            entry.answer(&job, need, clock::monotonic()).unwrap_or(Err(failed))
        };
        tokio::time::timeout(TIMEOUT, fetched).await.unwrap_or_else(|_| Err(late()))
    }

    async fn fetch(self: Arc<Self>, entry: Arc<Entry>, job: Job, _turn: OwnedMutexGuard<()>) {
        let Ok(_permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
        let fetcher = Arc::clone(&self.fetcher);
        let asked = job.clone();
        let fetched = tokio::task::spawn_blocking(move || {
            let token = asked.token.as_ref();
            let fetched = fetcher.get(&asked.url, token, asked.source.json.as_ref())?;
            Ok::<_, String>((asked.prepare(&fetched.text)?, fetched))
        });
        let now_known = fetched.await.unwrap_or_else(|_| Err("the fetch broke off".to_owned()));
        let now = clock::monotonic();
        self.metrics.keys_fetched(now_known.is_ok());
        let mut kept = entry.kept.lock();
        match now_known {
            Ok((keys, fetched)) => {
                let life = fetched.life;
                tracing::info!(target: "sealpost::keys", url = job.url, seconds = life.as_secs(), "keys fetched");
                kept.document = Some(Arc::new(Document {
                    keys,
                    fetched: now,
                    text: fetched.text,
                    provider: job.provider,
                }));
                kept.expires = now.checked_add(life);
                kept.failed = None;
            }
            Err(why) => {
                tracing::warn!(
                    target: "sealpost::keys",
                    url = job.url,
                    "keys not fetched{}: {why}",
                    if kept.document.is_some() { ", the old ones are used" } else { "" }
                );
                kept.failed = Some((now, Unavailable(format!("{}: {why}", job.url))));
            }
        }
    }
}

impl Entry {
    /// What can be said without a fetch.
    fn answer(&self, job: &Job, need: Need, now: Instant) -> Option<Result<Arc<Document>, Unavailable>> {
        let mut kept = self.kept.lock();
        kept.used = Some(now);
        let failed = kept.failed.as_ref().filter(|(at, _)| now.saturating_duration_since(*at) < PAUSE);
        let failed = failed.map(|(_, why)| why.clone());
        let document = kept.document.as_ref().and_then(|document| document.of(&job.provider));
        let ends_within = |more: Duration| {
            kept.expires.and_then(|expires| expires.checked_add(more)).is_some_and(|end| now < end)
        };
        match (need, document) {
            (Need::Any, Some(document)) if ends_within(Duration::ZERO) => Some(Ok(document)),
            (Need::Any, Some(document)) if failed.is_some() && ends_within(STALE) => Some(Ok(document)),
            (Need::NewerThan(than), Some(document)) if document.fetched > than => Some(Ok(document)),
            (Need::NewerThan(_), _) if kept.refreshed_within(REFRESH_PAUSE, now) => {
                let why = || Unavailable(format!("{} was fetched anew less than a minute ago", job.url));
                Some(Err(failed.unwrap_or_else(why)))
            }
            _ => failed.map(Err),
        }
    }

    /// Less for what may go sooner.
    fn worth(&self) -> (bool, Option<Instant>) {
        let kept = self.kept.lock();
        (kept.document.is_some(), kept.used)
    }
}

impl Kept {
    fn refreshed_within(&self, pause: Duration, now: Instant) -> bool {
        self.refreshed.is_some_and(|at| now.saturating_duration_since(at) < pause)
    }
}

impl Document {
    /// The document with keys for this provider. They are made ready again if a reload changed how it signs.
    fn of(self: &Arc<Self>, provider: &Arc<Provider>) -> Option<Arc<Self>> {
        if Arc::ptr_eq(&self.provider, provider) || self.provider.scheme == provider.scheme {
            return Some(Arc::clone(self));
        }
        let keys = prepare(provider, &self.text).ok()?;
        Some(Arc::new(Self {
            keys,
            fetched: self.fetched,
            text: self.text.clone(),
            provider: Arc::clone(provider),
        }))
    }
}

impl Job {
    fn new(url: &KeyUrl, token: Option<&Secret>, source: &KeySource, provider: &Arc<Provider>) -> Self {
        Self {
            url: url.as_str().to_owned(),
            token: token.cloned(),
            source: source.clone(),
            provider: Arc::clone(provider),
        }
    }

    /// Two routes share a document only if they ask for it in the same way.
    fn name(&self) -> String {
        let token = self.token.as_ref().map(|token| hex::encode(Sha256::digest(token.expose())));
        let json = self.source.json.as_ref().map(ToString::to_string);
        format!("{}\n{}\n{}", self.url, token.unwrap_or_default(), json.unwrap_or_default())
    }

    fn prepare(&self, text: &str) -> Result<Keys, String> {
        prepare(&self.provider, text)
    }
}

/// Makes the keys of a document ready. Only public ones: what anybody can fetch must never become a shared secret.
fn prepare(provider: &Provider, text: &str) -> Result<Keys, String> {
    let secret = NamedSecret::new("fetched", Secret::new(text.as_bytes().to_vec()));
    match provider.scheme.prepare(&[secret]) {
        Ok(keys) if keys.are_public() => Ok(keys),
        Ok(_) => Err("it holds no public key".to_owned()),
        Err(errors) => {
            Err(errors.into_iter().next().map_or_else(String::new, |(_, error)| error.to_string()))
        }
    }
}

#[cfg(test)]
#[path = "documents_tests.rs"]
mod tests;
