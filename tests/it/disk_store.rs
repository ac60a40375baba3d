//! The disk store from outside: what a restart, a kill, a damaged file and a disk that takes no more leave of "once".

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::support::client::Answer;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::sender::{event, plain};
use crate::support::upstream::{Upstream, gated, status};
use crate::support::{Gate, eventually};

fn is_duplicate(answer: &Answer) -> bool {
    answer.header("sealpost-result") == Some("duplicate")
}

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("sealpost-store-").tempdir().unwrap()
}

/// A gateway with its store in `folder` and one route whose store errors go by `policy`.
fn setup(folder: &Path, upstream: &Upstream, policy: &str) -> Setup {
    let dedupe = format!("dedupe: {{ key: [\"json:/id\"], on_store_error: {policy} }}");
    Setup::new()
        .top(format!("dedupe: {{ store: disk, path: \"{}\" }}", folder.join("store").display()))
        .route(route("r", "/r", "webhook-signature", upstream.url(), &["timeout: 10s", &dedupe]))
}

fn start(folder: &Path, upstream: &Upstream) -> Gateway {
    setup(folder, upstream, "refuse").start()
}

fn send(gateway: &Gateway, id: &str) -> Answer {
    gateway.send(&plain("/r", event(id)))
}

#[test]
fn a_restart_forgets_nothing() {
    let (folder, upstream) = (folder(), Upstream::start());
    let mut gateway = start(folder.path(), &upstream);
    upstream.next(status(201, "the first answer"));
    assert!(!is_duplicate(&send(&gateway, "evt-1")));
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
    drop(gateway);
    let gateway = start(folder.path(), &upstream);
    assert!((gateway.metric("sealpost_store_entries", &[]) - 1.0).abs() < f64::EPSILON);
    let again = send(&gateway, "evt-1");
    assert_eq!((again.status, again.text().as_str()), (201, "the first answer"));
    assert!(is_duplicate(&again));
    assert!(!is_duplicate(&send(&gateway, "evt-2")));
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_killed_gateway_leaves_no_claim_behind() {
    let (folder, upstream) = (folder(), Upstream::start());
    let gateway = start(folder.path(), &upstream);
    assert_eq!(send(&gateway, "accepted").status, 200);
    let gate = Gate::new();
    upstream.next(gated(&gate, 200, "too late"));
    let mut client = gateway.connect();
    client.send(&plain("/r", event("in-flight")).bytes());
    upstream.begun(2);
    gateway.signal("KILL");
    drop(gateway);
    gate.open();
    let gateway = start(folder.path(), &upstream);
    assert!(is_duplicate(&send(&gateway, "accepted")));
    // At once: the lease of the dead process would have lasted 15 seconds.
    let retry = send(&gateway, "in-flight");
    assert!(retry.status == 200 && !is_duplicate(&retry), "{retry:?}");
    assert_eq!(
        upstream.last().header("sealpost-attempt"),
        Some("1"),
        "attempts in flight are not written down"
    );
}

/// How often the gateway is killed, and how many senders it has meanwhile.
const KILLS: usize = 4;
const SENDERS: usize = 8;

#[test]
fn a_gateway_killed_under_load_forgets_nothing_that_it_has_answered() {
    let (folder, upstream) = (folder(), Upstream::start());
    let mut answered: Vec<String> = Vec::new();
    for round in 0..KILLS {
        let gateway = start(folder.path(), &upstream);
        let acknowledged = Arc::new(Mutex::new(Vec::new()));
        let killed = AtomicBool::new(false);
        thread::scope(|scope| {
            for sender in 0..SENDERS {
                let (acknowledged, killed) = (Arc::clone(&acknowledged), &killed);
                let mut client = gateway.connect();
                scope.spawn(move || {
                    for number in 0.. {
                        let id = format!("evt-{round}-{sender}-{number}");
                        match client.send(&plain("/r", event(&id)).bytes()).answer_to("POST") {
                            Some(answer) => {
                                assert_eq!(answer.status, 200, "{answer:?}");
                                acknowledged.lock().unwrap().push(id);
                            }
                            None => {
                                assert!(killed.load(Ordering::SeqCst), "{id} was cut off before the kill");
                                return;
                            }
                        }
                    }
                });
            }
            // In the middle of it, at a moment that differs from round to round.
            eventually("many are answered", || {
                (acknowledged.lock().unwrap().len() >= 50 + 37 * round).then_some(())
            });
            killed.store(true, Ordering::SeqCst);
            gateway.signal("KILL");
        });
        answered.append(&mut acknowledged.lock().unwrap());
    }
    let before = upstream.requests().len();
    let gateway = start(folder.path(), &upstream);
    let mut client = gateway.connect();
    for id in &answered {
        let again = client.exchange(&plain("/r", event(id)));
        assert!(is_duplicate(&again), "{id} was answered and forgotten: {again:?}");
    }
    assert_eq!(upstream.requests().len(), before);
    let answered = answered.len();
    assert!(before >= answered && before <= answered + KILLS * SENDERS, "{before} for {answered}");
}

#[test]
fn two_gateways_cannot_have_one_folder() {
    let (folder, upstream) = (folder(), Upstream::start());
    let _first = start(folder.path(), &upstream);
    let (status, said) = setup(folder.path(), &upstream, "refuse").refused();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("in use by another process"), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("in use")).count(), 1, "{said}");
}

