//! The contract for a store that has moved, and what goes over when it moves.

use std::sync::atomic::AtomicI64;

use tempfile::TempDir;
use tokio::net::UnixListener;

use super::*;
use crate::dedupe::contract::{Rig, START, Tell, answer, contract_tests, key};
use crate::dedupe::{DiskOptions, DiskStore, MemoryLimits};

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(24 * 3600);
const LIMITS: MemoryLimits = MemoryLimits { entries: 1000, answers_bytes: 1 << 20 };

fn memory() -> Backend {
    Backend::Memory(MemoryStore::new(LIMITS))
}

/// What the newer process's clock says; in milliseconds.
type Clock = Arc<AtomicI64>;

/// Answers at `path` out of `store`, by this clock.
fn serve(path: &std::path::Path, store: Arc<MovingStore>, clock: Clock) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (store, clock) = (Arc::clone(&store), Arc::clone(&clock));
            tokio::spawn(async move {
                if let Ok(Ask::Store(question)) = read_frame(&mut stream).await {
                    let now = UnixTime::from_millis(clock.load(Ordering::SeqCst));
                    let _ = store.answer(stream, question, now).await;
                }
            });
        }
    });
}

/// A store that another one has relieved.
fn relieved() -> (MovingStore, Arc<MovingStore>, Clock, TempDir) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("socket");
    let newer = Arc::new(MovingStore::new(memory(), None));
    let clock = Clock::new(START.millis().into());
    serve(&path, Arc::clone(&newer), Arc::clone(&clock));
    let older = MovingStore::new(memory(), Some(path));
    older.moved();
    (older, newer, clock, folder)
}

