//! The gateway under attack: started, watched through /proc and its metrics.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::http::SECRET;

/// Connections for all attacks at once, and the good requests beside them. What the journal keeps of the refusals it keeps on
/// purpose (up to 64 MiB of its own); here it is small, so that what is left behind shows.
const LIMITS: &str = "limits: { connections: 15000 }\njournal: { size: 4MiB }";

pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
    folder: PathBuf,
}

/// What the gateway uses at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rest {
    pub(crate) resident: u64,
    pub(crate) buffered: u64,
    pub(crate) connections: u64,
    pub(crate) in_flight: u64,
    pub(crate) descriptors: usize,
}

impl Gateway {
    pub(crate) async fn start(binary: &str, upstream: SocketAddr) -> Self {
        let folder = std::env::temp_dir().join(format!("sealpost-limits-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let yaml = format!(
            "listen: [{{ address: \"127.0.0.1:0\" }}]\nadmin: {{ address: \"127.0.0.1:0\" }}\n{LIMITS}\nroutes:\n  \
             - {{ name: hook, match: {{ path: /hook }}, provider: webhook-signature, secrets: [env:LIMITS_SECRET], upstream: \"http://{upstream}\" }}\n"
        );
        let file = folder.join("gateway.yaml");
        std::fs::write(&file, yaml).unwrap();
        let mut child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(binary)
            .arg("run")
            .arg(&file)
            .args(["--log-format", "json"])
            .env("LIMITS_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let (mut address, mut admin) = (None, None);
        while address.is_none() || admin.is_none() {
            let mut line = String::new();
            assert!(log.read_line(&mut line).unwrap() > 0, "the gateway did not start");
            if let Some((_, rest)) = line.split_once("\"listening\"") {
                let given = rest.split('"').find_map(|word| word.parse().ok());
                *(if rest.contains("\"admin\"") { &mut admin } else { &mut address }) = given;
            }
        }
        // Its log is read, as it would be, and dropped.
        std::thread::spawn(move || {
            let mut piece = vec![0; 64 * 1024];
            while log.read(&mut piece).is_ok_and(|count| count > 0) {}
        });
        Self { child, address: address.unwrap(), admin: admin.unwrap(), folder }
    }

    /// What it uses now.
    pub(crate) async fn rest(&self) -> Rest {
        let metrics = self.metrics().await;
        let value = |name: &str| -> u64 {
            let line = metrics.lines().find(|line| line.split([' ', '{']).next() == Some(name));
            let text = line.and_then(|line| line.rsplit(' ').next()).unwrap_or("0");
            text.parse::<f64>().map_or(0, |value| value as u64)
        };
        Rest {
            buffered: value("sealpost_buffered_bytes"),
            connections: value("sealpost_connections"),
            in_flight: value("sealpost_requests_in_flight"),
            ..self.process()
        }
    }

    /// What the kernel says of it.
    fn process(&self) -> Rest {
        let id = self.child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        let kib: u64 = kib.split_whitespace().next().unwrap().parse().unwrap();
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        Rest { resident: kib * 1024, descriptors, ..Rest::default() }
    }

    async fn metrics(&self) -> String {
        let mut text = String::new();
        if let Ok(mut stream) = TcpStream::connect(self.admin).await {
            let request =
                format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.admin);
            stream.write_all(request.as_bytes()).await.unwrap();
            let _ = stream.read_to_string(&mut text).await;
        }
        text
    }

    /// The most it uses within this time.
    pub(crate) async fn most(&self, within: Duration) -> Rest {
        let until = Instant::now() + within;
        let mut most = Rest::default();
        while Instant::now() < until {
            let now = self.rest().await;
            most.resident = most.resident.max(now.resident);
            most.buffered = most.buffered.max(now.buffered);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        most
    }

    /// Processor time used so far by all its threads.
    pub(crate) fn processor(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let used = |task: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(tasks.filter_map(used).sum())
    }

    /// Waits until nothing of an attack is left, and then until its memory is given back; how long each took, and what
    /// is used then.
    pub(crate) async fn recovers(
        &self,
        before: &Rest,
        within: Duration,
    ) -> (Option<Duration>, Option<Duration>, Rest) {
        let began = Instant::now();
        let (mut over, mut given_back) = (None, None);
        loop {
            let now = self.rest().await;
            let passed = began.elapsed();
            over = over.or_else(|| now.is_over(before).then_some(passed));
            given_back = given_back.or_else(|| now.has_given_back(before).then_some(passed));
            if (over.is_some() && given_back.is_some()) || passed > within {
                return (over, given_back, now);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
