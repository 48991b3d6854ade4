//! WebSocket after the opening handshake (RFC 6455 sections 5 to 7), for both ends: [`Reader`] and [`Writer`] over
//! fastwebsockets, plus the checks that fastwebsockets omits.
//!
//! In the data path this layer is between `upgrade` and the echo. It sends nothing on its own (no automatic pong or
//! Close), has no deadline, and rejects messages over the limit.

mod frames;
mod header;
mod shared;
pub mod strict;
#[cfg(test)]
mod tests;
mod violation;
mod writer;

use std::io;

pub use fastwebsockets::{OpCode, Payload, Role};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use wss_model::ErrorKind;

use frames::Frames;
pub use shared::SharedStream;
use strict::StrictReader;
pub use violation::{Violation, parse_close};
pub use writer::Writer;

/// Creates the reader and the writer of an open connection. `read` and `write` are halves of the stream of the opening
/// handshake, for example clones of [`SharedStream`]; `read` must first return the bytes received with the handshake.
/// `max_message_size` is in bytes, over all fragments of a message.
pub fn after_handshake<R, W>(read: R, write: W, role: Role, max_message_size: usize) -> (Reader<R>, Writer<W>)
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin,
{
    let vectored = write.is_write_vectored();
    let (_, write) = fastwebsockets::after_handshake_split(tokio::io::empty(), writer::WriteZeroGuard(write), role);
    (
        Reader { frames: Frames::new(StrictReader::new(read, role, max_message_size), role) },
        Writer::new(write, vectored),
    )
}

/// The reader of a connection. It holds a buffer only while it receives a message.
pub struct Reader<R> {
    frames: Frames<R>,
}

impl<R: AsyncRead + Unpin + 'static> Reader<R> {
    /// The next message or control frame. Fragments are joined; an unfragmented payload is not copied.
    ///
    /// **Not cancel-safe**: a header is consumed before its payload has arrived. After cancelling the call, by `select!` or a
    /// timeout, do not read again; end the connection.
    ///
    /// # Errors
    ///
    /// [`WebSocketError::Violation`] if the peer violated RFC 6455 or exceeded the limit: reply with a Close frame of that
    /// code, and end the connection. [`WebSocketError::Eof`] if the stream ended, [`WebSocketError::Io`] if it failed. After
    /// an error, do not read again.
    pub async fn next(&mut self) -> Result<Message, WebSocketError> {
        let frame = self.frames.next().await?;
        Ok(match frame.opcode {
            OpCode::Text => Message::Text(frame.payload),
            OpCode::Binary => Message::Binary(frame.payload),
            OpCode::Ping => Message::Ping(frame.payload),
            OpCode::Pong => Message::Pong(frame.payload),
            OpCode::Close => Message::Close(parse_close(&frame.payload)?.map(|(code, reason)| (code, reason.into()))),
            // The collector joins continuation frames and never returns one.
            OpCode::Continuation => return Err(Violation::NothingToContinue.into()),
        })
    }

    /// Waits for the end of the stream and ignores all messages before it (RFC 6455 sections 5.5.1 and 7.1.1). Like
    /// [`Reader::next`], it has no deadline and is not cancel-safe.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::next`], except [`WebSocketError::Eof`].
    pub async fn ended(&mut self) -> Result<(), WebSocketError> {
        loop {
            match self.next().await {
                Ok(_) => {}
                Err(WebSocketError::Eof) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// A message or control frame from the peer.
#[derive(Debug)]
pub enum Message {
    /// A complete text message, valid UTF-8.
    Text(Payload<'static>),
    /// A complete binary message.
    Binary(Payload<'static>),
    /// A ping, at most 125 bytes. Reply with [`Writer::send_pong`] and the same payload.
    Ping(Payload<'static>),
    /// A pong, at most 125 bytes; unsolicited pongs are valid.
    Pong(Payload<'static>),
    /// The peer's Close frame, its last: code and reason, if it has a code. Reply with [`Writer::send_close_echo`], unless a
    /// Close frame was sent before.
    Close(Option<(u16, String)>),
}

/// Why a connection has to end.
#[derive(Debug, Error)]
pub enum WebSocketError {
    /// The peer violated RFC 6455, or exceeded the limit of a message.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The stream ended. This is an error only without a Close frame before it.
    #[error("the peer closed the connection without a Close frame")]
    Eof,
    /// A Close frame was sent before, after which nothing may be sent (RFC 6455 section 5.5.1).
    #[error("nothing can be sent after the Close frame")]
    Closed,
    /// The stream failed. The end of a TLS stream without close_notify is [`io::ErrorKind::UnexpectedEof`].
    #[error(transparent)]
    Io(io::Error),
}

impl WebSocketError {
    /// The kind to count the error as.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Violation(_) => ErrorKind::Violation,
            Self::Eof => ErrorKind::Closed,
            Self::Closed => ErrorKind::ClosedHere,
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ErrorKind::Truncated,
            Self::Io(_) => ErrorKind::Reset,
        }
    }

    /// The code of the Close frame to send (RFC 6455 section 7.4.1); `None` if the peer cannot be reached.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Violation(violation) => Some(violation.close_code()),
            Self::Eof | Self::Closed | Self::Io(_) => None,
        }
    }
}

impl From<io::Error> for WebSocketError {
    /// Unwraps the [`Violation`] that the strict reader wraps in an I/O error.
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Violation>()) {
            Some(violation) => Self::Violation(*violation),
            None => Self::Io(error),
        }
    }
}

impl From<fastwebsockets::WebSocketError> for WebSocketError {
    fn from(error: fastwebsockets::WebSocketError) -> Self {
        use fastwebsockets::WebSocketError as Theirs;
        let violation = match error {
            Theirs::IoError(error) => return error.into(),
            Theirs::UnexpectedEOF => return Self::Eof,
            Theirs::ConnectionClosed => return Self::Closed,
            Theirs::InvalidUTF8 => Violation::InvalidUtf8,
            // The strict reader detects these first; mapped all the same, so that none is reported as an I/O error.
            Theirs::InvalidFragment => Violation::MessageInterrupted,
            Theirs::InvalidContinuationFrame => Violation::NothingToContinue,
            Theirs::InvalidCloseFrame => Violation::CloseTooShort,
            Theirs::ReservedBitsNotZero => Violation::ReservedBits,
            Theirs::ControlFrameFragmented => Violation::ControlFragmented,
            Theirs::PingFrameTooLarge => Violation::ControlTooLong,
            Theirs::FrameTooLarge => Violation::MessageTooLarge { limit: usize::MAX },
            other => return Self::Io(io::Error::other(other)),
        };
        Self::Violation(violation)
    }
}
