//! What each store costs: commits through the library, with and without waiting for the disk, and deliveries through
//! the gateway, in processor time of the gateway. `cargo bench --bench stores [-- FOLDER]`; the disk store's file lies
//! in FOLDER (default: the target directory). Needs Linux and a Redis or Valkey; about a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "it measures time")]
#![allow(missing_docs)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sealpost::clock;
use sealpost::dedupe::{Answer, Claim, DiskOptions, DiskStore, EventKey, MemoryLimits, Store};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

#[path = "../tests/it/support/redis.rs"]
mod redis;

const LIMITS: MemoryLimits = MemoryLimits { entries: 1_000_000, answers_bytes: 64 << 20 };
const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(24 * 3600);
const SECRET: &str = "correct-horse-battery-staple";
const ROUNDS: usize = 5;
/// Connections of the load, each with one delivery after the other.
const CONNECTIONS: usize = 64;
const DELIVERIES: u64 = 20_000;

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = given.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::Builder::new().prefix("stores-").tempdir_in(folder).unwrap();
    let runtime = Runtime::new().unwrap();
    start(&runtime, folder.path());
    commits(&runtime, folder.path());
    deliveries(&runtime, folder.path());
}

/// How long a start takes with a full store: every page is read and checked.
fn start(runtime: &Runtime, folder: &Path) {
    let folder = folder.join("full");
    let open = |fsync| {
        let options = DiskOptions { folder: folder.clone(), limits: LIMITS, fsync };
        Arc::new(DiskStore::open(&options, clock::now()).unwrap())
    };
    let store = open(false);
    runtime.block_on(async {
        let workers = (0..500).map(|worker| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0..LIMITS.entries / 500 {
                    commit(&store, &format!("{worker}-{number}")).await;
                }
            })
        });
        for worker in workers.collect::<Vec<_>>() {
            worker.await.unwrap();
        }
    });
    drop(store);
    let began = Instant::now();
    let store = open(true);
    println!("a start with {} events takes {:.1?}\n", store.entries(), began.elapsed());
}

/// Claims and commits through the library, so many at once.
fn commits(runtime: &Runtime, folder: &Path) {
    println!("commits through the disk store, each with an answer of 30 bytes\n");
    println!("| at once | fsync | a second | longest 1 % | CPU µs each |\n|---|---|---|---|---|");
    for at_once in [1_usize, 4, 16, 64, 256] {
        for fsync in [true, false] {
            let folder = folder.join(format!("{at_once}-{fsync}"));
            let store =
                DiskStore::open(&DiskOptions { folder, limits: LIMITS, fsync }, clock::now()).unwrap();
            let store = Arc::new(store);
            let each = if fsync { 150 } else { 4000 / at_once.min(40) };
            let (cpu, began) = (cpu("self"), Instant::now());
            let mut took = runtime.block_on(async {
                let workers = (0..at_once).map(|worker| {
                    let store = Arc::clone(&store);
                    tokio::spawn(async move {
                        let mut took = Vec::new();
                        for number in 0..each {
                            took.push(commit(&store, &format!("{worker}-{number}")).await);
                        }
                        took
                    })
                });
                let mut took = Vec::new();
                for worker in workers.collect::<Vec<_>>() {
                    took.append(&mut worker.await.unwrap());
                }
                took
            });
            let (elapsed, cpu) = (began.elapsed().as_secs_f64(), self::cpu("self") - cpu);
            took.sort_unstable();
            let count = took.len() as f64;
            let slow = took[took.len() * 99 / 100];
            let fsync = if fsync { "on" } else { "off" };
            println!(
                "| {at_once} | {fsync} | {:.0} | {slow:.1?} | {:.1} |",
                count / elapsed,
                cpu * 1e6 / count
            );
        }
    }
}

