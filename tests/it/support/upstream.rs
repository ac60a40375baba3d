//! The receiver behind the gateway: real sockets, every byte recorded, every misbehaviour on request.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::client::{find, find_bytes, parse};
use super::{DEADLINE, Gate};

/// One thing that the upstream does with a request, in order. After the last step it waits for the next request.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Read the whole body.
    ReadBody,
    /// Read this many bytes of the body.
    ReadSome(usize),
    /// Send these bytes.
    Send(Vec<u8>),
    /// Wait at a gate.
    Wait(Gate),
    /// End the connection in order.
    Close,
    /// Break the connection (RST).
    Reset,
}

/// What to do with one request.
pub(crate) type Script = Vec<Step>;

/// Reads the body, then answers with these bytes.
pub(crate) fn answer(bytes: impl Into<Vec<u8>>) -> Script {
    vec![Step::ReadBody, Step::Send(bytes.into())]
}

/// Reads the body, then answers with this status and body.
pub(crate) fn status(status: u16, body: &str) -> Script {
    answer(format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// Reads the body, waits at the gate, then answers with this status and body.
pub(crate) fn gated(gate: &Gate, code: u16, body: &str) -> Script {
    let mut script = status(code, body);
    script.insert(1, Step::Wait(gate.clone()));
    script
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Request line and header lines.
    pub(crate) head: String,
    /// The header lines, in order.
    pub(crate) headers: Vec<(String, String)>,
    /// What was read of the body.
    pub(crate) body: Vec<u8>,
    /// Which connection it came on, counted from 0.
    pub(crate) connection: usize,
}

impl Recorded {
    /// Method, target and version.
    pub(crate) fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap()
    }

    /// The target of the request line.
    pub(crate) fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap()
    }

    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// All values of a header, in order.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

#[derive(Default)]
struct Seen {
    connections: usize,
    bytes: usize,
    requests: Vec<Recorded>,
    finished: usize,
    ended: usize,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    changed: Condvar,
    next: Mutex<VecDeque<Script>>,
    usual: Mutex<Option<Script>>,
    stopped: AtomicBool,
}

/// A recording, programmable upstream. Dropped, it accepts no more connections; those that are open end with the gateway.
pub(crate) struct Upstream {
    url: String,
    place: Place,
    shared: Arc<Shared>,
}

enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Upstream {
    /// On a free loopback port.
    pub(crate) fn start() -> Self {
        Self::tcp("http", |stream| Some(Box::new(stream)))
    }

    /// On a free loopback port, with a wrapper around each connection (TLS).
    pub(crate) fn tcp(
        scheme: &str,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Peer>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let (owner, wrap) = (shared.clone(), Arc::new(wrap));
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if owner.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let _ = stream.set_nodelay(true);
                let (owner, wrap) = (owner.clone(), wrap.clone());
                let connection = owner.connected();
                std::thread::spawn(move || {
                    if let Some(peer) = wrap(stream) {
                        serve(peer, &owner, connection);
                    }
                    owner.ended();
                });
            }
        });
        Self { url: format!("{scheme}://{address}"), place: Place::Tcp(address), shared }
    }

    /// On a Unix socket at this path.
    pub(crate) fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let shared = Arc::<Shared>::default();
        let owner = shared.clone();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if owner.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let owner = owner.clone();
                let connection = owner.connected();
                std::thread::spawn(move || {
                    serve(Box::new(stream), &owner, connection);
                    owner.ended();
                });
            }
        });
        Self { url: format!("unix:{}", path.display()), place: Place::Unix(path.into()), shared }
    }

    /// The URL for a route's `upstream`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The port, of a TCP upstream.
    pub(crate) fn port(&self) -> u16 {
        match &self.place {
            Place::Tcp(address) => address.port(),
            Place::Unix(_) => panic!("a Unix socket has no port"),
        }
    }

    /// What to do with the next request that has no script yet.
    pub(crate) fn next(&self, script: Script) -> &Self {
        self.shared.next.lock().unwrap().push_back(script);
        self
    }

    /// What to do with every request that has no script of its own. Without it: 200 `ok`.
    pub(crate) fn always(&self, script: Script) -> &Self {
        *self.shared.usual.lock().unwrap() = Some(script);
        self
    }

    /// Waits until `count` requests ran through their scripts, and returns all there are.
    pub(crate) fn finished(&self, count: usize) -> Vec<Recorded> {
        self.wait("requests finished", |seen| seen.finished >= count)
    }

    /// Waits until the heads of `count` requests are there, and returns all there are.
    pub(crate) fn begun(&self, count: usize) -> Vec<Recorded> {
        self.wait("requests begun", |seen| seen.requests.len() >= count)
    }

    /// Waits until `count` connections have ended.
    pub(crate) fn hung_up(&self, count: usize) {
        self.wait("connections ended", |seen| seen.ended >= count);
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.shared.seen.lock().unwrap().requests.clone()
    }

    /// The last request.
    pub(crate) fn last(&self) -> Recorded {
        self.requests().pop().expect("the upstream received a request")
    }

    /// How many connections were accepted.
    pub(crate) fn connections(&self) -> usize {
        self.shared.seen.lock().unwrap().connections
    }

    /// How many bytes were read, of heads, bodies and anything else.
    pub(crate) fn bytes(&self) -> usize {
        self.shared.seen.lock().unwrap().bytes
    }

    fn wait(&self, what: &str, ready: impl Fn(&Seen) -> bool) -> Vec<Recorded> {
        let seen = self.shared.seen.lock().unwrap();
        let (seen, late) =
            self.shared.changed.wait_timeout_while(seen, DEADLINE, |seen| !ready(seen)).unwrap();
        assert!(!late.timed_out(), "too few {what}; the upstream received {:#?}", seen.requests);
        seen.requests.clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        match &self.place {
            Place::Tcp(address) => drop(TcpStream::connect_timeout(address, Duration::from_secs(1))),
            Place::Unix(path) => drop(UnixStream::connect(path)),
        }
    }
}

