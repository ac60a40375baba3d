//! The senders: each event is signed, sent, hung up on, sent again by a schedule, sent twice, and forged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::dice::Dice;
use super::ledger::{Ledger, Life, Outcome, Story, Try, answer, body, name};
use crate::support::client::{find, find_bytes, parse};
use crate::support::sender::{SECRET, hmac_hex};

/// After how many milliseconds an attempt follows the one before; the last one repeats. A day's schedule in a minute.
const DELAYS: [u64; 8] = [10, 30, 100, 200, 400, 800, 1500, 2500];
/// After so many attempts the schedule is over, which fails the run: it has to be long enough for everything here.
const ATTEMPTS: usize = 60;
/// How long a sender without work waits before it looks again.
const IDLE: Duration = Duration::from_millis(10);
/// How long one answer may take: far longer than any limit of the gateway's.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the gateways are now.
pub(crate) trait Door: Sync {
    /// An address and whose it is; by chance where there are several.
    fn address(&self, dice: &mut Dice) -> (SocketAddr, Life);
}

/// What the senders are like.
#[derive(Clone, Copy)]
pub(crate) struct Manners {
    /// How many send at once.
    pub(crate) workers: usize,
    /// They hang up, send copies, and somebody forges.
    pub(crate) rude: bool,
}

/// By its number a sender takes 410 for "never again", or 409 for "you have it already", as some do.
pub(crate) fn is_final(event: usize, status: u16) -> bool {
    matches!((event % 10, status), (3, 409) | (7, 410))
}

/// The path of an event's route; the routes differ in `on_store_error`.
pub(crate) fn path(event: usize) -> &'static str {
    match event % 8 {
        1 => "/memory",
        2 => "/pass",
        _ => "/refuse",
    }
}

/// The faults of a sender by name.
pub(crate) const FAULTS: [&str; 7] = [
    "sender hangs up before the body",
    "sender hangs up in the middle of the body",
    "sender hangs up right after the body",
    "sender hangs up while the upstream works",
    "sender sends a copy at the same time",
    "sender sends it again after its 2xx",
    "forged request",
];

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Task {
    event: usize,
    /// 0: the event itself. 1: a copy at the same time. 2: one after the 2xx. 3: one after the end of a gateway.
    chain: u64,
    attempt: usize,
}

#[derive(Default)]
struct Desk {
    due: BinaryHeap<Reverse<(Instant, Task)>>,
    next: usize,
    open: usize,
}

/// Sends all events; returns when every sender is done.
pub(crate) struct Senders<'a> {
    ledger: &'a Ledger,
    door: &'a dyn Door,
    manners: Manners,
    desk: Mutex<Desk>,
    changed: Condvar,
}

impl<'a> Senders<'a> {
    /// Those who send the events of this ledger through this door.
    pub(crate) fn new(ledger: &'a Ledger, door: &'a dyn Door, manners: Manners) -> Self {
        Self { ledger, door, manners, desk: Mutex::default(), changed: Condvar::new() }
    }

    /// Blocks until all are done.
    pub(crate) fn run(&self) {
        thread::scope(|scope| {
            for _ in 0..self.manners.workers {
                scope.spawn(|| {
                    let mut kept = None;
                    while let Some(task) = self.next() {
                        self.send(task, &mut kept);
                    }
                });
            }
        });
    }

    fn next(&self) -> Option<Task> {
        let mut desk = self.desk.lock().unwrap();
        loop {
            let now = Instant::now();
            let due = desk.due.peek().map(|Reverse((at, _))| *at);
            if due.is_some_and(|at| at <= now) {
                return desk.due.pop().map(|Reverse((_, task))| task);
            }
            if let Some(event) = self.ledger.again.lock().unwrap().pop() {
                self.ledger.injected("sender sends it again after a gateway's end");
                desk.open += 1;
                return Some(Task { event, chain: 3, attempt: 0 });
            }
            let total = self.ledger.stories.len();
            let allowed = self.ledger.allowed.load(Ordering::SeqCst);
            if desk.next < allowed && desk.open < 8 * self.manners.workers {
                let event = desk.next;
                desk.next += 1;
                desk.open += 1;
                let task = Task { event, chain: 0, attempt: 0 };
                let mut dice = self.ledger.seed.about("copy", event as u64, 0);
                if self.manners.rude && dice.chance(30) {
                    self.ledger.injected("sender sends a copy at the same time");
                    desk.open += 1;
                    desk.due.push(Reverse((now, Task { chain: 1, ..task })));
                    self.changed.notify_one();
                }
                return Some(task);
            }
            if desk.next >= total && desk.open == 0 {
                self.changed.notify_all();
                return None;
            }
            let wait = due.map_or(IDLE, |at| at - now).min(IDLE);
            desk = self.changed.wait_timeout(desk, wait).unwrap().0;
        }
    }

