//! The tokio-uring engine: io_uring through tokio-uring 0.5, by submissions of our own.
//!
//! tokio-uring's streams take owned buffers and offer no `AsyncRead`; here is the adapter. Its rules come from
//! what the crate does and does not do:
//!
//! - An operation that is dropped is never cancelled. Its buffer and its descriptor stay alive in the driver until
//!   it completes, so a stream that is dropped shuts its socket down: that completes what is in flight.
//! - One receive is in flight at a time, into one buffer that is used again. After a short receive the next asks
//!   the kernel to poll first, since a first try would find nothing.
//! - A send is submitted in `poll_write` and waited for only when more is to be sent. The submission itself goes
//!   out with the others before the thread waits.
//! - An accept in flight leaks the descriptor it would return if it is dropped: it is awaited by a task that
//!   nobody cancels, and ended by shutting the listener down.
//! - Dropping the runtime frees what operations in flight still use: [`TokioUring::run`] waits for them first.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use io_uring::squeue::Entry;
use io_uring::{cqueue, opcode, types};
use rustix::net::{AddressFamily, Shutdown, SocketAddrAny, SocketFlags, SocketType, sockopt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};
use wss_results::EngineKind;

use super::{Engine, EngineError, before, timer};

/// One whole TLS record (RFC 8446, 5.2: 2^14 + 256 and a header of 5).
const RECEIVE_BUFFER: usize = 16_384 + 256 + 5;
/// Bytes of one send: what four records of rustls' output hold.
const SEND_MOST: usize = 64 * 1024;
/// A send buffer that grew past this is given back once it is sent.
const SEND_KEPT: usize = 17 * 1024;
/// How long what was accepted for sending may take once its stream is dropped.
const LINGER: Duration = Duration::from_secs(5);
/// How long operations in flight may take to end when the engine ends.
const DRAIN: Duration = Duration::from_secs(6);
/// Submissions between two waits; when they are full the ring is entered once more.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit before the kernel has to queue them by itself.
const COMPLETIONS: u32 = 16_384;
/// IORING_RECVSEND_POLL_FIRST of io_uring.h, which io-uring 0.6 does not name.
const POLL_FIRST: u16 = 1 << 0;
/// MSG_WAITALL and MSG_NOSIGNAL of socket.h: send all of it, and fail without a signal.
const SEND_FLAGS: i32 = 0x100 | 0x4000;

