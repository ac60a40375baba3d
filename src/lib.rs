//! Sealpost, a webhook verification gateway. The map of the house, from the ground floor up.
//!
//! A room may import only rooms above it in this list; `tests/` holds a test that says so.

pub mod time;

pub mod secret;

pub mod yaml;

pub mod verify;

pub mod catalog;

pub mod explain;

pub mod routes;

pub mod config;

#[cfg(feature = "gateway")]
pub mod clock;

#[cfg(feature = "gateway")]
pub mod dedupe;

#[cfg(feature = "gateway")]
pub mod admit;

#[cfg(feature = "gateway")]
pub mod journal;

#[cfg(feature = "gateway")]
pub mod logs;

#[cfg(feature = "gateway")]
pub mod metrics;

#[cfg(feature = "gateway")]
pub mod trace;

#[cfg(feature = "gateway")]
pub mod admin;

#[cfg(feature = "gateway")]
pub mod environment;

#[cfg(feature = "gateway")]
pub mod gateway;

#[cfg(feature = "gateway")]
pub mod reload;

#[cfg(feature = "gateway")]
pub mod serve;

#[cfg(feature = "gateway")]
pub mod cli;
