//! What must hold of a run, checked on the whole book when it is over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ledger::{Arrival, Ledger, Outage, Outcome, Story, Try, name};
use super::sender::path;

/// The store of a run, as far as it decides what may come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Disk,
    Redis,
}

/// Why an event that was accepted may be accepted again.
pub(crate) const CAUSES: [&str; 6] = [
    "killed between the upstream's answer and the record",
    "memory store, gateway restarted",
    "Redis emptied",
    "store away, this gateway alone knew it (refuse, memory)",
    "store away (pass)",
    "upstream accepted after the route's timeout",
];

/// How long after an outage a gateway may still take the store for away: its probes come every second at most.
const PROBES: Duration = Duration::from_secs(3);
/// An answer may be on its way when the time is over.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

/// What a run came to.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) wrong: Vec<String>,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) causes: BTreeMap<&'static str, u64>,
    pub(crate) not_allowed: u64,
    pub(crate) lost: u64,
    /// From the first attempt to the sender's 2xx, in order.
    pub(crate) times: Vec<Duration>,
}

/// Judges a run.
pub(crate) struct Judge<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) kind: Kind,
    pub(crate) timeout: Duration,
    /// How many send at once.
    pub(crate) senders: usize,
    /// Nothing was broken but by reloads and orderly ends.
    pub(crate) calm: bool,
}

