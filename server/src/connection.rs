//! One connection: TLS → upgrade → echo → close. Every way it can end is counted, under its phase.

use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastwebsockets::{OpCode, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wss_wire::engine::{Engine, Sleep, TimedOut, before, within};
use wss_wire::flights::Seen;
use wss_wire::poll_time::PollTime;
use wss_wire::tls::{Label, TlsFailure};
use wss_wire::transport::{Counted, Transport};
use wss_wire::upgrade::{self, Prefixed, UpgradeRefused};
use wss_wire::websocket::{self, Message, Shared as SharedStream, WebSocketError};

use crate::counters::{COMPLETED, Phase};
use crate::worker::Shared;

/// Bytes of one read over `tls://` and `tcp://`: one TLS record.
const ECHO_BUFFER: usize = 16 * 1024;
/// How a connection ended that took nothing for too long.
const PEER_DOES_NOT_READ: &str = "peer_does_not_read";
/// Bytes that a peer may still send while its connection is closed.
const DISCARD_MOST: usize = 1 << 20;

type Stream<E> = Prefixed<Transport<<E as Engine>::Stream>>;
type WebSocketReader<E> = websocket::Reader<SharedStream<Stream<E>>>;
type WebSocketWriter<E> = websocket::Writer<SharedStream<Stream<E>>>;

/// How a connection ended before it was open, with the stream if there is something to flush.
struct Refused<E: Engine> {
    phase: Phase,
    outcome: String,
    stream: Option<Stream<E>>,
}

/// Serves a connection to its end.
///
/// A task has room for what it may wait for as long as it lives, so an open connection that says nothing has it too. Hence
/// what is rare waits in memory of its own, and what happens one after the other in functions of their own: what one
/// function keeps across several waits has room beside all of them.
pub(crate) async fn serve<E: Engine>(stream: E::Stream, shared: &Rc<Shared>) {
    let Some(stream) = opened::<E>(stream, shared).await else { return };
    let outcome = if shared.upgrade.is_some() {
        echo_messages::<E>(stream, shared).await
    } else {
        Box::pin(echo_bytes::<E>(stream, shared)).await
    };
    shared.counters.count(Phase::Echo, &outcome);
}

/// Opens a connection within the handshake's time; `None` if it did not come to that, which is counted.
async fn opened<E: Engine>(stream: E::Stream, shared: &Rc<Shared>) -> Option<SharedStream<Stream<E>>> {
    let deadline = Instant::now() + shared.limits.handshake_timeout.0;
    let counters = &shared.counters;
    let phase = std::cell::Cell::new(if shared.tls.is_some() { Phase::Tls } else { Phase::Upgrade });
    // Boxed: what a handshake takes is several times the state of rustls.
    let opening = Box::pin(open::<E>(stream, shared, &phase));
    match before::<E, _>(deadline, PollTime::new(opening)).await {
        Err(TimedOut) => counters.count(phase.get(), "timeout"),
        Ok((Err(refused), _)) => {
            counters.count(refused.phase, &refused.outcome);
            if let Some(stream) = refused.stream {
                close::<E>(stream, shared).await;
            }
        }
        Ok((Ok(mut stream), spent)) => {
            stream.get_mut().unwatch();
            if shared.tls.is_some() || shared.upgrade.is_some() {
                counters.busy(spent);
            }
            return Some(SharedStream::new(stream));
        }
    }
    None
}

/// TLS and upgrade, as far as the layer has them.
async fn open<E: Engine>(
    stream: E::Stream,
    shared: &Rc<Shared>,
    phase: &std::cell::Cell<Phase>,
) -> Result<Stream<E>, Refused<E>> {
    let mut early_data = Vec::new();
    let stream = match &shared.tls {
        None => Transport::Plain(Counted::new(stream)),
        Some(tls) => match tls.acceptor.accept(Counted::watched(stream, tls.timed)).into_fallible().await {
            Ok(mut stream) => {
                let taken = take_early_data(stream.get_mut().1, &mut early_data);
                let (counted, connection) = stream.get_ref();
                shared.counters.count(Phase::Tls, COMPLETED);
                shared.counters.negotiated(Label::of(connection, tls.certificate.clone(), taken));
                shared.counters.tickets(ticket_bytes(counted.seen(), connection));
                Transport::Tls(Box::new(stream.into()))
            }
            Err((error, stream)) => {
                let outcome = TlsFailure::from(error).kind().to_string();
                // The alert that says why is flushed before the connection goes.
                let stream = Some(Prefixed::new(Transport::Plain(stream), Vec::new()));
                return Err(Refused { phase: Phase::Tls, outcome, stream });
            }
        },
    };
    burn(shared.burn_cpu);
    // The handshake is done: what came early is no replay, and is answered as if it had come now.
    let mut stream = Prefixed::new(stream, early_data);
    let Some(upgrade) = &shared.upgrade else {
        return Ok(stream);
    };
    phase.set(Phase::Upgrade);
    match upgrade::accept(&mut stream, upgrade).await {
        Ok(accepted) => {
            shared.counters.count(Phase::Upgrade, COMPLETED);
            stream.unread(accepted.leftover);
            Ok(stream)
        }
        Err(refused) => {
            let outcome = match refused {
                UpgradeRefused::Refused { status, .. } => status.to_string(),
                UpgradeRefused::Io(error) => TlsFailure::from(error).kind().to_string(),
                other => other.kind().to_string(),
            };
            Err(Refused { phase: Phase::Upgrade, outcome, stream: Some(stream) })
        }
    }
}

/// Keeps the CPU busy for so long.
fn burn(time: Duration) {
    if !time.is_zero() {
        let begun = Instant::now();
        while begun.elapsed() < time {
            std::hint::spin_loop();
        }
    }
}

/// Reads what came with the client's first flight; whether the server took any.
fn take_early_data(connection: &mut rustls::ServerConnection, data: &mut Vec<u8>) -> bool {
    // rustls holds at most as much as the configuration allows, and has all of it once the handshake is done.
    connection.early_data().is_some_and(|mut early| std::io::Read::read_to_end(&mut early, data).is_ok())
}

/// Bytes of the tickets that went out with the handshake: with TLS 1.3 they are all that a server sends after the
/// client's last flight.
fn ticket_bytes(seen: Seen, connection: &rustls::ServerConnection) -> u64 {
    match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => seen.sent_since_received,
        _ => seen.plain_ticket_bytes,
    }
}

