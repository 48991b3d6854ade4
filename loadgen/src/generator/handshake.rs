//! One handshake: connect → TLS → upgrade → first echo, each phase with its own clock.

use std::cell::Cell;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use memchr::memmem;
use rustls::HandshakeKind;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wss_model::config::SkipMessages;
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::{Engine, TimedOut, before};
use wss_wire::poll_time::{PollCost, PollTime};
use wss_wire::tls::{ClientAuthFuture, ClientConfigs, HandshakeLabel, TlsFailure};
use wss_wire::transport::{CountedStream, Transport};
use wss_wire::tunnel::{Tunnel, TunnelError};
use wss_wire::upgrade::{ClientUpgrade, PrefixedStream, compose};

use super::channel::{Channel, ChannelEvent, closed_failure};
use super::context::Context;
use super::correlation::Correlation;
use super::destination::TlsDestination;
use super::exchange::Exchange;
use super::failure::Failure;
use super::kernel_clock::{HandshakeClocks, measure_connect};
use super::record::{FlightCounts, HandshakeSample};
use super::upgrade;

/// One handshake to perform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// Open loop: when it is due.
    pub(crate) planned: Option<Instant>,
    /// Whether a message and its echo follow.
    pub(crate) first_echo: bool,
    /// Whether it is to resume a session.
    pub(crate) resume: bool,
}

/// Opens one connection. `--handshake-timeout` is one deadline for all phases, from now on.
///
/// # Errors
/// The failure of the first phase that failed.
pub(crate) async fn perform<E: Engine>(
    context: &Context,
    attempt: Attempt,
) -> Result<(Channel<E::Stream>, HandshakeSample), Failure> {
    let phase = Cell::new(ErrorPhase::Connect);
    let timeout = context.limits.handshake_timeout;
    let phases = perform_phases::<E>(context, attempt, &phase);
    before::<E, _>(Instant::now() + timeout.0, phases).await.unwrap_or_else(|TimedOut| {
        let text = format!("the handshake timed out in phase {} after {timeout} (--handshake-timeout)", phase.get());
        Err(Failure::new(phase.get(), ErrorKind::Timeout, text))
    })
}

async fn perform_phases<E: Engine>(
    context: &Context,
    attempt: Attempt,
    phase: &Cell<ErrorPhase>,
) -> Result<(Channel<E::Stream>, HandshakeSample), Failure> {
    let destination = &context.destination;
    let start = Instant::now();
    // A closed loop plans nothing, so it is never late.
    let planned = attempt.planned.unwrap_or(start);
    let address = context.next_address();
    let mut stream = E::connect(address).await.map_err(|error| connect_failure(address, &error))?;
    let mut connected = Instant::now();
    let observed = context.kernel_clock.observe::<E>(&mut stream);
    let mut clocks = HandshakeClocks::default();
    match &destination.tunnel {
        None => clocks.connect = observed.times().map(|times| measure_connect(times, connected - start)),
        // The kernel has no time for what the proxy does, so the connect of this connection is not measured by its clock.
        Some(tunnel) => {
            open_tunnel::<E>(tunnel, &mut stream, destination.max_head_size).await?;
            connected = Instant::now();
        }
    }
    let first_byte = observed.next_byte();

    phase.set(ErrorPhase::Tls);
    let websocket = destination.target.layer.has_websocket();
    let request = websocket.then(|| destination.upgrade_request(context.websocket_key(), context.compression.policy));
    let mut spent = PollCost::default();
    let mut label = None;
    // A request sent as early data is not sent again: the server accepted it, or the handshake failed.
    let mut requested = false;
    let mut stream = match &destination.tls {
        None => Transport::Plain(CountedStream::new(stream)),
        Some(tls) => {
            let early_data = request.as_ref().filter(|_| attempt.resume && tls.options.early_data);
            let stream = CountedStream::observing_flights(stream, tls.timed);
            let no_session = attempt.resume && context.has_run_out_of_sessions();
            let stream = tls_handshake(context, tls, stream, early_data, attempt.resume, &mut spent).await?;
            requested = early_data.is_some();
            let checked = check_negotiated(context, stream.get_ref().1, attempt.resume);
            label = Some(checked.map_err(|failure| if no_session { without_session(failure) } else { failure })?);
            Transport::Tls(Box::new(stream.into()))
        }
    };
    let secured = Instant::now();
    let after_tls = (stream.flights(), stream.bytes());
    if destination.tls.is_some() {
        clocks.tls = observed.measure(first_byte, connected, secured);
    }
    let first_byte = observed.next_byte();

    phase.set(ErrorPhase::Upgrade);
    let (mut leftover, mut deflate) = (Vec::new(), None);
    if let Some(request) = &request {
        let upgrading = upgrade::upgrade::<E>(stream, request, destination.http, requested);
        let (upgraded, busy) = PollTime::new(pin!(upgrading)).await;
        spent += busy;
        let opened;
        (stream, opened) = upgraded?;
        leftover = opened.leftover;
        deflate = opened.deflate.map(|parameters| context.compression.of_connection(parameters));
    }
    let ready = Instant::now();
    let (sent, received) = stream.bytes();
    if websocket && !requested {
        clocks.upgrade = observed.measure(first_byte, secured, ready);
    }
    let seen = stream.flights();
    stream.stop_observing();

    phase.set(ErrorPhase::FirstEcho);
    let stream = PrefixedStream::new(stream, leftover);
    let mut channel = Channel::new(stream, websocket, &context.exchange, deflate.as_ref(), observed.times().cloned());
    // A subscription skips messages of its stream.
    let skip = context.exchange.skip.as_ref().filter(|_| !context.subscribes);
    let skipped = skip_messages(&mut channel, skip).await?;
    let greeted = Instant::now();
    let first_byte = observed.next_byte();
    let mut first_echo_time = None;
    let mut unsolicited = 0;
    if attempt.first_echo {
        let number = context.next_message();
        unsolicited = first_echo(&mut channel, &context.exchange, number).await?;
        channel.sent = (number, number.wrapping_add(1));
        let echoed = Instant::now();
        clocks.first_echo = observed.measure(first_byte, greeted, echoed);
        first_echo_time = Some(echoed - greeted);
    }
    let sample = HandshakeSample {
        lateness: start.saturating_duration_since(planned),
        connect: connected - start,
        tls: destination.tls.is_some().then(|| secured - connected),
        upgrade: websocket.then(|| ready - secured),
        ready: ready.saturating_duration_since(planned),
        first_echo: first_echo_time,
        skipped,
        unsolicited,
        spent,
        sent,
        received,
        flights: destination.tls.is_some().then(|| FlightCounts::new(after_tls, seen)),
        label,
        observed,
        clocks,
    };
    Ok((channel, sample))
}

