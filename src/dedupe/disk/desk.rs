//! What waits for the writing thread. It is woken when as much is there as it waits for, and not for each piece of it.

use std::collections::VecDeque;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::dedupe::StoreError;

/// Commits that may wait for the disk; more are refused at once.
const WAITING: usize = 16 * 1024;

/// Where jobs are laid down for the thread that does them.
pub(super) struct Desk<J> {
    pile: Mutex<Pile<J>>,
    enough: Condvar,
}

struct Pile<J> {
    jobs: VecDeque<J>,
    /// How many jobs the thread waits for; while it works it waits for none.
    wanted: Option<usize>,
    /// Whether one of them cannot wait for others.
    urgent: bool,
    /// Whether nobody works here any more.
    closed: bool,
}

impl<J> Desk<J> {
    pub(super) fn new() -> Self {
        let pile = Pile { jobs: VecDeque::new(), wanted: None, urgent: false, closed: false };
        Self { pile: Mutex::new(pile), enough: Condvar::new() }
    }

    /// Lays down a commit, which may wait until others have come.
    ///
    /// # Errors
    /// When too many wait already, or the thread has ended.
    pub(super) fn commit(&self, job: J) -> Result<(), StoreError> {
        let mut pile = self.pile.lock();
        if pile.closed {
            return Err(StoreError::Unavailable("the disk store is closed".into()));
        }
        if pile.jobs.len() >= WAITING {
            return Err(StoreError::Unavailable(format!("{WAITING} commits wait for the disk already")));
        }
        pile.jobs.push_back(job);
        let enough = pile.wanted.is_some_and(|wanted| pile.jobs.len() >= wanted);
        drop(pile);
        if enough {
            self.enough.notify_one();
        }
        Ok(())
    }

    /// Lays down an order, for which the thread waits for nothing else. It is dropped if the thread has ended.
    pub(super) fn order(&self, job: J) {
        let mut pile = self.pile.lock();
        if !pile.closed {
            pile.jobs.push_back(job);
            pile.urgent = true;
            self.enough.notify_one();
        }
    }

    /// Waits until so many jobs are there, or an order, or the time is over.
    pub(super) fn wait(&self, wanted: usize, until: Instant) {
        let mut pile = self.pile.lock();
        pile.wanted = Some(wanted);
        while pile.jobs.len() < wanted && !pile.urgent {
            if self.enough.wait_until(&mut pile, until).timed_out() {
                break;
            }
        }
        pile.wanted = None;
    }

    /// Hands over the jobs in their order as long as `each` says that it has room for another one.
    pub(super) fn take(&self, mut each: impl FnMut(J) -> bool) {
        let mut pile = self.pile.lock();
        while let Some(job) = pile.jobs.pop_front() {
            if !each(job) {
                break;
            }
        }
        pile.urgent &= !pile.jobs.is_empty();
    }

    /// From now on nothing is taken. Who waits for what still lies here learns that nobody will do it.
    pub(super) fn close(&self) {
        let mut pile = self.pile.lock();
        pile.closed = true;
        pile.jobs.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn soon() -> Instant {
        crate::clock::monotonic() + Duration::from_millis(20)
    }

    fn late() -> Instant {
        crate::clock::monotonic() + Duration::from_secs(60)
    }

    fn taken(desk: &Desk<u32>) -> Vec<u32> {
        let mut jobs = Vec::new();
        desk.take(|job| {
            jobs.push(job);
            true
        });
        jobs
    }

    #[test]
    fn the_thread_is_woken_by_as_many_as_it_waits_for_or_by_an_order() {
        let desk = Arc::new(Desk::new());
        let begun = crate::clock::monotonic();
        for with_order in [false, true] {
            let others = Arc::clone(&desk);
            let sender = thread::spawn(move || {
                others.commit(1).unwrap();
                if with_order { others.order(2) } else { others.commit(2).unwrap() }
            });
            desk.wait(if with_order { 100 } else { 2 }, late());
            sender.join().unwrap();
            assert_eq!(taken(&desk), [1, 2]);
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it did not wait for its time to be over");
    }

    #[test]
    fn a_wait_ends_with_its_time_and_an_order_that_was_taken_hurries_nobody() {
        let desk = Desk::new();
        desk.order(1);
        desk.wait(100, late());
        assert_eq!(taken(&desk), [1]);
        let until = soon();
        desk.wait(1, until);
        assert!(crate::clock::monotonic() >= until);
    }

    #[test]
    fn what_does_not_fit_stays() {
        let desk = Desk::new();
        (0..5).for_each(|job| desk.commit(job).unwrap());
        let mut jobs = Vec::new();
        desk.take(|job| {
            jobs.push(job);
            jobs.len() < 3
        });
        assert_eq!((jobs, taken(&desk)), (vec![0, 1, 2], vec![3, 4]));
    }

    #[test]
    fn only_so_many_wait_and_none_at_a_closed_desk() {
        let desk = Desk::new();
        (0..16 * 1024).for_each(|job| desk.commit(job).unwrap());
        assert!(
            matches!(desk.commit(0), Err(StoreError::Unavailable(why)) if why.contains("wait for the disk"))
        );
        desk.close();
        assert!(matches!(desk.commit(0), Err(StoreError::Unavailable(why)) if why.contains("closed")));
        desk.order(0);
        assert!(taken(&desk).is_empty());
    }
}
