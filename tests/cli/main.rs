//! The command line as a person or a script uses it: the real binary, its output and its exit codes.
#![cfg(feature = "gateway")]

mod check;
mod demo;
mod explain;
mod providers;
mod sealpost;
mod sign_and_send;
mod usage;
