//! The layers below WebSocket: TCP, or TLS over TCP, with byte counters, and HTTP/2 over either.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::flights::{FlightObserver, FlightStats};
use crate::http2::Http2Stream;
use crate::tls::timed::{Primitive, timed};

/// A stream that counts its bytes in both directions, and observes the flights of its handshake.
#[derive(Debug)]
pub struct CountedStream<S> {
    stream: S,
    /// Bytes read.
    pub received: u64,
    /// Bytes written.
    pub sent: u64,
    /// `Some` during the handshake.
    handshake: Option<Box<HandshakeObserver>>,
}

#[derive(Debug)]
struct HandshakeObserver {
    observer: FlightObserver,
    timed: bool,
}

impl<S> CountedStream<S> {
    /// Starts with counters of zero.
    pub fn new(stream: S) -> Self {
        Self { stream, received: 0, sent: 0, handshake: None }
    }

    /// Also observes the flights of a TLS handshake, until [`Self::stop_observing`]. `timed` says whether reads and writes
    /// are timed as [`Primitive::Socket`].
    pub fn observing_flights(stream: S, timed: bool) -> Self {
        let handshake = Some(Box::new(HandshakeObserver { observer: FlightObserver::default(), timed }));
        Self { stream, received: 0, sent: 0, handshake }
    }

    /// The flights of the handshake so far; zero if they are not observed.
    pub fn flights(&self) -> FlightStats {
        self.handshake.as_ref().map_or_else(FlightStats::default, |handshake| handshake.observer.stats())
    }

    /// Ends the handshake: from now on only bytes are counted.
    pub fn stop_observing(&mut self) {
        self.handshake = None;
    }
}

/// Calls `poll`, timed if the socket calls of the handshake are.
fn poll_timed<T>(handshake: Option<&HandshakeObserver>, poll: impl FnOnce() -> T) -> T {
    if handshake.is_some_and(|handshake| handshake.timed) { timed(Primitive::Socket, poll) } else { poll() }
}

impl<S: AsyncRead + Unpin> AsyncRead for CountedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = out.filled().len();
        let result = poll_timed(this.handshake.as_deref(), || Pin::new(&mut this.stream).poll_read(cx, out));
        let read = &out.filled()[before..];
        this.received += read.len() as u64;
        if let Some(handshake) = &mut this.handshake {
            handshake.observer.received(read);
        }
        result
    }
}

impl<S> CountedStream<S> {
    /// Counts the bytes of `slices` that were written.
    fn count_written(&mut self, written: &Poll<io::Result<usize>>, slices: &[&[u8]]) {
        let Poll::Ready(Ok(mut left)) = *written else { return };
        self.sent += left as u64;
        let Some(handshake) = &mut self.handshake else { return };
        for slice in slices {
            let length = left.min(slice.len());
            handshake.observer.sent(&slice[..length]);
            left -= length;
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CountedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = poll_timed(this.handshake.as_deref(), || Pin::new(&mut this.stream).poll_write(cx, data));
        this.count_written(&written, &[data]);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written =
            poll_timed(this.handshake.as_deref(), || Pin::new(&mut this.stream).poll_write_vectored(cx, slices));
        if this.handshake.is_some() {
            let slices: Vec<&[u8]> = slices.iter().map(|slice| &**slice).collect();
            this.count_written(&written, &slices);
        } else {
            this.count_written(&written, &[]);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        poll_timed(this.handshake.as_deref(), || Pin::new(&mut this.stream).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// TCP, or TLS over TCP, or the stream of an HTTP/2 connection over one of these.
pub enum Transport<S> {
    /// `tcp://` and `ws://`.
    Plain(CountedStream<S>),
    /// `tls://` and `wss://`.
    Tls(Box<TlsStream<CountedStream<S>>>),
    /// `--http 2`.
    Http2(Box<Http2Stream<Self>>),
}

impl<S> Transport<S> {
    /// Accesses the TCP stream, between two polls.
    pub fn with_tcp<R>(&self, access: impl FnOnce(&S) -> R) -> R {
        self.with_counted(|counted| access(&counted.stream))
    }

    /// Bytes sent and received on TCP so far.
    pub fn bytes(&self) -> (u64, u64) {
        self.with_counted(|counted| (counted.sent, counted.received))
    }

    /// The flights of the handshake so far.
    pub fn flights(&self) -> FlightStats {
        self.with_counted(CountedStream::flights)
    }

    fn with_counted<R>(&self, access: impl FnOnce(&CountedStream<S>) -> R) -> R {
        match self {
            Self::Plain(stream) => access(stream),
            Self::Tls(stream) => access(stream.get_ref().0),
            Self::Http2(stream) => stream.with_transport(|transport| transport.with_counted(access)),
        }
    }

    /// Ends the handshake, including the upgrade: from now on only bytes are counted.
    pub fn stop_observing(&mut self) {
        match self {
            Self::Plain(stream) => stream.stop_observing(),
            Self::Tls(stream) => stream.get_mut().0.stop_observing(),
            Self::Http2(stream) => stream.with_transport(Self::stop_observing),
        }
    }

    /// The stream, with HTTP/2.
    pub fn http2(&mut self) -> Option<&mut Http2Stream<Self>> {
        match self {
            Self::Plain(_) | Self::Tls(_) => None,
            Self::Http2(stream) => Some(stream),
        }
    }

    /// Queues a close_notify, which is sent by the next flush, without closing TCP. Does nothing without TLS.
    pub fn send_close_notify(&mut self) {
        if let Self::Tls(stream) = self {
            match stream.as_mut() {
                TlsStream::Client(stream) => stream.get_mut().1.send_close_notify(),
                TlsStream::Server(stream) => stream.get_mut().1.send_close_notify(),
            }
        }
    }
}

fn wants_write<S>(stream: &TlsStream<S>) -> bool {
    match stream {
        TlsStream::Client(stream) => stream.get_ref().1.wants_write(),
        TlsStream::Server(stream) => stream.get_ref().1.wants_write(),
    }
}

/// Calls a method of `AsyncWrite` on the stream.
macro_rules! each {
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
            Transport::Http2($stream) => {
                let $stream = Pin::new($stream.as_mut());
                $call
            }
        }
    };
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Transport<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, out),
            Self::Tls(stream) => {
                let read = Pin::new(stream.as_mut()).poll_read(cx, out);
                // What was read may require an answer, such as the alert no_renegotiation. It must not wait for the next
                // write, which may never come. An error is found by the next read or write, too.
                if wants_write(stream) {
                    let _ = Pin::new(stream.as_mut()).poll_flush(cx);
                }
                read
            }
            Self::Http2(stream) => Pin::new(stream.as_mut()).poll_read(cx, out),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write(cx, data))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self, stream => stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => stream.poll_shutdown(cx))
    }
}
