//! The one thread that writes: takes all commits that wait, writes them at once, answers them, and begins anew.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::desk::Desk;
use super::file::{Event, EventFile};
use crate::clock;
use crate::dedupe::health::Health;
use crate::dedupe::memory::{Gone, MemoryStore};
use crate::dedupe::{Committed, EventKey, StoreError, Token};
use crate::time::UnixTime;

/// Commits and bytes of answers written at once.
const AT_ONCE: usize = 1024;
const BYTES_AT_ONCE: usize = 8 << 20;
/// Records removed at once, beside as many as are added.
const GONE_AT_ONCE: usize = 1024;
/// How long a write waits at most for commits that are likely to come.
const LINGER: Duration = Duration::from_millis(2);
/// How often expired events are looked for, and how many are looked at in each shard: a million in ten minutes.
const SWEEP: Duration = Duration::from_secs(1);
const SWEPT: u32 = 32;
/// How often a file that could not be written is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// How often and how soon a file that was lent is opened again.
const REOPENED: u32 = 50;
const REOPEN: Duration = Duration::from_millis(20);
/// Accepted events kept to be written once the file can be written again, and bytes of their answers.
const OWED: usize = 16 * 1024;
const BYTES_OWED: usize = 16 << 20;

/// An event to be recorded, and who waits for it.
pub(super) struct Commit {
    key: EventKey,
    token: Token,
    until: UnixTime,
    packed: Option<Box<[u8]>>,
    done: oneshot::Sender<Result<Committed, StoreError>>,
    /// Where its answer is waited for, if it is a runtime's task that waits.
    runtime: Option<Handle>,
}

impl Commit {
    pub(super) fn new(
        key: EventKey,
        token: Token,
        until: UnixTime,
        packed: Option<Box<[u8]>>,
    ) -> (Self, oneshot::Receiver<Result<Committed, StoreError>>) {
        let (done, waits) = oneshot::channel();
        (Self { key, token, until, packed, done, runtime: Handle::try_current().ok() }, waits)
    }
}

enum Job {
    Commit(Commit),
    /// The file is closed until it is taken back.
    Lend(Sender<()>),
    TakeBack(Sender<()>),
    Close,
    #[cfg(test)]
    AtRest(Box<dyn FnOnce() + Send>),
}

/// The thread, and what is given to it.
pub(super) struct Writer {
    desk: Arc<Desk<Job>>,
    gone: Arc<Mutex<Vec<Gone>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    lock: File,
}

impl Writer {
    /// Starts the thread; `gone` are records that are of no use any more.
    pub(super) fn start(
        file: EventFile,
        index: Arc<MemoryStore>,
        health: Arc<Health>,
        gone: Vec<Gone>,
    ) -> io::Result<Self> {
        let lock = file.lock()?;
        let (desk, gone) = (Arc::new(Desk::new()), Arc::new(Mutex::new(gone)));
        let work = Work {
            file,
            index,
            health,
            desk: Arc::clone(&desk),
            gone: Arc::clone(&gone),
            owed: Owed::default(),
            retry: clock::monotonic(),
            lent: false,
        };
        let thread = thread::Builder::new().name("sealpost-disk".into()).spawn(move || work.run())?;
        Ok(Self { desk, gone, thread: Mutex::new(Some(thread)), lock })
    }

    /// The lock on the folder, to be held by another process as well.
    pub(super) fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Closes the file after what was given to the thread so far.
    pub(super) fn lend(&self) {
        self.ask(Job::Lend);
    }

    /// Opens it again.
    pub(super) fn take_back(&self) {
        self.ask(Job::TakeBack);
    }

    fn ask(&self, job: fn(Sender<()>) -> Job) {
        let (done, outcome) = channel();
        self.desk.order(job(done));
        let _ = outcome.recv();
    }

    /// Takes a commit; its outcome comes to whoever waits for it.
    pub(super) fn write(&self, commit: Commit) -> Result<(), StoreError> {
        self.desk.commit(Job::Commit(commit))
    }

    /// Takes numbers of records that are of no use any more. No more of them than there are records can wait.
    pub(super) fn forget(&self, mut gone: Vec<Gone>) {
        if !gone.is_empty() {
            self.gone.lock().append(&mut gone);
        }
    }