impl Judge<'_> {
    /// Goes through every event.
    pub(crate) fn judge(&self) -> Verdict {
        let mut verdict = Verdict { wrong: self.ledger.wrong.lock().unwrap().clone(), ..Verdict::default() };
        for (event, story) in self.ledger.stories.iter().enumerate() {
            let story = story.lock().unwrap();
            self.count(&story, &mut verdict);
            self.not_lost(event, &story, &mut verdict);
            self.not_twice(event, &story, &mut verdict);
            self.attempts_rise(event, &story, &mut verdict);
            self.sent_anew_only_unanswered(event, &story, &mut verdict);
            self.nothing_to_wait_for(event, &story, &mut verdict);
            if self.calm {
                self.undisturbed(event, &story, &mut verdict);
            }
        }
        verdict.times.sort_unstable();
        self.store_failed_only_when_broken(&mut verdict);
        // A kill finds what is under way and no more: each sender's request, and those whose senders hung up.
        let (killed, twice) =
            (self.ledger.killed.lock().unwrap().len(), verdict.causes.get(CAUSES[0]).copied());
        let most = (killed * self.senders * 2) as u64;
        if twice.is_some_and(|twice| twice > most) {
            verdict
                .wrong
                .push(format!("{killed} kills cannot be the cause of {twice:?} events that came twice"));
        }
        verdict
    }

    fn count(&self, story: &Story, verdict: &mut Verdict) {
        let mut add = |what, count: usize| *verdict.counts.entry(what).or_default() += count as u64;
        add("attempts of the senders", story.tries.len());
        let duplicates = |a: &&Try| a.outcome == Outcome::Accepted { duplicate: true };
        add("answered as duplicates", story.tries.iter().filter(duplicates).count());
        add("arrivals at the upstream", story.arrivals.len());
        add("accepted by the upstream", story.arrivals.iter().filter(|a| a.accepted().is_some()).count());
        let repeated = story.arrivals.iter().enumerate().filter(|(at, arrival)| {
            story.arrivals[..*at].iter().any(|earlier| earlier.request_id == arrival.request_id)
        });
        add("sent anew because a kept connection had closed", repeated.count());
        let last = story.tries.iter().any(|a| matches!(a.outcome, Outcome::Final(_)));
        add("ended by the upstream's 409 or 410", usize::from(last));
    }

    /// Accepted at least once, the sender told so, and not before it was so.
    fn not_lost(&self, event: usize, story: &Story, verdict: &mut Verdict) {
        let told = story.tries.iter().filter(|a| matches!(a.outcome, Outcome::Accepted { .. }));
        let told = told.map(|a| a.ended).min();
        let accepted = story.arrivals.iter().filter_map(Arrival::accepted).min();
        let last = story.tries.iter().find_map(|a| match a.outcome {
            Outcome::Final(status) => Some((a.ended, status)),
            _ => None,
        });
        match (told, accepted, last) {
            (Some(told), Some(accepted), _) if accepted <= told => {
                verdict.times.push(told - story.tries[0].begun);
            }
            (Some(_), Some(_), _) => {
                verdict
                    .wrong
                    .push(format!("the sender of {} had a 2xx before the upstream gave one", name(event)));
            }
            (Some(_), None, _) => {
                verdict.lost += 1;
                verdict.wrong.push(format!(
                    "LOST: {} was told accepted, and no upstream accepted it: {story:?}",
                    name(event)
                ));
            }
            (None, _, Some((at, status))) => {
                let said = |a: &Arrival| a.answered.is_some_and(|(when, said)| said == status && when <= at);
                if !story.arrivals.iter().any(said) {
                    verdict
                        .wrong
                        .push(format!("{} was told {status}, which the upstream never said", name(event)));
                }
            }
            (None, ..) => {
                verdict.lost += 1;
                verdict.wrong.push(format!("LOST: {} was never told accepted: {story:?}", name(event)));
            }
        }
    }

    fn not_twice(&self, event: usize, story: &Story, verdict: &mut Verdict) {
        let mut accepted: Vec<&Arrival> = story.arrivals.iter().filter(|a| a.accepted().is_some()).collect();
        accepted.sort_by_key(|arrival| arrival.begun);
        for (at, again) in accepted.iter().enumerate().skip(1) {
            let mut cause = None;
            for earlier in &accepted[..at] {
                // What was sent before the other was accepted can have been forwarded before it, and have reached the ear of
                // the upstream late, when the gateway had given it up or was dead.
                let sent = story.tries[again.carries].begun;
                let overtaken = earlier.accepted().is_some_and(|accepted| sent < accepted);
                let swapped = || overtaken.then(|| self.excuse(event, story, again, earlier)).flatten();
                match self.excuse(event, story, earlier, again).or_else(swapped) {
                    Some(excuse) => cause = Some(excuse),
                    None => {
                        verdict.not_allowed += 1;
                        verdict.wrong.push(format!(
                            "TWICE: {} was accepted and accepted again.\n  first {earlier:?}, {:?}\n  again {again:?}, {:?}\n  {:?}",
                            name(event),
                            self.line(earlier),
                            self.line(again),
                            story.tries
                        ));
                        cause = None;
                        break;
                    }
                }
            }
            if let Some(cause) = cause {
                *verdict.causes.entry(cause).or_default() += 1;
            }
        }
    }

    /// Why `again` may have been forwarded although the upstream had accepted `earlier`, if there is a reason.
    fn excuse(
        &self,
        event: usize,
        story: &Story,
        earlier: &Arrival,
        again: &Arrival,
    ) -> Option<&'static str> {
        let [crash, restart, emptied, alone, pass, late] = CAUSES;
        if earlier.request_id == again.request_id {
            return None;
        }
        let killed = self.ledger.killed.lock().unwrap().contains_key(&earlier.life);
        let stopped = self.ledger.stopped.lock().unwrap().contains_key(&earlier.life);
        // A 2xx of that gateway means that its record was made. One of another gateway says nothing about it.
        let told_before = story.tries.iter().any(|a| {
            matches!(a.outcome, Outcome::Accepted { .. }) && a.life == earlier.life && a.ended < again.begun
        });
        let line = self.line(earlier);
        if line.as_ref().is_some_and(|(reason, _)| reason == "upstream_timeout") {
            let took = earlier.accepted()?.duration_since(story.tries[earlier.carries].begun);
            return (took + ON_ITS_WAY >= self.timeout).then_some(late);
        }
        if killed && line.is_none() && !told_before {
            return Some(crash);
        }
        let restarted = (killed || stopped) && earlier.life != again.life;
        if self.kind == Kind::Memory {
            return restarted.then_some(restart);
        }
        let begun = story.tries[earlier.carries].begun;
        let outages = self.ledger.outages.lock().unwrap();
        if outages.iter().any(|o| o.emptied && begun <= o.to && o.from <= again.begun) {
            return Some(emptied);
        }
        let noted = |arrival: &Arrival| {
            let broken =
                outages.iter().any(|o| overlaps(o, story.tries[arrival.carries].begun, arrival.ended));
            match self.line(arrival) {
                Some((_, why)) => why.contains("dedupe store is not available"),
                None => broken && self.ledger.killed.lock().unwrap().contains_key(&arrival.life),
            }
        };
        let policy = path(event);
        if !noted(earlier) && !noted(again) {
            return None;
        }
        match (policy, self.kind) {
            ("/pass", _) => Some(pass),
            // What Redis knew before, this gateway's own memory does not; of a disk's events all are in memory, too. What a
            // gateway could not tell Redis it goes on to know by itself.
            ("/memory", Kind::Redis) if noted(again) && !(noted(earlier) && earlier.life == again.life) => {
                Some(alone)
            }
            _ => (earlier.life != again.life && (noted(earlier) || policy == "/memory")).then_some(alone),
        }
    }

    /// Reason and note of the gateway's own log about a request; `None` if it did not live to write it.
    fn line(&self, arrival: &Arrival) -> Option<(String, String)> {
        let lines = self.ledger.lines.lock().unwrap();
        lines.get(&arrival.request_id).map(|line| (line.reason.clone(), line.why.clone()))
    }

    /// `sealpost-attempt` counts: never the same number twice, and a later forward has a higher one.
    fn attempts_rise(&self, event: usize, story: &Story, verdict: &mut Verdict) {
        let (Some(first), Some(last)) =
            (story.tries.first(), story.arrivals.iter().filter_map(|a| a.ended).max())
        else {
            return;
        };
        let noted = |a: &Arrival| self.line(a).is_some_and(|(_, why)| why.contains("dedupe store"));
        let broken = self.ledger.outages.lock().unwrap().iter().any(|o| overlaps(o, first.begun, Some(last)));
        if broken || story.arrivals.iter().any(noted) {
            return;
        }
        for (at, later) in story.arrivals.iter().enumerate() {
            for earlier in &story.arrivals[..at] {
                if self.kind != Kind::Redis && earlier.life != later.life {
                    continue;
                }
                let same = earlier.request_id == later.request_id;
                // By the senders' attempts: what the gateway has given up can reach the upstream's ear late.
                let (before, after) = (&story.tries[earlier.carries], &story.tries[later.carries]);
                let well = if same {
                    earlier.attempt == later.attempt
                } else if follows(before, after) {
                    earlier.attempt < later.attempt
                } else if follows(after, before) {
                    earlier.attempt > later.attempt
                } else {
                    earlier.attempt != later.attempt
                };
                if !well {
                    verdict.wrong.push(format!(
                        "{}: sealpost-attempt does not count: {earlier:?}, then {later:?}",
                        name(event)
                    ));
                    return;
                }
            }
        }
    }

    /// A request goes out anew by itself only if its kept connection had closed without a byte of an answer.
    fn sent_anew_only_unanswered(&self, event: usize, story: &Story, verdict: &mut Verdict) {
        for (at, again) in story.arrivals.iter().enumerate() {
            let same = |a: &&Arrival| a.request_id == again.request_id && a.answered.is_some();
            if let Some(answered) = story.arrivals[..at].iter().find(same) {
                verdict.wrong.push(format!(
                    "{} was sent anew though its answer had begun: {answered:?}, then {again:?}",
                    name(event)
                ));
            }
        }
    }

    /// What was not accepted is free at once: nobody waits for a copy when every other one has had its answer.
    fn nothing_to_wait_for(&self, event: usize, story: &Story, verdict: &mut Verdict) {
        let noted = |a: &Arrival| self.line(a).is_some_and(|(_, why)| why.contains("dedupe store"));
        if story.arrivals.iter().any(noted) {
            return;
        }
        let outages = self.ledger.outages.lock().unwrap();
        for (number, waited) in story.tries.iter().enumerate().filter(|(_, a)| a.outcome == Outcome::Waited) {
            // A claim of which Redis could not tell in time is given back when it can be.
            let unheard = |a: &Try| self.kind == Kind::Redis && a.outcome == Outcome::Again(503);
            let answered = |(other, a): (usize, &Try)| {
                other == number
                    || a.begun > waited.ended
                    || (a.ended < waited.begun
                        && !matches!(a.outcome, Outcome::Cut | Outcome::HungUp)
                        && !unheard(a))
            };
            let broken = outages.iter().any(|o| overlaps(o, story.tries[0].begun, Some(waited.ended)));
            if !broken && story.tries.iter().enumerate().all(answered) {
                verdict.wrong.push(format!(
                    "{} was held up by a claim that nobody had any more: {:?}",
                    name(event),
                    story.tries
                ));
            }
        }
    }

    /// A reload fails no request, and an orderly end none that it took in.
    fn undisturbed(&self, event: usize, story: &Story, verdict: &mut Verdict) {
        let stopped = self.ledger.stopped.lock().unwrap();
        for (number, attempt) in story.tries.iter().enumerate() {
            if matches!(attempt.outcome, Outcome::Accepted { .. }) {
                continue;
            }
            *verdict.counts.entry("attempts that met a gateway on its way out").or_default() += 1;
            let ending = stopped.get(&attempt.life).is_some_and(|at| *at <= attempt.ended);
            if !ending {
                verdict
                    .wrong
                    .push(format!("{} failed though nothing but reloads went on: {attempt:?}", name(event)));
            }
            if story.arrivals.iter().any(|arrival| arrival.carries == number) {
                verdict.wrong.push(format!("{} was taken in and not answered: {attempt:?}", name(event)));
            }
        }
    }

    /// The store's failures are those that were made: otherwise every second forward could be excused by them.
    fn store_failed_only_when_broken(&self, verdict: &mut Verdict) {
        let outages = self.ledger.outages.lock().unwrap();
        let mut stray = 0;
        for story in &self.ledger.stories {
            let story = story.lock().unwrap();
            for arrival in &story.arrivals {
                let failed = self.line(arrival).is_some_and(|(_, why)| why.contains("dedupe store is not"));
                let begun = story.tries[arrival.carries].begun;
                if failed && !outages.iter().any(|o| overlaps(o, begun, arrival.ended)) {
                    stray += 1;
                }
            }
        }
        verdict.counts.insert("store failures that nobody made", stray);
        let forwards = verdict.counts.get("arrivals at the upstream").copied().unwrap_or_default();
        // A machine that stands still for seconds makes a few; more are a defect.
        if stray > 10 + forwards / 200 {
            verdict
                .wrong
                .push(format!("the store failed for {stray} of {forwards} forwards though nobody broke it"));
        }
    }
}

/// Whether one attempt had its answer before the other one began.
fn follows(before: &Try, after: &Try) -> bool {
    !matches!(before.outcome, Outcome::Cut | Outcome::HungUp | Outcome::Open) && before.ended < after.begun
}

fn overlaps(outage: &Outage, from: Instant, to: Option<Instant>) -> bool {
    from <= outage.to + PROBES && to.is_none_or(|to| to >= outage.from)
}
