//! Handover: a newer process takes the sockets and the store over, and neither a connection nor an event is lost or
//! doubled; whatever becomes of the newer one before that, the older one serves on.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::arena::{Arena, routes};
use crate::support::certificate::Certificate;
use crate::support::client::{Answer, Client, Request};
use crate::support::gateway::{Gateway, Setup};
use crate::support::sender::{event, plain};
use crate::support::upstream::{Upstream, gated};
use crate::support::{Gate, eventually};

/// What the most impatient known sender waits in all. It is a promise and not a figure of this machine.
const PATIENCE: Duration = Duration::from_secs(6);

const DISK: &str = "dedupe: { store: disk, path: store }";
const MEMORY: &str = "dedupe: { store: memory }";

/// The scene with a handover socket in the gateway's folder.
fn arena(change: impl FnOnce(Setup) -> Setup) -> Arena {
    Arena::with(|setup| change(setup.argument("--handover").argument("handover.sock")))
}

fn socket(gateway: &Gateway) -> PathBuf {
    gateway.folder.path().join("handover.sock")
}

/// Has another process take over; the older one is in the arena until it has ended.
fn hand_over(arena: &mut Arena) -> Gateway {
    let newer = arena.gateway.another();
    std::mem::replace(&mut arena.gateway, newer)
}

fn is_duplicate(answer: &Answer) -> bool {
    answer.header("sealpost-result") == Some("duplicate")
}

fn ends_connection(answer: &Answer) -> bool {
    answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
}

/// What one sender saw.
#[derive(Default)]
struct Seen {
    accepted: Vec<String>,
    duplicates: usize,
    connections: usize,
    longest: Duration,
}

/// Sends events and now and then one of them again, on a connection as long as it lasts or on one for each. Everything
/// but the answer that a sender wants is a failure.
fn keep_sending(address: SocketAddr, name: &str, keep: bool, end: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut open = None;
    for number in 0_usize.. {
        if end.load(Ordering::SeqCst) {
            break;
        }
        let again = number % 8 == 7;
        let id =
            if again { seen.accepted[seen.accepted.len() / 2].clone() } else { format!("{name}-{number}") };
        let began = Instant::now();
        let mut client = open.take().unwrap_or_else(|| {
            seen.connections += 1;
            Client::connect(address)
        });
        client.send(&plain("/hook", event(&id)).bytes());
        let answer = client.answer_to("POST").unwrap_or_else(|| panic!("{id} got no answer"));
        // Which request the test itself holds up is not the gateway's doing.
        if answer.text() != "late" {
            seen.longest = seen.longest.max(began.elapsed());
        }
        assert_eq!(answer.status, 200, "{id}: {answer:?}");
        assert_eq!(is_duplicate(&answer), again, "{id}: {answer:?}");
        if again {
            seen.duplicates += 1;
        } else {
            seen.accepted.push(id);
        }
        if keep && !ends_connection(&answer) {
            open = Some(client);
        }
    }
    seen
}

