//! What happened, written down by whoever saw it: senders, upstream, the hand that breaks things, and the gateways' logs.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::dice::Dice;

/// One start of one gateway, counted over all of them.
pub(crate) type Life = usize;

/// What a sender's attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Still under way.
    Open,
    /// A 2xx; whether it was marked as a duplicate's.
    Accepted { duplicate: bool },
    /// A status that this sender takes for the end: 409 or 410 from the upstream.
    Final(u16),
    /// A status on which it tries again.
    Again(u16),
    /// The 503 of a copy that has waited for another one in flight.
    Waited,
    /// The connection ended before the answer did.
    Cut,
    /// No connection.
    Refused,
    /// The sender hung up by itself.
    HungUp,
}

/// One attempt of a sender.
#[derive(Clone, Debug)]
pub(crate) struct Try {
    pub(crate) life: Life,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
    pub(crate) outcome: Outcome,
}

/// One request as the upstream saw it.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) life: Life,
    /// Which of the sender's attempts it carries.
    pub(crate) carries: usize,
    pub(crate) request_id: String,
    pub(crate) attempt: u32,
    pub(crate) begun: Instant,
    /// When the upstream began to answer, and with what.
    pub(crate) answered: Option<(Instant, u16)>,
    /// When it was done with the request, one way or another.
    pub(crate) ended: Option<Instant>,
    /// All of the body was there and the whole answer was written.
    pub(crate) whole: bool,
}

impl Arrival {
    /// When the upstream accepted it, if it did: a 2xx, written to its end.
    pub(crate) fn accepted(&self) -> Option<Instant> {
        let (at, status) = self.answered?;
        (self.whole && (200..300).contains(&status)).then_some(at)
    }
}

/// Everything about one event.
#[derive(Default, Debug)]
pub(crate) struct Story {
    pub(crate) tries: Vec<Try>,
    pub(crate) arrivals: Vec<Arrival>,
}

/// What a gateway's log says of one request.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) reason: String,
    pub(crate) why: String,
}

/// A time in which the store was away, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) from: Instant,
    /// When all gateways were well again.
    pub(crate) to: Instant,
    /// It came back with nothing in it.
    pub(crate) emptied: bool,
}

/// The whole book.
pub(crate) struct Ledger {
    pub(crate) seed: Dice,
    pub(crate) stories: Vec<Mutex<Story>>,
    /// Lives that ended with `kill -9`.
    pub(crate) killed: Mutex<HashMap<Life, Instant>>,
    /// Lives that ended by a signal they could obey.
    pub(crate) stopped: Mutex<HashMap<Life, Instant>>,
    pub(crate) outages: Mutex<Vec<Outage>>,
    pub(crate) lines: Mutex<HashMap<String, Line>>,
    /// Faults by name, and how often they were injected.
    pub(crate) faults: Mutex<BTreeMap<&'static str, u64>>,
    /// Events whose senders had their 2xx, the last ones, and those that are to be sent once more for that.
    pub(crate) recent: Mutex<VecDeque<usize>>,
    pub(crate) again: Mutex<Vec<usize>>,
    /// The last that the gateways said beside their requests.
    pub(crate) said: Mutex<VecDeque<String>>,
    /// What must not be, seen as it happened.
    pub(crate) wrong: Mutex<Vec<String>>,
    /// Forgeries sent, and how many of them were refused with 401.
    pub(crate) forged: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    /// What reached the upstream and is none of what the senders signed.
    pub(crate) foreign: AtomicUsize,
    /// Events whose senders are done.
    pub(crate) done: AtomicUsize,
    /// How many events may have begun by now.
    pub(crate) allowed: AtomicUsize,
}

impl Ledger {
    /// An empty one for so many events.
    pub(crate) fn new(seed: Dice, events: usize) -> Self {
        Self {
            seed,
            stories: (0..events).map(|_| Mutex::default()).collect(),
            killed: Mutex::default(),
            stopped: Mutex::default(),
            outages: Mutex::default(),
            lines: Mutex::default(),
            faults: Mutex::default(),
            recent: Mutex::default(),
            again: Mutex::default(),
            said: Mutex::default(),
            wrong: Mutex::default(),
            forged: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            foreign: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            allowed: AtomicUsize::new(0),
        }
    }

    /// A fault took place.
    pub(crate) fn injected(&self, fault: &'static str) {
        *self.faults.lock().unwrap().entry(fault).or_default() += 1;
    }

    /// Something happened that must not.
    pub(crate) fn wrong(&self, what: String) {
        let mut wrong = self.wrong.lock().unwrap();
        // Enough to see the pattern; the count goes on in words of its own.
        if wrong.len() < 200 {
            wrong.push(what);
        }
    }

    /// Something reached the upstream that must not.
    pub(crate) fn foreign(&self, what: String) {
        self.foreign.fetch_add(1, Ordering::SeqCst);
        self.wrong(what);
    }

    /// The sender of this event has its 2xx.
    pub(crate) fn told(&self, event: usize) {
        let mut recent = self.recent.lock().unwrap();
        recent.push_back(event);
        if recent.len() > 20 {
            recent.pop_front();
        }
    }

    /// What was accepted last is sent once more: whoever ends a gateway now asks what the next one knows of it.
    pub(crate) fn once_more(&self) {
        self.again.lock().unwrap().extend(self.recent.lock().unwrap().drain(..));
    }

    /// How many events are done.
    pub(crate) fn progress(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }

    /// Notes an outage of the store.
    pub(crate) fn outage(&self, from: Instant, emptied: bool) {
        self.outages.lock().unwrap().push(Outage { from, to: Instant::now(), emptied });
    }

    /// Takes in a gateway's log.
    pub(crate) fn read(&self, lines: Vec<serde_json::Value>) {
        let mut known = self.lines.lock().unwrap();
        for line in lines {
            let word = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            if line["request_id"].is_string() {
                known.insert(word("request_id"), Line { reason: word("reason"), why: word("why") });
                continue;
            }
            if line["message"].as_str().is_some_and(|message| message.contains("panicked")) {
                self.wrong(format!("the gateway panicked: {line}"));
            }
            let mut said = self.said.lock().unwrap();
            said.push_back(line.to_string());
            if said.len() > 30 {
                said.pop_front();
            }
        }
    }
}

/// What a sender sends as event `number`, the same whenever it is asked: an id, a type, and a body of 60 bytes to 300 KB.
pub(crate) fn body(seed: Dice, number: usize) -> Vec<u8> {
    let mut dice = seed.about("body", number as u64, 0);
    let size = match dice.below(100) {
        0..60 => dice.below(500),
        60..95 => 500 + dice.below(8_000),
        _ => 33_000 + dice.below(267_000),
    };
    let mut body = format!("{{\"id\":\"{}\",\"type\":\"test.happened\",\"x\":\"", name(number)).into_bytes();
    body.extend((0..size).map(|at| b'a' + ((at + number as u64) % 26) as u8));
    body.extend(b"\"}");
    body
}

/// The id of an event.
pub(crate) fn name(number: usize) -> String {
    format!("evt-{number}")
}

/// The event of an id.
pub(crate) fn number(name: &str) -> Option<usize> {
    name.strip_prefix("evt-")?.parse().ok()
}

/// What the upstream says when it accepts an event: long enough that a store that keeps it needs room for it.
pub(crate) fn answer(number: usize) -> String {
    format!("accepted {} {}", name(number), ".".repeat(1500))
}
