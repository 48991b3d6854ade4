//! A TCP stream on the ring, as `AsyncRead` and `AsyncWrite`.

use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use io_uring_0_6::squeue::Entry;
use io_uring_0_6::{opcode, types};
use rustix::net::Shutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::operation::{InFlight, submit};
use super::shutdown::{RUNNING, ShutdownGuard};
use crate::engine::{Sleep, Timeout};

/// Bytes of the initial receive buffer: an idle connection keeps it, and most messages are small.
const INITIAL_RECEIVE: usize = 4096;
/// Bytes of the receive buffer once one was filled: a whole TLS record (RFC 8446, section 5.2: 2^14 + 256 and a header
/// of 5).
const MAX_RECEIVE: usize = 16_384 + 256 + 5;
/// Maximum number of bytes of one send: four records of rustls' output.
const MAX_SEND: usize = 64 * 1024;
/// Capacity above which a send buffer is freed once it is sent.
const MAX_KEPT: usize = 17 * 1024;
/// How long a dropped stream may take to send what was written to it.
const LINGER: Duration = Duration::from_secs(5);
/// IORING_RECVSEND_POLL_FIRST of io_uring.h, which io-uring 0.6 does not define.
const POLL_FIRST: u16 = 1 << 0;
/// MSG_WAITALL and MSG_NOSIGNAL of socket.h: send everything, and fail without a signal.
const SEND_FLAGS: i32 = 0x100 | 0x4000;

/// What a receive in flight uses.
struct ReceiveData {
    buffer: Box<[u8]>,
    /// Keeps the descriptor open, and its number from being reused, while the receive is in flight.
    _socket: Rc<OwnedFd>,
}

enum Receive {
    /// The bytes from `start` to `end` are to be read.
    Idle { buffer: Box<[u8]>, start: usize, end: usize },
    /// The kernel owns the buffer.
    InFlight(InFlight<ReceiveData>),
    /// The peer has shut down, or an error was returned.
    Ended,
}

/// What a send in flight uses.
struct SendData {
    buffer: Vec<u8>,
    /// See [`ReceiveData::_socket`].
    _socket: Rc<OwnedFd>,
}

enum Send {
    Idle(Vec<u8>),
    InFlight(InFlight<SendData>),
    Failed(io::ErrorKind),
}

/// A TCP stream on the ring.
pub struct TokioUringStream {
    socket: Rc<OwnedFd>,
    receive: Receive,
    /// The latest receive did not fill its buffer, so there is nothing more to receive at once.
    poll_first: bool,
    send: Send,
}

impl TokioUringStream {
    pub(super) fn new(socket: Rc<OwnedFd>) -> Self {
        let buffer = vec![0; INITIAL_RECEIVE].into_boxed_slice();
        let receive = Receive::Idle { buffer, start: 0, end: 0 };
        Self { socket, receive, poll_first: false, send: Send::Idle(Vec::new()) }
    }

    fn submit_receive(&self, mut buffer: Box<[u8]>) -> InFlight<ReceiveData> {
        let (start, length) = (buffer.as_mut_ptr(), u32::try_from(buffer.len()).expect("a small constant"));
        let mut entry = opcode::Recv::new(types::Fd(self.socket.as_raw_fd()), start, length).build();
        if self.poll_first {
            const { assert!(size_of::<Entry>() == 64) };
            // SAFETY: an `Entry` is a struct io_uring_sqe of 64 bytes (asserted above), whose `ioprio` is the u16 at
            // offset 2, so the write stays within it. io-uring 0.6 has no setter for it on Recv.
            unsafe { (&raw mut entry).cast::<u8>().add(2).cast::<u16>().write_unaligned(POLL_FIRST) };
        }
        submit(ReceiveData { buffer, _socket: Rc::clone(&self.socket) }, entry)
    }

    fn submit_send(&self, buffer: Vec<u8>) -> InFlight<SendData> {
        let length = u32::try_from(buffer.len()).expect("at most MAX_SEND");
        let entry =
            opcode::Send::new(types::Fd(self.socket.as_raw_fd()), buffer.as_ptr(), length).flags(SEND_FLAGS).build();
        submit(SendData { buffer, _socket: Rc::clone(&self.socket) }, entry)
    }

