//! The gateway's own signature on what goes to the upstream, as Standard Webhooks writes it.

use sha2::{Digest, Sha256};

use crate::admit::Admitted;
use crate::routes::Route;
use crate::time::UnixTime;
use crate::verify::{Event, EventKey, is_webhook_id};

/// The values of the three headers.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) id: String,
    /// Unix seconds.
    pub(super) timestamp: i64,
    pub(super) signature: String,
}

/// Signs a request, if the route says so and it was verified. A signature says that it was, so nothing else gets one.
pub(super) fn sign(
    route: &Route,
    permit: &Admitted,
    key: Option<&EventKey>,
    event: &Event,
    body: &[u8],
    now: impl FnOnce() -> UnixTime,
) -> Option<Signature> {
    let signer = route.trust.signer.as_ref()?;
    if !permit.proof().is_verified() {
        return None;
    }
    let signed_id = event.id.as_deref().filter(|id| route.trust.event_id_is_signed && is_webhook_id(id));
    let id = signed_id.map_or_else(|| made_up(route, key, body), str::to_owned);
    let timestamp = now().seconds();
    let signature = signer.sign(&id, timestamp, body);
    Some(Signature { id, timestamp, signature })
}

/// An id that is the same for every attempt at an event: made of what it is recognised by, otherwise of its body.
fn made_up(route: &Route, key: Option<&EventKey>, body: &[u8]) -> String {
    let digest: [u8; 32] = match key {
        Some(key) => key.0,
        None => {
            // The name has no zero in it, so no other name and body give the same.
            Sha256::new().chain_update(&route.name).chain_update([0]).chain_update(body).finalize().into()
        }
    };
    let half = digest.first_chunk::<16>().copied().unwrap_or_default();
    format!("sealpost_{}", hex::encode(half))
}