/// The deadline for the next whole message. Moved by a store, not by re-arming a timer: that costs nothing a
/// message, and the timer is looked at again only when it goes off.
struct Idle<E> {
    timeout: Duration,
    last: Instant,
    sleep: Sleep,
    engine: std::marker::PhantomData<E>,
}

impl<E: Engine> Idle<E> {
    fn new(timeout: Duration) -> Self {
        let last = Instant::now();
        Self { timeout, last, sleep: E::sleep_until(last + timeout), engine: std::marker::PhantomData }
    }

    /// A whole message has passed.
    fn reset(&mut self) {
        self.last = E::now();
    }

    fn deadline(&self) -> Instant {
        self.last + self.timeout
    }

    /// Waits until nothing has passed for the timeout.
    async fn expired(&mut self) {
        loop {
            (&mut self.sleep).await;
            if Instant::now() >= self.deadline() {
                return;
            }
            self.sleep = E::sleep_until(self.deadline());
        }
    }
}

/// Echoes WebSocket messages until the connection ends; says how it ended.
async fn echo_messages<E: Engine>(stream: SharedStream<Stream<E>>, shared: &Rc<Shared>) -> String {
    let most = shared.limits.max_message_size.bytes();
    let (mut reader, mut writer) = websocket::after_handshake(stream.clone(), stream.clone(), Role::Server, most);
    let outcome = exchange::<E>(&stream, &mut reader, &mut writer, shared).await;
    drop((reader, writer));
    close::<E>(stream, shared).await;
    outcome
}

