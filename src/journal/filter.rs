//! Which entries somebody asks for.

use std::fmt;
use std::sync::Arc;

use super::entry::Entry;
use super::hidden;
use super::outcome::Outcome;
use crate::admit::Reason;
use crate::time::UnixTime;
use crate::verify::Locator;

/// What the configuration in force does not want shown of a route's requests, asked anew each time: a stream outlives a reload.
#[derive(Clone, Default)]
pub struct HiddenNow(Option<Arc<AsksRoute>>);

type AsksRoute = dyn Fn(&str) -> Vec<Locator> + Send + Sync;

impl HiddenNow {
    /// As this says of a route, quickly and without waiting for anybody: the journal is held meanwhile.
    #[must_use]
    pub fn by(places: impl Fn(&str) -> Vec<Locator> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(places)))
    }

    fn of(&self, entry: &Entry) -> Vec<Locator> {
        let route = entry.about.route.as_deref();
        self.0.as_ref().zip(route).map(|(places, route)| places(route)).unwrap_or_default()
    }
}

impl fmt::Debug for HiddenNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HiddenNow")
    }
}

/// What an entry has to be. What is left out does not matter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The route's name; `-` for none.
    pub route: Option<String>,
    /// Any of these reasons.
    pub reasons: Vec<Reason>,
    /// The provider's name.
    pub sender: Option<String>,
    /// The event's type; `*` stands for any run of characters. One that is not shown is not found.
    pub event_type: Option<String>,
    /// The event's id, all of it.
    pub event_id: Option<String>,
    /// Any of these outcomes.
    pub outcomes: Vec<Outcome>,
    /// Somewhere in what is shown of it, in any letter case of ASCII.
    pub text: Option<String>,
    /// Received then or later.
    pub since: Option<UnixTime>,
    /// Received before.
    pub until: Option<UnixTime>,
    /// What is not shown now, besides what was not to be shown then.
    pub hidden: HiddenNow,
}

impl Filter {
    /// Whether the entry is one.
    #[must_use]
    pub fn wants(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, has: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| has == Some(wanted))
        };
        self.since.is_none_or(|since| entry.received >= since)
            && self.until.is_none_or(|until| entry.received < until)
            && (self.reasons.is_empty() || self.reasons.contains(&entry.told()))
            && (self.outcomes.is_empty() || self.outcomes.contains(&entry.outcome()))
            && match self.route.as_deref() {
                None => true,
                Some("-") => entry.about.route.is_none(),
                Some(wanted) => entry.about.route.as_deref() == Some(wanted),
            }
            && is(&self.sender, entry.about.sender.as_deref())
            && is(&self.event_id, entry.event_id.as_deref())
            && self.event_type.as_deref().is_none_or(|wanted| {
                entry.event_type.as_deref().is_some_and(|kind| {
                    fits(wanted, kind) && self.shows(entry, entry.about.event_type.as_deref())
                })
            })
            && self.text.as_deref().is_none_or(|text| self.holds_anywhere(entry, text))
    }

    /// Whether a name of its event that was read at one of these places may be shown: a search by parts would tell it letter by
    /// letter.
    fn shows(&self, entry: &Entry, from: Option<&[Locator]>) -> bool {
        !hidden::may_hide(&entry.about.redact, from) && !hidden::may_hide(&self.hidden.of(entry), from)
    }

    fn holds_anywhere(&self, entry: &Entry, text: &str) -> bool {
        let here = |place: &str| holds(place.as_bytes(), text.as_bytes());
        let places = [Some(&*entry.id), entry.path.as_deref(), entry.why.as_deref()];
        let (id, kind) = (entry.event_id.as_deref(), entry.event_type.as_deref());
        places.into_iter().flatten().any(here)
            || id.is_some_and(|id| here(id) && self.shows(entry, entry.about.event_id.as_deref()))
            || kind.is_some_and(|kind| here(kind) && self.shows(entry, entry.about.event_type.as_deref()))
            || entry.client.is_some_and(|client| holds(client.to_string().as_bytes(), text.as_bytes()))
    }
}

/// Whether `needle` stands in `place`, in any letter case of ASCII.
fn holds(place: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let (lower, upper) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    let mut rest = place;
    while let Some(at) = rest.iter().position(|byte| *byte == lower || *byte == upper) {
        let Some(candidate) = rest.get(at..) else { return false };
        match candidate.get(..needle.len()) {
            None => return false,
            Some(begin) if begin.eq_ignore_ascii_case(needle) => return true,
            Some(_) => rest = candidate.get(1..).unwrap_or_default(),
        }
    }
    false
}

/// Whether a text fits a pattern in which `*` stands for any run of characters.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|begin| text.strip_prefix(begin)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(end) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at.saturating_add(part.len())..).unwrap_or_default();
    }
    rest.len() >= end.len() && rest.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, text, expected) in [
            ("invoice.paid", "invoice.paid", true),
            ("invoice.paid", "invoice.paid2", false),
            ("invoice.*", "invoice.paid", true),
            ("*", "", true),
            ("*.paid", "invoice.paid", true),
            ("*.paid", "paid", false),
            ("a*a", "a", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn text_is_found_in_any_letter_case() {
        for (place, needle, expected) in [
            ("No Secret", "secret", true),
            ("", "", true),
            ("abc", "abcd", false),
            ("aab", "AB", true),
            ("é", "É", false),
        ] {
            assert_eq!(holds(place.as_bytes(), needle.as_bytes()), expected, "{place} {needle}");
        }
    }
}
