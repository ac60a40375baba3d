//! Any text read as a sender's file: no panic, every problem has its place, and reading twice gives the same.

use sealpost::catalog;

use crate::places;
use crate::senders::SENDERS;

/// Bytes that are no UTF-8 are read as a program would show them.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = catalog::parse(&text);
    if let Err(problems) = &read {
        assert!(!problems.is_empty(), "refused without a problem");
        places::check(&text, problems);
    }
    assert!(read == catalog::parse(&text), "read twice, it is not the same");
}

/// Every sender's own file.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    SENDERS.iter().map(|sender| sender.text.as_bytes().to_vec()).collect()
}
