//! With a full journal the page is as quick as with an empty one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::scene::{Scene, event};
use crate::support::client::{Client, Request};
use crate::support::sender::plain;

const ENTRIES: usize = 100_000;
const CONNECTIONS: usize = 8;

#[test]
fn with_100_000_entries_document_and_first_list_are_there_at_once() {
    let mut scene = Scene::keeping("none, size: 512MiB, entries: 200000", |setup| setup);
    fill(&scene);
    let host = scene.gateway.admin().to_string();
    let mut client = Client::connect(scene.gateway.admin());
    let mut times = Vec::new();
    for _ in 0..20 {
        let begun = Instant::now();
        for target in ["/", "/api/deliveries?limit=50"] {
            let answer = client.exchange(&Request::new("GET", target).header("Host", host.clone()));
            assert_eq!(answer.status, 200, "{target}");
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!(
        "document and first list with {ENTRIES} entries: median {median:?}, longest {:?}",
        times[times.len() - 1]
    );
    // The goal is 100 ms on a machine of its own, in a release build; this one may be busy.
    assert!(median < Duration::from_secs(1), "{times:?}");

    let begun = Instant::now();
    scene.open_list(50);
    println!("in the browser, live: {:?}", begun.elapsed());
    scene.clean();
}

/// Copies of one event: the cheapest entries there are.
fn fill(scene: &Scene) {
    let address = scene.gateway.address;
    let delivery = plain("/hook", event("evt-1", "order.paid"));
    assert_eq!(scene.gateway.send(&delivery).text(), "ok");
    let bytes = delivery.bytes();
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let bytes = bytes.clone();
            std::thread::spawn(move || {
                let mut left = ENTRIES / CONNECTIONS;
                // The gateway may end a connection after an answer; the next one goes on.
                while left > 0 {
                    let mut stream = TcpStream::connect(address).unwrap();
                    while left > 0 && sent(&mut stream, &bytes) {
                        left -= 1;
                    }
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let (mut held, mut dropped) = (0, 0);
    crate::support::eventually("the journal has them", || {
        let journal = &scene.gateway.json("/api/stats?window=1h")["journal"];
        (held, dropped) = (journal["entries"].as_u64().unwrap(), journal["dropped"].as_u64().unwrap());
        (held + dropped >= ENTRIES as u64).then_some(())
    });
    println!("{held} held, {dropped} dropped");
    assert!(held >= ENTRIES as u64 * 9 / 10, "{held} held, {dropped} dropped");
}

/// Whether the delivery was answered.
fn sent(stream: &mut TcpStream, delivery: &[u8]) -> bool {
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    if stream.write_all(delivery).is_err() {
        return false;
    }
    while !answer.ends_with(b"\r\n\r\nok") {
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => answer.extend_from_slice(&buffer[..read]),
            _ => return false,
        }
    }
    true
}
