//! The baseline: what a good engineer writes in an afternoon with the crates everybody takes. One thread, a tokio
//! current-thread runtime, tokio-rustls over aws-lc-rs, fastwebsockets; `TCP_NODELAY`; one task a connection.
//!
//! It is what `compare-baseline` holds wss-server against, and is kept plain so that it can be judged at a glance. It
//! has the same TLS configuration as wss-server (`wss_wire::tls`), as otherwise the difference would be that of two
//! configurations, and the opening handshake of `wss_wire::upgrade`, as fastwebsockets' own needs hyper. It lacks on
//! purpose what the product has beyond the echo: deadlines, limits, strict framing, counters, an admin endpoint, an
//! orderly drain.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use fastwebsockets::{Frame, OpCode, Role, WebSocket};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use wss_benches::server::Ready;
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateKind, CostSplit};
use wss_wire::machine;
use wss_wire::tls::{self, Identity, ServerExtras, server_config, warm_up};
use wss_wire::upgrade::{self, PrefixedStream, ServerUpgrade};

/// A plain wss echo server on tokio, tokio-rustls and fastwebsockets, to compare wss-server with
#[derive(Parser)]
#[command(name = "baseline-server", version)]
struct Options {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// The CPU to run on [default: all that are allowed]
    #[arg(long, value_name = "N")]
    cpu: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(cpu) = options.cpu {
        machine::pin_thread(&BTreeSet::from([cpu])).with_context(|| format!("pinning to CPU {cpu}"))?;
    }
    machine::raise_file_limit().context("raising the limit of open files")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().context("starting tokio")?;
    runtime.block_on(serve(options.listen))
}

/// Serves until standard input closes.
async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let identity = {
        let names = ["localhost".to_owned(), listen.ip().to_string()];
        Identity::generate(tls::Role::Server, &names, CertificateKind::EcdsaP256, 1)?
    };
    // As a program has it that does not look where its time goes.
    let options = TlsOptions { cost_split: Some(CostSplit::Off), ..TlsOptions::default() };
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&options, &identity, &ServerExtras::default())?));
    let listener = TcpListener::bind(listen).await.with_context(|| format!("listening on {listen}"))?;
    // wss-server does the same before it says that it is ready: the first handshake of either is like the others.
    warm_up(acceptor.config().crypto_provider());
    say_ready(&Ready {
        ready: true,
        url: format!("wss://{}/", listener.local_addr().context("asking for the address")?),
        ca_pem: identity.ca_pem.context("the CA was made above")?,
        pid: std::process::id(),
    })?;
    let mut closed = watch_stdin();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // No retry: an accept that fails for want of descriptors fails again at once, for ever.
                let (stream, _) = accepted.context("accepting a connection")?;
                let acceptor = acceptor.clone();
                #[allow(clippy::disallowed_methods)] // a program of tokio's own, without our engines
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
    let mut stream = acceptor.accept(stream).await.context("TLS")?;
    let accepted = upgrade::accept(&mut stream, &ServerUpgrade::default()).await.context("the upgrade")?;
    // Pongs and the answer to a Close frame are fastwebsockets' own (auto_pong, auto_close: its defaults).
    let mut socket = WebSocket::after_handshake(PrefixedStream::new(stream, accepted.leftover), Role::Server);
    loop {
        let frame = socket.read_frame().await.context("reading a frame")?;
        if frame.opcode == OpCode::Close {
            break;
        }
        if matches!(frame.opcode, OpCode::Text | OpCode::Binary | OpCode::Continuation) {
            // Frame by frame, fragments as they come: `FragmentCollector` costs the same for a whole message, but has
            // no flush, without which the rest of a record that the socket did not take would stay in rustls.
            // A new frame, as the received one would go out with its mask bit set (fastwebsockets 0.10).
            socket.write_frame(Frame::new(frame.fin, frame.opcode, None, frame.payload)).await.context("echoing")?;
            socket.flush().await.context("echoing")?;
        }
    }
    // Sends close_notify and FIN.
    socket.into_inner().shutdown().await.context("closing")
}

/// Ends when standard input does: the parent is gone, or wants the end.
fn watch_stdin() -> tokio::sync::oneshot::Receiver<()> {
    let (close, closed) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut waste = [0; 64];
        while matches!(std::io::stdin().lock().read(&mut waste), Ok(length) if length > 0) {}
        let _ = close.send(());
    });
    closed
}

fn say_ready(ready: &Ready) -> anyhow::Result<()> {
    let mut line = serde_json::to_string(ready)?;
    line.push('\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush()).context("writing the ready line")
}