#[test]
fn a_damaged_file_is_refused_and_never_begun_anew() {
    let (folder, upstream) = (folder(), Upstream::start());
    drop(start(folder.path(), &upstream));
    let file = folder.path().join("store/events.redb");
    let sound = std::fs::read(&file).unwrap();
    for damaged in [Vec::new(), vec![0; sound.len()], sound[..sound.len() / 3].to_vec()] {
        std::fs::write(&file, &damaged).unwrap();
        // Nor the second time: whoever starts it again and again must not get an empty one in the end.
        for _ in 0..2 {
            let (status, said) = setup(folder.path(), &upstream, "memory").refused();
            assert_eq!(status.code(), Some(1), "{said}");
            assert!(said.contains("events.redb is damaged") && said.contains("move it away"), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    let upstream = Upstream::start();
    let (status, said) = setup(Path::new("/proc"), &upstream, "refuse").refused();
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("cannot make the disk store's folder /proc/store"), "{said}");
}

/// Lets the gateway write no further than this into any file; `unlimited` takes that back. What it sees is a disk
/// that takes no more.
fn limit(gateway: &Gateway, bytes: &str) {
    let id = gateway.id().to_string();
    let done = Command::new("prlimit").args(["--pid", &id, &format!("--fsize={bytes}:")]).status();
    assert!(done.expect("prlimit of util-linux is needed").success());
}

/// One whose disk can be made to fail.
fn start_fragile(folder: &Path, upstream: &Upstream, policy: &str) -> Gateway {
    // A write beyond the limit is an error then and not the end of the process.
    setup(folder, upstream, policy).shell("trap '' XFSZ").start()
}

/// Breaks the disk and sends the event whose commit finds out.
fn break_disk(gateway: &Gateway, upstream: &Upstream) {
    assert_eq!(send(gateway, "before").status, 200);
    assert_eq!(gateway.get("/readyz").status, 200);
    limit(gateway, "1");
    let found_out = send(gateway, "found-out");
    assert_eq!((found_out.status, found_out.text().as_str()), (200, "ok"), "the upstream has accepted it");
    gateway.counts("sealpost_store_errors_total", &["operation=\"commit\""], 1.0);
    gateway.log.wait("the failure", |line| {
        line["message"].as_str().is_some_and(|message| message.contains("the disk store failed"))
    });
    // What is known is known without the disk, under every policy.
    assert!(is_duplicate(&send(gateway, "before")));
    assert!(is_duplicate(&send(gateway, "found-out")));
    assert_eq!(upstream.requests().len(), 2);
}

/// Repairs the disk, and waits until the gateway has found that out by itself.
fn repair_disk(gateway: &Gateway) {
    limit(gateway, "unlimited");
    gateway.log.wait("the recovery", |line| {
        line["message"].as_str().is_some_and(|message| message.contains("can be written again"))
    });
    assert_eq!(gateway.get("/readyz").status, 200);
}

/// Everything goes its usual way again, also after a restart.
fn all_is_well(gateway: Gateway, folder: &Path, upstream: &Upstream) {
    assert_eq!(send(&gateway, "after").status, 200);
    gateway.signal("KILL");
    drop(gateway);
    let gateway = start(folder, upstream);
    for id in ["before", "found-out", "after"] {
        assert!(is_duplicate(&send(&gateway, id)), "{id}");
    }
}

#[test]
fn a_full_disk_refuses_new_events_where_the_route_says_so() {
    let (folder, upstream) = (folder(), Upstream::start());
    let gateway = start_fragile(folder.path(), &upstream, "refuse");
    break_disk(&gateway, &upstream);
    let refused = send(&gateway, "meanwhile");
    refused.expect_error(503).expect_come_back();
    assert_eq!(upstream.requests().len(), 2, "it was not forwarded");
    gateway.reason("store_unavailable");
    let ready = gateway.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("cannot write"), "{}", ready.text());
    assert_eq!(gateway.get("/healthz").status, 200);
    gateway.counts("sealpost_store_errors_total", &["operation=\"claim\""], 1.0);
    repair_disk(&gateway);
    all_is_well(gateway, folder.path(), &upstream);
}

#[test]
fn a_full_disk_leaves_it_to_the_gateways_memory_where_the_route_says_so() {
    let (folder, upstream) = (folder(), Upstream::start());
    let gateway = start_fragile(folder.path(), &upstream, "memory");
    break_disk(&gateway, &upstream);
    assert!(!is_duplicate(&send(&gateway, "meanwhile")));
    assert!(is_duplicate(&send(&gateway, "meanwhile")));
    assert_eq!(upstream.requests().len(), 3);
    assert_eq!(gateway.get("/readyz").status, 200, "nothing is refused");
    repair_disk(&gateway);
    assert!(is_duplicate(&send(&gateway, "meanwhile")), "it is still known here");
    all_is_well(gateway, folder.path(), &upstream);
}

#[test]
fn a_full_disk_lets_everything_through_where_the_route_says_so() {
    let (folder, upstream) = (folder(), Upstream::start());
    let gateway = start_fragile(folder.path(), &upstream, "pass");
    break_disk(&gateway, &upstream);
    for _ in 0..2 {
        assert!(!is_duplicate(&send(&gateway, "meanwhile")));
    }
    assert_eq!(upstream.requests().len(), 4);
    assert_eq!(gateway.get("/readyz").status, 200);
    repair_disk(&gateway);
    all_is_well(gateway, folder.path(), &upstream);
}

/// A file system of one megabyte, for as long as it lives.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None` where this process may not mount one.
    fn mount() -> Option<Self> {
        let folder = folder();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "sealpost-test"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then_some(Self(folder))
    }

    /// Makes it read-only (`ro`) or not (`rw`). Nobody may have a file open in it.
    fn remount(&self, how: &str) {
        let options = format!("remount,{how}");
        let done = Command::new("mount").args(["-o", &options]).arg(self.0.path()).status();
        assert!(done.unwrap().success(), "mount -o {options}");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// The same on a file system that is really full, where one can be mounted.
#[test]
fn a_file_system_without_room_is_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("no file system can be mounted here; the other tests limit the file instead");
        return;
    };
    let upstream = Upstream::start();
    let gateway = start(disk.0.path(), &upstream);
    // Answers fill it by themselves.
    upstream.always(status(200, &"x".repeat(60_000)));
    let full = (0..100).find(|number| send(&gateway, &format!("evt-{number}")).status == 503);
    let full = full.expect("the file system has room for a few answers only");
    assert!(full > 1, "it had room for the first ones");
    gateway.log.wait("the failure", |line| {
        line["message"].as_str().is_some_and(|message| message.contains("No space left on device"))
    });
    assert!(is_duplicate(&send(&gateway, "evt-0")));
    drop(gateway);
    // What was acknowledged before is there for whoever makes room.
    let room = folder();
    let copied = Command::new("cp").arg("-a").arg(disk.0.path().join("store")).arg(room.path()).status();
    assert!(copied.unwrap().success());
    let gateway = start(room.path(), &upstream);
    for number in 0..full - 1 {
        assert!(is_duplicate(&send(&gateway, &format!("evt-{number}"))), "{number}");
    }
}

