//! What a connection costs that has sent its head and half of a 64 KiB body, and what is left when it is gone.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::delivery::{self, Kind};
use crate::process::Process;

const BODY: usize = 64 * 1024;

/// KiB of resident memory.
pub struct Memory {
    pub before: u64,
    pub held: u64,
    pub after: u64,
    /// How many connections were open; fewer than asked for when the gateway closed some.
    pub open: usize,
}

/// Opens `count` connections to `target`, sends half a body on each, measures, closes them and measures again.
pub fn half_sent(process: &Process, target: SocketAddr, first: usize, count: usize) -> Memory {
    let before = process.resident();
    let deliveries = delivery::make(Kind::Header, BODY, first, count);
    let mut streams = Vec::with_capacity(count);
    for head in &deliveries.heads {
        let Ok(mut stream) = TcpStream::connect(target) else { continue };
        let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
        let half = deliveries.body.get(..BODY / 2).unwrap_or_default();
        if stream.write_all(head).and_then(|()| stream.write_all(half)).is_ok() {
            streams.push(stream);
        }
    }
    let held = settled(process);
    let open = streams.len();
    drop(streams);
    Memory { before, held, after: settled(process), open }
}

/// Resident memory once it has not changed for a second (or after ten).
fn settled(process: &Process) -> u64 {
    let started = Instant::now();
    let (mut last, mut since) = (process.resident(), Instant::now());
    while since.elapsed() < Duration::from_secs(1) && started.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
        let now = process.resident();
        if now.abs_diff(last) > 64 {
            (last, since) = (now, Instant::now());
        }
    }
    process.resident()
}
