//! The way to the upstream. Nothing here can be called without [`Admitted`].

mod answer;
mod http1;
mod identity;
mod idle;
mod peer;
mod pooled;
mod untaken;

use std::path::Path;
use std::time::Duration;

use http::Method;

use super::headers::Added;
use super::session::Head;
use crate::admit::Admitted;
use crate::routes::{Trust, Upstream};
use identity::Identity;

pub(super) use answer::{Answer, Body as AnswerBody};
pub(super) use peer::Peer;
pub(super) use pooled::Pool;

/// Why the upstream gave no answer.
#[derive(Debug)]
pub(super) enum UpstreamError {
    /// No connection: refused, unresolvable, TLS failed.
    Unreachable(String),
    /// It broke off, or what it sent is not HTTP.
    Failed(String),
}

impl std::fmt::Display for UpstreamError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) | Self::Failed(why) => f.write_str(why),
        }
    }
}

/// One verified request on its way: the received head, what is added to it, and the body that was verified.
pub(super) struct Outbound<'a> {
    /// The head as received.
    pub(super) head: &'a Head,
    /// The path and query for the upstream.
    pub(super) target: &'a str,
    /// What the gateway adds.
    pub(super) added: &'a Added<'a>,
    /// The verified bytes.
    pub(super) body: &'a [u8],
}

/// How long an idle connection to an upstream is kept.
const IDLE: Duration = Duration::from_secs(60);

/// How long one address may take to accept a connection, TLS handshake included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends the request and reads the head of the answer.
///
/// A kept-alive connection that ends before any byte of an answer came is replaced once by a new one if the upstream
/// evidently had not taken the request, see [`untaken`].
///
/// # Errors
/// [`UpstreamError`]; the caller bounds the time.
pub(super) async fn send(
    _permit: &Admitted,
    pool: &Pool,
    peer: &Peer,
    outbound: &Outbound<'_>,
) -> Result<Answer, UpstreamError> {
    let answer = if peer.tls() {
        Box::pin(pool.send_tls(peer, outbound)).await?
    } else {
        http1::send(pool, peer, outbound).await?
    };
    // Where no body follows nothing has looked at its length yet, and it is passed on.
    if outbound.head.method == Method::HEAD {
        answer::length(&answer.fields).map_err(|why| UpstreamError::Failed(why.into()))?;
    }
    Ok(answer)
}

/// The peer of a route; a relative socket path is taken from `folder`.
///
/// # Errors
/// One sentence, if its certificates cannot be used.
pub(super) fn peer(upstream: &Upstream, trust: &Trust, folder: &Path) -> Result<Peer, String> {
    Ok(Peer::new(upstream, Identity::of(trust)?, folder))
}