    fn later(&self, task: Task, delay: Duration) {
        self.desk.lock().unwrap().due.push(Reverse((Instant::now() + delay, task)));
        self.changed.notify_one();
    }

    /// This chain has ended. Another copy may follow it.
    fn ended(&self, task: Task, accepted: bool) {
        let mut dice = self.ledger.seed.about("again", task.event as u64, 0);
        if task.chain == 0 && accepted && self.manners.rude && dice.chance(50) {
            self.ledger.injected("sender sends it again after its 2xx");
            let delay = Duration::from_millis(dice.below(2000));
            return self.later(Task { chain: 2, attempt: 0, ..task }, delay);
        }
        if task.chain == 0 || task.chain == 2 {
            self.ledger.done.fetch_add(1, Ordering::SeqCst);
        }
        self.desk.lock().unwrap().open -= 1;
        self.changed.notify_all();
    }

    fn send(&self, task: Task, kept: &mut Option<(Life, TcpStream)>) {
        let words = (task.event as u64, task.chain * 1000 + task.attempt as u64);
        let mut dice = self.ledger.seed.about("sender", words.0, words.1);
        if self.manners.rude && task.attempt == 0 && dice.chance(60) {
            self.forge(task.event, &mut dice);
        }
        let outcome = self.attempt(task, &mut dice, kept);
        match outcome {
            Outcome::Accepted { .. } => {
                self.ledger.told(task.event);
                self.ended(task, true);
            }
            Outcome::Final(_) => self.ended(task, false),
            _ if task.attempt + 1 >= ATTEMPTS => {
                let event = name(task.event);
                self.ledger
                    .wrong(format!("the schedule for {event} ended without a 2xx; the last: {outcome:?}"));
                self.ended(task, false);
            }
            _ => {
                let delay = DELAYS[task.attempt.min(DELAYS.len() - 1)];
                // A little chance, so that those who were refused together do not come together again.
                let delay = Duration::from_millis(delay / 2 + dice.below(delay));
                self.later(Task { attempt: task.attempt + 1, ..task }, delay);
            }
        }
    }

