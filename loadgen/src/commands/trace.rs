//! `wssbench trace`: one connection from SYN to close, event by event.
//!
//! [`client`] (target and TLS) → [`connection`] (the socket and rustls, driven by hand, recorded in a [`capture`]) →
//! [`session`] (upgrade, echo, ping, Close) → [`observer`] (the capture, decrypted and decoded) → result → report. It
//! measures one connection once, for reading and not for comparing.

mod application;
mod capture;
mod certificate;
mod client;
mod connection;
mod handshake;
mod names;
mod observer;
mod secrets;
mod session;
mod totals;
mod tunnel;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use wss_model::config::{RequestOptions, RouteOptions};
use wss_model::run_result::Negotiated;
use wss_model::store::Stored as _;
use wss_model::trace_result::{TraceFailure, TracePhase, TraceResult, TraceTarget};
use wss_model::{EngineKind, HumanDuration, Layer, TlsOptions, TrustOptions};
use wss_report as report;
use wss_wire::target::Target;
use wss_wire::tls::{CertificateKinds, HandshakeLabel, TlsFailure};
use wss_wire::tunnel::Tunnel;
use wss_wire::websocket::SharedStream;

use self::capture::Captured;
use self::connection::Connection;
use self::session::{Failure, Plan};
use crate::child::server::Server;
use crate::output;
use crate::setup::route::{self, Route};
use crate::setup::{client_tls as client_side, environment, request};

/// The longest message: it fits in one frame and one record.
const MAX_MESSAGE: usize = 8192;
/// The longest timeout.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// `wssbench trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceCommand {
    /// wss://host:port/path, ws://, tls:// or tcp:// [default: an embedded server]
    #[arg(value_name = "URL")]
    url: Option<String>,

    /// The layer of the embedded server [default: wss]
    #[arg(long, value_enum, conflicts_with = "url")]
    layer: Option<Layer>,

    /// Engine of the embedded server [default: uring]
    #[arg(long, value_enum, value_name = "ENGINE", conflicts_with = "url")]
    server_engine: Option<EngineKind>,

    /// Subprotocol to request (Sec-WebSocket-Protocol)
    #[arg(long, value_name = "NAME")]
    subprotocol: Option<String>,

    /// The text to send and expect back
    #[arg(long, value_name = "TEXT", default_value = "Hello, WebSocket!")]
    message: String,

    /// Send no text and expect no echo, for a server that does not echo
    #[arg(long)]
    no_echo: bool,

    /// Time limit for the whole connection
    #[arg(long, value_name = "TIME", default_value = "10s")]
    timeout: HumanDuration,

    /// Print the trace as JSON instead of a timeline
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    route: RouteOptions,

    #[command(flatten)]
    request: RequestOptions,

    #[command(flatten)]
    tls: TlsOptions,

    #[command(flatten)]
    trust: TrustOptions,
}

/// The way to the server: the address that the connection goes to, and the tunnel that it opens there.
struct Way {
    address: SocketAddr,
    tunnel: Option<Tunnel>,
}

fn find_way(target: &Target, options: &RouteOptions) -> anyhow::Result<Way> {
    let Route { addresses, tunnel, .. } = route::find(target, options)?;
    let address = addresses.first().copied().context("internal error: a target without an address")?;
    Ok(Way { address, tunnel })
}

/// Traces one connection and prints it; returns whether it ended without a failure.
///
/// # Errors
/// If no connection could be tried.
pub(crate) fn trace(command: &TraceCommand) -> anyhow::Result<bool> {
    let target = command.url.as_deref().map(Target::parse).transpose()?;
    let layer = target.as_ref().map_or(command.layer.unwrap_or(Layer::Wss), |target| target.layer);
    client::check(command, layer)?;
    let way = target.as_ref().map(|target| find_way(target, &command.route)).transpose()?;
    let fields = request::fields(&command.request)?;
    let identity = if layer.has_tls() { client_side::identity(&client::as_run(command))? } else { None };
    let embedded = match target {
        None => Some(client::embedded(&client::as_run(command), identity.as_ref())?),
        Some(_) => None,
    };
    let target = match (target, &embedded) {
        (Some(target), _) => target,
        (None, Some(embedded)) => Target::parse(embedded.url())?,
        (None, None) => unreachable!("embedded if there is no target"),
    };
    let way = way.map_or_else(|| find_way(&target, &command.route), Ok)?;
    let ca = embedded.as_ref().and_then(Server::ca_pem);
    let tls = layer.has_tls().then(|| client::tls(command, &target, ca, identity.as_ref())).transpose()?;

    // Before the connection: the first random number of a library takes milliseconds.
    let mut key = [0; 16];
    aws_lc_rs::rand::fill(&mut key).context("cannot make a random Sec-WebSocket-Key")?;
    let plan = Plan {
        target: &target,
        subprotocol: command.subprotocol.as_deref(),
        host: command.request.host.clone().unwrap_or_else(|| target.host_field()),
        fields: fields.into(),
        key,
        message: (!command.no_echo).then_some(command.message.as_str()),
    };

    let mut notes = Vec::new();
    if let Some(before) = tls.as_ref().and_then(|tls| tls.before.as_ref()) {
        begin_session(&plan, &way, tls.as_ref().map(|tls| (before, &tls.name)), command.timeout)?;
        notes.push(
            "an earlier connection, which is not shown, established the session that this one resumes".to_owned(),
        );
    }
    let (_, started_at) = environment::identify();
    let traced = connect(&plan, &way, tls.as_ref().map(|tls| (&tls.config, &tls.name)), command.timeout);
    if let Some(embedded) = embedded {
        embedded.end()?;
    }

    notes.extend(tls.as_ref().and_then(|tls| tls.verify.skips()).map(str::to_owned));
    notes.extend(command.route.proxy.as_ref().map(|proxy| {
        format!("connect includes opening the tunnel through {proxy} (--proxy), whose address is shown; a user name and password are not shown")
    }));
    let proxy = way.tunnel.as_ref().map(|tunnel| tunnel.kind);
    let events = observer::observe(traced.capture, tls.as_ref().map(|tls| &tls.keys), layer.has_websocket(), proxy);
    let result = TraceResult {
        schema: TraceResult::SCHEMA.to_owned(),
        started_at,
        tool: environment::tool(),
        target: TraceTarget {
            url: target.url(),
            address: way.address.to_string(),
            server_name: tls.as_ref().map(|tls| tls.name.to_str().into_owned()),
            embedded: command.url.is_none(),
        },
        verify: tls.map(|tls| tls.verify.to_string()),
        negotiated: traced.negotiated,
        phases: totals::phases(&events),
        notes: [notes, totals::notes(&events, traced.failure.is_some())].concat(),
        events,
        failure: traced.failure,
    };
    if command.json {
        output::print(&(serde_json::to_string_pretty(&result)? + "\n"))?;
    } else {
        output::print(&report::trace::timeline(&result, output::style(false)))?;
    }
    Ok(result.failure.is_none())
}

