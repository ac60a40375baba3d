//! The journal's memory: every entry by its number, bounded in bytes, in number and in age.
//!
//! Room is shared by how sure an entry is. Anybody can make refusals, so everything that was not verified has a quarter
//! of the room for certain and may use more only while it is free; three quarters are safe for deliveries that verified.
//! Within its share whoever has the most gives way first: a flood of forgeries on one route pushes out its own oldest and
//! not the refusals of another route, and requests without any route come after those with one in just that way.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use super::entry::{Entry, Origin};
use super::marks::{Mark, Marks};
use super::outcome::Outcome;
use crate::time::UnixTime;
use crate::verify::EventKey;

/// How much is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of entries and kept requests together.
    pub bytes: u64,
    /// Entries.
    pub entries: usize,
    /// How old they become.
    pub age: std::time::Duration,
}

/// What part of the room is safe for what was not verified.
const UNPROVEN_SHARE: u64 = 4;
/// How far below a bound room is made at once, so that it is not made anew for every entry.
const SLACK: u64 = 64;
/// An entry and since when it is held, by a clock that nobody sets: what was received while the machine's clock was ahead must
/// not stay until that time has come, nor keep others.
#[derive(Debug)]
struct Held {
    entry: Arc<Entry>,
    since: UnixTime,
}

/// Entries that give way together.
#[derive(Debug, Default)]
struct Group {
    numbers: VecDeque<u64>,
    bytes: u64,
}

/// All entries.
#[derive(Debug)]
pub(super) struct Book {
    bounds: Bounds,
    entries: BTreeMap<u64, Held>,
    /// Who is to go next for its age: since when each is held, with its number.
    ages: BTreeSet<(UnixTime, u64)>,
    /// By route (empty for none): what was not verified, and what was.
    groups: [HashMap<Box<str>, Group>; 2],
    marks: Marks,
    /// How many entries say that the event with this key was accepted. The key is made of its route, too.
    accepted: HashMap<EventKey, u32>,
    bytes: u64,
    unproven_bytes: u64,
    unproven: u64,
    /// The number of the last entry.
    last: u64,
    /// The numbers that entries had before they were given others, and those they have.
    moved: HashMap<u64, u64>,
}

impl Book {
    /// Empty; the first number is larger than `last`.
    pub(super) fn new(bounds: Bounds, last: u64) -> Self {
        Self {
            bounds,
            entries: BTreeMap::new(),
            ages: BTreeSet::new(),
            groups: [HashMap::new(), HashMap::new()],
            marks: Marks::default(),
            accepted: HashMap::new(),
            bytes: 0,
            unproven_bytes: 0,
            unproven: 0,
            last,
            moved: HashMap::new(),
        }
    }