    fn story(&self, event: usize) -> std::sync::MutexGuard<'_, Story> {
        self.ledger.stories[event].lock().unwrap()
    }

    fn attempt(&self, task: Task, dice: &mut Dice, kept: &mut Option<(Life, TcpStream)>) -> Outcome {
        let (address, life) = self.door.address(dice);
        let now = Instant::now();
        let number = {
            let mut story = self.story(task.event);
            story.tries.push(Try { life, begun: now, ended: now, outcome: Outcome::Open });
            story.tries.len() - 1
        };
        let outcome = self.exchange(task, number, (address, life), dice, kept);
        let mut story = self.story(task.event);
        let this = &mut story.tries[number];
        (this.ended, this.outcome) = (Instant::now(), outcome);
        outcome
    }

    fn exchange(
        &self,
        task: Task,
        number: usize,
        (address, life): (SocketAddr, Life),
        dice: &mut Dice,
        kept: &mut Option<(Life, TcpStream)>,
    ) -> Outcome {
        let event = task.event;
        let content = body(self.ledger.seed, event);
        // Not the copy's: one that nobody waits for says nothing.
        let rude = self.manners.rude && task.attempt < 3;
        let drawn = if rude && dice.chance(60) { Some(dice.pick(&FAULTS[..4])) } else { None };
        // Some events are sure to meet each of them, so that a short run has all.
        let sure = rude && task.attempt == 0 && (40..60).contains(&event);
        let fault = if sure { Some(FAULTS[event % 4]) } else { drawn };
        let works = if fault == Some(FAULTS[3]) { "x-work: slow\r\n" } else { "" };
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: hooks.example.com\r\nX-Webhook-Signature: {}\r\nx-try: {number}\r\n{works}Content-Length: {}\r\n\r\n",
            path(event),
            hmac_hex(SECRET, &content),
            content.len()
        );
        let stream = match kept.take() {
            Some((of, stream)) if of == life && dice.chance(900) => Some(stream),
            _ => connect(address),
        };
        let Some(mut stream) = stream else { return Outcome::Refused };
        let request = [head.as_bytes(), &content].concat();
        let part = match fault {
            Some("sender hangs up before the body") => head.len(),
            Some("sender hangs up in the middle of the body") => head.len() + content.len() / 2,
            _ => request.len(),
        };
        if stream.write_all(&request[..part]).is_err() && fault.is_none() {
            // It may have answered and closed before it had read everything.
            return self.answer(event, &mut stream).map_or(Outcome::Cut, |(outcome, _)| outcome);
        }
        if let Some(fault) = fault {
            if fault == FAULTS[3] && !self.arrived(event, number) {
                // Refused before it got there; that is an answer like others.
                return self.answer(event, &mut stream).map_or(Outcome::Cut, |(outcome, _)| outcome);
            }
            self.ledger.injected(fault);
            if dice.chance(500) {
                let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
            return Outcome::HungUp;
        }
        match self.answer(event, &mut stream) {
            Some((outcome, keep)) => {
                if keep {
                    *kept = Some((life, stream));
                }
                outcome
            }
            None => Outcome::Cut,
        }
    }

    /// Waits a while until this attempt is at the upstream.
    fn arrived(&self, event: usize, number: usize) -> bool {
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            if self.story(event).arrivals.iter().any(|arrival| arrival.carries == number) {
                return true;
            }
            thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// The answer to a genuine delivery, and whether the connection can be kept; `None` when it was cut.
    fn answer(&self, event: usize, stream: &mut TcpStream) -> Option<(Outcome, bool)> {
        let (status, headers, text) = match read(stream) {
            Ok(answer) => answer,
            Err(ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
                self.ledger.wrong(format!("{} got no answer within {PATIENCE:?}", name(event)));
                return None;
            }
            Err(_) => return None,
        };
        let keep = find(&headers, "connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
        let duplicate = find(&headers, "sealpost-result") == Some("duplicate");
        let short = duplicate && text.starts_with("{\"received\":true");
        let outcome = match status {
            200..300 => {
                if text != answer(event) && !short {
                    self.ledger.wrong(format!("{} got the answer {status} {text:?}", name(event)));
                }
                Outcome::Accepted { duplicate }
            }
            status if is_final(event, status) => Outcome::Final(status),
            503 if text.contains("Another copy of this event") => Outcome::Waited,
            // The upstream's own, and what senders repeat.
            409 | 410 | 500.. => Outcome::Again(status),
            _ => {
                self.ledger.wrong(format!("{} got the final status {status}: {text}", name(event)));
                Outcome::Again(status)
            }
        };
        Some((outcome, keep))
    }

    /// A request without the sender's secret: it must get a 401, or nothing where the gateway is going down.
    fn forge(&self, event: usize, dice: &mut Dice) {
        let (address, _) = self.door.address(dice);
        let Some(mut stream) = connect(address) else { return };
        let genuine = body(self.ledger.seed, event);
        let mut content = genuine.clone();
        let mut signature = format!("X-Webhook-Signature: {}\r\n", hmac_hex(SECRET, &genuine));
        match dice.below(5) {
            0 => signature = String::new(),
            1 => signature = format!("X-Webhook-Signature: {}\r\n", hmac_hex("another secret", &genuine)),
            2 => {
                let at = usize::try_from(dice.below(genuine.len() as u64)).unwrap();
                content[at] ^= 1;
            }
            3 => content.push(b'\n'),
            _ => {
                let other = body(self.ledger.seed, event + 1);
                signature = format!("X-Webhook-Signature: {}\r\n", hmac_hex(SECRET, &other));
            }
        }
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: hooks.example.com\r\n{signature}x-try: forged\r\nContent-Length: {}\r\n\r\n",
            path(event),
            content.len()
        );
        self.ledger.injected("forged request");
        self.ledger.forged.fetch_add(1, Ordering::SeqCst);
        let _ = stream.write_all(&[head.as_bytes(), &content].concat());
        match read(&mut stream) {
            Ok((401, ..)) => {
                self.ledger.refused.fetch_add(1, Ordering::SeqCst);
            }
            Ok((503, ..)) | Err(_) => {}
            Ok((status, _, text)) => {
                self.ledger.wrong(format!("a forgery of {} got {status}: {text}", name(event)));
            }
        }
    }
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    Some(stream)
}

type Parts = (u16, Vec<(String, String)>, String);

/// One whole answer.
fn read(stream: &mut TcpStream) -> Result<Parts, ErrorKind> {
    let mut bytes = Vec::new();
    let mut fill = |bytes: &mut Vec<u8>| {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof),
            Ok(count) => {
                bytes.extend(&buffer[..count]);
                Ok(())
            }
            Err(error) => Err(error.kind()),
        }
    };
    let end = loop {
        match find_bytes(&bytes, b"\r\n\r\n") {
            Some(at) => break at + 4,
            None => fill(&mut bytes)?,
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (status, headers) = parse(&head);
    let mut text = bytes.split_off(end);
    if let Some(length) = find(&headers, "content-length").and_then(|length| length.parse().ok()) {
        while text.len() < length {
            fill(&mut text)?;
        }
        return Ok((status, headers, String::from_utf8_lossy(&text).into_owned()));
    }
    // Chunks: an answer that the upstream sent in chunks too long to be taken in, or none at all.
    while find_bytes(&text, b"0\r\n\r\n").is_none() {
        fill(&mut text)?;
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let joined: String = text.split("\r\n").skip(1).step_by(2).collect();
    Ok((status, headers, joined))
}
