//! Noticing changes, whatever way an editor, git, a bind mount or Kubernetes makes them.
//!
//! Folders are watched, not files: a file that is replaced is another file. Events only wake the comparison of
//! contents, and a slow poll wakes it as well, because some file systems send no events at all.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use sha2::{Digest, Sha256};

use super::Reloader;
use crate::clock;

/// How often the files are looked at without any event.
const POLL: Duration = Duration::from_secs(1);
/// Every how many polls the contents are read although nothing about the files seems changed.
const FULL_EVERY: u32 = 10;
/// How long a burst of events may last before it is looked at: a symlink swap is several.
const SETTLE: Duration = Duration::from_millis(50);

/// Watches until it is dropped.
pub struct Watcher {
    wake: SyncSender<Wake>,
    thread: Option<std::thread::JoinHandle<()>>,
}

enum Wake {
    Event,
    End,
}

impl Watcher {
    /// Watches everything that `reloader`'s configuration depends on.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(reloader: Arc<Reloader>) -> std::io::Result<Self> {
        let (wake, woken) = sync_channel(1);
        let events = wake.clone();
        // Without file-system events the poll still notices every change.
        let notify = notify::recommended_watcher(move |_| drop(events.try_send(Wake::Event)))
            .inspect_err(|error| tracing::warn!(target: "sealpost::config", "no file-system events, polling only: {error}"))
            .ok();
        // The contents the running configuration was made from are read before anything can change again.
        let mut contents = Contents::default();
        contents.changed(&reloader.files(), true);
        let thread = std::thread::Builder::new().name("sealpost-watch".into()).spawn(move || {
            Watch { reloader, contents, folders: Vec::new(), notify }.run(&woken);
        })?;
        Ok(Self { wake, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.wake.send(Wake::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Watch {
    reloader: Arc<Reloader>,
    contents: Contents,
    folders: Vec<PathBuf>,
    notify: Option<RecommendedWatcher>,
}

impl Watch {
    fn run(&mut self, woken: &Receiver<Wake>) {
        let mut polls = 0_u32;
        let mut tried = clock::monotonic();
        loop {
            let files = self.reloader.files();
            self.follow(&files);
            match woken.recv_timeout(POLL) {
                Ok(Wake::Event) => std::thread::sleep(SETTLE),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Wake::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
            polls = polls.wrapping_add(1);
            let changed = self.contents.changed(&files, polls.is_multiple_of(FULL_EVERY));
            // A configuration that failed may depend on files that nobody knows of yet: try it again. Not at every
            // event, for opening the files to try is an event itself.
            let again = self.reloader.outcome().error.is_some() && tried.elapsed() >= POLL;
            if changed || again {
                let _ = self.reloader.reload("files changed");
                tried = clock::monotonic();
            }
        }
    }

    /// Watches the folders of `files`, and of what their symlinks lead to, instead of those watched so far.
    fn follow(&mut self, files: &[PathBuf]) {
        let Some(notify) = &mut self.notify else { return };
        let mut folders: Vec<PathBuf> = files.iter().flat_map(|file| folders_of(file)).collect();
        folders.sort();
        folders.dedup();
        for gone in self.folders.iter().filter(|folder| !folders.contains(folder)) {
            let _ = notify.unwatch(gone);
        }
        for new in folders.iter().filter(|folder| !self.folders.contains(folder)) {
            let _ = notify.watch(new, RecursiveMode::NonRecursive);
        }
        self.folders = folders;
    }
}

fn folders_of(file: &Path) -> Vec<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut folders = vec![parent(file)];
    if let Ok(real) = file.canonicalize() {
        folders.push(parent(&real));
    }
    folders
}

/// What the watched files held when they were last looked at.
#[derive(Default)]
struct Contents {
    seen: HashMap<PathBuf, (Option<Stamp>, [u8; 32])>,
}

/// What the system says of a file without reading it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Contents {
    /// Whether any file holds something else than when last looked at; unchanged stamps are believed unless `full`.
    fn changed(&mut self, files: &[PathBuf], full: bool) -> bool {
        let mut changed = false;
        self.seen.retain(|path, _| files.contains(path));
        for path in files {
            let stamp = stamp(path);
            if let Some((seen, _)) = self.seen.get(path)
                && !full
                && *seen == stamp
            {
                continue;
            }
            let digest = digest(path);
            let before = self.seen.insert(path.clone(), (stamp, digest));
            changed |= before.is_some_and(|(_, before)| before != digest);
        }
        changed
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let data = std::fs::metadata(path).ok()?;
    Some(Stamp {
        device: data.dev(),
        inode: data.ino(),
        size: data.size(),
        modified: (data.mtime(), data.mtime_nsec()),
        changed: (data.ctime(), data.ctime_nsec()),
    })
}

/// The digest of a file's contents; a file that cannot be read differs from every one that can.
fn digest(path: &Path) -> [u8; 32] {
    match std::fs::read(path) {
        Ok(contents) => Sha256::new_with_prefix(b"read").chain_update(contents).finalize().into(),
        Err(error) => {
            Sha256::new_with_prefix(b"error").chain_update(error.kind().to_string()).finalize().into()
        }
    }
}
