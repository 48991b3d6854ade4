//! The transport below an HTTP/2 connection, as the h2 crate sees it: [`Link`].
//!
//! The connection is polled by whoever reads or writes the stream, with a waker of its own (see [`super::stream`]), so the
//! transport has to be polled with the waker of the task. It is kept here, with what h2 does not report.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::FrameObserver;

/// Bytes that are read at most before other tasks run: a server that sends faster than this thread reads must not hold it.
const READ_BUDGET: usize = 256 << 10;

/// The transport and what passed over it.
#[derive(Debug)]
pub(super) struct LinkState<T> {
    pub(super) transport: T,
    /// Of the task that reads or writes the stream.
    waker: Waker,
    pub(super) observer: FrameObserver,
    /// Bytes that may still be read before other tasks run.
    budget: usize,
    /// Something was written that is not flushed.
    pub(super) is_unflushed: bool,
    /// Until the first flush, what was written: the preface and the settings leave together, in one record and segment.
    held: Option<Vec<u8>>,
    /// The server ended the transport.
    pub(super) has_ended: bool,
    /// The error of the transport. h2 gets only its kind, because it keeps a copy for each stream.
    pub(super) error: Option<io::Error>,
}

impl<T> LinkState<T> {
    /// Keeps an error, and returns what h2 needs to know of it.
    fn fail(&mut self, error: io::Error) -> io::Error {
        let kind = error.kind();
        self.error.get_or_insert(error);
        kind.into()
    }
}

impl<T: AsyncRead + Unpin> LinkState<T> {
    fn poll_read(&mut self, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.budget == 0 {
            self.waker.wake_by_ref();
            return Poll::Pending;
        }
        let before = out.filled().len();
        let read = Pin::new(&mut self.transport).poll_read(&mut Context::from_waker(&self.waker), out);
        if let Err(error) = ready!(read) {
            return Poll::Ready(Err(self.fail(error)));
        }
        let read = &out.filled()[before..];
        self.has_ended |= read.is_empty();
        self.budget = self.budget.saturating_sub(read.len());
        if let Err(error) = self.observer.observe(read) {
            return Poll::Ready(Err(self.fail(error.into())));
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> LinkState<T> {
    fn poll_write(&mut self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.is_unflushed = true;
        if let Some(held) = &mut self.held {
            slices.iter().for_each(|slice| held.extend_from_slice(slice));
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let mut cx = Context::from_waker(&self.waker);
        let transport = Pin::new(&mut self.transport);
        let written = match slices {
            [slice] => transport.poll_write(&mut cx, slice),
            slices => transport.poll_write_vectored(&mut cx, slices),
        };
        written.map_err(|error| self.fail(error))
    }

    fn poll_flush(&mut self) -> Poll<io::Result<()>> {
        while let Some(held) = self.held.as_mut().filter(|held| !held.is_empty()) {
            let mut cx = Context::from_waker(&self.waker);
            let written = ready!(Pin::new(&mut self.transport).poll_write(&mut cx, held));
            match written {
                Ok(0) => return Poll::Ready(Err(self.fail(io::ErrorKind::WriteZero.into()))),
                Ok(count) => drop(held.drain(..count)),
                Err(error) => return Poll::Ready(Err(self.fail(error))),
            }
        }
        self.held = None;
        let flushed = ready!(Pin::new(&mut self.transport).poll_flush(&mut Context::from_waker(&self.waker)));
        self.is_unflushed = false;
        Poll::Ready(flushed.map_err(|error| self.fail(error)))
    }
}

/// A handle to the transport. `!Send`.
#[derive(Debug)]
pub(super) struct Link<T>(pub(super) Rc<RefCell<LinkState<T>>>);

impl<T> Link<T> {
    pub(super) fn new(transport: T) -> Self {
        Self(Rc::new(RefCell::new(LinkState {
            transport,
            waker: Waker::noop().clone(),
            observer: FrameObserver::default(),
            budget: 0,
            is_unflushed: false,
            held: Some(Vec::new()),
            has_ended: false,
            error: None,
        })))
    }

    /// Before the connection is polled by a task.
    pub(super) fn begin(&self, waker: &Waker) {
        let mut state = self.0.borrow_mut();
        state.waker.clone_from(waker);
        state.budget = READ_BUDGET;
    }
}

impl<T> Clone for Link<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Link<T> {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_read(out)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Link<T> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(&[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_flush()
    }

    /// Ends nothing: the end of the connection (GOAWAY) is flushed, and the transport ends on its own.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_flush()
    }
}
