//! The senders: what each one's webhooks look like, as data.
//!
//! A [`Provider`] is read from YAML by [`Provider::read`], the one reader for the files in this binary and for an
//! operator's own `providers:`. [`challenge`] answers handshakes;
//! [`run_vectors`] proves an entry against deliveries with a known outcome.

mod answer;
mod builtin;
mod challenge;
pub mod defaults;
mod derive;
mod derive_inside;
#[cfg(test)]
mod handshake_tests;
mod key_source;
mod key_url;
pub mod pages;
mod provider;
mod read;
mod read_challenge;
mod read_jose;
mod read_keys;
mod read_scheme;
mod run;
pub(crate) mod signed;
#[cfg(test)]
mod tests;
mod vectors;

pub use answer::{AnswerError, AnswerTemplate};
pub use builtin::{Row, closest, find, names, parse, provider_table, text, vectors_text};
pub use challenge::{AnswerForm, Challenge, ChallengeAnswer, Expected, LONGEST_ECHO, challenge};
pub use key_source::{KeyPlace, KeySource, WantedKey};
pub use key_url::{HostPattern, KeyUrl};
pub use provider::{Confidence, OnStoreError, Provider, Reply, Retry, Setting, SettingError};
pub use read_challenge::CHALLENGE_METHODS;
pub use run::{VectorResult, run_vectors};
pub use vectors::{Expect, Origin, Vector, Vectors};