async fn exchange<E: Engine>(
    stream: &SharedStream<Stream<E>>,
    reader: &mut WebSocketReader<E>,
    writer: &mut WebSocketWriter<E>,
    shared: &Rc<Shared>,
) -> String {
    let mut idle = Idle::<E>::new(shared.limits.idle_timeout.0);
    let mut draining = pin!(shared.draining());
    // Looked at after each message: a peer that never pauses always has the next one ready, and the select of `receive`
    // would never come to its second branch.
    while !shared.is_draining() {
        let next = match receive::<E>(reader, writer, draining.as_mut(), &mut idle, shared).await {
            Received::Next(next) => next,
            Received::Draining => break,
            Received::Ended(outcome) => return outcome.to_owned(),
        };
        let (opcode, payload) = match next {
            Ok(Message::Text(payload)) => (OpCode::Text, payload),
            Ok(Message::Binary(payload)) => (OpCode::Binary, payload),
            Ok(Message::Ping(payload)) => (OpCode::Pong, payload),
            Ok(Message::Pong(_)) => {
                idle.reset();
                continue;
            }
            Ok(Message::Close(close)) => {
                // The Close in answer, close_notify and FIN follow each other.
                stream.with(|stream| E::cork(stream.get_ref().tcp()));
                return last_words::<E>(Ok(close), writer, shared).await;
            }
            Err(error) => return last_words::<E>(Err(error), writer, shared).await,
        };
        let length = payload.len();
        match within::<E, _>(shared.limits.idle_timeout.0, writer.send(opcode, payload)).await {
            Err(TimedOut) => return PEER_DOES_NOT_READ.to_owned(),
            Ok(Err(error)) => return failure(error),
            Ok(Ok(())) if opcode == OpCode::Pong => {}
            Ok(Ok(())) => shared.counters.echoed(length),
        }
        idle.reset();
    }
    say_going_away::<E>(writer, idle.deadline()).await;
    let _ = within::<E, _>(shared.limits.drain_timeout.0, Box::pin(until_close(reader))).await;
    "drained".to_owned()
}

enum Received {
    Next(Result<Message, WebSocketError>),
    /// The server drains, and a message has come that nobody answers.
    Draining,
    Ended(&'static str),
}

/// Waits for what the peer sends next, unless the server drains or nothing comes for too long.
async fn receive<E: Engine>(
    reader: &mut WebSocketReader<E>,
    writer: &mut WebSocketWriter<E>,
    draining: Pin<&mut impl Future<Output = ()>>,
    idle: &mut Idle<E>,
    shared: &Rc<Shared>,
) -> Received {
    let mut next = pin!(reader.next());
    tokio::select! {
        biased;
        next = &mut next => Received::Next(next),
        () = draining => {
            say_going_away::<E>(writer, idle.deadline()).await;
            // Reading goes on with the same future, which may have begun a message.
            match within::<E, _>(shared.limits.drain_timeout.0, next).await {
                Ok(Ok(Message::Close(_)) | Err(_)) | Err(TimedOut) => Received::Ended("drained"),
                Ok(Ok(_)) => Received::Draining,
            }
        }
        () = idle.expired() => {
            let _ = within::<E, _>(Duration::from_secs(1), Box::pin(writer.send_close(1001, "idle"))).await;
            Received::Ended("idle_timeout")
        }
    }
}

/// Sends the Close frame of a server that ends, unless it was sent.
async fn say_going_away<E: Engine>(writer: &mut WebSocketWriter<E>, deadline: Instant) {
    let _ = before::<E, _>(deadline, Box::pin(writer.send_close(1001, "going away"))).await;
}

/// Reads up to the peer's Close frame and ignores what was on its way before it.
async fn until_close<R: tokio::io::AsyncRead + Unpin + 'static>(reader: &mut websocket::Reader<R>) {
    while !matches!(reader.next().await, Ok(Message::Close(_)) | Err(_)) {}
}

