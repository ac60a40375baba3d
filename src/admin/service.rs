//! The admin address on Pingora: reads a request's head, lets [`Admin::answer`] decide, writes the answer. What goes on for
//! long, the stream of deliveries and their export, is written piece by piece.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use super::answer::Place;
use super::{Admin, AdminAnswer};
use crate::journal::{Filter, Followed, Following, cursor};

/// The whole head must be here by then; a connection that is kept may be silent for as long.
const HEAD: Duration = Duration::from_secs(30);

/// Writing a page takes no longer than this, however slowly it is read.
const WRITE: Duration = Duration::from_secs(30);

/// How often a stream without news says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

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
        // A body is not read; Pingora ends a connection whose request has more to come.
        session.set_keepalive((!*shutdown.borrow()).then_some(HEAD.as_secs()));
        let answer = match self.long(&session).await {
            None => self.decide(&session).await,
            Some(Err(answer)) => answer,
            Some(Ok(long)) => {
                // Boxed, because hardly any connection is for one.
                let written = Box::pin(self.write_long(&mut session, long, shutdown.clone())).await;
                return finish(session, written.is_ok()).await;
            }
        };
        let written = tokio::time::timeout(WRITE, write(&mut session, answer)).await.ok()?;
        finish(session, written.is_ok()).await
    }
}

async fn finish(session: ServerSession, whole: bool) -> Option<ReusedHttpStream> {
    if !whole {
        return None;
    }
    let settings = HttpPersistentSettings::for_session(&session);
    let stream = session.finish().await.ok()??;
    Some(ReusedHttpStream::from_reusable_stream(stream, settings))
}

/// What is written piece by piece.
enum Long {
    Stream(Following),
    Export(Filter),
}

impl AdminApp {
    /// Reloading reads files and a page of metrics can be long: neither belongs on a thread that serves.
    async fn decide(&self, session: &ServerSession) -> AdminAnswer {
        let admin = Arc::clone(&self.0);
        let head = session.req_header();
        let (method, headers) = (head.method.clone(), head.headers.clone());
        let target = target(head);
        tokio::task::spawn_blocking(move || admin.answer(method.as_str(), &target, &headers))
            .await
            .unwrap_or_else(|_| AdminAnswer::failure())
    }
}

impl AdminApp {
    /// Whether something is asked for that is written piece by piece, or why it is not to be had.
    async fn long(&self, session: &ServerSession) -> Option<Result<Long, AdminAnswer>> {
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
            return Some(self.0.export(query).map(Long::Export).map_err(AdminAnswer::from));
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

    async fn write_long(
        &self,
        session: &mut ServerSession,
        long: Long,
        mut shutdown: ShutdownWatch,
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
            Long::Stream(mut following) => {
                put(session, ": hello\n\n".to_owned()).await?;
                loop {
                    let piece = tokio::select! {
                        next = tokio::time::timeout(HEARTBEAT, following.next()) => match next {
                            Ok(Some(next)) => told(next),
                            Ok(None) => break,
                            Err(_) => ": still here\n\n".to_owned(),
                        },
                        _ = shutdown.changed() => break,
                    };
                    put(session, piece).await?;
                }
            }
            Long::Export(filter) => {
                let mut after = None;
                loop {
                    let (admin, filter) = (Arc::clone(&self.0), filter.clone());
                    let lines = tokio::task::spawn_blocking(move || admin.exported(&filter, after)).await;
                    let Ok(Some((lines, last))) = lines else { break };
                    after = Some(last);
                    put(session, lines).await?;
                }
            }
        }
        session.write_response_body(Bytes::new(), true).await
    }
}

fn target(head: &pingora::http::RequestHeader) -> String {
    head.uri.path_and_query().map_or_else(|| head.uri.path().to_owned(), |target| target.as_str().to_owned())
}

