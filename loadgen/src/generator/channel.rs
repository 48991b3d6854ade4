//! An open connection as a sequence of messages: WebSocket frames, or a fixed number of bytes over tls:// and tcp://.

use std::io;
use std::rc::Rc;

use fastwebsockets::{OpCode, Payload, Role};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wss_model::config::Expect;
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::KernelTimes;
use wss_wire::tls::TlsFailure;
use wss_wire::transport::Transport;
use wss_wire::upgrade::PrefixedStream;
use wss_wire::websocket::{self, Deflate, Message, SharedStream, Violation, WebSocketError};

use super::exchange::Exchange;
use super::failure::Failure;
use super::payload::Payloads;
use super::upgrade::http2_failure;

/// Limit on a reply that is not an echo, and on other messages of the server, in bytes.
pub(super) const MAX_REPLY: usize = 1 << 20;
/// Bytes per read, without WebSocket.
const READ_SIZE: usize = 64 << 10;

/// The stream that both halves of a connection share.
pub(crate) type Stream<S> = SharedStream<PrefixedStream<Transport<S>>>;

/// A TCP stream of an engine.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Socket for S {}

/// Both halves of a connection, and the stream below them for closing it.
pub(crate) struct Channel<S> {
    pub(crate) sender: Sender<S>,
    pub(crate) receiver: Receiver<S>,
    pub(crate) stream: Stream<S>,
    /// If the kernel's clock observes the connection.
    pub(crate) kernel: Option<Rc<KernelTimes>>,
    /// The numbers of the messages that its handshake sent: from, and up to before.
    pub(crate) sent: (u64, u64),
}

impl<S: Socket> Channel<S> {
    /// `stream` after its handshake; `deflate`: how its messages are compressed.
    pub(crate) fn new(
        stream: PrefixedStream<Transport<S>>,
        websocket: bool,
        exchange: &Exchange,
        deflate: Option<&Deflate>,
        kernel: Option<Rc<KernelTimes>>,
    ) -> Self {
        let stream = SharedStream::new(stream);
        let size = exchange.payloads.size();
        if !websocket {
            let (length, until) = match &exchange.expect {
                Expect::Echo => (size, None),
                Expect::Length(size) => (size.bytes(), None),
                other => (MAX_REPLY, Some(other.clone())),
            };
            let receiver = Receiver::Bytes { stream: stream.clone(), length, until, buffer: Vec::new() };
            return Self { sender: Sender::Bytes(stream.clone()), receiver, stream, kernel, sent: (0, 0) };
        }
        let limit = exchange.max_reply;
        let (mut reader, mut writer) = websocket::after_handshake(stream.clone(), stream.clone(), Role::Client, limit);
        if let Some(deflate) = deflate {
            reader.decompress(Role::Client, deflate, limit);
            writer.compress(stream.clone(), Role::Client, deflate);
        }
        let opcode = if exchange.text { OpCode::Text } else { OpCode::Binary };
        Self {
            sender: Sender::WebSocket(writer, opcode),
            receiver: Receiver::WebSocket(reader),
            stream,
            kernel,
            sent: (0, 0),
        }
    }
}

/// The sending half.
pub(crate) enum Sender<S> {
    /// With the kind of frame that messages are sent in.
    WebSocket(websocket::Writer<Stream<S>>, OpCode),
    Bytes(Stream<S>),
}

impl<S: Socket> Sender<S> {
    /// Sends message `number`. WebSocket masks it in `scratch`.
    pub(crate) async fn send(
        &mut self,
        payloads: &Payloads,
        number: u64,
        scratch: &mut Vec<u8>,
    ) -> Result<(), SendError> {
        match self {
            Self::WebSocket(writer, opcode) => {
                payloads.write_to(number, scratch);
                writer.send(*opcode, Payload::BorrowedMut(scratch)).await.map_err(SendError::WebSocket)
            }
            Self::Bytes(stream) => {
                stream.write_all(payloads.get(number)).await.map_err(SendError::Io)?;
                stream.flush().await.map_err(SendError::Io)
            }
        }
    }

    /// Answers a ping.
    pub(crate) async fn pong(&mut self, payload: Payload<'static>) -> Result<(), SendError> {
        match self {
            Self::WebSocket(writer, _) => writer.send_pong(payload).await.map_err(SendError::WebSocket),
            Self::Bytes(_) => Ok(()),
        }
    }

    /// Sends a Close frame (1000); without WebSocket, nothing.
    pub(crate) async fn close(&mut self) -> Result<(), SendError> {
        match self {
            Self::WebSocket(writer, _) => writer.send_close(1000, "").await.map_err(SendError::WebSocket),
            Self::Bytes(_) => Ok(()),
        }
    }
}

/// Sending failed. Usually the receiving half knows the cause.
#[derive(Debug)]
pub(crate) enum SendError {
    WebSocket(WebSocketError),
    Io(io::Error),
}

impl SendError {
    pub(crate) fn failure(self, phase: ErrorPhase) -> Failure {
        match self {
            Self::WebSocket(error) => websocket_failure(phase, error),
            Self::Io(error) => stream_failure(phase, error),
        }
    }
}

