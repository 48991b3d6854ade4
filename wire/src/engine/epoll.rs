//! The epoll engine: tokio's own I/O, in a current-thread runtime.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use wss_model::EngineKind;

use super::kernel_times::{self, MessageHeader};
use super::{Engine, EngineError, KernelTimes, look, timer};

/// Bytes of a whole TLS record (RFC 8446, section 5.2: 2^14 + 256 and a header of 5).
const READ_AHEAD: usize = 16_384 + 256 + 5;
/// Maximum number of read-ahead buffers that a thread keeps. If more connections read ahead at a time, their messages pay
/// for an allocation.
const MAX_SPARE: usize = 32;

thread_local! {
    static SPARE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// epoll, through tokio.
#[derive(Debug)]
pub struct Epoll;

impl Engine for Epoll {
    const KIND: EngineKind = EngineKind::Epoll;
    type Stream = EpollStream;
    type Listener = TcpListener;

    fn run<M, F>(main: M) -> Result<F::Output, EngineError>
    where
        M: FnOnce() -> F,
        F: Future,
    {
        let setup = |cause| EngineError::Setup { engine: Self::KIND, cause };
        let mut builder = Builder::new_current_thread();
        // Half of tokio's default: a task that yields because its peer never pauses delays the others by as many turns.
        builder.event_interval(31);
        if look::is_observed() {
            builder.on_thread_park(|| look::park(timer::next_deadline())).on_thread_unpark(look::unpark);
        }
        let runtime = builder.enable_io().build_local(LocalOptions::default()).map_err(setup)?;
        let output = runtime.block_on(async {
            #[allow(clippy::disallowed_methods)] // this engine's tasks are tokio's own
            tokio::task::spawn_local(timer::timerfd_task()?);
            Ok(main().await)
        });
        drop(runtime);
        timer::clear();
        output.map_err(setup)
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<TcpListener> {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    }

    async fn accept(listener: &mut TcpListener) -> io::Result<Self::Stream> {
        // TCP_NODELAY is inherited from the listener.
        let (stream, _) = listener.accept().await?;
        Ok(EpollStream::new(stream))
    }

    const HAS_KERNEL_TIMES: bool = true;

    fn observe_kernel_times(stream: &mut EpollStream) -> io::Result<Rc<KernelTimes>> {
        let times = KernelTimes::observe(&stream.stream)?;
        stream.stamping = Some(Box::new(Stamping { times: Rc::clone(&times), header: MessageHeader::new() }));
        Ok(times)
    }

    async fn connect(address: SocketAddr) -> io::Result<Self::Stream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(EpollStream::new(stream))
    }
}

/// A TCP stream that reads ahead where that saves system calls.
///
/// rustls reads 4,096 bytes at a time, so a record of 16 KiB would cost five calls. Small messages are read in one call,
/// and an intermediate buffer would copy them once more. So after a read that filled its buffer, the following reads fetch
/// a whole record into a buffer of the thread, until one is short. A waiting connection holds no such buffer.
pub struct EpollStream {
    stream: TcpStream,
    /// The latest read filled its buffer, so there may be more.
    bulk: bool,
    /// The data read ahead, in one of the thread's spare buffers; empty unless `start < end`.
    ahead: Box<[u8]>,
    start: usize,
    end: usize,
    stamping: Option<Box<Stamping>>,
}

/// The kernel times of a stream, and the memory of its recvmsg() calls.
struct Stamping {
    times: Rc<KernelTimes>,
    header: Box<MessageHeader>,
}

impl Stamping {
    /// The stream took this many bytes.
    fn wrote(&mut self, stream: &TcpStream, count: usize) {
        self.times.wrote(count);
        kernel_times::drain(stream, &mut self.header, &self.times);
    }

    /// Reads by recvmsg().
    fn poll_read(&mut self, stream: &TcpStream, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(stream.poll_read_ready(cx))?;
            // SAFETY: only bytes that the kernel has filled are counted as filled, and none is made uninitialised.
            #[allow(unsafe_code)]
            let data = unsafe { out.unfilled_mut() };
            let receive = || kernel_times::receive(stream, data, &mut self.header, &self.times);
            match stream.try_io(Interest::READABLE, receive) {
                Ok(count) => {
                    // SAFETY: the kernel has filled this many.
                    #[allow(unsafe_code)]
                    unsafe {
                        out.assume_init(count);
                    }
                    out.advance(count);
                    if out.remaining() > 0 {
                        // The socket is empty, as tokio concludes from a short read: spares the next read a system call.
                        let empty =
                            stream.try_io(Interest::READABLE, || io::Result::Err(io::ErrorKind::WouldBlock.into()));
                        debug_assert!(matches!(empty, io::Result::<()>::Err(_)));
                    }
                    // Times of sends that had to wait for room.
                    kernel_times::drain(stream, &mut self.header, &self.times);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

fn take_spare() -> Box<[u8]> {
    SPARE.with_borrow_mut(Vec::pop).unwrap_or_else(|| vec![0; READ_AHEAD].into_boxed_slice())
}

fn give_spare(ahead: Box<[u8]>) {
    SPARE.with_borrow_mut(|spares| {
        if spares.len() < MAX_SPARE {
            spares.push(ahead);
        }
    });
}

impl EpollStream {
    fn new(stream: TcpStream) -> Self {
        Self { stream, bulk: false, ahead: Box::default(), start: 0, end: 0, stamping: None }
    }
}

impl EpollStream {
    fn poll_read_socket(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stamping {
            None => Pin::new(&mut self.stream).poll_read(cx, out),
            Some(stamping) => stamping.poll_read(&self.stream, cx, out),
        }
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        if let (Some(stamping), Poll::Ready(Ok(count))) = (&mut self.stamping, written) {
            stamping.wrote(&self.stream, *count);
        }
    }
}

impl AsFd for EpollStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl AsyncRead for EpollStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.start == this.end {
            if !this.bulk || out.remaining() >= READ_AHEAD {
                let read = ready!(this.poll_read_socket(cx, out));
                this.bulk = out.remaining() == 0;
                return Poll::Ready(read);
            }
            let mut spare = take_spare();
            let mut ahead = ReadBuf::new(&mut spare);
            let read = this.poll_read_socket(cx, &mut ahead);
            let (length, full) = (ahead.filled().len(), ahead.remaining() == 0);
            this.ahead = spare;
            if length == 0 {
                // Nothing was read (it is pending, at the end of the stream, or failed): the buffer is not needed.
                give_spare(mem::take(&mut this.ahead));
                return read;
            }
            (this.start, this.end) = (0, length);
            this.bulk = full;
        }
        let length = out.remaining().min(this.end - this.start);
        out.put_slice(&this.ahead[this.start..this.start + length]);
        this.start += length;
        if this.start == this.end {
            give_spare(mem::take(&mut this.ahead));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for EpollStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, data);
        self.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