/// Five handovers in a row under load, with a slow request and a half-sent body in flight at each.
fn five_in_a_row(top: &str) {
    let mut arena = arena(|setup| setup.top(top));
    let address = arena.gateway.address;
    let end = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..6)
        .map(|sender| {
            let end = Arc::clone(&end);
            thread::spawn(move || keep_sending(address, &format!("s{sender}"), sender % 2 == 0, &end))
        })
        .collect();
    let mut before = arena.upstream.finished(100).len();
    for round in 0..5 {
        let mut half = Client::connect(address);
        let request = plain("/raw", "0123456789");
        half.send(&[request.head(10), b"01234".to_vec()].concat());
        let gate = Gate::new();
        let slow = format!("slow-{round}");
        // Whichever request of the senders comes next is the slow one; the others go on.
        arena.upstream.next(gated(&gate, 200, "late"));
        arena.upstream.begun(arena.upstream.requests().len() + 3);
        let pid = arena.gateway.id();
        let mut older = hand_over(&mut arena);
        assert_ne!(arena.gateway.id(), pid);
        // One event is accepted here, and the newer process knows it.
        assert_eq!(arena.gateway.send(&plain("/hook", event(&slow))).status, 200);
        half.send(b"56789");
        assert_eq!(half.final_answer("POST").status, 200, "the half-sent body of round {round}");
        // The older process may have answered just before it learned that it was relieved; it would wait for the next.
        drop(half);
        gate.open();
        assert_eq!(older.ended().code(), Some(0), "{}", older.log.text());
        before = arena.upstream.finished(before + 50).len();
    }
    end.store(true, Ordering::SeqCst);
    let seen: Vec<Seen> =
        senders.into_iter().map(|sender| sender.join().expect("no request fails")).collect();
    let arrived: Vec<String> = arena.upstream.requests().iter().map(|request| request.text()).collect();
    let mut counts = std::collections::HashMap::<&str, usize>::new();
    for body in &arrived {
        *counts.entry(body).or_default() += 1;
    }
    let accepted: Vec<&String> = seen.iter().flat_map(|seen| &seen.accepted).collect();
    for id in &accepted {
        assert_eq!(counts.get(event(id).as_str()), Some(&1), "{id} reached the upstream");
    }
    let longest = seen.iter().map(|seen| seen.longest).max().unwrap();
    println!(
        "{} events, {} duplicates, {} connections over five handovers; the longest request took {longest:?}",
        accepted.len(),
        seen.iter().map(|seen| seen.duplicates).sum::<usize>(),
        seen.iter().map(|seen| seen.connections).sum::<usize>(),
    );
    assert!(seen.iter().all(|seen| seen.duplicates > 0));
    assert!(longest < PATIENCE, "{longest:?}");
}

#[test]
fn under_load_five_handovers_lose_nothing_and_double_nothing() {
    five_in_a_row(MEMORY);
}

#[test]
fn under_load_five_handovers_with_a_disk_store_lose_nothing_and_double_nothing() {
    five_in_a_row(DISK);
}

/// The folder of the store is named beside the file and made by the first process.
#[test]
fn a_first_start_by_a_relative_path_is_relieved_with_its_disk_store() {
    // As in a unit with a working directory: `sealpost run gateway.yaml …`.
    let relative = "program=$1; shift 3; set -- \"$program\" run gateway.yaml \"$@\"";
    let mut arena = arena(|setup| setup.top(DISK).shell(relative));
    assert_eq!(arena.gateway.send(&plain("/hook", event("evt-1"))).status, 200);
    for _ in 0..2 {
        assert_eq!(hand_over(&mut arena).ended().code(), Some(0));
        assert!(is_duplicate(&arena.gateway.send(&plain("/hook", event("evt-1")))));
    }
}

#[test]
fn an_event_in_flight_at_the_older_process_is_in_flight_at_the_newer() {
    // One thread has nobody to hand its work to while the store changes hands.
    for (top, threads) in [(MEMORY, "2"), (DISK, "2"), (DISK, "1")] {
        let mut arena = arena(|setup| setup.top(top).argument("--threads").argument(threads));
        let gate = Gate::new();
        arena.upstream.next(gated(&gate, 201, "the first answer"));
        let delivery = plain("/hook", event("evt-1"));
        let mut first = arena.gateway.connect();
        first.send(&delivery.bytes());
        arena.upstream.begun(1);
        let mut older = hand_over(&mut arena);
        let mut copy = arena.gateway.connect();
        copy.send(&delivery.bytes());
        eventually("the copy is in flight at the newer process", || {
            (arena.gateway.metric("sealpost_requests_in_flight", &[]) >= 1.0).then_some(())
        });
        assert_eq!(arena.upstream.requests().len(), 1, "the copy waits");
        gate.open();
        let answer = first.final_answer("POST");
        assert_eq!((answer.status, answer.text().as_str()), (201, "the first answer"), "{top}");
        let answer = copy.final_answer("POST");
        assert_eq!((answer.status, answer.text().as_str()), (201, "the first answer"), "{top}");
        assert!(is_duplicate(&answer));
        assert_eq!(older.ended().code(), Some(0));
        assert_eq!(arena.upstream.requests().len(), 1, "{top}");
    }
}

