//! A collector of spans, as far as a test needs one: it takes OTLP's JSON over HTTP and keeps it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::client::{find, find_bytes, parse};
use super::eventually;

/// A listening collector. It ends with the test's process.
pub(crate) struct Collector {
    url: String,
    posts: Arc<Mutex<Vec<Post>>>,
}

/// One message: where it was posted to, as what, and its JSON.
#[derive(Clone, Debug)]
struct Post {
    line: String,
    kind: String,
    json: Value,
}

impl Collector {
    /// On a free loopback port, answering everything with this status.
    pub(crate) fn start(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let posts = Arc::<Mutex<Vec<Post>>>::default();
        let kept = Arc::clone(&posts);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, status, &kept));
            }
        });
        Self { url, posts }
    }

    /// Its address, for `otlp`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Value> {
        let posts = self.posts.lock().unwrap();
        let mut spans = Vec::new();
        for post in posts.iter() {
            assert_eq!(post.line, "POST /v1/traces HTTP/1.1");
            assert_eq!(post.kind, "application/json");
            for resource in post.json["resourceSpans"].as_array().unwrap() {
                for scope in resource["scopeSpans"].as_array().unwrap() {
                    spans.extend(scope["spans"].as_array().unwrap().iter().cloned());
                }
            }
        }
        spans
    }

    /// The name under which the gateway reports.
    pub(crate) fn service(&self) -> String {
        let posts = self.posts.lock().unwrap();
        attribute(&posts[0].json["resourceSpans"][0]["resource"], "service.name").unwrap()
    }

    /// Waits for the spans of this trace.
    pub(crate) fn trace(&self, id: &str) -> Vec<Value> {
        eventually("the trace is collected", || {
            let of_it: Vec<_> = self.spans().into_iter().filter(|span| span["traceId"] == id).collect();
            (!of_it.is_empty()).then_some(of_it)
        })
    }
}

/// An attribute of a span as text.
pub(crate) fn attribute(span: &Value, key: &str) -> Option<String> {
    let all = span["attributes"].as_array()?;
    let value = &all.iter().find(|attribute| attribute["key"] == key)?["value"];
    let value = value.as_object()?.values().next()?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn serve(mut stream: TcpStream, status: u16, posts: &Mutex<Vec<Post>>) {
    let mut read = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = find_bytes(&read, b"\r\n\r\n") {
                break read.drain(..end + 4).collect::<Vec<_>>();
            }
            if !more(&mut stream, &mut read) {
                return;
            }
        };
        let head = String::from_utf8(head).unwrap();
        let line = head.lines().next().unwrap().to_owned();
        let (_, headers) = parse(&head.replacen(&line, "HTTP/1.1 200 OK", 1));
        let length: usize = find(&headers, "content-length").unwrap().parse().unwrap();
        while read.len() < length {
            if !more(&mut stream, &mut read) {
                return;
            }
        }
        let body: Vec<u8> = read.drain(..length).collect();
        let kind = find(&headers, "content-type").unwrap_or_default().to_owned();
        posts.lock().unwrap().push(Post { line, kind, json: serde_json::from_slice(&body).unwrap() });
        let answer = format!("HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\n{{}}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> bool {
    let mut piece = [0; 64 * 1024];
    match stream.read(&mut piece) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            read.extend_from_slice(&piece[..length]);
            true
        }
    }
}
