//! Keeps the connections, and keeps requests from waiting for a server that does not answer.
//!
//! A question that fails or takes too long, several in a row, opens the circuit: from then on questions fail at once.
//! One task per store closes it again when the server has taken a write, connects anew where it has to, tells what is
//! owed, and asks in quiet times too, so that readiness is right without traffic.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use redis::{ErrorKind, RedisError, ServerErrorKind, Value};
use tokio::sync::Notify;

use super::owed::{Debts, Owed};
use super::script::{Question, Scripts};
use super::server::{Connection, Server};
use super::{RedisOptions, jittered};
use crate::dedupe::health::Health;
use crate::dedupe::{EventKey, StoreError};

/// Questions in a row that took too long before no more are asked.
const TOO_LATE: u32 = 3;
/// How often the server is asked whether it takes a write, when all is well.
const PROBE: Duration = Duration::from_secs(1);
/// How soon it is tried again when it did not, at first and at most.
const RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(1);
/// A probe may take longer than a question: nobody waits for it.
const PROBE_PATIENCE: u32 = 2;

/// What the store and its keeper share.
pub(super) struct Shared {
    prefix: String,
    timeout: Duration,
    pub(super) health: Health,
    connections: ArcSwap<Vec<Connection>>,
    turn: AtomicUsize,
    /// Questions in a row that took too long.
    late: AtomicU32,
    alarm: Notify,
    /// Whether it was said that the server does not answer.
    said: AtomicBool,
    debts: Mutex<Debts>,
    /// For messages: without its password.
    shown: String,
}

/// Why a question has no answer, and whether the server may have read it.
pub(super) struct Failed {
    pub(super) error: StoreError,
    pub(super) asked: bool,
}

impl Shared {
    pub(super) fn new(options: RedisOptions) -> Self {
        let shared = Self {
            shown: options.url.to_string(),
            prefix: options.prefix,
            timeout: options.timeout,
            health: Health::default(),
            connections: ArcSwap::default(),
            turn: AtomicUsize::new(0),
            late: AtomicU32::new(0),
            alarm: Notify::new(),
            said: AtomicBool::new(false),
            debts: Mutex::default(),
        };
        shared.health.fail(&format!("not connected to {} yet", shared.shown));
        shared
    }

    /// The name of an event's key.
    pub(super) fn name(&self, key: &EventKey) -> String {
        let mut name = String::with_capacity(self.prefix.len() + 43);
        name.push_str(&self.prefix);
        URL_SAFE_NO_PAD.encode_string(key.0, &mut name);
        name
    }

