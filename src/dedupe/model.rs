//! The same promises as those of the stores, without any cleverness: a list in the order of the last change. Random
//! histories must go in a store as they go here.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::contract::{START, answer, key};
use super::*;

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(24 * 3600);
const KEYS: usize = 6;

/// One step of a history.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Claim(usize),
    /// Settles with the token the key was last claimed with, which may be out of date.
    Commit(usize, Option<&'static str>),
    Release(usize),
    Pass(Duration),
    /// The process dies and another one takes over what it left.
    Crash,
}

/// Any history.
pub(crate) fn steps(crashes: bool) -> impl Strategy<Value = Vec<Step>> {
    let body = prop_oneof![Just(None), Just(Some("a")), Just(Some("bcdef"))];
    let time = prop_oneof![Just(LEASE / 2), Just(LEASE), Just(TTL / 2), Just(ABANDONED_KEPT)];
    let step = prop_oneof![
        8 => (0..KEYS).prop_map(Step::Claim),
        4 => (0..KEYS, body).prop_map(|(key, body)| Step::Commit(key, body)),
        4 => (0..KEYS).prop_map(Step::Release),
        2 => time.prop_map(Step::Pass),
        u32::from(crashes) => Just(Step::Crash),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What a store may hold, and where stores differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) answers: usize,
    /// Whether a commit of an event that is unknown by now counts.
    pub(crate) remembers_what_it_forgot: bool,
}

/// The store that is compared with the model.
pub(crate) trait Subject {
    type Store: Store;

    fn store(&self) -> &Self::Store;

    /// The time is this from now on.
    async fn tell(&mut self, _now: UnixTime) {}

    /// Goes on as another process.
    async fn crash(&mut self, _now: UnixTime) {}
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InFlight,
    Released,
    Accepted,
}

#[derive(Clone, Debug)]
struct Entry {
    key: usize,
    state: State,
    claim: u64,
    attempt: u32,
    until: UnixTime,
    answer: Option<Answer>,
}

impl Entry {
    fn forgotten(&self, now: UnixTime) -> bool {
        let kept = if self.state == State::InFlight { ABANDONED_KEPT } else { Duration::ZERO };
        now >= self.until.saturating_add(kept)
    }
}

struct Model {
    bounds: Bounds,
    entries: Vec<Entry>,
    evictions: u64,
    claims: u64,
}

