//! WebSocket after its opening handshake (RFC 6455 sections 5 to 7), the same for both ends: [`Reader`] and [`Writer`]
//! over fastwebsockets, with the strictness that fastwebsockets leaves to its caller.
//!
//! On the way of the data this stands between `upgrade` and the echo. It never answers by itself (no automatic pong or
//! Close), never waits with a deadline of its own, and never takes a message over the limit it was given.

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
pub use shared::Shared;
use strict::StrictReader;
pub use violation::{Violation, parse_close};
pub use writer::Writer;

/// Makes the two ends of an open connection: `read` and `write` are halves of the stream on which the opening
/// handshake was made, for instance clones of [`Shared`]; bytes that came with the handshake must come from `read`
/// first. `max_message_size` is in bytes, for all fragments of a message together.
pub fn after_handshake<R, W>(read: R, write: W, role: Role, max_message_size: usize) -> (Reader<R>, Writer<W>)
where
    R: AsyncRead + Unpin + 'static,
    W: AsyncWrite + Unpin,
{
    let vectored = write.is_write_vectored();
    let (_, write) = fastwebsockets::after_handshake_split(tokio::io::empty(), writer::Moving(write), role);
    (
        Reader { frames: Frames::new(StrictReader::new(read, role, max_message_size), role) },
        Writer::new(write, vectored),
    )
}

/// The reading end of a connection. It has a buffer only while a message is on its way.
pub struct Reader<R> {
    frames: Frames<R>,
}

impl<R: AsyncRead + Unpin + 'static> Reader<R> {
    /// The next message or control frame. Fragments are collected; the payload is given without a copy.
    ///
    /// **Not cancel-safe**: a header is consumed before its payload has come. Never put it into a `select!` or under a
    /// timeout after which reading goes on; end the connection instead.
    ///
    /// # Errors
    ///
    /// [`WebSocketError::Violation`] if the peer broke a rule of RFC 6455 or passed the limit: answer with a Close
    /// frame of that code, and end. [`WebSocketError::Eof`] if the stream ended, [`WebSocketError::Io`] if it failed.
    /// After an error there is nothing more to read.
    pub async fn next(&mut self) -> Result<Message, WebSocketError> {
        let frame = self.frames.next().await?;
        Ok(match frame.opcode {
            OpCode::Text => Message::Text(frame.payload),
            OpCode::Binary => Message::Binary(frame.payload),
            OpCode::Ping => Message::Ping(frame.payload),
            OpCode::Pong => Message::Pong(frame.payload),
            OpCode::Close => Message::Close(parse_close(&frame.payload)?.map(|(code, reason)| (code, reason.into()))),
            // The collector never gives one; should it ever, the message it belongs to is lost.
            OpCode::Continuation => return Err(Violation::NothingToContinue.into()),
        })
    }

    /// Waits for the end of the stream after the peer's Close frame, ignoring what comes before it (RFC 6455 sections
    /// 5.5.1 and 7.1.1). Like [`Reader::next`] it has no deadline of its own and is not cancel-safe.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::next`], except [`WebSocketError::Eof`], which is what is waited for.
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

/// What a peer sent.
#[derive(Debug)]
pub enum Message {
    /// A text, valid UTF-8, all fragments of it.
    Text(Payload<'static>),
    /// Bytes, all fragments of them.
    Binary(Payload<'static>),
    /// To be answered with [`Writer::send_pong`] of the same payload, at most 125 bytes.
    Ping(Payload<'static>),
    /// The answer to a ping, or unasked; at most 125 bytes.
    Pong(Payload<'static>),
    /// The peer sends nothing more: its code and reason, if it gave a code. Answer with [`Writer::send_close_echo`],
    /// unless a Close frame was sent already.
    Close(Option<(u16, String)>),
}

/// Why a connection cannot go on.
#[derive(Debug, Error)]
pub enum WebSocketError {
    /// The peer broke a rule of RFC 6455, or passed the limit of a message.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The stream ended without a Close frame (or, after one, as it should).
    #[error("the peer ended without a Close frame")]
    Eof,
    /// A Close frame was sent on this connection already, so nothing may follow it (RFC 6455 section 5.5.1).
    #[error("nothing can be sent after the Close frame")]
    Closed,
    /// The stream failed. An end of TLS without close_notify is [`io::ErrorKind::UnexpectedEof`].
    #[error(transparent)]
    Io(io::Error),
}

impl WebSocketError {
    /// Name for counting.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Violation(_) => ErrorKind::Violation,
            Self::Eof => ErrorKind::Closed,
            Self::Closed => ErrorKind::ClosedHere,
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ErrorKind::Truncated,
            Self::Io(_) => ErrorKind::Reset,
        }
    }

    /// The code for the Close frame that tells the peer (RFC 6455 section 7.4.1); `None` if there is nobody to tell.
    pub fn close_code(&self) -> Option<u16> {
        match self {
            Self::Violation(violation) => Some(violation.close_code()),
            Self::Eof | Self::Closed | Self::Io(_) => None,
        }
    }
}

impl From<io::Error> for WebSocketError {
    /// Finds the [`Violation`] that the strict reader put into an error of the stream.
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
            // The strict reader finds these first; they are here so that none is ever told as a fault of the stream.
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
