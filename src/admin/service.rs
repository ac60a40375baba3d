//! The admin address on Pingora: reads a request's head, lets [`Admin::answer`] decide, writes the answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::{Method, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use super::{Admin, AdminAnswer};

/// The whole head must be here by then; a connection that is kept may be silent for as long.
const HEAD: Duration = Duration::from_secs(30);

/// Writing a page takes no longer than this, however slowly it is read.
const WRITE: Duration = Duration::from_secs(30);

/// The admin address as a Pingora app.
pub struct AdminApp(pub(super) Arc<Admin>);

#[async_trait]
impl HttpServerApp for AdminApp {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        if !tokio::time::timeout(HEAD, session.read_request()).await.ok()?.ok()? {
            return None;
        }
        // A body is not read, so a connection that carries one cannot be used again.
        let reusable = session.is_body_empty() && !*shutdown.borrow();
        session.set_keepalive(reusable.then_some(HEAD.as_secs()));
        let answer = self.decide(&session).await;
        tokio::time::timeout(WRITE, write(&mut session, answer)).await.ok()?.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

impl AdminApp {
    /// Reloading reads files and a page of metrics can be long: neither belongs on a thread that serves.
    async fn decide(&self, session: &ServerSession) -> AdminAnswer {
        let admin = Arc::clone(&self.0);
        let head = session.req_header();
        let (method, headers) = (head.method.clone(), head.headers.clone());
        let target = head.uri.path().to_owned();
        tokio::task::spawn_blocking(move || admin.answer(method.as_str(), &target, &headers))
            .await
            .unwrap_or_else(|_| AdminAnswer::failure())
    }
}

async fn write(session: &mut ServerSession, answer: AdminAnswer) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(answer.status, Some(answer.headers.len() + 1))?;
    for (name, value) in answer.headers {
        head.append_header(name, value)?;
    }
    head.insert_header(header::CONTENT_LENGTH, answer.body.len())?;
    let bodiless = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head)).await?;
    if !bodiless {
        session.write_response_body(Bytes::from(answer.body), true).await?;
    }
    Ok(())
}
