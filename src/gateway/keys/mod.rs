//! Keys that senders publish: fetched when a delivery needs them, kept by URL, and never asked for because a forger says so.
//!
//! `documents` keeps them and sees to it that each is fetched once at a time; `fetch` is the HTTP client.

mod documents;
mod fetch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub(crate) use documents::{Document, Documents};

use crate::catalog::{KeySource, Provider, WantedKey};
use crate::clock;
use crate::secret::Secret;

/// How many URLs that were never fetched before a route may ask for in a [`WINDOW`]: deliveries name them, and anybody
/// can send one.
const NEW_URLS: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// The fetched keys of one route.
pub(crate) struct RouteKeys {
    pub(super) source: KeySource,
    token: Option<Secret>,
    provider: Arc<Provider>,
    asked: Mutex<Option<(Instant, u32)>>,
}

/// Why there is no key, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable(pub(super) String);

impl RouteKeys {
    /// For a route with this source, if it has one.
    pub(super) fn new(
        source: Option<&KeySource>,
        token: Option<&Secret>,
        provider: Option<&Arc<Provider>>,
    ) -> Option<Self> {
        let (source, provider) = (source?.clone(), Arc::clone(provider?));
        Some(Self { source, token: token.cloned(), provider, asked: Mutex::new(None) })
    }

    /// The document with this key. A configured URL is always asked; named ones only a few times a minute.
    ///
    /// # Errors
    /// It cannot be had now; the sender has to try again.
    pub(super) async fn get(
        &self,
        documents: &Arc<Documents>,
        wanted: &WantedKey,
    ) -> Result<Arc<Document>, Unavailable> {
        let may_ask = || self.source.is_set() || self.take_one();
        documents.get(&wanted.url, self.token.as_ref(), &self.source, &self.provider, may_ask).await
    }

    /// A document that was fetched after `than`: one asked for before `than` is fetched anew, at most once a minute.
    ///
    /// # Errors
    /// It was fetched anew not long ago, or cannot be had.
    pub(super) async fn newer(
        &self,
        documents: &Arc<Documents>,
        wanted: &WantedKey,
        than: Instant,
    ) -> Result<Arc<Document>, Unavailable> {
        documents.newer(&wanted.url, self.token.as_ref(), &self.source, &self.provider, than).await
    }

    fn take_one(&self) -> bool {
        let mut asked = self.asked.lock();
        let now = clock::monotonic();
        let (since, count) = match *asked {
            Some((since, count)) if now.duration_since(since) < WINDOW => (since, count),
            _ => (now, 0),
        };
        if count >= NEW_URLS {
            return false;
        }
        *asked = Some((since, count.saturating_add(1)));
        true
    }
}
