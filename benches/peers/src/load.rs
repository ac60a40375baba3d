//! Closed-loop load: each connection sends its next delivery when it has the answer to the last one.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::delivery::{self, Deliveries};

/// No request takes longer than this, or the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of a run.
pub struct Outcome {
    pub elapsed: Duration,
    /// One per answered request, in no order.
    pub latencies: Vec<Duration>,
    /// Answers with another status than the expected one, and connections that broke.
    pub wrong: usize,
    /// The first of them.
    pub complaint: Option<String>,
}

/// Sends every delivery once over `connections` kept-alive connections.
pub async fn run(
    target: SocketAddr,
    deliveries: Rc<Deliveries>,
    connections: usize,
    expected: u16,
) -> Outcome {
    let next = Rc::new(Cell::new(0));
    let local = LocalSet::new();
    let started = Instant::now();
    let tasks: Vec<_> = (0..connections)
        .map(|_| local.spawn_local(connection(target, Rc::clone(&deliveries), Rc::clone(&next), expected)))
        .collect();
    let mut outcome = Outcome { elapsed: Duration::ZERO, latencies: Vec::new(), wrong: 0, complaint: None };
    local
        .run_until(async {
            for task in tasks {
                if let Ok((latencies, wrong, complaint)) = task.await {
                    outcome.latencies.extend(latencies);
                    outcome.wrong += wrong;
                    outcome.complaint = outcome.complaint.take().or(complaint);
                }
            }
        })
        .await;
    outcome.elapsed = started.elapsed();
    outcome
}

async fn connection(
    target: SocketAddr,
    deliveries: Rc<Deliveries>,
    next: Rc<Cell<usize>>,
    expected: u16,
) -> (Vec<Duration>, usize, Option<String>) {
    let (mut latencies, mut wrong, mut complaint) = (Vec::new(), 0, None);
    let mut stream = None;
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    loop {
        let number = next.get();
        let Some(head) = deliveries.heads.get(number) else { break };
        next.set(number + 1);
        request.clear();
        request.extend_from_slice(head);
        request.extend_from_slice(&deliveries.body);
        if let (Some(id), Some(body)) = (deliveries.ids.get(number), request.get_mut(head.len()..)) {
            delivery::put(body, id);
        }
        let started = Instant::now();
        let result =
            tokio::time::timeout(PATIENCE, exchange(target, &mut stream, &request, &mut answer)).await;
        let problem = match result {
            Ok(Ok(status)) => {
                latencies.push(started.elapsed());
                (status != expected).then(|| format!("status {status} instead of {expected}"))
            }
            Ok(Err(error)) => {
                stream = None;
                Some(error.to_string())
            }
            Err(_) => {
                stream = None;
                Some("no answer in time".into())
            }
        };
        if let Some(problem) = problem {
            wrong += 1;
            complaint.get_or_insert(problem);
        }
    }
    (latencies, wrong, complaint)
}

/// One request and its whole answer. Leaves the connection in `stream` if it may be used again.
async fn exchange(
    target: SocketAddr,
    stream: &mut Option<TcpStream>,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> io::Result<u16> {
    let mut connection = match stream.take() {
        Some(open) => open,
        None => {
            let fresh = TcpStream::connect(target).await?;
            fresh.set_nodelay(true)?;
            fresh
        }
    };
    connection.write_all(request).await?;
    answer.clear();
    loop {
        if connection.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((status, length, keep)) = head(answer)? {
            while answer.len() < length {
                if connection.read_buf(answer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            if keep {
                *stream = Some(connection);
            }
            return Ok(status);
        }
    }
}

/// Status, length of head and body together, and whether the connection stays, once the head is complete.
pub fn head(bytes: &[u8]) -> io::Result<Option<(u16, usize, bool)>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(end) = response.parse(bytes).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let value = |name: &str| {
        response
            .headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(name))
            .and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let Some(length) = value("content-length").and_then(|text| text.parse::<usize>().ok()) else {
        return Err(io::Error::other("an answer without content-length"));
    };
    let keep = !value("connection").is_some_and(|text| text.eq_ignore_ascii_case("close"));
    Ok(Some((response.code.unwrap_or(0), end + length, keep)))
}
