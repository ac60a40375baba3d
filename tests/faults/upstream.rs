//! The counting upstream: real sockets, every arrival written down, and a fault drawn for each.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::dice::Dice;
use super::ledger::{Arrival, Ledger, answer, body, name, number};
use crate::support::client::{find, find_bytes, parse};
use crate::support::eventually;
use crate::support::sender::{SECRET, hmac_hex};

/// What the upstream does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Accept,
    AcceptSlowly,
    AcceptChunked,
    AcceptEarly,
    AcceptTooLate,
    Status(u16),
    RefuseEarly,
    Hang,
    HangUnread,
    ResetUnread,
    ResetBeforeHead,
    CloseBeforeHead,
    ResetInHead,
    CloseInHead,
    ResetAfterHead,
    ResetInBody,
    CloseInBody,
    CutChunks,
}

/// What it does with the connection after a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Keep,
    Close,
    CloseSoon,
    ResetOnNext,
    CloseAfterNext,
}

/// Faults, and how often in a thousand arrivals; the rest is accepted.
const DEEDS: [(Deed, u64, &str); 20] = [
    (Deed::AcceptSlowly, 60, "upstream answers slowly"),
    (Deed::AcceptChunked, 40, "upstream answers in chunks"),
    (Deed::AcceptEarly, 30, "upstream answers 200 before it reads the body"),
    (Deed::AcceptTooLate, 5, "upstream accepts after the route's timeout"),
    (Deed::Status(500), 20, "upstream answers 500"),
    (Deed::Status(503), 10, "upstream answers 503"),
    (Deed::Status(409), 20, "upstream answers 409"),
    (Deed::Status(410), 20, "upstream answers 410"),
    (Deed::RefuseEarly, 15, "upstream answers 500 before it reads the body"),
    (Deed::Hang, 5, "upstream hangs after reading"),
    (Deed::HangUnread, 5, "upstream hangs without reading"),
    (Deed::ResetUnread, 15, "upstream resets before reading"),
    (Deed::ResetBeforeHead, 15, "upstream resets before the head"),
    (Deed::CloseBeforeHead, 15, "upstream closes before the head"),
    (Deed::ResetInHead, 15, "upstream resets within the head"),
    (Deed::CloseInHead, 15, "upstream closes within the head"),
    (Deed::ResetAfterHead, 15, "upstream resets after the head"),
    (Deed::ResetInBody, 15, "upstream resets in the middle of its body"),
    (Deed::CloseInBody, 15, "upstream closes in the middle of its body"),
    (Deed::CutChunks, 15, "upstream cuts a chunked answer"),
];

/// The same for what follows a good answer.
const THENS: [(Then, u64, &str); 4] = [
    (Then::Close, 25, "kept connection closed right after the answer"),
    (Then::CloseSoon, 25, "kept connection closed a moment later"),
    (Then::ResetOnNext, 25, "kept connection reset when the next request comes"),
    (Then::CloseAfterNext, 25, "kept connection closed after the next request was read"),
];

/// All faults of the upstream by name.
pub(crate) fn faults() -> Vec<&'static str> {
    let deeds = DEEDS.iter().map(|(.., name)| *name);
    deeds.chain(THENS.iter().map(|(.., name)| *name)).collect()
}

/// After so many arrivals an event meets no more faults, so that every schedule is long enough.
const FAULTY_ARRIVALS: usize = 5;

/// What a run's upstream is like.
pub(crate) struct Counting {
    ledger: Arc<Ledger>,
    address: SocketAddr,
    listener: Mutex<Option<Listening>>,
    /// The routes' timeout.
    timeout: Duration,
    /// No faults of its own.
    calm: bool,
}

