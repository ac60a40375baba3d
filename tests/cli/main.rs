//! The command line as a person or a script uses it: the real binary, its output and its exit codes.
#![cfg(feature = "gateway")]
// Clippy counts helpers of an integration test as code outside tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod check;
mod demo;
mod explain;
mod providers;
mod sealpost;
mod sign_and_send;
mod usage;
