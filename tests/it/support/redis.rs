//! A real Redis or Valkey on a free port, started by the test and ended with it.
//!
//! Used by the tests of the library as well, so it stands alone.
#![allow(
    dead_code,
    reason = "the library's tests, those of the gateway and the benchmark need different parts of it"
)]
#![allow(clippy::disallowed_methods, reason = "deadlines need the clock, and a variable may name the server")]

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start, or to do anything else.
const PATIENCE: Duration = Duration::from_secs(20);

/// The variable that names another server's binary than the first of [`BINARIES`] that is there.
const CHOICE: &str = "SEALPOST_TEST_REDIS_SERVER";
const BINARIES: [&str; 2] = ["redis-server", "valkey-server"];

/// A server. Dropping it ends it.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl RedisServer {
    /// One that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with further arguments, such as `--requirepass`, `x`. `{folder}` is its own folder.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(new_folder(), arguments)
    }

    fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let place = folder.path().to_str().unwrap();
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.replace("{folder}", place)).collect();
        // Between the choice of a port and its use somebody else may take it; then another one.
        for _ in 0..5 {
            let port = free_port();
            let mut child = spawn(port, &arguments, &folder);
            if ready(port, &mut child, arguments.iter().any(|argument| argument == "--tls-port")) {
                return Self { child, port, arguments, folder };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("{} does not start", binary());
    }

    /// A sentinel that watches the master on this port and needs nobody's consent to replace it.
    pub(crate) fn sentinel(name: &str, master: u16) -> Self {
        let folder = new_folder();
        let text = format!(
            "sentinel monitor {name} 127.0.0.1 {master} 1\nsentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 5000\n"
        );
        std::fs::write(folder.path().join("sentinel.conf"), text).unwrap();
        Self::start_in(folder, &["{folder}/sentinel.conf", "--sentinel"])
    }

    /// Its port on loopback.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its Unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Its folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Stops it where it stands: connections stay open and nothing is answered.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts it again on the same port, with nothing in it.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let began = Instant::now();
        loop {
            self.child = spawn(self.port, &self.arguments, &self.folder);
            if ready(self.port, &mut self.child, false) {
                return;
            }
            self.kill();
            assert!(began.elapsed() < PATIENCE, "it does not start again");
        }
    }

    /// Asks it something, and returns the answer as it came.
    pub(crate) fn ask(&self, words: &[&str]) -> String {
        ask(self.port, words).unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &id]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Asks the server on this port something, and returns the answer as it came.
pub(crate) fn ask(port: u16, words: &[&str]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(command.as_bytes())?;
    let mut answer = String::new();
    read_answer(&mut BufReader::new(stream), &mut answer)?;
    Ok(answer.trim_end().to_owned())
}

/// One answer, as it came: a line, a text of a given length after its line, or a list of answers after its line.
fn read_answer(from: &mut impl BufRead, answer: &mut String) -> std::io::Result<()> {
    let begin = answer.len();
    if from.read_line(answer)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let line = answer[begin..].trim_end().to_owned();
    let count = || line[1..].parse::<i64>().ok().and_then(|count| usize::try_from(count).ok());
    match line.chars().next() {
        Some('$') => {
            let Some(length) = count() else { return Ok(()) };
            let mut text = vec![0; length + 2];
            from.read_exact(&mut text)?;
            answer.push_str(&String::from_utf8_lossy(&text));
        }
        Some('*') => (0..count().unwrap_or(0)).try_for_each(|_| read_answer(from, answer))?,
        _ => {}
    }
    Ok(())
}

fn new_folder() -> TempDir {
    tempfile::Builder::new().prefix("sealpost-redis-").tempdir().unwrap()
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap().local_addr().unwrap().port()
}

fn spawn(port: u16, arguments: &[String], folder: &TempDir) -> Child {
    let binary = binary();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let place = folder.path().to_str().unwrap();
    let log = std::fs::File::create(folder.path().join("log")).unwrap();
    let mut command = Command::new(&binary);
    command.args(arguments.iter().filter(|argument| *argument != "--tls-port"));
    command.args([if has("--tls-port") { "--tls-port" } else { "--port" }, &port.to_string()]);
    command.args(["--bind", "127.0.0.1", "--dir", place]);
    if has("--tls-port") {
        command.args(["--port", "0"]);
    }
    // A sentinel keeps no data and knows no such settings.
    if !has("--sentinel") {
        command.args(["--save", "", "--appendonly", "no", "--unixsocket", &format!("{place}/socket")]);
    }
    let started = command.stdin(Stdio::null()).stdout(Stdio::from(log)).stderr(Stdio::null()).spawn();
    started.unwrap_or_else(|error| {
        panic!("these tests need a Redis: {binary} does not run ({error}); on Debian: apt-get install redis-server")
    })
}

fn binary() -> String {
    if let Some(chosen) = std::env::var_os(CHOICE) {
        return chosen.into_string().unwrap();
    }
    let there = |name: &&str| {
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    BINARIES.iter().find(|name| there(name)).unwrap_or(&BINARIES[0]).to_string()
}

/// Waits until it answers; false when it ended instead.
fn ready(port: u16, child: &mut Child, tls: bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let answers = if tls {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        } else {
            // `-NOAUTH` is an answer, too.
            ask(port, &["PING"])
                .is_ok_and(|answer| answer.starts_with(['+', '-']) && !answer.contains("LOADING"))
        };
        if answers {
            return true;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    false
}
