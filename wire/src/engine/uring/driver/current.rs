//! The driver of this thread: start, iterations, access, stop.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::shutdown::LINGER;
use super::{Driver, Iteration};
use crate::engine::uring::features::Features;
use crate::engine::uring::wakeup::Unparker;

/// How long the kernel may take to complete what is cancelled.
const CANCEL: Duration = Duration::from_secs(1);

thread_local! {
    static DRIVER: RefCell<Option<Driver>> = const { RefCell::new(None) };
}

/// Starts the driver of this thread.
///
/// # Errors
/// If the ring, its buffers or the eventfd cannot be created.
pub(crate) fn start(features: Features) -> io::Result<()> {
    let driver = Driver::new(features)?;
    DRIVER.with_borrow_mut(|current| {
        assert!(current.is_none(), "only one engine per thread at a time");
        *current = Some(driver);
    });
    Ok(())
}

/// Stops the driver of this thread: detaches all entries; sends what was written, for at most [`LINGER`]; cancels the
/// rest; and frees the memory only if the kernel has completed everything.
pub(crate) fn stop() {
    if with(|driver| driver.broken) {
        // What the kernel still owns is unknown.
        return leak(DRIVER.take());
    }
    // The wakers are dropped while the driver is not borrowed.
    drop(with(|driver| {
        driver.shutting_down = true;
        driver.detach_all()
    }));
    let end = Instant::now() + LINGER;
    while with(Driver::is_lingering) && Instant::now() < end {
        run_iteration(Iteration::Wait);
    }
    with(Driver::discard_all_unsent);
    let end = Instant::now() + CANCEL;
    while with(|driver| driver.entries.len() > 0 || driver.unpark_armed) && Instant::now() < end {
        run_iteration(Iteration::Wait);
    }
    let driver = DRIVER.take();
    match driver {
        Some(driver) if driver.entries.len() == 0 && !driver.unpark_armed => {
            if let Some(buffers) = &driver.buffers {
                // Closing the ring unregisters them too, but possibly after close() has returned.
                let _ = buffers.unregister(&driver.ring);
            }
        }
        driver => leak(driver),
    }
}

/// Leaks the driver: the kernel may still write to its memory.
fn leak(driver: Option<Driver>) {
    eprintln!("warning: the kernel did not complete all io_uring operations; their memory stays allocated until exit");
    mem::forget(driver);
}

/// Runs one ring iteration and calls the collected wakers. Returns when the iteration ended.
pub(crate) fn run_iteration(iteration: Iteration) -> Instant {
    let (now, mut wakes) = with(|driver| (driver.iterate(iteration), mem::take(&mut driver.wakes)));
    for waker in wakes.drain(..) {
        waker.wake();
    }
    with(|driver| driver.wakes = wakes);
    now
}

/// Calls `work` with the driver of this thread.
///
/// # Panics
/// Outside [`start`] and [`stop`], and if nested.
pub(crate) fn with<T>(work: impl FnOnce(&mut Driver) -> T) -> T {
    DRIVER.with_borrow_mut(|driver| work(driver.as_mut().expect("called within Engine::run")))
}

/// Like [`with`], if there is a driver: for handles that may be dropped after it.
pub(crate) fn try_with<T>(work: impl FnOnce(&mut Driver) -> T) -> Option<T> {
    DRIVER.try_with(|driver| driver.borrow_mut().as_mut().map(work)).ok().flatten()
}

/// The unparker of this thread.
pub(crate) fn unparker() -> Arc<Unparker> {
    with(|driver| Arc::clone(&driver.unparker))
}
