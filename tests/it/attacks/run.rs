//! Runs attacks against a gateway and holds it to their words.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::bytes::bytes;
use super::case::{Attacks, Case, Seen, Then, Word};
use super::http2::{self, Ending};
use crate::support::arena::{Arena, answers};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::process::Growth;
use crate::support::sender::{event, plain};
use crate::support::upstream::{Recorded, Upstream};

/// The scene, and what reached the upstream so far.
pub(crate) struct Stage {
    pub(crate) arena: Arena,
    arrived: usize,
}

/// What came of an attack: the statuses of the answers, and how it ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answers: Vec<u16>,
    pub(crate) ending: Ending,
}

/// Runs all attacks of a file; reports all that do not hold.
pub(crate) fn run(attacks: &Attacks) {
    let http2 = attacks.cases.iter().any(|case| !case.frames.is_empty());
    let upstream = Upstream::start();
    let routes = attacks.routes.replace("<upstream>", upstream.url());
    let arena = Arena::on(upstream, |setup| {
        let setup = setup.top(&attacks.gateway).route(indented(&routes));
        if http2 { setup.listen("{ address: \"127.0.0.1:0\", h2c: true }") } else { setup }
    });
    let mut stage = Stage { arena, arrived: 0 };
    stage.good("before everything");
    let mut wrong = Vec::new();
    for case in &attacks.cases {
        for each in case.spellings() {
            for problem in stage.attack(case, each) {
                wrong.push(format!("{} {each:?}: {problem}", case.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let log = stage.arena.gateway.log.text();
    assert!(!log.contains("panicked"), "{log}");
}

/// As the list of routes wants it.
fn indented(routes: &str) -> String {
    routes.lines().map(|line| format!("  {line}\n")).collect()
}

impl Stage {
    /// Sends a good request on a connection of its own and counts it among what the upstream may have seen.
    pub(crate) fn good(&mut self, what: &str) -> Vec<Recorded> {
        let marker = event(&format!("good-{}", self.arrived));
        let answer = self.arena.gateway.send(&plain("/raw", marker.as_str()));
        assert_eq!(answer.status, 200, "a good request, {what}: {answer:?}");
        let seen = eventually("the good request arrives", || {
            let all = self.arena.upstream.requests();
            all.iter().any(|request| request.text() == marker).then_some(all)
        });
        let fresh = seen[self.arrived..].iter().filter(|request| request.text() != marker).cloned().collect();
        self.arrived = seen.len();
        fresh
    }

    fn attack(&mut self, case: &Case, each: &str) -> Vec<String> {
        let memory = Growth::of(self.arena.gateway.id());
        let connections = self.arena.upstream.connections();
        let (outcome, beside) = match &case.send {
            Some(text) => (self.bytes(&bytes(text, each), case.then), Vec::new()),
            None => http2::attack(self, &case.frames, each, case.awaited()),
        };
        let mut fresh = beside;
        fresh.extend(self.good(&format!("after {} {each:?}", case.name)));
        self.rests();
        let grown = memory.most();
        // The good requests took at most one connection beside those that the case's requests took.
        let connected = self.arena.upstream.connections().saturating_sub(connections);
        let mut wrong: Vec<String> = case
            .holds
            .iter()
            .filter_map(|word| word.broken(each, &outcome, &fresh, connected, grown))
            .collect();
        let bytes: usize =
            self.arena.upstream.requests().iter().map(|seen| seen.head.len() + seen.body.len()).sum();
        if self.arena.upstream.bytes() != bytes {
            wrong.push(format!("{} bytes beside requests", self.arena.upstream.bytes() - bytes));
        }
        wrong
    }

    /// Sends bytes, and reads to the end.
    fn bytes(&self, bytes: &[u8], then: Then) -> Outcome {
        let stream = std::net::TcpStream::connect(self.arena.gateway.address).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let mut client = Client::over(Box::new(stream));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // A thread of its own, because a gateway that answers early may take no more.
            scope.spawn(|| {
                use std::io::Write;
                let sent = writer.write_all(bytes);
                match then {
                    Then::Finishes => drop(writer.shutdown(std::net::Shutdown::Write)),
                    Then::Waits => {}
                    Then::Trickles => {
                        while sent.is_ok() && !over.load(Ordering::Relaxed) && writer.write_all(b"x").is_ok()
                        {
                            std::thread::park_timeout(Duration::from_millis(50));
                        }
                    }
                }
            });
            let answers = answers(&mut client).iter().map(|answer| answer.status).collect();
            over.store(true, Ordering::Relaxed);
            Outcome { answers, ending: Ending::Read }
        })
    }

    /// Waits until nothing of an attack is left in the gateway.
    fn rests(&self) {
        for gauge in ["sealpost_requests_in_flight", "sealpost_buffered_bytes", "sealpost_connections"] {
            eventually(gauge, || (self.arena.gateway.metric(gauge, &[]) == 0.0).then_some(()));
        }
    }
}

impl Word {
    /// In which way the word is broken, if it is.
    fn broken(
        &self,
        each: &str,
        outcome: &Outcome,
        fresh: &[Recorded],
        connected: usize,
        grown: u64,
    ) -> Option<String> {
        let Outcome { answers, ending } = outcome;
        let holds = match self {
            Self::Refused(statuses) => {
                let one = matches!(answers.as_slice(), [status] if statuses.contains(status));
                one || (answers.is_empty() && matches!(ending, Ending::Reset | Ending::Closed))
            }
            Self::RefusedOrClosed(statuses) => {
                answers.len() <= 1 && answers.iter().all(|status| statuses.contains(status))
            }
            Self::Closed => answers.is_empty(),
            Self::Answered(statuses) => answers == statuses,
            Self::BrokenOff => answers.iter().all(|status| *status >= 400) && *ending != Ending::Ours,
            Self::Nothing => fresh.is_empty() && connected <= 2,
            Self::Sees(expected) => {
                let bodies: Vec<_> = fresh.iter().map(Recorded::text).collect();
                let problems: Vec<_> = expected
                    .iter()
                    .zip(fresh)
                    .flat_map(|(expected, seen)| expected.differs(each, seen))
                    .collect();
                if expected.len() != fresh.len() {
                    return Some(format!("the upstream saw {bodies:?}"));
                }
                return (!problems.is_empty()).then(|| problems.join("; "));
            }
            Self::Memory(mib) => return (grown > *mib << 20).then(|| format!("{} KiB more", grown >> 10)),
        };
        let seen: Vec<_> = fresh.iter().map(|request| request.line()).collect();
        (!holds).then(|| format!("not {self:?}: {outcome:?}, the upstream saw {seen:?}"))
    }
}

impl Seen {
    fn differs(&self, each: &str, seen: &Recorded) -> Vec<String> {
        let text = |text: &str| String::from_utf8_lossy(&bytes(text, each)).into_owned();
        let mut wrong = Vec::new();
        if seen.line() != text(&self.line) {
            wrong.push(format!("the line is {}", seen.line()));
        }
        if seen.text() != text(&self.body) {
            wrong.push(format!("the body is {}", seen.text()));
        }
        if seen.all("content-length") != [seen.body.len().to_string()]
            || seen.header("transfer-encoding").is_some()
        {
            wrong.push(format!("its framing is {:?}", seen.head));
        }
        for field in &self.has {
            let field = text(field);
            let (name, value) = field.split_once(": ").unwrap();
            if seen.all(name) != [value] {
                wrong.push(format!("{name} is {:?}", seen.all(name)));
            }
        }
        for name in &self.lacks {
            if seen.header(&text(name)).is_some() {
                wrong.push(format!("{name} is there"));
            }
        }
        wrong
    }
}
