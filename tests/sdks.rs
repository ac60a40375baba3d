//! The catalogue against the senders' own SDKs: `tests/sdks/run.py` lets them sign for a running gateway and judge what
//! `sealpost sign` makes. It installs from PyPI and npm, so it is ignored by default; `scripts/sdks` and `scripts/test` run it.
#![cfg(feature = "gateway")]
#![allow(clippy::expect_used, reason = "what a test cannot do fails it")]

use std::process::{Command, Stdio};

#[test]
#[ignore = "needs Python, Node, PyPI and npm; run it by scripts/sdks"]
fn the_senders_own_sdks_agree_with_the_catalogue() {
    let status = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks/run.py"))
        .args(["--sealpost", env!("CARGO_BIN_EXE_sealpost")])
        .stdin(Stdio::null())
        .status()
        .expect("python3 is there");
    assert!(status.success(), "tests/sdks/run.py failed: {status}");
}
