//! The ring itself: made in the best form that the kernel has, filled, entered, emptied.

use std::io;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};

use super::errno::{EAGAIN, EBUSY, EINTR, ETIME};
use super::features::Features;

/// Submissions between two entries; when they are full the ring is entered once more.
const SUBMISSIONS: u32 = 1024;
/// Entries in a row of which the kernel takes nothing, with the queue full: it has no memory, and will have none.
const FULL_MOST: u32 = 10_000;
/// Completions that fit before the kernel has to keep some back.
const COMPLETIONS: u32 = 16_384;

/// IORING_ENTER_GETEVENTS and IORING_ENTER_EXT_ARG of io_uring.h.
const ENTER_GETEVENTS: u32 = 1 << 0;
const ENTER_EXT_ARG: u32 = 1 << 3;

#[cfg(not(test))]
fn sizes() -> (u32, u32) {
    (SUBMISSIONS, COMPLETIONS)
}

#[cfg(test)]
thread_local! {
    static SIZES: std::cell::Cell<(u32, u32)> = const { std::cell::Cell::new((SUBMISSIONS, COMPLETIONS)) };
}

#[cfg(test)]
fn sizes() -> (u32, u32) {
    SIZES.get()
}

/// How much the rings of this thread have room for, from now on.
#[cfg(test)]
pub(super) fn set_sizes(submissions: u32, completions: u32) {
    SIZES.set((submissions, completions));
}

/// Until when an entry may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Not at all.
    No,
    /// Until something completes, or this much time has passed.
    AtMost(Duration),
    /// Until something completes.
    Long,
}

/// A ring of one thread.
pub(super) struct Ring {
    ring: IoUring,
    pub(super) enters: u64,
    pub(super) submissions: u64,
}

impl Ring {
    /// Makes a ring. The thread that makes it is the only one that may use it.
    pub(super) fn new(form: Features) -> io::Result<Self> {
        let (submissions, completions) = sizes();
        Self::with_sizes(form, submissions, completions)
    }

    /// [`new`](Self::new), with room for so many.
    pub(super) fn with_sizes(form: Features, submissions: u32, completions: u32) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(completions).dontfork();
        if form.single_issuer {
            builder.setup_single_issuer();
        }
        if form.defer_taskrun {
            builder.setup_defer_taskrun();
        } else {
            builder.setup_coop_taskrun();
        }
        Ok(Self { ring: builder.build(submissions)?, enters: 0, submissions: 0 })
    }

    /// Queues an operation.
    ///
    /// # Safety
    /// All that `entry` points to stays where it is, and is touched by nobody else, until the operation has completed.
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        self.submissions += 1;
        for _ in 0..FULL_MOST {
            // SAFETY: what the caller promises.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            // The queue is full: let the kernel take what is in it.
            self.enter(Wait::No)?;
        }
        Err(io::Error::from_raw_os_error(EBUSY))
    }

    /// Submits all that is queued, lets the kernel do what it has put off, and waits for a completion.
    ///
    /// # Errors
    /// Those that mean that the ring is of no use any more: that nothing came, a signal did, or the kernel asks to take
    /// completions away first are no errors.
    pub(super) fn enter(&mut self, wait: Wait) -> io::Result<()> {
        self.enters += 1;
        let queued = u32::try_from(self.ring.submission().len()).expect("at most SUBMISSIONS");
        let (timeout, want);
        let mut args = SubmitArgs::new();
        match wait {
            Wait::No => want = 0,
            Wait::Long => want = 1,
            Wait::AtMost(time) => {
                want = 1;
                timeout = Timespec::new().sec(time.as_secs()).nsec(time.subsec_nanos());
                args = args.timespec(&timeout);
            }
        }
        // SAFETY: `args` and the time it points to live until the call is over, the flags say what it is, and in memory
        // it is the kernel's io_uring_getevents_arg alone (SubmitArgs is transparent).
        let entered =
            unsafe { self.ring.submitter().enter(queued, want, ENTER_GETEVENTS | ENTER_EXT_ARG, Some(&args)) };
        match entered {
            Err(error) if !matches!(error.raw_os_error(), Some(ETIME | EINTR | EBUSY | EAGAIN)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether the kernel has taken all that was queued.
    pub(super) fn all_submitted(&mut self) -> bool {
        self.ring.submission().is_empty()
    }

    /// Whether the completion queue was full, so that the kernel keeps completions back: they come at the next entry.
    pub(super) fn overflowed(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    /// Takes all completions; false if the kernel has ever lost one.
    #[must_use]
    pub(super) fn reap(&mut self, completions: &mut Vec<cqueue::Entry>) -> bool {
        let mut queue = self.ring.completion();
        completions.extend(&mut queue);
        queue.overflow() == 0
    }

    /// Hands the kernel a ring of buffers.
    ///
    /// # Safety
    /// At `entries` there is room for `count` entries, on whole pages, until they are unregistered.
    pub(super) unsafe fn register_buffers(&self, entries: *mut u8, count: u16, group: u16) -> io::Result<()> {
        // SAFETY: what the caller promises.
        unsafe { self.ring.submitter().register_buf_ring_with_flags(entries as u64, count, group, 0) }
    }

    pub(super) fn unregister_buffers(&self, group: u16) -> io::Result<()> {
        self.ring.submitter().unregister_buf_ring(group)
    }

    /// What the kernel says of itself when a ring is made.
    pub(super) fn parameters(&self) -> &io_uring::Parameters {
        self.ring.params()
    }
}