async fn commit(store: &DiskStore, name: &str) -> Duration {
    let key = EventKey(Sha256::digest(name).into());
    let Ok(Claim::New(lease)) = store.claim(&key, clock::now(), LEASE).await else { panic!("{name} is new") };
    let answer = Answer { status: 200, content_type: None, body: r#"{"received":true,"order":4711}"#.into() };
    let began = Instant::now();
    store.commit(&key, lease.token, clock::now(), TTL, Some(answer)).await.unwrap();
    began.elapsed()
}

/// Deliveries through the gateway with each store, taking turns.
fn deliveries(runtime: &Runtime, folder: &Path) {
    let redis = redis::RedisServer::start();
    let upstream = runtime.block_on(upstream());
    let disk = format!("store: disk, path: \"{}\"", folder.join("gateway").display());
    let stores = [
        ("memory", "store: memory".to_owned()),
        ("disk", disk),
        ("redis", format!("store: redis, timeout: 5s, url: \"{}\"", redis.url())),
    ];
    let gateways: Vec<_> =
        stores.iter().map(|(name, dedupe)| Gateway::start(folder, name, dedupe, upstream)).collect();
    let mut costs = vec![Vec::new(); gateways.len()];
    let mut rates = vec![Vec::new(); gateways.len()];
    let ids = Arc::new(AtomicU64::new(0));
    for round in 0..=ROUNDS {
        for (at, gateway) in gateways.iter().enumerate() {
            let count = if round == 0 { DELIVERIES / 10 } else { DELIVERIES };
            let (cpu, began) = (gateway.cpu(), Instant::now());
            runtime.block_on(load(gateway.address, count, &ids));
            if round > 0 {
                costs[at].push((gateway.cpu() - cpu) * 1e6 / count as f64);
                rates[at].push(count as f64 / began.elapsed().as_secs_f64());
            }
        }
    }
    println!("\ndeliveries of 2 KiB through the gateway, one worker thread, {CONNECTIONS} connections\n");
    println!("| store | CPU µs each | against memory | a second |\n|---|---|---|---|");
    let memory = median(&costs[0]);
    for (at, (name, _)) in stores.iter().enumerate() {
        let cost = median(&costs[at]);
        println!("| {name} | {cost:.1} | {:.2} | {:.0} |", cost / memory, median(&rates[at]));
    }
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start(folder: &Path, name: &str, dedupe: &str, upstream: SocketAddr) -> Self {
        let file = folder.join(format!("{name}.yaml"));
        let yaml = format!(
            "listen: [{{ address: \"127.0.0.1:0\" }}]\ndedupe: {{ {dedupe} }}\nroutes:\n  - name: r\n    match: {{ path: /r }}\n    \
             provider: webhook-signature\n    secrets: [{{ insecure: {SECRET} }}]\n    upstream: http://{upstream}\n    \
             dedupe: {{ key: [\"json:/id\"], on_store_error: refuse }}\n"
        );
        std::fs::write(&file, yaml).unwrap();
        let filter = "warn,sealpost=info,sealpost::request=off";
        let mut child = Command::new(env!("CARGO_BIN_EXE_sealpost"))
            .args(["run", file.to_str().unwrap(), "--threads", "1", "--log-format", "json", "--log", filter])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = log.by_ref().map_while(Result::ok).find_map(|line| {
            let line: serde_json::Value = serde_json::from_str(&line).ok()?;
            (line["message"] == "listening").then(|| line["address"].as_str()?.parse().ok())?
        });
        std::thread::spawn(move || log.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Self { child, address: address.expect("the gateway listens") }
    }

    fn cpu(&self) -> f64 {
        cpu(&self.child.id().to_string())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of processor time of a process, as the scheduler counts them.
fn cpu(process: &str) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// Answers every request with 200 and a short text.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut read = Vec::new();
                while next_message(&mut stream, &mut read).await.is_some() {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"received\":true}";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Deliveries of new events over kept connections.
async fn load(address: SocketAddr, count: u64, ids: &Arc<AtomicU64>) {
    let each = count / CONNECTIONS as u64;
    let connections = (0..CONNECTIONS).map(|_| {
        let ids = Arc::clone(ids);
        tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut read = Vec::new();
            for _ in 0..each {
                let delivery = delivery(ids.fetch_add(1, Ordering::Relaxed));
                stream.write_all(&delivery).await.unwrap();
                let head = next_message(&mut stream, &mut read).await.expect("an answer");
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                assert!(!head.to_lowercase().contains("sealpost-result"), "{head}");
            }
        })
    });
    for connection in connections.collect::<Vec<_>>() {
        connection.await.unwrap();
    }
}

fn delivery(id: u64) -> Vec<u8> {
    let body = format!("{{\"id\":\"evt-{id}\",\"padding\":\"{}\"}}", "x".repeat(2010));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let head = format!(
        "POST /r HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-Webhook-Signature: {signature}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// Reads one message with a length; its head, `None` at the end of the connection.
async fn next_message(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let whole = end + 4 + length.unwrap_or(0);
            if read.len() >= whole {
                read.drain(..whole);
                return Some(head);
            }
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}
