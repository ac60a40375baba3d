//! One accepted connection: counted against the limit, its head bounded, its reads sized to what arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take};
use tokio::time::Sleep;

use super::request_line::RequestLine;
use super::state::ConnectionPermit;
use crate::clock;

/// How much is read at once, by how much of the request has come. Pingora keeps its read buffer as long as the
/// request lasts, so small reads at first keep a half-sent body from costing twice its size; a long body is read
/// in large pieces.
fn read_size(taken: usize) -> usize {
    if taken < 36 * 1024 {
        4 * 1024
    } else if taken < 64 * 1024 {
        16 * 1024
    } else {
        LARGEST_READ
    }
}

const LARGEST_READ: usize = 64 * 1024;

/// How far past the head's limit a connection is read before it is cut: the head's last read may bring body.
const HEAD_SLACK: usize = LARGEST_READ;

/// What the exchange can see of the connection below Pingora's session.
#[derive(Debug)]
pub(super) struct Watch {
    /// Bytes read since the last request ended; `usize::MAX` while a body is read and nothing is counted.
    head_bytes: AtomicUsize,
    head_limit: AtomicUsize,
    /// When the first byte of the awaited head came, and its first line so far.
    head: Mutex<(Option<Instant>, RequestLine)>,
}

const NOT_COUNTING: usize = usize::MAX;

impl Watch {
    /// A new head is awaited, of at most `limit` bytes.
    pub(super) fn expect_head(&self, limit: usize) {
        self.head_limit.store(limit.saturating_add(HEAD_SLACK), Ordering::Relaxed);
        self.head_bytes.store(0, Ordering::Relaxed);
        *self.head.lock() = (None, RequestLine::default());
    }

    /// The head is complete; what is read now is body.
    pub(super) fn head_done(&self) {
        self.head_bytes.store(NOT_COUNTING, Ordering::Relaxed);
    }

    /// Whether a head is awaited and nothing of it has come.
    fn awaits_head(&self) -> bool {
        self.head_bytes.load(Ordering::Relaxed) == 0
    }

    /// When the first byte of the awaited head arrived.
    pub(super) fn head_begun(&self) -> Option<Instant> {
        self.head.lock().0
    }

    /// Whether the request line is one that Pingora would rewrite.
    pub(super) fn request_line_broken(&self) -> bool {
        self.head.lock().1.is_broken()
    }

    fn take_in(&self, bytes: &[u8]) {
        let counted = self.head_bytes.load(Ordering::Relaxed);
        if counted == NOT_COUNTING || bytes.is_empty() {
            return;
        }
        let (begun, line) = &mut *self.head.lock();
        begun.get_or_insert_with(clock::monotonic);
        line.feed(bytes);
        self.head_bytes.store(counted.saturating_add(bytes.len()), Ordering::Relaxed);
    }

    /// Whether the awaited head is longer than its limit.
    pub(super) fn head_too_large(&self) -> bool {
        let bytes = self.head_bytes.load(Ordering::Relaxed);
        bytes != NOT_COUNTING && bytes > self.head_limit.load(Ordering::Relaxed)
    }
}

/// The beginning of an HTTP/2 connection, for which Pingora and h2 wait without a deadline.
pub(super) struct Preface {
    awaited: usize,
    deadline: Pin<Box<Sleep>>,
}

/// RFC 9113 section 3.4.
const PREFACE_LENGTH: usize = 24;

impl Preface {
    pub(super) fn within(time: Duration) -> Self {
        Self { awaited: PREFACE_LENGTH, deadline: Box::pin(tokio::time::sleep(time)) }
    }
}

/// A connection as Pingora's HTTP session sees it.
pub(super) struct Connection {
    stream: Take<Stream>,
    /// Bytes read since the last request ended.
    taken: usize,
    watch: Arc<Watch>,
    preface: Option<Preface>,
    _permit: ConnectionPermit,
}

impl Connection {
    /// The connection under `permit`; with a `preface` if HTTP/2's is still to come.
    pub(super) fn new(stream: Stream, permit: ConnectionPermit, preface: Option<Preface>) -> Self {
        let watch = Watch {
            head_bytes: AtomicUsize::new(0),
            head_limit: AtomicUsize::new(usize::MAX),
            head: Mutex::default(),
        };
        Self { stream: stream.take(0), taken: 0, watch: Arc::new(watch), preface, _permit: permit }
    }

    /// The watch of the connection below `stream`, if it is one of ours.
    pub(super) fn watch(stream: &Stream) -> Option<Arc<Watch>> {
        stream.as_any().downcast_ref::<Self>().map(|connection| Arc::clone(&connection.watch))
    }

    fn inner(&self) -> &Stream {
        self.stream.get_ref()
    }

    fn inner_mut(&mut self) -> &mut Stream {
        self.stream.get_mut()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.watch.head_too_large() {
            return Poll::Ready(Err(io::Error::other("the head is larger than its limit")));
        }
        let before = buf.filled().len();
        if this.watch.awaits_head() {
            this.taken = 0;
        }
        this.stream.set_limit(u64::try_from(read_size(this.taken)).unwrap_or(u64::MAX));
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) {
            let got = buf.filled().len().saturating_sub(before);
            this.taken = this.taken.saturating_add(got);
            this.watch.take_in(buf.filled().get(before..).unwrap_or_default());
            this.preface.take_if(|preface| {
                preface.awaited = preface.awaited.saturating_sub(got);
                preface.awaited == 0
            });
        } else if let Some(preface) = &mut this.preface
            && preface.deadline.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().inner_mut()).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().inner_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().inner_mut()).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().inner_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner().is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        Shutdown::shutdown(self.inner_mut().as_mut()).await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.inner().id()
    }
}

impl Ssl for Connection {
    fn get_ssl(&self) -> Option<&pingora::protocols::tls::TlsRef> {
        self.inner().get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<pingora::protocols::tls::SslDigest>> {
        self.inner().get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner().selected_alpn_proto()
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner().get_timing_digest()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<pingora::protocols::raw_connect::ProxyDigest>> {
        self.inner().get_proxy_digest()
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<pingora::protocols::SocketDigest>> {
        self.inner().get_socket_digest()
    }
}

#[async_trait]
impl Peek for Connection {
    async fn try_peek(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        self.inner_mut().try_peek(buf).await
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("stream", self.inner()).finish_non_exhaustive()
    }
}
