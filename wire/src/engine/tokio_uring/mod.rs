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

mod operation;
mod stream;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use io_uring_0_6::{opcode, types};
use rustix::net::{AddressFamily, Shutdown, SocketAddrAny, SocketFlags, SocketType, sockopt};
use tokio::sync::mpsc;
use wss_model::EngineKind;

use self::operation::submit;
use self::stream::UringStream;
use super::{Engine, EngineError, timer};

/// How long operations in flight may take to end when the engine ends.
const DRAIN: Duration = Duration::from_secs(6);
/// Submissions between two waits; when they are full the ring is entered once more.
const SUBMISSIONS: u32 = 1024;
/// Completions that fit before the kernel has to queue them by itself.
const COMPLETIONS: u32 = 16_384;

thread_local! {
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
        let ring = ring();
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
        if operation::in_flight() > 0 {
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

/// The ring as it is asked for.
fn ring() -> io_uring_0_6::Builder {
    let mut ring = tokio_uring::uring_builder();
    // DEFER_TASKRUN would hang: tokio-uring's submit never asks for events.
    ring.setup_coop_taskrun().setup_single_issuer().setup_cqsize(COMPLETIONS);
    ring
}

/// Whether the kernel makes such a ring.
pub(super) fn try_ring() -> Result<(), EngineError> {
    ring().build(SUBMISSIONS).map(drop).map_err(refused)
}

/// What to say of a ring that the kernel does not make.
pub(super) fn refused(source: io::Error) -> EngineError {
    const EPERM: i32 = 1;
    const ENOSYS: i32 = 38;
    const EINVAL: i32 = 22;
    if matches!(source.raw_os_error(), Some(EPERM | ENOSYS | EINVAL)) {
        return EngineError::UringRefused { source, disabled: super::uring_disabled(), since: "6.0" };
    }
    EngineError::Setup { engine: TokioUring::KIND, source }
}

/// Waits until no operation is in flight, at most [`DRAIN`].
async fn drain() {
    let end = Instant::now() + DRAIN;
    while operation::in_flight() > 0 && Instant::now() < end {
        TokioUring::sleep_until(Instant::now() + Duration::from_millis(1)).await;
    }
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
