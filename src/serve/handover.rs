//! One process relieves another without a gap: the sockets and the store go over a unix socket that both know.
//!
//! The newer process asks, gets the listening sockets, prepares everything, gets the store's events while the older
//! one holds its claims back for a moment, takes the socket's path and says that it serves. Up to that word the older
//! one serves on and takes back what it held, whatever becomes of the newer one. The sockets are shared, not closed
//! and bound anew, so no connection in their queues is lost.

mod door;
mod older;
mod wire;
mod word;

use std::fs::File;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(super) use self::door::Door;
pub(super) use self::older::{House, serve};
use crate::dedupe::{Ask, blocking};

/// The form of what the two processes say, the questions about the store and the events' bytes included: raised whenever
/// one of them changes. Processes of different forms do not hand over.
const FORM: u32 = 2;

/// How a process of form 1 ended its refusal, which says nothing of what to do.
const FORM_1: &str = "hands over in another form";

/// What to do about another form.
const WITHOUT: &str =
    "end that one by SIGTERM, by which it finishes what it has in flight, and start this one then";

/// How long the older process waits for the newer one to prepare itself. Meanwhile it serves.
const PREPARE: Duration = Duration::from_secs(60);

/// How long claims are held back at most. Senders may wait no longer than six seconds in all.
const MOVE: Duration = Duration::from_secs(4);

/// How long either side waits for a word that needs no work.
const WORD: Duration = Duration::from_secs(5);

/// What the older process answers to [`Ask::Handover`]; a file descriptor for each socket and for the lock follows.
#[derive(Debug, Serialize, Deserialize)]
enum Offer {
    /// Come in.
    Sockets {
        /// The process.
        pid: u32,
        /// Its version.
        version: String,
        /// The addresses of the configuration, in the order of the sockets.
        addresses: Vec<SocketAddr>,
        /// Where it remembers events.
        store: StoreName,
        /// Whether a lock follows.
        lock: bool,
    },
    /// Not now, or not you.
    No(String),
}

/// Where events are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StoreName {
    pub(super) kind: String,
    pub(super) folder: Option<PathBuf>,
}

/// What the newer process says on.
#[derive(Debug, Serialize, Deserialize)]
enum Next {
    /// It is prepared and wants the store's events.
    Store,
    /// It has everything and serves.
    Serving,
}

/// The older process says that nothing changes in its store any more; the events follow.
#[derive(Debug, Serialize, Deserialize)]
struct Held;

/// What the older process has given so far. It takes it all back when this is dropped before [`Inherited::serving`].
pub(super) struct Inherited {
    stream: UnixStream,
    sockets: Vec<(SocketAddr, TcpListener)>,
    lock: Option<File>,
    store: StoreName,
    /// The older process.
    pub(super) pid: u32,
    /// Its version.
    pub(super) version: String,
}

impl Inherited {
    /// Asks the process at `path` for its sockets; `None` if there is none.
    ///
    /// # Errors
    /// One sentence: it is another user's, it refuses, or it does not answer.
    pub(super) async fn ask(path: &Path) -> Result<Option<Self>, String> {
        let shown = path.display();
        let stream = match tokio::net::UnixStream::connect(path).await {
            Ok(stream) => stream,
            Err(error) if door::nobody(&error) => return Ok(None),
            Err(error) => return Err(format!("cannot ask the process at {shown} to hand over: {error}")),
        };
        let failed = |error| format!("the process at {shown} did not hand over: {error}");
        if !wire::same_user(&stream).map_err(failed)? {
            return Err(format!("the process at {shown} is another user's: nothing is taken from it"));
        }
        let stream = stream.into_std().map_err(failed)?;
        stream.set_nonblocking(false).map_err(failed)?;
        blocking(|| Self::receive(stream, &shown.to_string())).map(Some)
    }

    fn receive(mut stream: UnixStream, shown: &str) -> Result<Self, String> {
        let failed = |error| format!("the process at {shown} did not hand over: {error}");
        stream.set_read_timeout(Some(WORD)).map_err(failed)?;
        stream.set_write_timeout(Some(WORD)).map_err(failed)?;
        wire::say(&mut stream, &Ask::Handover { form: FORM }).map_err(failed)?;
        let (pid, version, addresses, store, lock) = match wire::hear(&mut stream).map_err(failed)? {
            Offer::Sockets { pid, version, addresses, store, lock } => (pid, version, addresses, store, lock),
            Offer::No(why) => {
                let to_do = if why.ends_with(FORM_1) { format!("; {WITHOUT}") } else { String::new() };
                return Err(format!("the process at {shown} does not hand over: {why}{to_do}"));
            }
        };
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            let socket = wire::receive(&stream).map_err(failed)?;
            sockets.push((address, TcpListener::from(socket)));
        }
        let lock = if lock { Some(File::from(wire::receive(&stream).map_err(failed)?)) } else { None };
        Ok(Self { stream, sockets, lock, store, pid, version })
    }

    /// Whether any of these addresses is one of the older process's.
    pub(super) fn has_any(&self, mut addresses: impl Iterator<Item = SocketAddr>) -> bool {
        addresses.any(|address| self.sockets.iter().any(|(other, _)| *other == address))
    }

    /// The socket of an address.
    pub(super) fn take(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let at = self.sockets.iter().position(|(other, _)| *other == address)?;
        Some(self.sockets.remove(at).1)
    }

    /// The addresses that nobody will listen on any more.
    pub(super) fn left(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().map(|(address, _)| *address)
    }

    /// The older process remembers events in the same place; then it holds its store still from now on, and gives the
    /// lock on it if there is one.
    ///
    /// # Errors
    /// When it cannot.
    pub(super) fn same_store(&mut self, store: &StoreName) -> Result<Option<Option<File>>, String> {
        if *store != self.store {
            if self.store.kind != "redis" || store.kind != "redis" {
                tracing::warn!(
                    target: "sealpost::handover",
                    from = self.store.kind, to = store.kind,
                    "the store is another one now: what the older process remembers stays behind"
                );
            }
            return Ok(None);
        }
        if store.kind == "redis" {
            return Ok(None);
        }
        let failed = |error| format!("the older process does not give its store: {error}");
        wire::say(&mut self.stream, &Next::Store).map_err(failed)?;
        let Held = wire::hear(&mut self.stream).map_err(failed)?;
        Ok(Some(self.lock.take()))
    }

    /// The events that the older process passes on.
    pub(super) fn events(&self) -> impl std::io::Read + '_ {
        // The older process writes nothing after them until it is told something.
        BufReader::with_capacity(64 * 1024, &self.stream)
    }

    /// Tells the older process that it is relieved.
    ///
    /// # Errors
    /// When it has called it off: then this process must not serve.
    pub(super) fn serving(mut self) -> Result<(), String> {
        wire::say(&mut self.stream, &Next::Serving)
            .map_err(|error| format!("the older process called the handover off: {error}"))
    }
}
