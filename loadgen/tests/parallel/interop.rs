//! Interoperability with other implementations: tokio-tungstenite's WebSocket and Python's TLS.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use common::peer::{self, Authority};
use common::{CLOSED, ENGINES, SHORT, assert_no_errors, assert_only_disturbed, run};
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use wss_model::RunResult;

/// A TLS echo server on asyncio. It prints its port once it listens, after it has read its key.
const PYTHON_SERVER: &str = r#"
import asyncio, ssl, sys

async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()

asyncio.run(main())
"#;

/// A TLS client that trusts one CA, sends a line, and prints the version of TLS and the echo.
const PYTHON_CLIENT: &str = r#"
import socket, ssl, sys

context = ssl.create_default_context(cafile=sys.argv[2])
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10) as plain:
    with context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
        sent = b"Hello, World!"
        stream.sendall(sent)
        received = b""
        while len(received) < len(sent):
            part = stream.recv(4096)
            if not part:
                break
            received += part
        print(stream.version(), received.decode())
        # Returns only if the server answers close_notify.
        stream.unwrap()
"#;

/// A program that is killed at the end of the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?} does not start ({error}): this test needs it installed")))
    }

    /// The first line of its standard output.
    fn first_line(&mut self) -> String {
        let stdout = self.0.stdout.take().unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout).read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = receiver.recv_timeout(common::BOUND).expect("it prints nothing");
        assert!(line.ends_with('\n'), "it ended without a line; see its standard error above");
        line.trim_end().to_owned()
    }

    /// Sends SIGTERM and waits for its end.
    fn end(mut self) -> std::process::ExitStatus {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let deadline = Instant::now() + common::BOUND;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end on SIGTERM");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn python(script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(["-c", script]).args(arguments);
    command
}

/// A short run without errors against a server that this run did not start.
fn run_against(url: &str, ca: &str, engine: &str, extra: &[&str]) -> RunResult {
    let arguments = [&[url, "--ca", ca, "--engine", engine][..], &SHORT, extra].concat();
    let result = run(&arguments).result();
    assert_no_errors(&result);
    assert_eq!(result.verify.as_deref(), Some("full"));
    assert!(!result.target.embedded && result.server.is_none() && result.server_negotiated.is_none());
    result
}

/// tokio-tungstenite's server over tokio-rustls, on a thread with its own runtime. It ends with the test process.
fn tungstenite_over_tls(authority: &Authority) -> SocketAddr {
    let acceptor = TlsAcceptor::from(authority.config());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let acceptor = Arc::new(acceptor);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let acceptor = Arc::clone(&acceptor);
                #[allow(clippy::disallowed_methods)] // plain tokio, without our engines
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
                    while let Some(Ok(message)) = socket.next().await {
                        if message.is_binary() && socket.send(message).await.is_err() {
                            return;
                        }
                    }
                    // The Close frames have been exchanged. tokio-tungstenite does not send close_notify.
                    let _ = socket.get_mut().shutdown().await;
                });
            }
        });
    });
    address
}

#[test]
fn generator_works_with_tokio_tungstenite() {
    let authority = Authority::new("127.0.0.1");
    let url = format!("wss://{}/", tungstenite_over_tls(&authority));
    for engine in ENGINES {
        let ca = authority.ca_argument();
        let result =
            run_against(&url, &ca, engine, &[&CLOSED[..], &["--connections", "8", "--in-flight", "4"]].concat());
        assert_only_disturbed(&result.invalid_because);
        let echo = run_against(&url, &ca, engine, &["--connections", "4", "--rate", "500/s"]).echo.unwrap();
        assert_eq!((echo.planned, echo.received), (500, 500));
        let large = [&CLOSED[..], &["--connections", "2", "--size", "256KiB"]].concat();
        run_against(&url, &ca, engine, &large);
        let handshakes = ["--mode", "handshake", "--connect-rate", "50/s"];
        assert_eq!(run_against(&url, &ca, engine, &handshakes).handshake.completed, 50);
    }
}

