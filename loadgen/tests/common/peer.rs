//! Servers for the generator under test: sockets on 127.0.0.1, one thread per connection, with the behaviour that the test
//! gives them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use rustls::{ServerConnection, StreamOwned};
use tokio_tungstenite::tungstenite::{self, WebSocket};
use wss_model::TlsOptions;
use wss_model::config::tls::CertificateKind;
use wss_wire::tls::{Identity, Role, ServerExtras, server_config};

/// The server's end of TLS over a blocking socket.
pub(crate) type Tls = StreamOwned<ServerConnection, TcpStream>;

/// Listens on a free port and passes each connection to `handle` in a thread of its own. They end with the test process.
pub(crate) fn tcp(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let handle = Arc::clone(&handle);
            stream.set_nodelay(true).unwrap();
            // Longer than any run here, so that no thread stays forever.
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            thread::spawn(move || handle(stream));
        }
    });
    address
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// The identity of a TLS server, made for its test, with the CA in a file for `--ca`.
pub(crate) struct Authority {
    pub(crate) identity: Identity,
    folder: tempfile::TempDir,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let authority = Self {
            identity: Identity::generate(Role::Server, &[name.to_owned()], CertificateKind::EcdsaP256, 1).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(authority.ca(), authority.identity.ca_pem.as_ref().unwrap()).unwrap();
        authority
    }

    /// The path of the CA.
    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The path of the CA, as an argument.
    pub(crate) fn ca_argument(&self) -> String {
        self.ca().display().to_string()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes certificate and key as PEM, for a server that reads files.
    pub(crate) fn write_files(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, pem("CERTIFICATE", &self.identity.chain[0])).unwrap();
        std::fs::write(key, pem("PRIVATE KEY", self.identity.key.secret_der())).unwrap();
    }

    pub(crate) fn config(&self) -> Arc<rustls::ServerConfig> {
        Arc::new(server_config(&TlsOptions::default(), &self.identity, &ServerExtras::default()).unwrap())
    }

    /// A TLS server. `handle` gets each connection before its handshake, which the first read or write performs.
    pub(crate) fn serve(&self, handle: impl Fn(Tls) + Send + Sync + 'static) -> SocketAddr {
        self.serve_with(self.config(), handle)
    }

    /// [`serve`](Self::serve) with session tickets.
    pub(crate) fn serve_resumable(&self, handle: impl Fn(Tls) + Send + Sync + 'static) -> SocketAddr {
        let mut config = rustls::ServerConfig::clone(&self.config());
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        config.send_tls13_tickets = 2;
        self.serve_with(Arc::new(config), handle)
    }

    fn serve_with(
        &self,
        config: Arc<rustls::ServerConfig>,
        handle: impl Fn(Tls) + Send + Sync + 'static,
    ) -> SocketAddr {
        tcp(move |stream| handle(StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream)))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Reads an HTTP head; `None` if the connection ends first.
pub(crate) fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut byte), Ok(1)) {
            return None;
        }
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

/// A server that completes the WebSocket handshake and passes the socket to `then`.
pub(crate) fn websocket(then: impl Fn(WebSocket<TcpStream>) + Send + Sync + 'static) -> SocketAddr {
    tcp(move |stream| {
        // A connection that ends during the handshake belongs to an interrupted run.
        if let Ok(socket) = tungstenite::accept(stream) {
            then(socket);
        }
    })
}

/// Echoes until the peer closes, and closes TCP first, as RFC 6455 section 7.1.1 requires of a server.
pub(crate) fn echo<S: Read + Write>(socket: &mut WebSocket<S>) {
    while let Ok(message) = socket.read() {
        if message.is_close() {
            break;
        }
        if (message.is_binary() || message.is_text()) && socket.send(message).is_err() {
            return;
        }
    }
    // Until `ConnectionClosed`: the next read sends the answer to the Close frame.
    while socket.read().is_ok() {}
}

/// Serves one connection of a `wss://` echo server to its orderly end.
pub(crate) fn wss_echo(stream: Tls) {
    let Ok(mut socket) = tungstenite::accept(stream) else { return };
    echo(&mut socket);
    let stream = socket.get_mut();
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

/// A frame of a server with FIN set and less than 126 bytes; with `mask` masked, which a server must not do.
pub(crate) fn frame(opcode: u8, payload: &[u8], mask: bool) -> Vec<u8> {
    assert!(payload.len() < 126);
    let mut frame = vec![0x80 | opcode, payload.len() as u8 | if mask { 0x80 } else { 0 }];
    if mask {
        // A mask of zeros leaves the payload unchanged.
        frame.extend([0; 4]);
    }
    frame.extend(payload);
    frame
}

/// Closes with a RST (SO_LINGER of zero).
pub(crate) fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Reads without answering until the peer ends.
pub(crate) fn stay_silent(mut stream: impl Read) {
    let mut buffer = [0; 4096];
    while matches!(stream.read(&mut buffer), Ok(length) if length > 0) {}
}

/// Shuts down both directions, even if another thread still holds the socket.
pub(crate) fn end(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}