#[test]
fn an_open_connection_gets_one_more_answer_of_the_older_process() {
    for top in [MEMORY, DISK] {
        let mut arena = arena(|setup| setup.top(top));
        let mut kept = arena.gateway.connect();
        assert_eq!(kept.exchange(&plain("/hook", event("evt-1"))).status, 200);
        let mut older = hand_over(&mut arena);
        assert_eq!(arena.gateway.send(&plain("/hook", event("evt-2"))).status, 200);
        // What the newer process accepted since then, the older one knows as well.
        let answer = kept.exchange(&plain("/hook", event("evt-2")));
        assert!(answer.status == 200 && is_duplicate(&answer), "{answer:?}");
        assert!(ends_connection(&answer), "{answer:?}");
        assert!(kept.is_closed());
        assert_eq!(older.ended().code(), Some(0));
        for id in ["evt-1", "evt-2"] {
            assert!(is_duplicate(&arena.gateway.send(&plain("/hook", event(id)))), "{top} {id}");
        }
    }
}

#[test]
fn an_event_that_an_open_connection_brings_late_is_remembered_by_the_newer_process() {
    for top in [MEMORY, DISK] {
        let mut arena = arena(|setup| setup.top(top));
        let mut kept = arena.gateway.connect();
        assert_eq!(kept.exchange(&plain("/raw", "{}")).status, 200);
        let _older = hand_over(&mut arena);
        assert!(!is_duplicate(&kept.exchange(&plain("/hook", event("late")))));
        assert!(is_duplicate(&arena.gateway.send(&plain("/hook", event("late")))), "{top}");
    }
}

#[test]
fn an_idle_connection_is_cut_when_the_grace_is_over_or_the_process_is_told_to_end() {
    let mut arena = arena(|setup| setup.argument("--grace").argument("1s"));
    let idle = arena.gateway.connect();
    assert_eq!(hand_over(&mut arena).ended().code(), Some(0));
    drop(idle);

    let mut arena = self::arena(|setup| setup);
    let idle = arena.gateway.connect();
    let mut older = hand_over(&mut arena);
    let began = Instant::now();
    older.signal("TERM");
    assert_eq!(older.ended().code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(idle);
}

#[test]
fn a_newer_process_that_cannot_start_leaves_the_older_one_serving() {
    let arena = arena(|setup| setup.top(DISK));
    assert_eq!(arena.gateway.send(&plain("/hook", event("evt-1"))).status, 200);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = arena.gateway.setup.clone();
    let wrong = [
        (
            "an unknown provider",
            other.clone().routes(routes("http://127.0.0.1:1").replace("github", "githup")),
        ),
        (
            "an address in use",
            other.listen(format!(
                "{{ address: \"127.0.0.1:0\" }}, {{ address: \"{}\" }}",
                taken.local_addr().unwrap()
            )),
        ),
    ];
    for (what, setup) in wrong {
        let file = arena.gateway.folder.path().join("next.yaml");
        std::fs::write(&file, setup.yaml()).unwrap();
        let output = setup.spawn(&file).wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}");
        serves_on(&arena, what);
    }
}

/// The gateway of the arena serves, knows what it knew, and can still be relieved.
fn serves_on(arena: &Arena, after: &str) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let id = format!("after-{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    assert!(is_duplicate(&arena.gateway.send(&plain("/hook", event("evt-1")))), "{after}");
    let answer = arena.gateway.send(&plain("/hook", event(&id)));
    assert!(answer.status == 200 && !is_duplicate(&answer), "{after}: {answer:?}");
    assert!(is_duplicate(&arena.gateway.send(&plain("/hook", event(&id)))), "{after}");
}

/// A message as the two processes write it.
fn say(stream: &mut UnixStream, message: &str) {
    let length = u32::try_from(message.len()).unwrap();
    stream.write_all(&[&length.to_be_bytes()[..], message.as_bytes()].concat()).unwrap();
}

