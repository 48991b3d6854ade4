//! Echo servers of other languages and libraries.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustls::StreamOwned;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Error, Message, WebSocket};

use wss_model::ErrorKind;

use crate::common::left_out;
use crate::common::peer::{self, Authority};
use crate::daemon::{Daemon, program};
use crate::subject::{Closes, Subject};

/// The folder into which `.ci/run` installs programs.
const CI: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../ci");

/// A program that echoes over `wss://` and `ws://`, in `programs/`. It gets the paths of its certificate and key and two
/// ports, prints where it listens, and answers other requests with [`Closes`].
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/programs").join(name)
}

/// Node with the package `ws`, which `.ci/run` has installed; `None` if one is missing.
pub(crate) fn node_ws() -> Option<Command> {
    let modules = Path::new(CI).join("node/node_modules");
    modules.join("ws").exists().then_some(())?;
    let mut command = Command::new(program("node")?);
    command.env("NODE_PATH", modules).arg(script("node_ws.cjs"));
    Some(command)
}

/// The program that a package of npm carries, at this path in `node_modules`.
fn of_npm(path: &str) -> Option<Command> {
    let program = Path::new(CI).join("node/node_modules").join(path);
    program.exists().then(|| Command::new(program))
}

/// Bun, whose package is named after the processor.
pub(crate) fn bun() -> Option<Command> {
    let processor = if cfg!(target_arch = "x86_64") { "x64" } else { "aarch64" };
    let mut command = of_npm(&format!("@oven/bun-linux-{processor}/bin/bun"))?;
    command.arg(script("bun.js"));
    Some(command)
}

/// Deno, whose package is named after the processor.
pub(crate) fn deno() -> Option<Command> {
    let processor = if cfg!(target_arch = "x86_64") { "x64" } else { "arm64" };
    let mut command = of_npm(&format!("@deno/linux-{processor}-glibc/deno"))?;
    command.args(["run", "--no-config", "--no-lock", "--allow-net=127.0.0.1", "--allow-read"]).arg(script("deno.js"));
    command.env("DENO_NO_UPDATE_CHECK", "1").env("DENO_DIR", Path::new(CI).join("deno"));
    Some(command)
}

/// A Python that has `websockets`: the one of `.ci/run`, or the one in the path.
pub(crate) fn python() -> Option<&'static str> {
    const OF_CI: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../ci/bin/python3");
    let has_websockets = |python: &&str| {
        Command::new(python).args(["-c", "import websockets.asyncio.server"]).output().is_ok_and(|o| o.status.success())
    };
    [OF_CI, "python3"].into_iter().find(has_websockets)
}

/// Python with `websockets`.
pub(crate) fn python_websockets() -> Option<Command> {
    let mut command = Command::new(python()?);
    command.arg(script("python_websockets.py"));
    Some(command)
}

/// A running server. It ends with the test.
pub(crate) struct EchoServer {
    pub(crate) subject: Subject,
    pub(crate) ws: SocketAddr,
    _daemon: Daemon,
    _files: (tempfile::TempDir, Authority),
}

impl EchoServer {
    pub(crate) fn start(mut command: Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("127.0.0.1");
        let [certificate, key] = ["server.pem", "server.key"].map(|name| folder.path().join(name));
        authority.write_files(&certificate, &key);
        let (wss, ws) = (peer::nobody(), peer::nobody());
        command.args([certificate, key]).args([wss, ws].map(|address| address.port().to_string()));
        let daemon = Daemon::start(command, &[wss, ws]);
        let subject = Subject {
            wss: format!("wss://{wss}/"),
            ws: format!("ws://{ws}/"),
            ca: authority.ca_argument(),
            pid: Some(daemon.pid()),
            resumes: "100%",
        };
        Self { subject, ws, _daemon: daemon, _files: (folder, authority) }
    }

    pub(crate) fn closes(&self) -> Closes {
        Closes::of_server(&self.subject.ws)
    }
}

/// Starts a server and measures it in every way.
fn assert_measurable(command: Option<Command>, what: &str) {
    let Some(command) = command else { return left_out(&format!("{what} is not installed")) };
    let server = EchoServer::start(command);
    server.subject.assert_measurable(|| server.closes());
}

/// Node sends two tickets in a full TLS 1.3 handshake and none when it resumes one, so that half of them can resume.
#[test]
fn node() {
    let Some(command) = node_ws() else { return left_out("Node or its package ws is not installed") };
    let mut server = EchoServer::start(command);
    server.subject.resumes = "50%";
    server.subject.assert_measurable(|| server.closes());
    let result = server.subject.handshakes(&["--resume", "100%", "--tls", "1.3"]);
    let [error] = &result.errors[..] else { panic!("{:?}", result.errors) };
    assert_eq!(error.kind, ErrorKind::NotResumed);
    assert!(error.example.contains("no session was left") && error.example.contains("--resume"), "{error:?}");
}

#[test]
fn bun_with_uwebsockets() {
    assert_measurable(bun(), "Bun");
}

#[test]
fn deno_with_fastwebsockets() {
    assert_measurable(deno(), "Deno");
}

#[test]
fn python_with_websockets() {
    assert_measurable(python_websockets(), "the Python package websockets");
}

/// Serves connections of tungstenite, and counts how they ended.
#[derive(Clone, Default)]
pub(crate) struct Tungstenite(Arc<Mutex<Closes>>);

impl Tungstenite {
    /// Over `ws://`.
    pub(crate) fn serve(&self) -> SocketAddr {
        let this = self.clone();
        peer::websocket(move |mut socket| this.echo(&mut socket))
    }

    /// Over `wss://`.
    fn serve_tls(&self, authority: &Authority) -> SocketAddr {
        let this = self.clone();
        authority.serve_resumable(move |stream| {
            let Ok(mut socket) = tungstenite::accept(stream) else { return };
            this.echo(&mut socket);
            let StreamOwned { conn, sock } = socket.get_mut();
            conn.send_close_notify();
            let _ = conn.write_tls(sock);
        })
    }

    /// Echoes until the peer closes.
    fn echo<S: std::io::Read + std::io::Write>(&self, socket: &mut WebSocket<S>) {
        let mut normal = false;
        let error = loop {
            match socket.read() {
                Ok(Message::Close(frame)) => normal = frame.is_some_and(|frame| frame.code == CloseCode::Normal),
                Ok(message) if message.is_binary() || message.is_text() => {
                    if let Err(error) = socket.send(message) {
                        break error;
                    }
                }
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        let mut closes = self.0.lock().unwrap();
        if normal && matches!(error, Error::ConnectionClosed) {
            closes.clean += 1;
        } else {
            closes.unclean += 1;
            closes.example = error.to_string();
        }
    }

    pub(crate) fn closes(&self) -> Closes {
        self.0.lock().unwrap().clone()
    }
}

#[test]
fn tungstenite_with_rustls() {
    let server = Tungstenite::default();
    let authority = Authority::new("127.0.0.1");
    let subject = Subject {
        wss: format!("wss://{}/", server.serve_tls(&authority)),
        ws: format!("ws://{}/", server.serve()),
        ca: authority.ca_argument(),
        pid: None,
        resumes: "100%",
    };
    subject.assert_measurable(|| server.closes());
}
