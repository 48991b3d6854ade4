//! [`Writer`]: writes frames. Each call writes one complete frame and flushes it.
//!
//! It does not fragment or queue messages: a call waits until the peer reads, so the caller needs a deadline. With
//! permessage-deflate, [`CompressedWriter`] writes the messages and this module the control frames.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocketWrite};
use tokio::io::AsyncWrite;

use super::compressed_writer::CompressedWriter;
use super::deflate::Deflate;
use super::error::WebSocketError;

/// Limit on the reason of a Close frame in bytes: a control frame has 125, of which the code takes two (RFC 6455 section 5.5).
const REASON_MAX: usize = 123;

/// The writer of a connection.
///
/// No call is cancel-safe: a call that is dropped early may leave a part of a frame in the stream.
pub struct Writer<W> {
    frames: WebSocketWrite<WriteZeroGuard<W>>,
    /// Writes the messages, if they are to be compressed.
    compressed: Option<Box<CompressedWriter<W>>>,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(mut frames: WebSocketWrite<WriteZeroGuard<W>>, vectored: bool) -> Self {
        // Without vectored writes the header of a large frame would be a separate write and TLS record.
        frames.set_writev(vectored);
        Self { frames, compressed: None }
    }

    /// Compresses the messages from now on. `stream` is another handle of the same stream, `role` the role of this end.
    pub fn compress(&mut self, stream: W, role: Role, deflate: &Deflate) {
        self.compressed = Some(Box::new(CompressedWriter::new(stream, role, deflate)));
    }

    /// Sends one unfragmented frame and flushes it. `opcode` is `Text` (`payload` must be UTF-8), `Binary`, or `Ping` or
    /// `Pong` (at most 125 bytes).
    ///
    /// A client masks the payload (RFC 6455 section 5.3): [`Payload::BorrowedMut`] and the owned kinds in place, without
    /// allocating, so that **a mutably borrowed payload is garbled afterwards**. [`Payload::Borrowed`] is copied first.
    ///
    /// # Errors
    ///
    /// [`WebSocketError::Closed`] after a Close frame, [`WebSocketError::Io`] if the stream failed.
    pub async fn send(&mut self, opcode: OpCode, payload: Payload<'_>) -> Result<(), WebSocketError> {
        if self.is_closed() {
            // fastwebsockets rejects data after a Close frame, but would send a second Close frame.
            return Err(WebSocketError::Closed);
        }
        if let Some(compressed) = self.compressed.as_mut().filter(|_| matches!(opcode, OpCode::Text | OpCode::Binary)) {
            return compressed.send(opcode, &payload).await.map_err(WebSocketError::Io);
        }
        // A new frame, even for a received payload: a received frame may have the mask bit set.
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

    /// Sends a Close frame with `code` and `reason`, which is truncated to 123 bytes.
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

    /// Replies to the peer's Close frame with the same code and reason, or with none if it has none (RFC 6455 section
    /// 5.5.1). `close` is the content of [`super::Message::Close`].
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

    /// Whether a Close frame was sent, successfully or not.
    pub fn is_closed(&self) -> bool {
        self.frames.is_closed()
    }
}

/// Turns a write of zero bytes into an error: the vectored write of fastwebsockets would retry for ever without yielding to
/// other tasks.
pub(super) struct WriteZeroGuard<W>(pub(super) W);

/// The result of a write of `count` bytes; `non_empty` says whether there were any to write.
fn check_progress(count: usize, non_empty: bool) -> io::Result<usize> {
    if count == 0 && non_empty { Err(io::ErrorKind::WriteZero.into()) } else { Ok(count) }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for WriteZeroGuard<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.0).poll_write(cx, buf))?;
        Poll::Ready(check_progress(count, !buf.is_empty()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.0).poll_write_vectored(cx, bufs))?;
        Poll::Ready(check_progress(count, bufs.iter().any(|buf| !buf.is_empty())))
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
