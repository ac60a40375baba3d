//! Reading a request's body: whole, bounded in size, in time, and over all requests together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use super::session::{Broken, Piece, Session};
use crate::admit::Reason;

/// What one body is allotted before its bytes have come; after that it grows with what really arrives, so
/// that declaring a length costs a stranger as much as it costs us.
const FIRST_ALLOTMENT: usize = 64 * 1024;

/// All bytes of bodies held at once, over all requests.
#[derive(Debug, Default)]
pub(crate) struct Buffered {
    bytes: AtomicU64,
}

impl Buffered {
    /// How many bytes are held now.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64, limit: u64) -> bool {
        let held = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let fits = held.saturating_add(bytes) <= limit;
        if !fits {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }
}

/// A body held in memory; its bytes count against the common limit as long as it lives.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Stored,
    held: u64,
    buffered: Arc<Buffered>,
}

#[derive(Debug)]
enum Stored {
    /// It came in one piece, which is kept as it is.
    One(Bytes),
    Many(Vec<u8>),
}

impl Body {
    fn new(buffered: Arc<Buffered>) -> Self {
        Self { bytes: Stored::One(Bytes::new()), held: 0, buffered }
    }

    /// The bytes received.
    pub(super) fn as_slice(&self) -> &[u8] {
        match &self.bytes {
            Stored::One(bytes) => bytes,
            Stored::Many(bytes) => bytes,
        }
    }

    /// How many bytes were received.
    pub(super) fn length(&self) -> u64 {
        u64::try_from(self.as_slice().len()).unwrap_or(u64::MAX)
    }

    /// The bytes received, for whoever keeps them on for long. A small body is copied: it may be a part of a buffer many times
    /// as large, which would be kept with it.
    pub(super) fn share(&mut self) -> Bytes {
        if self.as_slice().len() <= FIRST_ALLOTMENT {
            return Bytes::copy_from_slice(self.as_slice());
        }
        if let Stored::Many(bytes) = &mut self.bytes {
            // Room that was made for more than came would be kept as well.
            bytes.shrink_to_fit();
            self.bytes = Stored::One(std::mem::take(bytes).into());
        }
        match &self.bytes {
            Stored::One(bytes) => bytes.clone(),
            Stored::Many(_) => Bytes::new(),
        }
    }

    fn append(&mut self, chunk: Bytes, declared: Option<u64>) {
        match &mut self.bytes {
            Stored::One(first) if first.is_empty() => self.bytes = Stored::One(chunk),
            Stored::One(first) => {
                let mut bytes = Vec::new();
                grow(&mut bytes, first.len().saturating_add(chunk.len()), declared);
                bytes.extend_from_slice(first);
                bytes.extend_from_slice(&chunk);
                self.bytes = Stored::Many(bytes);
            }
            Stored::Many(bytes) => {
                grow(bytes, bytes.len().saturating_add(chunk.len()), declared);
                bytes.extend_from_slice(&chunk);
            }
        }
    }
}

/// Makes room for `needed` bytes: at first for the declared length up to 64 KiB, then for four times what has
/// come, never for more than was declared.
fn grow(bytes: &mut Vec<u8>, needed: usize, declared: Option<u64>) {
    if needed <= bytes.capacity() {
        return;
    }
    let declared = declared.and_then(|length| usize::try_from(length).ok());
    let room = match declared {
        Some(length) if needed <= FIRST_ALLOTMENT => length.min(FIRST_ALLOTMENT),
        Some(length) => length.min(needed.saturating_mul(4)),
        None => needed.saturating_mul(2),
    };
    bytes.reserve_exact(room.max(needed).saturating_sub(bytes.len()));
}

impl Drop for Body {
    fn drop(&mut self) {
        self.buffered.bytes.fetch_sub(self.held, Ordering::Relaxed);
    }
}

/// Why a body is not there.
#[derive(Debug)]
pub(super) struct BodyError {
    pub(super) reason: Reason,
    pub(super) detail: &'static str,
}

/// The limits one body has to keep.
pub(super) struct BodyLimits {
    /// Bytes of this body, by its route.
    pub(super) body: u64,
    /// Bytes of all bodies held at once.
    pub(super) buffered: u64,
    /// The length its head declares.
    pub(super) declared: Option<u64>,
}

/// Reads the body to its end, handing each piece to `fed` as it arrives. The caller bounds the time.
///
/// # Errors
/// The reason and what to log; the body may have been read in part.
pub(super) async fn read(
    session: &mut Session,
    buffered: &Arc<Buffered>,
    limits: &BodyLimits,
    mut fed: impl FnMut(&[u8]),
) -> Result<Body, BodyError> {
    let mut body = Body::new(Arc::clone(buffered));
    loop {
        let piece = session.more().await.map_err(|broken| read_error(&broken))?;
        let (bytes, chunk) = match &piece {
            Piece::Next(bytes) => (*bytes, None),
            Piece::Copy(chunk) => (&**chunk, Some(chunk)),
            Piece::Whole(whole) => {
                body.bytes = Stored::One(whole.clone());
                break;
            }
            Piece::End => break,
        };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if body.held.saturating_add(length) > limits.body {
            return Err(BodyError {
                reason: Reason::BodyTooLarge,
                detail: "the body is larger than the route allows",
            });
        }
        if !buffered.take(length, limits.buffered) {
            return Err(BodyError {
                reason: Reason::Overloaded,
                detail: "limits.buffered is reached: the bodies of all requests together",
            });
        }
        body.held = body.held.saturating_add(length);
        fed(bytes);
        if let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty()) {
            body.append(chunk.clone(), limits.declared);
        }
    }
    if limits.declared.is_some_and(|declared| declared != body.held) {
        return Err(BodyError { reason: Reason::BadRequest, detail: "the body is not as long as declared" });
    }
    Ok(body)
}

fn read_error(broken: &Broken) -> BodyError {
    match broken {
        Broken::TimedOut => {
            BodyError { reason: Reason::BodyTimeout, detail: "the body did not arrive in time" }
        }
        Broken::Gone => {
            BodyError { reason: Reason::BadRequest, detail: "the sender hung up in the middle of the body" }
        }
        Broken::Framing(why) => BodyError { reason: Reason::BadRequest, detail: why },
    }
}
