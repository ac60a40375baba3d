//! What the server could not be told and is told when it is back, as far as that is little.

use std::collections::VecDeque;
use std::time::Duration;

use super::script::{Question, Scripts};
use crate::dedupe::{EventKey, Token};

/// At most so many, and so many bytes of answers; past it the oldest is never told.
const MOST: usize = 8 * 1024;
const MOST_BYTES: usize = 16 << 20;

/// One thing to be told. Each names the claim's token, so a server that has moved on does nothing of it.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) key: EventKey,
    token: Token,
    ttl: Duration,
    what: What,
}

#[derive(Debug)]
enum What {
    Commit(Option<Box<[u8]>>),
    Release,
}

impl Owed {
    pub(super) fn commit(key: EventKey, token: Token, ttl: Duration, packed: Option<Box<[u8]>>) -> Self {
        Self { key, token, ttl, what: What::Commit(packed) }
    }

    pub(super) fn release(key: EventKey, token: Token, ttl: Duration) -> Self {
        Self { key, token, ttl, what: What::Release }
    }

    pub(super) fn question<'s>(&self, scripts: &'s Scripts, name: &str) -> Question<'s> {
        match &self.what {
            What::Commit(packed) => scripts.commit(name, self.token, self.ttl, packed.as_deref()),
            What::Release => scripts.release(name, self.token, self.ttl),
        }
    }

    fn bytes(&self) -> usize {
        match &self.what {
            What::Commit(Some(packed)) => packed.len(),
            What::Commit(None) | What::Release => 0,
        }
    }
}

/// All of it, oldest first.
#[derive(Debug, Default)]
pub(super) struct Debts {
    list: VecDeque<Owed>,
    bytes: usize,
}

impl Debts {
    pub(super) fn push(&mut self, owed: Owed) {
        self.bytes = self.bytes.saturating_add(owed.bytes());
        self.list.push_back(owed);
        while self.list.len() > MOST || self.bytes > MOST_BYTES {
            if self.pop().is_none() {
                break;
            }
        }
    }

    /// Puts back what was taken out last.
    pub(super) fn put_back(&mut self, owed: Owed) {
        self.bytes = self.bytes.saturating_add(owed.bytes());
        self.list.push_front(owed);
    }

    pub(super) fn pop(&mut self) -> Option<Owed> {
        let owed = self.list.pop_front()?;
        self.bytes = self.bytes.saturating_sub(owed.bytes());
        Some(owed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_owed_and_the_newest_of_it() {
        let mut debts = Debts::default();
        let key = |n: usize| EventKey(std::array::from_fn(|at| (n >> (8 * at.min(7))) as u8));
        for n in 0..MOST + 10 {
            debts.push(Owed::release(key(n), Token(1), Duration::ZERO));
        }
        assert_eq!(debts.pop().unwrap().key, key(10));
        let large = || Some(vec![0; MOST_BYTES / 2].into_boxed_slice());
        for n in 0..3 {
            debts.push(Owed::commit(key(n), Token(1), Duration::ZERO, large()));
        }
        assert_eq!((debts.list.len(), debts.bytes), (2, MOST_BYTES));
    }
}