    /// The number for the next entry.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last = self.last.saturating_add(1);
        self.last
    }

    /// Takes an entry down, under its own number, held since then by the steady clock. It is larger than all before, or else the entry
    /// that has it goes out of the way: without its row, which is the new one's. What had to
    /// go is added to `gone`. The delivery that is released by it, if there is one, is given back: its row has to say so.
    pub(super) fn append(
        &mut self,
        entry: Arc<Entry>,
        since: UnixTime,
        gone: &mut Vec<u64>,
    ) -> Option<Arc<Entry>> {
        let size = size_of_entry(&entry);
        let number = entry.number;
        self.last = self.last.max(number);
        self.remove(number);
        let mut marked = None;
        if let Some(origin) = &entry.origin
            && let Some(first) = self.origin(origin)
        {
            let mark = Mark::of(origin.how, &entry);
            marked = (mark.is_release() && first.released.set()).then(|| Arc::clone(&first));
            self.marks.add(first.number, mark);
        }
        if let Some(key) = accepted(&entry) {
            let count = self.accepted.entry(key).or_default();
            *count = count.saturating_add(1);
        }
        let proven = entry.is_verified();
        let (groups, key) = (&mut self.groups[side(&entry)], route(&entry));
        let group = match groups.get_mut(key) {
            Some(group) => group,
            None => groups.entry(key.into()).or_default(),
        };
        group.numbers.push_back(number);
        group.bytes = group.bytes.saturating_add(size);
        self.bytes = self.bytes.saturating_add(size);
        if !proven {
            self.unproven_bytes = self.unproven_bytes.saturating_add(size);
            self.unproven = self.unproven.saturating_add(1);
        }
        self.ages.insert((since, number));
        self.entries.insert(number, Held { entry, since });
        self.make_room(gone);
        marked
    }

    /// Forgets what is too old. `now` is of the steady clock.
    pub(super) fn expire(&mut self, now: UnixTime, gone: &mut Vec<u64>) {
        let age = i64::try_from(self.bounds.age.as_millis()).unwrap_or(i64::MAX);
        let oldest = UnixTime::from_millis(now.millis().saturating_sub(age));
        while let Some((since, number)) = self.ages.pop_first() {
            if since >= oldest {
                self.ages.insert((since, number));
                return;
            }
            self.remove(number);
            gone.push(number);
        }
    }

    fn make_room(&mut self, gone: &mut Vec<u64>) {
        let most = self.bounds.bytes;
        if self.bytes > most {
            let (enough, share) = (most - most / SLACK, most / UNPROVEN_SHARE);
            while self.bytes > enough {
                let unproven = self.unproven_bytes > share;
                let go_on = |book: &Self| book.bytes > enough && (book.unproven_bytes > share) == unproven;
                if !self.drop_some(unproven, gone, |group| group.bytes, go_on) {
                    return;
                }
            }
        }
        let most = count(self.bounds.entries);
        if self.len() > most {
            let (enough, share) = (most - most / SLACK, most / UNPROVEN_SHARE);
            while self.len() > enough {
                let unproven = self.unproven > share;
                let go_on = |book: &Self| book.len() > enough && (book.unproven > share) == unproven;
                if !self.drop_some(unproven, gone, |group| count(group.numbers.len()), go_on) {
                    return;
                }
            }
        }
    }

    /// Drops the oldest of the group that has the most, until another one has more or enough is done. `false` when
    /// there was nothing to drop.
    fn drop_some(
        &mut self,
        unproven: bool,
        gone: &mut Vec<u64>,
        weight: impl Fn(&Group) -> u64,
        go_on: impl Fn(&Self) -> bool,
    ) -> bool {
        let side = usize::from(!unproven);
        // With nothing verified in the journal the rest may go, and the other way round.
        let side = if self.groups[side].is_empty() { 1 - side } else { side };
        let groups = &self.groups[side];
        let Some(heaviest) = groups.iter().max_by_key(|(_, group)| weight(group)) else { return false };
        let key = heaviest.0.clone();
        let others = groups.iter().filter(|(other, _)| **other != key);
        let second = others.map(|(_, group)| weight(group)).max().unwrap_or(0);
        loop {
            let group = self.groups[side].get(&key);
            let Some(number) = group.and_then(|group| group.numbers.front().copied()) else { return true };
            if !self.remove(number) {
                // It would stand there for ever.
                self.leave_group(side, &key, number);
            }
            gone.push(number);
            if !go_on(self) || self.groups[side].get(&key).is_none_or(|group| weight(group) < second) {
                return true;
            }
        }
    }

    /// Whether there was one.
    fn remove(&mut self, number: u64) -> bool {
        let Some(Held { entry, since }) = self.entries.remove(&number) else { return false };
        self.ages.remove(&(since, number));
        self.marks.remove(number);
        if let Some(key) = accepted(&entry)
            && let Some(count) = self.accepted.get_mut(&key)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.accepted.remove(&key);
            }
        }
        let size = size_of_entry(&entry);
        self.bytes = self.bytes.saturating_sub(size);
        if !entry.is_verified() {
            self.unproven_bytes = self.unproven_bytes.saturating_sub(size);
            self.unproven = self.unproven.saturating_sub(1);
        }
        if let Some(group) = self.groups[side(&entry)].get_mut(route(&entry)) {
            group.bytes = group.bytes.saturating_sub(size);
        }
        self.leave_group(side(&entry), route(&entry), number);
        true
    }

    fn leave_group(&mut self, side: usize, key: &str, number: u64) {
        let groups = &mut self.groups[side];
        let Some(group) = groups.get_mut(key) else { return };
        match group.numbers.front() {
            Some(first) if *first == number => drop(group.numbers.pop_front()),
            _ => group.numbers.retain(|other| *other != number),
        }
        if group.numbers.is_empty() {
            groups.remove(key);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap_or(u64::MAX)
    }

    /// Their bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Those before `before` (all without it), newest first.
    pub(super) fn newest_first(&self, before: Option<u64>) -> impl Iterator<Item = &Arc<Entry>> {
        let end = before.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((Bound::Unbounded, end)).rev().map(|(_, held)| &held.entry)
    }

    /// Those after `after` (all without it), oldest first.
    pub(super) fn oldest_first(&self, after: Option<u64>) -> impl Iterator<Item = &Arc<Entry>> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.entries.range((start, Bound::Unbounded)).map(|(_, held)| &held.entry)
    }

    /// The oldest entry.
    pub(super) fn first(&self) -> Option<&Arc<Entry>> {
        self.entries.first_key_value().map(|(_, held)| &held.entry)
    }

    /// Numbers up to this one are given already.
    pub(super) fn goes_on_after(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// The newest number given so far.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The entry of this id; the newest where a stranger made an id come twice.
    pub(super) fn find(&self, id: &str) -> Option<&Arc<Entry>> {
        self.newest_first(None).find(|entry| *entry.id == *id)
    }

    /// Whether an entry says that the event with this key was accepted.
    pub(super) fn was_accepted(&self, key: &EventKey) -> bool {
        self.accepted.contains_key(key)
    }

    /// The entry that another one was made from, also where it was given another number meanwhile.
    fn origin(&self, origin: &Origin) -> Option<Arc<Entry>> {
        let numbers = [Some(origin.number), self.moved.get(&origin.number).copied()];
        let mut found = numbers.into_iter().flatten().filter_map(|number| self.entries.get(&number));
        found.find(|held| held.entry.id == origin.id).map(|held| Arc::clone(&held.entry))
    }

    /// Takes over another book, which was written at the same time without knowing of this one, behind what is here. Numbers
    /// that this one may have given as well are given anew. What has to go is added to `gone`; what came is given back.
    pub(super) fn take(&mut self, other: Self, gone: &mut Vec<u64>) -> Vec<Arc<Entry>> {
        let Self { entries, mut marks, last, .. } = other;
        let overlap = entries.first_key_value().is_some_and(|(first, _)| *first <= self.last);
        self.last = self.last.max(last);
        let mut came = Vec::with_capacity(entries.len());
        for (number, Held { mut entry, since }) in entries {
            if overlap {
                let mut moved = Entry { number: self.next_number(), ..Entry::clone(&entry) };
                self.moved.insert(number, moved.number);
                if let Some(origin) = &mut moved.origin
                    && let Some(now) = self.moved.get(&origin.number)
                {
                    origin.number = *now;
                }
                entry = Arc::new(moved);
            }
            came.push(Arc::clone(&entry));
            let now = entry.number;
            self.append(entry, since, gone);
            // What made them may have gone from there.
            if self.entries.contains_key(&now) {
                marks.move_to(number, &mut self.marks, now);
            }
        }
        came
    }

    /// What was made of an entry later.
    pub(super) fn marks(&self, number: u64) -> &[Mark] {
        self.marks.of(number)
    }
}

/// The key of the event whose acceptance an entry tells.
fn accepted(entry: &Entry) -> Option<EventKey> {
    entry.key.filter(|_| entry.outcome() == Outcome::Accepted)
}

/// Which half of the groups an entry is in.
fn side(entry: &Entry) -> usize {
    usize::from(entry.is_verified())
}

fn route(entry: &Entry) -> &str {
    entry.about.route.as_deref().unwrap_or_default()
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn size_of_entry(entry: &Entry) -> u64 {
    u64::try_from(entry.size()).unwrap_or(u64::MAX)
}
