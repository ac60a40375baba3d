//! Lines on their way to stderr: handed over under a short lock, written by a thread of their own.
//!
//! A worker never waits for whoever reads the log. What does not fit is dropped and counted.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Bytes of lines that may wait to be written.
const LIMIT: usize = 1024 * 1024;

/// Lines that come within this time of the first are written together: one system call, one wake-up.
const GATHER: Duration = Duration::from_millis(10);

/// How long the end of the process may wait for the last lines to be written.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Clone)]
pub(super) struct Sink(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Told to the writer: there is a first line, or the end.
    woken: Condvar,
    /// Told by the writer: all is written.
    done: Condvar,
    limit: usize,
    dropped: &'static AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    ending: bool,
    ended: bool,
}

impl Sink {
    /// A sink whose thread writes to `to`.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(
        to: impl Write + Send + 'static,
        dropped: &'static AtomicU64,
    ) -> std::io::Result<(Self, Flush)> {
        let sink = Self(Arc::new(Shared {
            state: Mutex::default(),
            woken: Condvar::new(),
            done: Condvar::new(),
            limit: LIMIT,
            dropped,
        }));
        let writer = sink.clone();
        thread::Builder::new().name("log".into()).spawn(move || writer.write_all(to))?;
        Ok((sink.clone(), Flush(sink)))
    }

    /// Hands over one line, its line break included.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.state.lock();
        if state.ended || state.waiting.len() + line.len() > self.0.limit {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if first {
            self.0.woken.notify_one();
        }
    }

    fn write_all(&self, mut to: impl Write) {
        let mut lines = Vec::new();
        loop {
            let mut state = self.0.state.lock();
            while state.waiting.is_empty() && !state.ending {
                self.0.woken.wait(&mut state);
            }
            if state.waiting.is_empty() {
                state.ended = true;
                self.0.done.notify_all();
                return;
            }
            if !state.ending {
                self.0.woken.wait_for(&mut state, GATHER);
            }
            std::mem::swap(&mut state.waiting, &mut lines);
            drop(state);
            // There is nowhere to report that the log itself cannot be written.
            let _ = to.write_all(&lines).and_then(|()| to.flush());
            lines.clear();
        }
    }
}

/// Writes out what is waiting when dropped.
pub(super) struct Flush(Sink);

impl Drop for Flush {
    fn drop(&mut self) {
        let shared = &self.0.0;
        let mut state = shared.state.lock();
        state.ending = true;
        shared.woken.notify_one();
        while !state.ended {
            if shared.done.wait_for(&mut state, FAREWELL).timed_out() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Tells of each write, and waits for permission before it returns.
    struct Slow {
        written: mpsc::Sender<Vec<u8>>,
        permits: mpsc::Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.written.send(bytes.to_vec()).unwrap();
            let _ = self.permits.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Slow, mpsc::Receiver<Vec<u8>>, mpsc::Sender<()>) {
        let ((written, reader), (permit, permits)) = (mpsc::channel(), mpsc::channel());
        (Slow { written, permits }, reader, permit)
    }

    #[test]
    fn lines_arrive_whole_and_in_order_and_the_last_ones_before_the_end() {
        static DROPPED: AtomicU64 = AtomicU64::new(0);
        let (to, written, permit) = slow();
        drop(permit);
        let (sink, flush) = Sink::start(to, &DROPPED).unwrap();
        for n in 0..1000 {
            sink.push(format!("line {n}\n").as_bytes());
        }
        drop(flush);
        let all: Vec<u8> = written.try_iter().flatten().collect();
        let expected: String = (0..1000).map(|n| format!("line {n}\n")).collect();
        assert_eq!(String::from_utf8(all).unwrap(), expected);
        assert_eq!(DROPPED.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_but_no_time_and_each_is_counted() {
        static DROPPED: AtomicU64 = AtomicU64::new(0);
        let (to, written, permit) = slow();
        let (sink, flush) = Sink::start(to, &DROPPED).unwrap();
        sink.push(b"first\n");
        assert_eq!(written.recv().unwrap(), b"first\n");
        // From here on the writer stands still until it gets its permit.
        let line = [b'x'; 1024];
        for _ in 0..1030 {
            sink.push(&line);
        }
        assert_eq!(DROPPED.load(Ordering::Relaxed), 6, "1024 lines of a KiB fit");
        drop(permit);
        assert_eq!(written.recv().unwrap().len(), LIMIT);
        sink.push(b"after\n");
        drop(flush);
        assert_eq!(written.iter().flatten().collect::<Vec<_>>(), b"after\n");
    }
}
