//! Engines: what drives the sockets. One small trait, one module per engine.
//!
//! An engine runs on one thread; its streams, tasks and timers stay on that thread, so nothing here is `Send`.
//! Code above is generic over [`Engine`]; [`with_engine!`](crate::with_engine) maps a name to a type.

mod capabilities;
mod deadline;
mod epoll;
pub mod idle;
mod keep_awake;
mod kernel_times;
pub mod look;
mod timer;
#[cfg(feature = "tokio-uring")]
mod tokio_uring;
#[cfg(not(feature = "tokio-uring"))]
#[path = "tokio_uring_absent.rs"]
mod tokio_uring;
mod uring;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use wss_model::ring_counters::RingCounters;

pub use wss_model::EngineKind;

pub use self::capabilities::{Capabilities, capabilities, choose, engine_features};
pub use self::deadline::{Timeout, before, within};
pub use self::epoll::Epoll;
pub use self::keep_awake::KeepAwake;
pub use self::kernel_times::{KernelRecording, KernelTimes};
pub use self::timer::Sleep;
pub use self::tokio_uring::TokioUring;
pub use self::uring::Uring;
pub(crate) use self::uring::count_yield;

/// Drives the sockets of one thread.
///
/// All methods except [`run`](Self::run) are called from within `run`.
pub trait Engine: 'static {
    /// The name of the engine.
    const KIND: EngineKind;

    /// A connected TCP stream with TCP_NODELAY. Dropping it sends the data already accepted for sending, within a time
    /// limit, and then closes the connection.
    type Stream: AsyncRead + AsyncWrite + AsFd + Unpin + 'static;

    /// A listening socket. Dropping it stops listening.
    type Listener: 'static;

    /// Runs `main` and the tasks that it spawns on this thread until `main` completes; the remaining tasks are dropped.
    ///
    /// # Errors
    /// If the kernel refuses a resource that the engine needs.
    fn run<M, F>(main: M) -> Result<F::Output, EngineError>
    where
        M: FnOnce() -> F,
        F: Future;

    /// Takes over a listening socket.
    ///
    /// # Errors
    /// If the socket cannot be made non-blocking or cannot be registered.
    fn listen(socket: std::net::TcpListener) -> io::Result<Self::Listener>;

    /// Accepts the next connection. Cancel-safe: dropping the future loses no connection.
    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Opens a connection. Dropping the future abandons the attempt.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Spawns a task on this thread. The only way to do so: an engine may need to wrap every task.
    #[allow(clippy::disallowed_methods)] // the default is for engines whose tasks are tokio's own
    fn spawn<F>(task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        tokio::task::spawn_local(task)
    }

    /// Holds back writes until the writing side is shut down, so that a Close frame, a close_notify and the FIN leave in
    /// one segment instead of three. Shut the stream down right afterwards: the kernel holds data back for 200 ms only
    /// (TCP_CORK, tcp(7)).
    fn cork(stream: &Self::Stream) {
        // Without the cork the data leaves in several segments.
        let _ = rustix::net::sockopt::set_tcp_cork(stream, true);
    }

    /// Whether [`observe_kernel_times`](Self::observe_kernel_times) is implemented.
    const HAS_KERNEL_TIMES: bool = false;

    /// Has the kernel record when it sends and receives what passes through this stream. Call it right after
    /// [`connect`](Self::connect), before anything is written or read. It costs a system call per write, or an operation on
    /// the ring.
    ///
    /// # Errors
    /// If the engine or the kernel does not support it. The stream stays usable.
    fn observe_kernel_times(_: &mut Self::Stream) -> io::Result<Rc<KernelTimes>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The current time, as of the latest ring iteration: for timeouts of seconds, not for measurements.
    fn now() -> Instant {
        Instant::now()
    }

    /// Counters of this thread's ring since the engine started; `None` if the engine does not count.
    fn ring_counters() -> Option<RingCounters> {
        None
    }

    /// Sleeps until an instant, accurate to about 50 µs on an idle machine (tokio's own timers: 1 ms).
    fn sleep_until(deadline: Instant) -> Sleep {
        Sleep::new(deadline)
    }
}

/// Why an engine cannot run.
///
/// The cause is part of the text, because these errors cross threads as text.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The kernel, a sysctl or a seccomp filter forbids io_uring.
    #[error(
        "the kernel refuses io_uring ({cause}): the sysctl kernel.io_uring_disabled (now {disabled}) or a container's \
         seccomp filter forbids it, or the kernel is older than {since}; use --engine epoll (in trace, --server-engine epoll)"
    )]
    UringRefused {
        /// The kernel's error.
        cause: io::Error,
        /// The value of the sysctl `kernel.io_uring_disabled`.
        disabled: String,
        /// The first kernel release that has what the engine needs.
        since: &'static str,
    },
    /// The memory of a ring is charged to RLIMIT_MEMLOCK.
    #[error(
        "cannot start the {engine} engine: no memory for a ring ({cause}); raise the limit of locked memory (ulimit -l, \
         RLIMIT_MEMLOCK) or use --engine epoll (in trace, --server-engine epoll)"
    )]
    NoMemory {
        /// Which engine.
        engine: EngineKind,
        /// The kernel's error.
        cause: io::Error,
    },
    /// Another resource is missing, or a setting is invalid.
    #[error("cannot start the {engine} engine: {cause}")]
    Setup {
        /// Which engine.
        engine: EngineKind,
        /// The cause.
        cause: io::Error,
    },
}

/// The value of the sysctl `kernel.io_uring_disabled`: 0 allows all processes, 1 those with CAP_SYS_ADMIN or in
/// `io_uring_group`, 2 none.
fn uring_disabled() -> String {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .map_or_else(|_| "absent".to_owned(), |text| text.trim().to_owned())
}

/// The deadline passed before the future completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct TimedOut;

/// Calls a function that is generic over the engine with the engine that an [`EngineKind`] names:
/// `with_engine!(kind, E => work::<E>(arguments))`.
#[macro_export]
macro_rules! with_engine {
    ($kind:expr, $engine:ident => $call:expr) => {
        match $kind {
            $crate::engine::EngineKind::Uring => {
                type $engine = $crate::engine::Uring;
                $call
            }
            $crate::engine::EngineKind::TokioUring => {
                type $engine = $crate::engine::TokioUring;
                $call
            }
            $crate::engine::EngineKind::Epoll => {
                type $engine = $crate::engine::Epoll;
                $call
            }
        }
    };
}

#[cfg(test)]
mod tests;
