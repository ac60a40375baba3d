//! A host that publishes keys: answers as it is told, and remembers who asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How one request is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// 200 with this body.
    Document(String),
    /// This status, further headers, this body.
    Other(u16, String, String),
    /// Nothing, for this long.
    Silence(Duration),
    /// This after a while.
    Slow(Duration, Box<Reply>),
}

type Answers = Arc<Mutex<Box<dyn Fn(&str) -> Reply + Send>>>;

/// The host, on a loopback port.
pub(crate) struct KeyServer {
    address: SocketAddr,
    answers: Answers,
    heads: Arc<Mutex<Vec<String>>>,
}

impl KeyServer {
    /// Answers each path as `answer` says.
    pub(crate) fn start(answer: impl Fn(&str) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Answers = Arc::new(Mutex::new(Box::new(answer)));
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (given, seen) = (Arc::clone(&answers), Arc::clone(&heads));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (given, seen) = (Arc::clone(&given), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream, &given, &seen));
            }
        });
        Self { address, answers, heads }
    }

    /// Answers otherwise from now on.
    pub(crate) fn answer(&self, answer: impl Fn(&str) -> Reply + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(answer);
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
}

fn serve(mut stream: TcpStream, answers: &Answers, heads: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    heads.lock().unwrap().push(head);
    let reply = answers.lock().unwrap()(&path);
    write(&mut stream, reply);
}

fn write(stream: &mut TcpStream, reply: Reply) {
    let (status, headers, body) = match reply {
        Reply::Document(body) => (200, String::new(), body),
        Reply::Other(status, headers, body) => (status, headers, body),
        Reply::Silence(long) => return std::thread::sleep(long),
        Reply::Slow(long, reply) => {
            std::thread::sleep(long);
            return write(stream, *reply);
        }
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}
