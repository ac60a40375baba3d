//! First contacts: secrets that a sender's first request brings, kept until the operator has put them into the configuration.
//!
//! Nobody has proven anything by then, so a value is only shown, never used. It goes to the log once and to
//! `/api/first-contacts`, both bounded, and is gone with the next reload, which is the one that brings it into force.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use parking_lot::Mutex;

use crate::time::{Distance, UnixTime};

/// How many are shown of one route, the newest.
const KEPT: usize = 8;
/// How long each is shown.
const SHOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// How many new ones of one route are taken in a [`WINDOW`], so that strangers cannot fill the log.
const MOST: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);

/// The first contacts of one route.
#[derive(Debug, Default)]
pub(crate) struct FirstContacts(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    contacts: VecDeque<Contact>,
    window: Option<(UnixTime, u32)>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    /// What may become a secret of the route.
    pub(crate) value: String,
    /// Who brought it.
    pub(crate) client: Option<IpAddr>,
    /// When.
    pub(crate) at: UnixTime,
}

/// What became of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is new and has to be told.
    New,
    /// It is kept already.
    Known,
    /// There were too many just now. The sender has to try again, so that none of its secrets is lost.
    TooMany,
}

impl FirstContacts {
    /// Keeps a value.
    pub(super) fn take(&self, value: &str, client: Option<IpAddr>, now: UnixTime) -> Taken {
        let mut kept = self.0.lock();
        if kept.contacts.iter().any(|contact| contact.value == value) {
            return Taken::Known;
        }
        let (since, count) = match kept.window {
            Some((since, count)) if age(since, now) < WINDOW => (since, count),
            _ => (now, 0),
        };
        if count >= MOST {
            return Taken::TooMany;
        }
        kept.window = Some((since, count.saturating_add(1)));
        if kept.contacts.len() >= KEPT {
            kept.contacts.pop_front();
        }
        kept.contacts.push_back(Contact { value: value.to_owned(), client, at: now });
        Taken::New
    }

    /// Those that are still shown, the newest first.
    pub(crate) fn shown(&self, now: UnixTime) -> Vec<Contact> {
        let kept = self.0.lock();
        kept.contacts.iter().rev().filter(|contact| age(contact.at, now) < SHOWN).cloned().collect()
    }
}

fn age(since: UnixTime, now: UnixTime) -> Duration {
    match since.distance_from(now) {
        Distance::Past(age) => age,
        Distance::Future(_) => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> UnixTime {
        UnixTime::from_seconds(seconds).unwrap()
    }

    #[test]
    fn a_value_is_told_once_and_a_flood_is_turned_away() {
        let contacts = FirstContacts::default();
        assert_eq!(contacts.take("a", None, at(0)), Taken::New);
        assert_eq!(contacts.take("a", None, at(1)), Taken::Known);
        for value in ["b", "c", "d", "e"] {
            assert_eq!(contacts.take(value, None, at(2)), Taken::New, "{value}");
        }
        assert_eq!(contacts.take("f", None, at(59)), Taken::TooMany);
        assert_eq!(contacts.take("a", None, at(59)), Taken::Known, "what is known is answered");
        assert_eq!(contacts.take("f", None, at(60)), Taken::New);
        let values: Vec<_> = contacts.shown(at(61)).into_iter().map(|contact| contact.value).collect();
        assert_eq!(values, ["f", "e", "d", "c", "b", "a"]);
    }

    #[test]
    fn only_the_newest_are_shown_and_not_for_ever() {
        let contacts = FirstContacts::default();
        for number in 0..20 {
            contacts.take(&number.to_string(), None, at(number * 60));
        }
        assert_eq!(contacts.shown(at(20 * 60)).len(), KEPT);
        assert_eq!(contacts.shown(at(20 * 60)).first().unwrap().value, "19");
        assert_eq!(contacts.shown(at(19 * 60 + 24 * 60 * 60 - 1)).len(), 1);
        assert!(contacts.shown(at(19 * 60 + 24 * 60 * 60)).is_empty());
    }
}
