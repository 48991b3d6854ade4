//! A connection below WebSocket: TCP, or TLS over it, with its bytes counted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::flights::{Seen, Watch};
use crate::tls::timed::{Primitive, timed};

/// Counts the bytes of a stream in both directions, and watches its handshake.
#[derive(Debug)]
pub struct Counted<S> {
    stream: S,
    /// Bytes read from it.
    pub received: u64,
    /// Bytes that it took for writing.
    pub sent: u64,
    /// While the handshake is watched.
    handshake: Option<Box<Handshake>>,
}

#[derive(Debug)]
struct Handshake {
    watch: Watch,
    timed: bool,
}

impl<S> Counted<S> {
    /// Starts at zero.
    pub fn new(stream: S) -> Self {
        Self { stream, received: 0, sent: 0, handshake: None }
    }

    /// Starts at zero and watches a TLS handshake until [`Self::unwatch`]; `timed` tells whether reading and writing
    /// is counted as [`Primitive::Socket`].
    pub fn watched(stream: S, timed: bool) -> Self {
        let handshake = Some(Box::new(Handshake { watch: Watch::default(), timed }));
        Self { stream, received: 0, sent: 0, handshake }
    }

    /// What of the handshake was seen until now; nothing of one that is not watched.
    pub fn seen(&self) -> Seen {
        self.handshake.as_ref().map_or_else(Seen::default, |handshake| handshake.watch.seen())
    }

    /// The handshake is over: from now on only bytes are counted.
    pub fn unwatch(&mut self) {
        self.handshake = None;
    }
}

/// Does `poll`, timed if the handshake's socket calls are.
fn polled<T>(handshake: Option<&Handshake>, poll: impl FnOnce() -> T) -> T {
    if handshake.is_some_and(|handshake| handshake.timed) { timed(Primitive::Socket, poll) } else { poll() }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = out.filled().len();
        let result = polled(this.handshake.as_deref(), || Pin::new(&mut this.stream).poll_read(cx, out));
        let read = &out.filled()[before..];
        this.received += read.len() as u64;
        if let Some(handshake) = &mut this.handshake {
            handshake.watch.received(read);
        }
        result
    }
}

impl<S> Counted<S> {
    /// Counts what of `slices` was taken.
    fn took(&mut self, taken: &Poll<io::Result<usize>>, slices: &[&[u8]]) {
        let Poll::Ready(Ok(mut left)) = *taken else { return };
        self.sent += left as u64;
        let Some(handshake) = &mut self.handshake else { return };
        for slice in slices {
            let length = left.min(slice.len());
            handshake.watch.sent(&slice[..length]);
            left -= length;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let taken = polled(this.handshake.as_deref(), || Pin::new(&mut this.stream).poll_write(cx, data));
        this.took(&taken, &[data]);
        taken
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let taken = polled(this.handshake.as_deref(), || Pin::new(&mut this.stream).poll_write_vectored(cx, slices));
        if this.handshake.is_some() {
            let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
            this.took(&taken, &slices);
        } else {
            this.took(&taken, &[]);
        }
        taken
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        polled(this.handshake.as_deref(), || Pin::new(&mut this.stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// TCP, or TLS over it.
pub enum Transport<S> {
    /// `tcp://` and `ws://`.
    Plain(Counted<S>),
    /// `tls://` and `wss://`.
    Tls(Box<TlsStream<Counted<S>>>),
}

impl<S> Transport<S> {
    /// The TCP stream.
    pub fn tcp(&self) -> &S {
        &self.counted().stream
    }

    /// Bytes sent and received on TCP until now.
    pub fn bytes(&self) -> (u64, u64) {
        let counted = self.counted();
        (counted.sent, counted.received)
    }

    /// What of the handshake was seen until now.
    pub fn seen(&self) -> Seen {
        self.counted().seen()
    }

    fn counted(&self) -> &Counted<S> {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// TLS and upgrade are over: from now on only bytes are counted.
    pub fn unwatch(&mut self) {
        match self {
            Self::Plain(stream) => stream.unwatch(),
            Self::Tls(stream) => stream.get_mut().0.unwatch(),
        }
    }

    /// Queues TLS's close_notify without ending TCP; goes out with the next flush. Nothing without TLS.
    pub fn send_close_notify(&mut self) {
        if let Self::Tls(stream) = self {
            match stream.as_mut() {
                TlsStream::Client(stream) => stream.get_mut().1.send_close_notify(),
                TlsStream::Server(stream) => stream.get_mut().1.send_close_notify(),
            }
        }
    }
}

/// Calls a method of `AsyncRead` or `AsyncWrite` on whichever stream it is.
macro_rules! either {
    ($transport:expr, $stream:ident => $call:expr) => {
        match $transport.get_mut() {
            Transport::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            Transport::Tls($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, out))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, data))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}
