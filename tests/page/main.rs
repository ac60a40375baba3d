//! The operator's page in a real Chromium: a real gateway, real deliveries, a real upstream.
//!
//! Chromium is asked over its DevTools pipe, so that no driver and no crate is needed. `scripts/prepare` installs it for
//! `scripts/test`; elsewhere `SEALPOST_CHROMIUM` names one.
#![cfg(feature = "gateway")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "deadlines and fresh signatures need the clock")]

#[path = "../it/support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "the harness of the other tests, of which this needs a part")]
mod support;

mod browser;
mod deliveries;
mod exports;
mod guarded;
mod hostile;
mod list;
mod looks;
mod mended;
mod pictures;
mod scene;
mod speed;
