//! Chromium over its DevTools pipe: JSON messages that end in NUL, on file descriptors 3 and 4.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before a test gives up; a machine with everything on it starts Chromium slowly.
const PATIENCE: Duration = Duration::from_secs(60);

/// A headless Chromium with one tab and a profile of its own. Dropping it ends it.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    last: u64,
    session: Option<String>,
    events: Vec<Value>,
    folder: TempDir,
}

impl Browser {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("sealpost-page-").tempdir().unwrap();
        let mut child = Command::new("sh")
            // Its standard streams become the pipe; what it complains about goes to a file.
            .args(["-c", "log=$1; shift; exec \"$@\" 3<&0 4>&1 </dev/null >\"$log\" 2>&1", "sh"])
            .arg(folder.path().join("log"))
            .arg(chromium())
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
                "--hide-scrollbars",
            ])
            // What it would ask its maker for, and the shared memory that containers are short of.
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--disable-dev-shm-usage",
            ])
            .args(["--disable-sync", "--disable-default-apps", "--disable-extensions", "--lang=en-GB"])
            .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
            .arg("about:blank")
            .env("HOME", folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let (to, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(out).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice::<Value>(&message) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { child, to, from, last: 0, session: None, events: Vec::new(), folder };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = self.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        let downloads = self.downloads();
        self.call(
            "Browser.setDownloadBehavior",
            json!({ "behavior": "allow", "downloadPath": downloads, "eventsEnabled": true }),
        );
        self.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
        self.window(1280, 800);
        self.scheme("light");
    }

    /// Where downloads go.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.folder.path().join("downloads")
    }

    /// One command of the protocol.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = self.session.as_ref().filter(|_| !method.starts_with("Browser.")) {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        if self.to.write_all(&bytes).and_then(|()| self.to.flush()).is_err() {
            panic!("Chromium is gone:\n{}", self.said());
        }
        loop {
            let message = self.next();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn next(&mut self) -> Value {
        match self.from.recv_timeout(PATIENCE) {
            Ok(message) => message,
            Err(why) => panic!("Chromium says nothing ({why}):\n{}", self.said()),
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Opens an address and waits until its document is loaded.
    pub(crate) fn open(&mut self, address: &str) {
        let answer = self.call("Page.navigate", json!({ "url": address }));
        assert!(answer["errorText"].is_null(), "{address}: {answer}");
        self.until("document.readyState === 'complete'");
    }

    /// What a JavaScript expression, or the promise it gives, is in the end.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let answer = self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true }),
        );
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The same as text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        self.eval(expression).as_str().unwrap_or_default().to_owned()
    }

    /// The text that is seen of the first element of a selector; empty if there is none.
    pub(crate) fn seen(&mut self, selector: &str) -> String {
        self.text(&format!("document.querySelector({})?.innerText ?? ''", json!(selector)))
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            if self.eval(&format!("Boolean({expression})")) == true {
                return;
            }
            if Instant::now() > end {
                let page = self.text("document.body.innerText");
                panic!("did not become true: {expression}\n{page}\n{:#?}", self.problems());
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Clicks the first element of a selector with the mouse, once it is there.
    pub(crate) fn click(&mut self, selector: &str) {
        let selector = json!(selector);
        self.until(&format!("document.querySelector({selector})?.checkVisibility()"));
        // Where it is once it stays there: what is loaded above pushes it down.
        let place = self.eval(&format!(
            "new Promise((done) => {{
              let before = '', still = 0;
              const look = () => {{
                const e = document.querySelector({selector});
                if (e) {{
                  e.scrollIntoView({{ block: 'center' }});
                  const r = e.getBoundingClientRect(), place = [r.x + r.width / 2, r.y + r.height / 2];
                  still = before === String(place) && e.contains(document.elementFromPoint(...place)) ? still + 1 : 0;
                  before = String(place);
                  if (still === 3) return done(place);
                }}
                setTimeout(look, 30);
              }};
              look();
            }})"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            self.call(
                "Input.dispatchMouseEvent",
                json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 }),
            );
        }
    }

    /// Presses a key: a character, or a name such as `Enter`.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, Some("\r")),
            "Escape" => (27, None),
            "Tab" => (9, None),
            "ArrowDown" => (40, None),
            "ArrowUp" => (38, None),
            character => (0, Some(character)),
        };
        let kind = if text.is_some() { "keyDown" } else { "rawKeyDown" };
        let mut event = json!({ "type": kind, "key": key, "windowsVirtualKeyCode": code, "code": key });
        if let Some(text) = text {
            event["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", event);
        self.call(
            "Input.dispatchKeyEvent",
            json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code }),
        );
    }

    /// Types text where the focus is.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// The size of the window; a narrow one is a phone.
    pub(crate) fn window(&mut self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// `light` or `dark`.
    pub(crate) fn scheme(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Writes what is in the window as PNG.
    pub(crate) fn photograph(&mut self, file: &Path) {
        let picture = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        std::fs::write(file, STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()).unwrap();
    }

    /// Everything that went wrong so far, each once: exceptions, errors of the console and of the policy, and requests to
    /// anywhere but `home`.
    pub(crate) fn wrong(&mut self, home: &str) -> Vec<String> {
        let mut wrong = self.problems();
        for event in self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent") {
            let address = event["params"]["request"]["url"].as_str().unwrap_or_default();
            let inside =
                address.strip_prefix(home).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if !inside
                && !address.starts_with("data:")
                && !address.starts_with(&format!("blob:{home}/"))
                && address != "about:blank"
            {
                wrong.push(format!("a request to {address}"));
            }
        }
        wrong
    }

    fn problems(&self) -> Vec<String> {
        let of = |event: &Value| -> Option<String> {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" | "Page.javascriptDialogOpening" => Some(parameters.to_string()),
                "Runtime.consoleAPICalled" => {
                    matches!(parameters["type"].as_str()?, "error" | "warning" | "assert")
                        .then(|| parameters.to_string())
                }
                "Log.entryAdded" => {
                    let entry = &parameters["entry"];
                    matches!(entry["level"].as_str()?, "error" | "warning").then(|| entry.to_string())
                }
                "Audits.issueAdded" => {
                    let code = parameters["issue"]["code"].as_str()?;
                    (code == "ContentSecurityPolicyIssue").then(|| parameters.to_string())
                }
                _ => None,
            }
        };
        self.events.iter().filter_map(of).collect()
    }

    /// How many requests were sent to an address that begins so.
    pub(crate) fn asked(&self, begin: &str) -> usize {
        let sent = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        sent.filter(|event| {
            event["params"]["request"]["url"].as_str().is_some_and(|url| url.starts_with(begin))
        })
        .count()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to, it ends its helpers as well and leaves the folder alone.
        let bytes = b"{\"id\":0,\"method\":\"Browser.close\"}\0";
        if self.to.write_all(bytes).is_ok() {
            let end = Instant::now() + Duration::from_secs(10);
            while Instant::now() < end {
                if matches!(self.child.try_wait(), Ok(Some(_))) {
                    return;
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Chromium of this machine.
fn chromium() -> PathBuf {
    if let Some(given) = std::env::var_os("SEALPOST_CHROMIUM") {
        return given.into();
    }
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    ["chromium", "chromium-browser", "google-chrome", "chrome"]
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
        .expect("Chromium is missing: apt-get install chromium, or name one in SEALPOST_CHROMIUM")
}
