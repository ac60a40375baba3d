//! Answers that go on for long, written piece by piece: the stream of deliveries and their export.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header;
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use super::answer::Place;
use super::export::Export;
use super::service::{AdminApp, WRITE, target};
use super::{Admin, AdminAnswer};
use crate::journal::{Followed, Following, cursor};

/// How often a stream without news says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What is written piece by piece.
pub(super) enum Long {
    Stream(Following),
    Export(Box<Export>),
}

impl AdminApp {
    /// Whether something is asked for that is written piece by piece, or why it is not to be had.
    pub(super) async fn long(&self, session: &ServerSession) -> Option<Result<Long, AdminAnswer>> {
        let head = session.req_header();
        if head.method != http::Method::GET {
            return None;
        }
        let target = target(head);
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        if !matches!(path, "/api/deliveries/stream" | "/api/deliveries/export") {
            return None;
        }
        let place = match self.0.admitted("GET", &target, &head.headers) {
            Ok((place, _)) => place,
            Err(refusal) => return Some(Err(refusal)),
        };
        if place == Place::Export {
            return Some(
                self.0.export(query).map(|export| Long::Export(Box::new(export))).map_err(AdminAnswer::from),
            );
        }
        let last = head.headers.get("last-event-id").and_then(|last| last.to_str().ok()).map(str::to_owned);
        let (admin, query) = (Arc::clone(&self.0), query.to_owned());
        let following = tokio::task::spawn_blocking(move || admin.follow(&query, last.as_deref())).await;
        Some(match following {
            Ok(Ok(following)) => Ok(Long::Stream(following)),
            Ok(Err(refused)) => Err(refused.into()),
            Err(_) => Err(AdminAnswer::failure()),
        })
    }

    /// Writes it to its end. After an error the connection has to be closed as it is: what was written is not whole.
    pub(super) async fn write_long(
        &self,
        session: &mut ServerSession,
        long: Long,
        shutdown: ShutdownWatch,
    ) -> pingora::Result<()> {
        let kind = match &long {
            Long::Stream(_) => "text/event-stream",
            Long::Export(_) => "application/x-ndjson",
        };
        let mut head = ResponseHeader::build(200, Some(6))?;
        head.append_header(header::CONTENT_TYPE, kind)?;
        head.append_header(header::CACHE_CONTROL, "no-store")?;
        head.append_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
        if session.req_header().version == http::Version::HTTP_11 {
            head.append_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        session.set_keepalive(None);
        session.write_response_header(Box::new(head)).await?;
        match long {
            Long::Stream(following) => write_stream(session, &self.0, following, shutdown).await?,
            Long::Export(export) => write_export(session, &self.0, export).await?,
        }
        session.write_response_body(Bytes::new(), true).await
    }
}

async fn write_stream(
    session: &mut ServerSession,
    admin: &Admin,
    mut following: Following,
    mut shutdown: ShutdownWatch,
) -> pingora::Result<()> {
    put(session, ": hello\n\n".to_owned()).await?;
    loop {
        let piece = tokio::select! {
            next = tokio::time::timeout(HEARTBEAT, following.next()) => match next {
                Ok(Some(next)) => told(admin, next),
                Ok(None) => return Ok(()),
                Err(_) => ": still here\n\n".to_owned(),
            },
            _ = shutdown.changed() => return Ok(()),
        };
        put(session, piece).await?;
    }
}

async fn write_export(
    session: &mut ServerSession,
    admin: &Arc<Admin>,
    mut export: Box<Export>,
) -> pingora::Result<()> {
    loop {
        let admin = Arc::clone(admin);
        let made = tokio::task::spawn_blocking(move || (admin.exported(&mut export), export)).await;
        match made {
            Ok((Some(lines), same)) => {
                export = same;
                put(session, lines).await?;
            }
            Ok((None, _)) => return Ok(()),
            Err(error) => {
                tracing::error!(target: "sealpost::journal", "an export broke off: {error}");
                // Where there are no chunks, a line that is no delivery is all that tells this end from the right one.
                put(session, "{\"error\":\"the export broke off: internal error\"}\n".to_owned()).await?;
                return Err(pingora::Error::explain(
                    pingora::ErrorType::InternalError,
                    "the export broke off",
                ));
            }
        }
    }
}

/// One event of the stream.
fn told(admin: &Admin, next: Followed) -> String {
    match next {
        Followed::Entry(found) => {
            format!(
                "event: delivery\nid: {}\ndata: {}\n\n",
                cursor(found.entry.number),
                admin.summary(&found)
            )
        }
        Followed::Lagged(missed) => {
            format!("event: lagged\ndata: {}\n\n", serde_json::json!({ "missed": missed }))
        }
    }
}

/// Whoever reads too slowly for one piece is left.
async fn put(session: &mut ServerSession, piece: String) -> pingora::Result<()> {
    match tokio::time::timeout(WRITE, session.write_response_body(Bytes::from(piece), false)).await {
        Ok(written) => written,
        Err(_) => Err(pingora::Error::new(pingora::ErrorType::WriteTimedout)),
    }
}
