//! One handshake, phase by phase, each with its own clock: connect → TLS → upgrade → first echo.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use wss_wire::busy::Busy;
use wss_wire::engine::{Engine, TimedOut, before};
use wss_wire::layer::Target;
use wss_wire::tls::{Label, TlsFailure};
use wss_wire::transport::{Counted, Transport};
use wss_wire::upgrade::{self, ClientUpgrade, Prefixed};

use super::channel::{Channel, Received, check_echo, closed_failure, stream_failure};
use super::payload::Payloads;
use super::record::{Failure, Phase, Timing};
use super::worker::Context;

/// Where to connect and how: the same for all connections of a run.
#[derive(Clone)]
pub(crate) struct Destination {
    pub(crate) target: Target,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(crate) subprotocol: Option<String>,
    pub(crate) max_head_size: usize,
}

/// Opens one connection; `planned` is when it was due.
///
/// # Errors
/// The failure of the first phase that failed. The deadline is one for all phases, from now on.
pub(crate) async fn open<E: Engine>(
    context: &Context,
    planned: Instant,
    first_echo: bool,
) -> Result<(Channel<E::Stream>, Timing), Failure> {
    let phase = Cell::new(Phase::Connect);
    let timeout = context.limits.handshake_timeout;
    let opening = phases::<E>(context, planned, first_echo, &phase);
    before::<E, _>(Instant::now() + timeout.0, opening).await.unwrap_or_else(|TimedOut| {
        let sentence = format!(
            "no answer within {timeout} (--handshake-timeout), counted from the start of connect; the phase {} was not over",
            phase.get().name()
        );
        Err(Failure::new(phase.get(), "timeout", sentence))
    })
}

async fn phases<E: Engine>(
    context: &Context,
    planned: Instant,
    first_echo: bool,
    phase: &Cell<Phase>,
) -> Result<(Channel<E::Stream>, Timing), Failure> {
    let destination = &context.destination;
    let start = Instant::now();
    let stream = E::connect(destination.address).await.map_err(|error| connect_failure(destination, &error))?;
    let connected = Instant::now();

    phase.set(Phase::Tls);
    let mut busy = Duration::ZERO;
    let mut label = None;
    let mut stream = match &destination.tls {
        None => Transport::Plain(Counted::new(stream)),
        Some((config, name)) => {
            let connecting = TlsConnector::from(Arc::clone(config)).connect(name.clone(), Counted::new(stream));
            let (connected, spent) = Busy::new(connecting).await;
            busy += spent;
            let stream = connected.map_err(|error| stream_failure(Phase::Tls, error))?;
            label = Some(read_label(context, stream.get_ref().1)?);
            Transport::Tls(Box::new(stream.into()))
        }
    };
    let secured = Instant::now();

    phase.set(Phase::Upgrade);
    let websocket = destination.target.layer.has_websocket();
    let mut leftover = Vec::new();
    if websocket {
        let (upgraded, spent) = Busy::new(pin!(upgrade(context, &mut stream))).await;
        busy += spent;
        leftover = upgraded?;
    }
    let ready = Instant::now();
    let (sent, received) = stream.bytes();

    phase.set(Phase::FirstEcho);
    let mut channel = Channel::new(Prefixed::new(stream, leftover), websocket, context.payloads.size());
    if first_echo {
        exchange_first(&mut channel, &context.payloads, context.next_number(1)).await?;
    }
    let timing = Timing {
        lateness: start.saturating_duration_since(planned),
        connect: connected - start,
        tls: destination.tls.is_some().then(|| secured - connected),
        upgrade: websocket.then(|| ready - secured),
        ready: ready.saturating_duration_since(planned),
        first_echo: first_echo.then(|| ready.elapsed()),
        busy,
        sent,
        received,
        label,
    };
    Ok((channel, timing))
}

/// The client's label. A handshake that was not what was asked for is a failure of its own, never a sample.
fn read_label(context: &Context, connection: &rustls::ClientConnection) -> Result<Label, Failure> {
    let certificate = context.certificate_kinds.borrow_mut().of(connection.peer_certificates());
    let label = Label::of(connection, certificate);
    if label.is_full() {
        return Ok(label);
    }
    let sentence = format!("the handshake was {}, where a full one was asked for", label.negotiated().kind);
    Err(Failure::new(Phase::Tls, "not_as_asked", sentence))
}

async fn upgrade<S>(context: &Context, stream: &mut Transport<S>) -> Result<Vec<u8>, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let destination = &context.destination;
    let request = ClientUpgrade {
        host: destination.target.host_field(),
        path: destination.target.path.clone(),
        subprotocol: destination.subprotocol.clone(),
        key: context.websocket_key(),
        max_head_size: destination.max_head_size,
    };
    match upgrade::connect(stream, &request).await {
        Ok(upgraded) => Ok(upgraded.leftover),
        // With TLS 1.3 a server that refuses the client says so only now.
        Err(upgrade::UpgradeError::Io(error)) => Err(stream_failure(Phase::Upgrade, error)),
        Err(error) => Err(Failure::new(Phase::Upgrade, error.kind(), error.to_string())),
    }
}

async fn exchange_first<S: super::channel::Socket>(
    channel: &mut Channel<S>,
    payloads: &Payloads,
    number: u64,
) -> Result<(), Failure> {
    let phase = Phase::FirstEcho;
    let Channel { sender, receiver, .. } = channel;
    let mut scratch = Vec::new();
    let mut received = {
        // Both at once: a message larger than the buffers on the way is echoed before it is sent.
        let mut receiving = pin!(receiver.receive(phase));
        let mut sending = pin!(sender.send(payloads.get(number), &mut scratch));
        let early = tokio::select! {
            biased;
            received = &mut receiving => Some(received?),
            sent = &mut sending => {
                sent.map_err(|error| error.failure(phase))?;
                None
            }
        };
        match early {
            Some(Received::Closed(close)) => return Err(closed_failure(phase, close)),
            Some(received) => {
                sending.await.map_err(|error| error.failure(phase))?;
                received
            }
            None => receiving.await?,
        }
    };
    loop {
        match received {
            Received::Message(echo) => return check_echo(phase, payloads.get(number), &echo),
            Received::Closed(close) => return Err(closed_failure(phase, close)),
            Received::Ping(ping) => sender.pong(ping).await.map_err(|error| error.failure(phase))?,
        }
        received = receiver.receive(phase).await?;
    }
}

fn connect_failure(destination: &Destination, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind;
    let address = destination.address;
    let (kind, sentence) = match error.kind() {
        ErrorKind::ConnectionRefused => {
            ("refused", format!("{address} refused the connection: is a server listening there?"))
        }
        ErrorKind::AddrNotAvailable => (
            "no_ports",
            format!("no free port is left to connect to {address} from: connections wait 60 s in TIME_WAIT"),
        ),
        ErrorKind::ConnectionReset => ("reset", format!("{address} reset the connection while it was opened")),
        ErrorKind::TimedOut => ("timeout", format!("{address} did not answer in the kernel's time")),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            ("unreachable", format!("{address} cannot be reached from this machine"))
        }
        _ => match TlsFailure::from(std::io::Error::from(error.kind())) {
            TlsFailure::Io(_) => ("failed", format!("connecting to {address}: {error}")),
            other => (other.kind(), format!("connecting to {address}: {error}")),
        },
    };
    Failure::new(Phase::Connect, kind, sentence)
}
