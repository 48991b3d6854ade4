//! [`Http2Stream`]: the stream of a connection, with the connection itself inside.
//!
//! Whoever polls the stream drives the connection: everything stays in one task, and nothing has to be `Send`. The h2 crate
//! expects its connection in a task of its own, and wakes that task when a stream has work for it. Here this is a flag
//! ([`Driver`]) that the same poll looks at, so that a message costs no further poll of the task.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker, ready};

use bytes::{Buf, Bytes, BytesMut};
use h2::client::{Builder, Connection, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::error::Http2Error;
use super::link::Link;

/// Window of the stream and of the connection: what the server may send before this end has read it, in bytes.
const WINDOW: u32 = 1 << 20;
/// Bytes that may be queued for sending.
const SEND_BUFFER: usize = 256 << 10;
/// Polls of the connection in a row, while each gives it more to do.
const POLLS_MAX: usize = 8;

/// What h2 wakes when its connection has something to do.
#[derive(Debug, Default)]
struct Driver {
    is_requested: AtomicBool,
}

impl Wake for Driver {
    fn wake(self: Arc<Self>) {
        self.is_requested.store(true, Ordering::Relaxed);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_requested.store(true, Ordering::Relaxed);
    }
}

/// A stream of HTTP/2 and its connection, over a transport. All polls must come from one task at a time.
pub struct Http2Stream<T> {
    link: Link<T>,
    max_head_size: usize,
    driver: Arc<Driver>,
    driver_waker: Waker,
    /// Why it has ended, if it did with an error.
    failure: Option<h2::Error>,
    /// `None` once it has ended.
    connection: Option<Connection<Link<T>, Bytes>>,
    /// h2 ends the connection when this, `send` and `receive` are dropped.
    requests: Option<SendRequest<Bytes>>,
    send: Option<SendStream<Bytes>>,
    receive: Option<RecvStream>,
    /// Received and not yet read.
    received: Bytes,
    /// Reused for what is sent.
    chunk: BytesMut,
    /// This end has ended the stream and the connection; what is read is the bare transport.
    has_left: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Http2Stream<T> {
    /// Begins HTTP/2 with prior knowledge (RFC 9113 section 3.3), and waits for the settings of the server.
    ///
    /// # Errors
    /// If the transport fails or ends first, or the server does not speak HTTP/2.
    pub(crate) async fn begin(transport: T, max_head_size: usize) -> io::Result<Self> {
        let link = Link::new(transport);
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(max_head_size).unwrap_or(u32::MAX));
        let mut beginning = pin!(builder.handshake::<_, Bytes>(link.clone()));
        let begun = poll_fn(|cx| {
            link.begin(cx.waker());
            beginning.as_mut().poll(cx)
        });
        let (requests, connection) = begun.await.map_err(|error| io::Error::other(error.to_string()))?;
        let driver = Arc::new(Driver::default());
        let mut stream = Self {
            link,
            max_head_size,
            driver_waker: Waker::from(Arc::clone(&driver)),
            driver,
            failure: None,
            connection: Some(connection),
            requests: Some(requests),
            send: None,
            receive: None,
            received: Bytes::new(),
            chunk: BytesMut::new(),
            has_left: false,
        };
        poll_fn(|cx| stream.poll_settings(cx)).await?;
        Ok(stream)
    }

    fn poll_settings(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drive(cx);
        match self.connection {
            Some(_) if self.link.0.borrow().observer.has_settings => Poll::Ready(Ok(())),
            Some(_) => Poll::Pending,
            None => Poll::Ready(self.ended(None).and(Err(Http2Error::NoAnswer.into()))),
        }
    }

    /// Opens the stream with a request, and waits for the head of the response. Informational responses are skipped.
    ///
    /// # Errors
    /// If the server does not enable the extended CONNECT protocol, or ends the stream, the connection or the transport
    /// first. [`io::ErrorKind::FileTooLarge`]: the head exceeds the limit. [`io::ErrorKind::UnexpectedEof`]: there is none.
    pub(crate) async fn request(&mut self, request: Request<()>) -> io::Result<Response<()>> {
        let requests = self.requests.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        if !requests.is_extended_connect_protocol_enabled() {
            return Err(Http2Error::NoExtendedConnect.into());
        }
        let sent = requests.send_request(request, false);
        let (mut response, send) = sent.map_err(|error| self.error_of(Some(&error)))?;
        self.send = Some(send);
        let response = poll_fn(|cx| {
            let early = Pin::new(&mut response).poll(&mut Context::from_waker(Waker::noop()));
            if early.is_ready() {
                return early;
            }
            self.drive(cx);
            Pin::new(&mut response).poll(cx)
        });
        match response.await {
            Ok(response) => {
                let (head, receive) = response.into_parts();
                self.receive = Some(receive);
                Ok(Response::from_parts(head, ()))
            }
            Err(error) if self.is_head_too_large(&error) => Err(io::ErrorKind::FileTooLarge.into()),
            Err(error) => Err(self.ended(Some(&error)).err().unwrap_or(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Reads and writes frames until the transport blocks.
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(connection) = &mut self.connection else { return };
        self.link.begin(cx.waker());
        for _ in 0..POLLS_MAX {
            self.driver.is_requested.store(false, Ordering::Relaxed);
            match Pin::new(&mut *connection).poll(&mut Context::from_waker(&self.driver_waker)) {
                Poll::Ready(ended) => {
                    self.failure = ended.err();
                    self.connection = None;
                    return;
                }
                Poll::Pending if self.driver.is_requested.load(Ordering::Relaxed) => {}
                Poll::Pending => return,
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Why the stream has ended, of which `error` is what h2 says: `Ok` if the server ended it, or the transport, in order.
    fn ended(&self, error: Option<&h2::Error>) -> io::Result<()> {
        let mut link = self.link.0.borrow_mut();
        let name = |code: u32| format!("{:?}", Reason::from(code));
        if link.observer.has_end_stream {
            return Ok(());
        }
        if let Some(code) = link.observer.reset {
            return Err(Http2Error::StreamReset { code: name(code) }.into());
        }
        if let Some(code) = link.observer.go_away {
            return Err(Http2Error::GoAway { code: name(code) }.into());
        }
        if let Some(error) = link.error.take() {
            return Err(error);
        }
        match error.or(self.failure.as_ref()) {
            _ if link.has_ended => Ok(()),
            Some(error) if error.is_io() => {
                Err(error.get_io().map_or(io::ErrorKind::BrokenPipe, io::Error::kind).into())
            }
            Some(error) => Err(Http2Error::Violation(error.to_string()).into()),
            None => Err(broken_pipe()),
        }
    }

    /// The error of a request or a write on a stream that has ended.
    fn error_of(&self, error: Option<&h2::Error>) -> io::Error {
        self.ended(error).err().unwrap_or_else(broken_pipe)
    }

    /// Whether h2 refuses the head of a response, which it does not say: it takes too many frames, or exceeds the limit.
    fn is_head_too_large(&self, error: &h2::Error) -> bool {
        let head_size = self.link.0.borrow().observer.head_size;
        let exceeds = error.reason() == Some(Reason::ENHANCE_YOUR_CALM) || head_size > self.max_head_size;
        !error.is_remote() && !error.is_io() && exceeds
    }

    fn poll_read_stream(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut has_driven = false;
        while self.received.is_empty() {
            let Some(receive) = &mut self.receive else { return Poll::Ready(Err(broken_pipe())) };
            // Data that arrives while this polls needs no wake-up; what arrives later, while a write is polled, does.
            let data = match has_driven {
                false => receive.poll_data(&mut Context::from_waker(Waker::noop())),
                true => receive.poll_data(cx),
            };
            match data {
                Poll::Ready(Some(Ok(data))) => self.received = data,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(self.ended(Some(&error))),
                // END_STREAM, or trailers, which end it as well.
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if has_driven => return Poll::Pending,
                Poll::Pending => {
                    self.drive(cx);
                    has_driven = true;
                }
            }
        }
        let count = self.received.len().min(out.remaining());
        out.put_slice(&self.received[..count]);
        self.received.advance(count);
        let released = self.receive.as_mut().map(|receive| receive.flow_control().release_capacity(count));
        if let Some(Err(error)) = released {
            return Poll::Ready(Err(Http2Error::Violation(error.to_string()).into()));
        }
        if self.driver.is_requested.load(Ordering::Relaxed) {
            // A WINDOW_UPDATE is due, which the server may be waiting for.
            self.drive(cx);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_stream(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let total = slices.iter().map(|slice| slice.len()).sum::<usize>().min(SEND_BUFFER);
        let Some(send) = &mut self.send else { return Poll::Ready(Err(broken_pipe())) };
        if total == 0 {
            return Poll::Ready(Ok(0));
        }
        if send.capacity() < total {
            send.reserve_capacity(total);
        }
        if send.capacity() == 0 {
            self.drive(cx);
            let Some(send) = &mut self.send else { return Poll::Ready(Err(broken_pipe())) };
            if send.capacity() == 0 {
                return match ready!(send.poll_capacity(cx)) {
                    // Polled again: what was just assigned is there.
                    Some(Ok(_)) => {
                        cx.waker().wake_by_ref();
                        Poll::Pending
                    }
                    Some(Err(error)) => Poll::Ready(Err(self.error_of(Some(&error)))),
                    None => Poll::Ready(Err(self.error_of(None))),
                };
            }
        }
        self.queue(slices, total)
    }

    /// Queues as much as the windows of the server allow. The next flush sends it.
    fn queue(&mut self, slices: &[IoSlice<'_>], total: usize) -> Poll<io::Result<usize>> {
        let Some(send) = &mut self.send else { return Poll::Ready(Err(broken_pipe())) };
        let count = send.capacity().min(total);
        self.chunk.reserve(count);
        let mut left = count;
        for slice in slices {
            let length = left.min(slice.len());
            self.chunk.extend_from_slice(&slice[..length]);
            left -= length;
        }
        let sent = send.send_data(self.chunk.split().freeze(), false);
        Poll::Ready(match sent {
            Ok(()) => Ok(count),
            Err(error) => Err(self.error_of(Some(&error))),
        })
    }

    fn poll_flush_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drive(cx);
        match self.connection {
            Some(_) if self.link.0.borrow().is_unflushed => Poll::Pending,
            Some(_) => Poll::Ready(Ok(())),
            None => Poll::Ready(Err(self.error_of(None))),
        }
    }

    /// Ends the stream (END_STREAM) and the connection (GOAWAY), and leaves the transport open. From now on reads return
    /// what the server still sends on the transport.
    pub fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_left {
            self.has_left = true;
            if let Some(mut send) = self.send.take() {
                // An error means that the stream has ended before.
                let _ = send.send_data(Bytes::new(), true);
            }
            // Without END_STREAM of the server this resets the stream (RST_STREAM).
            (self.receive, self.requests, self.received) = (None, None, Bytes::new());
        }
        self.drive(cx);
        if self.connection.is_some() && self.link.0.borrow().is_unflushed {
            return Poll::Pending;
        }
        self.connection = None;
        Poll::Ready(())
    }
}

impl<T> Http2Stream<T> {
    /// Whether the server has ended the stream with END_STREAM.
    pub fn has_end_stream(&self) -> bool {
        self.link.0.borrow().observer.has_end_stream
    }

    /// Accesses the transport between two polls.
    pub fn with_transport<R>(&self, access: impl FnOnce(&mut T) -> R) -> R {
        access(&mut self.link.0.borrow_mut().transport)
    }
}

fn broken_pipe() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Http2Stream<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.has_left {
            return self.with_transport(|transport| Pin::new(transport).poll_read(cx, out));
        }
        self.poll_read_stream(cx, out)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Http2Stream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_stream(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_stream(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_stream(cx)
    }

    /// Ends the stream, the connection and then the writing side of the transport.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leave(cx));
        self.with_transport(|transport| Pin::new(transport).poll_shutdown(cx))
    }
}
