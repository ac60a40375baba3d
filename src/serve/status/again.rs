//! Releases and redeliveries as the admin address asks for them: one, or all of a route in the order of their reception.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::admin::{Refused, ReleasePart, ReleasePlace, ReleaseRest};
use crate::admit::Reason;
use crate::clock;
use crate::gateway::{Gateway, NotPossible, Tried};
use crate::journal::{Filter, Found};

/// How long a call goes on to the next delivery: whoever asks waits for the answer.
const LONGEST: Duration = Duration::from_secs(20);

/// Called on a thread that may block.
pub(super) fn release(gateway: &Arc<Gateway>, found: &Found) -> Result<Value, Refused> {
    let route = found.entry.about.route.as_deref().unwrap_or_default();
    let right = gateway.releasing(route).ok_or_else(under_way)?;
    // Somebody else may have released it until now.
    let found = &gateway.journal.find(&found.entry.id).ok_or_else(gone)?;
    let tried = Handle::current().block_on(gateway.release(&right, found));
    tried.map(|tried| told(found, &tried)).map_err(conflict)
}

/// Called on a thread that may block.
pub(super) fn redeliver(gateway: &Arc<Gateway>, found: &Found) -> Result<Value, Refused> {
    let tried = Handle::current().block_on(gateway.redeliver(found));
    tried.map(|tried| told(found, &tried)).map_err(conflict)
}

/// One after the other. It stops where the upstream, the store or the journal's file cannot be reached, and when the gateway ends: what comes after it would overtake what
/// failed. Each call tries at least one, and none takes what came after the first one, so that whoever goes on at `next` comes to an
/// end.
pub(super) fn release_all(
    gateway: &Arc<Gateway>,
    filter: &Filter,
    part: &ReleasePart,
) -> Result<Value, Refused> {
    let route = filter.route.as_deref().unwrap_or_default();
    let right = gateway.releasing(route).ok_or_else(under_way)?;
    let rest = part.rest.as_ref();
    let last_of_all = rest.map_or_else(|| gateway.journal.last(), |rest| rest.last);
    let mut waiting = gateway.journal.oldest_first(filter, None, usize::MAX);
    waiting.retain(|found| {
        let behind = rest.is_none_or(|rest| place(found) > rest.after);
        behind && found.entry.number <= last_of_all && found.why_not_releasable().is_none()
    });
    waiting.sort_by_cached_key(place);
    let began = clock::monotonic();
    let (mut results, mut accepted, mut stopped) = (Vec::new(), 0_u64, None);
    for found in waiting.iter().take(part.limit) {
        if began.elapsed() > LONGEST && !results.is_empty() {
            break;
        }
        match Handle::current().block_on(gateway.release(&right, found)) {
            Ok(tried) => {
                accepted = accepted.saturating_add(u64::from(tried.is_accepted()));
                results.push(told(found, &tried));
                let asks_for_patience = tried.status == 429 || tried.status >= 500;
                if is_nobodys_fault(tried.reason) || asks_for_patience {
                    stopped = Some(tried.reason.word());
                    break;
                }
            }
            // Neither is it with any that comes after it.
            Err(NotPossible::Now(word, _)) => {
                stopped = Some(word);
                break;
            }
            Err(NotPossible::Ever(why)) => results.push(json!({
                "delivery": found.entry.id,
                "id": null,
                "result": "not_possible",
                "status": null,
                "accepted": false,
                "why": why,
            })),
        }
    }
    let left = waiting.len().saturating_sub(results.len());
    let last = results.len().checked_sub(1).and_then(|last| waiting.get(last));
    let next = last
        .filter(|_| left > 0 && stopped.is_none())
        .map(|last| ReleaseRest { last: last_of_all, until: filter.until, after: place(last) }.to_string());
    Ok(json!({ "results": results, "accepted": accepted, "left": left, "stopped": stopped, "next": next }))
}

fn place(found: &Found) -> ReleasePlace {
    ReleasePlace { received: found.entry.received, id: found.entry.id.to_string() }
}

/// Whether the delivery is good and only could not be served now.
fn is_nobodys_fault(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::UpstreamUnreachable
            | Reason::UpstreamFailed
            | Reason::UpstreamTimeout
            | Reason::StoreUnavailable
            | Reason::KeysUnavailable
            | Reason::InFlight
    )
}

fn told(found: &Found, tried: &Tried) -> Value {
    json!({
        "delivery": found.entry.id,
        "id": tried.id,
        "result": tried.reason.word(),
        "status": tried.status,
        "accepted": tried.is_accepted(),
        "why": tried.why,
    })
}

fn conflict(why: NotPossible) -> Refused {
    match why {
        NotPossible::Ever(why) => Refused(409, why),
        NotPossible::Now(_, why) => Refused(503, why),
    }
}

fn gone() -> Refused {
    Refused(409, "the journal does not hold it any more".to_owned())
}

fn under_way() -> Refused {
    Refused(409, "a release is under way on this route; wait for its end".to_owned())
}
