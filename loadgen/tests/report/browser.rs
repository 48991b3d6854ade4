//! Chromium without a window, by the Chrome DevTools Protocol (<https://chromedevtools.github.io/devtools-protocol/>).

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// How long the browser may take for anything.
const BOUND: Duration = Duration::from_secs(40);

/// A browser with one tab.
pub(crate) struct Browser {
    process: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    next: u64,
    /// Events of the tab so far: method and parameters.
    pub(crate) events: Vec<(String, Value)>,
    _profile: TempDir,
}

impl Browser {
    /// Starts Chromium; `None` if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let profile = tempfile::tempdir().unwrap();
        let mut process = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(|name| {
            Command::new(name)
                .args([
                    "--headless=new",
                    "--no-sandbox",
                    "--disable-gpu",
                    "--no-first-run",
                    "--remote-debugging-port=0",
                ])
                .args(["--disable-background-networking", "--disable-extensions", "--disable-dev-shm-usage"])
                .arg(format!("--user-data-dir={}", profile.path().display()))
                .arg("about:blank")
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .ok()
        })?;
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let (mut line, mut url) = (String::new(), String::new());
        while url.is_empty() && stderr.read_line(&mut line).unwrap() > 0 {
            url = line.split_once("listening on ").map_or_else(String::new, |(_, url)| url.trim().to_owned());
            line.clear();
        }
        // A full pipe would stop it.
        std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
        let authority = url.trim_start_matches("ws://").split('/').next().unwrap().to_owned();
        let stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let (socket, _) = client(url.as_str(), stream).unwrap();
        let mut browser =
            Self { process, socket, session: String::new(), next: 1, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", &attach)["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        Some(browser)
    }

    /// Calls a method and returns its result.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut request = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(request.to_string())).unwrap();
        loop {
            let message = self.read();
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The next message; events are kept.
    fn read(&mut self) -> Value {
        let message: Value = serde_json::from_str(self.socket.read().unwrap().to_text().unwrap()).unwrap();
        if let Some(method) = message["method"].as_str() {
            self.events.push((method.to_owned(), message["params"].clone()));
        }
        message
    }

    /// Opens a page in a window of some width and in a theme, and waits until it is complete.
    pub(crate) fn open(&mut self, url: &str, width: u32, theme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.call("Emulation.setEmulatedMedia", &media);
        self.events.clear();
        self.call("Page.navigate", &json!({ "url": url }));
        let deadline = Instant::now() + BOUND;
        while !self.events.iter().any(|(method, _)| method == "Page.loadEventFired") {
            assert!(Instant::now() < deadline, "{url} did not load: {:?}", self.events);
            self.read();
        }
    }

    /// The value of an expression.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let found = self.call("Runtime.evaluate", &params);
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].clone()
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", &json!({ "type": kind, "key": key, "code": key }));
        }
    }

    /// Moves the pointer.
    pub(crate) fn point_at(&mut self, x: f64, y: f64) {
        self.call("Input.dispatchMouseEvent", &json!({ "type": "mouseMoved", "x": x, "y": y }));
    }

    /// Errors and warnings that the page caused.
    pub(crate) fn complaints(&self) -> Vec<&(String, Value)> {
        let is_bad = |(method, params): &&(String, Value)| match method.as_str() {
            "Runtime.exceptionThrown" => true,
            "Runtime.consoleAPICalled" => params["type"] != json!("log"),
            "Log.entryAdded" => params["entry"]["level"] != json!("verbose"),
            _ => false,
        };
        self.events.iter().filter(is_bad).collect()
    }

    /// The addresses that the page requested.
    pub(crate) fn requests(&self) -> Vec<&str> {
        let sent = self.events.iter().filter(|(method, _)| method == "Network.requestWillBeSent");
        sent.filter_map(|(_, params)| params["request"]["url"].as_str()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let close = json!({ "id": 0, "method": "Browser.close" });
        let _ = self.socket.send(Message::text(close.to_string()));
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if self.process.try_wait().is_ok_and(|ended| ended.is_some()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
