//! A TCP relay in front of a server, which can be made slow: what the server says is held back for a while.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A relay. It lives as long as the test; connections end with their ends.
pub(crate) struct Relay {
    port: u16,
    delay: Arc<AtomicU64>,
    held_back: Arc<AtomicU64>,
}

impl Relay {
    /// To the server on this loopback port; as fast as it can.
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let relay = Self { port, delay: Arc::default(), held_back: Arc::default() };
        let (delay, held_back) = (Arc::clone(&relay.delay), Arc::clone(&relay.held_back));
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                // A server that is not there is a connection that ends.
                let Ok(far) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, server))) else {
                    continue;
                };
                let _ = (near.set_nodelay(true), far.set_nodelay(true));
                let (Ok(near_too), Ok(far_too)) = (near.try_clone(), far.try_clone()) else { continue };
                let (delay, held_back) = (Arc::clone(&delay), Arc::clone(&held_back));
                thread::spawn(move || copy(near, far, || {}));
                thread::spawn(move || {
                    copy(far_too, near_too, || {
                        let millis = delay.load(Ordering::SeqCst);
                        if millis > 0 {
                            held_back.fetch_add(1, Ordering::SeqCst);
                            thread::sleep(Duration::from_millis(millis));
                        }
                    });
                });
            }
        });
        relay
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on each piece of an answer is held back for so long.
    pub(crate) fn hold_back(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// How many pieces were held back so far.
    pub(crate) fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::SeqCst)
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, before: impl Fn()) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        before();
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