/// A connection as the upstream sees it.
pub(crate) trait Peer: Read + Write + Send {
    /// Ends it in order, in both directions.
    fn end(&mut self);
    /// Breaks it.
    fn reset(self: Box<Self>);
}

impl Peer for TcpStream {
    fn end(&mut self) {
        let _ = self.shutdown(Shutdown::Both);
    }

    fn reset(self: Box<Self>) {
        let _ = socket2::SockRef::from(&*self).set_linger(Some(Duration::ZERO));
    }
}

impl Peer for UnixStream {
    fn end(&mut self) {
        let _ = self.shutdown(Shutdown::Both);
    }

    fn reset(self: Box<Self>) {}
}

impl Shared {
    fn connected(&self) -> usize {
        let mut seen = self.seen.lock().unwrap();
        seen.connections += 1;
        self.changed.notify_all();
        seen.connections - 1
    }

    fn ended(&self) {
        self.change(|seen| seen.ended += 1);
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_all();
    }

    fn script(&self) -> Script {
        let next = self.next.lock().unwrap().pop_front();
        next.or_else(|| self.usual.lock().unwrap().clone()).unwrap_or_else(|| status(200, "ok"))
    }
}

/// Serves one connection until it ends.
fn serve(mut peer: Box<dyn Peer>, shared: &Shared, connection: usize) {
    let mut read = Vec::new();
    while let Some(end) = fill_until(&mut peer, &mut read, shared, |read| find_bytes(read, b"\r\n\r\n")) {
        let head = String::from_utf8_lossy(&read[..end + 4]).into_owned();
        read.drain(..end + 4);
        let (_, headers) = parse(&head);
        let length: usize = find(&headers, "content-length").map_or(0, |value| value.parse().unwrap());
        let script = shared.script();
        let mut index = 0;
        shared.change(|seen| {
            index = seen.requests.len();
            seen.requests.push(Recorded { head, headers, body: Vec::new(), connection });
        });
        let mut missing = length;
        for step in script {
            match step {
                Step::ReadBody => {
                    let wanted = missing;
                    if !read_body(&mut peer, &mut read, shared, index, wanted, &mut missing) {
                        return;
                    }
                }
                Step::ReadSome(wanted) => {
                    if !read_body(&mut peer, &mut read, shared, index, wanted, &mut missing) {
                        return;
                    }
                }
                Step::Send(bytes) => {
                    if peer.write_all(&bytes).and_then(|()| peer.flush()).is_err() {
                        return;
                    }
                }
                Step::Wait(gate) => {
                    gate.wait();
                }
                Step::Close => {
                    shared.change(|seen| seen.finished += 1);
                    return peer.end();
                }
                Step::Reset => {
                    shared.change(|seen| seen.finished += 1);
                    return peer.reset();
                }
            }
        }
        if missing > 0 {
            let wanted = missing;
            if !read_body(&mut peer, &mut read, shared, index, wanted, &mut missing) {
                return;
            }
        }
        shared.change(|seen| seen.finished += 1);
    }
}

