//! The gateway under test: its file, its process, its log.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::client::{Answer, Client, Request};
use super::sender::SECRET;
use super::{DEADLINE, eventually};

/// What is to be written into `gateway.yaml`, and with which variables the gateway starts.
#[derive(Clone)]
pub(crate) struct Setup {
    listen: String,
    admin: String,
    top: String,
    routes: Vec<String>,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
    shell: Option<String>,
    input: Option<Arc<OwnedFd>>,
    folder: Arc<TempDir>,
}

impl Setup {
    /// One cleartext listener and the admin address on free loopback ports; the variable `TEST_SECRET`; no route yet.
    pub(crate) fn new() -> Self {
        Self {
            listen: "{ address: \"127.0.0.1:0\" }".into(),
            admin: "admin: { address: \"127.0.0.1:0\" }".into(),
            top: String::new(),
            routes: Vec::new(),
            variables: vec![("TEST_SECRET".into(), SECRET.into())],
            arguments: Vec::new(),
            shell: None,
            input: None,
            folder: Arc::new(tempfile::Builder::new().prefix("sealpost-it-").tempdir().unwrap()),
        }
    }

    /// Replaces the one listener by this YAML mapping.
    pub(crate) fn listen(mut self, listener: impl Into<String>) -> Self {
        self.listen = listener.into();
        self
    }

    /// Replaces the admin section (a whole line of YAML).
    pub(crate) fn admin(mut self, section: impl Into<String>) -> Self {
        self.admin = section.into();
        self
    }

    /// Adds top-level YAML: limits, dedupe, providers.
    pub(crate) fn top(mut self, yaml: impl AsRef<str>) -> Self {
        self.top.push_str(yaml.as_ref());
        self.top.push('\n');
        self
    }

    /// Adds a route, see [`route`].
    pub(crate) fn route(mut self, route: impl Into<String>) -> Self {
        self.routes.push(route.into());
        self
    }

    /// Sets an environment variable of the gateway.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Adds a command line argument after the file.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Has a shell run this in the process that becomes the gateway.
    pub(crate) fn shell(mut self, commands: &str) -> Self {
        self.shell = Some(commands.into());
        self
    }

    /// What that shell has as its standard input.
    pub(crate) fn input(mut self, input: impl Into<OwnedFd>) -> Self {
        self.input = Some(Arc::new(input.into()));
        self
    }

    /// Replaces all routes by these.
    pub(crate) fn routes(mut self, routes: impl Into<String>) -> Self {
        self.routes = vec![routes.into()];
        self
    }

    /// The folder of `gateway.yaml`, for secret files and certificates.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into that folder and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The text of `gateway.yaml` as it stands.
    pub(crate) fn yaml(&self) -> String {
        format!("listen: [{}]\n{}\n{}routes:\n{}", self.listen, self.admin, self.top, self.routes.concat())
    }

    /// Starts the gateway and waits until it listens.
    pub(crate) fn start(self) -> Gateway {
        let file = self.file("gateway.yaml", self.yaml());
        self.start_with(&file)
    }

    /// Starts the gateway with a file that was already written, wherever it is.
    pub(crate) fn start_with(self, file: &Path) -> Gateway {
        let yaml = std::fs::read_to_string(file).unwrap();
        let mut child = self.spawn(file);
        let log = Log::follow(child.stderr.take().unwrap());
        let mut gateway = Gateway {
            child,
            log,
            address: unset(),
            admin: None,
            yaml,
            file: file.into(),
            folder: Arc::clone(&self.folder),
            setup: self.clone(),
        };
        gateway.address = gateway.listening("gateway");
        if self.admin.starts_with("admin:") {
            gateway.admin = Some(gateway.listening("admin"));
        }
        gateway
    }

