//! One part of the run: gateways, a store, an upstream, senders, and a hand that breaks things.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::dice::Dice;
use super::ledger::{Ledger, Life};
use super::report;
use super::sender::{self, Door, Manners, Senders};
use super::upstream::{self, Counting};
use super::verdict::{Judge, Kind};
use crate::support::eventually;
use crate::support::gateway::{Gateway, Setup, route};
use crate::support::redis::RedisServer;
use crate::support::relay::Relay;
use crate::support::wall_clock::WallClock;

/// The routes' timeout where something hangs, and where nothing may take too long.
const TIMEOUT: Duration = Duration::from_millis(1500);
const PATIENT: Duration = Duration::from_secs(45);
/// How long Redis may take for an answer. Long, because a busy machine is no fault; what is broken here stays so longer.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a gateway may take to find that its store is back. It takes two seconds; a busy machine needs more.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// How many send at once: more than the gateway has threads, so that it always has something under way.
const SENDERS: usize = 48;

/// Something that is done to a run.
pub(crate) type Act = (&'static str, fn(&Scene, &mut Dice));

/// How a part is set.
pub(crate) struct Plan {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) gateways: usize,
    /// Neither upstream nor senders have faults.
    pub(crate) calm: bool,
    pub(crate) acts: Vec<Act>,
    /// Of the events of the whole run.
    pub(crate) share: f64,
}

/// A part while it runs.
pub(crate) struct Scene {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) upstream: Arc<Counting>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) clock: Option<WallClock>,
    pub(crate) redis: Option<(Mutex<RedisServer>, Relay)>,
    pub(crate) disk: Option<Disk>,
    timeout: Duration,
    lives: AtomicUsize,
    changes: AtomicUsize,
}

/// The place of one gateway.
pub(crate) struct Slot {
    gateway: Mutex<Option<Gateway>>,
    door: RwLock<(SocketAddr, Life)>,
    /// A loopback address of its own: nobody else takes its port while it is down.
    host: String,
}

impl Door for Scene {
    fn address(&self, dice: &mut Dice) -> (SocketAddr, Life) {
        let slot = &self.slots[usize::try_from(dice.below(self.slots.len() as u64)).unwrap()];
        *slot.door.read().unwrap()
    }
}

/// Runs a part and judges it.
///
/// # Panics
/// With the facts, when anything that must hold does not.
pub(crate) fn run(plan: &Plan) {
    let (events, seed) = super::asked_for();
    let events = ((events as f64 * plan.share) as usize).max(100);
    println!("{}: {events} events, seed {seed}", plan.name);
    let dice = Dice::new(seed).about(plan.name, 0, 0);
    let ledger = Arc::new(Ledger::new(dice, events));
    let mut port = Dice::new(u64::from(std::process::id())).about(plan.name, 0, 0);
    let mut host = || format!("127.{}.{}.{}", 1 + port.below(250), port.below(250), 1 + port.below(250));
    let timeout = if plan.calm { PATIENT } else { TIMEOUT };
    let upstream = Counting::start(Arc::clone(&ledger), &host(), timeout, plan.calm);
    let scene = Scene {
        slots: (0..plan.gateways)
            .map(|_| Slot {
                gateway: Mutex::new(None),
                door: RwLock::new((SocketAddr::from(([127, 0, 0, 1], 1)), 0)),
                host: host(),
            })
            .collect(),
        clock: plan.acts.iter().any(|(name, _)| name.starts_with("clock")).then(WallClock::new),
        redis: (plan.kind == Kind::Redis).then(|| {
            let server = RedisServer::start();
            let relay = Relay::to(server.port());
            (Mutex::new(server), relay)
        }),
        disk: (plan.kind == Kind::Disk).then(Disk::new),
        ledger: Arc::clone(&ledger),
        upstream,
        timeout,
        lives: AtomicUsize::new(0),
        changes: AtomicUsize::new(0),
    };
    for slot in &scene.slots {
        scene.start(slot);
    }
    let began = Instant::now();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| scene.break_things(plan, dice, &over));
        let manners = Manners { workers: SENDERS, rude: !plan.calm };
        Senders::new(&ledger, &scene, manners).run();
        over.store(true, Ordering::SeqCst);
    });
    for slot in &scene.slots {
        scene.stop(slot);
    }
    scene.upstream.stop();
    let judge = Judge { ledger: &ledger, kind: plan.kind, timeout, senders: SENDERS, calm: plan.calm };
    let mut verdict = judge.judge();
    report::print(plan.name, &ledger, &verdict, began.elapsed());
    let injected = ledger.faults.lock().unwrap();
    let mut wanted: Vec<&str> = plan.acts.iter().map(|(name, _)| *name).collect();
    if !plan.calm {
        wanted.extend(upstream::faults().iter().chain(&sender::FAULTS));
    }
    for fault in wanted {
        if !injected.contains_key(fault) && !scene.cannot(fault) {
            verdict.wrong.push(format!("\"{fault}\" was never injected, so nothing was shown about it"));
        }
    }
    let shown: Vec<&String> = verdict.wrong.iter().take(20).collect();
    assert!(
        verdict.wrong.is_empty(),
        "{} ({events} events, seed {seed}): {} things that must not be; the first:\n{shown:#?}",
        plan.name,
        verdict.wrong.len()
    );
}

