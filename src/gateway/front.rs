//! Where accepted connections arrive: counted, secured, and handed to Pingora's HTTP sessions.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::listeners::tls::Acceptor;
use pingora::protocols::{ALPN, Shutdown, Stream};
use pingora::server::ShutdownWatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{Connection, Preface};
use super::exchange::Exchange;
use super::session::{Http1, Session};
use super::state::{ConnectionPermit, Gateway};
use crate::admit::Reason;

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
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        // In a task of its own: Pingora's has room for a TLS handshake, 9 KiB, which it would hold as long as the connection.
        let (front, shutdown) = (Arc::clone(self), shutdown.clone());
        tokio::spawn(async move { front.serve(stream, &shutdown).await });
        None
    }
}

impl Front {
    /// A connection from its first byte to its last; `None` when there is nothing more to be done for it.
    async fn serve(&self, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<()> {
        let limits = self.gateway.live().config.limits.clone();
        let Some(permit) = self.gateway.admit_connection(limits.connections) else {
            Box::pin(self.refuse(&mut stream)).await;
            return None;
        };
        let mut stream = self.secured(stream, limits.header_timeout).await?;
        let mut http2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        let mut preface = http2.then(|| Preface::within(limits.header_timeout));
        if self.h2c && stream.get_ssl_digest().is_none() {
            // Pingora waits for the 24 bytes of the HTTP/2 preface without a deadline of its own.
            let mut first = [0; PREFACE.len()];
            match tokio::time::timeout(limits.header_timeout, stream.try_peek(&mut first)).await {
                Ok(Ok(_)) => http2 = first == *PREFACE,
                Ok(Err(_)) | Err(_) => return None,
            }
            preface = None;
        }
        if http2 {
            let connection: Stream = Box::new(Connection::new(stream, permit, preface));
            HttpAdapter::process(&self.exchange, connection, shutdown).await;
        } else {
            self.http1(stream, permit).await;
        }
        Some(())
    }
}

/// How HTTP/2 begins (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Front {
    /// The requests of one HTTP/1 connection, one after the other.
    async fn http1(&self, stream: Stream, permit: ConnectionPermit) {
        let mut next = Some(Box::new(Http1::new(stream, permit)));
        while let Some(session) = next {
            next = self.exchange.request(Session::Http1(session)).await;
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