    /// Does something when everything that was forgotten so far is gone from the file and nothing is being written.
    #[cfg(test)]
    pub(super) fn at_rest<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, outcome) = channel();
        self.desk.order(Job::AtRest(Box::new(move || drop(done.send(work())))));
        outcome.recv().unwrap()
    }

    /// Ends the thread after what was given to it so far.
    pub(super) fn close(&self) {
        self.desk.order(Job::Close);
        if let Some(thread) = self.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

struct Work {
    file: EventFile,
    index: Arc<MemoryStore>,
    health: Arc<Health>,
    desk: Arc<Desk<Job>>,
    gone: Arc<Mutex<Vec<Gone>>>,
    owed: Owed,
    /// When a file that failed may be tried again.
    retry: Instant,
    /// Another process has the file.
    lent: bool,
}

impl Drop for Work {
    /// However the thread ends.
    fn drop(&mut self) {
        self.desk.close();
    }
}

/// What was taken from the desk for one turn.
#[derive(Default)]
struct Taken {
    commits: Vec<Commit>,
    bytes: usize,
    /// Whether the file is lent or taken back after it.
    lending: Option<(bool, Sender<()>)>,
    close: bool,
    #[cfg(test)]
    at_rest: Vec<Box<dyn FnOnce() + Send>>,
}

impl Taken {
    /// Whether there is room for another one.
    fn add(&mut self, job: Job) -> bool {
        match job {
            Job::Commit(commit) => {
                self.bytes += commit.packed.as_ref().map_or(0, |packed| packed.len());
                self.commits.push(commit);
            }
            Job::Lend(done) => self.lending = Some((true, done)),
            Job::TakeBack(done) => self.lending = Some((false, done)),
            Job::Close => self.close = true,
            #[cfg(test)]
            Job::AtRest(work) => self.at_rest.push(work),
        }
        self.has_room()
    }

    fn has_room(&self) -> bool {
        self.commits.len() < AT_ONCE && self.bytes < BYTES_AT_ONCE
    }
}

impl Work {
    fn run(mut self) {
        let mut swept = clock::monotonic();
        let mut open = true;
        let (mut company, mut linger) = (0_usize, Duration::ZERO);
        while open {
            let patience = if self.file.is_closed() { RETRY } else { SWEEP };
            self.desk.wait(1, clock::monotonic() + patience);
            let began = clock::monotonic();
            let mut taken = Taken::default();
            self.desk.take(|job| taken.add(job));
            let missing = company.saturating_sub(taken.commits.len());
            if !taken.commits.is_empty() && missing > 0 && taken.has_room() && !taken.close {
                self.desk.wait(missing, began + linger);
                self.desk.take(|job| taken.add(job));
            }
            open = !taken.close;
            let Taken { commits, lending, .. } = taken;
            let now = clock::monotonic();
            if now.duration_since(swept) >= SWEEP {
                swept = now;
                self.gone.lock().append(&mut self.index.sweep(SWEPT, clock::steady()));
            }
            let count = commits.len();
            self.turn(commits, now);
            if let Some((lend, done)) = lending {
                self.lend(lend);
                let _ = done.send(());
            }
            #[cfg(test)]
            for work in taken.at_rest {
                while !self.gone.lock().is_empty() {
                    self.turn(Vec::new(), now);
                }
                work();
            }
            // Those who were just answered come again, one after the other. A moment's patience for as many of them
            // as came together last time spares every second write; who comes alone waits for nobody.
            company = if count > 1 { count } else { 0 };
            linger = (clock::monotonic().duration_since(now) / 4).clamp(LINGER / 4, LINGER);
        }
        self.file.close();
    }

    fn lend(&mut self, lend: bool) {
        self.lent = lend;
        if lend {
            return self.file.close();
        }
        // A process that was killed may hold the file a moment longer; after that it is opened as after any failure.
        for _ in 0..REOPENED {
            if !self.file.is_closed() || self.file.reopen(false).is_ok() {
                return;
            }
            thread::sleep(REOPEN);
        }
    }

    /// One write, and an answer to each commit.
    fn turn(&mut self, commits: Vec<Commit>, now: Instant) {
        if self.lent && commits.is_empty() {
            return;
        }
        let mut held = Vec::with_capacity(commits.len());
        let mut runtime = None;
        for Commit { key, token, until, packed, done, runtime: its } in commits {
            runtime = its;
            match self.index.attempt(&key, token) {
                Some(attempt) => held.push((Event { key, until, attempt, packed }, token, done)),
                None => drop(done.send(Ok(Committed::TooLate))),
            }
        }
        let mut gone = std::mem::take(&mut *self.gone.lock());
        let later = gone.split_off(gone.len().min(GONE_AT_ONCE + held.len()));
        if !later.is_empty() {
            self.gone.lock().extend(later);
        }
        let failed = self.file.is_closed();
        // Whoever lost patience with a write that was done after all has to be shown that it works.
        let doubted = self.health.check().is_err();
        let written = if failed && now < self.retry {
            Err(None)
        } else if !failed && !doubted && held.is_empty() && gone.is_empty() {
            return;
        } else {
            let events: Vec<_> = self.owed.0.iter().chain(held.iter().map(|(event, ..)| event)).collect();
            let reopened = if failed { self.file.reopen(false) } else { Ok(()) };
            reopened.and_then(|()| self.file.write(&events, &gone)).map_err(Some)
        };
        match written {
            Ok(first) => self.written(first, held, runtime),
            Err(error) => {
                self.gone.lock().append(&mut gone);
                self.failed(error, held);
            }
        }
    }

    fn written(&mut self, first: u64, held: Vec<(Event, Token, Done)>, runtime: Option<Handle>) {
        if self.health.recover() {
            tracing::info!(target: "sealpost::dedupe", file = %self.file.path().display(), "the disk store can be written again");
        }
        let mut numbers = first..;
        let mut gone = Vec::new();
        let mut answers = Vec::with_capacity(held.len());
        for (event, number) in self.owed.take().into_iter().zip(&mut numbers) {
            gone.append(&mut self.index.number(&event.key, number));
        }
        for ((event, token, done), number) in held.into_iter().zip(&mut numbers) {
            let (committed, mut forgotten) =
                self.index.commit_now(&event.key, token, event.until, event.packed, number);
            gone.append(&mut forgotten);
            if committed == Committed::TooLate {
                gone.push(Gone::Event(number));
            }
            answers.push((done, committed));
        }
        if !gone.is_empty() {
            self.gone.lock().append(&mut gone);
        }
        let answer = move || {
            for (done, committed) in answers {
                let _ = done.send(Ok(committed));
            }
        };
        // By a task of their own runtime, which wakes them where they are; each one woken from here is a call of the system.
        match runtime {
            Some(runtime) => drop(runtime.spawn(async move { answer() })),
            None => answer(),
        }
    }

    /// The events were accepted all the same: this process knows them, and writes them when it can.
    fn failed(&mut self, error: Option<redb::Error>, held: Vec<(Event, Token, Done)>) {
        if let Some(error) = error {
            self.retry = clock::monotonic() + RETRY;
            let why = format!("cannot write {}: {error}", self.file.path().display());
            if self.health.fail(&why) {
                tracing::error!(target: "sealpost::dedupe", "the disk store failed: {why}");
            }
        }
        let error = self.health.check().err();
        let error = error.unwrap_or_else(|| StoreError::Unavailable("the file is closed".into()));
        for (event, token, done) in held {
            self.index.commit_now(&event.key, token, event.until, event.packed.clone(), 0);
            self.owed.push(event);
            let _ = done.send(Err(error.clone()));
        }
    }
}

type Done = oneshot::Sender<Result<Committed, StoreError>>;

/// Accepted events that are not in the file yet; past the limits the oldest are never written.
#[derive(Default)]
struct Owed(VecDeque<Event>, usize);

impl Owed {
    fn push(&mut self, event: Event) {
        self.1 += size(&event);
        self.0.push_back(event);
        while self.0.len() > OWED || self.1 > BYTES_OWED {
            let Some(oldest) = self.0.pop_front() else { break };
            self.1 -= size(&oldest);
        }
    }

    fn take(&mut self) -> VecDeque<Event> {
        self.1 = 0;
        std::mem::take(&mut self.0)
    }
}

fn size(event: &Event) -> usize {
    event.packed.as_ref().map_or(0, |packed| packed.len())
}
