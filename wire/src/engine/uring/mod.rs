//! The uring engine: io_uring on a ring of our own, without epoll.
//!
//! One ring per thread, one place to wait: a single `io_uring_enter` submits everything that the tasks requested, and waits
//! until an operation completes or a deadline passes. The path of a message: a multishot receive fills a buffer of the
//! ring (`buffers`) → the completion wakes the task (`driver`, `executor`) → the task reads and writes (`stream`,
//! `state/connection`) → the next `io_uring_enter` sends (`driver`). Wherever an operation is submitted, a SAFETY comment
//! says why its memory stays valid. `probe` finds out what the kernel supports (`features`).
//!
//! A paced message costs one system call, where epoll needs three: a send that goes out at once has no completion
//! (CQE_SKIP_SUCCESS), so the `io_uring_enter` that submits it goes on to wait for the next message. A send without room
//! fails (MSG_DONTWAIT) and is resubmitted as one that waits.
//!
//! Large writes are sent by a direct system call (`stream`): copying them for the ring costs more than the call.
//!
//! Measured and left out, because they gained nothing (docs/results/engines.md): incremental buffers, busy polling, a
//! wait that does not count as I/O wait, direct descriptors, and zero-copy sends (a third more expensive). Receive bundles
//! are left out because current kernels lose data with them.
//!
//! Layers, each using only those before it: `errno`, `slab`, `pool`, `wakeup`; `features`; `ring`; `buffers`; `state`;
//! `probe`; `driver`; `executor`, `stream`; `accept`, `connect`; this file.
#![allow(unsafe_code)]

mod accept;
mod buffers;
mod connect;
mod driver;
mod errno;
mod executor;
mod features;
mod pool;
mod probe;
mod ring;
mod slab;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod wakeup;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::time::Instant;

use tokio::task::JoinHandle;
use wss_model::EngineKind;
use wss_model::ring_counters::RingCounters;

pub(super) use self::accept::UringListener;
use self::connect::Connect;
pub(crate) use self::executor::count_yield;
use self::features::Features;
pub(super) use self::probe::{best_features, kernel_features, refused};
pub(super) use self::stream::UringStream;
use super::{Engine, EngineError, KernelTimes, timer};

/// io_uring, on a ring of our own.
#[derive(Debug)]
pub struct Uring;

impl Engine for Uring {
    const KIND: EngineKind = EngineKind::Uring;
    type Stream = UringStream;
    type Listener = UringListener;

    fn run<M, F>(main: M) -> Result<F::Output, EngineError>
    where
        M: FnOnce() -> F,
        F: Future,
    {
        let setup = |cause| EngineError::Setup { engine: Self::KIND, cause };
        let driver = DriverGuard::start(best_features()?)?;
        let runtime = executor::runtime().map_err(setup)?;
        let output = executor::block_on(&runtime, async { main().await });
        // The tasks first, and their streams with them: the driver finishes what they leave behind.
        drop(runtime);
        drop(driver);
        Ok(output)
    }

    fn listen(socket: std::net::TcpListener) -> io::Result<UringListener> {
        Ok(UringListener::new(socket))
    }

    async fn accept(listener: &mut UringListener) -> io::Result<UringStream> {
        // TCP_NODELAY is inherited from the listener.
        poll_fn(|cx| listener.poll_accept(cx)).await
    }

    async fn connect(address: SocketAddr) -> io::Result<UringStream> {
        Connect::new(address)?.await
    }

    fn spawn<F>(task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        executor::spawn(task)
    }

    fn now() -> Instant {
        executor::now()
    }

    /// Not needed: everything written between two iterations is one send, and the shutdown announces the FIN (MSG_MORE).
    fn cork(_: &UringStream) {}

    const HAS_KERNEL_TIMES: bool = true;

    fn observe_kernel_times(stream: &mut UringStream) -> io::Result<Rc<KernelTimes>> {
        stream.observe_kernel_times()
    }

    fn ring_counters() -> Option<RingCounters> {
        driver::try_with(|driver| driver.counters())
    }
}

/// Stops the driver of this thread when dropped, also during a panic.
struct DriverGuard {
    /// The thread's previous timer slack, in nanoseconds.
    slack: Option<u64>,
}

impl DriverGuard {
    fn start(features: Features) -> Result<Self, EngineError> {
        driver::start(features).map_err(|error| refused(error.raw_os_error().unwrap_or(0)))?;
        executor::set_unparker(Some(&driver::unparker()));
        timer::use_engine_wait();
        // The ring's wait may be late by the thread's timer slack: 50 µs by default.
        let slack = rustix::thread::current_timer_slack().ok();
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        Ok(Self { slack })
    }
}

impl Drop for DriverGuard {
    fn drop(&mut self) {
        driver::stop();
        executor::set_unparker(None);
        timer::clear();
        if let Some(slack) = self.slack {
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(slack));
        }
    }
}
