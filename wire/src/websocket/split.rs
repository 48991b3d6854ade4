//! Two halves of one stream for one task: fastwebsockets wants the reading and the writing side apart, and a stream on
//! a ring is not `Send`, so `tokio::io::split` with its lock has nothing to offer.
//!
//! This module never locks, never spawns, and never holds a borrow longer than one poll.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Splits `stream` into a half that reads and a half that writes. The halves are `!Send`.
///
/// Both halves must be polled from the same task. A TLS stream may have to write in order to read (an answer to a
/// KeyUpdate) and the other way round, and most streams remember one waker a direction: with two tasks the one that
/// polled last would take the wake-ups of the other.
///
/// The stream is dropped with the last half.
pub fn split<S>(stream: S) -> (ReadHalf<S>, WriteHalf<S>) {
    let shared = Rc::new(RefCell::new(stream));
    (ReadHalf { shared: Rc::clone(&shared) }, WriteHalf { shared })
}

/// The reading half of [`split`].
#[derive(Debug)]
pub struct ReadHalf<S> {
    shared: Rc<RefCell<S>>,
}

/// The writing half of [`split`].
///
/// It can be cloned: fastwebsockets gives no access to the stream it owns, so the clone that stayed behind is what
/// shuts the stream down after the Close frames.
#[derive(Debug)]
pub struct WriteHalf<S> {
    shared: Rc<RefCell<S>>,
}

impl<S> Clone for WriteHalf<S> {
    fn clone(&self) -> Self {
        Self { shared: Rc::clone(&self.shared) }
    }
}

impl<S> WriteHalf<S> {
    /// Looks at the stream, or changes it, between two polls.
    ///
    /// # Panics
    ///
    /// If `look` polls one of the halves, which cannot happen by what a peer sends.
    pub fn with<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut self.shared.borrow_mut())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteHalf<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.shared.borrow_mut()).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadHalf<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.shared.borrow_mut()).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteHalf<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.shared.borrow_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.shared.borrow_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.shared.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.shared.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.shared.borrow_mut()).poll_shutdown(cx)
    }
}
