//! The manual of the gateway, as tests: the real binary, real sockets, a recording upstream.
//!
//! Nothing here uses the gateway's own code: signatures are computed again, requests are bytes.
#![cfg(feature = "gateway")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "deadlines and fresh signatures need the clock")]

mod support;

mod admin;
mod api;
mod attacks;
mod bodies;
mod clock;
mod dedupe;
mod disk_store;
mod every_sender;
mod fetched_keys;
mod handover;
mod handshakes;
mod headers;
mod health;
mod http2;
mod journal;
mod limits;
mod paths;
mod providers;
mod redis_store;
mod refusals;
mod reload;
mod rooms;
mod rotation;
mod seeds;
mod shadow;
mod shutdown;
mod terminal;
mod timing;
mod tls;
mod tracing;
mod trust;
mod under_attack;
mod upstream_faults;
