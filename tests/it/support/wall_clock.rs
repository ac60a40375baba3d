//! A wall clock that a test can set while the process that reads it runs.
//!
//! The C library's clock calls of that process go to a few lines of C of our own (`wall_clock.c`, compiled here with the
//! compiler that the build needs anyway), which add what stands in a file that both have mapped. Only the time of day
//! is changed, as when somebody sets a machine's clock; the monotonic clock goes on as it is.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// The clock, for one process or several.
pub(crate) struct WallClock {
    folder: TempDir,
    offset: File,
    seconds: std::sync::atomic::AtomicI64,
}

impl WallClock {
    /// A clock that is right.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("sealpost-clock-").tempdir().unwrap();
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/wall_clock.c");
        let compiled = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".into()))
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(folder.path().join("wall_clock.so"))
            .arg(source)
            .output()
            .expect("a C compiler, which the build needs as well");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let path = folder.path().join("offset");
        let offset = OpenOptions::new().read(true).write(true).create_new(true).open(path).unwrap();
        offset.write_all_at(&0_i64.to_ne_bytes(), 0).unwrap();
        Self { folder, offset, seconds: 0.into() }
    }

    /// The variables with which a process reads this clock.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        let path = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        [("LD_PRELOAD", path("wall_clock.so")), ("WALL_CLOCK_OFFSET", path("offset"))]
    }

    /// Sets it so many seconds ahead of the true time, at once for everybody.
    pub(crate) fn set(&self, seconds: i64) {
        self.seconds.store(seconds, std::sync::atomic::Ordering::SeqCst);
        self.offset.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// How far it is ahead.
    pub(crate) fn ahead(&self) -> i64 {
        self.seconds.load(std::sync::atomic::Ordering::SeqCst)
    }
}