async fn rig() -> Rig<MovingStore> {
    let (older, _, clock, folder) = relieved();
    let tell: Tell = Box::new(move |now| {
        clock.store(now.millis(), Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    });
    Rig::told(older, tell).await.with(folder)
}

// A copy whose question comes late waits for the next claim, within its caller's own deadline.
contract_tests!(rig().await, answered elsewhere);

async fn claimed(store: &MovingStore, name: &str) -> Lease {
    match store.claim(&key(name), START, LEASE).await {
        Ok(Claim::New(lease)) => lease,
        other => panic!("expected a new claim, got {other:?}"),
    }
}

/// Everything that is passed on.
fn parts(store: &MovingStore) -> Vec<u8> {
    parts_at(store, START)
}

fn parts_at(store: &MovingStore, now: UnixTime) -> Vec<u8> {
    (0..).map_while(|number| store.part(number, now)).flatten().collect()
}

/// One event accepted, one given back, one in flight; the token of the last one.
async fn fill(store: &MovingStore) -> Token {
    let accepted = claimed(store, "accepted").await;
    store.commit(&key("accepted"), accepted.token, START, TTL, Some(answer("first"))).await.unwrap();
    let released = claimed(store, "released").await;
    store.release(&key("released"), released.token, START, TTL).await.unwrap();
    claimed(store, "in flight").await.token
}

async fn expect_filled(store: &MovingStore, token: Token) {
    let seen = Claim::Seen { answer: Some(answer("first")), attempt: 1 };
    assert_eq!(store.claim(&key("accepted"), START, LEASE).await, Ok(seen));
    assert_eq!(claimed(store, "released").await.attempt, 2);
    assert_eq!(store.claim(&key("in flight"), START, LEASE).await, Ok(Claim::InFlight));
    let committed = store.commit(&key("in flight"), token, START, TTL, None).await;
    assert_eq!(committed, Ok(Committed::Yes), "the claim keeps its token");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_memory_goes_over() {
    let older = MovingStore::new(memory(), Some("nowhere".into()));
    let token = fill(&older).await;
    older.hold().await.unwrap();
    let bytes = parts(&older);
    let newer = MovingStore::new(memory(), None);
    assert_eq!(newer.own().take_in(&mut &*bytes, START).unwrap(), 3);
    expect_filled(&newer, token).await;
    for length in 0..bytes.len() {
        assert!(memory().take_in(&mut &bytes[..length], START).is_err(), "it broke off after {length} bytes");
    }
}

/// The machine's clock was set between the two starts, by more than anything is remembered.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_over_has_as_long_left_as_it_had() {
    let second = Duration::from_secs(1);
    for theirs in [START.saturating_add(TTL * 300), UnixTime::from_millis(0)] {
        let older = MovingStore::new(memory(), Some("nowhere".into()));
        let _in_flight = fill(&older).await;
        older.hold().await.unwrap();
        let newer = MovingStore::new(memory(), None);
        let bytes = parts_at(&older, START.saturating_add(LEASE / 2));
        assert_eq!(newer.own().take_in(&mut &*bytes, theirs).unwrap(), 3);
        let lease_ends = theirs.saturating_add(LEASE / 2);
        let just_before = UnixTime::from_millis(lease_ends.millis() - 1000);
        assert_eq!(newer.claim(&key("in flight"), just_before, LEASE).await, Ok(Claim::InFlight));
        let again = newer.claim(&key("in flight"), lease_ends.saturating_add(second), LEASE).await;
        assert!(matches!(again, Ok(Claim::New(_))), "{again:?}");
        let memory_ends = theirs.saturating_add(TTL - LEASE / 2);
        let just_before = UnixTime::from_millis(memory_ends.millis() - 1000);
        let seen = newer.claim(&key("accepted"), just_before, LEASE).await;
        assert!(matches!(seen, Ok(Claim::Seen { .. })), "{seen:?}");
        let again = newer.claim(&key("accepted"), memory_ends.saturating_add(second), LEASE).await;
        assert!(matches!(again, Ok(Claim::New(_))), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_stores_file_its_lock_and_what_is_in_flight_go_over() {
    let folder = TempDir::new().unwrap();
    let options = DiskOptions { folder: folder.path().join("store"), limits: LIMITS, fsync: false };
    let opened = DiskStore::open(&options, START).unwrap();
    let lock = opened.lock().unwrap();
    let older = MovingStore::new(Backend::Disk(opened), Some("nowhere".into()));
    let token = fill(&older).await;
    older.hold().await.unwrap();
    let bytes = parts(&older);
    assert!(DiskStore::open(&options, START).is_err(), "nobody else may have it");
    let newer = DiskStore::open_with(&options, START, Some(lock)).unwrap();
    let newer = MovingStore::new(Backend::Disk(newer), None);
    assert_eq!(newer.own().take_in(&mut &*bytes, START).unwrap(), 2, "the accepted one is in the file");
    older.moved();
    older.close();
    expect_filled(&newer, token).await;
    drop(older);
    assert!(DiskStore::open(&options, START).is_err(), "the lock is the newer one's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_held_goes_on_as_if_nothing_had_been() {
    let folder = TempDir::new().unwrap();
    let options = DiskOptions { folder: folder.path().join("store"), limits: LIMITS, fsync: false };
    for own in [memory(), Backend::Disk(DiskStore::open(&options, START).unwrap())] {
        let store = MovingStore::new(own, Some("nowhere".into()));
        let token = fill(&store).await;
        store.hold().await.unwrap();
        let held = key("held");
        let (claimed, ()) = tokio::join!(store.claim(&held, START, LEASE), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            store.resume();
        });
        assert!(matches!(claimed, Ok(Claim::New(_))), "{claimed:?}");
        expect_filled(&store, token).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_waits_while_the_store_moves_looks_again() {
    let (older, newer, _, _folder) = relieved();
    older.place.as_ref().unwrap().set(HERE);
    let _in_flight = claimed(&older, "event").await;
    let event = key("event");
    let (waited, ()) = tokio::join!(older.settled(&event, START), async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        older.hold().await.unwrap();
        newer.own().take_in(&mut &*parts(&older), START).unwrap();
        older.moved();
    });
    assert_eq!(waited, Ok(Wait::Changed));
    assert_eq!(older.claim(&key("event"), START, LEASE).await, Ok(Claim::InFlight), "as the newer one says");
}

#[tokio::test]
async fn a_newer_process_that_is_gone_is_a_store_that_is_not_available() {
    let store = MovingStore::new(memory(), Some("/nowhere/socket".into()));
    store.moved();
    assert!(matches!(store.claim(&key("event"), START, LEASE).await, Err(StoreError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_process_measures_by_its_own_clock_however_the_older_ones_stands() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let (older, _newer, clock, _folder) = relieved();
    let ahead = START.saturating_add(DAY * 3);
    let in_flight = claimed(&older, "event").await;
    // By the older one's clock the lease has run out long ago.
    assert_eq!(older.claim(&key("event"), ahead, LEASE).await, Ok(Claim::InFlight));
    let committed = older.commit(&key("event"), in_flight.token, ahead, TTL, None).await;
    assert_eq!(committed, Ok(Committed::Yes));
    let seen = |claim| matches!(claim, Ok(Claim::Seen { .. }));
    assert!(seen(older.claim(&key("event"), ahead.saturating_add(DAY), LEASE).await));
    clock.store(START.saturating_add(TTL).millis(), Ordering::SeqCst);
    assert!(!seen(older.claim(&key("event"), START, LEASE).await), "its time is over where it is kept");
}
