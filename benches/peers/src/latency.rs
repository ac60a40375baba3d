//! Latency at a fixed rate: what a gateway adds to a request while it has little to do.
//!
//! Requests are due at fixed points in time, whatever became of those before: one that is sent late because another
//! took too long counts from when it was due, so a stall is not hidden by the requests it held up.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::delivery::{self, Deliveries};
use crate::load;

/// Connections that take turns, each on a thread of its own.
const SENDERS: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends every delivery once, `rate` a second; the latencies in no order.
///
/// # Errors
/// When a connection breaks or an answer has another status than the expected one.
pub fn run(
    target: SocketAddr,
    deliveries: Deliveries,
    rate: u32,
    expected: u16,
) -> io::Result<Vec<Duration>> {
    let deliveries = Arc::new(deliveries);
    let begin = Instant::now() + Duration::from_millis(20);
    let apart = Duration::from_secs(1) / rate;
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let deliveries = Arc::clone(&deliveries);
            std::thread::spawn(move || sender(target, &deliveries, number, begin, apart, expected))
        })
        .collect();
    let mut latencies = Vec::new();
    for sender in senders {
        latencies.extend(sender.join().map_err(|_| io::Error::other("a sender's thread broke"))??);
    }
    Ok(latencies)
}

fn sender(
    target: SocketAddr,
    deliveries: &Deliveries,
    first: u32,
    begin: Instant,
    apart: Duration,
    expected: u16,
) -> io::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let (mut latencies, mut request, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    let mut number = first;
    while let Some(head) = deliveries.heads.get(number as usize) {
        request.clear();
        request.extend_from_slice(head);
        request.extend_from_slice(&deliveries.body);
        if let (Some(id), Some(body)) = (deliveries.ids.get(number as usize), request.get_mut(head.len()..)) {
            delivery::put(body, id);
        }
        let due = begin + apart * number;
        let early = due.saturating_duration_since(Instant::now());
        std::thread::sleep(early);
        // Waking up late is the scheduler's doing; being late already when the request was due is the gateway's.
        let started = if early.is_zero() { due } else { Instant::now() };
        stream.write_all(&request)?;
        let status = answered(&mut stream, &mut answer)?;
        latencies.push(started.elapsed());
        if status != expected {
            return Err(io::Error::other(format!("status {status} instead of {expected}")));
        }
        number += SENDERS;
    }
    Ok(latencies)
}

fn answered(stream: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<u16> {
    answer.clear();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
        if let Some((status, length, _)) = load::head(answer)?
            && answer.len() >= length
        {
            return Ok(status);
        }
    }
}
