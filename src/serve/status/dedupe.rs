//! What the dedupe store knows of an event, looked up and forgotten.

use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::admin::{DedupeQuestion, Refused};
use crate::clock;
use crate::dedupe::{EventKey, Forgotten, KnownState, StoreError};
use crate::gateway::Gateway;
use crate::journal::Filter;
use crate::verify;

/// Called on a thread that may block.
pub(super) fn look(gateway: &Gateway, question: &DedupeQuestion) -> Result<Value, Refused> {
    let key = key(gateway, question)?;
    let known =
        Handle::current().block_on(gateway.stores.look(&key, clock::steady())).map_err(unavailable)?;
    let state = match known.map(|known| known.state) {
        None => "unknown",
        Some(KnownState::InFlight) => "in_flight",
        Some(KnownState::Accepted) => "accepted",
        Some(KnownState::Released) => "released",
    };
    Ok(json!({
        "key": hex::encode(key.0),
        "state": state,
        "attempt": known.map(|known| known.attempt),
        "until": known.map(|known| clock::time_of_day(known.until).millis()),
        "answer_kept": known.is_some_and(|known| known.answered),
    }))
}

/// Called on a thread that may block.
pub(super) fn forget(gateway: &Gateway, question: &DedupeQuestion) -> Result<Value, Refused> {
    let key = key(gateway, question)?;
    let forgotten =
        Handle::current().block_on(gateway.stores.forget(&key, clock::steady())).map_err(unavailable)?;
    if forgotten == Forgotten::InFlight {
        return Err(Refused(409, "it is being forwarded now; ask again when that is over".to_owned()));
    }
    tracing::info!(target: "sealpost::dedupe", key = %key, found = forgotten == Forgotten::Yes, "an event was forgotten by request");
    Ok(json!({ "key": hex::encode(key.0), "forgotten": forgotten == Forgotten::Yes }))
}

/// The key that was given, that the id alone makes, or that the journal saw with this id.
fn key(gateway: &Gateway, question: &DedupeQuestion) -> Result<EventKey, Refused> {
    if let Some(key) = question.key {
        return Ok(EventKey(key));
    }
    let name = question.route.clone().unwrap_or_default();
    let id = question.event_id.clone().unwrap_or_default();
    let live = gateway.live();
    let route = live.config.routes.iter().find(|route| route.name == name);
    let route = route.ok_or_else(|| Refused(404, "there is no such route".to_owned()))?;
    let made = route.dedupe.as_ref().zip(route.provider.as_ref()).and_then(|(dedupe, provider)| {
        verify::event_key_of_id(&route.name, &dedupe.key, &provider.event, &id)
    });
    let seen = || {
        let filter = Filter { route: Some(name.clone()), event_id: Some(id.clone()), ..Filter::default() };
        gateway.journal.list(&filter, None, 100).found.iter().find_map(|found| found.entry.key)
    };
    made.or_else(seen).ok_or_else(|| {
        let why = "the event's key cannot be told from its id on this route, and the journal holds no delivery of it; give `key`";
        Refused(404, why.to_owned())
    })
}

fn unavailable(error: StoreError) -> Refused {
    Refused(503, error.to_string())
}