fn hear(stream: &mut UnixStream) -> String {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut text = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    stream.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_newer_process_that_dies_at_any_word_leaves_the_older_one_serving() {
    for top in [MEMORY, DISK] {
        let mut arena = arena(|setup| setup.top(top));
        assert_eq!(arena.gateway.send(&plain("/hook", event("evt-1"))).status, 200);
        for words in 0..=3 {
            let mut newer = UnixStream::connect(socket(&arena.gateway)).unwrap();
            if words > 0 {
                say(&mut newer, "{\"Handover\":{\"form\":2}}");
                assert!(hear(&mut newer).contains("\"Sockets\""));
            }
            let mut held = None;
            if words > 1 {
                // A byte for each socket, and one for the lock.
                let descriptors = if top == DISK { 3 } else { 2 };
                newer.read_exact(&mut vec![0; descriptors]).unwrap();
                say(&mut newer, "\"Store\"");
                assert_eq!(hear(&mut newer), "null", "the store is held");
                // Claims wait while it moves, and go on afterwards.
                let mut client = arena.gateway.connect();
                client.send(&plain("/hook", event(&format!("held-{words}"))).bytes());
                held = Some(client);
            }
            if words > 2 {
                // The path is taken by now.
                std::fs::remove_file(socket(&arena.gateway)).unwrap();
                drop(UnixListener::bind(socket(&arena.gateway)).unwrap());
            }
            drop(newer);
            if let Some(mut client) = held {
                assert_eq!(client.final_answer("POST").status, 200, "{top} {words}");
            }
            serves_on(&arena, &format!("{top}, {words} words"));
        }
        eventually("the older process has its path again", || {
            UnixStream::connect(socket(&arena.gateway)).is_ok().then_some(())
        });
        assert_eq!(hand_over(&mut arena).ended().code(), Some(0));
        serves_on(&arena, "a handover after all");
    }
}

/// A roll-back: the version before asks. It would read neither the events nor the answers of this one's store.
#[test]
fn a_process_of_another_form_is_refused_and_told_what_to_do() {
    for top in [MEMORY, DISK] {
        let mut arena = arena(|setup| setup.top(top));
        assert_eq!(arena.gateway.send(&plain("/hook", event("evt-1"))).status, 200);
        for form in [1, 3] {
            let mut other = UnixStream::connect(socket(&arena.gateway)).unwrap();
            say(&mut other, &format!("{{\"Handover\":{{\"form\":{form}}}}}"));
            let told = hear(&mut other);
            assert!(told.starts_with("{\"No\":"), "{told}");
            assert!(told.contains(&format!("in form 2 and not {form}; end that one by SIGTERM")), "{told}");
            let line = arena.gateway.log.wait("the other form", |line| line["form"] == form);
            assert_eq!(line["level"], "warn", "{line}");
            serves_on(&arena, &format!("{top}, form {form}"));
        }
        assert_eq!(hand_over(&mut arena).ended().code(), Some(0));
        serves_on(&arena, "a handover in the right form");
    }
}

/// An upgrade of the version before, which answers only that its form is another one.
#[test]
fn a_process_that_finds_one_of_form_1_does_not_start_and_says_what_to_do() {
    let setup =
        Setup::new().argument("--handover").argument("handover.sock").route(routes("http://127.0.0.1:1"));
    let older = UnixListener::bind(setup.folder().join("handover.sock")).unwrap();
    let answering = thread::spawn(move || {
        let (mut stream, _) = older.accept().unwrap();
        let asked = hear(&mut stream);
        say(&mut stream, "{\"No\":\"its version 0.1.0 hands over in another form\"}");
        asked
    });
    let (status, text) = setup.refused();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("its version 0.1.0 hands over in another form; end that one by SIGTERM"), "{text}");
    assert_eq!(answering.join().unwrap(), "{\"Handover\":{\"form\":2}}");
}

