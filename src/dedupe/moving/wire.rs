//! What the two processes say to each other of the store: one question and one reply on each connection.

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The largest question or answer: a stored answer of 64 KiB as numbers in JSON.
const FRAME: usize = 1024 * 1024;

/// What a process asks the one at the socket.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// For its sockets and its place.
    Handover {
        /// The form of everything that follows.
        form: u32,
    },
    /// Something of its store.
    Store(Question),
}

/// An operation of [`super::Store`]. Times are milliseconds; none is a point in time, because each process has a steady
/// clock of its own.
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the arguments are those of the operation")]
pub enum Question {
    /// [`super::Store::claim`].
    Claim { key: [u8; 32], lease: u64 },
    /// [`super::Store::commit`].
    Commit { key: [u8; 32], token: u64, ttl: u64, answer: Option<Box<[u8]>> },
    /// [`super::Store::release`].
    Release { key: [u8; 32], token: u64, ttl: u64 },
    /// [`super::Store::settled`].
    Settled { key: [u8; 32] },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the results are those of the operation")]
pub enum Reply {
    /// [`super::Claim::New`].
    New { token: u64, attempt: u32 },
    /// [`super::Claim::InFlight`].
    InFlight,
    /// [`super::Claim::Seen`].
    Seen { answer: Option<Box<[u8]>>, attempt: u32 },
    /// [`super::Committed`].
    Committed { counted: bool },
    /// The claim was given back.
    Released,
    /// [`super::Wait`].
    Settled { changed: bool },
    /// [`super::StoreError::Full`].
    Full,
    /// [`super::StoreError::Unavailable`].
    Unavailable { why: String },
}

/// Writes a message: its length in four bytes, then JSON.
///
/// # Errors
/// When the other side is gone.
pub async fn write_frame(
    stream: &mut (impl AsyncWriteExt + Unpin),
    message: &impl Serialize,
) -> std::io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], &text].concat()).await
}

/// Reads a message.
///
/// # Errors
/// When the other side is gone, or writes something else.
pub async fn read_frame<T: serde::de::DeserializeOwned>(
    stream: &mut (impl AsyncReadExt + Unpin),
) -> std::io::Result<T> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME {
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "a message larger than any"));
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text).await?;
    Ok(serde_json::from_slice(&text)?)
}
