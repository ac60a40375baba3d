//! Children: started on one core, measured through /proc, stopped when dropped.

use std::fs::{self, File};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running program and all processes it started.
pub struct Process {
    child: Child,
    name: String,
}

impl Process {
    /// Starts `program` on `core`; what it prints goes to `log`, or nowhere.
    pub fn start(
        core: usize,
        program: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
        log: Option<&Path>,
    ) -> io::Result<Self> {
        let (out, err) = match log {
            Some(path) => {
                let file = File::create(path)?;
                (Stdio::from(file.try_clone()?), Stdio::from(file))
            }
            None => (Stdio::null(), Stdio::null()),
        };
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()?;
        Ok(Self { child, name: program.display().to_string() })
    }

    /// Waits until something listens on `address`, at most a minute; returns how long that took.
    pub fn wait_for(&mut self, address: SocketAddr) -> io::Result<Duration> {
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if TcpStream::connect(address).is_ok() {
                return Ok(started.elapsed());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("{} ended: {status}", self.name)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(io::Error::other(format!("{} does not listen on {address}", self.name)))
    }

    /// CPU time used so far by all threads of all its processes, to the nanosecond.
    pub fn cpu(&self) -> Duration {
        let nanoseconds = self
            .tree()
            .iter()
            .flat_map(|pid| entries(&format!("/proc/{pid}/task")))
            .filter_map(|task| fs::read_to_string(task + "/schedstat").ok())
            .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
            .sum();
        Duration::from_nanos(nanoseconds)
    }

    /// Resident memory of all its processes in KiB.
    pub fn resident(&self) -> u64 {
        self.tree()
            .iter()
            .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/status")).ok())
            .filter_map(|text| {
                let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
                line.split_whitespace().next()?.parse::<u64>().ok()
            })
            .sum()
    }

    fn tree(&self) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        let mut seen = 0;
        while let Some(&pid) = pids.get(seen) {
            seen += 1;
            for task in entries(&format!("/proc/{pid}/task")) {
                let children = fs::read_to_string(task + "/children").unwrap_or_default();
                pids.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        pids
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Asked first, because nginx's master must end its workers; killed if that takes too long.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(5) {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address that nobody listened on a moment ago.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn entries(folder: &str) -> Vec<String> {
    let Ok(listing) = fs::read_dir(folder) else { return Vec::new() };
    listing.flatten().map(|entry| entry.path().display().to_string()).collect()
}