#[test]
fn a_newer_process_that_stalls_is_given_up_within_a_senders_patience() {
    let arena = arena(|setup| setup);
    let mut newer = UnixStream::connect(socket(&arena.gateway)).unwrap();
    say(&mut newer, "{\"Handover\":{\"form\":2}}");
    hear(&mut newer);
    newer.read_exact(&mut [0; 2]).unwrap();
    say(&mut newer, "\"Store\"");
    hear(&mut newer);
    let began = Instant::now();
    assert_eq!(arena.gateway.send(&plain("/hook", event("evt-1"))).status, 200);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    serves_on(&arena, "a stalled newer process");
    // It is told in the only way there is.
    let mut rest = Vec::new();
    newer.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_newer_process_killed_at_any_moment_leaves_a_gateway_that_serves() {
    let mut arena = arena(|setup| setup.top(DISK));
    assert_eq!(arena.gateway.send(&plain("/hook", event("evt-1"))).status, 200);
    for moment in 0..12 {
        let mut newer = arena.gateway.setup.spawn(&arena.gateway.file);
        let until = Instant::now() + Duration::from_millis(moment * 12);
        while Instant::now() < until && newer.try_wait().unwrap().is_none() {
            thread::park_timeout(Duration::from_millis(1));
        }
        newer.kill().unwrap();
        newer.wait().unwrap();
        let says = |what: &'static str| {
            arena
                .gateway
                .log
                .take(move |line| line["message"].as_str().is_some_and(|text| text.contains(what)))
        };
        // It may have asked for the sockets; then the older one decides, and if it decided before the kill, nobody
        // serves any more, which is what killing a gateway does.
        // What it wrote before it was killed is read after that.
        let heard = Instant::now() + Duration::from_secs(2);
        let mut asked = says("asks for the sockets").is_some();
        while !asked && Instant::now() < heard {
            thread::park_timeout(Duration::from_millis(5));
            asked = says("asks for the sockets").is_some();
        }
        let relieved = asked
            && eventually("the older process decides", || {
                let relieved = says("relieved:").map(|_| true);
                relieved.or_else(|| says("did not take over").map(|_| false))
            });
        if relieved {
            assert_eq!(arena.gateway.ended().code(), Some(0));
            arena.gateway = arena.gateway.another();
        }
        serves_on(&arena, &format!("a kill at {moment}"));
    }
}