/// Writes a certificate and its key to files, which is all that Python's `ssl` accepts.
fn write_for_python(authority: &Authority) -> (String, String) {
    let pem = |label: &str, der: &[u8]| {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    let (chain, key) = (authority.folder().join("chain.pem"), authority.folder().join("key.pem"));
    std::fs::write(&chain, pem("CERTIFICATE", &authority.identity.chain[0])).unwrap();
    std::fs::write(&key, pem("PRIVATE KEY", authority.identity.key.secret_der())).unwrap();
    (chain.display().to_string(), key.display().to_string())
}

#[test]
fn generator_works_with_a_python_tls_server() {
    let authority = Authority::new("127.0.0.1");
    let (chain, key) = write_for_python(&authority);
    let mut server = Program::start(&mut python(PYTHON_SERVER, &[&chain, &key]));
    let port = server.first_line();
    // The server has read it; no key stays on disk longer than necessary.
    std::fs::remove_file(&key).unwrap();
    let url = format!("tls://127.0.0.1:{port}");
    for engine in ENGINES {
        let ca = authority.ca_argument();
        let result = run_against(&url, &ca, engine, &[&CLOSED[..], &["--connections", "4", "--size", "1000"]].concat());
        assert_eq!((result.handshake.completed, result.negotiated[0].negotiated.version.as_str()), (4, "TLSv1.3"));
        let result = run_against(&url, &ca, engine, &["--connections", "2", "--rate", "200/s", "--tls", "1.2"]);
        assert_eq!(result.echo.unwrap().received, 200);
        assert_eq!(result.negotiated[0].negotiated.version, "TLSv1.2");
    }
}

/// `wssbench serve` on a free port; its ready line, and the path of its CA.
fn serve(folder: &Path, layer: &str) -> (Program, wss_server::Ready, String) {
    serve_without(folder, &["--layer", layer], "")
}

/// [`serve`] with options, and with a ring that does not use these features.
fn serve_without(folder: &Path, options: &[&str], without: &str) -> (Program, wss_server::Ready, String) {
    let ca = folder.join("ca.pem").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wssbench"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--ca-out", &ca]).args(options).current_dir(folder);
    command.env("WSSBENCH_URING_WITHOUT", without);
    let mut server = Program::start(&mut command);
    let ready: wss_server::Ready = serde_json::from_str(&server.first_line()).unwrap();
    assert!(ready.url.contains("://127.0.0.1:"), "{ready:?}");
    assert_eq!(std::fs::read_to_string(&ca).ok(), ready.ca_pem);
    (server, ready, ca)
}

#[test]
fn serve_works_with_a_python_tls_client() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ready, ca) = serve(folder.path(), "tls");
    let port = ready.url.rsplit(':').next().unwrap();
    let mut client = Program::start(&mut python(PYTHON_CLIENT, &[port, &ca]));
    assert_eq!(client.first_line(), "TLSv1.3 Hello, World!");
    assert!(client.0.wait().unwrap().success(), "it received no close_notify");
    assert!(server.end().success());
}

#[test]
fn run_measures_a_separate_serve_process() {
    let folder = tempfile::tempdir().unwrap();
    let (server, ready, ca) = serve(folder.path(), "wss");
    for engine in ENGINES {
        let load = ["--connections", "4", "--server-stats", &ready.admin, "--ca", &ca, "--engine", engine];
        let result = run(&[&[ready.url.as_str()][..], &SHORT, &CLOSED, &load].concat()).result();
        assert_no_errors(&result);
        assert_eq!(result.server_negotiated.as_ref(), Some(&result.negotiated), "both ends counted the same");
        let server_end = result.server.unwrap();
        assert_eq!((server_end.engine, server_end.threads), (Some(ready.engine), ready.workers));
        assert!(server_end.cpu_utilization > 0.0);
    }
    assert!(server.end().success());
}

/// Sizes of pieces: single bytes within the headers of records and frames, and sometimes more than a record.
const PIECES: [usize; 14] = [1, 1, 1, 2, 3, 1, 4, 16, 17, 5, 100, 7, 16_407, 1_000];

/// Forwards a stream in pieces.
fn forward(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; 64 << 10];
    let mut pieces = PIECES.iter().cycle();
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let (piece, remaining) = rest.split_at(rest.len().min(*pieces.next().unwrap()));
            if to.write_all(piece).is_err() {
                return;
            }
            rest = remaining;
            // Gives the peer a chance to read this piece before the next one arrives.
            thread::yield_now();
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn both_ends_handle_streams_split_at_any_byte() {
    let folder = tempfile::tempdir().unwrap();
    // The last one is a ring with the features of an old kernel.
    let fallback = "multishot-receive,inline-send,defer-taskrun";
    for (engine, without) in ENGINES.into_iter().map(|engine| (engine, "")).chain([("uring", fallback)]) {
        let (server, ready, ca) = serve_without(folder.path(), &["--engine", engine, "--threads", "1"], without);
        let address: SocketAddr = ready.url.split('/').nth(2).unwrap().parse().unwrap();
        let splitting = peer::tcp(move |client| {
            let server = TcpStream::connect(address).unwrap();
            server.set_nodelay(true).unwrap();
            let (upstream, downstream) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let forwarding = thread::spawn(move || forward(upstream, downstream));
            forward(server, client);
            forwarding.join().unwrap();
        });
        let url = format!("wss://{splitting}/");
        for size in ["64B", "40000B", "1MiB"] {
            let load = [&CLOSED[..], &["--connections", "2", "--size", size]].concat();
            let echo = run_against(&url, &ca, engine, &load).echo.unwrap();
            assert!(echo.received > 2, "{engine} {without} {size}: {} echoes", echo.received);
        }
        assert!(server.end().success());
    }
}
