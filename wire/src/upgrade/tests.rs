//! Helpers of the tests: a peer that sends given bytes in segments of a given size.

mod client;
mod ends;
mod server;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::{cmp, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The key of RFC 6455 section 1.3, and its Sec-WebSocket-Accept.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A peer that sends `input` and ends its stream; it records what is written to it.
#[derive(Debug, Default)]
struct Peer {
    input: Vec<u8>,
    read: usize,
    segment: usize,
    written: Vec<u8>,
    writes: usize,
    flushed: usize,
    write_fails: bool,
}

impl Peer {
    fn new(input: impl Into<Vec<u8>>) -> Self {
        Self { input: input.into(), segment: usize::MAX, ..Self::default() }
    }

    fn segments(input: &[u8], segment: usize) -> Self {
        Self { segment, ..Self::new(input) }
    }

    /// What was written and flushed.
    fn written(&self) -> &str {
        std::str::from_utf8(&self.written[..self.flushed]).unwrap()
    }
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let rest = &self.input[self.read..];
        let count = cmp::min(rest.len(), cmp::min(self.segment, buf.remaining()));
        buf.put_slice(&rest[..count]);
        self.read += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.write_fails {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.written.extend(buf);
        self.writes += 1;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = self.written.len();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
