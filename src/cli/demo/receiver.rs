//! The receiver behind the gateway: it remembers what reaches it and answers as a scene asks.

use std::collections::HashMap;
use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Nothing in the demonstration takes longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What reached the receiver.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    /// `sealpost-event-id`.
    pub(super) event: String,
    /// `sealpost-attempt`.
    pub(super) attempt: String,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// A receiver on a free loopback port.
pub(super) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    arrivals: Mutex<mpsc::Receiver<Arrival>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    arrivals: Vec<Arrival>,
    /// How often an event is still answered 500.
    failures: HashMap<String, u32>,
    /// Events whose answer waits for [`Receiver::release`].
    held: Option<String>,
}

impl Receiver {
    /// Starts it on threads that live as long as the process.
    pub(super) fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (tell, arrivals) = mpsc::sync_channel(1024);
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, tell) = (Arc::clone(&accepting), tell.clone());
                // A connection that breaks off is the gateway's to notice.
                std::thread::spawn(move || drop(serve(stream, &shared, &tell)));
            }
        });
        Ok(Self { address, shared, arrivals: Mutex::new(arrivals) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many deliveries reached it.
    pub(super) fn count(&self) -> usize {
        self.shared.lock().arrivals.len()
    }

    /// What reached it after the first `seen` deliveries.
    pub(super) fn since(&self, seen: usize) -> Vec<Arrival> {
        self.shared.lock().arrivals.get(seen..).unwrap_or_default().to_vec()
    }

    /// Answers the next `times` deliveries of an event with 500.
    pub(super) fn fail(&self, event: &str, times: u32) {
        self.shared.lock().failures.insert(event.to_owned(), times);
    }

    /// Keeps the answer to an event back until [`Receiver::release`].
    pub(super) fn hold(&self, event: &str) {
        self.shared.lock().held = Some(event.to_owned());
    }

    /// Lets held answers go.
    pub(super) fn release(&self) {
        self.shared.lock().held = None;
        self.shared.changed.notify_all();
    }

    /// Waits until more than `seen` deliveries have reached it.
    pub(super) fn wait_beyond(&self, seen: usize) -> bool {
        let state = self.shared.lock();
        let waited =
            self.shared.changed.wait_timeout_while(state, PATIENCE, |state| state.arrivals.len() <= seen);
        waited.is_ok_and(|(_, timeout)| !timeout.timed_out())
    }

    /// The next arrival that nobody has taken yet; waits for it.
    pub(super) fn next(&self) -> Option<Arrival> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }

    /// Forgets the arrivals that [`Receiver::next`] has not given out.
    pub(super) fn forget(&self) {
        let arrivals = self.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        while arrivals.try_recv().is_ok() {}
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an arrival and decides the answer's status.
    fn arrived(&self, arrival: Arrival) -> u16 {
        let event = arrival.event.clone();
        let mut state = self.lock();
        state.arrivals.push(arrival);
        self.changed.notify_all();
        if let Some(left) = state.failures.get_mut(&event).filter(|left| **left > 0) {
            *left -= 1;
            return 500;
        }
        let is_held = |state: &mut State| state.held.as_deref() == Some(event.as_str());
        drop(self.changed.wait_timeout_while(state, PATIENCE, is_held));
        200
    }
}

/// Serves one connection until the gateway closes it.
fn serve(stream: TcpStream, shared: &Shared, tell: &mpsc::SyncSender<Arrival>) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut requests = BufReader::new(stream);
    while let Some(arrival) = read_request(&mut requests)? {
        // Nobody listens unless the demonstration is kept running; then a full queue loses only lines of output.
        let _ = tell.try_send(arrival.clone());
        let (status, body) = match shared.arrived(arrival) {
            200 => ("200 OK", "{\"received\":true}"),
            _ => ("500 Internal Server Error", "{\"error\":\"out of order\"}"),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        answers.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// Reads one request as the gateway writes it: always with a length.
fn read_request(stream: &mut impl Read) -> io::Result<Option<Arrival>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() > 64 * 1024 || stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.extend_from_slice(&byte);
    }
    let head = String::from_utf8_lossy(&head);
    let value = |wanted: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        fields
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map_or("", |(_, value)| value.trim())
            .to_owned()
    };
    let length: u64 = value("content-length").parse().unwrap_or(0);
    let mut body = Vec::new();
    stream.take(length.min(16 * 1024 * 1024)).read_to_end(&mut body)?;
    Ok(Some(Arrival { event: value("sealpost-event-id"), attempt: value("sealpost-attempt"), body }))
}