    /// Asks, within the time limit; at once without an answer while the circuit is open.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Value, Failed> {
        self.health.check().map_err(|error| Failed { error, asked: false })?;
        let connections = self.connections.load();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let connection = connections.get(turn % connections.len().max(1)).cloned();
        drop(connections);
        let Some(mut connection) = connection else {
            let error = StoreError::Unavailable(format!("not connected to {}", self.shown));
            return Err(Failed { error, asked: false });
        };
        match tokio::time::timeout(self.timeout, answered(&mut connection, question)).await {
            Ok(Ok(value)) => {
                if self.late.load(Ordering::Relaxed) != 0 {
                    self.late.store(0, Ordering::Relaxed);
                }
                Ok(value)
            }
            Ok(Err(error)) => Err(self.failed(&error)),
            Err(_) => Err(self.too_late()),
        }
    }

    /// Something to tell the server when it can be told.
    pub(super) fn owe(&self, owed: Owed) {
        self.debts.lock().push(owed);
        self.alarm.notify_one();
    }

    fn failed(&self, error: &RedisError) -> Failed {
        let why = format!("{}: {error}", self.shown);
        // A server that says no to one question says so at once, and may say yes to the next.
        if !is_answer(error) {
            self.open(&why);
        }
        Failed { error: StoreError::Unavailable(why), asked: true }
    }

    fn too_late(&self) -> Failed {
        let why = format!("{} did not answer within {:?}", self.shown, self.timeout);
        if self.late.fetch_add(1, Ordering::Relaxed).saturating_add(1) >= TOO_LATE {
            self.open(&why);
        }
        Failed { error: StoreError::Unavailable(why), asked: true }
    }

    /// Opens the circuit.
    fn open(&self, why: &str) {
        self.health.fail(why);
        if !self.said.swap(true, Ordering::Relaxed) {
            tracing::error!(target: "sealpost::dedupe", "the Redis store failed: {why}");
        }
        self.alarm.notify_one();
    }

    /// Closes the circuit.
    fn close(&self) {
        self.late.store(0, Ordering::Relaxed);
        if self.health.recover() {
            self.said.store(false, Ordering::Relaxed);
            tracing::info!(target: "sealpost::dedupe", server = self.shown, "the Redis store answers");
        }
    }

    /// Whether every connection leads to a server that takes a write.
    async fn probe(&self) -> Result<(), String> {
        let connections = self.connections.load_full();
        if connections.is_empty() {
            return Err(format!("not connected to {}", self.shown));
        }
        let mut command = redis::cmd("SET");
        command.arg(format!("{}probe", self.prefix)).arg(1).arg("PX").arg(60_000);
        for connection in &*connections {
            let mut connection = connection.clone();
            match tokio::time::timeout(self.timeout * PROBE_PATIENCE, connection.ask(&command)).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(format!("{}: {error}", self.shown)),
                Err(_) => return Err(format!("{} does not answer", self.shown)),
            }
        }
        Ok(())
    }

    /// Tells the server what is owed; false when it fails at that.
    async fn pay(&self, scripts: &Scripts) -> bool {
        loop {
            let Some(owed) = self.debts.lock().pop() else { return true };
            let Some(mut connection) = self.connections.load().first().cloned() else {
                self.debts.lock().put_back(owed);
                return false;
            };
            let question = owed.question(scripts, &self.name(&owed.key));
            let told = answered(&mut connection, &question);
            match tokio::time::timeout(self.timeout * PROBE_PATIENCE, told).await {
                Ok(Ok(_)) => {}
                // What it does not want, it will not want the next time.
                Ok(Err(error)) if is_answer(&error) => {}
                Ok(Err(_)) | Err(_) => {
                    self.debts.lock().put_back(owed);
                    return false;
                }
            }
        }
    }
}

/// The server's answer; a script that it does not know it is told.
async fn answered(connection: &mut Connection, question: &Question<'_>) -> Result<Value, RedisError> {
    match connection.ask(&question.by_name()).await {
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
            connection.ask(&question.by_text()).await
        }
        other => other,
    }
}

/// Whether the server that should answer did, and the connection is as good as before.
fn is_answer(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Server(kind) => !matches!(
            kind,
            ServerErrorKind::ReadOnly
                | ServerErrorKind::MasterDown
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
        ),
        ErrorKind::Extension => true,
        _ => false,
    }
}

/// Runs for as long as the store is there.
pub(super) async fn keep(store: Weak<Shared>, mut server: Server, scripts: Scripts) {
    let mut pause = RETRY;
    loop {
        let Some(shared) = store.upgrade() else { return };
        // A probe first: often nothing but a moment was lost.
        let mut probed = shared.probe().await;
        if probed.is_err() {
            probed = match server.connect().await {
                Ok(connections) => {
                    shared.connections.store(Arc::new(connections));
                    shared.probe().await
                }
                Err(error) => Err(format!("cannot connect to {}: {error}", shared.shown)),
            };
        }
        // What is owed comes first: a claim that nobody holds would keep the event's copies waiting.
        let well = match probed {
            Ok(()) if shared.pay(&scripts).await => {
                shared.close();
                pause = RETRY;
                true
            }
            Ok(()) => false,
            Err(why) => {
                shared.open(&why);
                false
            }
        };
        let alarm = Arc::clone(&shared);
        drop(shared);
        if well {
            let _ = tokio::time::timeout(PROBE, alarm.alarm.notified()).await;
        } else {
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(LONGEST_RETRY);
        }
    }
}