struct Listening {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Counting {
    /// On a free port of this loopback address, which nobody else takes while it refuses.
    pub(crate) fn start(ledger: Arc<Ledger>, host: &str, timeout: Duration, calm: bool) -> Arc<Self> {
        let listener = TcpListener::bind(format!("{host}:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Arc::new(Self { ledger, address, listener: Mutex::new(None), timeout, calm });
        upstream.listen(listener);
        upstream
    }

    /// The URL for the routes of one life of a gateway, by which its requests are told from others.
    pub(crate) fn url(&self, life: usize) -> String {
        format!("http://{}/life/{life}", self.address)
    }

    /// Refuses connections for so long.
    pub(crate) fn refuse(self: &Arc<Self>, pause: Duration) {
        self.stop();
        self.ledger.injected("upstream refuses connections");
        thread::sleep(pause);
        let listener =
            eventually("the upstream's port is free again", || TcpListener::bind(self.address).ok());
        self.listen(listener);
    }

    /// Takes no more connections.
    pub(crate) fn stop(&self) {
        if let Some(Listening { stop, thread }) = self.listener.lock().unwrap().take() {
            stop.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address);
            thread.join().unwrap();
        }
    }

    fn listen(self: &Arc<Self>, listener: TcpListener) {
        let (stop, owner) = (Arc::new(AtomicBool::new(false)), Arc::clone(self));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let owner = Arc::clone(&owner);
                thread::Builder::new().stack_size(256 * 1024).spawn(move || owner.serve(stream)).unwrap();
            }
        });
        *self.listener.lock().unwrap() = Some(Listening { stop, thread });
    }

    fn serve(&self, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let mut connection = Connection { stream, read: Vec::new() };
        let mut then = Then::Keep;
        while connection.head().is_some() {
            match then {
                Then::ResetOnNext => return connection.reset(),
                Then::CloseAfterNext => {
                    let _ = self.request(&mut connection, |_, _| Deed::CloseBeforeHead);
                    return;
                }
                _ => {}
            }
            let (mut event, mut arrival) = (0, 0);
            let going_on = self.request(&mut connection, |this, count| {
                (event, arrival) = (this, count);
                if self.calm || arrival >= FAULTY_ARRIVALS { Deed::Accept } else { self.draw(event, arrival) }
            });
            if !going_on {
                return;
            }
            let mut dice = self.ledger.seed.about("then", event as u64, arrival as u64);
            then = if self.calm { Then::Keep } else { self.draw_then(&mut dice, event, arrival) };
            match then {
                Then::Close => return,
                Then::CloseSoon => {
                    thread::sleep(Duration::from_micros(dice.below(3000)));
                    return;
                }
                _ => {}
            }
        }
    }

    /// The first events meet one fault each, so that a short run has all of them; the others meet what chance brings.
    fn draw(&self, event: usize, arrival: usize) -> Deed {
        let mut left = self.ledger.seed.about("upstream", event as u64, arrival as u64).below(1000);
        for (at, (deed, weight, fault)) in DEEDS.into_iter().enumerate() {
            let dealt =
                if event < DEEDS.len() + THENS.len() { arrival == 0 && at == event } else { left < weight };
            if dealt {
                self.ledger.injected(fault);
                return deed;
            }
            left = left.wrapping_sub(weight);
        }
        Deed::Accept
    }

    fn draw_then(&self, dice: &mut Dice, event: usize, arrival: usize) -> Then {
        let mut left = dice.below(1000);
        for (at, (then, weight, fault)) in THENS.into_iter().enumerate() {
            let dealt = if event < DEEDS.len() + THENS.len() {
                arrival == 0 && at + DEEDS.len() == event
            } else {
                left < weight
            };
            if dealt {
                self.ledger.injected(fault);
                return then;
            }
            left = left.wrapping_sub(weight);
        }
        Then::Keep
    }

    /// One request; whether the connection is good for another one.
    fn request(&self, connection: &mut Connection, choose: impl FnOnce(usize, usize) -> Deed) -> bool {
        let Some(end) = connection.head() else { return false };
        let head = String::from_utf8_lossy(&connection.read[..end]).into_owned();
        connection.read.drain(..end);
        let (_, headers) = parse(&head);
        let field = |name: &str| find(&headers, name).unwrap_or_default();
        let life = head.split(' ').nth(1).and_then(|target| target.strip_prefix("/life/")?.parse().ok());
        let (Some(event), Some(life)) = (number(field("sealpost-event-id")), life) else {
            self.ledger.foreign(format!("a request of nobody's reached the upstream: {head}"));
            return false;
        };
        let (Ok(carries), Some(story)) = (field("x-try").parse(), self.ledger.stories.get(event)) else {
            self.ledger.foreign(format!("a forged request reached the upstream: {head}"));
            return false;
        };
        let length: usize = field("content-length").parse().unwrap_or(usize::MAX);
        let index = {
            let mut story = story.lock().unwrap();
            story.arrivals.push(Arrival {
                life,
                carries,
                request_id: field("sealpost-request-id").to_owned(),
                attempt: field("sealpost-attempt").parse().unwrap_or_default(),
                begun: Instant::now(),
                answered: None,
                ended: None,
                whole: false,
            });
            story.arrivals.len() - 1
        };
        let deed = choose(event, index);
        let deed = if field("x-work") == "slow" && deed == Deed::Accept { Deed::AcceptSlowly } else { deed };
        let mut note =
            Note { ledger: &self.ledger, event, index, length, signature: field("x-webhook-signature") };
        let going_on = self.act(deed, connection, &mut note);
        note.change(|arrival| arrival.ended = Some(Instant::now()));
        going_on.unwrap_or(false)
    }

    /// `None` when the connection is to end.
    fn act(&self, deed: Deed, connection: &mut Connection, note: &mut Note<'_>) -> Option<bool> {
        let text = answer(note.event);
        let framed = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        let cut_at = |part: &str| framed.find(part).unwrap();
        let reset = |connection: &mut Connection| {
            connection.reset();
            None
        };
        match deed {
            Deed::HangUnread => {
                connection.wait_for_end();
                return None;
            }
            Deed::ResetUnread => return reset(connection),
            Deed::RefuseEarly => {
                note.answers(500);
                let _ =
                    connection.send("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                // Nobody may have to guess: the answer is read before the connection goes.
                connection.wait_for_end();
                return None;
            }
            Deed::AcceptEarly => {
                note.answers(200);
                connection.send(&framed)?;
                note.check(connection.body(note.length)?);
                note.change(|arrival| arrival.whole = true);
                return Some(true);
            }
            _ => note.check(connection.body(note.length)?),
        }
        let mut answers = |status: u16, bytes: &str| {
            note.answers(status);
            connection.send(bytes)?;
            note.change(|arrival| arrival.whole = true);
            Some(true)
        };
        match deed {
            Deed::Accept => answers(200, &framed),
            Deed::AcceptSlowly => {
                thread::sleep(Duration::from_millis(30));
                answers(200, &framed)
            }
            Deed::AcceptChunked => {
                let (first, rest) = text.split_at(4);
                let bytes = format!(
                    "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{first}\r\n{:x}\r\n{rest}\r\n0\r\n\r\n",
                    rest.len()
                );
                answers(201, &bytes)
            }
            Deed::AcceptTooLate => {
                thread::sleep(self.timeout + Duration::from_millis(200));
                answers(200, &framed)
            }
            Deed::Status(status) => {
                answers(status, &format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno"))
            }
            Deed::Hang => {
                connection.wait_for_end();
                None
            }
            Deed::ResetBeforeHead => reset(connection),
            Deed::ResetInHead => {
                connection.send(&framed[..cut_at("Content")])?;
                reset(connection)
            }
            Deed::CloseInHead => {
                note.answers(200);
                connection.send(&framed[..cut_at("Content")])?;
                None
            }
            Deed::ResetAfterHead => {
                connection.send(&framed[..cut_at("accepted")])?;
                reset(connection)
            }
            Deed::ResetInBody => {
                connection.send(&framed[..cut_at("evt")])?;
                reset(connection)
            }
            Deed::CloseInBody => {
                note.answers(200);
                connection.send(&framed[..cut_at("evt")])?;
                None
            }
            Deed::CutChunks => {
                note.answers(200);
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nacce\r\n")?;
                None
            }
            _ => None,
        }
    }
}

/// The entry of one arrival.
struct Note<'a> {
    ledger: &'a Ledger,
    event: usize,
    index: usize,
    length: usize,
    signature: &'a str,
}

