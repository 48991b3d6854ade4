//! One connection: TLS → upgrade → echo → close. Every phase counts exactly one outcome.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastwebsockets::{OpCode, Role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wss_model::server_stats::{PhaseOutcome, ServerPhase};
use wss_wire::engine::{Engine, TimedOut, before, within};
use wss_wire::flights::FlightStats;
use wss_wire::poll_time::PollTime;
use wss_wire::tls::HandshakeLabel;
use wss_wire::transport::{CountedStream, Transport};
use wss_wire::upgrade::{self, DeflateParameters, PrefixedStream, RunNonce};
use wss_wire::websocket::{self, Deflate, Message, SharedStream, WebSocketError};

use crate::context::WorkerContext;
use crate::idle_timer::IdleTimer;
use crate::outcome;
use crate::owners::RunCounts;
use crate::{proxy_header, publishing};

/// Bytes per read over `tls://` and `tcp://`: one TLS record.
const ECHO_BUFFER: usize = 16 * 1024;
/// Reads of an echo over `tls://` and `tcp://` after which the task yields, so that a peer that never pauses does not stop
/// the other connections of the thread.
const READS_PER_TURN: usize = 16;
/// Limit on the bytes discarded from a peer that keeps sending while its connection is closed.
const DISCARD_MAX: usize = 1 << 20;
/// Limit on the wait for the Close frame to be sent to an idle peer.
pub(crate) const IDLE_CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) type Stream<E> = PrefixedStream<Transport<<E as Engine>::Stream>>;
pub(crate) type WebSocketReader<E> = websocket::Reader<SharedStream<Stream<E>>>;
pub(crate) type WebSocketWriter<E> = websocket::Writer<SharedStream<Stream<E>>>;

/// What the upgrade request of a connection says.
struct Opened<R> {
    /// The run of the load generator: its number, and later its counts.
    run: Option<R>,
    /// The compression that both ends agreed on.
    deflate: Option<DeflateParameters>,
}

/// A connection that failed before the echo phase.
struct HandshakeFailure<E: Engine> {
    phase: ServerPhase,
    outcome: PhaseOutcome,
    /// The stream, if it may hold a reply (an alert, an HTTP error) to flush.
    stream: Option<Stream<E>>,
}

/// Serves a connection to its end.
///
/// A task's future has room for its largest wait for as long as the task lives, so an idle connection pays for waits that
/// it never reaches. Rare waits are therefore boxed, and consecutive steps are separate functions: the locals of one
/// function that live across an await would add to the size of all its other waits.
pub(crate) async fn serve<E: Engine>(stream: E::Stream, context: &Rc<WorkerContext>) {
    let Some((stream, opened)) = handshake_in_time::<E>(stream, context).await else { return };
    let outcome = if context.settings.upgrade.is_some() {
        echo_messages::<E>(stream, context, opened).await
    } else {
        Box::pin(echo_bytes::<E>(stream, context)).await
    };
    context.counters.count(ServerPhase::Echo, outcome);
}

/// TLS and upgrade within `--handshake-timeout`. A failure is counted, and `None` returned.
async fn handshake_in_time<E: Engine>(
    stream: E::Stream,
    context: &Rc<WorkerContext>,
) -> Option<(SharedStream<Stream<E>>, Opened<Rc<RunCounts>>)> {
    let settings = &context.settings;
    let deadline = Instant::now() + settings.limits.handshake_timeout.0;
    let phase = Cell::new(if settings.tls.is_some() { ServerPhase::Tls } else { ServerPhase::Upgrade });
    // Boxed, because the future of a handshake is several times the size of rustls' state.
    let handshake = Box::pin(handshake::<E>(stream, context, &phase));
    match before::<E, _>(deadline, PollTime::new(handshake)).await {
        Err(TimedOut) => context.counters.count(phase.get(), PhaseOutcome::Timeout),
        Ok((Err(failure), _)) => {
            context.counters.count(failure.phase, failure.outcome);
            if let Some(stream) = failure.stream {
                close::<E>(stream, context).await;
            }
        }
        Ok((Ok((mut stream, Opened { run, deflate })), cost)) => {
            stream.get_mut().stop_observing();
            if settings.tls.is_some() || settings.upgrade.is_some() {
                context.counters.handshake(cost);
            }
            let run = run.map(|run| context.counters.owners.handshake(run));
            return Some((SharedStream::new(stream), Opened { run, deflate }));
        }
    }
    None
}