/// One event of the stream.
fn told(next: Followed) -> String {
    match next {
        Followed::Entry(found) => {
            format!("event: delivery\nid: {}\ndata: {}\n\n", cursor(found.entry.number), found.summary())
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

async fn write(session: &mut ServerSession, answer: AdminAnswer) -> pingora::Result<()> {
    let mut head = ResponseHeader::build(answer.status, Some(answer.headers.len() + 1))?;
    for (name, value) in answer.headers {
        head.append_header(name, value)?;
    }
    // The length of a 304 would be that of what is not sent (RFC 9110, section 8.6).
    if answer.status != 304 {
        head.insert_header(header::CONTENT_LENGTH, answer.body.len())?;
    }
    session.write_response_header(Box::new(head)).await?;
    // Pingora keeps the body of an answer to a HEAD to itself.
    session.write_response_body(answer.body, true).await
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use pingora::apps::ServerApp as _;
    use pingora::protocols::l4::stream::Stream;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    use super::*;
    use crate::admin::{Status, app};
    use crate::metrics::Gauges;

    struct Quiet;

    impl Status for Quiet {
        fn ready(&self) -> Result<(), Vec<String>> {
            Ok(())
        }

        fn gauges(&self) -> Gauges {
            Gauges::default()
        }

        fn routes(&self) -> Value {
            json!([])
        }

        fn first_contacts(&self) -> Value {
            json!([])
        }

        fn config(&self) -> Value {
            json!({})
        }

        fn reload(&self) -> Result<Value, String> {
            Ok(json!({ "hash": "fedcba9876543210" }))
        }
    }

    /// Serves one connection to its end.
    async fn serve(listener: TcpListener) {
        let (stream, _) = listener.accept().await.unwrap();
        let (_shutdown, watch) = watch::channel(false);
        let app = Arc::new(app(Arc::new(Quiet), Arc::default(), None));
        let mut stream: Option<pingora::protocols::Stream> = Some(Box::new(Stream::from(stream)));
        while let Some(open) = stream {
            stream = app.process_new(open, &watch).await;
        }
    }

    /// All that comes back on one connection for these bytes, until it is closed.
    async fn exchange(requests: &str) -> String {
        tokio::time::timeout(Duration::from_secs(20), exchanged(requests)).await.expect("it hangs")
    }

    async fn exchanged(requests: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = tokio::spawn(serve(listener));
        client.write_all(requests.as_bytes()).await.unwrap();
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        server.await.unwrap();
        answers
    }

    #[tokio::test]
    async fn an_answer_has_its_length_and_its_headers() {
        let answer = exchange("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, "{\"status\":\"alive\"}\n");
        let mut lines = head.split("\r\n");
        assert_eq!(lines.next(), Some("HTTP/1.1 200 OK"));
        let headers: HeaderMap = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        assert_eq!(headers["content-length"], "19");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn a_head_has_the_length_and_nothing_more() {
        let answer = exchange("HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        assert!(answer.to_ascii_lowercase().contains("\r\ncontent-length: 19\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_request_with_a_body_is_answered_and_its_connection_ends() {
        let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let answer = exchange(&format!(
            "POST /api/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{smuggled}{smuggled}",
            smuggled.len()
        ))
        .await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        assert!(answer.ends_with("\r\n\r\n{\"hash\":\"fedcba9876543210\"}\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_body_that_never_comes_is_not_waited_for() {
        let request = "POST /api/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
        assert!(exchange(request).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }

    #[tokio::test]
    async fn a_connection_is_used_again() {
        let first = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let last = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let server = tokio::spawn(serve(listener));
        client.write_all(first.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"{\"status\":\"alive\"}\n") {
            assert_ne!(client.read_buf(&mut read).await.unwrap(), 0, "it was closed");
        }
        client.write_all(last.as_bytes()).await.unwrap();
        client.read_to_end(&mut read).await.unwrap();
        assert!(read.ends_with(b"{\"status\":\"ready\"}\n"));
        server.await.unwrap();
    }
}
