//! The sender's side: signs as the real one does and posts over a plain socket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::catalog::{self, Provider};
use crate::clock;
use crate::secret::Secret;
use crate::time::UnixTime;
use crate::verify::sign::{SignRequest, sign};

use super::super::output::Failure;
use super::receiver::PATIENCE;
use super::{PATH, PROVIDER, SECRET};

/// Signs and posts to one gateway.
pub(super) struct Sender {
    gateway: SocketAddr,
    provider: Arc<Provider>,
}

/// What is posted.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

/// What the sender is told.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `sealpost-result`.
    pub(super) result: Option<String>,
    pub(super) body: String,
}

impl Sender {
    pub(super) fn new(gateway: SocketAddr) -> Result<Self, Failure> {
        let provider = catalog::find(PROVIDER);
        let provider =
            provider.ok_or_else(|| Failure::Failed(format!("`{PROVIDER}` is not in the catalogue")))?;
        Ok(Self { gateway, provider })
    }

    /// An event signed `age` ago.
    pub(super) fn signed(&self, event: &str, age: Duration) -> Result<Delivery, String> {
        let body = format!("{{\"id\":\"{event}\",\"type\":\"SecretUpdated\",\"data\":{{\"price\":10.0}}}}")
            .into_bytes();
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let request = SignRequest {
            method: "POST",
            url: &format!("http://{}{PATH}", self.gateway),
            headers: &HeaderMap::new(),
            body: &body,
            id: None,
            timestamp: UnixTime::from_millis(clock::now().millis().saturating_sub(age)),
        };
        let secret = Secret::new(SECRET.as_bytes().to_vec());
        let signed = sign(&self.provider.scheme, &secret, &request).map_err(|error| error.to_string())?;
        Ok(Delivery { headers: signed.headers, body: signed.body })
    }

    /// Posts it on a connection of its own.
    pub(super) fn post(&self, delivery: &Delivery) -> Result<Answer, String> {
        self.exchange(delivery).map_err(|error| format!("the gateway did not answer: {error}"))
    }

    fn exchange(&self, delivery: &Delivery) -> std::io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&self.gateway, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut request = format!(
            "POST {PATH} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.gateway,
            delivery.body.len()
        );
        for (name, value) in &delivery.headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(&[request.as_bytes(), &delivery.body].concat())?;
        let mut answer = Vec::new();
        stream.take(1024 * 1024).read_to_end(&mut answer)?;
        parse(&answer).ok_or_else(|| std::io::Error::other("its answer is not HTTP"))
    }
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = response.parse(answer).ok()? else { return None };
    let status = response.code?;
    let result = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("sealpost-result"));
    let result = result.map(|header| String::from_utf8_lossy(header.value).into_owned());
    Some(Answer { status, result, body: String::from_utf8_lossy(answer.get(start..)?).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_with_its_result() {
        let answer = parse(b"HTTP/1.1 200 OK\r\nSealpost-Result: duplicate\r\n\r\n{}").unwrap();
        assert_eq!((answer.status, answer.result.as_deref(), &*answer.body), (200, Some("duplicate"), "{}"));
        assert!(parse(b"HTTP/1.1 200 OK\r\n").is_none());
    }
}