#[test]
fn listeners_stay_come_and_go() {
    let certificate = Certificate::new("first");
    let plain_only = "{ address: \"127.0.0.1:0\" }";
    let upstream = Upstream::start();
    let setup = Setup::new().argument("--handover").argument("handover.sock");
    setup.file("cert.pem", &certificate.pem);
    setup.file("key.pem", &certificate.key_pem);
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (tls, cleartext, gone, new) = (free(), free(), free(), free());
    let secured = format!("{{ address: \"{tls}\", tls: {{ certificate: cert.pem, key: key.pem }} }}");
    let setup = setup.route(routes(upstream.url()));
    let both = format!("{plain_only}, {secured}, {{ address: \"{cleartext}\", h2c: true }}");
    let mut older = setup.listen(format!("{both}, {{ address: \"{gone}\" }}")).start();
    let (address, admin) = (older.address, older.admin());
    let newer = older.setup.clone().listen(format!("{both}, {{ address: \"{new}\" }}")).start();
    assert_eq!((newer.address, newer.admin()), (address, admin));
    assert_eq!(older.ended().code(), Some(0));
    let delivery = plain("/raw", "{}");
    for address in [address, cleartext, new] {
        assert_eq!(Client::connect(address).exchange(&delivery).status, 200, "{address}");
    }
    let mut client = Client::over(Box::new(certificate.connect(tls).unwrap()));
    assert_eq!(client.exchange(&delivery).status, 200);
    assert_eq!(newer.get("/readyz").status, 200);
    eventually("the address that the newer file lacks is closed", || {
        TcpStream::connect(gone).err().filter(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
}

#[test]
fn http2_is_told_to_go_and_what_it_began_is_finished() {
    use crate::support::http2::{Client, read, run};
    let mut arena = arena(|setup| setup.listen("{ address: \"127.0.0.1:0\", h2c: true }"));
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "finished"));
    let delivery = plain("/hook", event("evt-1"));
    let request = || {
        let mut request = http::Request::builder().method("POST").uri("http://hooks.example.com/hook");
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        request.version(http::Version::HTTP_2).body(()).unwrap()
    };
    run(async {
        let mut client = Client::cleartext(arena.gateway.address).await;
        let (answer, mut body) = client.begin(request(), false).await;
        crate::support::http2::send(&mut body, &delivery.body).await.unwrap();
        arena.upstream.begun(1);
        let mut older = hand_over(&mut arena);
        gate.open();
        assert_eq!(read(answer).await.unwrap().body, b"finished");
        // Of a new stream the connection says that it was not begun, so that it is safe to send it elsewhere.
        let refused = loop {
            match client.exchange(request(), &delivery.body).await {
                Err(error) => break error,
                Ok(answer) => assert_eq!(answer.status, 200),
            }
        };
        assert!(refused.is_go_away() || refused.is_io(), "{refused}");
        drop(client);
        assert_eq!(older.ended().code(), Some(0));
    });
}

#[test]
fn the_socket_is_its_users_alone_and_a_stale_one_is_replaced() {
    let arena = arena(|setup| {
        // What a killed process leaves behind.
        drop(UnixListener::bind(setup.folder().join("handover.sock")).unwrap());
        setup
    });
    let found = std::fs::metadata(socket(&arena.gateway)).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    // At the end it is gone.
    let mut gateway = arena.gateway;
    gateway.signal("TERM");
    assert_eq!(gateway.ended().code(), Some(0));
    assert!(!socket(&gateway).exists());
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced() {
    let setup = Setup::new().argument("--handover").argument("notes.txt").route(routes("http://127.0.0.1:1"));
    let notes = setup.file("notes.txt", "important");
    let (status, text) = setup.clone().refused();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("notes.txt"), "{text}");
    assert_eq!(std::fs::read_to_string(notes).unwrap(), "important");
}

/// It takes another user to be one. Without the rights to become one only the socket's mode is looked at, in the test
/// above.
#[test]
fn another_user_gets_no_sockets_and_gives_none() {
    let arena = arena(|setup| setup);
    let folder = arena.gateway.folder.path();
    // Everything but who asks is in order.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    std::fs::set_permissions(socket(&arena.gateway), std::fs::Permissions::from_mode(0o666)).unwrap();
    let copy = folder.join("sealpost");
    std::fs::copy(env!("CARGO_BIN_EXE_sealpost"), &copy).unwrap();
    let stranger = Command::new(&copy)
        .args(["run", "gateway.yaml", "--handover", "handover.sock"])
        .env("TEST_SECRET", "x")
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .uid(65534)
        .gid(65534)
        .spawn();
    let stranger = match stranger {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            eprintln!("not tested: only root can start a process as another user");
            return;
        }
        stranger => stranger.unwrap().wait_with_output().unwrap(),
    };
    let text = String::from_utf8_lossy(&stranger.stderr);
    assert_eq!(stranger.status.code(), Some(1), "{text}");
    assert!(text.contains("another user"), "{text}");
    arena.gateway.log.wait("the stranger", |line| {
        line["message"].as_str().is_some_and(|text| text.contains("another user asked"))
    });
    assert_eq!(arena.gateway.send(&plain("/raw", "{}")).status, 200);
}

#[test]
fn a_gateway_with_other_addresses_is_not_relieved() {
    let arena = arena(|setup| setup.listen("{ address: \"127.0.0.2:0\" }").admin(""));
    let other = arena.gateway.setup.clone().listen("{ address: \"127.0.0.3:0\" }");
    let file = arena.gateway.folder.path().join("other.yaml");
    std::fs::write(&file, other.yaml()).unwrap();
    let output = other.spawn(&file).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && text.contains("none of these addresses"), "{text}");
    assert_eq!(arena.gateway.send(&plain("/raw", "{}")).status, 200);
}

#[test]
fn sigusr2_starts_the_process_that_takes_over() {
    let mut arena = arena(|setup| setup);
    assert_eq!(arena.gateway.send(&plain("/hook", event("evt-1"))).status, 200);
    arena.gateway.signal("USR2");
    let line = arena
        .gateway
        .log
        .wait("the relief", |line| line["message"].as_str().is_some_and(|text| text.starts_with("relieved")));
    // Nobody here is the parent of the newer process; it ends by its number.
    let pid = line["pid"].as_u64().unwrap();
    let _end = Ended(pid);
    assert_ne!(pid, u64::from(arena.gateway.id()));
    assert_eq!(arena.gateway.ended().code(), Some(0));
    assert!(is_duplicate(&arena.gateway.send(&plain("/hook", event("evt-1")))));
}

