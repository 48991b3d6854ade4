//! One handshake, phase by phase, each with its own clock: connect → TLS → upgrade → first echo.

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wss_model::TlsOptions;
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::{Engine, TimedOut, before};
use wss_wire::poll_time::{PollTime, Spent};
use wss_wire::target::Target;
use wss_wire::tls::{AskedForCertificate, ClientConfigs, Label, TlsFailure};
use wss_wire::transport::{Counted, Transport};
use wss_wire::upgrade::{self, ClientUpgrade, Prefixed, UpgradeError};

use super::channel::{Channel, Received, check_echo, closed_failure, stream_failure};
use super::payload::Payloads;
use super::record::{Failure, FlightCounts, Timing};
use super::worker::Context;

/// Where to connect and how: the same for all connections of a run.
#[derive(Clone)]
pub(crate) struct Destination {
    pub(crate) target: Target,
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<TlsDestination>,
    pub(crate) subprotocol: Option<String>,
    pub(crate) max_head_size: usize,
}

/// How to connect with TLS.
#[derive(Clone)]
pub(crate) struct TlsDestination {
    pub(crate) config: ClientConfig,
    pub(crate) name: ServerName<'static>,
    pub(crate) options: TlsOptions,
    /// Sessions that one thread has to keep, so that every handshake that is to resume one finds one.
    pub(crate) sessions: usize,
    /// Whether reading and writing the socket is timed.
    pub(crate) timed: bool,
}

/// One handshake that is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) planned: Instant,
    pub(crate) first_echo: bool,
    /// Whether it is to resume a session.
    pub(crate) resume: bool,
}

/// Opens one connection.
///
/// # Errors
/// The failure of the first phase that failed. The deadline is one for all phases, from now on.
pub(crate) async fn open<E: Engine>(context: &Context, due: Due) -> Result<(Channel<E::Stream>, Timing), Failure> {
    let phase = Cell::new(ErrorPhase::Connect);
    let timeout = context.limits.handshake_timeout;
    let opening = phases::<E>(context, due, &phase);
    before::<E, _>(Instant::now() + timeout.0, opening).await.unwrap_or_else(|TimedOut| {
        let sentence = format!(
            "no answer within {timeout} (--handshake-timeout), counted from the start of connect; the phase {} was not over",
            phase.get().name()
        );
        Err(Failure::new(phase.get(), ErrorKind::Timeout, sentence))
    })
}

async fn phases<E: Engine>(
    context: &Context,
    due: Due,
    phase: &Cell<ErrorPhase>,
) -> Result<(Channel<E::Stream>, Timing), Failure> {
    let destination = &context.destination;
    let start = Instant::now();
    let stream = E::connect(destination.address).await.map_err(|error| connect_failure(destination, &error))?;
    let connected = Instant::now();

    phase.set(ErrorPhase::Tls);
    let websocket = destination.target.layer.has_websocket();
    let request = websocket.then(|| upgrade_request(context));
    let mut spent = Spent::default();
    let mut label = None;
    // A request that went as early data is not sent again: it was taken, or the handshake failed.
    let mut requested = false;
    let mut stream = match &destination.tls {
        None => Transport::Plain(Counted::new(stream)),
        Some(tls) => {
            let early_data = request.as_ref().filter(|_| due.resume && tls.options.early_data);
            let stream = secure(context, tls, Counted::watched(stream, tls.timed), early_data, due, &mut spent).await?;
            requested = early_data.is_some();
            label = Some(read_label(context, stream.get_ref().1, due.resume)?);
            Transport::Tls(Box::new(stream.into()))
        }
    };
    let secured = Instant::now();
    let after_tls = (stream.seen(), stream.bytes());

    phase.set(ErrorPhase::Upgrade);
    let mut leftover = Vec::new();
    if let Some(request) = &request {
        let (upgraded, busy) = PollTime::new(pin!(upgrade(&mut stream, request, requested))).await;
        spent += busy;
        leftover = upgraded?;
    }
    let ready = Instant::now();
    let (sent, received) = stream.bytes();
    let seen = stream.seen();
    stream.unwatch();

    phase.set(ErrorPhase::FirstEcho);
    let mut channel = Channel::new(Prefixed::new(stream, leftover), websocket, context.payloads.size());
    if due.first_echo {
        exchange_first(&mut channel, &context.payloads, context.next_number(1)).await?;
    }
    let timing = Timing {
        lateness: start.saturating_duration_since(due.planned),
        connect: connected - start,
        tls: destination.tls.is_some().then(|| secured - connected),
        upgrade: websocket.then(|| ready - secured),
        ready: ready.saturating_duration_since(due.planned),
        first_echo: due.first_echo.then(|| ready.elapsed()),
        spent,
        sent,
        received,
        flights: destination.tls.is_some().then(|| FlightCounts::new(after_tls, seen)),
        label,
    };
    Ok((channel, timing))
}

