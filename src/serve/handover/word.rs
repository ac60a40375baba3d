//! Who serves where a handover is at its limit: the older process's side of the newer one's last word.

use std::io;
use std::pin::pin;

use tokio::net::UnixStream;
use tokio::time::Instant;

use super::Next;
use crate::dedupe::read_frame;

/// What the newer process says until `end`; after that nothing it says counts, and it gets to know.
///
/// One of the two serves, never both and, as long as both live, never none. The newer one serves if it could write
/// [`Next::Serving`], and the older one goes on if it did not get that word, so all hangs on this: a word is written if
/// and only if it is read. Whatever comes first:
///
/// * *The word lies here before the limit.* It is read, the newer one has written it.
/// * *The limit comes first.* The reading half is shut, and only then is looked at what lies there. The kernel takes the
///   word in and shuts the half under one lock (Linux, `unix_stream_sendmsg` and `unix_shutdown`): either it was
///   taken in before, then it is read now, late and still good; or it comes after, then the newer one's write fails
///   (`EPIPE`) and it does not serve. There is no third.
/// * *Part of it was read as the limit came.* The same reading goes on. Its rest lies here, or the half is shut before
///   the rest was written and that write fails.
/// * *The newer one dies.* Before its word: the end of the stream is read, the older one goes on. After it: its
///   supervisor sees the process that has taken over end, as on any other day.
/// * *The older one dies.* Its end is closed, the newer one's write fails, and it says so instead of serving: it may
///   lack events. It is started anew with what the older one left.
/// * *Something else breaks on the way* (a socket that cannot be sent, a store that cannot be held). The newer one has
///   not got what it waits for before it says the word, and reads an end instead.
///
/// Between the word and what follows here the store is still held back, so no claim is decided in both; connections
/// that the older one accepts in that moment are served with the newer one's store.
///
/// # Errors
/// `TimedOut` at the limit; or the stream has ended, or what came is no such word.
pub(super) async fn last_word(stream: &mut UnixStream, end: Instant) -> io::Result<Next> {
    let (mut source, sink) = stream.split();
    let mut reading = pin!(read_frame(&mut source));
    if let Ok(read) = tokio::time::timeout_at(end, &mut reading).await {
        return read;
    }
    rustix::net::shutdown(sink.as_ref(), rustix::net::Shutdown::Read)?;
    // What lies there, then the end: nothing is waited for.
    reading.await.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::ErrorKind::TimedOut.into(),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream as Blocking;
    use std::sync::{Arc, Barrier};
    use std::time::Duration;

    use super::super::wire;
    use super::*;
    use crate::clock;

    fn pair() -> (UnixStream, Blocking) {
        let (older, newer) = Blocking::pair().unwrap();
        older.set_nonblocking(true).unwrap();
        (UnixStream::from_std(older).unwrap(), newer)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[tokio::test]
    async fn a_word_that_came_counts_and_none_can_come_after_the_limit() {
        let (mut older, mut newer) = pair();
        wire::say(&mut newer, &Next::Serving).unwrap();
        // The limit is over already as it is read.
        assert!(matches!(last_word(&mut older, Instant::now()).await, Ok(Next::Serving)));

        let (mut older, mut newer) = pair();
        let none = last_word(&mut older, soon()).await;
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(wire::say(&mut newer, &Next::Serving).is_err(), "it must not serve");
    }

    #[tokio::test]
    async fn half_a_word_is_none() {
        let mut word = Vec::new();
        wire::say(&mut word, &Next::Serving).unwrap();
        for length in 0..word.len() {
            let (mut older, mut newer) = pair();
            let (said, rest) = word.split_at(length);
            newer.write_all(said).unwrap();
            assert!(last_word(&mut older, soon()).await.is_err(), "after {length} bytes");
            assert!(newer.write_all(rest).is_err(), "after {length} bytes");
        }
    }

    /// The newer one writes as the limit comes, a little earlier or later each time.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_word_is_written_if_and_only_if_it_is_read() {
        let (mut served, mut went_on) = (0, 0);
        for round in 0..4000_u64 {
            let (mut older, mut newer) = pair();
            let go = Arc::new(Barrier::new(2));
            let (at, pause) = (Arc::clone(&go), Duration::from_micros(round % 80));
            let says = std::thread::spawn(move || {
                at.wait();
                let began = clock::monotonic();
                while began.elapsed() < pause {
                    std::hint::spin_loop();
                }
                wire::say(&mut newer, &Next::Serving).is_ok()
            });
            go.wait();
            let heard = last_word(&mut older, Instant::now()).await.is_ok();
            drop(older);
            assert_eq!(says.join().unwrap(), heard, "round {round}");
            if heard {
                served += 1;
            } else {
                went_on += 1;
            }
        }
        assert!(served > 0 && went_on > 0, "{served} and {went_on}: both were tried");
    }
}