thread_local! {
    static IN_FLIGHT: Cell<usize> = const { Cell::new(0) };
    /// Whether tasks can be spawned: not while a runtime is being taken down.
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// io_uring, through tokio-uring.
#[derive(Debug)]
pub struct TokioUring;

impl Engine for TokioUring {
    const KIND: EngineKind = EngineKind::TokioUring;
    type Stream = UringStream;
    type Listener = UringListener;

    fn run<M, F>(main: M) -> Result<F::Output, EngineError>
    where
        M: FnOnce() -> F,
        F: Future,
    {
        let mut ring = tokio_uring::uring_builder();
        // DEFER_TASKRUN would hang: tokio-uring's submit never asks for events.
        ring.setup_coop_taskrun().setup_single_issuer().setup_cqsize(COMPLETIONS);
        let mut builder = tokio_uring::builder();
        let runtime = tokio_uring::Runtime::new(builder.entries(SUBMISSIONS).uring_builder(&ring)).map_err(refused)?;
        RUNNING.set(true);
        let output = runtime.block_on(async {
            tokio_uring::spawn(timer::driver()?);
            let output = main().await;
            drain().await;
            Ok(output)
        });
        RUNNING.set(false);
        if IN_FLIGHT.get() > 0 {
            // Their buffers belong to the kernel still: rather lose the memory than have it written to later.
            std::mem::forget(runtime);
        } else {
            drop(runtime);
        }
        timer::clear();
        output.map_err(|source| EngineError::Setup { engine: Self::KIND, source })
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<UringListener> {
        let socket = Rc::new(OwnedFd::from(socket));
        let (sender, accepted) = mpsc::channel(1);
        Self::spawn(accept_for_ever(Rc::clone(&socket), sender));
        Ok(UringListener { socket, accepted })
    }

    async fn accept(listener: &mut UringListener) -> io::Result<UringStream> {
        listener.accepted.recv().await.unwrap_or_else(|| Err(io::Error::other("the listener has ended")))
    }

    async fn connect(address: SocketAddr) -> io::Result<UringStream> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let socket = Rc::new(socket);
        let connecting = ShutDownOnDrop::new(Rc::clone(&socket));
        let data = ConnectData { address: Box::new(SocketAddrAny::from(address)), socket };
        let entry = opcode::Connect::new(
            types::Fd(data.socket.as_raw_fd()),
            data.address.as_ptr().cast(),
            data.address.addr_len(),
        )
        .build();
        submit(data, entry).await.0?;
        Ok(UringStream::new(connecting.keep()))
    }
}

/// What to say of a ring that the kernel does not make.
pub(super) fn refused(source: io::Error) -> EngineError {
    const EPERM: i32 = 1;
    const ENOSYS: i32 = 38;
    const EINVAL: i32 = 22;
    if matches!(source.raw_os_error(), Some(EPERM | ENOSYS | EINVAL)) {
        let disabled = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
            .map_or_else(|_| "absent".to_owned(), |text| text.trim().to_owned());
        return EngineError::UringRefused { source, disabled };
    }
    EngineError::Setup { engine: TokioUring::KIND, source }
}

/// Waits until no operation is in flight, at most [`DRAIN`].
async fn drain() {
    let end = Instant::now() + DRAIN;
    while IN_FLIGHT.get() > 0 && Instant::now() < end {
        TokioUring::sleep_until(Instant::now() + Duration::from_millis(1)).await;
    }
}

/// What an operation needs until it has completed, counted while it is in flight.
struct Counted<D>(D);

impl<D> Counted<D> {
    fn new(data: D) -> Self {
        IN_FLIGHT.set(IN_FLIGHT.get() + 1);
        Self(data)
    }
}

impl<D> Drop for Counted<D> {
    fn drop(&mut self) {
        // try_with: the driver may be dropped while its thread ends.
        let _ = IN_FLIGHT.try_with(|count| count.set(count.get() - 1));
    }
}

/// Hands back the result with the data.
struct WithData<D>(PhantomData<D>);

impl<D> OneshotOutputTransform for WithData<D> {
    type Output = (io::Result<usize>, Counted<D>);
    type StoredData = Counted<D>;

    fn transform_oneshot_output(self, data: Counted<D>, completion: cqueue::Entry) -> Self::Output {
        let result =
            usize::try_from(completion.result()).map_err(|_| io::Error::from_raw_os_error(-completion.result()));
        (result, data)
    }
}

type InFlight<D> = InFlightOneshot<Counted<D>, WithData<D>>;

/// Submits an operation. All that `entry` points to lies in `data`, behind a pointer that does not move with it:
/// the driver keeps `data` until the operation has completed, dropped or not.
fn submit<D>(data: D, entry: Entry) -> InFlight<D> {
    UnsubmittedOneshot::new(Counted::new(data), WithData(PhantomData), entry).submit()
}

struct ConnectData {
    address: Box<SocketAddrAny>,
    socket: Rc<OwnedFd>,
}

/// Shuts a socket down when it is dropped: that ends the operations in flight on it, and nothing else would.
struct ShutDownOnDrop(Option<Rc<OwnedFd>>);

impl ShutDownOnDrop {
    fn new(socket: Rc<OwnedFd>) -> Self {
        Self(Some(socket))
    }

    /// The socket is wanted after all.
    fn keep(mut self) -> Rc<OwnedFd> {
        self.0.take().expect("taken only here, by value")
    }
}

impl Drop for ShutDownOnDrop {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            let _ = rustix::net::shutdown(socket.as_fd(), Shutdown::Both);
        }
    }
}

/// A listening socket whose accept is always in flight.
pub struct UringListener {
    socket: Rc<OwnedFd>,
    accepted: mpsc::Receiver<io::Result<UringStream>>,
}

impl Drop for UringListener {
    fn drop(&mut self) {
        // Ends the accept in flight with EINVAL, and so its task.
        let _ = rustix::net::shutdown(self.socket.as_fd(), Shutdown::Both);
    }
}

/// Accepts until the listener is dropped. Never cancelled: a dropped accept would leak a descriptor.
async fn accept_for_ever(socket: Rc<OwnedFd>, accepted: mpsc::Sender<io::Result<UringStream>>) {
    loop {
        let entry = opcode::Accept::new(types::Fd(socket.as_raw_fd()), std::ptr::null_mut(), std::ptr::null_mut())
            .flags(SocketFlags::CLOEXEC.bits().cast_signed())
            .build();
        let (result, data) = submit(Rc::clone(&socket), entry).await;
        drop(data);
        let stream = result.map(|fd| {
            // SAFETY: the accept has just made this descriptor for us, and nobody else knows of it.
            let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor is an i32")) };
            UringStream::new(Rc::new(fd))
        });
        if accepted.send(stream).await.is_err() {
            return;
        }
    }
}

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
    fn new(socket: Rc<OwnedFd>) -> Self {
        let buffer = vec![0; RECEIVE_BUFFER].into_boxed_slice();
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
                Receive::Here { buffer, .. } => {
                    let buffer = std::mem::take(buffer);
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
