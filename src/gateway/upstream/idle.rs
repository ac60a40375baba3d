//! Kept plain connections.
//!
//! Pingora's own pool spawns a task for every connection that is given back, which watches it until it is taken
//! again; at one request a connection that costs more than verifying the delivery. Here a connection is looked at
//! when it is taken, and once in a while all of them are.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, ReadBuf};

use crate::clock;

/// Idle connections to plain upstreams, by the upstream's key.
pub(super) struct Idle {
    most: usize,
    longest: Duration,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<u64, Vec<(Stream, Instant)>>,
    count: usize,
}

impl Kept {
    /// The connection given back last: the others may then grow old and go.
    fn pop(&mut self, key: u64) -> Option<(Stream, Instant)> {
        let taken = self.by_key.get_mut(&key)?.pop()?;
        self.count = self.count.saturating_sub(1);
        Some(taken)
    }

    fn push(&mut self, key: u64, stream: Stream, since: Instant) {
        self.by_key.entry(key).or_default().push((stream, since));
        self.count = self.count.saturating_add(1);
    }
}

impl Idle {
    /// Room for `most` connections, each kept for `longest` at most.
    pub(super) fn new(most: usize, longest: Duration) -> Self {
        Self { most, longest, kept: Mutex::default() }
    }

    /// A connection that is still open, as far as the system has heard.
    pub(super) async fn take(&self, key: u64) -> Option<Stream> {
        loop {
            let (mut stream, since) = self.kept.lock().pop(key)?;
            if since.elapsed() < self.longest && is_open(&mut stream).await {
                return Some(stream);
            }
        }
    }

    /// Keeps a connection on which nothing is under way.
    pub(super) fn keep(&self, key: u64, stream: Stream) {
        let mut kept = self.kept.lock();
        if kept.count < self.most {
            kept.push(key, stream, clock::monotonic());
        }
    }

    /// Lets go of connections that the upstream has closed or that are too old.
    pub(super) async fn sweep(&self) {
        let Kept { by_key, .. } = std::mem::take(&mut *self.kept.lock());
        for (key, streams) in by_key {
            for (mut stream, since) in streams {
                if since.elapsed() < self.longest && is_open(&mut stream).await {
                    self.kept.lock().push(key, stream, since);
                }
            }
        }
    }
}

/// Whether nothing has come on an idle connection: neither its end nor bytes that nobody asked for.
async fn is_open(stream: &mut Stream) -> bool {
    let mut byte = [0];
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *stream).poll_read(cx, &mut ReadBuf::new(&mut byte)).is_pending()))
        .await
}

#[cfg(test)]
mod tests {
    use pingora::protocols::l4::stream::Stream as L4Stream;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (Box::new(L4Stream::from(ours.unwrap())), theirs.unwrap().0)
    }

    /// Waits until what the other side did has arrived.
    async fn heard(idle: &Idle) {
        while idle.kept.lock().count > 0 {
            idle.sweep().await;
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_open_connection_is_given_out_once_and_to_its_own_upstream() {
        let idle = Idle::new(8, Duration::from_secs(60));
        let (ours, _theirs) = pair().await;
        idle.keep(1, ours);
        idle.sweep().await;
        assert!(idle.take(2).await.is_none());
        assert!(idle.take(1).await.is_some());
        assert!(idle.take(1).await.is_none());
    }

    #[tokio::test]
    async fn closed_talkative_and_old_connections_go() {
        let idle = Idle::new(8, Duration::from_secs(60));
        let (ours, theirs) = pair().await;
        idle.keep(1, ours);
        drop(theirs);
        heard(&idle).await;
        let (ours, mut theirs) = pair().await;
        idle.keep(1, ours);
        theirs.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        heard(&idle).await;
        let brief = Idle::new(8, Duration::ZERO);
        let (ours, _theirs) = pair().await;
        brief.keep(1, ours);
        assert!(brief.take(1).await.is_none());
    }

    #[tokio::test]
    async fn there_is_room_for_so_many() {
        let idle = Idle::new(1, Duration::from_secs(60));
        let ((first, _a), (second, _b)) = (pair().await, pair().await);
        idle.keep(1, first);
        idle.keep(2, second);
        assert!(idle.take(1).await.is_some());
        assert!(idle.take(2).await.is_none());
    }
}
