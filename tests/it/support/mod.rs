//! The harness: the gateway as a child process, the world around it as sockets and threads.

pub(crate) mod arena;
pub(crate) mod certificate;
pub(crate) mod client;
pub(crate) mod collector;
pub(crate) mod gateway;
pub(crate) mod http2;
pub(crate) mod key_server;
pub(crate) mod process;
pub(crate) mod redis;
pub(crate) mod relay;
pub(crate) mod sender;
pub(crate) mod sign_test;
pub(crate) mod upstream;
pub(crate) mod wall_clock;

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up. Generous: it is only reached when something is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A gate that one thread waits at and another one opens; once open it stays open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// A closed gate.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Lets everyone through, now and later.
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    /// Waits until the gate is open, at most `DEADLINE`; says whether it is.
    pub(crate) fn wait(&self) -> bool {
        let open = self.0.0.lock().unwrap();
        *self.0.1.wait_timeout_while(open, DEADLINE, |open| !*open).unwrap().0
    }
}

/// Asks again and again until `question` has an answer; for what only another process knows.
///
/// # Panics
/// When there is none within `DEADLINE`.
pub(crate) fn eventually<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < until, "did not happen within {DEADLINE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
