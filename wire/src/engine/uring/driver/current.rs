//! The driver of this thread: made, turned, borrowed and ended.

use std::cell::RefCell;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Driver;
use super::shutdown::LINGER;
use crate::engine::uring::executor::Unparker;
use crate::engine::uring::features::Features;

/// How long the kernel may take to let go of what is cancelled.
const CANCEL: Duration = Duration::from_secs(1);

thread_local! {
    static DRIVER: RefCell<Option<Driver>> = const { RefCell::new(None) };
}

/// Makes the driver of this thread.
pub(in super::super) fn start(form: Features) -> io::Result<()> {
    let driver = Driver::new(form)?;
    DRIVER.with_borrow_mut(|place| {
        assert!(place.is_none(), "one engine a thread at a time");
        *place = Some(driver);
    });
    Ok(())
}

/// Ends the driver of this thread: all streams are gone, or are taken to be; what they had to send is sent, within
/// [`LINGER`]; what the kernel still has is cancelled; and only when it has let go of everything the memory is freed.
pub(in super::super) fn stop() {
    if with(|driver| driver.broken) {
        // Nobody can ask the kernel what it still has.
        return keep(DRIVER.take());
    }
    // Dropped outside the driver.
    drop(with(|driver| {
        driver.stopping = true;
        driver.release_all()
    }));
    let end = Instant::now() + LINGER;
    while with(Driver::busy_sending) && Instant::now() < end {
        turn(true);
    }
    with(Driver::give_up_all);
    let end = Instant::now() + CANCEL;
    while with(|driver| driver.entries.len() > 0 || driver.bell_armed) && Instant::now() < end {
        turn(true);
    }
    let driver = DRIVER.take();
    match driver {
        Some(driver) if driver.entries.len() == 0 && !driver.bell_armed => {
            if let Some(buffers) = &driver.buffers.0 {
                // The ring is closed next, which does the same; this one is done when it returns.
                let _ = buffers.unregister(&driver.ring);
            }
        }
        driver => keep(driver),
    }
}

/// The kernel has not let go: rather lose the memory than have it written to later.
fn keep(driver: Option<Driver>) {
    eprintln!("note: the kernel has not let go of a ring of this process; its memory is kept until the process ends");
    mem::forget(driver);
}

/// Runs one ring iteration: see the module. When it was done.
pub(in super::super) fn turn(wait: bool) -> Instant {
    let (now, mut wakes) = with(|driver| (driver.turn(wait), mem::take(&mut driver.wakes)));
    for waker in wakes.drain(..) {
        waker.wake();
    }
    with(|driver| driver.wakes = wakes);
    now
}

/// Does something with the driver of this thread.
///
/// # Panics
/// Outside [`start`] and [`stop`], and within itself.
pub(in super::super) fn with<T>(work: impl FnOnce(&mut Driver) -> T) -> T {
    DRIVER.with_borrow_mut(|driver| work(driver.as_mut().expect("within Engine::run")))
}

/// [`with`], if there is a driver: for what may be dropped after it.
pub(in super::super) fn try_with<T>(work: impl FnOnce(&mut Driver) -> T) -> Option<T> {
    DRIVER.try_with(|driver| driver.borrow_mut().as_mut().map(work)).ok().flatten()
}

/// The bell of this thread.
pub(in super::super) fn bell() -> Arc<Unparker> {
    with(|driver| Arc::clone(&driver.bell))
}
