//! The side that is relieved: shows who it is, gives what it is asked for, and takes it back if the newer one fails.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::AsyncWriteExt as _;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use super::door::Door;
use super::word::last_word;
use super::{FORM, Held, MOVE, Next, Offer, PREPARE, StoreName, WITHOUT, WORD, wire};
use crate::clock;
use crate::dedupe::{Ask, Backend, read_frame, write_frame};
use crate::gateway::Gateway;

/// Questions at once; the next ones wait.
const VISITORS: usize = 1024;

/// What can be handed over.
pub(in crate::serve) struct House {
    gateway: Arc<Gateway>,
    path: PathBuf,
    store: StoreName,
    /// Further handles of the listening sockets. Nothing once this process is leaving by itself: as long as one is
    /// open, connections are taken into the queue.
    sockets: Mutex<Option<Vec<(SocketAddr, TcpListener)>>>,
    /// One handover at a time.
    one: tokio::sync::Mutex<()>,
    reopen: Notify,
    relieved: watch::Sender<Option<u32>>,
}

impl House {
    /// Everything there is to give, and where it is asked for.
    pub(in crate::serve) fn new(
        gateway: Arc<Gateway>,
        path: PathBuf,
        store: StoreName,
        sockets: Vec<(SocketAddr, TcpListener)>,
    ) -> Self {
        Self {
            gateway,
            path,
            store,
            sockets: Mutex::new(Some(sockets)),
            one: tokio::sync::Mutex::default(),
            reopen: Notify::new(),
            relieved: watch::channel(None).0,
        }
    }

    /// Resolves with the process that has taken over.
    pub(in crate::serve) async fn relieved(&self) -> u32 {
        let mut relieved = self.relieved.subscribe();
        match relieved.wait_for(Option::is_some).await.map(|pid| *pid) {
            Ok(Some(pid)) => pid,
            // The sender is this house's own.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Nothing is given any more, and nobody is kept in the sockets' queues.
    pub(in crate::serve) fn shut(&self) {
        drop(self.sockets.lock().take());
    }
}

/// Answers at the door as long as the process lives.
pub(in crate::serve) async fn serve(mut door: Door, house: Arc<House>) {
    let room = Arc::new(Semaphore::new(VISITORS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = tokio::select! {
            accepted = door.listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(_) => {
                    tokio::time::sleep(WORD / 50).await;
                    continue;
                }
            },
            () = house.reopen.notified() => {
                if !door.is_mine() {
                    match Door::open(&house.path) {
                        Ok(again) => door = again,
                        Err(why) => tracing::error!(target: "sealpost::handover", "{why}"),
                    }
                }
                continue;
            }
        };
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let _place = place;
            match wire::same_user(&stream) {
                Ok(true) => {}
                Ok(false) | Err(_) => {
                    tracing::warn!(target: "sealpost::handover", "another user asked at the handover socket and got nothing");
                    return;
                }
            }
            let _ = house.receive(stream).await;
        });
    }
}

impl House {
    async fn receive(&self, mut stream: UnixStream) -> io::Result<()> {
        match tokio::time::timeout(WORD, read_frame(&mut stream)).await?? {
            Ask::Store(question) => self.gateway.stores.main.answer(stream, question, clock::steady()).await,
            Ask::Handover { form } => self.hand_over(stream, form).await,
        }
    }

    async fn hand_over(&self, mut stream: UnixStream, form: u32) -> io::Result<()> {
        let pid = stream.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default();
        let Ok(_one) = self.one.try_lock() else {
            return write_frame(&mut stream, &Offer::No("it is handing over to another process now".into()))
                .await;
        };
        if form != FORM {
            tracing::warn!(
                target: "sealpost::handover",
                pid, form,
                "a process of another version asks for the sockets in another form than {FORM}: this one serves on"
            );
            let version = env!("CARGO_PKG_VERSION");
            let why = format!("its version {version} hands over in form {FORM} and not {form}; {WITHOUT}");
            return write_frame(&mut stream, &Offer::No(why)).await;
        }
        tracing::info!(target: "sealpost::handover", pid, "a newer process asks for the sockets");
        match self.give(&mut stream).await {
            Ok(()) => {
                self.relieved.send_replace(Some(pid));
                Ok(())
            }
            Err(error) => {
                // It must not believe that it may serve.
                let _ = stream.shutdown().await;
                drop(stream);
                self.gateway.stores.main.resume();
                self.reopen.notify_one();
                tracing::error!(target: "sealpost::handover", pid, "the newer process did not take over ({error}): this one serves on");
                Err(error)
            }
        }
    }

    /// Handles of the sockets for another process; nothing at the end of this one.
    fn copies(&self) -> io::Result<Option<Vec<(SocketAddr, TcpListener)>>> {
        let sockets = self.sockets.lock();
        let Some(sockets) = sockets.as_ref() else { return Ok(None) };
        sockets
            .iter()
            .map(|(address, socket)| Ok((*address, socket.try_clone()?)))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    async fn give(&self, stream: &mut UnixStream) -> io::Result<()> {
        let store = &self.gateway.stores.main;
        let Some(copies) = self.copies()? else {
            let why = "it is ending";
            write_frame(stream, &Offer::No(why.into())).await?;
            return Err(io::Error::other(why));
        };
        let lock = match store.own() {
            Backend::Disk(store) => Some(store.lock()?),
            Backend::Memory(_) | Backend::Redis(_) => None,
        };
        let offer = Offer::Sockets {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            addresses: copies.iter().map(|(address, _)| *address).collect(),
            store: self.store.clone(),
            lock: lock.is_some(),
        };
        write_frame(stream, &offer).await?;
        for (_, socket) in &copies {
            stream.async_io(Interest::WRITABLE, || wire::send(&*stream, socket)).await?;
        }
        if let Some(lock) = &lock {
            stream.async_io(Interest::WRITABLE, || wire::send(&*stream, lock)).await?;
        }
        drop((copies, lock));
        match last_word(stream, Instant::now() + PREPARE).await? {
            Next::Serving => return Ok(()),
            Next::Store => {}
        }
        let end = Instant::now() + MOVE;
        let moving = async {
            store.hold().await.map_err(io::Error::other)?;
            write_frame(stream, &Held).await?;
            let mut number = 0;
            while let Some(part) = store.part(number, clock::steady()) {
                stream.write_all(&part).await?;
                number += 1;
            }
            Ok(())
        };
        let late = || Err(io::Error::other(format!("it has not taken the store in within {MOVE:?}")));
        // Nothing that the newer process could serve with is complete before this is done.
        tokio::time::timeout_at(end, moving).await.unwrap_or_else(|_| late())?;
        match last_word(stream, end).await {
            Ok(Next::Serving) => {}
            Ok(Next::Store) => return Err(io::Error::other("it asked for the store twice")),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return late(),
            Err(error) => return Err(error),
        }
        store.moved();
        Ok(())
    }
}
