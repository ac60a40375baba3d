//! One accepted connection: counted against the limit, its head bounded, its reads sized to what arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, Take};
use tokio::time::Sleep;

use super::exchange::Exchange;
use super::state::{ConnectionPermit, Gateway};
use crate::admit::Reason;
use crate::clock;

/// The smallest and the largest single read. Pingora keeps its read buffer as long as the request lasts, so
/// a read that is no larger than what the sender delivers keeps a half-sent body from costing twice its size.
const SMALLEST_READ: usize = 8 * 1024;
const LARGEST_READ: usize = 64 * 1024;

/// How far past the head's limit a connection is read before it is cut: the head's last read may bring body.
const HEAD_SLACK: usize = LARGEST_READ;

/// What the exchange can see of the connection below Pingora's session.
#[derive(Debug)]
pub(super) struct Watch {
    /// Bytes read since the last request ended; `usize::MAX` while a body is read and nothing is counted.
    head_bytes: AtomicUsize,
    head_limit: AtomicUsize,
    /// When the first byte of the awaited head came.
    head_begun: Mutex<Option<Instant>>,
}

const NOT_COUNTING: usize = usize::MAX;

impl Watch {
    /// A new head is awaited, of at most `limit` bytes.
    pub(super) fn expect_head(&self, limit: usize) {
        self.head_limit.store(limit.saturating_add(HEAD_SLACK), Ordering::Relaxed);
        self.head_bytes.store(0, Ordering::Relaxed);
        *self.head_begun.lock() = None;
    }

    /// The head is complete; what is read now is body.
    pub(super) fn head_done(&self) {
        self.head_bytes.store(NOT_COUNTING, Ordering::Relaxed);
    }

    /// When the first byte of the awaited head arrived.
    pub(super) fn head_begun(&self) -> Option<Instant> {
        *self.head_begun.lock()
    }

    fn count(&self, got: usize) {
        let counted = self.head_bytes.load(Ordering::Relaxed);
        if counted == NOT_COUNTING || got == 0 {
            return;
        }
        if counted == 0 {
            *self.head_begun.lock() = Some(clock::monotonic());
        }
        self.head_bytes.store(counted.saturating_add(got), Ordering::Relaxed);
    }

    /// Whether the awaited head is longer than its limit.
    pub(super) fn head_too_large(&self) -> bool {
        let bytes = self.head_bytes.load(Ordering::Relaxed);
        bytes != NOT_COUNTING && bytes > self.head_limit.load(Ordering::Relaxed)
    }
}

/// The beginning of an HTTP/2 connection, for which Pingora and h2 wait without a deadline.
struct Preface {
    awaited: usize,
    deadline: Pin<Box<Sleep>>,
}

/// RFC 9113 section 3.4.
const PREFACE_LENGTH: usize = 24;

impl Preface {
    fn within(time: Duration) -> Self {
        Self { awaited: PREFACE_LENGTH, deadline: Box::pin(tokio::time::sleep(time)) }
    }
}

/// A connection as Pingora's HTTP session sees it.
pub(super) struct Connection {
    stream: Take<Stream>,
    next_read: usize,
    watch: Arc<Watch>,
    preface: Option<Preface>,
    _permit: ConnectionPermit,
}

impl Connection {
    fn new(stream: Stream, permit: ConnectionPermit, preface: Option<Preface>) -> Self {
        let watch = Watch {
            head_bytes: AtomicUsize::new(0),
            head_limit: AtomicUsize::new(usize::MAX),
            head_begun: Mutex::new(None),
        };
        Self {
            stream: stream.take(0),
            next_read: SMALLEST_READ,
            watch: Arc::new(watch),
            preface,
            _permit: permit,
        }
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
        this.stream.set_limit(u64::try_from(this.next_read).unwrap_or(u64::MAX));
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if matches!(read, Poll::Ready(Ok(()))) {
            let got = buf.filled().len().saturating_sub(before);
            this.next_read = if got >= this.next_read {
                (this.next_read * 2).min(LARGEST_READ)
            } else {
                (this.next_read / 2).max(got.next_power_of_two()).max(SMALLEST_READ)
            };
            this.watch.count(got);
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

/// Takes accepted connections: refuses those past the limit, hands the others to Pingora's HTTP sessions.
pub(super) struct Front {
    gateway: Arc<Gateway>,
    exchange: Arc<Exchange>,
    h2c: bool,
}

impl Front {
    /// A front for one listener.
    pub(super) fn new(gateway: Arc<Gateway>, exchange: Exchange, h2c: bool) -> Self {
        Self { gateway, exchange: Arc::new(exchange), h2c }
    }
}

#[async_trait]
impl ServerApp for Front {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let limits = self.gateway.live().config.limits.clone();
        let Some(permit) = self.gateway.admit_connection(limits.connections) else {
            Box::pin(self.refuse(&mut stream)).await;
            return None;
        };
        if self.h2c && stream.get_ssl_digest().is_none() {
            // Pingora waits for the 24 bytes of the HTTP/2 preface without a deadline of its own.
            let mut preface = [0; 24];
            match tokio::time::timeout(limits.header_timeout, stream.try_peek(&mut preface)).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return None,
            }
        }
        let http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let preface = http2.then(|| Preface::within(limits.header_timeout));
        let connection: Stream = Box::new(Connection::new(stream, permit, preface));
        HttpAdapter::process(&self.exchange, connection, shutdown).await;
        None
    }
}

impl Front {
    /// Past the connection limit an answer on the bare stream is all there is room for. HTTP/2 peers are cut.
    async fn refuse(&self, stream: &mut Stream) {
        self.gateway.metrics.unrouted(Reason::Overloaded, Duration::ZERO);
        if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            return;
        }
        const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
            Content-Length: 22\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{\"error\":\"Overloaded\"}";
        let write = async {
            stream.write_all(ANSWER).await?;
            stream.flush().await?;
            Shutdown::shutdown(stream.as_mut()).await;
            // Read a little of what was sent, or the close becomes a reset that overtakes the answer.
            let mut rest = [0; 4096];
            let _ = stream.read(&mut rest).await?;
            Ok::<(), io::Error>(())
        };
        let _ = tokio::time::timeout(Duration::from_millis(250), write).await;
    }
}

/// Calls Pingora's blanket `ServerApp` implementation of an `HttpServerApp`.
struct HttpAdapter;

impl HttpAdapter {
    async fn process<A: HttpServerApp + Send + Sync + 'static>(
        app: &Arc<A>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) {
        let _ = ServerApp::process_new(app, stream, shutdown).await;
    }
}