/// PROXY protocol header, TLS and upgrade, as far as there are any. Sets `phase` when the upgrade begins.
async fn handshake<E: Engine>(
    mut stream: E::Stream,
    context: &Rc<WorkerContext>,
    phase: &Cell<ServerPhase>,
) -> Result<(Stream<E>, Opened<RunNonce>), HandshakeFailure<E>> {
    let counters = &context.counters;
    if context.settings.proxy_protocol {
        proxy_header::read(&mut stream).await.map_err(|error| {
            let outcome = outcome::of_proxy_header(error);
            HandshakeFailure { phase: phase.get(), outcome, stream: None }
        })?;
    }
    let mut early_data = Vec::new();
    let stream = match &context.settings.tls {
        None => Transport::Plain(CountedStream::new(stream)),
        Some(tls) => {
            match tls.acceptor.accept(CountedStream::observing_flights(stream, tls.timed)).into_fallible().await {
                Ok(mut stream) => {
                    let accepted = read_early_data(stream.get_mut().1, &mut early_data);
                    let (counted, connection) = stream.get_ref();
                    counters.count(ServerPhase::Tls, PhaseOutcome::Completed);
                    counters.negotiated(HandshakeLabel::of(connection, tls.certificate.clone(), accepted));
                    counters.tickets(ticket_bytes(counted.flights(), connection));
                    Transport::Tls(Box::new(stream.into()))
                }
                Err((error, stream)) => {
                    // The alert that gives the reason is flushed before the connection is closed.
                    let stream = Some(PrefixedStream::new(Transport::Plain(stream), Vec::new()));
                    return Err(HandshakeFailure { phase: ServerPhase::Tls, outcome: outcome::of_io(error), stream });
                }
            }
        }
    };
    context.burn_cpu();
    // The handshake is complete, so the early data is not a replay and is processed like any other data.
    let mut stream = PrefixedStream::new(stream, early_data);
    let Some(upgrade) = &context.settings.upgrade else {
        return Ok((stream, Opened { run: None, deflate: None }));
    };
    phase.set(ServerPhase::Upgrade);
    match upgrade::accept(&mut stream, upgrade).await {
        Ok(accepted) => {
            counters.count(ServerPhase::Upgrade, PhaseOutcome::Completed);
            stream.unread(accepted.leftover);
            Ok((stream, Opened { run: accepted.run, deflate: accepted.deflate }))
        }
        Err(refusal) => {
            let outcome = outcome::of_upgrade(refusal);
            Err(HandshakeFailure { phase: ServerPhase::Upgrade, outcome, stream: Some(stream) })
        }
    }
}

/// Reads the client's early data; returns whether the server accepted any.
fn read_early_data(connection: &mut rustls::ServerConnection, data: &mut Vec<u8>) -> bool {
    // rustls holds at most what the configuration allows, and all of it once the handshake is complete.
    connection.early_data().is_some_and(|mut early| std::io::Read::read_to_end(&mut early, data).is_ok())
}

/// Bytes of the session tickets sent with the handshake. With TLS 1.3 they are all that a server sends after the client's
/// last flight.
fn ticket_bytes(flights: FlightStats, connection: &rustls::ServerConnection) -> u64 {
    match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => flights.sent_since_received,
        _ => flights.plain_ticket_bytes,
    }
}

/// Echoes WebSocket messages, or publishes some, until the connection ends, and closes it.
async fn echo_messages<E: Engine>(
    stream: SharedStream<Stream<E>>,
    context: &Rc<WorkerContext>,
    opened: Opened<Rc<RunCounts>>,
) -> PhaseOutcome {
    let limit = context.settings.limits.max_message_size.bytes();
    let (mut reader, mut writer) = websocket::after_handshake(stream.clone(), stream.clone(), Role::Server, limit);
    reader.share(&context.settings.buffers);
    if let Some(parameters) = opened.deflate {
        let deflate = Deflate { parameters, level: context.settings.deflate_level, counts: None };
        reader.decompress(Role::Server, &deflate, limit);
        writer.compress(stream.clone(), Role::Server, &deflate);
    }
    let outcome = match &context.settings.publish {
        None => exchange::<E>(&stream, &mut reader, &mut writer, context, opened.run.as_deref()).await,
        Some(settings) => {
            Box::pin(publishing::publish::<E>(settings, &stream, &mut reader, &mut writer, context)).await
        }
    };
    drop((reader, writer));
    close::<E>(stream, context).await;
    outcome
}