/// TLS over a connection; `early_data` goes out with the first flight.
async fn tls_handshake<S>(
    context: &Context,
    tls: &TlsDestination,
    stream: CountedStream<S>,
    early_data: Option<&ClientUpgrade>,
    resume: bool,
    spent: &mut PollCost,
) -> Result<TlsStream<CountedStream<S>>, Failure>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let request = match early_data {
        None => String::new(),
        Some(request) => compose(request).map_err(upgrade::failure)?,
    };
    let config = match &context.tls {
        Some(ClientConfigs { resuming: Some((config, _)), .. }) if resume => config,
        Some(ClientConfigs { full, .. }) => full,
        None => return Err(Failure::new(ErrorPhase::Tls, ErrorKind::Protocol, "there is no TLS configuration")),
    };
    let fits = Cell::new(true);
    // Created inside the timed future, because that makes the key share and the ClientHello.
    let connecting = pin!(async {
        let connector = TlsConnector::from(Arc::clone(config));
        let connecting = connector.connect_with(tls.name.clone(), stream, |connection| {
            // Without a session there is no early data; the label reveals that.
            if let Some(mut early) = connection.early_data().filter(|_| !request.is_empty()) {
                fits.set(early.write(request.as_bytes()).is_ok_and(|written| written == request.len()));
            }
        });
        connecting.await
    });
    let ((connected, certificate_requested), busy) = PollTime::new(ClientAuthFuture::new(connecting)).await;
    *spent += busy;
    let stream = connected.map_err(|error| upgrade::tls_failure(&context.destination, error))?;
    // A server requests the certificate in the full handshake that starts a session, not when it is resumed.
    if tls.options.mtls && !certificate_requested && stream.get_ref().1.handshake_kind() != Some(HandshakeKind::Resumed)
    {
        let text = "the server did not request the client certificate that --mtls requires";
        return Err(Failure::new(ErrorPhase::Tls, ErrorKind::NotAsRequested, text));
    }
    if !fits.get() {
        let text = "the upgrade request exceeds the server's limit of early data";
        return Err(Failure::new(ErrorPhase::Tls, ErrorKind::EarlyDataRefused, text));
    }
    Ok(stream)
}

/// The client's label. A handshake that differs from what was requested is a failure of its own kind, never a sample.
fn check_negotiated(
    context: &Context,
    connection: &rustls::ClientConnection,
    resume: bool,
) -> Result<HandshakeLabel, Failure> {
    let certificate = context.certificate_kinds.borrow_mut().of(connection.peer_certificates());
    let label = HandshakeLabel::of(connection, certificate, connection.is_early_data_accepted());
    upgrade::check_alpn(context.destination.http, connection.alpn_protocol())?;
    match context.requested.check(&label, connection.alpn_protocol(), resume) {
        Ok(()) => Ok(label),
        Err((kind, text)) => Err(Failure::new(ErrorPhase::Tls, kind, text)),
    }
}

/// The failure of a handshake that was to resume a session when none was left.
fn without_session(failure: Failure) -> Failure {
    if failure.kind != ErrorKind::NotResumed {
        return failure;
    }
    Failure::new(
        failure.phase,
        failure.kind,
        "the handshake was full instead of resumed, because no session was left: the server sends fewer tickets than \
         handshakes resume (some send none when they resume); lower --resume to 50%, or use --tls 1.2",
    )
}

