//! [`CompressedWriter`]: writes compressed messages. fastwebsockets can neither set RSV1 nor compress.

use std::cell::RefCell;
use std::io;

use fastwebsockets::{Frame, OpCode, Payload, Role};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::deflate::{Compressor, Deflate};
use super::header;

/// Room for what fastwebsockets formats: it reserves two bytes more than a header has.
const HEAD: usize = header::MAX_SIZE + 2;
/// Buffers that a thread keeps, and the largest that it keeps.
const KEPT: usize = 8;
const KEPT_SIZE: usize = 256 * 1024;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// The compressing part of a [`super::Writer`].
pub(super) struct CompressedWriter<W> {
    stream: W,
    client: bool,
    compressor: Compressor,
}

impl<W: AsyncWrite + Unpin> CompressedWriter<W> {
    pub(super) fn new(stream: W, role: Role, deflate: &Deflate) -> Self {
        let server = role == Role::Server;
        Self { stream, client: !server, compressor: Compressor::new(deflate, server) }
    }

    /// Compresses a message, sends it as one frame, and flushes it. Not cancel-safe.
    pub(super) async fn send(&mut self, opcode: OpCode, message: &[u8]) -> io::Result<()> {
        let mut buffer = BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_default();
        let written = match self.compose(opcode, message, &mut buffer) {
            Ok(start) => self.write(&buffer[start..]).await,
            Err(error) => Err(error),
        };
        BUFFERS.with_borrow_mut(|buffers| {
            if buffers.len() < KEPT && buffer.capacity() <= KEPT_SIZE {
                buffers.push(buffer);
            }
        });
        written
    }

    /// Makes the frame; returns where it starts in `buffer`.
    fn compose(&mut self, opcode: OpCode, message: &[u8], buffer: &mut Vec<u8>) -> io::Result<usize> {
        buffer.clear();
        buffer.resize(HEAD, 0);
        self.compressor.append(message, buffer)?;
        let (room, payload) = buffer.split_at_mut(HEAD);
        let mut frame = Frame::new(true, opcode, None, Payload::BorrowedMut(payload));
        if self.client {
            frame.mask();
        }
        let mut head = [0; HEAD];
        let size = frame.fmt_head(&mut head);
        head[0] |= header::RSV1;
        let start = HEAD - size;
        room[start..].copy_from_slice(&head[..size]);
        Ok(start)
    }

    async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame).await?;
        self.stream.flush().await
    }
}