async fn exchange<E: Engine>(
    stream: &SharedStream<Stream<E>>,
    reader: &mut WebSocketReader<E>,
    writer: &mut WebSocketWriter<E>,
    context: &Rc<WorkerContext>,
    run: Option<&RunCounts>,
) -> PhaseOutcome {
    let mut idle = IdleTimer::<E>::new(context.settings.limits.idle_timeout.0);
    let mut draining = pin!(context.draining());
    // Checked after each message: if the peer never pauses, the next message is always ready, and the `select!` in
    // `receive` never polls its second branch.
    while !context.is_draining() {
        let next = match receive::<E>(reader, writer, draining.as_mut(), &mut idle, context).await {
            Received::Next(next) => next,
            Received::Draining => break,
            Received::Ended(outcome) => return outcome,
        };
        let (opcode, payload) = match next {
            Ok(Message::Text(payload)) => (OpCode::Text, payload),
            Ok(Message::Binary(payload)) => (OpCode::Binary, payload),
            Ok(Message::Ping(payload)) => (OpCode::Pong, payload),
            Ok(Message::Pong(_)) => {
                if !reader.is_within_message() {
                    idle.reset();
                }
                continue;
            }
            Ok(Message::Close(close)) => {
                // Corked, so that the Close reply, close_notify and FIN share a segment.
                stream.with(|stream| stream.get_ref().with_tcp(E::cork));
                return finish::<E>(Ok(close), writer, context).await;
            }
            Err(error) => return finish::<E>(Err(error), writer, context).await,
        };
        let length = payload.len();
        match within::<E, _>(context.settings.limits.idle_timeout.0, writer.send(opcode, payload)).await {
            Err(TimedOut) => return PhaseOutcome::PeerDoesNotRead,
            Ok(Err(error)) => return outcome::of_websocket(error),
            Ok(Ok(())) if opcode == OpCode::Pong => {}
            Ok(Ok(())) => {
                context.counters.echoed(length);
                if let Some(run) = run {
                    run.echoed();
                }
            }
        }
        // A peer cannot keep an unfinished message by sending control frames.
        if !(opcode == OpCode::Pong && reader.is_within_message()) {
            idle.reset();
        }
    }
    send_going_away::<E>(writer, idle.deadline()).await;
    let _ = within::<E, _>(context.settings.limits.drain_timeout.0, Box::pin(until_close(reader))).await;
    PhaseOutcome::Drained
}

/// What ended the wait for a message.
enum Received {
    Next(Result<Message, WebSocketError>),
    /// The server drains; a message that arrived meanwhile is not echoed.
    Draining,
    Ended(PhaseOutcome),
}

/// Waits for the next message, for the server to drain, or for the idle timeout.
async fn receive<E: Engine>(
    reader: &mut WebSocketReader<E>,
    writer: &mut WebSocketWriter<E>,
    draining: Pin<&mut impl Future<Output = ()>>,
    idle: &mut IdleTimer<E>,
    context: &Rc<WorkerContext>,
) -> Received {
    let mut next = pin!(reader.next());
    tokio::select! {
        biased;
        next = &mut next => Received::Next(next),
        () = draining => {
            send_going_away::<E>(writer, idle.deadline()).await;
            // Continues with the same future, which may have read part of a message.
            match within::<E, _>(context.settings.limits.drain_timeout.0, next).await {
                Ok(Ok(Message::Close(_)) | Err(_)) | Err(TimedOut) => Received::Ended(PhaseOutcome::Drained),
                Ok(Ok(_)) => Received::Draining,
            }
        }
        () = idle.expired() => {
            let _ = within::<E, _>(IDLE_CLOSE_TIMEOUT, Box::pin(writer.send_close(1001, "idle"))).await;
            Received::Ended(PhaseOutcome::IdleTimeout)
        }
    }
}