/// What a connection left behind.
struct Traced {
    capture: Vec<Captured>,
    negotiated: Option<Negotiated>,
    failure: Option<TraceFailure>,
}

/// The TLS configuration and the server name.
type TlsWith<'a> = (&'a Arc<ClientConfig>, &'a ServerName<'static>);

/// Runs a whole connection, which leaves a session to resume.
///
/// # Errors
/// If it fails, because there is then nothing to resume.
fn begin_session(plan: &Plan<'_>, way: &Way, tls: Option<TlsWith<'_>>, timeout: HumanDuration) -> anyhow::Result<()> {
    match connect(plan, way, tls, timeout).failure {
        None => Ok(()),
        Some(failure) => {
            anyhow::bail!("the connection that establishes the session to resume failed: {}", failure.message)
        }
    }
}

/// Runs the connection, from SYN to close or to its failure.
fn connect(plan: &Plan<'_>, way: &Way, tls: Option<TlsWith<'_>>, timeout: HumanDuration) -> Traced {
    let deadline = Instant::now() + timeout.0;
    let (capture, opened) = Connection::open(way.address, timeout.0);
    let socket = match opened {
        Ok(socket) => socket,
        Err(error) => {
            let sentence = connect_sentence(way.address, timeout, &error);
            let failure = Some(TraceFailure { phase: TracePhase::Connect, message: sentence });
            return Traced { capture: capture.events, negotiated: None, failure };
        }
    };
    let connection = SharedStream::new(Connection::new(socket, capture, deadline));
    let ended = run_session(&connection, plan, way.tunnel.as_ref(), tls);
    connection.with(|connection| {
        let phase = connection.capture.phase;
        if ended.is_err() {
            connection.give_up(matches!(&ended, Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe));
        }
        Traced {
            negotiated: connection.tls().filter(|tls| !tls.is_handshaking()).map(negotiated),
            capture: std::mem::take(&mut connection.capture.events),
            failure: ended
                .err()
                .map(|failure| TraceFailure { phase, message: sentence(failure, phase, timeout, tls.is_some()) }),
        }
    })
}

/// Tunnel → TLS → session → close.
fn run_session(
    connection: &SharedStream<Connection>,
    plan: &Plan<'_>,
    tunnel: Option<&Tunnel>,
    tls: Option<TlsWith<'_>>,
) -> Result<(), Failure> {
    if let Some(tunnel) = tunnel {
        session::open_tunnel(connection, tunnel)?;
    }
    if let Some((config, name)) = tls {
        connection.with(|connection| connection.handshake(Arc::clone(config), name.clone()))?;
    }
    session::run(connection, plan)?;
    // Only FIN asks the server of tcp:// to close.
    connection.with(|connection| connection.end(plan.target.layer == Layer::Tcp))?;
    Ok(())
}

/// What a finished handshake negotiated, as a run reports it.
fn negotiated(connection: &rustls::ClientConnection) -> Negotiated {
    let certificate = CertificateKinds::default().of(connection.peer_certificates());
    HandshakeLabel::of(connection, certificate, connection.is_early_data_accepted()).negotiated()
}

fn connect_sentence(address: SocketAddr, timeout: HumanDuration, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("{address} refused the connection; check that a server listens there")
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            format!("{address} did not answer the SYN within {timeout} (--timeout); check for a firewall")
        }
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            format!("{address} is unreachable from this machine")
        }
        _ => format!("cannot connect to {address}: {error}"),
    }
}

/// A failure as one sentence.
fn sentence(failure: Failure, phase: TracePhase, timeout: HumanDuration, tls: bool) -> String {
    match failure {
        Failure::Server(sentence) => sentence,
        Failure::Io(error) if error.kind() == io::ErrorKind::TimedOut => {
            let hint = if phase == TracePhase::Echo { "; use --no-echo for a server that does not echo" } else { "" };
            format!("the server did not answer within {timeout} (--timeout), counted from the SYN{hint}")
        }
        Failure::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof && (!tls || phase == TracePhase::Tls) => {
            "the server closed the connection in the middle".to_owned()
        }
        Failure::Io(error) => TlsFailure::from(error).to_string(),
    }
}