    /// Starts the gateway with a file that it has to refuse; its exit code and what it wrote to stderr.
    pub(crate) fn refused(self) -> (ExitStatus, String) {
        let file = self.file("gateway.yaml", self.yaml());
        let output = self.spawn(&file).wait_with_output().unwrap();
        (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Starts a gateway of which nothing is known yet.
    pub(crate) fn spawn(&self, file: &Path) -> Child {
        let binary = env!("CARGO_BIN_EXE_sealpost");
        let mut command = match &self.shell {
            None => Command::new(binary),
            Some(commands) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{commands}; exec \"$@\""), "sh", binary]);
                shell
            }
        };
        command
            .args(["run", file.to_str().unwrap(), "--log-format", "json"])
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .current_dir(self.folder.path())
            .stdin(self.input.as_ref().map_or_else(Stdio::null, |input| input.try_clone().unwrap().into()))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

/// One route as YAML. `matching` is a path or a whole mapping; `more` are further lines of the route.
pub(crate) fn route(name: &str, matching: &str, provider: &str, upstream: &str, more: &[&str]) -> String {
    let matching =
        if matching.starts_with('{') { matching.to_owned() } else { format!("{{ path: \"{matching}\" }}") };
    let mut yaml = format!(
        "  - name: {name}\n    match: {matching}\n    provider: {provider}\n    upstream: {upstream}\n"
    );
    if provider != "none" && !more.iter().any(|line| line.starts_with("secrets:")) {
        yaml.push_str("    secrets: [\"env:TEST_SECRET\"]\n");
    }
    for line in more {
        yaml.push_str(&format!("    {line}\n"));
    }
    yaml
}

/// A running gateway. Dropping it ends the process.
pub(crate) struct Gateway {
    child: Child,
    /// Everything it wrote to stderr so far.
    pub(crate) log: Log,
    /// Where it takes webhooks.
    pub(crate) address: SocketAddr,
    admin: Option<SocketAddr>,
    /// The configuration it was started with.
    pub(crate) yaml: String,
    /// Where that configuration lies.
    pub(crate) file: PathBuf,
    /// The folder that holds it.
    pub(crate) folder: Arc<TempDir>,
    /// How it was started.
    pub(crate) setup: Setup,
}

impl Gateway {
    /// A new connection to the webhook listener.
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Sends one request on a connection of its own and returns the answer.
    pub(crate) fn send(&self, request: &Request) -> Answer {
        self.connect().exchange(request)
    }

    /// The admin address.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.admin.expect("this gateway has no admin address")
    }

    /// `GET` at the admin address, on a connection of its own.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask(&Request::new("GET", target))
    }

    /// Sends a request to the admin address by its own name, on a connection of its own.
    pub(crate) fn ask(&self, request: &Request) -> Answer {
        let request = match request.value("host") {
            Some(_) => request.clone(),
            None => request.clone().header("Host", self.admin().to_string()),
        };
        Client::connect(self.admin()).exchange(&request)
    }

    /// The answer of an admin address as JSON.
    pub(crate) fn json(&self, target: &str) -> Value {
        let answer = self.get(target);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// The sum of all samples of a metric whose labels contain every one of `labels` (`reason="forwarded"`).
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.get("/metrics").text();
        text.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter(|(series, _)| series.split('{').next() == Some(name))
            .filter(|(series, _)| labels.iter().all(|label| series.contains(label)))
            .map(|(_, value)| value.parse::<f64>().unwrap())
            .fold(0.0, |sum, value| sum + value)
    }

    /// Waits until the metric has this value: a request is counted just after its answer went out.
    pub(crate) fn counts(&self, name: &str, labels: &[&str], expected: f64) {
        eventually(&format!("{name}{labels:?} is {expected}"), || {
            ((self.metric(name, labels) - expected).abs() < f64::EPSILON).then_some(())
        });
    }

    /// Waits until the request log says `reason`, and returns that line. Each line is returned once.
    pub(crate) fn reason(&self, reason: &str) -> Value {
        self.log.wait(reason, |line| line["reason"] == reason)
    }

    /// The configuration hash in force, as the admin address tells it.
    pub(crate) fn hash(&self) -> String {
        self.json("/api/config")["hash"].as_str().expect("/api/config has a hash").to_owned()
    }

    /// Runs `change`, then waits until another configuration is in force.
    pub(crate) fn reloads(&self, change: impl FnOnce()) {
        let before = self.hash();
        change();
        eventually("another configuration is in force", || (self.hash() != before).then_some(()));
    }

    /// Starts another gateway with the same file, folder, variables and arguments, and waits until it listens.
    pub(crate) fn another(&self) -> Gateway {
        self.setup.clone().start_with(&self.file)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal (`TERM`, `INT`, `HUP`, `KILL`) to this gateway.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let done = Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &id]).status().unwrap();
        assert!(done.success());
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the gateway ends", || child.try_wait().unwrap())
    }

    fn listening(&mut self, kind: &str) -> SocketAddr {
        let (log, child) = (self.log.clone(), &mut self.child);
        let line = eventually("the gateway listens", || {
            let line = log.take(|line| line["message"] == "listening" && line["kind"] == kind);
            if line.is_none() && child.try_wait().unwrap().is_some() {
                panic!("the gateway did not start:\n{}", log.text());
            }
            line
        });
        line["address"].as_str().unwrap().parse().unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the gateway's log:\n{}", self.log.text());
        }
    }
}

