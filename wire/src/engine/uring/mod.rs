//! The uring engine: io_uring on a ring of our own, without epoll.
//!
//! One ring a thread, one place to wait: a single `io_uring_enter` submits all that the tasks have asked for, and waits
//! until something completes or is due. The way of a message: a multishot receive fills a buffer of the ring
//! (`buffers`) → the completion wakes the task (`driver`, `executor`) → it reads and writes (`stream`, `connection`) →
//! the next entry sends (`driver`). Each submission says where it is made why what it points to stays; `form` finds out
//! what the kernel has.
//!
//! A paced message costs one entry, where epoll costs three calls: a send that goes out at once has no completion
//! (CQE_SKIP_SUCCESS), so the entry that submits it goes on waiting for the next message. A send that finds no room
//! says so (MSG_DONTWAIT), and is submitted again as one that waits.
//!
//! Many bytes go another way: they are sent by a call of their own from where they are (`stream`), since a copy for the
//! ring costs more than the call.
//!
//! Not here, since it was measured and did not gain (README, "What the engines cost"): incremental buffers, busy polling,
//! a wait that does not count as one for I/O, direct descriptors, and zero-copy sends, which cost a third more. Receive
//! bundles current kernels get wrong.
#![allow(unsafe_code)]

mod accept;
mod buffers;
mod connect;
mod driver;
mod errno;
mod executor;
mod features;
mod pool;
mod ring;
mod slab;
mod state;
mod stream;
#[cfg(test)]
mod tests;

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::time::Instant;

use tokio::task::JoinHandle;
use wss_model::EngineKind;
use wss_model::ring_counters::RingCounters;

pub(super) use self::accept::UringListener;
use self::connect::Connect;
pub(super) use self::features::{Features, refused};
pub(super) use self::stream::UringStream;
use super::{Engine, EngineError, timer};

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
        let setup = |source| EngineError::Setup { engine: Self::KIND, source };
        let running = Running::start(Features::best()?)?;
        let runtime = executor::runtime().map_err(setup)?;
        let output = executor::block_on(&runtime, async { main().await });
        // Its tasks go first, and with them the streams: what they leave behind is the driver's.
        drop(runtime);
        drop(running);
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

    /// Nothing to do: what is written in one go is one send here, and the shutdown says that the FIN follows.
    fn cork(_: &UringStream) {}

    fn io() -> Option<RingCounters> {
        driver::try_with(|driver| driver.totals())
    }
}

/// The driver of this thread from its start to its end, by whatever way that comes.
struct Running {
    /// Timer slack of the thread before, in nanoseconds.
    slack: Option<u64>,
}

impl Running {
    fn start(form: Features) -> Result<Self, EngineError> {
        driver::start(form).map_err(|error| refused(error.raw_os_error().unwrap_or(0)))?;
        executor::set_bell(Some(&driver::bell()));
        timer::on_own_wait();
        // The wait of the ring is late by as much as the thread may be: 50 µs by default.
        let slack = rustix::thread::current_timer_slack().ok();
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        Ok(Self { slack })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        driver::stop();
        executor::set_bell(None);
        timer::clear();
        if let Some(slack) = self.slack {
            let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(slack));
        }
    }
}
