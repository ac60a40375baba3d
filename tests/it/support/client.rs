//! A client that sends exactly the bytes it is given and shows exactly what came back.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::DEADLINE;

/// A request in the making. `Host` and `Content-Length` are added unless given.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// The request target as written on the wire.
    pub(crate) target: String,
    /// Header lines in order.
    pub(crate) headers: Vec<(String, String)>,
    /// The content.
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// Another method.
    pub(crate) fn method(mut self, method: &str) -> Self {
        self.method = method.into();
        self
    }

    /// Adds a header line.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Replaces all lines of a header by one.
    pub(crate) fn with(self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).header(name, value)
    }

    /// Removes all lines of a header.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self
    }

    /// Replaces the body; the signature stays as it was.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The first value of a header.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The head with a `Content-Length` of `length`.
    pub(crate) fn head(&self, length: u64) -> Vec<u8> {
        self.head_with(&format!("Content-Length: {length}\r\n"))
    }

    /// The head with these framing lines.
    pub(crate) fn head_with(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if self.value("host").is_none() {
            head.push_str("Host: hooks.example.com\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(framing);
        head.push_str("\r\n");
        head.into_bytes()
    }

    /// The whole request with its exact length.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u64::try_from(self.body.len()).unwrap();
        let framed = self.value("content-length").is_some() || self.value("transfer-encoding").is_some();
        let bare = self.body.is_empty() && matches!(self.method.as_str(), "GET" | "HEAD");
        let head = if framed || bare { self.head_with("") } else { self.head(length) };
        [head, self.body.clone()].concat()
    }

    /// The whole request in chunks of `size` bytes, each with this extension, ended by these trailer lines.
    pub(crate) fn chunked(&self, size: usize, extension: &str, trailers: &str) -> Vec<u8> {
        let mut bytes = self.head_with("Transfer-Encoding: chunked\r\n");
        for chunk in self.body.chunks(size) {
            bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).into_bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(format!("0{extension}\r\n{trailers}\r\n").into_bytes());
        bytes
    }
}

/// An answer as it came over the wire.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Status line and header lines, as text.
    pub(crate) head: String,
    /// Header lines in order.
    pub(crate) headers: Vec<(String, String)>,
    /// The content, without chunk framing.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Checks status and the one line of JSON that an error has.
    pub(crate) fn expect_error(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        let body: serde_json::Value = serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("the body of an error is JSON: {self:?}"));
        assert!(body["error"].is_string(), "{self:?}");
        assert!(!self.text().trim_end().contains('\n'), "one line: {self:?}");
        self
    }

    /// Checks that it is a 503 that says when to come back.
    pub(crate) fn expect_come_back(&self) -> &Self {
        self.expect_error(503);
        let after = self.header("retry-after").unwrap_or_else(|| panic!("no Retry-After: {self:?}"));
        assert!(after.parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{self:?}");
        self
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.body[..self.body.len().min(500)];
        write!(f, "«{}{}»", self.head, String::from_utf8_lossy(shown))
    }
}

/// Anything bytes go through.
pub(crate) trait Wire: Read + Write + Send {
    /// Bounds each read.
    fn set_timeout(&mut self, timeout: Duration);
    /// Ends our direction, so that the peer reads the end.
    fn finish(&mut self);
}

impl Wire for TcpStream {
    fn set_timeout(&mut self, timeout: Duration) {
        self.set_read_timeout(Some(timeout)).unwrap();
    }

    fn finish(&mut self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// One connection.
pub(crate) struct Client {
    wire: Box<dyn Wire>,
    read: Vec<u8>,
}

impl Client {
    /// Connects over TCP.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Self::over(Box::new(stream))
    }

    /// Uses a connection that is there already.
    pub(crate) fn over(mut wire: Box<dyn Wire>) -> Self {
        wire.set_timeout(DEADLINE);
        Self { wire, read: Vec::new() }
    }

    /// Sends bytes. A peer that closed early is no failure here: its answer tells.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> &mut Self {
        let _ = self.wire.write_all(bytes).and_then(|()| self.wire.flush());
        self
    }

    /// Ends our direction of the connection.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.wire.finish();
        self
    }

    /// Sends a request and reads its final answer.
    pub(crate) fn exchange(&mut self, request: &Request) -> Answer {
        self.send(&request.bytes());
        self.final_answer(&request.method)
    }

    /// Reads the next answer, a 1xx as well.
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("POST").expect("an answer, but the connection ended")
    }

    /// Reads answers up to the first that is not 1xx.
    pub(crate) fn final_answer(&mut self, method: &str) -> Answer {
        loop {
            let answer = self.answer_to(method).expect("an answer, but the connection ended");
            if answer.status >= 200 {
                return answer;
            }
        }
    }

    /// Reads the next answer; `None` when the connection ends (or is reset) instead.
    ///
    /// # Panics
    /// When nothing comes within the deadline, and when the answer is not HTTP.
    pub(crate) fn answer_to(&mut self, method: &str) -> Option<Answer> {
        let end = loop {
            if let Some(at) = find_bytes(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill() {
                assert!(self.read.is_empty(), "half an answer: {}", String::from_utf8_lossy(&self.read));
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let (status, headers) = parse(&head);
        let mut answer = Answer { status, head, headers, body: Vec::new() };
        if method != "HEAD" && status >= 200 && status != 204 && status != 304 {
            answer.body = self.body(&answer);
        }
        Some(answer)
    }

    /// Whether the peer ends the connection without another byte, within the deadline.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.fill()
    }

    /// Everything that comes until the connection ends.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.read)
    }

    fn body(&mut self, answer: &Answer) -> Vec<u8> {
        if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            let mut body = Vec::new();
            loop {
                let line = self.line();
                let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16).unwrap();
                body.extend(self.exactly(size));
                assert_eq!(self.line(), "", "the end of a chunk");
                if size == 0 {
                    return body;
                }
            }
        }
        match answer.header("content-length") {
            Some(length) => self.exactly(length.parse().unwrap()),
            None => self.rest(),
        }
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(at) = find_bytes(&self.read, b"\r\n") {
                let line: Vec<u8> = self.read.drain(..at + 2).collect();
                return String::from_utf8(line[..at].to_vec()).unwrap();
            }
            assert!(self.fill(), "the answer ended within a line");
        }
    }

    fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.fill(), "the answer ended after {} of {length} bytes", self.read.len());
        }
        self.read.drain(..length).collect()
    }

    /// Reads more; false at the end of the connection.
    fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        match self.wire.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.read.extend(&buffer[..count]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came within {DEADLINE:?}; so far: {}", String::from_utf8_lossy(&self.read))
            }
            Err(_) => false,
        }
    }
}

/// Status and headers of a head.
pub(crate) fn parse(head: &str) -> (u16, Vec<(String, String)>) {
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap_or_default();
    let status = status.parse().unwrap_or_default();
    (
        status,
        lines.filter_map(|line| line.split_once(':')).map(|(n, v)| (n.into(), v.trim().into())).collect(),
    )
}

/// The first value of a header.
pub(crate) fn find<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Where `needle` begins.
pub(crate) fn find_bytes(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
