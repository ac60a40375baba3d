//! Kept connections to upstreams: plain streams under our own HTTP/1 exchange, TLS ones under Pingora's sessions.

use std::sync::OnceLock;

use bytes::Bytes;
use pingora::connectors::http::Connector as HttpConnector;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::Stream;
use pingora::protocols::http::client::HttpSession;
use pingora::{ErrorType, RetryType};

use super::answer::{Answer, Body};
use super::idle::Idle;
use super::peer::{At, Peer};
use super::untaken::untaken;
use super::{IDLE, Outbound, UpstreamError};
use crate::gateway::headers;
use crate::gateway::session::Fields;

/// Idle connections kept at most, over all upstreams.
const KEPT: usize = 1024;

/// All connections to upstreams. It outlives configurations, so a reload loses none of them.
pub(crate) struct Pool {
    plain: TransportConnector,
    idle: Idle,
    /// Loads the system's certificates, so it is made only when a route asks for TLS.
    tls: OnceLock<HttpConnector>,
}

impl Pool {
    /// An empty pool.
    pub(crate) fn new() -> Self {
        let mut options = ConnectorOptions::new(KEPT);
        // Plain connections need no certificates; without this Pingora would load and keep the system's.
        options.ca_file = Some("/dev/null".into());
        Self {
            plain: TransportConnector::new(Some(options)),
            idle: Idle::new(KEPT, IDLE),
            tls: OnceLock::new(),
        }
    }

    /// Lets go of connections that the upstream has closed or that are too old.
    pub(crate) async fn sweep(&self) {
        self.idle.sweep().await;
    }

    /// A kept plain connection, if one is open.
    pub(super) async fn kept(&self, peer: &Peer) -> Option<Stream> {
        self.idle.take(peer.key()).await
    }

    /// A new plain connection to the first of the peer's addresses that accepts one.
    pub(super) async fn connect(&self, peer: &Peer) -> Result<Stream, UpstreamError> {
        let mut last = None;
        for at in peer.addresses().await? {
            match self.plain.new_stream(&at).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = Some(format!("cannot connect to {at}: {}", cause(&error))),
            }
        }
        Err(UpstreamError::Unreachable(last.unwrap_or_else(|| "it has no address".into())))
    }

    /// Keeps a plain connection for the next request.
    pub(super) fn keep(&self, stream: Stream, key: u64) {
        self.idle.keep(key, stream);
    }

    /// Keeps a TLS session's connection for the next request.
    pub(super) async fn keep_session(&self, session: HttpSession, at: &At) {
        self.tls().release_http_session(session, at, Some(IDLE)).await;
    }

    fn tls(&self) -> &HttpConnector {
        self.tls.get_or_init(|| HttpConnector::new(Some(ConnectorOptions::new(KEPT))))
    }

    /// One exchange over TLS, HTTP/2 or HTTP/1.1 as the upstream chooses.
    pub(super) async fn send_tls(
        &self,
        peer: &Peer,
        outbound: &Outbound<'_>,
    ) -> Result<Answer, UpstreamError> {
        let mut last = UpstreamError::Unreachable("it has no address".into());
        for at in peer.addresses().await? {
            match self.session(at.clone(), outbound).await {
                Err(TlsFailure { reused: true, untaken: true, .. }) => {
                    return self.session(at.fresh(), outbound).await.map_err(|failure| failure.error);
                }
                Err(TlsFailure { error: error @ UpstreamError::Unreachable(_), .. }) => last = error,
                result => return result.map_err(|failure| failure.error),
            }
        }
        Err(last)
    }

    async fn session(&self, at: At, outbound: &Outbound<'_>) -> Result<Answer, TlsFailure> {
        let (mut session, reused) = self.tls().get_http_session(&at).await.map_err(|error| TlsFailure {
            error: UpstreamError::Unreachable(format!("cannot connect to {at}: {}", cause(&error))),
            reused: false,
            untaken: true,
        })?;
        let failed = |error: &pingora::Error| TlsFailure {
            error: UpstreamError::Failed(format!("it broke off before answering: {}", cause(error))),
            reused,
            untaken: true,
        };
        let http2 = session.as_http2().is_some();
        let head = headers::request_header(outbound, http2).map_err(|error| failed(&error))?;
        session.write_request_header(Box::new(head)).await.map_err(|error| failed(&error))?;
        // A broken write is not final: the upstream may have answered before it read everything.
        let written = session.write_request_body(Bytes::copy_from_slice(outbound.body), true).await;
        let whole = session.finish_request_body().await.is_ok() && written.is_ok();
        let status = loop {
            if let Err(error) = session.read_response_header().await {
                let untaken = if http2 {
                    refused(&error) || (ended(&error) && !whole)
                } else {
                    let broke = error.root_cause().downcast_ref::<std::io::Error>();
                    let socket = session.digest().and_then(|digest| digest.socket_digest.as_deref());
                    ended(&error) && untaken(whole, broke, socket)
                };
                return Err(TlsFailure { untaken, ..failed(&error) });
            }
            match session.response_header() {
                Some(head) if head.status.is_informational() => {}
                Some(head) => break head.status,
                None => {
                    return Err(TlsFailure {
                        error: UpstreamError::Failed("it sent no answer".into()),
                        reused,
                        untaken: false,
                    });
                }
            }
        };
        let fields = session.response_header().map(|head| Fields::of(&head.headers)).unwrap_or_default();
        Ok(Answer { status, fields, body: Body::Session(Box::new((session, at))) })
    }
}

struct TlsFailure {
    error: UpstreamError,
    reused: bool,
    /// Not one byte of an answer came, and not all of the request was taken.
    untaken: bool,
}

/// Whether the upstream says that it has not taken the request: a GOAWAY that leaves its stream out, or REFUSED_STREAM
/// (RFC 9113 sections 6.8 and 8.7). Pingora decides the same for an answer that is none, and for an upstream that wants
/// HTTP/1.1: the one may come after the deed, the other would only be said again.
fn refused(error: &pingora::Error) -> bool {
    let other = matches!(error.etype(), ErrorType::InvalidH2 | ErrorType::H2Downgrade);
    !other && matches!(error.retry, RetryType::Decided(true))
}

/// Whether the connection ended. Over HTTP/2 that says nothing of a request that went out whole: an upstream that fell
/// over it and one that had closed before are the same error, and the bytes on the socket are those of all streams.
fn ended(error: &pingora::Error) -> bool {
    matches!(error.retry, RetryType::ReusedOnly)
}

/// The innermost cause, which says what happened without Pingora's own wording around it. Of a TLS handshake it says only
/// our address; there the reason is what the error itself tells.
fn cause(error: &pingora::Error) -> String {
    if let (ErrorType::TLSHandshakeFailure, Some(context)) = (error.etype(), &error.context) {
        return context.to_string();
    }
    match error.root_cause().downcast_ref::<pingora::Error>() {
        Some(inner) => {
            inner.context.as_ref().map_or_else(|| inner.etype().as_str().to_owned(), ToString::to_string)
        }
        None => error.root_cause().to_string(),
    }
}
