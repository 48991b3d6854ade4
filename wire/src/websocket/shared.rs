//! One stream with several handles in one task: fastwebsockets needs separate handles for reading and writing, and closing
//! needs a third. Unlike `tokio::io::split`, it needs no lock: a stream on a ring is not `Send` anyway.
//!
//! A borrow never outlives one poll.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A cloneable handle to a stream, which is dropped with the last handle. `!Send`.
///
/// All handles must be polled from the same task. A TLS stream may have to write in order to read (the reply to a
/// KeyUpdate) and vice versa, and most streams store one waker per direction: with two tasks, the task that polled last
/// would receive the wake-ups of the other.
#[derive(Debug)]
pub struct SharedStream<S>(Rc<RefCell<S>>);

impl<S> SharedStream<S> {
    /// The first handle to a stream.
    pub fn new(stream: S) -> Self {
        Self(Rc::new(RefCell::new(stream)))
    }

    /// Accesses the stream between two polls.
    ///
    /// # Panics
    ///
    /// If `access` polls one of the handles. Data of the peer cannot cause this.
    pub fn with<T>(&self, access: impl FnOnce(&mut S) -> T) -> T {
        access(&mut self.0.borrow_mut())
    }
}

impl<S> Clone for SharedStream<S> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SharedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SharedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_shutdown(cx)
    }
}
