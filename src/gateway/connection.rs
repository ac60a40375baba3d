//! One accepted connection: counted against the limit, its head bounded, its reads sized to what arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use parking_lot::Mutex;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream, ServerApp};
use pingora::listeners::tls::Acceptor;
use pingora::protocols::http::ServerSession;
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

/// The request line as it comes over the wire.
///
/// Pingora escapes what its parser does not like in a target and parses again, and drops a fragment; what was
/// verified and what was sent would then be two things. So the line is checked before Pingora sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct RequestLine {
    /// Empty lines before it are skipped (RFC 9112 section 2.2).
    begun: bool,
    ended: bool,
    spaces: u8,
    broken: bool,
}

impl RequestLine {
    /// Takes the next bytes of the head.
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                _ if self.ended => return,
                b'\r' | b'\n' if !self.begun => continue,
                b'\n' => self.ended = true,
                b'\r' => {}
                b' ' => self.spaces = self.spaces.saturating_add(1),
                b'#' => self.broken = true,
                0x21..=0x7e => {}
                _ => self.broken = true,
            }
            self.begun = true;
        }
    }

    /// Whether it is not `METHOD target VERSION` in printable ASCII.
    fn is_broken(self) -> bool {
        self.broken || (self.ended && self.spaces != 2)
    }
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
    /// Bytes read since the last request ended.
    taken: usize,
    watch: Arc<Watch>,
    preface: Option<Preface>,
    _permit: ConnectionPermit,
}

impl Connection {
    fn new(stream: Stream, permit: ConnectionPermit, preface: Option<Preface>) -> Self {
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

/// Takes accepted connections: refuses those past the limit, hands the others to Pingora's HTTP sessions.
pub(super) struct Front {
    gateway: Arc<Gateway>,
    exchange: Arc<Exchange>,
    h2c: bool,
    /// Pingora would do the handshake before this front sees the connection; then connections that never finish it
    /// would count against no limit.
    tls: Option<Acceptor>,
}

impl Front {
    /// A front for one listener.
    pub(super) fn new(gateway: Arc<Gateway>, exchange: Exchange, h2c: bool, tls: Option<Acceptor>) -> Self {
        Self { gateway, exchange: Arc::new(exchange), h2c, tls }
    }

    /// The connection under TLS, if this listener speaks it; `None` when the handshake fails or takes too long.
    async fn secured(&self, stream: Stream, within: Duration) -> Option<Stream> {
        let Some(acceptor) = &self.tls else { return Some(stream) };
        let plain = stream.into_any().downcast::<pingora::protocols::l4::stream::Stream>().ok()?;
        let handshake = Box::pin(acceptor.tls_handshake(*plain));
        match tokio::time::timeout(within, handshake).await {
            Ok(Ok(secured)) => Some(Box::new(secured)),
            Ok(Err(_)) | Err(_) => None,
        }
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
        let mut stream = self.secured(stream, limits.header_timeout).await?;
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
        if http2 || self.h2c {
            HttpAdapter::process(&self.exchange, connection, shutdown).await;
        } else {
            self.http1(connection, shutdown).await;
        }
        None
    }
}

impl Front {
    /// The requests of one HTTP/1 connection, one after the other.
    ///
    /// Pingora's own loop does the same but is one future with HTTP/2's, whose size every connection would hold.
    async fn http1(&self, connection: Stream, shutdown: &ShutdownWatch) {
        let mut next = Some((connection, None::<HttpPersistentSettings>));
        while let Some((stream, settings)) = next {
            let mut session = ServerSession::new_http1(stream);
            if let Some(settings) = settings {
                settings.apply_to_session(&mut session);
            }
            next = self.exchange.process_new_http(session, shutdown).await.map(ReusedHttpStream::consume);
        }
    }

    /// Past the connection limit an answer on the bare stream is all there is room for. TLS peers are cut.
    async fn refuse(&self, stream: &mut Stream) {
        self.gateway.metrics.unrouted(Reason::Overloaded, Duration::ZERO);
        if self.tls.is_some() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(line: &str) -> bool {
        let mut whole = RequestLine::default();
        whole.feed(line.as_bytes());
        // However the bytes are cut, the verdict is the same.
        let mut cut = RequestLine::default();
        for byte in line.as_bytes() {
            cut.feed(&[*byte]);
        }
        assert_eq!(whole, cut);
        whole.is_broken()
    }

    #[test]
    fn a_line_that_pingora_would_rewrite_is_broken() {
        for line in ["POST /a?b=c%20d HTTP/1.1\r\n", "\r\nPOST / HTTP/1.1\r\nX: #\x01\r\n", "POST /a HT"] {
            assert!(!broken(line), "{line:?}");
        }
        for line in [
            "POST /a#b HTTP/1.1\r\n",
            "POST /a b HTTP/1.1\r\n",
            "POST /\x01 HTTP/1.1\n",
            "POST\t/ HTTP/1.1\n",
            "POST /\n",
            "GET /é HTTP/1.1\n",
        ] {
            assert!(broken(line), "{line:?}");
        }
    }
}
