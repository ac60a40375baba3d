//! What the hand does that breaks things.

use std::process::Command;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use super::dice::Dice;
use super::scene::{Act, Scene};

pub(crate) const KILL: Act = ("gateway killed with -9", |scene, dice| {
    let slot = scene.slot(dice);
    scene.kill(slot);
    thread::sleep(Duration::from_millis(dice.below(100)));
    scene.start(slot);
});

pub(crate) const TERM: Act = ("gateway ended with SIGTERM", |scene, dice| {
    let slot = scene.slot(dice);
    scene.stop(slot);
    scene.ledger.injected(TERM.0);
    scene.start(slot);
});

pub(crate) const HUP: Act = ("reload by SIGHUP", |scene, dice| {
    scene.reload(scene.slot(dice), true);
    scene.ledger.injected(HUP.0);
});

pub(crate) const FILE: Act = ("reload by a changed file", |scene, dice| {
    scene.reload(scene.slot(dice), false);
    scene.ledger.injected(FILE.0);
});

pub(crate) const REFUSE: Act = ("upstream refuses connections", |scene, dice| {
    scene.upstream.refuse(Duration::from_millis(50 + dice.below(200)));
});

pub(crate) const AHEAD: Act = ("clock set hours ahead", |scene, dice| jump(scene, dice, 1, AHEAD.0));

pub(crate) const BACK: Act = ("clock set hours back", |scene, dice| jump(scene, dice, -1, BACK.0));

/// One to three hours, and never more than six from the truth: an event is remembered for a day.
fn jump(scene: &Scene, dice: &mut Dice, sign: i64, name: &'static str) {
    let Some(clock) = &scene.clock else { return };
    let hours = 1 + i64::try_from(dice.below(3)).unwrap();
    let to = clock.ahead() + sign * hours * 3600;
    clock.set(if to.abs() > 6 * 3600 { 0 } else { to });
    scene.ledger.injected(name);
}

pub(crate) const REDIS_KILLED: Act = ("Redis killed and restarted empty", |scene, dice| {
    outage(scene, true, REDIS_KILLED.0, |scene| {
        let mut redis = redis(scene);
        redis.kill();
        let _ = std::fs::remove_file(redis.folder().join("dump.rdb"));
        thread::sleep(Duration::from_millis(dice.below(500)));
        redis.restart();
        true
    });
});

pub(crate) const REDIS_STOPPED: Act = ("Redis stopped and restarted with what it knew", |scene, dice| {
    outage(scene, false, REDIS_STOPPED.0, |scene| {
        let mut redis = redis(scene);
        // It answers by ending.
        let _ = crate::support::redis::ask(redis.port(), &["SHUTDOWN", "SAVE"]);
        let saved = redis.folder().join("dump.rdb").exists();
        thread::sleep(Duration::from_millis(dice.below(500)));
        redis.restart();
        saved
    });
});

pub(crate) const REDIS_PAUSED: Act = ("Redis stands still (SIGSTOP)", |scene, _| {
    outage(scene, false, REDIS_PAUSED.0, |scene| {
        redis(scene).pause();
        // Longer than any question may take, so that every gateway notices.
        let noticed = scene.noticed(Duration::from_secs(20));
        redis(scene).resume();
        noticed
    });
});

pub(crate) const REDIS_SLOW: Act = ("Redis slow", |scene, dice| {
    outage(scene, false, REDIS_SLOW.0, |scene| {
        let Some((_, relay)) = &scene.redis else { return false };
        let before = relay.held_back();
        // Below the limit for a question, and beyond it.
        for millis in [200 + dice.below(300), 2500] {
            relay.hold_back(Duration::from_millis(millis));
            thread::sleep(Duration::from_millis(1500));
        }
        relay.hold_back(Duration::ZERO);
        relay.held_back() > before
    });
});

pub(crate) const DISK_LIMIT: Act = ("disk takes no more (limit for files)", |scene, dice| {
    let slot = scene.slot(dice);
    outage(scene, false, DISK_LIMIT.0, |scene| {
        scene.with(slot, |gateway| limit(gateway.id(), "1"));
        let noticed = scene.noticed(Duration::from_secs(20));
        scene.with(slot, |gateway| limit(gateway.id(), "unlimited"));
        noticed
    });
});

pub(crate) const DISK_FULL: Act = ("disk full", |scene, _| {
    let Some(disk) = scene.disk.as_ref().filter(|disk| disk.mounted) else { return };
    outage(scene, false, DISK_FULL.0, |scene| {
        disk.fill();
        // It may have room within its file for a while.
        scene.ledger.allowed.fetch_add(100, std::sync::atomic::Ordering::SeqCst);
        let noticed = scene.noticed(Duration::from_secs(10));
        disk.empty();
        noticed
    });
});

pub(crate) const DISK_READ_ONLY: Act = ("disk read-only at a restart", |scene, dice| {
    let Some(disk) = scene.disk.as_ref().filter(|disk| disk.mounted) else { return };
    let slot = scene.slot(dice);
    scene.kill(slot);
    disk.read_only(true);
    let said = disk.refuses(scene, slot);
    if said.contains("ead-only file system") {
        scene.ledger.injected(DISK_READ_ONLY.0);
    } else {
        scene.ledger.wrong(format!("a read-only disk is called something else: {said}"));
    }
    disk.read_only(false);
    scene.start(slot);
});

/// Does something to the store, waits until all is well again, and notes the time between.
fn outage(scene: &Scene, emptied: bool, name: &'static str, act: impl FnOnce(&Scene) -> bool) {
    let from = Instant::now();
    if act(scene) {
        scene.ledger.injected(name);
    }
    // Also those that were accepted while it was away.
    scene.ledger.once_more();
    scene.well();
    scene.ledger.outage(from, emptied);
}

fn redis(scene: &Scene) -> std::sync::MutexGuard<'_, crate::support::redis::RedisServer> {
    let (redis, _) = scene.redis.as_ref().expect("a part with Redis");
    redis.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a process write no further than this into any file.
fn limit(id: u32, bytes: &str) {
    let done =
        Command::new("prlimit").args(["--pid", &id.to_string(), &format!("--fsize={bytes}:")]).status();
    assert!(done.expect("prlimit of util-linux is needed").success());
}