impl Model {
    fn take(&mut self, key: usize) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.key == key)?;
        Some(self.entries.remove(at))
    }

    /// Forgets what expired: everything in a store that counts its entries, otherwise what is asked for.
    fn forget(&mut self, key: usize, now: UnixTime) {
        let all = self.bounds.entries < usize::MAX;
        self.entries.retain(|entry| !(all || entry.key == key) || !entry.forgotten(now));
    }

    fn claim(&mut self, key: usize, now: UnixTime) -> Result<(Claim, u64), StoreError> {
        self.forget(key, now);
        let mut attempt = 1;
        if let Some(entry) = self.entries.iter().find(|entry| entry.key == key) {
            match entry.state {
                State::Accepted => {
                    let (answer, attempt) = (entry.answer.clone(), entry.attempt);
                    return Ok((Claim::Seen { answer, attempt }, 0));
                }
                State::InFlight if now < entry.until => return Ok((Claim::InFlight, 0)),
                _ => attempt = entry.attempt + 1,
            }
            self.take(key);
        } else if self.entries.len() >= self.bounds.entries {
            let oldest = |state| self.entries.iter().position(|entry| entry.state == state);
            let over = |entry: &Entry| entry.state == State::InFlight && now >= entry.until;
            let victim = oldest(State::Released)
                .or(oldest(State::Accepted))
                .or(self.entries.iter().position(over))
                .ok_or(StoreError::Full)?;
            self.evictions += u64::from(self.entries.remove(victim).state == State::Accepted);
        }
        self.claims += 1;
        let until = now.saturating_add(LEASE);
        let claim = self.claims;
        self.entries.push(Entry { key, state: State::InFlight, claim, attempt, until, answer: None });
        Ok((Claim::New(Lease { token: Token(0), attempt }), claim))
    }

    fn settle(
        &mut self,
        key: usize,
        claim: u64,
        state: State,
        now: UnixTime,
        answer: Option<Answer>,
    ) -> Committed {
        let held = |entry: &Entry| entry.key == key && entry.claim == claim && entry.state == State::InFlight;
        let until = now.saturating_add(TTL);
        if self.entries.iter().any(held) {
            if let Some(entry) = self.take(key) {
                self.entries.push(Entry { state, until, answer, ..entry });
            }
        } else {
            if state != State::Accepted || !self.bounds.remembers_what_it_forgot {
                return Committed::TooLate;
            }
            self.forget(key, now);
            if self.entries.iter().any(|entry| entry.key == key) {
                return Committed::TooLate;
            }
            self.entries.push(Entry { key, state, claim: 0, attempt: 1, until, answer });
        }
        let size =
            |entry: &Entry| entry.answer.as_ref().and_then(Answer::pack).map_or(0, |bytes| bytes.len());
        while self.entries.iter().map(size).sum::<usize>() > self.bounds.answers {
            if let Some(oldest) = self.entries.iter_mut().find(|entry| entry.answer.is_some()) {
                oldest.answer = None;
            }
        }
        Committed::Yes
    }

    /// What was accepted is all that outlives its process.
    fn crash(&mut self, now: UnixTime) {
        self.entries.retain(|entry| entry.state == State::Accepted && !entry.forgotten(now));
        self.evictions = 0;
    }
}

/// Takes every step in the store and in the model.
pub(crate) async fn follow(
    mut subject: impl Subject,
    bounds: Bounds,
    steps: Vec<Step>,
) -> Result<(), TestCaseError> {
    let bounded = bounds.entries < usize::MAX;
    let mut model = Model { bounds, entries: Vec::new(), evictions: 0, claims: 0 };
    let mut time = START;
    let mut last = [(Token(0), 0); KEYS];
    subject.tell(time).await;
    for step in steps {
        match step {
            Step::Claim(n) => {
                let got = subject.store().claim(&key(&n.to_string()), time, LEASE).await;
                let expected = model.claim(n, time);
                if let (Ok(Claim::New(lease)), Ok((_, claim))) = (&got, &expected) {
                    prop_assert!(last.iter().all(|(token, _)| *token != lease.token));
                    last[n] = (lease.token, *claim);
                }
                let got = got.map(|claim| match claim {
                    Claim::New(lease) => Claim::New(Lease { token: Token(0), ..lease }),
                    other => other,
                });
                prop_assert_eq!(got, expected.map(|(claim, _)| claim));
                if bounded {
                    prop_assert_eq!(subject.store().entries(), model.entries.len() as u64);
                }
            }
            Step::Commit(n, body) => {
                let (token, claim) = last[n];
                let name = key(&n.to_string());
                let got = subject.store().commit(&name, token, time, TTL, body.map(answer)).await;
                let expected = model.settle(n, claim, State::Accepted, time, body.map(answer));
                prop_assert_eq!(got, Ok(expected));
            }
            Step::Release(n) => {
                let (token, claim) = last[n];
                let released = subject.store().release(&key(&n.to_string()), token, time, TTL).await;
                prop_assert_eq!(released, Ok(()));
                model.settle(n, claim, State::Released, time, None);
            }
            Step::Pass(by) => {
                time = time.saturating_add(by);
                subject.tell(time).await;
            }
            Step::Crash => {
                subject.crash(time).await;
                model.crash(time);
            }
        }
        if bounded {
            prop_assert_eq!(subject.store().evictions(), model.evictions);
        }
    }
    Ok(())
}