impl Scene {
    /// Breaks one thing after the other, each kind at least once, spread over the run; then goes on until it is over.
    fn break_things(&self, plan: &Plan, dice: Dice, over: &AtomicBool) {
        let mut dice = dice.about("acts", 0, 0);
        let total = self.ledger.stories.len();
        let rounds = (total / 250).max(plan.acts.len());
        let mut deck: Vec<Act> = Vec::new();
        for round in 0..rounds {
            if deck.is_empty() {
                deck.clone_from(&plan.acts);
                dice.shuffle(&mut deck);
            }
            // What breaks next breaks under load: the next events begin just before it, and not earlier. The last share
            // comes when all is well again.
            let begun = self.ledger.allowed.load(Ordering::SeqCst);
            while self.ledger.progress() < begun * 9 / 10 && !over.load(Ordering::SeqCst) {
                self.read_logs();
                thread::sleep(Duration::from_millis(10));
            }
            self.ledger.allowed.store(total * (round + 1) / (rounds + 1), Ordering::SeqCst);
            thread::sleep(Duration::from_millis(dice.below(20)));
            if let Some((_, act)) = deck.pop() {
                act(self, &mut dice);
            }
        }
        self.ledger.allowed.store(total, Ordering::SeqCst);
        while !over.load(Ordering::SeqCst) {
            self.read_logs();
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Takes in what the gateways have written so far.
    pub(crate) fn read_logs(&self) {
        for slot in &self.slots {
            if let Some(gateway) = &*slot.gateway.lock().unwrap() {
                self.ledger.read(gateway.log.harvest());
            }
        }
    }

    /// One of the gateways.
    pub(crate) fn slot(&self, dice: &mut Dice) -> &Slot {
        &self.slots[usize::try_from(dice.below(self.slots.len() as u64)).unwrap()]
    }

    fn setup(&self, slot: &Slot, life: Life) -> Setup {
        let mut setup = Setup::new()
            .listen(format!("{{ address: \"{}:0\" }}", slot.host))
            // A write beyond the limit for files is an error then and not the end of the process.
            .shell("trap '' XFSZ");
        if let Some(disk) = &self.disk {
            setup = setup.top(format!("dedupe: {{ store: disk, path: \"{}\" }}", disk.store().display()));
        }
        if let Some((_, relay)) = &self.redis {
            setup = setup.variable("REDIS_URL", &format!("redis://127.0.0.1:{}", relay.port())).top(format!(
                "dedupe: {{ store: redis, url: env:REDIS_URL, timeout: {}ms }}",
                STORE_TIMEOUT.as_millis()
            ));
        }
        for (name, value) in self.clock.iter().flat_map(WallClock::variables) {
            setup = setup.variable(name, &value);
        }
        for policy in ["refuse", "memory", "pass"] {
            let dedupe = format!("dedupe: {{ key: [\"json:/id\"], on_store_error: {policy} }}");
            let timeout = format!("timeout: {}ms", self.timeout.as_millis());
            let upstream = self.upstream.url(life);
            setup = setup.route(route(
                policy,
                &format!("/{policy}"),
                "webhook-signature",
                &upstream,
                &[&timeout, &dedupe],
            ));
        }
        setup
    }

    /// Starts the gateway of this place and waits until it is ready.
    pub(crate) fn start(&self, slot: &Slot) {
        let life = self.lives.fetch_add(1, Ordering::SeqCst);
        let gateway = self.setup(slot, life).start();
        let address = gateway.address;
        eventually("the gateway is ready", || (gateway.get("/readyz").status == 200).then_some(()));
        *slot.gateway.lock().unwrap() = Some(gateway);
        *slot.door.write().unwrap() = (address, life);
    }

    /// Ends it as an operator does; what it took in it answers.
    pub(crate) fn stop(&self, slot: &Slot) {
        let Some(mut gateway) = slot.gateway.lock().unwrap().take() else { return };
        let life = slot.door.read().unwrap().1;
        self.ledger.once_more();
        self.ledger.stopped.lock().unwrap().insert(life, Instant::now());
        gateway.signal("TERM");
        let status = gateway.ended();
        if status.code() != Some(0) {
            self.ledger.wrong(format!("after SIGTERM the gateway ended with {status}"));
        }
        self.ledger.read(gateway.log.rest());
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&self, slot: &Slot) {
        let Some(mut gateway) = slot.gateway.lock().unwrap().take() else { return };
        let life = slot.door.read().unwrap().1;
        self.ledger.once_more();
        self.ledger.killed.lock().unwrap().insert(life, Instant::now());
        gateway.signal("KILL");
        if gateway.ended().signal() == Some(9) {
            self.ledger.injected("gateway killed with -9");
        }
        self.ledger.read(gateway.log.rest());
    }

    /// Does something with a gateway that runs.
    pub(crate) fn with<T>(&self, slot: &Slot, act: impl FnOnce(&Gateway) -> T) -> Option<T> {
        slot.gateway.lock().unwrap().as_ref().map(act)
    }

    /// Waits until every gateway takes deliveries again.
    pub(crate) fn well(&self) {
        for slot in &self.slots {
            self.with(slot, |gateway| {
                let until = Instant::now() + READY_WITHIN;
                loop {
                    let ready = gateway.get("/readyz");
                    if ready.status == 200 {
                        break;
                    }
                    if Instant::now() > until {
                        self.ledger.read(gateway.log.harvest());
                        let said = self.ledger.said.lock().unwrap();
                        self.ledger.wrong(format!(
                            "a gateway is not ready again {READY_WITHIN:?} after the store is back: {}\n{said:#?}",
                            ready.text()
                        ));
                        break;
                    }
                    thread::sleep(Duration::from_millis(20));
                }
            });
        }
    }

    /// Whether a gateway says that it cannot take deliveries, within the time.
    pub(crate) fn noticed(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while Instant::now() < until {
            for slot in &self.slots {
                if self.with(slot, |gateway| gateway.get("/readyz").status == 503) == Some(true) {
                    return true;
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Has the gateway reload by a signal, or by a changed file, and waits until it has.
    pub(crate) fn reload(&self, slot: &Slot, by_signal: bool) {
        self.with(slot, |gateway| {
            if by_signal {
                let before = gateway.metric("sealpost_reloads_total", &[]);
                gateway.signal("HUP");
                eventually("a reload is counted", || {
                    (gateway.metric("sealpost_reloads_total", &[]) > before).then_some(())
                });
            } else {
                let text = std::fs::read_to_string(&gateway.file).unwrap();
                let before = text.split("  - name: more").next().unwrap();
                let path = format!("/more/{}", self.changes.fetch_add(1, Ordering::SeqCst));
                let more = route("more", &path, "webhook-signature", "http://127.0.0.1:1", &[]);
                let changed = format!("{before}{more}");
                gateway.reloads(|| std::fs::write(&gateway.file, changed).unwrap());
            }
        });
    }

    /// Whether this fault is beyond what this machine lets us do; it is said then.
    fn cannot(&self, fault: &str) -> bool {
        let mounted = self.disk.as_ref().is_none_or(|disk| disk.mounted);
        let cannot = !mounted && matches!(fault, "disk full" | "disk read-only at a restart");
        if cannot {
            println!("not possible here, because no file system can be mounted: {fault}");
        }
        cannot
    }
}

/// The folder of the disk store: a small file system of its own where one can be mounted.
pub(crate) struct Disk {
    folder: TempDir,
    pub(crate) mounted: bool,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sealpost-faults-").tempdir().unwrap();
        let mounted =
            run_quietly("mount", &["-t", "tmpfs", "-o", "size=192m", "sealpost-test"], folder.path());
        Self { folder, mounted }
    }

    /// The store's own folder.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    /// Writes until nothing more goes in.
    pub(crate) fn fill(&self) {
        let ballast = std::fs::File::create(self.folder.path().join("ballast")).unwrap();
        let mut size = 1 << 20;
        while size > 512 {
            let block = vec![0; size];
            while std::io::Write::write_all(&mut &ballast, &block).is_ok() {}
            size /= 2;
        }
    }

    /// Makes room again.
    pub(crate) fn empty(&self) {
        std::fs::remove_file(self.folder.path().join("ballast")).unwrap();
    }

    /// Lets it be written or not. Nobody may have a file open in it.
    pub(crate) fn read_only(&self, on: bool) {
        let how = if on { "remount,ro" } else { "remount,rw" };
        assert!(run_quietly("mount", &["-o", how], self.folder.path()), "mount -o {how}");
    }

    /// What a gateway says that is started now and must refuse to.
    pub(crate) fn refuses(&self, scene: &Scene, slot: &Slot) -> String {
        let (status, said) = scene.setup(slot, usize::MAX).refused();
        if status.code() != Some(1) {
            scene.ledger.wrong(format!("with a read-only disk the gateway ended with {status}: {said}"));
        }
        said
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted {
            run_quietly("umount", &["-l"], self.folder.path());
        }
    }
}

fn run_quietly(command: &str, arguments: &[&str], path: &Path) -> bool {
    let status = Command::new(command).args(arguments).arg(path).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