/// The lines of a log, as they come.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<(Mutex<Lines>, Condvar)>);

#[derive(Debug, Default)]
struct Lines {
    text: String,
    events: Vec<Option<Value>>,
    ended: bool,
}

impl Log {
    fn follow(source: impl std::io::Read + Send + 'static) -> Self {
        let log = Self(Arc::default());
        let writer = log.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(source).lines().map_while(Result::ok) {
                let mut lines = writer.0.0.lock().unwrap();
                lines.text.push_str(&line);
                lines.text.push('\n');
                lines.events.push(serde_json::from_str(&line).ok().map(flattened));
                writer.0.1.notify_all();
            }
            writer.0.0.lock().unwrap().ended = true;
            writer.0.1.notify_all();
        });
        log
    }

    /// Takes all lines there are and forgets them, the text as well: for runs that would fill the memory with it.
    #[allow(dead_code, reason = "for tests/faults")]
    pub(crate) fn harvest(&self) -> Vec<Value> {
        let mut lines = self.0.0.lock().unwrap();
        lines.text.clear();
        std::mem::take(&mut lines.events).into_iter().flatten().collect()
    }

    /// The same, once the process has ended and all that it wrote was read.
    #[allow(dead_code, reason = "for tests/faults")]
    pub(crate) fn rest(&self) -> Vec<Value> {
        eventually("the log has been read to its end", || self.0.0.lock().unwrap().ended.then_some(()));
        self.harvest()
    }

    /// Waits for a line that nobody waited for yet.
    pub(crate) fn wait(&self, what: &str, matches: impl Fn(&Value) -> bool) -> Value {
        let mut lines = self.0.0.lock().unwrap();
        loop {
            if let Some(found) = lines.take(&matches) {
                return found;
            }
            let (next, late) = self.0.1.wait_timeout(lines, DEADLINE).unwrap();
            assert!(!late.timed_out(), "no line about {what} in\n{}", next.text);
            lines = next;
        }
    }

    /// A line that nobody took yet, if it is there already.
    pub(crate) fn take(&self, matches: impl Fn(&Value) -> bool) -> Option<Value> {
        self.0.0.lock().unwrap().take(&matches)
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        // Also after a test has failed while it waited for a line.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).text.clone()
    }
}

impl Lines {
    fn take(&mut self, matches: &impl Fn(&Value) -> bool) -> Option<Value> {
        self.events.iter_mut().find(|event| event.as_ref().is_some_and(matches)).and_then(Option::take)
    }
}

/// Log formats differ in whether the event's own fields stand in `fields`; here they always stand on top.
fn flattened(mut line: Value) -> Value {
    if let Some(Value::Object(fields)) = line.get_mut("fields").map(Value::take) {
        for (name, value) in fields {
            line[name] = value;
        }
    }
    line
}

fn unset() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

/// The reload has at most this long to take effect after a change.
pub(crate) const RELOAD_WITHIN: Duration = Duration::from_secs(2);
