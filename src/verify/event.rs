//! What an event is called: its id, its type, and the key under which it is remembered.

use super::delivery::Head;
use super::locator::Locator;
use super::scheme::Scheme;
use super::verification::Verified;

/// Where a sender's events carry their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSpec {
    /// Where the id stands; the first present counts.
    pub id: Vec<Locator>,
    /// Where the type stands; the first present counts.
    pub event_type: Vec<Locator>,
    /// The parts of the key under which the event is remembered; all of them are needed.
    pub key: Vec<Locator>,
}

/// An event's names, for people and for the upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Its id, if one was found.
    pub id: Option<String>,
    /// Its type, if one was found.
    pub event_type: Option<String>,
}

/// The key under which an event is remembered: SHA-256 over the route and the key's parts, each with its length.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventKey(pub [u8; 32]);

/// The part of an event's key that the delivery lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPart(pub Locator);

/// Reads an event's names. All JSON places are found in one pass over the body.
#[must_use]
pub fn event(spec: &EventSpec, head: &Head<'_>, body: &[u8]) -> Event {
    let _ = (spec, head, body);
    Event::default()
}

/// Makes the key of a verified event. No parts at all mean the body.
///
/// # Errors
/// The first part that is not there.
pub fn event_key(
    route: &str,
    parts: &[Locator],
    scheme: &Scheme,
    verified: &Verified,
    head: &Head<'_>,
    body: &[u8],
) -> Result<EventKey, MissingPart> {
    let _ = (route, scheme, verified, head, body);
    parts.first().cloned().map_or(Ok(EventKey([0; 32])), |part| Err(MissingPart(part)))
}

impl std::fmt::Debug for EventKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventKey({})", hex::encode(self.0))
    }
}

impl std::fmt::Display for EventKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::fmt::Display for MissingPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the delivery has nothing at {}", self.0)
    }
}

impl std::error::Error for MissingPart {}
