//! Helpers of the tests beside: a peer that says what it is told to say, in segments of a given size.

mod client;
mod ends;
mod server;

use std::pin::Pin;
use std::task::{Context, Poll};
use std::{cmp, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The key of RFC 6455 section 1.3, and what is to be answered to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A peer that has said everything it says, and whose end follows; what it hears is kept, flushed or not.
#[derive(Debug, Default)]
struct Peer {
    says: Vec<u8>,
    said: usize,
    segment: usize,
    heard: Vec<u8>,
    writes: usize,
    flushed: usize,
    deaf: bool,
}

impl Peer {
    fn new(says: impl Into<Vec<u8>>) -> Self {
        Self { says: says.into(), segment: usize::MAX, ..Self::default() }
    }

    fn segments(says: &[u8], segment: usize) -> Self {
        Self { segment, ..Self::new(says) }
    }

    /// What was flushed to it.
    fn heard(&self) -> &str {
        std::str::from_utf8(&self.heard[..self.flushed]).unwrap()
    }
}

impl AsyncRead for Peer {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let rest = &self.says[self.said..];
        let count = cmp::min(rest.len(), cmp::min(self.segment, buf.remaining()));
        buf.put_slice(&rest[..count]);
        self.said += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.heard.extend(buf);
        self.writes += 1;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flushed = self.heard.len();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
