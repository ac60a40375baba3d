//! The entries of one shard and the orders they stand in: numbered slots, linked by their numbers.
//!
//! Slots are allocated in blocks that never move, so growing costs one block and not a copy of everything.

use crate::dedupe::EventKey;

/// No slot.
pub(super) const NIL: u32 = u32::MAX;

/// As many slots as fit into 16 KiB, a size that allocators hand out without waste.
const BLOCK: usize = 16 * 1024 / size_of::<Slot>();

/// What is remembered of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing: the slot waits for its next use.
    Free,
    /// Somebody forwards the event, at most until `until`.
    InFlight,
    /// The upstream did not accept it; only the attempts are remembered.
    Released,
    /// The upstream accepted it.
    Accepted,
}

/// One event: 88 bytes.
pub(super) struct Slot {
    pub(super) key: EventKey,
    /// When the lease or the memory of it ends, in milliseconds since 1970.
    pub(super) until: i64,
    /// Of the claim in flight its token; of an accepted event the number under which a copy is kept, 0 without
    /// one; meaningless otherwise.
    pub(super) token: u64,
    /// The first answer, packed.
    pub(super) answer: Option<Box<[u8]>>,
    pub(super) attempt: u32,
    pub(super) state: State,
    links: [Links; 2],
}

#[derive(Clone, Copy)]
struct Links {
    previous: u32,
    next: u32,
}

const UNLINKED: Links = Links { previous: NIL, next: NIL };

/// Slots by number.
pub(super) struct Slab {
    blocks: Vec<Vec<Slot>>,
    free: List,
    len: u32,
}

impl Slab {
    pub(super) fn new() -> Self {
        Self { blocks: Vec::new(), free: List::new(Chain::Order), len: 0 }
    }

    /// How many slots there are, free ones included.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Takes a free slot, or makes one.
    pub(super) fn take(&mut self, key: EventKey) -> u32 {
        let free = self.free.head();
        if free != NIL {
            let mut list = self.free;
            list.unlink(self, free);
            self.free = list;
            self[free].key = key;
            return free;
        }
        let slot = Slot {
            key,
            until: 0,
            token: 0,
            answer: None,
            attempt: 0,
            state: State::Free,
            links: [UNLINKED; 2],
        };
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(slot),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(slot);
                self.blocks.push(block);
            }
        }
        self.len += 1;
        self.len - 1
    }

    /// Gives back a slot that stands in no list.
    pub(super) fn give_back(&mut self, index: u32) {
        self[index].state = State::Free;
        let mut list = self.free;
        list.push(self, index);
        self.free = list;
    }
}

impl std::ops::Index<u32> for Slab {
    type Output = Slot;

    fn index(&self, index: u32) -> &Slot {
        &self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }
}

impl std::ops::IndexMut<u32> for Slab {
    fn index_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.blocks[index as usize / BLOCK][index as usize % BLOCK]
    }
}

/// Which pair of links a list runs through; a slot stands in at most one list of each.
#[derive(Clone, Copy)]
pub(super) enum Chain {
    /// The slots of one state, in the order in which they came to it.
    Order,
    /// The slots with a stored answer, oldest first.
    Answers,
}

/// Slots in the order in which they were pushed.
#[derive(Clone, Copy)]
pub(super) struct List {
    head: u32,
    tail: u32,
    chain: Chain,
}

impl List {
    pub(super) const fn new(chain: Chain) -> Self {
        Self { head: NIL, tail: NIL, chain }
    }

    /// The oldest slot, or [`NIL`].
    pub(super) fn head(&self) -> u32 {
        self.head
    }

    /// The slot after `index`, or [`NIL`].
    pub(super) fn next(&self, slab: &Slab, index: u32) -> u32 {
        slab[index].links[self.chain as usize].next
    }

    pub(super) fn push(&mut self, slab: &mut Slab, index: u32) {
        slab[index].links[self.chain as usize] = Links { previous: self.tail, next: NIL };
        if self.tail == NIL {
            self.head = index;
        } else {
            slab[self.tail].links[self.chain as usize].next = index;
        }
        self.tail = index;
    }

    pub(super) fn unlink(&mut self, slab: &mut Slab, index: u32) {
        let Links { previous, next } =
            std::mem::replace(&mut slab[index].links[self.chain as usize], UNLINKED);
        if previous == NIL {
            self.head = next;
        } else {
            slab[previous].links[self.chain as usize].next = next;
        }
        if next == NIL {
            self.tail = previous;
        } else {
            slab[next].links[self.chain as usize].previous = previous;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_order(list: &List, slab: &Slab) -> Vec<u32> {
        let slot = |index: u32| (index != NIL).then_some(index);
        std::iter::successors(slot(list.head()), |index| slot(list.next(slab, *index))).collect()
    }

    #[test]
    fn an_entry_takes_no_more_than_88_bytes() {
        assert!(size_of::<Slot>() <= 88, "{} bytes", size_of::<Slot>());
    }

    #[test]
    fn a_list_keeps_its_order_whatever_is_taken_out() {
        let mut slab = Slab::new();
        let slots: Vec<_> = (0..4).map(|n| slab.take(EventKey([n; 32]))).collect();
        for out in 0..4 {
            let mut list = List::new(Chain::Order);
            slots.iter().for_each(|slot| list.push(&mut slab, *slot));
            list.unlink(&mut slab, out);
            let left: Vec<_> = (0..4).filter(|slot| *slot != out).collect();
            assert_eq!(in_order(&list, &slab), left);
            list.push(&mut slab, out);
            assert_eq!(in_order(&list, &slab), [left, vec![out]].concat());
        }
    }

    #[test]
    fn the_two_chains_do_not_touch_each_other() {
        let mut slab = Slab::new();
        let (mut order, mut answers) = (List::new(Chain::Order), List::new(Chain::Answers));
        for n in 0..3 {
            let slot = slab.take(EventKey([n; 32]));
            order.push(&mut slab, slot);
        }
        answers.push(&mut slab, 2);
        answers.push(&mut slab, 0);
        order.unlink(&mut slab, 0);
        assert_eq!(in_order(&order, &slab), [1, 2]);
        assert_eq!(in_order(&answers, &slab), [2, 0]);
    }

    #[test]
    fn slots_are_used_again_before_new_ones_are_made() {
        let mut slab = Slab::new();
        let count = BLOCK as u32 + 1;
        for n in 0..count {
            assert_eq!(slab.take(EventKey([1; 32])), n);
        }
        slab.give_back(3);
        slab.give_back(BLOCK as u32);
        assert_eq!(slab.take(EventKey([2; 32])), 3);
        assert_eq!(slab.take(EventKey([3; 32])), BLOCK as u32);
        assert_eq!(slab[3].key, EventKey([2; 32]));
        assert_eq!(slab.len(), count);
    }
}