/// Sends the Close frame of a draining server, unless a Close frame was sent before.
pub(crate) async fn send_going_away<E: Engine>(writer: &mut WebSocketWriter<E>, deadline: Instant) {
    let _ = before::<E, _>(deadline, Box::pin(writer.send_close(1001, "going away"))).await;
}

/// Reads up to the peer's Close frame and ignores the messages before it.
async fn until_close<R: tokio::io::AsyncRead + Unpin + 'static>(reader: &mut websocket::Reader<R>) {
    while !matches!(reader.next().await, Ok(Message::Close(_)) | Err(_)) {}
}

/// Replies to a Close frame with a Close frame, and to a violation with its close code. The outcome does not depend on
/// whether the reply could be sent, unless the peer does not read it in time.
pub(crate) async fn finish<E: Engine>(
    end: Result<Option<(u16, String)>, WebSocketError>,
    writer: &mut WebSocketWriter<E>,
    context: &Rc<WorkerContext>,
) -> PhaseOutcome {
    let reply = Box::pin(async {
        match end {
            Ok(close) => {
                let _ = writer.send_close_echo(close.as_ref()).await;
                PhaseOutcome::Completed
            }
            Err(error) => {
                if let Some(code) = error.close_code() {
                    let _ = writer.send_close(code, &error.to_string()).await;
                }
                outcome::of_websocket(error)
            }
        }
    });
    within::<E, _>(context.settings.limits.idle_timeout.0, reply).await.unwrap_or(PhaseOutcome::PeerDoesNotRead)
}

/// Echoes bytes until the peer ends the stream, and closes the connection.
async fn echo_bytes<E: Engine>(mut stream: SharedStream<Stream<E>>, context: &Rc<WorkerContext>) -> PhaseOutcome {
    let mut idle = IdleTimer::<E>::new(context.settings.limits.idle_timeout.0);
    let mut draining = pin!(context.draining());
    let mut buffer = vec![0; ECHO_BUFFER];
    let mut reads = 0;
    let outcome = loop {
        reads += 1;
        if reads % READS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
        if context.is_draining() {
            break PhaseOutcome::Drained; // Checked after each read, as in `exchange`.
        }
        let read = tokio::select! {
            biased;
            read = stream.read(&mut buffer) => read,
            () = &mut draining => break PhaseOutcome::Drained,
            () = idle.expired() => break PhaseOutcome::IdleTimeout,
        };
        let length = match read {
            Ok(0) => break PhaseOutcome::Completed,
            Ok(length) => length,
            Err(error) => break outcome::of_io(error),
        };
        let echoing = async {
            stream.write_all(&buffer[..length]).await?;
            stream.flush().await
        };
        match within::<E, _>(context.settings.limits.idle_timeout.0, echoing).await {
            Err(TimedOut) => break PhaseOutcome::PeerDoesNotRead,
            Ok(Err(error)) => break outcome::of_io(error),
            Ok(Ok(())) => context.counters.echoed(length),
        }
        idle.reset();
    };
    stream.with(|stream| stream.get_ref().with_tcp(E::cork));
    close::<E>(stream, context).await;
    outcome
}

/// Closes a connection so that the peer receives everything sent: sends close_notify and FIN, then reads and discards
/// what the peer still sends. Closing a socket with unread bytes would reset it and could destroy data in flight.
async fn close<E: Engine>(mut stream: impl AsyncRead + AsyncWrite + Unpin, context: &Rc<WorkerContext>) {
    let closing = async {
        if stream.shutdown().await.is_err() {
            return PhaseOutcome::Reset;
        }
        let mut discard = [0; 1024];
        let mut discarded = 0;
        loop {
            match stream.read(&mut discard).await {
                Ok(0) => return PhaseOutcome::Completed,
                Ok(length) if discarded < DISCARD_MAX => discarded += length,
                Ok(_) => return PhaseOutcome::PeerDoesNotEnd,
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return PhaseOutcome::Truncated,
                Err(_) => return PhaseOutcome::Reset,
            }
        }
    };
    let outcome = within::<E, _>(context.settings.limits.drain_timeout.0, Box::pin(closing))
        .await
        .unwrap_or(PhaseOutcome::Timeout);
    context.counters.count(ServerPhase::Close, outcome);
}
