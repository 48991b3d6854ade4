//! An echo server and a paced client of tokio-tungstenite over tokio-rustls: what a measurement by wssbench is checked with.
//! Neither shares code with wssbench.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::{Parser, Subcommand};
use futures_util::{SinkExt, StreamExt};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};

/// An echo server and a client of tokio-tungstenite
#[derive(Parser)]
#[command(name = "tungstenite", version)]
struct Options {
    #[command(subcommand)]
    end: End,
}

#[derive(Subcommand)]
enum End {
    /// Echoes over wss:// and ws:// on 127.0.0.1; prints where it listens, and ends with its signal
    Serve {
        /// Certificate, PEM
        certificate: PathBuf,
        /// Its key, PEM
        key: PathBuf,
        /// Port for wss://; 0 selects a free one
        wss_port: u16,
        /// Port for ws://; 0 selects a free one
        ws_port: u16,
    },
    /// Sends messages at a fixed rate, and prints the median round trip in µs and the number of messages
    Client {
        /// Port of the server on 127.0.0.1
        port: u16,
        /// CA of its certificate, PEM; without it, the connection is ws://
        #[arg(long)]
        ca: Option<PathBuf>,
        /// Number of connections
        #[arg(long, default_value_t = 10)]
        connections: u32,
        /// Messages per second on all connections together
        #[arg(long, default_value_t = 500)]
        rate: u32,
        /// Seconds
        #[arg(long, default_value_t = 3)]
        seconds: u32,
        /// Bytes per message
        #[arg(long, default_value_t = 64)]
        size: usize,
    },
}

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")?;
    match Options::parse().end {
        End::Serve { certificate, key, wss_port, ws_port } => {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<Vec<_>, _>>()?;
            let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
            runtime.block_on(serve(TlsAcceptor::from(Arc::new(config)), wss_port, ws_port))
        }
        End::Client { port, ca, connections, rate, seconds, size } => {
            ensure!(connections > 0 && rate > 0, "--connections and --rate must be above 0");
            let connector = ca.map(|ca| connector(&ca)).transpose()?;
            let gap = Duration::from_secs(1) * connections / rate;
            let load = Load { gap, messages: rate * seconds / connections, size };
            let mut times = runtime.block_on(measure(port, connector, connections, load))?;
            times.sort_unstable();
            let median = times.get(times.len() / 2).context("no message was echoed")?;
            println!("{:.2} {}", median.as_secs_f64() * 1e6, times.len());
            Ok(())
        }
    }
}

#[allow(clippy::disallowed_methods)] // plain tokio, without our engines
async fn serve(acceptor: TlsAcceptor, wss_port: u16, ws_port: u16) -> anyhow::Result<()> {
    let (wss, ws) =
        (TcpListener::bind(("127.0.0.1", wss_port)).await?, TcpListener::bind(("127.0.0.1", ws_port)).await?);
    println!("listening on wss://{}/", wss.local_addr()?);
    loop {
        tokio::select! {
            accepted = wss.accept() => {
                let (acceptor, stream) = (acceptor.clone(), no_delay(accepted?.0)?);
                tokio::spawn(async move { echo(acceptor.accept(stream).await?).await });
            }
            accepted = ws.accept() => {
                let stream = no_delay(accepted?.0)?;
                tokio::spawn(echo(stream));
            }
        }
    }
}

fn no_delay(stream: TcpStream) -> std::io::Result<TcpStream> {
    stream.set_nodelay(true).map(|()| stream)
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> anyhow::Result<()> {
    let mut socket = accept_async(stream).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_binary() || message.is_text() {
            socket.send(message).await?;
        }
    }
    Ok(())
}

fn connector(ca: &Path) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The load of one connection.
#[derive(Clone, Copy)]
struct Load {
    /// Between two messages.
    gap: Duration,
    messages: u32,
    /// Bytes per message.
    size: usize,
}

/// The round trips on all connections.
#[allow(clippy::disallowed_methods)] // plain tokio, without our engines
async fn measure(
    port: u16,
    connector: Option<TlsConnector>,
    connections: u32,
    load: Load,
) -> anyhow::Result<Vec<Duration>> {
    // After all have connected.
    let start = Instant::now() + Duration::from_millis(500);
    let mut tasks = Vec::new();
    for number in 0..connections {
        let stream = no_delay(TcpStream::connect(("127.0.0.1", port)).await?)?;
        let first = start + load.gap * number / connections;
        tasks.push(match &connector {
            None => tokio::spawn(exchange(stream, format!("ws://127.0.0.1:{port}/"), first, load)),
            Some(connector) => {
                let stream = connector.connect(ServerName::try_from("127.0.0.1")?, stream).await?;
                tokio::spawn(exchange(stream, format!("wss://127.0.0.1:{port}/"), first, load))
            }
        });
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.context("a task panicked")??);
    }
    Ok(times)
}

/// Sends messages at their instants, and waits for the echo of each.
#[allow(clippy::disallowed_methods)] // plain tokio, without our engines
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    url: String,
    first: Instant,
    load: Load,
) -> anyhow::Result<Vec<Duration>> {
    let (mut socket, _) = client_async(url, stream).await?;
    let mut times = Vec::with_capacity(load.messages as usize);
    for number in 0..load.messages {
        tokio::time::sleep_until((first + load.gap * number).into()).await;
        // The number in its content: no echo is mistaken for another.
        let message = Message::binary((0..load.size).map(|at| (at as u32 ^ number) as u8).collect::<Vec<u8>>());
        let sent = Instant::now();
        socket.send(message.clone()).await?;
        let reply = socket.next().await.context("the server closed the connection")??;
        times.push(sent.elapsed());
        if reply != message {
            bail!("the reply is not the message that was sent");
        }
    }
    socket.close(None).await?;
    while socket.next().await.is_some_and(|message| message.is_ok()) {}
    Ok(times)
}
