//! [`Writer`]: the writing end of a connection. Each call writes one whole frame and flushes it.
//!
//! It never fragments a message and never queues: a peer that does not read makes the call wait, so the caller's
//! deadline has to be around it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fastwebsockets::{Frame, OpCode, Payload, WebSocketWrite};
use tokio::io::AsyncWrite;

use super::WebSocketError;

/// The longest reason of a Close frame: a control frame has 125 bytes, and the code takes two (RFC 6455 section 5.5).
const REASON_MAX: usize = 123;

/// The writing end of a connection.
///
/// No call is cancel-safe: one that is dropped half-way leaves a part of a frame in the stream.
pub struct Writer<W> {
    frames: WebSocketWrite<Moving<W>>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(mut frames: WebSocketWrite<Moving<W>>, vectored: bool) -> Self {
        // Without vectored writes the header of a large frame would be a write, and a TLS record, of its own.
        frames.set_writev(vectored);
        Self { frames }
    }

    /// Sends one unfragmented frame and flushes: `opcode` is `Text` (then `payload` is UTF-8) or `Binary`, or `Ping` or
    /// `Pong` with at most 125 bytes.
    ///
    /// A client masks the payload (RFC 6455 section 5.3): [`Payload::BorrowedMut`] and the owned kinds in place,
    /// without allocating, so that **a mutably borrowed payload is masked, that is garbled, afterwards**. Of
    /// [`Payload::Borrowed`] it makes a copy first.
    ///
    /// # Errors
    ///
    /// [`WebSocketError::Closed`] after a Close frame, [`WebSocketError::Io`] if the stream failed.
    pub async fn send(&mut self, opcode: OpCode, payload: Payload<'_>) -> Result<(), WebSocketError> {
        if self.is_closed() {
            // fastwebsockets refuses data after a Close frame, but would send a second Close frame.
            return Err(WebSocketError::Closed);
        }
        // The frame is made anew, even if its payload was received: one that came masked would go out saying so.
        self.frames.write_frame(Frame::new(true, opcode, None, payload)).await?;
        self.frames.flush().await?;
        Ok(())
    }

    /// Sends a pong with the payload of the ping it answers (RFC 6455 section 5.5.3).
    ///
    /// # Errors
    ///
    /// Those of [`Writer::send`].
    pub async fn send_pong(&mut self, payload: Payload<'_>) -> Result<(), WebSocketError> {
        self.send(OpCode::Pong, payload).await
    }

    /// Sends a Close frame with `code` and as much of `reason` as fits into a control frame (123 bytes).
    ///
    /// # Errors
    ///
    /// Those of [`Writer::send`]; a second Close frame is not sent.
    pub async fn send_close(&mut self, code: u16, reason: &str) -> Result<(), WebSocketError> {
        let reason = &reason[..reason.floor_char_boundary(REASON_MAX)];
        let mut payload = Vec::with_capacity(2 + reason.len());
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(reason.as_bytes());
        self.send(OpCode::Close, payload.into()).await
    }

    /// Answers the peer's Close frame with the same code and reason, or with none if it gave none (RFC 6455 section
    /// 5.5.1): `close` is what [`super::Message::Close`] holds.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::send_close`].
    pub async fn send_close_echo(&mut self, close: Option<&(u16, String)>) -> Result<(), WebSocketError> {
        match close {
            Some((code, reason)) => self.send_close(*code, reason).await,
            None => self.send(OpCode::Close, Payload::Owned(Vec::new())).await,
        }
    }

    /// Whether a Close frame was sent, or tried to be sent.
    pub fn is_closed(&self) -> bool {
        self.frames.is_closed()
    }
}

/// Makes an error of a write that takes nothing: fastwebsockets' vectored write would try again for ever, without
/// giving any other task its turn.
pub(super) struct Moving<W>(pub(super) W);

/// The outcome of a write of `offered` bytes.
fn moved(count: usize, offered: bool) -> io::Result<usize> {
    if count == 0 && offered { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Moving<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.0).poll_write(cx, buf))?;
        Poll::Ready(moved(count, !buf.is_empty()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.0).poll_write_vectored(cx, bufs))?;
        Poll::Ready(moved(count, bufs.iter().any(|buf| !buf.is_empty())))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
