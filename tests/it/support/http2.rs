//! HTTP/2 on either side: a client that speaks to the gateway, an upstream that the gateway speaks to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::DEADLINE;
use super::certificate::Certificate;

/// Runs an asynchronous test on a runtime of its own, within the deadline.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE * 2, test).await.expect("the test ends in time") })
}

/// An HTTP/2 connection to the gateway.
pub(crate) struct Client(SendRequest<Bytes>);

/// What came back on a stream.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// With prior knowledge, in cleartext.
    pub(crate) async fn cleartext(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap()).await
    }

    /// Inside TLS, chosen by ALPN.
    pub(crate) async fn tls(address: SocketAddr, certificate: &Certificate) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = "hooks.example.com".try_into().unwrap();
        let connector = TlsConnector::from(certificate.client(&["h2", "http/1.1"]));
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()), "HTTP/2 was chosen");
        Self::over(stream).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Self(client)
    }

    /// Begins a request; the body goes into the stream that is returned.
    pub(crate) async fn begin(
        &mut self,
        request: Request<()>,
        ends: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        let mut ready = self.0.clone().ready().await.unwrap();
        ready.send_request(request, ends).unwrap()
    }

    /// Sends a whole request and reads the whole answer; an error is the stream's or the connection's.
    pub(crate) async fn exchange(&mut self, request: Request<()>, body: &[u8]) -> Result<Answer, h2::Error> {
        let mut ready = self.0.clone().ready().await?;
        let (answer, mut stream) = ready.send_request(request, body.is_empty())?;
        // The answer may come before the body is taken, so both go on at once.
        let (sent, answer) = tokio::join!(
            async { if body.is_empty() { Ok(()) } else { send(&mut stream, body).await } },
            read(answer)
        );
        answer.map_err(|error| sent.err().unwrap_or(error))
    }
}

/// Sends a body as the peer's window allows, and ends the stream.
pub(crate) async fn send(stream: &mut SendStream<Bytes>, mut body: &[u8]) -> Result<(), h2::Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len());
        let Some(capacity) = std::future::poll_fn(|context| stream.poll_capacity(context)).await else {
            return Ok(());
        };
        let (now, later) = body.split_at(capacity?.min(body.len()));
        stream.send_data(Bytes::copy_from_slice(now), later.is_empty())?;
        body = later;
    }
    Ok(())
}

/// Reads an answer with its body.
pub(crate) async fn read(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let answer = answer.await?;
    let (parts, mut stream) = answer.into_parts();
    let body = collect(&mut stream).await?;
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

async fn collect(stream: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// A request as an HTTP/2 upstream received it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The number of the connection it came on, from 0.
    pub(crate) connection: usize,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What an upstream does with a request instead of an answer, once it has read all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fall {
    /// It ends the connection without a word of HTTP/2.
    Close,
    /// It says GOAWAY, by which it has taken the request, and ends the connection.
    GoAway,
    /// It breaks the connection (RST).
    Reset,
    /// It says that it has not taken the request (REFUSED_STREAM).
    Refuse,
}

/// An upstream that speaks HTTP/2 inside TLS and answers 200 `ok`. It ends with the runtime it was started on.
pub(crate) struct Upstream {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: Vec<Recorded>,
    next: Option<Fall>,
}

impl Upstream {
    /// On a free loopback port, within the running runtime.
    pub(crate) async fn start(certificate: &Certificate) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let seen = Arc::<Mutex<Seen>>::default();
        let acceptor = TlsAcceptor::from(certificate.server(&["h2"]));
        let shared = seen.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (acceptor, seen) = (acceptor.clone(), shared.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = serve(stream, number, seen).await;
                    }
                });
            }
        });
        Self { url, seen }
    }

    /// What becomes of the next request.
    pub(crate) fn next(&self, fall: Fall) {
        self.seen.lock().unwrap().next = Some(fall);
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.seen.lock().unwrap().requests.clone()
    }
}

async fn serve(stream: TlsStream<TcpStream>, number: usize, seen: Arc<Mutex<Seen>>) -> Result<(), h2::Error> {
    let socket = SockRef::from(stream.get_ref().0).try_clone().unwrap();
    let mut connection = h2::server::handshake(stream).await?;
    let (fell, mut falls) = mpsc::channel(1);
    loop {
        let next = tokio::select! {
            next = connection.accept() => next,
            Some(fall) = falls.recv() => match fall {
                Fall::GoAway => {
                    connection.abrupt_shutdown(h2::Reason::NO_ERROR);
                    continue;
                }
                Fall::Reset => {
                    socket.set_linger(Some(Duration::ZERO)).unwrap();
                    return Ok(());
                }
                Fall::Close | Fall::Refuse => return Ok(()),
            },
        };
        let Some(next) = next else { return Ok(()) };
        let (request, mut respond) = next?;
        let (seen, fell) = (seen.clone(), fell.clone());
        tokio::spawn(async move {
            let (parts, mut stream) = request.into_parts();
            let body = collect(&mut stream).await?;
            let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let fall = {
                let mut seen = seen.lock().unwrap();
                seen.requests.push(Recorded { connection: number, path, headers: parts.headers, body });
                seen.next.take()
            };
            match fall {
                Some(Fall::Refuse) => {
                    respond.send_reset(h2::Reason::REFUSED_STREAM);
                    return Ok(());
                }
                Some(fall) => {
                    fell.send(fall).await.unwrap();
                    // Dropped, the stream would be reset before the connection goes.
                    return std::future::pending().await;
                }
                None => {}
            }
            let answer = Response::builder().status(StatusCode::OK).body(()).unwrap();
            respond.send_response(answer, false)?.send_data(Bytes::from_static(b"ok"), true)
        });
    }
}
