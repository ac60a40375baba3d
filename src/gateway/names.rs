//! What a delivery calls its event, and the key under which it is remembered, read in one pass.

use crate::admit::Proof;
use crate::routes::Route;
use crate::verify::{self, Event, EventKey, Head, MissingPart};

/// What a delivery calls its event.
pub(super) struct Names {
    pub(super) event: Event,
    /// What it is remembered by. `None` where nothing is remembered: what was not verified claims nothing, so that nobody
    /// without the secret can burn an id.
    pub(super) key: Option<Result<EventKey, MissingPart>>,
}

impl Names {
    /// Those of a delivery that may go on.
    pub(super) fn of(route: &Route, head: &Head<'_>, body: &[u8], proof: &Proof) -> Self {
        let Some(provider) = route.provider.as_deref() else {
            return Self { event: Event::default(), key: None };
        };
        let (Some(dedupe), Some(verified)) = (&route.dedupe, proof.verified()) else {
            return Self { event: Self::unproven(route, head, body), key: None };
        };
        let (event, key) = verify::event_and_key(
            &provider.event,
            &route.name,
            &dedupe.key,
            &provider.scheme,
            verified,
            head,
            body,
        );
        Self { event, key: Some(key) }
    }

    /// What a delivery says of its event, whoever sent it.
    pub(super) fn unproven(route: &Route, head: &Head<'_>, body: &[u8]) -> Event {
        let provider = route.provider.as_deref();
        provider.map_or_else(Event::default, |provider| {
            verify::event(&provider.event, &provider.scheme, head, body)
        })
    }
}