/// Opens a tunnel on a connection to the proxy.
pub(crate) async fn open_tunnel<E: Engine>(
    tunnel: &Tunnel,
    stream: &mut E::Stream,
    max_head_size: usize,
) -> Result<(), Failure> {
    let opened = tunnel.open(stream, max_head_size).await;
    let Err(mut error) = opened else { return Ok(()) };
    if let TunnelError::Status { rejection, .. } = &mut error {
        upgrade::read_body::<E>(rejection, stream).await;
    }
    Err(Failure::new(ErrorPhase::Connect, error.kind(), error.to_string()))
}

/// Discards the messages with which a server greets; returns how many.
async fn skip_messages<S: super::channel::Socket>(
    channel: &mut Channel<S>,
    skip: Option<&SkipMessages>,
) -> Result<u64, Failure> {
    let phase = ErrorPhase::FirstEcho;
    let mut skipped = 0;
    loop {
        match skip {
            None => return Ok(0),
            Some(SkipMessages::Count(count)) if skipped >= *count => return Ok(skipped),
            Some(_) => {}
        }
        match channel.receiver.receive(phase).await? {
            ChannelEvent::Message(message, _) => {
                skipped += 1;
                if let Some(SkipMessages::Until(text)) = skip
                    && memmem::find(&message, text.as_bytes()).is_some()
                {
                    return Ok(skipped);
                }
            }
            ChannelEvent::Closed(close) => return Err(closed_failure(phase, close)),
            ChannelEvent::Ping(ping) => channel.sender.pong(ping).await.map_err(|error| error.failure(phase))?,
        }
    }
}

/// Sends one message and checks its reply; returns how many messages without an id were ignored before it.
async fn first_echo<S: super::channel::Socket>(
    channel: &mut Channel<S>,
    exchange: &Exchange,
    number: u64,
) -> Result<u64, Failure> {
    let phase = ErrorPhase::FirstEcho;
    let mut unsolicited = 0;
    let Channel { sender, receiver, .. } = channel;
    let mut scratch = Vec::new();
    let mut received = {
        // Concurrently: the echo of a message larger than all buffers begins before the message is sent.
        let mut receiving = pin!(receiver.receive(phase));
        let mut sending = pin!(sender.send(&exchange.payloads, number, &mut scratch));
        let early = tokio::select! {
            biased;
            received = &mut receiving => Some(received?),
            sent = &mut sending => {
                sent.map_err(|error| error.failure(phase))?;
                None
            }
        };
        match early {
            Some(ChannelEvent::Closed(close)) => return Err(closed_failure(phase, close)),
            Some(received) => {
                sending.await.map_err(|error| error.failure(phase))?;
                received
            }
            None => receiving.await?,
        }
    };
    loop {
        match received {
            ChannelEvent::Message(reply, kind) => {
                let is_reply = |correlation: &Correlation| correlation.is_reply(phase, &reply, number);
                if exchange.correlation.as_ref().map_or(Ok(true), is_reply)? {
                    exchange.check(phase, number, &reply, kind)?;
                    return Ok(unsolicited);
                }
                unsolicited += 1;
            }
            ChannelEvent::Closed(close) => return Err(closed_failure(phase, close)),
            ChannelEvent::Ping(ping) => sender.pong(ping).await.map_err(|error| error.failure(phase))?,
        }
        received = receiver.receive(phase).await?;
    }
}

pub(crate) fn connect_failure(address: SocketAddr, error: &std::io::Error) -> Failure {
    use std::io::ErrorKind as IoErrorKind;
    let (kind, text) = match error.kind() {
        IoErrorKind::ConnectionRefused => {
            (ErrorKind::Refused, format!("{address} refused the connection; check that a server listens there"))
        }
        IoErrorKind::AddrNotAvailable => (
            ErrorKind::NoPorts,
            format!(
                "no local port is free for a connection to {address}: closed connections keep theirs for 60 s \
                 (TIME_WAIT); lower --connect-rate"
            ),
        ),
        IoErrorKind::ConnectionReset => (ErrorKind::Reset, format!("{address} reset the connection during connect")),
        IoErrorKind::TimedOut => {
            (ErrorKind::Timeout, format!("{address} did not answer within the kernel's connect timeout"))
        }
        IoErrorKind::NetworkUnreachable | IoErrorKind::HostUnreachable => {
            (ErrorKind::Unreachable, format!("{address} is unreachable from this machine"))
        }
        _ => {
            let kind = match TlsFailure::from(std::io::Error::from(error.kind())) {
                TlsFailure::Io(_) => ErrorKind::Failed,
                other => other.kind(),
            };
            (kind, format!("connecting to {address} failed: {error}"))
        }
    };
    Failure::new(ErrorPhase::Connect, kind, text)
}
