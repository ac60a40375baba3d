//! What the admin address tells of the running gateway.

mod again;
mod dedupe;
mod explain;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::admin::{DedupeQuestion, Refused, ReleasePart, Status};
use crate::clock;
use crate::gateway::{Gateway, Phase};
use crate::journal::{Filter, Found, Journal};
use crate::logs;
use crate::metrics::{Gauges, SecretUse};
use crate::reload::Reloader;
use crate::routes::{Mode, OnStoreError, Route};
use crate::time::UnixTime;
use crate::verify::Locator;

/// The running gateway as its operator sees it.
pub(super) struct RunningStatus {
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
}

impl RunningStatus {
    /// Of this gateway.
    pub(super) fn new(gateway: Arc<Gateway>, reloader: Arc<Reloader>) -> Self {
        Self { gateway, reloader }
    }
}

impl RunningStatus {
    fn route(&self, name: &str) -> Option<Arc<Route>> {
        self.gateway.live().config.routes.iter().find(|route| route.name == name).cloned()
    }

    /// A store that fails matters to whoever balances the load only if requests are refused for it.
    fn store_ready(&self) -> Result<(), Vec<String>> {
        let Err(error) = self.gateway.stores.main.check() else { return Ok(()) };
        let refuses = |route: &Route| {
            route.dedupe.as_ref().is_some_and(|dedupe| dedupe.on_store_error == OnStoreError::Refuse)
        };
        if self.gateway.live().config.routes.iter().any(|route| refuses(route)) {
            return Err(vec![error.to_string()]);
        }
        Ok(())
    }
}

impl Status for RunningStatus {
    fn ready(&self) -> Result<(), Vec<String>> {
        match self.gateway.phase() {
            Phase::Serving => self.store_ready(),
            Phase::Leaving | Phase::Draining => Err(vec!["shutting down".to_owned()]),
        }
    }

    fn gauges(&self) -> Gauges {
        let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let (journal_entries, journal_bytes) = self.gateway.journal.held();
        Gauges {
            buffered_bytes: self.gateway.buffered.bytes(),
            requests_in_flight: count(self.gateway.in_flight()),
            connections: count(self.gateway.connections()),
            store_entries: self.gateway.stores.entries(),
            store_evictions: self.gateway.stores.evictions(),
            log_lines_dropped: logs::dropped(),
            journal_entries,
            journal_bytes,
            journal_dropped: self.gateway.journal.dropped(),
        }
    }

    fn routes(&self) -> Value {
        let live = self.gateway.live();
        live.config.routes.iter().map(|route| describe(route, &live.secrets_used(route))).collect()
    }

    fn first_contacts(&self) -> Value {
        let live = self.gateway.live();
        let now = clock::now();
        let of_route = |route: &Route| {
            let provider = route.provider.as_deref().map(|provider| provider.name.clone());
            let contacts = live.first_contacts(route, now).into_iter();
            let contacts = contacts.map(|contact| {
                json!({
                    "route": route.name,
                    "provider": provider,
                    "value": contact.value,
                    "client": contact.client.map(|client| client.to_string()),
                    "at": contact.at.seconds(),
                })
            });
            contacts.collect::<Vec<_>>()
        };
        live.config.routes.iter().flat_map(|route| of_route(route)).collect()
    }

    fn config(&self) -> Value {
        let live = self.gateway.live();
        let outcome = self.reloader.outcome();
        let of_the_time = live.config.warnings_at(clock::now());
        let warnings: Vec<_> = live
            .config
            .warnings
            .iter()
            .chain(&of_the_time)
            .map(|warning| format!("{}: {}", warning.path, warning.message))
            .collect();
        json!({
            "hash": live.config.hash,
            "loaded_at": live.loaded_at.seconds(),
            "routes": live.config.routes.len(),
            "warnings": warnings,
            "last_error": outcome.error,
            "last_error_at": outcome.failed_at.map(UnixTime::seconds),
            "needs_restart": outcome.needs_restart,
        })
    }

    fn reload(&self) -> Result<Value, String> {
        let hash = self.reloader.reload("admin address")?;
        Ok(json!({ "hash": hash, "needs_restart": self.reloader.outcome().needs_restart }))
    }

    fn journal(&self) -> Journal {
        self.gateway.journal.clone()
    }

    fn redact(&self, route: &str) -> Vec<Locator> {
        self.route(route).map(|route| route.journal.redact.clone()).unwrap_or_default()
    }

    fn explain(&self, found: &Found) -> Result<Value, Refused> {
        explain::explain(&self.gateway, found)
    }

    fn release(&self, found: &Found) -> Result<Value, Refused> {
        again::release(&self.gateway, found)
    }

    fn release_all(&self, filter: &Filter, part: &ReleasePart) -> Result<Value, Refused> {
        again::release_all(&self.gateway, filter, part)
    }

    fn redeliver(&self, found: &Found) -> Result<Value, Refused> {
        again::redeliver(&self.gateway, found)
    }

    fn dedupe(&self, question: &DedupeQuestion) -> Result<Value, Refused> {
        dedupe::look(&self.gateway, question)
    }

    fn forget(&self, question: &DedupeQuestion) -> Result<Value, Refused> {
        dedupe::forget(&self.gateway, question)
    }
}

/// A route with its derived defaults and without anything secret.
fn describe(route: &Route, used: &[SecretUse]) -> Value {
    let dedupe = route.dedupe.as_ref().map(|dedupe| {
        let key: Vec<_> = dedupe.key.iter().map(ToString::to_string).collect();
        json!({ "key": key, "ttl_seconds": dedupe.ttl.as_secs(), "on_store_error": dedupe.on_store_error.word() })
    });
    let tolerance = route.tolerance.map(|tolerance| {
        json!({ "past_seconds": tolerance.past.as_secs(), "future_seconds": tolerance.future.as_secs() })
    });
    json!({
        "name": route.name,
        "host": route.host.as_ref().map(ToString::to_string),
        "path": route.path.to_string(),
        "methods": route.methods,
        "provider": route.provider.as_deref().map_or("none", |provider| provider.name.as_str()),
        "secrets": route.secret_names,
        "secret_details": secrets(route, used),
        "upstream": route.upstream.to_string(),
        "tolerance": tolerance,
        "dedupe": dedupe,
        "events": route.events.patterns(),
        "timeout_ms": u64::try_from(route.timeout.as_millis()).unwrap_or(u64::MAX),
        "body": route.body,
        "journal": {
            "bodies": route.journal.bodies.word(),
            "redact": route.journal.redact.iter().map(ToString::to_string).collect::<Vec<_>>(),
        },
        "mode": match route.mode { Mode::Enforce => "enforce", Mode::Shadow => "shadow" },
    })
}

/// Each secret with its time and its use; times in Unix milliseconds.
fn secrets(route: &Route, used: &[SecretUse]) -> Vec<Value> {
    let each = route.secret_names.iter().enumerate().map(|(index, name)| {
        let lifetime = route.secret_lifetimes.get(index).copied().unwrap_or_default();
        let used = used.get(index).copied().unwrap_or_default();
        json!({
            "name": name,
            "not_before": lifetime.from.map(UnixTime::millis),
            "not_after": lifetime.until.map(UnixTime::millis),
            "in_time": lifetime.check(clock::now()).is_ok(),
            "matched": used.matched,
            "last_matched": used.last_matched.map(UnixTime::millis),
        })
    });
    each.collect()
}