#[test]
fn a_read_only_file_system_is_refused_and_nothing_is_lost_by_it() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!(
            "no file system can be mounted here; a folder that cannot be written is tested without one"
        );
        return;
    };
    let upstream = Upstream::start();
    let gateway = start(disk.0.path(), &upstream);
    assert_eq!(send(&gateway, "evt-1").status, 200);
    drop(gateway);
    disk.remount("ro");
    // Whatever the policy: without its file it would begin with an empty memory.
    for policy in ["refuse", "memory", "pass"] {
        let (status, said) = setup(disk.0.path(), &upstream, policy).refused();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("Read-only file system") && !said.contains("panicked"), "{said}");
    }
    disk.remount("rw");
    assert!(is_duplicate(&send(&start(disk.0.path(), &upstream), "evt-1")));
}

#[test]
fn another_store_needs_a_restart() {
    let (folder, upstream) = (folder(), Upstream::start());
    let gateway = start(folder.path(), &upstream);
    let yaml = gateway.yaml.replace("store: disk", "store: memory");
    gateway.reloads(|| std::fs::write(&gateway.file, yaml).unwrap());
    assert_eq!(gateway.json("/api/config")["needs_restart"], serde_json::json!(["dedupe"]));
    assert_eq!(send(&gateway, "evt-1").status, 200);
    drop(gateway);
    let gateway = start(folder.path(), &upstream);
    assert!(is_duplicate(&send(&gateway, "evt-1")), "the disk store was still the one in use");
}
