//! WebSocket after the opening handshake (RFC 6455 sections 5 to 7), for both ends: [`Reader`] and [`Writer`] over
//! fastwebsockets, plus the checks that fastwebsockets omits.
//!
//! In the data path this layer is between `upgrade` and the echo. It sends nothing on its own (no automatic pong or
//! Close), has no deadline, and rejects messages over the limit.

mod budget;
mod compressed_writer;
mod deflate;
mod error;
mod frames;
mod header;
mod rules;
mod shared;
pub mod strict;
#[cfg(test)]
mod tests;
mod violation;
mod writer;

use std::sync::Arc;

pub use fastwebsockets::{OpCode, Payload, Role};
use tokio::io::{AsyncRead, AsyncWrite};

pub use budget::BufferBudget;
use deflate::Inflater;
pub use deflate::{Deflate, DeflateCounts, MessageBytes};
pub use error::WebSocketError;
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
        Reader { frames: Frames::new(StrictReader::new(read, role, max_message_size), role), inflater: None },
        Writer::new(write, vectored),
    )
}

/// The reader of a connection. It holds a buffer only while it receives a message.
pub struct Reader<R> {
    frames: Frames<R>,
    /// If messages may be compressed, with the limit of a message in bytes.
    inflater: Option<Box<(Inflater, usize)>>,
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
            OpCode::Text | OpCode::Binary if self.inflater.is_some() => self.inflate(frame.opcode, frame.payload)?,
            OpCode::Text => Message::Text(frame.payload),
            OpCode::Binary => Message::Binary(frame.payload),
            OpCode::Ping => Message::Ping(frame.payload),
            OpCode::Pong => Message::Pong(frame.payload),
            OpCode::Close => Message::Close(parse_close(&frame.payload)?.map(|(code, reason)| (code, reason.into()))),
            // The collector joins continuation frames and never returns one.
            OpCode::Continuation => return Err(Violation::NothingToContinue.into()),
        })
    }

    /// Accepts compressed messages from now on, which it decompresses to at most `max_message_size` bytes each. `role` is the
    /// role of this end.
    pub fn decompress(&mut self, role: Role, deflate: &Deflate, max_message_size: usize) {
        self.frames.accept_compressed();
        self.inflater = Some(Box::new((Inflater::new(deflate, role == Role::Server), max_message_size)));
    }

    /// The message as the peer sent it, from what fastwebsockets returned.
    #[inline(never)] // not on the path of messages that cannot be compressed
    fn inflate(&mut self, opcode: OpCode, payload: Payload<'static>) -> Result<Message, WebSocketError> {
        let (Some(inflater), Some(form)) = (&mut self.inflater, self.frames.next_form()) else {
            return Err(WebSocketError::Io(std::io::Error::other("a message was received that was not recorded")));
        };
        if !form.compressed {
            return Ok(if opcode == OpCode::Text { Message::Text(payload) } else { Message::Binary(payload) });
        }
        let (inflater, limit) = &mut **inflater;
        let message = inflater.inflate(&payload, *limit)?;
        if form.text && std::str::from_utf8(&message).is_err() {
            return Err(Violation::InvalidUtf8.into());
        }
        let message = Payload::Owned(message);
        Ok(if form.text { Message::Text(message) } else { Message::Binary(message) })
    }

    /// Limits the bytes of its unfinished message together with those of all other readers that share the budget.
    pub fn share(&mut self, budget: &Arc<BufferBudget>) {
        self.frames.share(budget);
    }

    /// Whether a message has begun of which fragments are missing.
    pub fn is_within_message(&self) -> bool {
        self.frames.is_within_message()
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
