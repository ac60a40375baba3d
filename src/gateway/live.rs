//! The configuration in force, with everything that belongs to it for as long as it serves.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::first_contact::{Contact, FirstContacts};
use super::keys::RouteKeys;
use super::upstream::{self, Peer};
use crate::catalog::Provider;
use crate::config::Config;
use crate::journal::About;
use crate::metrics::{Metrics, RouteMetrics, SecretUse};
use crate::routes::Route;
use crate::time::UnixTime;
use crate::trace::Tracer;
use crate::verify::Locator;

/// A configuration with its routes' peers and metrics. Immutable; a reload makes another one.
pub(crate) struct Live {
    /// The configuration.
    pub(crate) config: Config,
    /// When it came into force.
    pub(crate) loaded_at: UnixTime,
    /// What traces requests.
    pub(crate) tracer: Option<Arc<Tracer>>,
    routes: HashMap<String, Arc<RouteLive>>,
    /// What decisions without a route share in the journal.
    pub(super) unrouted: Arc<About>,
}

/// What a route needs besides its configuration.
pub(super) struct RouteLive {
    /// Where it leads.
    pub(super) peer: Peer,
    /// Its metrics, resolved once.
    pub(super) metrics: Arc<RouteMetrics>,
    /// Whether its provider signs the URL or is answered with it, so that the request's origin has to be known.
    pub(super) signs_url: bool,
    /// What its decisions share in the journal.
    pub(super) about: Arc<About>,
    /// Its keys, if they are fetched.
    pub(super) keys: Option<Arc<RouteKeys>>,
    /// The secrets that first contacts brought, on routes of senders that do so.
    pub(super) first_contacts: Option<Arc<FirstContacts>>,
}

impl Live {
    /// Prepares a configuration whose file lies in `folder`.
    ///
    /// # Errors
    /// One sentence, if a route's certificates cannot be used, or the thread for tracing cannot be started.
    pub(crate) fn new(
        config: Config,
        folder: &Path,
        metrics: &Metrics,
        loaded_at: UnixTime,
    ) -> Result<Self, String> {
        let routes = config
            .routes
            .iter()
            .map(|route| {
                let provider = route.provider.as_deref();
                let live = RouteLive {
                    peer: upstream::peer(&route.upstream, &route.trust, folder)
                        .map_err(|why| format!("the upstream of route `{}`: {why}", route.name))?,
                    metrics: metrics.route(
                        &route.name,
                        provider.map_or("none", |provider| provider.name.as_str()),
                        &route.secret_names,
                    ),
                    about: Arc::new(about(route, &config.hash)),
                    signs_url: provider
                        .is_some_and(|provider| provider.scheme.signs_url() || provider.answers_with_url()),
                    keys: RouteKeys::new(
                        route.key_source.as_ref(),
                        route.key_token.as_ref(),
                        route.provider.as_ref(),
                    )
                    .map(Arc::new),
                    first_contacts: provider.filter(|provider| provider.reveals()).map(|_| Arc::default()),
                };
                for (index, lifetime) in route.secret_lifetimes.iter().enumerate() {
                    live.metrics.expires(index, lifetime.until);
                }
                Ok((route.name.clone(), Arc::new(live)))
            })
            .collect::<Result<_, String>>()?;
        let tracer = config.tracing.as_ref().map(|tracing| Tracer::new(tracing, metrics)).transpose()?;
        let unrouted = Arc::new(About { config: config.hash.as_str().into(), ..About::default() });
        Ok(Self { config, loaded_at, tracer: tracer.map(Arc::new), routes, unrouted })
    }

    /// What belongs to `route`, which is one of this configuration's.
    pub(super) fn of(&self, route: &Route) -> Option<&Arc<RouteLive>> {
        self.routes.get(&route.name)
    }

    /// How each secret of this route was used, in their order.
    pub(crate) fn secrets_used(&self, route: &Route) -> Vec<SecretUse> {
        let count = route.secret_names.len();
        self.of(route)
            .map_or_else(Vec::new, |live| (0..count).map(|index| live.metrics.secret(index)).collect())
    }

    /// The secrets that first contacts of this route brought since the configuration was loaded, the newest first.
    pub(crate) fn first_contacts(&self, route: &Route, now: UnixTime) -> Vec<Contact> {
        let contacts = self.of(route).and_then(|live| live.first_contacts.as_ref());
        contacts.map_or_else(Vec::new, |contacts| contacts.shown(now))
    }
}

fn about(route: &Route, hash: &str) -> About {
    let provider = route.provider.as_deref();
    About {
        route: Some(route.name.as_str().into()),
        sender: Some(provider.map_or("none", |provider| provider.name.as_str()).into()),
        secrets: route.secret_names.iter().map(|name| name.as_str().into()).collect(),
        retry: provider.map(|provider| provider.retry.clone()),
        config: hash.into(),
        redact: route.journal.redact.clone(),
        event_id: Some(provider.map_or_else(Vec::new, |provider| places(&provider.event.id, provider))),
        event_type: Some(
            provider.map_or_else(Vec::new, |provider| places(&provider.event.event_type, provider)),
        ),
        key: route.dedupe.as_ref().zip(provider).map(|(dedupe, provider)| places(&dedupe.key, provider)),
    }
}

/// Where a name of an event may stand. JSON inside of a form's field stands in that field, too.
fn places(locators: &[Locator], provider: &Provider) -> Vec<Locator> {
    let form = provider.event.document.clone().map(Locator::Form);
    locators.iter().cloned().chain(form).collect()
}
