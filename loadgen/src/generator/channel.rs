//! An open connection as a sequence of messages: WebSocket frames, or a fixed number of bytes over tls:// and tcp://.

use std::io;
use std::rc::Rc;

use fastwebsockets::{OpCode, Payload, Role};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::KernelTimes;
use wss_wire::tls::TlsFailure;
use wss_wire::transport::Transport;
use wss_wire::upgrade::PrefixedStream;
use wss_wire::websocket::{self, Message, SharedStream, WebSocketError};

use super::failure::Failure;

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
}

impl<S: Socket> Channel<S> {
    /// `stream` after its handshake. `size`: bytes per message.
    pub(crate) fn new(
        stream: PrefixedStream<Transport<S>>,
        websocket: bool,
        size: usize,
        kernel: Option<Rc<KernelTimes>>,
    ) -> Self {
        let stream = SharedStream::new(stream);
        if !websocket {
            let receiver = Receiver::Bytes { stream: stream.clone(), buffer: vec![0; size].into() };
            return Self { sender: Sender::Bytes(stream.clone()), receiver, stream, kernel };
        }
        let (reader, writer) = websocket::after_handshake(stream.clone(), stream.clone(), Role::Client, size);
        Self { sender: Sender::WebSocket(writer), receiver: Receiver::WebSocket(reader), stream, kernel }
    }
}

/// The sending half.
pub(crate) enum Sender<S> {
    WebSocket(websocket::Writer<Stream<S>>),
    Bytes(Stream<S>),
}

impl<S: Socket> Sender<S> {
    /// Sends one message. WebSocket masks it in `scratch`.
    pub(crate) async fn send(&mut self, message: &[u8], scratch: &mut Vec<u8>) -> Result<(), SendError> {
        match self {
            Self::WebSocket(writer) => {
                scratch.clear();
                scratch.extend_from_slice(message);
                writer.send(OpCode::Binary, Payload::BorrowedMut(scratch)).await.map_err(SendError::WebSocket)
            }
            Self::Bytes(stream) => {
                stream.write_all(message).await.map_err(SendError::Io)?;
                stream.flush().await.map_err(SendError::Io)
            }
        }
    }

    /// Answers a ping.
    pub(crate) async fn pong(&mut self, payload: Payload<'static>) -> Result<(), SendError> {
        match self {
            Self::WebSocket(writer) => writer.send_pong(payload).await.map_err(SendError::WebSocket),
            Self::Bytes(_) => Ok(()),
        }
    }

    /// Sends a Close frame (1000); without WebSocket, nothing.
    pub(crate) async fn close(&mut self) -> Result<(), SendError> {
        match self {
            Self::WebSocket(writer) => writer.send_close(1000, "").await.map_err(SendError::WebSocket),
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
    Bytes { stream: Stream<S>, buffer: Box<[u8]> },
}

/// What a connection receives next.
pub(crate) enum ChannelEvent<'a> {
    Message(MessageBytes<'a>),
    Ping(Payload<'static>),
    /// A Close frame with its code and reason, or the end of the stream between two messages.
    Closed(Option<(u16, String)>),
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
    /// Receives the next message or control frame. Not cancel-safe, because fastwebsockets is not.
    pub(crate) async fn receive(&mut self, phase: ErrorPhase) -> Result<ChannelEvent<'_>, Failure> {
        match self {
            Self::WebSocket(reader) => loop {
                match reader.next().await.map_err(|error| websocket_failure(phase, error))? {
                    Message::Binary(payload) => return Ok(ChannelEvent::Message(MessageBytes::Frame(payload))),
                    Message::Text(_) => {
                        return Err(Failure::new(
                            phase,
                            ErrorKind::Mismatch,
                            "the server answered a binary message with text; check that it is an echo server",
                        ));
                    }
                    Message::Ping(payload) => return Ok(ChannelEvent::Ping(payload)),
                    Message::Pong(_) => {}
                    Message::Close(close) => return Ok(ChannelEvent::Closed(close)),
                }
            },
            Self::Bytes { stream, buffer } => {
                let mut filled = 0;
                while filled < buffer.len() {
                    match stream.read(&mut buffer[filled..]).await {
                        Ok(0) if filled == 0 => return Ok(ChannelEvent::Closed(None)),
                        Ok(0) => {
                            let text = format!(
                                "the server ended the connection after {filled} of the {} bytes of a message",
                                buffer.len()
                            );
                            return Err(Failure::new(phase, ErrorKind::Closed, text));
                        }
                        Ok(length) => filled += length,
                        Err(error) => return Err(stream_failure(phase, error)),
                    }
                }
                Ok(ChannelEvent::Message(MessageBytes::Buffer(buffer)))
            }
        }
    }
}

/// The failure for an error of the stream.
pub(crate) fn stream_failure(phase: ErrorPhase, error: io::Error) -> Failure {
    let failure = TlsFailure::from(error);
    Failure::new(phase, failure.kind(), failure.to_string())
}

/// The failure for an error of WebSocket.
pub(crate) fn websocket_failure(phase: ErrorPhase, error: WebSocketError) -> Failure {
    match error {
        WebSocketError::Io(error) => stream_failure(phase, error),
        WebSocketError::Violation(violation) => {
            Failure::new(phase, ErrorKind::Violation, format!("the server violated RFC 6455: {violation}"))
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

/// Compares an echo with the message.
///
/// # Errors
/// If they differ, and how.
pub(crate) fn check_echo(phase: ErrorPhase, sent: &[u8], echo: &[u8]) -> Result<(), Failure> {
    if sent == echo {
        return Ok(());
    }
    let text = if sent.len() == echo.len() {
        let at = sent.iter().zip(echo).position(|(a, b)| a != b).unwrap_or(0);
        format!("the echo differs from the message at byte {at} of {}; check that it is an echo server", sent.len())
    } else {
        format!("the echo has {} bytes instead of {}; check that it is an echo server", echo.len(), sent.len())
    };
    Err(Failure::new(phase, ErrorKind::Mismatch, text))
}
