//! What the kernel says of a process: its memory and its descriptors.

use std::fs;

/// How much memory a process takes beyond what it had, at its largest.
pub(crate) struct Growth {
    process: u32,
    before: u64,
}

impl Growth {
    /// From now on.
    pub(crate) fn of(process: u32) -> Self {
        // Sets the kernel's high-water mark back to what is resident now (proc_pid_clear_refs(5)).
        let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
        Self { process, before: resident(process) }
    }

    /// The bytes since then.
    pub(crate) fn most(&self) -> u64 {
        line(self.process, "VmHWM:").saturating_sub(self.before)
    }

    /// The bytes that are still there.
    pub(crate) fn left(&self) -> u64 {
        resident(self.process).saturating_sub(self.before)
    }
}

/// Bytes of resident memory.
fn resident(process: u32) -> u64 {
    line(process, "VmRSS:")
}

/// How many descriptors are open.
pub(crate) fn descriptors(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

fn line(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let kib = status.lines().find_map(|text| text.strip_prefix(name)).unwrap();
    kib.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
}
