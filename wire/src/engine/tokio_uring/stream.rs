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
use super::{RUNNING, ShutDownOnDrop, TokioUring};
use crate::engine::{Engine, before};

/// Bytes of the first receive buffer: an idle connection keeps one, and most messages are small.
const RECEIVE_FIRST: usize = 4096;
/// Bytes of the buffer once one was filled: one whole TLS record (RFC 8446, 5.2: 2^14 + 256 and a header of 5).
const RECEIVE_MOST: usize = 16_384 + 256 + 5;
/// Bytes of one send: what four records of rustls' output hold.
const SEND_MOST: usize = 64 * 1024;
/// A send buffer that grew past this is given back once it is sent.
const SEND_KEPT: usize = 17 * 1024;
/// How long what was accepted for sending may take once its stream is dropped.
const LINGER: Duration = Duration::from_secs(5);
/// IORING_RECVSEND_POLL_FIRST of io_uring.h, which io-uring 0.6 does not name.
const POLL_FIRST: u16 = 1 << 0;
/// MSG_WAITALL and MSG_NOSIGNAL of socket.h: send all of it, and fail without a signal.
const SEND_FLAGS: i32 = 0x100 | 0x4000;

struct ReceiveData {
    buffer: Box<[u8]>,
    /// Keeps the descriptor from being closed, and its number from being given to another, while in flight.
    _open: Rc<OwnedFd>,
}

enum Receive {
    /// `unread` bytes of the buffer wait to be read.
    Here { buffer: Box<[u8]>, start: usize, end: usize },
    /// The kernel has the buffer.
    InFlight(InFlight<ReceiveData>),
    /// The peer has ended, or an error was told.
    Ended,
}

struct SendData {
    buffer: Vec<u8>,
    /// See [`ReceiveData::_open`].
    _open: Rc<OwnedFd>,
}

enum Send {
    Idle(Vec<u8>),
    InFlight(InFlight<SendData>),
    Failed(io::ErrorKind),
}

/// A TCP stream on the ring.
pub struct UringStream {
    socket: Rc<OwnedFd>,
    receive: Receive,
    /// The last receive did not fill its buffer: there is nothing more to be had at once.
    poll_first: bool,
    send: Send,
}

impl UringStream {
    pub(super) fn new(socket: Rc<OwnedFd>) -> Self {
        let buffer = vec![0; RECEIVE_FIRST].into_boxed_slice();
        let receive = Receive::Here { buffer, start: 0, end: 0 };
        Self { socket, receive, poll_first: false, send: Send::Idle(Vec::new()) }
    }

    fn submit_receive(&self, mut buffer: Box<[u8]>) -> InFlight<ReceiveData> {
        let (start, length) = (buffer.as_mut_ptr(), u32::try_from(buffer.len()).expect("a small constant"));
        let mut entry = opcode::Recv::new(types::Fd(self.socket.as_raw_fd()), start, length).build();
        if self.poll_first {
            const { assert!(size_of::<Entry>() == 64) };
            // SAFETY: an Entry is a struct io_uring_sqe of 64 bytes (checked above), whose `ioprio` is the u16 at
            // offset 2; io-uring 0.6 offers no setter for it on Recv.
            unsafe { (&raw mut entry).cast::<u8>().add(2).cast::<u16>().write_unaligned(POLL_FIRST) };
        }
        submit(ReceiveData { buffer, _open: Rc::clone(&self.socket) }, entry)
    }

    fn submit_send(&self, buffer: Vec<u8>) -> InFlight<SendData> {
        let length = u32::try_from(buffer.len()).expect("at most SEND_MOST");
        let entry =
            opcode::Send::new(types::Fd(self.socket.as_raw_fd()), buffer.as_ptr(), length).flags(SEND_FLAGS).build();
        submit(SendData { buffer, _open: Rc::clone(&self.socket) }, entry)
    }

    /// Waits until nothing is being sent; gives the empty buffer.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut Vec<u8>>> {
        if let Send::InFlight(in_flight) = &mut self.send {
            let (result, mut data) = ready!(Pin::new(in_flight).poll(cx));
            let mut buffer = std::mem::take(&mut data.0.buffer);
            drop(data);
            match result {
                Ok(sent) if sent < buffer.len() && sent > 0 => {
                    // Rare in spite of MSG_WAITALL: the rest goes out as a send of its own.
                    buffer.drain(..sent);
                    self.send = Send::InFlight(self.submit_send(buffer));
                    return self.poll_sent(cx);
                }
                Ok(0) => self.send = Send::Failed(io::ErrorKind::WriteZero),
                Ok(_) if buffer.capacity() > SEND_KEPT => self.send = Send::Idle(Vec::new()),
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
            Send::InFlight(_) => unreachable!("taken care of above"),
        }
    }
}

impl AsFd for UringStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsyncRead for UringStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            match &mut this.receive {
                Receive::Here { buffer, start, end } if *start < *end => {
                    let length = out.remaining().min(*end - *start);
                    out.put_slice(&buffer[*start..*start + length]);
                    *start += length;
                    return Poll::Ready(Ok(()));
                }
                Receive::Here { buffer, end, .. } => {
                    let mut buffer = std::mem::take(buffer);
                    if *end == buffer.len() && *end < RECEIVE_MOST {
                        buffer = vec![0; RECEIVE_MOST].into_boxed_slice();
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
                            this.receive = Receive::Here { buffer, start: 0, end };
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

impl AsyncWrite for UringStream {
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
            let room = SEND_MOST - buffer.len();
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

    /// What was written is on its way, as with a TCP socket: the ring is entered before the thread waits.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_sent(cx))?;
        Poll::Ready(match rustix::net::shutdown(this.socket.as_fd(), Shutdown::Write) {
            // Both ends have ended already: as with tokio's stream, that is what was wanted.
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

impl Drop for UringStream {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.send, Send::Failed(io::ErrorKind::NotConnected)) {
            // What was accepted for sending is sent, and only then the socket is shut down.
            Send::InFlight(in_flight) if RUNNING.get() => {
                let socket = ShutDownOnDrop::new(Rc::clone(&self.socket));
                TokioUring::spawn(async move {
                    let _ = before::<TokioUring, _>(Instant::now() + LINGER, in_flight).await;
                    drop(socket);
                });
            }
            send if matches!((&send, &self.receive), (Send::InFlight(_), _) | (_, Receive::InFlight(_))) => {
                let _ = rustix::net::shutdown(self.socket.as_fd(), Shutdown::Both);
            }
            // Nothing is in flight: the last reference closes the descriptor.
            _ => {}
        }
    }
}