/// TLS over a connection; `early_data` goes with the first flight.
async fn secure<S>(
    context: &Context,
    tls: &TlsDestination,
    stream: Counted<S>,
    early_data: Option<&ClientUpgrade>,
    due: Due,
    spent: &mut Spent,
) -> Result<TlsStream<Counted<S>>, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let request = match early_data {
        None => String::new(),
        Some(request) => upgrade::compose(request).map_err(upgrade_failure)?,
    };
    let config = match &context.tls {
        Some(ClientConfigs { resuming: Some((config, _)), .. }) if due.resume => config,
        Some(ClientConfigs { full, .. }) => full,
        None => return Err(Failure::new(ErrorPhase::Tls, ErrorKind::Protocol, "TLS without a configuration for it")),
    };
    let fits = Cell::new(true);
    // Made inside what is timed: the key share and the ClientHello are.
    let connecting = pin!(async {
        let connector = TlsConnector::from(Arc::clone(config));
        let connecting = connector.connect_with(tls.name.clone(), stream, |connection| {
            // Without a session there is no early data; the label will tell.
            if let Some(mut early) = connection.early_data().filter(|_| !request.is_empty()) {
                fits.set(early.write(request.as_bytes()).is_ok_and(|written| written == request.len()));
            }
        });
        connecting.await
    });
    let ((connected, asked), busy) = PollTime::new(AskedForCertificate::new(connecting)).await;
    *spent += busy;
    let stream = connected.map_err(|error| stream_failure(ErrorPhase::Tls, error))?;
    // Who resumes a session was asked in the handshake that began it.
    if tls.options.mtls && !asked && stream.get_ref().1.handshake_kind() != Some(HandshakeKind::Resumed) {
        let sentence = "the server did not ask for the client's certificate, as --mtls has it";
        return Err(Failure::new(ErrorPhase::Tls, ErrorKind::NotAsRequested, sentence));
    }
    if !fits.get() {
        let sentence = "the server's limit of early data is smaller than the upgrade request";
        return Err(Failure::new(ErrorPhase::Tls, ErrorKind::EarlyDataRefused, sentence));
    }
    Ok(stream)
}

/// The client's label. A handshake that was not what was asked for is a failure of its own, never a sample.
fn read_label(context: &Context, connection: &rustls::ClientConnection, resumed: bool) -> Result<Label, Failure> {
    let certificate = context.certificate_kinds.borrow_mut().of(connection.peer_certificates());
    let label = Label::of(connection, certificate, connection.is_early_data_accepted());
    match context.asked.check(&label, connection.alpn_protocol(), resumed) {
        Ok(()) => Ok(label),
        Err((kind, sentence)) => Err(Failure::new(ErrorPhase::Tls, kind, sentence)),
    }
}

fn upgrade_request(context: &Context) -> ClientUpgrade {
    let destination = &context.destination;
    ClientUpgrade {
        host: destination.target.host_field(),
        path: destination.target.path.clone(),
        subprotocol: destination.subprotocol.clone(),
        key: context.websocket_key(),
        max_head_size: destination.max_head_size,
    }
}

/// The opening handshake of RFC 6455; `requested` if the request has gone already.
async fn upgrade<S>(stream: &mut Transport<S>, request: &ClientUpgrade, requested: bool) -> Result<Vec<u8>, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let upgraded = match requested {
        true => upgrade::read_answer(stream, request).await,
        false => upgrade::connect(stream, request).await,
    };
    Ok(upgraded.map_err(upgrade_failure)?.leftover)
}

fn upgrade_failure(error: UpgradeError) -> Failure {
    match error {
        // With TLS 1.3 a server that refuses the client says so only now.
        UpgradeError::Io(error) => stream_failure(ErrorPhase::Upgrade, error),
        error => Failure::new(ErrorPhase::Upgrade, error.kind(), error.to_string()),
    }
}

async fn exchange_first<S: super::channel::Socket>(
    channel: &mut Channel<S>,
    payloads: &Payloads,
    number: u64,
) -> Result<(), Failure> {
    let phase = ErrorPhase::FirstEcho;
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
    use std::io::ErrorKind as IoErrorKind;
    let address = destination.address;
    let (kind, sentence) = match error.kind() {
        IoErrorKind::ConnectionRefused => {
            (ErrorKind::Refused, format!("{address} refused the connection: is a server listening there?"))
        }
        IoErrorKind::AddrNotAvailable => (
            ErrorKind::NoPorts,
            format!("no free port is left to connect to {address} from: connections wait 60 s in TIME_WAIT"),
        ),
        IoErrorKind::ConnectionReset => {
            (ErrorKind::Reset, format!("{address} reset the connection while it was opened"))
        }
        IoErrorKind::TimedOut => (ErrorKind::Timeout, format!("{address} did not answer in the kernel's time")),
        IoErrorKind::NetworkUnreachable | IoErrorKind::HostUnreachable => {
            (ErrorKind::Unreachable, format!("{address} cannot be reached from this machine"))
        }
        _ => match TlsFailure::from(std::io::Error::from(error.kind())) {
            TlsFailure::Io(_) => (ErrorKind::Failed, format!("connecting to {address}: {error}")),
            other => (other.kind(), format!("connecting to {address}: {error}")),
        },
    };
    Failure::new(ErrorPhase::Connect, kind, sentence)
}