/// The receiving half.
#[allow(clippy::large_enum_variant)] // all connections of a run have the same variant; a box would only add a pointer
pub(crate) enum Receiver<S> {
    WebSocket(websocket::Reader<Stream<S>>),
    Bytes {
        stream: Stream<S>,
        /// Bytes of a reply, at most with `until`.
        length: usize,
        /// The reply ends as soon as this accepts it.
        until: Option<Expect>,
        buffer: Vec<u8>,
    },
}

/// What a connection receives next.
pub(crate) enum ChannelEvent<'a> {
    Message(MessageBytes<'a>, MessageKind),
    Ping(Payload<'static>),
    /// A Close frame with its code and reason, or the end of the stream between two messages.
    Closed(Option<(u16, String)>),
}

/// How a message is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MessageKind {
    Text,
    Binary,
    /// Without WebSocket.
    Bytes,
}

impl MessageKind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Bytes => "plain",
        }
    }
}

/// The bytes of a message, in place.
pub(crate) enum MessageBytes<'a> {
    Frame(Payload<'static>),
    Buffer(&'a [u8]),
}

impl std::ops::Deref for MessageBytes<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Frame(payload) => payload,
            Self::Buffer(bytes) => bytes,
        }
    }
}

impl<S: Socket> Receiver<S> {
    /// Whether replies have no known length and no frame.
    pub(crate) const fn has_open_end(&self) -> bool {
        matches!(self, Self::Bytes { until: Some(_), .. })
    }

    /// Receives the next message or control frame. Not cancel-safe, because fastwebsockets is not.
    pub(crate) async fn receive(&mut self, phase: ErrorPhase) -> Result<ChannelEvent<'_>, Failure> {
        match self {
            Self::WebSocket(reader) => loop {
                match reader.next().await.map_err(|error| websocket_failure(phase, error))? {
                    Message::Binary(payload) => {
                        return Ok(ChannelEvent::Message(MessageBytes::Frame(payload), MessageKind::Binary));
                    }
                    Message::Text(payload) => {
                        return Ok(ChannelEvent::Message(MessageBytes::Frame(payload), MessageKind::Text));
                    }
                    Message::Ping(payload) => return Ok(ChannelEvent::Ping(payload)),
                    Message::Pong(_) => {}
                    Message::Close(close) => return Ok(ChannelEvent::Closed(close)),
                }
            },
            Self::Bytes { stream, length, until, buffer } => {
                buffer.clear();
                while buffer.len() < *length && !until.as_ref().is_some_and(|until| accepts(until, buffer)) {
                    let room = (*length - buffer.len()).min(READ_SIZE);
                    match (&mut *stream).take(room as u64).read_buf(buffer).await {
                        Ok(0) if buffer.is_empty() => return Ok(ChannelEvent::Closed(None)),
                        // A reply of unknown length ends with the stream at the latest.
                        Ok(0) if until.is_some() => break,
                        Ok(0) => {
                            let received = buffer.len();
                            let text = format!(
                                "the server ended the connection after {received} of the {length} bytes of a message"
                            );
                            return Err(Failure::new(phase, ErrorKind::Closed, text));
                        }
                        Ok(_) => {}
                        Err(error) => return Err(stream_failure(phase, error)),
                    }
                }
                Ok(ChannelEvent::Message(MessageBytes::Buffer(buffer), MessageKind::Bytes))
            }
        }
    }
}

/// Whether a reply is complete, without WebSocket.
fn accepts(until: &Expect, reply: &[u8]) -> bool {
    match until {
        Expect::Contains(text) => memmem::find(reply, text.as_bytes()).is_some(),
        Expect::Json { .. } => serde_json::from_slice::<serde::de::IgnoredAny>(reply).is_ok(),
        Expect::Any | Expect::Echo | Expect::Length(_) => !reply.is_empty(),
    }
}

/// The failure for an error of the stream.
pub(crate) fn stream_failure(phase: ErrorPhase, error: io::Error) -> Failure {
    if let Some(failure) = http2_failure(phase, &error) {
        return failure;
    }
    let failure = TlsFailure::from(error);
    Failure::new(phase, failure.kind(), failure.to_string())
}

/// The failure for an error of WebSocket.
pub(crate) fn websocket_failure(phase: ErrorPhase, error: WebSocketError) -> Failure {
    match error {
        WebSocketError::Io(error) => stream_failure(phase, error),
        WebSocketError::Violation(Violation::MessageTooLarge { limit }) => Failure::new(
            phase,
            ErrorKind::Unexpected,
            format!(
                "the server sent a message larger than {limit} bytes, the most that is accepted; check what the server sends"
            ),
        ),
        WebSocketError::Violation(violation) => {
            Failure::new(phase, ErrorKind::Violation, format!("the server violated {}: {violation}", violation.rfc()))
        }
        other => Failure::new(phase, other.kind(), other.to_string()),
    }
}

/// The failure for a connection that the server closed.
pub(crate) fn closed_failure(phase: ErrorPhase, close: Option<(u16, String)>) -> Failure {
    let text = match close {
        None => "the server closed the connection before the end of the run".to_owned(),
        Some((code, reason)) if reason.is_empty() => format!("the server closed the connection with code {code}"),
        Some((code, reason)) => format!("the server closed the connection with code {code}: {reason}"),
    };
    Failure::new(phase, ErrorKind::Closed, text)
}