impl Note<'_> {
    fn change(&self, change: impl FnOnce(&mut Arrival)) {
        change(&mut self.ledger.stories[self.event].lock().unwrap().arrivals[self.index]);
    }

    /// The upstream begins to answer. Written down before the first byte goes out.
    fn answers(&self, status: u16) {
        self.change(|arrival| arrival.answered = Some((Instant::now(), status)));
    }

    /// Holds what came to what was sent, and to its signature.
    fn check(&self, came: Vec<u8>) {
        if came != body(self.ledger.seed, self.event) {
            let came = String::from_utf8_lossy(&came[..came.len().min(200)]).into_owned();
            self.ledger.foreign(format!("{} arrived with other bytes: {came}…", name(self.event)));
        } else if self.signature != hmac_hex(SECRET, &came) {
            self.ledger.foreign(format!("{} arrived with a wrong signature", name(self.event)));
        }
    }
}

struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Where the next head ends, once it is there.
    fn head(&mut self) -> Option<usize> {
        loop {
            if let Some(at) = find_bytes(&self.read, b"\r\n\r\n") {
                return Some(at + 4);
            }
            self.fill()?;
        }
    }

    fn body(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.read.len() < length {
            self.fill()?;
        }
        Some(self.read.drain(..length).collect())
    }

    fn fill(&mut self) -> Option<()> {
        let mut buffer = [0; 16 * 1024];
        let count = self.stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        self.read.extend(&buffer[..count]);
        Some(())
    }

    fn send(&mut self, text: &str) -> Option<()> {
        self.stream.write_all(text.as_bytes()).ok()
    }

    /// Reads, and forgets what it reads, until the other side ends the connection.
    fn wait_for_end(&mut self) {
        while self.fill().is_some() {
            self.read.clear();
        }
    }

    fn reset(&mut self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        // Closed when it is dropped, with RST.
        let _ = &self.stream;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if SockRef::from(&self.stream).linger().ok().flatten().is_none() {
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }
}
