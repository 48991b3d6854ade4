//! Engines: who drives the sockets. One small trait, one file an engine.
//!
//! An engine runs one thread: its streams, its tasks and its timers stay on it, so nothing here is `Send`.
//! Code above is generic over [`Engine`]; [`with_engine!`](crate::with_engine) turns a name into a type.

mod capabilities;
mod deadline;
mod epoll;
mod timer;
mod tokio_uring;
mod uring;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use wss_model::EngineKind;
use wss_model::ring_counters::RingCounters;

pub use self::capabilities::{Capabilities, Feature, form, offers};
pub use self::deadline::{Bounded, before, within};
pub use self::epoll::Epoll;
pub use self::timer::Sleep;
pub use self::tokio_uring::TokioUring;
pub use self::uring::Uring;

/// Who drives the sockets of one thread.
///
/// All methods but [`run`](Self::run) and [`listen`](Self::listen) are called from within `run`.
pub trait Engine: 'static {
    /// Its name.
    const KIND: EngineKind;

    /// A connected TCP stream with TCP_NODELAY. Dropping it closes the connection, after what was accepted for
    /// sending has been sent, within a bound.
    type Stream: AsyncRead + AsyncWrite + AsFd + Unpin + 'static;

    /// A listening socket. Dropping it stops listening.
    type Listener: 'static;

    /// Runs `main`, and the tasks that it spawns, on this thread until `main` is done; tasks that are left are
    /// dropped.
    ///
    /// # Errors
    /// If the kernel refuses what the engine needs.
    fn run<M, F>(main: M) -> Result<F::Output, EngineError>
    where
        M: FnOnce() -> F,
        F: Future;

    /// Takes over a listening socket.
    ///
    /// # Errors
    /// If it cannot be made non-blocking or be registered.
    fn listen(socket: std::net::TcpListener) -> io::Result<Self::Listener>;

    /// The next connection. May be dropped while it waits: no connection is lost by it.
    fn accept(listener: &mut Self::Listener) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Opens a connection. May be dropped while it waits: the attempt is then given up.
    fn connect(address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>>;

    /// Runs a task on this thread. The only way to start one: an engine may have to know of each.
    #[allow(clippy::disallowed_methods)] // where an engine's tasks are tokio's own
    fn spawn<F>(task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        tokio::task::spawn_local(task)
    }

    /// The next thing is the end: what is written from now on goes out together with the FIN, when the writing side is
    /// shut down. A Close frame, a close_notify and the FIN are three segments otherwise, each with its way through
    /// the kernel on both ends. To be followed by the shutdown at once: the kernel holds back for 200 ms.
    fn cork(stream: &Self::Stream) {
        // If it cannot be, the last words go out one by one.
        let _ = rustix::net::sockopt::set_tcp_cork(stream, true);
    }

    /// The time, to a turn of the engine: for limits of seconds, and not for measuring.
    fn now() -> Instant {
        Instant::now()
    }

    /// What the engine of this thread asked of the kernel since it started; `None` where nobody counts it.
    fn io() -> Option<RingCounters> {
        None
    }

    /// Sleeps until an instant, exact to about 50 µs on an idle machine (tokio's own timers are exact to 1 ms).
    fn sleep_until(deadline: Instant) -> Sleep {
        Sleep::new(deadline)
    }
}

/// Why an engine does not run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The kernel, a sysctl or a seccomp filter forbids io_uring.
    #[error(
        "the kernel refuses io_uring ({source}): it is switched off (sysctl kernel.io_uring_disabled is {disabled}), \
         filtered by the container, or the kernel is older than {since}; try --engine epoll"
    )]
    UringRefused {
        /// What the kernel said.
        source: io::Error,
        /// What `kernel.io_uring_disabled` says.
        disabled: String,
        /// The first kernel with what the engine needs.
        since: &'static str,
    },
    /// A ring has to be locked in memory.
    #[error(
        "the {engine} engine does not start: the kernel has no memory for a ring ({source}); raise the limit of locked \
         memory (ulimit -l, RLIMIT_MEMLOCK), or try --engine epoll"
    )]
    NoMemory {
        /// Which engine.
        engine: EngineKind,
        /// What the kernel said.
        source: io::Error,
    },
    /// Out of something.
    #[error("the {engine} engine does not start: {source}")]
    Setup {
        /// Which engine.
        engine: EngineKind,
        /// What the kernel said.
        source: io::Error,
    },
}

/// What `kernel.io_uring_disabled` says: 0 to all, 1 to those with CAP_SYS_ADMIN and a group, 2 to nobody.
fn uring_disabled() -> String {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .map_or_else(|_| "absent".to_owned(), |text| text.trim().to_owned())
}

/// The deadline passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct TimedOut;

/// Calls a function that is generic over the engine with the one that an [`EngineKind`] names:
/// `with_engine!(kind, E => work::<E>(arguments))`.
#[macro_export]
macro_rules! with_engine {
    ($kind:expr, $engine:ident => $call:expr) => {
        match $kind {
            $crate::engine::Kind::Uring => {
                type $engine = $crate::engine::Uring;
                $call
            }
            $crate::engine::Kind::TokioUring => {
                type $engine = $crate::engine::TokioUring;
                $call
            }
            $crate::engine::Kind::Epoll => {
                type $engine = $crate::engine::Epoll;
                $call
            }
        }
    };
}

/// The names that [`with_engine!`](crate::with_engine) matches.
pub use wss_model::EngineKind as Kind;

#[cfg(test)]
mod tests;
