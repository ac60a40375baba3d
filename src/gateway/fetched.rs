//! Verification with fetched keys: everything that needs no key first, then the key, then the signature.

use std::time::{Duration, Instant};

use super::ending::{Ending, Stop};
use super::keys::{RouteKeys, Unavailable};
use super::record::Record;
use super::request::Request;
use super::session::Head;
use super::state::Gateway;
use crate::admit::Reason;
use crate::catalog::Provider;
use crate::clock;
use crate::routes::Mode;
use crate::time::UnixTime;
use crate::verify::{self, Keys, Rejection, Verified};

/// When a delivery arrived.
#[derive(Clone, Copy)]
pub(super) struct Arrived {
    /// Its head was there; what was fetched later is new to it.
    pub(super) at: Instant,
    /// The present for its send time; `None` for whenever it is verified.
    pub(super) time: Option<UnixTime>,
}

/// What verification came to: a verdict, or nothing in shadow mode while the key is away.
pub(super) type Outcome = Option<Result<Verified, Rejection>>;

impl Gateway {
    /// Verifies a delivery whose key has to be fetched. `arrived` is when its head was there, `now` the present that its send
    /// time is held against.
    ///
    /// # Errors
    /// The key cannot be had: the sender has to try again.
    pub(super) async fn verify_with_fetched_keys(
        &self,
        head: &Head,
        request: &Request<'_>,
        keys: &RouteKeys,
        body: &[u8],
        arrived: Arrived,
        record: &mut Record,
    ) -> Result<Outcome, Stop> {
        let Some(provider) = request.route.provider.as_deref() else { return Ok(None) };
        match self.with_fetched_keys(head, request, provider, keys, body, arrived).await {
            Ok(verdict) => Ok(Some(verdict)),
            Err(Unavailable(why)) if request.route.mode == Mode::Shadow => {
                record.shadow(Reason::KeysUnavailable, why);
                Ok(None)
            }
            Err(Unavailable(why)) => Err(Ending::refuse(Reason::KeysUnavailable).because(why)),
        }
    }

    async fn with_fetched_keys(
        &self,
        head: &Head,
        request: &Request<'_>,
        provider: &Provider,
        route_keys: &RouteKeys,
        body: &[u8],
        Arrived { at: arrived, time }: Arrived,
    ) -> Result<Result<Verified, Rejection>, Unavailable> {
        let documents = &self.keys;
        let judge = |spent: &mut Duration, keys: &Keys| {
            let (head, route) = (request.view(head), &request.route);
            let started = clock::monotonic();
            let now = time.unwrap_or_else(clock::now);
            let verdict = verify::verify(&provider.scheme, keys, &head, body, route.tolerance, now);
            *spent = spent.saturating_add(started.elapsed());
            verdict
        };
        let mut spent = Duration::ZERO;
        // Without a key every well-formed delivery is a mismatch; whatever else is wrong is said before a key is asked for.
        match judge(&mut spent, &request.route.keys) {
            Ok(_) | Err(Rejection::SignatureMismatch { .. }) => {}
            Err(rejection) => return Ok(Err(rejection)),
        }
        let wanted = match route_keys.source.wanted(&provider.scheme, &request.view(head), body) {
            Ok(wanted) => wanted,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let mut document = route_keys.get(documents, &wanted).await?;
        let missing = |keys: &Keys| wanted.id.as_deref().is_some_and(|id| !keys.may_have(id));
        // A set that was fetched for this very delivery is as new as can be.
        if missing(&document.keys) && document.fetched < arrived {
            document = route_keys.newer(documents, &wanted, document.fetched).await?;
        }
        let mut verdict = judge(&mut spent, &document.keys);
        // Where nothing says which key it was, the set may have changed since; that is looked for once a minute.
        let unnamed = route_keys.source.is_set() && wanted.id.is_none() && document.fetched < arrived;
        if unnamed
            && matches!(verdict, Err(Rejection::SignatureMismatch { .. }))
            && let Ok(newer) = route_keys.newer(documents, &wanted, document.fetched).await
        {
            verdict = judge(&mut spent, &newer.keys);
        }
        request.live.metrics.verifying(spent);
        Ok(verdict)
    }
}
