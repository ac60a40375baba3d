//! Any text read as a sender's file: no panic, every problem has its place, and reading twice gives the same.

use sealpost::catalog::Provider;
use sealpost::yaml::{self, Problems};

use crate::places;
use crate::senders::SENDERS;

fn read(text: &str) -> (Option<Provider>, Problems) {
    let mut problems = Problems::new();
    let node = yaml::read(text, &mut problems);
    let provider = node.and_then(|node| Provider::read(&node, "", &mut problems));
    (provider, problems)
}

/// Bytes that are no UTF-8 are read as a program would show them.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (provider, problems) = read(&text);
    assert_eq!(provider.is_some(), problems.is_empty(), "a provider or a problem, one of them: {problems:?}");
    places::check(&text, &problems);
    assert!((provider, problems) == read(&text), "read twice, it is not the same");
}

/// Every sender's own file.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    SENDERS.iter().map(|sender| sender.text.as_bytes().to_vec()).collect()
}
