//! The admin address on Pingora: reads a request's head, lets [`Admin::answer`] decide, writes the answer.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header;
use pingora::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora::http::ResponseHeader;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;

use super::{Admin, AdminAnswer};

/// The whole head must be here by then; a connection that is kept may be silent for as long.
const HEAD: Duration = Duration::from_secs(30);

/// Writing a page takes no longer than this, however slowly it is read.
pub(super) const WRITE: Duration = Duration::from_secs(30);

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

pub(super) fn target(head: &pingora::http::RequestHeader) -> String {
    head.uri.path_and_query().map_or_else(|| head.uri.path().to_owned(), |target| target.as_str().to_owned())
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
pub(super) mod tests {
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

    fn quiet() -> AdminApp {
        app(Arc::new(Quiet), Arc::default(), None)
    }

    /// Serves one connection to its end.
    pub(in crate::admin) async fn serve(listener: TcpListener, app: AdminApp) {
        let (stream, _) = listener.accept().await.unwrap();
        let (_shutdown, watch) = watch::channel(false);
        let app = Arc::new(app);
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
        let server = tokio::spawn(serve(listener, quiet()));
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
        let server = tokio::spawn(serve(listener, quiet()));
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
