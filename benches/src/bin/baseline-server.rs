//! The baseline server: what a good engineer writes in an afternoon with the usual crates. One thread, tokio's
//! current-thread runtime, tokio-rustls over aws-lc-rs, fastwebsockets, `TCP_NODELAY`, one task per connection.
//!
//! It is the reference that wss-server is compared with (docs/results/baseline.md), and stays small enough to be reviewed at
//! a glance. It shares the TLS configuration of wss-server (`wss_wire::tls`), since the comparison would otherwise be one of
//! configurations, and its opening handshake (`wss_wire::upgrade`), since that of fastwebsockets requires hyper. It has none
//! of the rest: deadlines, limits, strict framing, counters, an admin endpoint, an orderly drain.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use fastwebsockets::{Frame, OpCode, Role, WebSocket};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateKind, CostSplit};
use wss_wire::machine;
use wss_wire::tls::{self, Identity, ServerExtras, server_config, warm_up};
use wss_wire::upgrade::{self, PrefixedStream, ServerUpgrade};

/// A plain wss echo server on tokio, tokio-rustls and fastwebsockets, as a reference for wss-server
#[derive(Parser)]
#[command(name = "baseline-server", version)]
struct Options {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// A line on standard output, as `wssbench --server` reads it.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event {
    /// The server listens at `url`, and its certificate is signed by the CA `ca_pem`.
    Ready { url: String, ca_pem: String },
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    machine::raise_file_limit().context("raising the limit on open files")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("starting tokio")?;
    runtime.block_on(serve(options.listen))
}

/// Serves until standard input closes.
async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let identity = {
        let names = ["localhost".to_owned(), listen.ip().to_string()];
        Identity::generate(tls::Role::Server, &names, CertificateKind::EcdsaP256, 1)?
    };
    // A plain server does not measure where its time goes.
    let options = TlsOptions { cost_split: Some(CostSplit::Off), ..TlsOptions::default() };
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&options, &identity, &ServerExtras::default())?));
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    // As wss-server does before it is ready, so that the first handshake costs no more than the others.
    warm_up(acceptor.config().crypto_provider());
    print_event(&Event::Ready {
        url: format!("wss://{}/", listener.local_addr().context("reading the local address")?),
        ca_pem: identity.ca_pem.context("the generated certificate has no CA")?,
    })?;
    let mut closed = watch_stdin();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // No retry: out of descriptors, accept() would fail again at once, in a busy loop.
                let (stream, _) = accepted.context("accepting a connection")?;
                let acceptor = acceptor.clone();
                #[allow(clippy::disallowed_methods)] // plain tokio, without our engines
                tokio::spawn(async move {
                    if let Err(error) = echo(stream, &acceptor).await {
                        eprintln!("baseline-server: {error:#}");
                    }
                });
            }
            _ = &mut closed => return Ok(()),
        }
    }
}

/// One connection: TLS, upgrade, echo until the peer closes.
async fn echo(stream: TcpStream, acceptor: &TlsAcceptor) -> anyhow::Result<()> {
    stream.set_nodelay(true).context("setting TCP_NODELAY")?;
    let mut stream = acceptor.accept(stream).await.context("TLS handshake")?;
    let accepted = upgrade::accept(&mut stream, &ServerUpgrade::default()).await.context("upgrading")?;
    // fastwebsockets answers Ping and Close frames (auto_pong, auto_close: its defaults).
    let mut socket = WebSocket::after_handshake(PrefixedStream::new(stream, accepted.leftover), Role::Server);
    loop {
        let frame = socket.read_frame().await.context("reading a frame")?;
        if frame.opcode == OpCode::Close {
            break;
        }
        if matches!(frame.opcode, OpCode::Text | OpCode::Binary | OpCode::Continuation) {
            // Echoes fragments as they arrive. `FragmentCollector` would cost the same for an unfragmented message, but it
            // has no flush: what the socket does not accept of a record would stay in rustls.
            // A new frame, since fastwebsockets 0.10 would send the received one with its mask bit set.
            socket.write_frame(Frame::new(frame.fin, frame.opcode, None, frame.payload)).await.context("echoing")?;
            socket.flush().await.context("echoing")?;
        }
    }
    // Sends close_notify, then FIN.
    socket.into_inner().shutdown().await.context("closing")
}

/// Resolves when standard input closes: the parent has exited, or asks this server to stop.
fn watch_stdin() -> tokio::sync::oneshot::Receiver<()> {
    let (close, closed) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut ignored = [0; 64];
        while matches!(std::io::stdin().lock().read(&mut ignored), Ok(length) if length > 0) {}
        let _ = close.send(());
    });
    closed
}

fn print_event(event: &Event) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(event)?;
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).context("writing to standard output")
}
