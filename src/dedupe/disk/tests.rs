//! The contract, the model with crashes, and what only a file can go through.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::dedupe::Lease;
use crate::dedupe::contract::{Rig, START, answer, contract_tests, key};
use crate::dedupe::model::{self, Bounds, Subject, steps};

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(24 * 3600);

/// In memory where there is such a folder: what a test writes need not outlive the machine's power.
fn folder() -> TempDir {
    let shm = Path::new("/dev/shm");
    if shm.is_dir() { TempDir::new_in(shm) } else { TempDir::new() }.unwrap()
}

fn options(folder: &Path, entries: usize, answers_bytes: u64) -> DiskOptions {
    DiskOptions { folder: folder.join("store"), limits: MemoryLimits { entries, answers_bytes }, fsync: true }
}

fn open_at(folder: &Path, now: UnixTime) -> Result<DiskStore, String> {
    DiskStore::open(&options(folder, 1000, 1 << 20), now)
}

fn open(folder: &Path) -> DiskStore {
    open_at(folder, START).unwrap()
}

/// What goes wrong when it is opened; a store is nothing to print.
fn refusal(folder: &Path) -> String {
    open_at(folder, START).map(drop).unwrap_err()
}

fn rig() -> Rig<DiskStore> {
    let folder = folder();
    Rig::given(open(folder.path())).with(folder)
}

contract_tests!(rig());
contract_tests!(rig(); a_token_of_another_event_settles_nothing,);

async fn claimed(store: &DiskStore, key: &EventKey) -> Lease {
    match store.claim(key, START, LEASE).await {
        Ok(Claim::New(lease)) => lease,
        other => panic!("expected a new claim, got {other:?}"),
    }
}

async fn accept(store: &DiskStore, key: &EventKey, answer: Option<Answer>) {
    let lease = claimed(store, key).await;
    assert_eq!(store.commit(key, lease.token, START, TTL, answer).await, Ok(Committed::Yes));
}

fn file(folder: &Path) -> std::path::PathBuf {
    folder.join("store/events.redb")
}

/// What would be left if the process died now: all it has given to the system.
fn left_behind(store: &DiskStore, folder: &Path) -> TempDir {
    let copy = self::folder();
    fs::create_dir(copy.path().join("store")).unwrap();
    let (from, to) = (file(folder), file(copy.path()));
    // In the middle of a write the file that is copied would be one that never was; tests/it kills processes there.
    store.writer.at_rest(move || fs::copy(from, to)).unwrap();
    copy
}

#[tokio::test]
async fn what_was_accepted_outlives_the_process_and_what_was_in_flight_does_not() {
    let folder = folder();
    let store = open(folder.path());
    accept(&store, &key("accepted"), Some(answer("first"))).await;
    claimed(&store, &key("in flight")).await;
    let lease = claimed(&store, &key("released")).await;
    store.release(&key("released"), lease.token, START, TTL).await.unwrap();
    let copy = left_behind(&store, folder.path());
    let after = open(copy.path());
    let seen = Claim::Seen { answer: Some(answer("first")), attempt: 1 };
    assert_eq!(after.claim(&key("accepted"), START, LEASE).await, Ok(seen));
    assert_eq!(claimed(&after, &key("in flight")).await.attempt, 1);
    assert_eq!(claimed(&after, &key("released")).await.attempt, 1);
    assert_eq!(after.entries(), 3);
}

#[tokio::test]
async fn many_commits_at_once_are_all_there_afterwards() {
    let folder = folder();
    let store = Arc::new(open(folder.path()));
    let commits: Vec<_> = (0..500)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { accept(&store, &key(&format!("evt-{n}")), None).await })
        })
        .collect();
    for commit in commits {
        commit.await.unwrap();
    }
    let copy = left_behind(&store, folder.path());
    let after = open(copy.path());
    assert_eq!(after.entries(), 500);
    for n in 0..500 {
        let again = after.claim(&key(&format!("evt-{n}")), START, LEASE).await;
        assert_eq!(again, Ok(Claim::Seen { answer: None, attempt: 1 }), "{n}");
    }
}

#[tokio::test]
async fn what_expired_while_nothing_ran_is_not_remembered() {
    let folder = folder();
    let store = open(folder.path());
    accept(&store, &key("old"), None).await;
    drop(store);
    let store = open_at(folder.path(), START.saturating_add(TTL)).unwrap();
    assert_eq!(store.entries(), 0);
    drop(store);
    // Its record is gone from the file as well, not only skipped.
    assert_eq!(open(folder.path()).entries(), 0);
}

#[tokio::test]
async fn a_smaller_limit_keeps_the_newest() {
    let folder = folder();
    let store = open(folder.path());
    for n in 0..20 {
        accept(&store, &key(&n.to_string()), None).await;
    }
    drop(store);
    let store = DiskStore::open(&options(folder.path(), 3, 0), START).unwrap();
    assert_eq!(store.entries(), 3);
    for n in 17..20 {
        let seen = Ok(Claim::Seen { answer: None, attempt: 1 });
        assert_eq!(store.claim(&key(&n.to_string()), START, LEASE).await, seen);
    }
    drop(store);
    assert_eq!(open(folder.path()).entries(), 3);
}

