//! Good requests at a fixed rate, whatever the gateway does (an open loop), and the upstream that answers them.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::http::{delivery, message};

/// Good requests a second.
const RATE: u32 = 200;
const BODY: usize = 2048;

/// A connection and what was read ahead on it.
type Idle = Rc<RefCell<Vec<(TcpStream, Vec<u8>)>>>;

/// Sends good requests for so long. Their times from when each was due, in order of length, and how many failed.
pub(crate) async fn send(address: SocketAddr, lasts: Duration) -> (Vec<Duration>, usize) {
    thread_local!(static COUNT: Cell<u64> = const { Cell::new(0) });
    let idle = Idle::default();
    let times = Rc::<RefCell<Vec<Duration>>>::default();
    let failed = Rc::<Cell<usize>>::default();
    let local = LocalSet::new();
    let (all, wrong) = (times.clone(), failed.clone());
    local.spawn_local(async move {
        let mut clock = tokio::time::interval(Duration::from_secs(1) / RATE);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let until = Instant::now() + lasts;
        loop {
            let due = clock.tick().await;
            if due > until {
                return;
            }
            let id = COUNT.replace(COUNT.get() + 1);
            let (idle, all, wrong) = (idle.clone(), all.clone(), wrong.clone());
            tokio::task::spawn_local(async move {
                let one = tokio::time::timeout(Duration::from_secs(20), exchange(address, &idle, id));
                match one.await {
                    Ok(Some(line)) if line.contains(" 200 ") => all.borrow_mut().push(due.elapsed()),
                    _ => wrong.set(wrong.get() + 1),
                }
            });
        }
    });
    local.await;
    let mut times = times.take();
    times.sort_unstable();
    (times, failed.get())
}

async fn exchange(address: SocketAddr, idle: &Idle, id: u64) -> Option<String> {
    let (head, body) = delivery(&format!("good-{id}"), BODY, true);
    let waiting = idle.borrow_mut().pop();
    let (mut stream, mut read) = match waiting {
        Some(one) => one,
        None => {
            let stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            (stream, Vec::new())
        }
    };
    stream.write_all(&[head, body].concat()).await.ok()?;
    let line = message(&mut stream, &mut read).await?;
    idle.borrow_mut().push((stream, read));
    Some(line)
}

/// The time within which this share of them was answered.
pub(crate) fn quantile(times: &[Duration], share: f64) -> Duration {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = (times.len() as f64 * share).ceil() as usize;
    times.get(at.max(1).min(times.len()) - 1).copied().unwrap_or_default()
}

/// An upstream that reads each request and answers 200.
pub(crate) async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.set_nodelay(true);
                let mut read = Vec::new();
                while message(&mut stream, &mut read).await.is_some() {
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}
