//! A request as the journal keeps it, and where: in memory until it stands in the file, if there is one.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;

/// A request's head and body as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Path and query.
    pub target: Box<str>,
    /// The host asked for.
    pub host: Box<str>,
    /// Whether the sender spoke TLS, as far as is known.
    pub https: bool,
    /// Scheme and host as the sender signed them, where it signs its URL.
    pub signed_origin: Option<Box<str>>,
    /// Whether the connection's peer was a trusted proxy.
    pub trusted: bool,
    /// The value of `X-Forwarded-For` for the upstream.
    pub forwarded_for: Box<str>,
    /// The header fields, each `Name: value` and CR LF, in the order and letter case received.
    pub head: Bytes,
    /// The body.
    pub body: Bytes,
}

impl Kept {
    /// The bytes it holds.
    #[must_use]
    pub fn size(&self) -> usize {
        let origin = self.signed_origin.as_ref().map_or(0, |origin| origin.len());
        size_of::<Self>()
            .saturating_add(self.target.len())
            .saturating_add(self.host.len())
            .saturating_add(origin)
            .saturating_add(self.forwarded_for.len())
            .saturating_add(self.head.len())
            .saturating_add(self.body.len())
    }

    /// Scheme and host.
    #[must_use]
    pub fn origin(&self) -> String {
        match &self.signed_origin {
            Some(origin) => origin.to_string(),
            None => format!("{}://{}", if self.https { "https" } else { "http" }, self.host),
        }
    }

    /// Names and values in the order received.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let lines = self.head.split(|byte| *byte == b'\n');
        lines.filter_map(|line| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = line.split_at_checked(colon)?;
            let value = value.get(1..)?;
            Some((name, value.strip_prefix(b" ").unwrap_or(value)))
        })
    }
}

/// Where a kept request is: in memory, or in the journal's file.
#[derive(Debug, Default)]
pub struct KeptPlace {
    here: Mutex<Option<Box<Kept>>>,
    filed: AtomicBool,
    size: usize,
}

impl Clone for KeptPlace {
    fn clone(&self) -> Self {
        Self {
            here: Mutex::new(self.here.lock().clone()),
            filed: AtomicBool::new(self.is_filed()),
            size: self.size,
        }
    }
}

impl KeptPlace {
    /// In memory.
    #[must_use]
    pub fn here(kept: Kept) -> Self {
        let size = kept.size();
        Self { here: Mutex::new(Some(Box::new(kept))), filed: AtomicBool::new(false), size }
    }

    /// The same without the bytes: they are where this is a copy of.
    pub(super) fn elsewhere(&self) -> Self {
        Self { here: Mutex::new(None), filed: AtomicBool::new(self.is_filed()), size: self.size }
    }

    /// In the file only.
    pub(super) fn filed(size: usize) -> Self {
        Self { here: Mutex::new(None), filed: AtomicBool::new(true), size }
    }

    /// Whether there is one at all.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.size > 0
    }

    /// The bytes of it, wherever they are.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// A copy of it, if it is in memory. The bytes are shared.
    pub(super) fn in_memory(&self) -> Option<Kept> {
        self.here.lock().as_deref().cloned()
    }

    /// Whether it is in the file.
    pub(super) fn is_filed(&self) -> bool {
        self.filed.load(Ordering::Acquire)
    }

    /// It is in the file now; memory need not hold it.
    pub(super) fn file(&self) {
        if self.size > 0 {
            self.filed.store(true, Ordering::Release);
            drop(self.here.lock().take());
        }
    }
}
