//! Wakes a thread that waits in its ring, from other threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;

/// Unparks a thread that is parked in its ring, by writing an eventfd that the ring reads.
///
/// The parking thread stores `parked` and then loads `notified`; the waker stores `notified` and then loads `parked`
/// (Dekker's pattern). With sequentially consistent operations at least one of them observes the other's store, so that
/// no wake-up is lost.
#[derive(Debug)]
pub(super) struct Unparker {
    eventfd: OwnedFd,
    /// The thread waits in its ring, or is about to.
    parked: AtomicBool,
    /// `unpark` was called since the thread last looked.
    notified: AtomicBool,
}

impl Unparker {
    pub(super) fn new() -> io::Result<Arc<Self>> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC)?;
        Ok(Arc::new(Self { eventfd, parked: AtomicBool::new(false), notified: AtomicBool::new(false) }))
    }

    /// The eventfd, for the ring to read.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.eventfd
    }

    /// Called by the ring's thread before it waits. Returns false if `unpark` was called: then it must not wait.
    pub(super) fn begin_park(&self) -> bool {
        self.parked.store(true, Ordering::SeqCst);
        let notified = self.notified.swap(false, Ordering::SeqCst);
        if notified {
            self.parked.store(false, Ordering::SeqCst);
        }
        !notified
    }

    /// Called by the ring's thread after it has waited.
    pub(super) fn end_park(&self) {
        self.parked.store(false, Ordering::SeqCst);
        // A swap, not a store: it acquires everything that happened before the latest `unpark`.
        self.notified.swap(false, Ordering::SeqCst);
    }

    /// Makes the thread return from its wait, or skip the next one.
    pub(super) fn unpark(&self) {
        self.notified.store(true, Ordering::SeqCst);
        if self.parked.swap(false, Ordering::SeqCst) {
            // Fails only if the eventfd's counter is at its maximum, and then it is readable anyway.
            let _ = rustix::io::write(&self.eventfd, &1u64.to_ne_bytes());
        }
    }
}