/// Answers what ends a connection: a Close by a Close, a violation by its close code. Says how it has ended, which is the
/// same whatever comes of the answer, unless the peer does not take it in time.
async fn last_words<E: Engine>(
    end: Result<Option<(u16, String)>, WebSocketError>,
    writer: &mut WebSocketWriter<E>,
    shared: &Rc<Shared>,
) -> String {
    let said = Box::pin(async {
        match end {
            Ok(close) => {
                let _ = writer.send_close_echo(close.as_ref()).await;
                COMPLETED.to_owned()
            }
            Err(error) => match error.close_code() {
                Some(code) => {
                    let _ = writer.send_close(code, &error.to_string()).await;
                    format!("violation_{code}")
                }
                None => failure(error),
            },
        }
    });
    within::<E, _>(shared.limits.idle_timeout.0, said).await.unwrap_or_else(|TimedOut| PEER_DOES_NOT_READ.to_owned())
}

/// Names a failure that nobody can be told of. A record that was tampered with is no reset: TLS knows better.
fn failure(error: WebSocketError) -> String {
    match error {
        WebSocketError::Io(error) => TlsFailure::from(error).kind().to_string(),
        other => other.kind().to_string(),
    }
}

/// Echoes bytes until the peer ends; says how it ended.
async fn echo_bytes<E: Engine>(mut stream: SharedStream<Stream<E>>, shared: &Rc<Shared>) -> String {
    let mut idle = Idle::<E>::new(shared.limits.idle_timeout.0);
    let mut draining = pin!(shared.draining());
    let mut buffer = vec![0; ECHO_BUFFER];
    let outcome = loop {
        if shared.is_draining() {
            break "drained".to_owned(); // see `exchange`
        }
        let read = tokio::select! {
            biased;
            read = stream.read(&mut buffer) => read,
            () = &mut draining => break "drained".to_owned(),
            () = idle.expired() => break "idle_timeout".to_owned(),
        };
        let length = match read {
            Ok(0) => break COMPLETED.to_owned(),
            Ok(length) => length,
            Err(error) => break TlsFailure::from(error).kind().to_string(),
        };
        let echoing = async {
            stream.write_all(&buffer[..length]).await?;
            stream.flush().await
        };
        match within::<E, _>(shared.limits.idle_timeout.0, echoing).await {
            Err(TimedOut) => break PEER_DOES_NOT_READ.to_owned(),
            Ok(Err(error)) => break TlsFailure::from(error).kind().to_string(),
            Ok(Ok(())) => shared.counters.echoed(length),
        }
        idle.reset();
    };
    stream.with(|stream| E::cork(stream.get_ref().tcp()));
    close::<E>(stream, shared).await;
    outcome
}

/// Ends a connection so that the peer gets all that was sent: close_notify and FIN, then what it still sends is
/// read and thrown away (closing with unread bytes would reset the connection and take our last words with it).
async fn close<E: Engine>(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, shared: &Rc<Shared>) {
    let closing = async {
        if stream.shutdown().await.is_err() {
            return "reset";
        }
        let mut waste = [0; 1024];
        let mut discarded = 0;
        loop {
            match stream.read(&mut waste).await {
                Ok(0) => return COMPLETED,
                Ok(length) if discarded < DISCARD_MOST => discarded += length,
                Ok(_) => return "peer_does_not_end",
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return "truncated",
                Err(_) => return "reset",
            }
        }
    };
    let outcome = within::<E, _>(shared.limits.drain_timeout.0, Box::pin(closing)).await.unwrap_or("timeout");
    shared.counters.count(Phase::Close, outcome);
}
