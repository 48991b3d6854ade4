//! The tokio-uring engine: io_uring through tokio-uring 0.5, with submissions of our own.
//!
//! tokio-uring's streams take owned buffers and do not implement `AsyncRead`; this is the adapter. Its rules follow from
//! the crate's behaviour:
//!
//! - A dropped operation is not cancelled. Its buffer and descriptor stay alive in the driver until it completes, so a
//!   dropped stream shuts its socket down, which completes the operations in flight.
//! - One receive is in flight at a time, into one reused buffer. After a short receive the next one polls first
//!   (POLL_FIRST), because a first attempt would find nothing.
//! - A send is submitted in `poll_write` and awaited only before the next one. The submission leaves with the others
//!   before the thread waits.
//! - A dropped accept would leak the descriptor that it returns, so a task that nobody cancels awaits it, and shutting
//!   the listener down ends it.
//! - Dropping the runtime frees memory that operations in flight still use, so [`TokioUring::run`] waits for them first.
#![allow(unsafe_code)]

mod operation;
mod shutdown;
mod stream;

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
use self::shutdown::{RUNNING, ShutdownGuard};
use self::stream::TokioUringStream;
use super::{Engine, EngineError, timer};

/// How long operations in flight may take to complete when the engine stops.
const DRAIN: Duration = Duration::from_secs(6);
/// Capacity of the submission queue; when it is full the queued operations are submitted early.
const SUBMISSIONS: u32 = 1024;
/// Capacity of the completion queue; beyond it the kernel keeps completions back.
const COMPLETIONS: u32 = 16_384;

/// io_uring, through tokio-uring.
#[derive(Debug)]
pub struct TokioUring;

impl Engine for TokioUring {
    const KIND: EngineKind = EngineKind::TokioUring;
    type Stream = TokioUringStream;
    type Listener = TokioUringListener;

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
            tokio_uring::spawn(timer::timerfd_task()?);
            let output = main().await;
            drain().await;
            Ok(output)
        });
        RUNNING.set(false);
        if operation::in_flight() > 0 {
            // Leaked: the kernel still owns their buffers.
            std::mem::forget(runtime);
        } else {
            drop(runtime);
        }
        timer::clear();
        output.map_err(|cause| EngineError::Setup { engine: Self::KIND, cause })
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<TokioUringListener> {
        let socket = Rc::new(OwnedFd::from(socket));
        let (sender, accepted) = mpsc::channel(1);
        Self::spawn(accept_loop(Rc::clone(&socket), sender));
        Ok(TokioUringListener { socket, accepted })
    }

    async fn accept(listener: &mut TokioUringListener) -> io::Result<TokioUringStream> {
        listener.accepted.recv().await.unwrap_or_else(|| Err(io::Error::other("the listener was shut down")))
    }

    async fn connect(address: SocketAddr) -> io::Result<TokioUringStream> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let socket = Rc::new(socket);
        let connecting = ShutdownGuard::new(Rc::clone(&socket));
        let data = ConnectData { address: Box::new(SocketAddrAny::from(address)), socket };
        let entry = opcode::Connect::new(
            types::Fd(data.socket.as_raw_fd()),
            data.address.as_ptr().cast(),
            data.address.addr_len(),
        )
        .build();
        submit(data, entry).await.0?;
        Ok(TokioUringStream::new(connecting.disarm()))
    }
}

/// The configuration of the ring.
fn ring() -> io_uring_0_6::Builder {
    let mut ring = tokio_uring::uring_builder();
    // DEFER_TASKRUN would hang: tokio-uring submits without IORING_ENTER_GETEVENTS.
    ring.setup_coop_taskrun().setup_single_issuer().setup_cqsize(COMPLETIONS);
    ring
}

/// Creates such a ring, as a probe.
///
/// # Errors
/// If the kernel refuses it.
pub(super) fn try_ring() -> Result<(), EngineError> {
    ring().build(SUBMISSIONS).map(drop).map_err(refused)
}

/// The error for a ring that the kernel refuses.
pub(super) fn refused(cause: io::Error) -> EngineError {
    const EPERM: i32 = 1;
    const ENOSYS: i32 = 38;
    const EINVAL: i32 = 22;
    if matches!(cause.raw_os_error(), Some(EPERM | ENOSYS | EINVAL)) {
        return EngineError::UringRefused { cause, disabled: super::uring_disabled(), since: "6.0" };
    }
    EngineError::Setup { engine: TokioUring::KIND, cause }
}

/// Waits until no operation is in flight, for at most [`DRAIN`].
async fn drain() {
    let end = Instant::now() + DRAIN;
    while operation::in_flight() > 0 && Instant::now() < end {
        TokioUring::sleep_until(Instant::now() + Duration::from_millis(1)).await;
    }
}

/// What a connect in flight uses.
struct ConnectData {
    address: Box<SocketAddrAny>,
    socket: Rc<OwnedFd>,
}

/// A listening socket with an accept that is always in flight.
pub struct TokioUringListener {
    socket: Rc<OwnedFd>,
    accepted: mpsc::Receiver<io::Result<TokioUringStream>>,
}

impl Drop for TokioUringListener {
    fn drop(&mut self) {
        // The accept in flight fails with EINVAL, which ends its task.
        let _ = rustix::net::shutdown(self.socket.as_fd(), Shutdown::Both);
    }
}

/// Accepts until the listener is dropped. Must not be cancelled: a dropped accept would leak a descriptor.
async fn accept_loop(socket: Rc<OwnedFd>, accepted: mpsc::Sender<io::Result<TokioUringStream>>) {
    loop {
        let entry = opcode::Accept::new(types::Fd(socket.as_raw_fd()), std::ptr::null_mut(), std::ptr::null_mut())
            .flags(SocketFlags::CLOEXEC.bits().cast_signed())
            .build();
        let (result, data) = submit(Rc::clone(&socket), entry).await;
        drop(data);
        let stream = result.map(|fd| {
            // SAFETY: the accept has just created this descriptor, and nothing else owns it.
            let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).expect("a descriptor is an i32")) };
            TokioUringStream::new(Rc::new(fd))
        });
        if accepted.send(stream).await.is_err() {
            return;
        }
    }
}
