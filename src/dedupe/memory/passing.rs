//! Entries on their way to the process that takes over: what each one is made of, as bytes on a local socket.

use std::io::{self, Read};

use super::shard::Shard;
use super::slab::{List, NIL, State};
use super::{Accepted, Gone, MemoryStore};
use crate::dedupe::{Answer, EventKey};
use crate::time::UnixTime;

/// No entry follows.
const END: u8 = 0;
const IN_FLIGHT: u8 = 1;
const RELEASED: u8 = 2;
const ACCEPTED: u8 = 3;

/// No answer was kept.
const NO_ANSWER: u32 = u32::MAX;

/// A packed answer has a head of a few bytes and a content type of at most 255 before its body.
const LONGEST_ANSWER: usize = Answer::MAX_BODY + 512;

/// Which entries are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dedupe) enum Which {
    /// All of them.
    All,
    /// Those of which no copy is kept elsewhere.
    WithoutCopy,
}

/// One remembered event.
pub(super) struct Entry {
    pub(super) key: EventKey,
    pub(super) state: State,
    /// How long from now on, in milliseconds: each process has a steady clock of its own, which began by the time of day
    /// as it was set then.
    pub(super) left: i64,
    /// Of a claim in flight.
    pub(super) token: u64,
    pub(super) attempt: u32,
    pub(super) answer: Option<Box<[u8]>>,
}

impl Entry {
    /// The next entry of `source`; `None` after the last one.
    fn read(source: &mut impl Read) -> io::Result<Option<Self>> {
        let state = match bytes::<1>(source)? {
            [END] => return Ok(None),
            [IN_FLIGHT] => State::InFlight,
            [RELEASED] => State::Released,
            [ACCEPTED] => State::Accepted,
            [_] => return Err(io::Error::new(io::ErrorKind::InvalidData, "an entry of an unknown kind")),
        };
        let key = EventKey(bytes(source)?);
        let left = i64::from_be_bytes(bytes(source)?);
        let token = u64::from_be_bytes(bytes(source)?);
        let attempt = u32::from_be_bytes(bytes(source)?);
        let answer = match u32::from_be_bytes(bytes(source)?) {
            NO_ANSWER => None,
            length => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if length > LONGEST_ANSWER {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer larger than any kept"));
                }
                let mut answer = vec![0; length].into_boxed_slice();
                source.read_exact(&mut answer)?;
                Some(answer)
            }
        };
        Ok(Some(Self { key, state, left, token, attempt, answer }))
    }
}

fn bytes<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

impl MemoryStore {
    /// How many parts [`Self::pass_on`] takes them in.
    pub(in crate::dedupe) fn parts(&self) -> usize {
        self.shards.len()
    }

    /// Appends the entries of one part, oldest first. Nothing may change the store from the first part to the last.
    pub(in crate::dedupe) fn pass_on(&self, part: usize, which: Which, now: UnixTime, out: &mut Vec<u8>) {
        if let Some(shard) = self.shards.get(part) {
            shard.0.lock().pass_on(which, now, out);
        }
    }

    /// Takes in what another process passed on, up to the end of it; how many entries there were, and what had to be
    /// forgotten for them.
    ///
    /// # Errors
    /// When it breaks off, or is not that.
    pub(in crate::dedupe) fn take_in(
        &self,
        source: &mut impl Read,
        now: UnixTime,
    ) -> io::Result<(u64, Vec<Gone>)> {
        let mut count = 0;
        let mut gone = Vec::new();
        while let Some(entry) = Entry::read(source)? {
            count += 1;
            let hash = self.shared.hash(&entry.key);
            let mut shard = self.shard(hash).lock();
            // A store that is smaller than the one before keeps what there is room for.
            let _ = shard.take_in(hash, entry, now);
            gone.append(&mut shard.gone());
        }
        Ok((count, gone))
    }
}

/// What stands after the last entry.
pub(in crate::dedupe) fn end(out: &mut Vec<u8>) {
    out.push(END);
}

impl Shard {
    fn pass_on(&self, which: Which, now: UnixTime, out: &mut Vec<u8>) {
        for (kind, list) in
            [(RELEASED, &self.released), (ACCEPTED, &self.accepted), (IN_FLIGHT, &self.in_flight)]
        {
            self.pass_list_on(kind, list, which, now, out);
        }
    }

    fn pass_list_on(&self, kind: u8, list: &List, which: Which, now: UnixTime, out: &mut Vec<u8>) {
        let mut index = list.head();
        while index != NIL {
            let slot = &self.slab[index];
            index = list.next(&self.slab, index);
            if kind == ACCEPTED && which == Which::WithoutCopy && slot.token != 0 {
                continue;
            }
            out.push(kind);
            out.extend_from_slice(&slot.key.0);
            let left = slot.until.saturating_sub(now.millis());
            out.extend_from_slice(&left.to_be_bytes());
            out.extend_from_slice(&slot.token.to_be_bytes());
            out.extend_from_slice(&slot.attempt.to_be_bytes());
            let answer = slot.answer.as_deref();
            let length = answer.map_or(Ok(NO_ANSWER), |answer| u32::try_from(answer.len()));
            out.extend_from_slice(&length.unwrap_or(NO_ANSWER).to_be_bytes());
            out.extend_from_slice(answer.unwrap_or_default());
        }
    }

    fn take_in(&mut self, hash: u64, entry: Entry, now: UnixTime) -> Result<(), super::StoreError> {
        let Entry { key, state, left, token, attempt, answer } = entry;
        let until = now.millis().saturating_add(left);
        if state == State::Accepted {
            let until = UnixTime::from_millis(until);
            // Nobody waits yet.
            return self.remember(hash, &key, now, Accepted { until, attempt, answer, number: 0 }).map(drop);
        }
        if self.find(hash, &key).is_some() {
            return Ok(());
        }
        let index = self.insert(hash, &key, now)?;
        let slot = &mut self.slab[index];
        slot.state = state;
        slot.until = until;
        slot.token = token;
        slot.attempt = attempt;
        let list = if state == State::InFlight { &mut self.in_flight } else { &mut self.released };
        list.push(&mut self.slab, index);
        Ok(())
    }
}