#[tokio::test]
async fn the_file_does_not_grow_with_what_is_forgotten() {
    let folder = folder();
    let store = DiskStore::open(&options(folder.path(), 50, 64 << 10), START).unwrap();
    let body: &'static str = "x".repeat(4096).leak();
    let mut sizes = Vec::new();
    for n in 0..3000 {
        accept(&store, &key(&n.to_string()), Some(answer(body))).await;
        if n % 1000 == 999 {
            sizes.push(fs::metadata(file(folder.path())).unwrap().len());
        }
    }
    assert!(sizes[2] <= sizes[0] * 2, "{sizes:?}");
    assert!(sizes[2] < 3000 * 4096 / 2, "{sizes:?}");
}

#[test]
fn a_second_process_is_told_so() {
    let folder = folder();
    let _first = open(folder.path());
    let refusal = refusal(folder.path());
    assert!(refusal.contains("in use by another process"), "{refusal}");
    assert!(refusal.contains("`store: redis`"), "{refusal}");
}

#[tokio::test]
async fn a_store_that_was_closed_opens_again() {
    let folder = folder();
    let store = open(folder.path());
    accept(&store, &key("one"), None).await;
    store.close();
    let lease = claimed(&store, &key("two")).await;
    let late = store.commit(&key("two"), lease.token, START, TTL, None).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    drop(store);
    assert_eq!(open(folder.path()).entries(), 1);
}

#[tokio::test]
async fn a_store_that_was_only_slow_is_well_again_by_itself() {
    let folder = folder();
    let store = open(folder.path());
    // As a commit does that waited in vain, at the moment when the disk has done it.
    store.health.fail("the disk has not confirmed a write");
    assert!(store.claim(&key("one"), START, LEASE).await.is_err());
    let recovers = async {
        while store.check().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), recovers).await.expect("it is tried without any commit");
    claimed(&store, &key("one")).await;
}

/// Every way of damaging the file that a test can think of, each refused in words that say what to do.
#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let folder = folder();
    let store = open(folder.path());
    for n in 0..200 {
        accept(&store, &key(&n.to_string()), Some(answer("an answer of some length, so that pages fill")))
            .await;
    }
    drop(store);
    let sound = fs::read(file(folder.path())).unwrap();
    let zeroed = |from: usize, to: usize| {
        let mut bytes = sound.clone();
        bytes[from..to].fill(0);
        bytes
    };
    // The pages that hold the newest and the oldest event.
    let page = |name: &str| {
        let at = sound.windows(32).rposition(|window| window == key(name).0).unwrap();
        at / 4096 * 4096
    };
    let (first, last) = (page("0"), page("199"));
    let mut answer_changed = sound.clone();
    answer_changed[sound.windows(9).rposition(|window| window == b"an answer").unwrap()] = b'A';
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("something else", b"dedupe: { store: disk }\n".repeat(400)),
        ("no head", zeroed(0, 512)),
        ("cut off", sound[..sound.len() / 2].to_vec()),
        ("only a head", sound[..4096].to_vec()),
        ("a page of the oldest gone", zeroed(first, first + 4096)),
        ("a page of the newest gone", zeroed(last, last + 4096)),
        ("one letter of an answer", answer_changed),
        ("nothing but zeros", vec![0; sound.len()]),
    ] {
        fs::write(file(folder.path()), &bytes).unwrap();
        let refusal = refusal(folder.path());
        assert!(refusal.contains("is damaged") && refusal.contains("move it away"), "{what}: {refusal}");
        assert!(refusal.contains("events.redb"), "{what}: {refusal}");
    }
    fs::write(file(folder.path()), &sound).unwrap();
    assert_eq!(open(folder.path()).entries(), 200);
}

#[test]
fn a_folder_that_cannot_be_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("store"), "a file").unwrap();
    assert!(refusal(folder.path()).contains("cannot write in the disk store's folder"));
    let missing = refusal(&folder.path().join("not/there"));
    assert!(missing.contains("cannot make the disk store's folder"), "{missing}");
}

#[test]
fn a_start_that_died_while_it_made_the_file_is_no_damage() {
    let folder = folder();
    fs::create_dir(folder.path().join("store")).unwrap();
    fs::write(folder.path().join("store/events.redb.new"), "half").unwrap();
    assert_eq!(open(folder.path()).entries(), 0);
}

const BOUNDS: Bounds = Bounds { entries: 4, answers: 12, remembers_what_it_forgot: false };

struct OnDisk {
    folder: TempDir,
    store: DiskStore,
}

impl OnDisk {
    fn new() -> Self {
        let folder = folder();
        let store = DiskStore::open(&options(folder.path(), BOUNDS.entries, BOUNDS.answers as u64), START);
        Self { store: store.unwrap(), folder }
    }
}

impl Subject for OnDisk {
    type Store = DiskStore;

    fn store(&self) -> &DiskStore {
        &self.store
    }

    async fn crash(&mut self, now: UnixTime) {
        let folder = left_behind(&self.store, self.folder.path());
        let options = options(folder.path(), BOUNDS.entries, BOUNDS.answers as u64);
        self.store = DiskStore::open(&options, now).unwrap();
        self.folder = folder;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_history_with_crashes_goes_as_in_the_model(steps in steps(true)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(model::follow(OnDisk::new(), BOUNDS, steps))?;
    }
}