    /// Waits until no send is in flight. Returns the empty send buffer.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Vec<u8>>> {
        if let Send::InFlight(in_flight) = &mut self.send {
            let (result, mut data) = ready!(Pin::new(in_flight).poll(cx));
            let mut buffer = std::mem::take(&mut data.0.buffer);
            drop(data);
            match result {
                Ok(sent) if sent < buffer.len() && sent > 0 => {
                    // Rare, due to MSG_WAITALL: the rest is a send of its own.
                    buffer.drain(..sent);
                    self.send = Send::InFlight(self.submit_send(buffer));
                    return self.poll_sent(cx);
                }
                Ok(0) => self.send = Send::Failed(io::ErrorKind::WriteZero),
                Ok(_) if buffer.capacity() > MAX_KEPT => self.send = Send::Idle(Vec::new()),
                Ok(_) => {
                    buffer.clear();
                    self.send = Send::Idle(buffer);
                }
                Err(error) => {
                    self.send = Send::Failed(error.kind());
                    return Poll::Ready(Err(error));
                }
            }
        }
        match &mut self.send {
            Send::Idle(buffer) => Poll::Ready(Ok(buffer)),
            Send::Failed(kind) => Poll::Ready(Err((*kind).into())),
            Send::InFlight(_) => unreachable!("handled above"),
        }
    }
}

impl AsFd for TokioUringStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsyncRead for TokioUringStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.receive {
                Receive::Idle { buffer, start, end } if *start < *end => {
                    let length = out.remaining().min(*end - *start);
                    out.put_slice(&buffer[*start..*start + length]);
                    *start += length;
                    return Poll::Ready(Ok(()));
                }
                Receive::Idle { buffer, end, .. } => {
                    let mut buffer = std::mem::take(buffer);
                    if *end == buffer.len() && *end < MAX_RECEIVE {
                        buffer = vec![0; MAX_RECEIVE].into_boxed_slice();
                    }
                    this.receive = Receive::InFlight(this.submit_receive(buffer));
                }
                Receive::InFlight(in_flight) => {
                    let (result, mut data) = ready!(Pin::new(in_flight).poll(cx));
                    let buffer = std::mem::take(&mut data.0.buffer);
                    match result {
                        Ok(0) => this.receive = Receive::Ended,
                        Ok(end) => {
                            this.poll_first = end < buffer.len();
                            this.receive = Receive::Idle { buffer, start: 0, end };
                        }
                        Err(error) => {
                            this.receive = Receive::Ended;
                            return Poll::Ready(Err(error));
                        }
                    }
                }
                Receive::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl AsyncWrite for TokioUringStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let buffer = ready!(this.poll_sent(cx))?;
        for slice in slices {
            let room = MAX_SEND - buffer.len();
            buffer.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let buffer = std::mem::take(buffer);
        let length = buffer.len();
        this.send = if length == 0 { Send::Idle(buffer) } else { Send::InFlight(this.submit_send(buffer)) };
        Poll::Ready(Ok(length))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Ready: written data has been submitted, and leaves before the thread waits.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_sent(cx))?;
        Poll::Ready(match rustix::net::shutdown(this.socket.as_fd(), Shutdown::Write) {
            // Both ends have shut down already: a success, as with tokio's stream.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

impl Drop for TokioUringStream {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.send, Send::Failed(io::ErrorKind::NotConnected)) {
            // Written data is sent before the socket is shut down.
            Send::InFlight(in_flight) if RUNNING.get() => {
                let socket = ShutdownGuard::new(Rc::clone(&self.socket));
                #[allow(clippy::disallowed_methods)] // this engine's tasks are tokio's own
                tokio::task::spawn_local(async move {
                    let _ = Timeout::new(Sleep::new(Instant::now() + LINGER), in_flight).await;
                    drop(socket);
                });
            }
            send if matches!((&send, &self.receive), (Send::InFlight(_), _) | (_, Receive::InFlight(_))) => {
                let _ = rustix::net::shutdown(self.socket.as_fd(), Shutdown::Both);
            }
            // Nothing is in flight: dropping the last reference closes the descriptor.
            _ => {}
        }
    }
}