/// systemd waits only for the end of a main process that is its own child; any other one it kills at once.
#[test]
fn what_sigusr2_starts_is_no_child_of_the_process_that_it_relieves() {
    let folder = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut arena =
        arena(|setup| setup.variable("NOTIFY_SOCKET", folder.path().join("notify").to_str().unwrap()));
    // A delivery in flight keeps the older process there, or its children would be orphans anyway.
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "finished"));
    let mut slow = arena.gateway.connect();
    slow.send(&plain("/hook", event("evt-1")).bytes());
    arena.upstream.begun(1);
    arena.gateway.signal("USR2");
    let pid = loop {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        let told = String::from_utf8_lossy(&text[..length]).into_owned();
        if let Some(pid) = told.trim_end().strip_prefix("MAINPID=") {
            break pid.parse::<u64>().unwrap();
        }
    };
    let _end = Ended(pid);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    assert_ne!(parent, arena.gateway.id().to_string());
    // Nor of one that is left over in between.
    assert!(
        !std::fs::read_to_string(format!("/proc/{parent}/comm")).unwrap_or_default().starts_with("sealpost")
    );
    gate.open();
    assert_eq!(slow.final_answer("POST").status, 200);
    assert_eq!(arena.gateway.ended().code(), Some(0));
}

/// Ends a process that is nobody's child here.
struct Ended(u64);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.to_string()).status();
    }
}

#[test]
fn sigusr2_without_a_handover_socket_changes_nothing() {
    let arena = Arena::new();
    arena.gateway.signal("USR2");
    arena.gateway.log.wait("the signal", |line| {
        line["message"].as_str().is_some_and(|text| text.contains("--handover PATH"))
    });
    assert_eq!(arena.gateway.send(&plain("/raw", "{}")).status, 200);
}

#[test]
fn a_socket_of_the_service_manager_is_used() {
    let passed_on = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = passed_on.local_addr().unwrap();
    // Whoever came before the gateway is in the queue.
    let mut early = Client::connect(address);
    early.send(&plain("/raw", "early").bytes());
    let arena = Arena::with(|setup| {
        setup
            .listen(format!("{{ address: \"{address}\" }}"))
            .input(passed_on)
            .shell("exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web")
    });
    assert_eq!(arena.gateway.address, address);
    assert_eq!(early.final_answer("POST").status, 200);
    assert_eq!(arena.gateway.send(&plain("/raw", "{}")).status, 200);
}

#[test]
fn the_service_manager_is_told_who_serves() {
    let folder = tempfile::tempdir().unwrap();
    let manager = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let told = || {
        let mut text = [0; 256];
        let length = manager.recv(&mut text).unwrap();
        String::from_utf8(text[..length].to_vec()).unwrap().trim_end().to_owned()
    };
    let mut arena =
        arena(|setup| setup.variable("NOTIFY_SOCKET", folder.path().join("notify").to_str().unwrap()));
    assert_eq!(told(), "READY=1");
    let mut older = hand_over(&mut arena);
    let mut both = [told(), told()];
    both.sort();
    assert_eq!(both, [format!("MAINPID={}", arena.gateway.id()), "READY=1".into()]);
    assert_eq!(older.ended().code(), Some(0));
    arena.gateway.signal("TERM");
    assert_eq!(told(), "STOPPING=1");
}

/// A request for the admin address that needs nothing of the store.
#[test]
fn the_admin_address_is_the_newer_ones_at_once() {
    let mut arena = arena(|setup| setup);
    let gate = Gate::new();
    arena.upstream.next(gated(&gate, 200, "finished"));
    let mut slow = arena.gateway.connect();
    slow.send(&plain("/hook", event("evt-1")).bytes());
    arena.upstream.begun(1);
    let mut older = hand_over(&mut arena);
    for _ in 0..20 {
        let answer = Client::connect(arena.gateway.admin())
            .exchange(&Request::new("GET", "/readyz").header("Host", arena.gateway.admin().to_string()));
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    gate.open();
    assert_eq!(slow.final_answer("POST").text(), "finished");
    assert_eq!(older.ended().code(), Some(0));
}
