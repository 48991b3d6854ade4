//! A connection without sockets: two [`Pipe`]s of bytes in memory ([`Duplex`]), and futures that are polled by hand
//! ([`now`], [`alternate`]).
//!
//! There is no runtime, no system call and no waker here: who finds nothing to read is polled again when the other side
//! has had its turn.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use anyhow::bail;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::side::{Meter, Side};

/// TimeSlices after which two ends wait for each other for ever. A handshake takes six, a message of any size two.
const TIME_SLICES_MAX: usize = 64;

/// Bytes that a pipe between two ends has room for from the start: its growth is not to be counted as work of theirs.
const ROOM: usize = 64 * 1024;

/// One direction of a connection. Always writable; who reads an empty one waits.
#[derive(Clone, Default)]
pub struct Pipe(Rc<RefCell<Bytes>>);

#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    read: usize,
}

impl Pipe {
    /// Writes.
    pub fn put(&self, bytes: &[u8]) {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
    }

    /// All that was written and not read.
    pub fn take(&self) -> Vec<u8> {
        let Bytes { bytes, read } = self.0.take();
        bytes[read..].to_vec()
    }

    /// Forgets what was written, and keeps the memory.
    pub fn clear(&self) {
        let mut inner = self.0.borrow_mut();
        inner.bytes.clear();
        inner.read = 0;
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        let inner = &mut *inner;
        let rest = &inner.bytes[inner.read..];
        if rest.is_empty() {
            return Poll::Pending;
        }
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        inner.read += count;
        if inner.read == inner.bytes.len() {
            inner.bytes.clear();
            inner.read = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.put(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        slices.iter().for_each(|slice| self.put(slice));
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// One end of a connection: reads from one pipe and writes into the other.
#[derive(Clone, Default)]
pub struct Duplex {
    /// What the other end wrote.
    pub incoming: Pipe,
    /// What the other end reads.
    pub outgoing: Pipe,
}

impl Duplex {
    /// Both ends.
    pub fn pair() -> (Self, Self) {
        let pipe = || Pipe(Rc::new(RefCell::new(Bytes { bytes: Vec::with_capacity(ROOM), read: 0 })));
        let end = Self { incoming: pipe(), outgoing: pipe() };
        let other = Self { incoming: end.outgoing.clone(), outgoing: end.incoming.clone() };
        (end, other)
    }
}

impl AsyncRead for Duplex {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.incoming).poll_read(cx, buf)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.outgoing).poll_write(cx, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.outgoing).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.outgoing).poll_shutdown(cx)
    }
}

/// The outcome of what has all that it needs.
///
/// # Panics
/// If it waits.
pub fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("everything that it reads was written before"),
    }
}

/// Polls both ends in turn, the client first, until both are done; each side's polls are counted by `meter`.
///
/// # Errors
/// If they wait for each other.
pub fn alternate<C, S>(
    meter: &mut impl Meter,
    client: impl Future<Output = C>,
    server: impl Future<Output = S>,
) -> anyhow::Result<(C, S)> {
    let (mut client, mut server) = (pin!(client), pin!(server));
    let (mut from_client, mut from_server) = (None, None);
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..TIME_SLICES_MAX {
        if from_client.is_none()
            && let Poll::Ready(done) = meter.during(Side::Client, || client.as_mut().poll(&mut cx))
        {
            from_client = Some(done);
        }
        if from_server.is_none()
            && let Poll::Ready(done) = meter.during(Side::Server, || server.as_mut().poll(&mut cx))
        {
            from_server = Some(done);
        }
        if let (Some(_), Some(_)) = (&from_client, &from_server)
            && let (Some(client), Some(server)) = (from_client.take(), from_server.take())
        {
            return Ok((client, server));
        }
    }
    bail!("both ends wait for each other")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::side::Took;

    async fn ask(mut end: Duplex) -> io::Result<u8> {
        end.write_u8(7).await?;
        end.read_u8().await
    }

    async fn answer(mut end: Duplex) -> io::Result<()> {
        let byte = end.read_u8().await?;
        end.write_u8(byte + 1).await
    }

    #[test]
    fn two_ends_take_turns_until_both_are_done() {
        let (client, server) = Duplex::pair();
        let (answered, _) = alternate(&mut Took::default(), ask(client), answer(server)).unwrap();
        assert_eq!(answered.unwrap(), 8);
    }

    #[test]
    fn two_ends_that_wait_for_each_other_are_told() {
        let (client, server) = Duplex::pair();
        let stuck = alternate(&mut Took::default(), answer(client), answer(server)).err().unwrap();
        assert_eq!(stuck.to_string(), "both ends wait for each other");
    }
}
