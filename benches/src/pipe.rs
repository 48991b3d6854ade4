//! A connection without sockets: two [`Pipe`]s of bytes in memory ([`Duplex`]), and futures that are polled by hand
//! ([`now`], [`alternate`]).
//!
//! There is no runtime, no system call and no waker: an end that finds nothing to read is polled again after the other.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use anyhow::bail;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::end::{End, Meter};

/// Rounds of polling after which the two ends are deadlocked. A handshake takes six, a message of any size two.
const ROUNDS_MAX: usize = 64;

/// Initial capacity of a pipe between two ends, in bytes: its growth must not be counted as their work.
const CAPACITY: usize = 64 * 1024;

/// One direction of a connection. Writes always succeed; reading an empty pipe waits.
#[derive(Clone, Default)]
pub struct Pipe(Rc<RefCell<Bytes>>);

#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    read: usize,
}

impl Pipe {
    /// Appends bytes.
    pub fn put(&self, bytes: &[u8]) {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
    }

    /// Takes all bytes that have not been read.
    pub fn take(&self) -> Vec<u8> {
        let Bytes { bytes, read } = self.0.take();
        bytes[read..].to_vec()
    }

    /// Discards all bytes and keeps the memory.
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
    /// Written by the other end.
    pub incoming: Pipe,
    /// Read by the other end.
    pub outgoing: Pipe,
}

impl Duplex {
    /// Both ends.
    pub fn pair() -> (Self, Self) {
        let pipe = || Pipe(Rc::new(RefCell::new(Bytes { bytes: Vec::with_capacity(CAPACITY), read: 0 })));
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

/// The output of a future that waits for nothing. It may yield once: a reader of frames does, after some of them.
///
/// # Panics
/// If it waits.
pub fn now<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let mut cx = Context::from_waker(Waker::noop());
    match work.as_mut().poll(&mut cx) {
        Poll::Ready(output) => output,
        Poll::Pending => match work.poll(&mut cx) {
            Poll::Ready(output) => output,
            Poll::Pending => unreachable!("the future waits for input that was not written"),
        },
    }
}

/// Polls both ends alternately, the client first, until both are done; `meter` measures each end's polls.
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
    for _ in 0..ROUNDS_MAX {
        if from_client.is_none()
            && let Poll::Ready(output) = meter.measure(End::Client, || client.as_mut().poll(&mut cx))
        {
            from_client = Some(output);
        }
        if from_server.is_none()
            && let Poll::Ready(output) = meter.measure(End::Server, || server.as_mut().poll(&mut cx))
        {
            from_server = Some(output);
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
    use crate::end::EndTimes;

    async fn request(mut end: Duplex) -> io::Result<u8> {
        end.write_u8(7).await?;
        end.read_u8().await
    }

    async fn reply(mut end: Duplex) -> io::Result<()> {
        let byte = end.read_u8().await?;
        end.write_u8(byte + 1).await
    }

    #[test]
    fn a_future_that_yields_is_polled_again() {
        assert_eq!(
            now(async {
                tokio::task::yield_now().await;
                7
            }),
            7
        );
    }

    #[test]
    fn polls_both_ends_until_both_are_done() {
        let (client, server) = Duplex::pair();
        let (replied, _) = alternate(&mut EndTimes::default(), request(client), reply(server)).unwrap();
        assert_eq!(replied.unwrap(), 8);
    }

    #[test]
    fn reports_two_ends_that_wait_for_each_other() {
        let (client, server) = Duplex::pair();
        let stuck = alternate(&mut EndTimes::default(), reply(client), reply(server)).err().unwrap();
        assert_eq!(stuck.to_string(), "both ends wait for each other");
    }
}