fn read_body(
    peer: &mut Box<dyn Peer>,
    read: &mut Vec<u8>,
    shared: &Shared,
    index: usize,
    wanted: usize,
    missing: &mut usize,
) -> bool {
    let whole = fill_until(peer, read, shared, |read| (read.len() >= wanted).then_some(wanted));
    let taken = read.len().min(wanted);
    let body: Vec<u8> = read.drain(..taken).collect();
    *missing = missing.saturating_sub(taken);
    shared.change(|seen| seen.requests[index].body.extend(body));
    whole.is_some()
}

/// Reads until `found` finds something; `None` when the connection ends before.
fn fill_until<T>(
    peer: &mut Box<dyn Peer>,
    read: &mut Vec<u8>,
    shared: &Shared,
    found: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some(found) = found(read) {
            return Some(found);
        }
        match peer.read(&mut buffer) {
            Ok(count) if count > 0 => {
                read.extend(&buffer[..count]);
                shared.change(|seen| seen.bytes += count);
            }
            _ => return None,
        }
    }
}

mod tests {
    use super::*;
    use crate::support::client::{Client, Request};

    fn connect(upstream: &Upstream) -> Client {
        Client::connect(SocketAddr::from(([127, 0, 0, 1], upstream.port())))
    }

    #[test]
    fn the_harness_records_what_it_receives_and_answers_by_script() {
        let upstream = Upstream::start();
        upstream.next(status(201, "first"));
        let mut client = connect(&upstream);
        let request = Request::new("POST", "/x?y").header("X", "1").header("x", "2").body("body");
        let first = client.exchange(&request);
        assert_eq!((first.status, first.text().as_str()), (201, "first"));
        assert_eq!(client.exchange(&request).text(), "ok");
        let seen = upstream.finished(2);
        assert_eq!((seen[1].line(), seen[1].text().as_str()), ("POST /x?y HTTP/1.1", "body"));
        assert_eq!(seen[1].all("X"), ["1", "2"]);
        assert_eq!(upstream.connections(), 1);
        assert_eq!(upstream.bytes(), 2 * request.bytes().len());
    }

    #[test]
    fn the_harness_waits_closes_and_resets_when_told() {
        let upstream = Upstream::start();
        let gate = Gate::new();
        upstream.next(vec![Step::Wait(gate.clone()), Step::Close]);
        let mut client = connect(&upstream);
        client.send(&Request::new("POST", "/").bytes());
        upstream.begun(1);
        gate.open();
        assert!(client.is_closed());
        upstream.next(vec![Step::Reset]);
        let mut client = connect(&upstream);
        client.send(&Request::new("POST", "/").bytes());
        assert!(client.answer_to("POST").is_none());
        upstream.hung_up(2);
    }

    #[test]
    fn the_harness_reads_every_framing_of_an_answer() {
        let upstream = Upstream::start();
        for head in [
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nbod\r\n1\r\ny\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nbody",
        ] {
            upstream.next(vec![Step::ReadBody, Step::Send(head.into()), Step::Close]);
            assert_eq!(connect(&upstream).exchange(&Request::new("POST", "/")).text(), "body", "{head}");
        }
    }
}
