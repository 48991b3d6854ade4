//! The ring itself: setup, submission queue, `io_uring_enter`, completion queue.

use std::io;
use std::time::Duration;

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, squeue};
use wss_model::config::IdlePolicy;

use super::errno::{EAGAIN, EBUSY, EINTR, ETIME};
use super::features::Features;
use crate::engine::idle;

/// Capacity of the submission queue; when it is full the queued operations are submitted early.
const SUBMISSIONS: u32 = 1024;
/// Consecutive attempts to submit a full queue of which the kernel takes nothing, before the ring gives up: the kernel
/// is out of memory.
const MAX_ATTEMPTS: u32 = 10_000;
/// Capacity of the completion queue; beyond it the kernel keeps completions back.
const COMPLETIONS: u32 = 16_384;

/// IORING_ENTER_GETEVENTS and IORING_ENTER_EXT_ARG of io_uring.h.
const ENTER_GETEVENTS: u32 = 1 << 0;
const ENTER_EXT_ARG: u32 = 1 << 3;

/// Flags of a send that waits for room: MSG_WAITALL and MSG_NOSIGNAL of socket.h.
pub(super) const SEND_FLAGS: i32 = 0x100 | 0x4000;
/// Flags of a send that completes inline, with EAGAIN or a partial count if there is no room.
pub(super) const INLINE_SEND_FLAGS: i32 = MSG_DONTWAIT | SEND_FLAGS;
/// MSG_DONTWAIT of socket.h.
const MSG_DONTWAIT: i32 = 0x40;

/// The size of a submission, and the offset of `optlen` in it (struct io_uring_sqe of io_uring.h).
const SUBMISSION_SIZE: usize = 64;
const OPTLEN_OFFSET: usize = 44;
const _: () = assert!(size_of::<squeue::Entry>() == SUBMISSION_SIZE);

/// Makes a multishot receive end once it has received this many bytes in total (Linux 6.17); its last buffer is not cut. The
/// crate io-uring 0.7.15 has no setter for it.
pub(super) fn capped(receive: squeue::Entry, bytes: u32) -> squeue::Entry {
    // SAFETY: an entry is a plain C struct of this size without padding, and every value of its bytes is valid.
    let mut entry: [u8; SUBMISSION_SIZE] = unsafe { std::mem::transmute(receive) };
    entry[OPTLEN_OFFSET..][..size_of::<u32>()].copy_from_slice(&bytes.to_ne_bytes());
    // SAFETY: as above. Which operation it is, and the memory that it points to, are unchanged.
    unsafe { std::mem::transmute(entry) }
}

#[cfg(not(test))]
fn capacity() -> (u32, u32) {
    (SUBMISSIONS, COMPLETIONS)
}

#[cfg(test)]
thread_local! {
    static CAPACITY: std::cell::Cell<(u32, u32)> = const { std::cell::Cell::new((SUBMISSIONS, COMPLETIONS)) };
}

#[cfg(test)]
fn capacity() -> (u32, u32) {
    CAPACITY.get()
}

/// Sets the capacity of the rings that this thread creates from now on.
#[cfg(test)]
pub(super) fn set_capacity(submissions: u32, completions: u32) {
    CAPACITY.set((submissions, completions));
}

/// How long `io_uring_enter` may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Not at all.
    No,
    /// Until an operation completes or the time has passed.
    AtMost(Duration),
    /// Until an operation completes.
    Indefinitely,
}

/// A ring of one thread.
pub(super) struct Ring {
    ring: IoUring,
    pub(super) enters: u64,
    pub(super) submissions: u64,
}

impl Ring {
    /// Creates a ring. Only the thread that creates it may use it.
    pub(super) fn new(features: Features) -> io::Result<Self> {
        let (submissions, completions) = capacity();
        Self::with_capacity(features, submissions, completions)
    }

    /// [`new`](Self::new) with the capacities of both queues.
    pub(super) fn with_capacity(features: Features, submissions: u32, completions: u32) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(completions).dontfork();
        if features.single_issuer {
            builder.setup_single_issuer();
        }
        if features.defer_taskrun {
            builder.setup_defer_taskrun();
        } else {
            builder.setup_coop_taskrun();
        }
        if idle::policy() == IdlePolicy::Spin {
            // For `has_work`.
            builder.setup_taskrun_flag();
        }
        Ok(Self { ring: builder.build(submissions)?, enters: 0, submissions: 0 })
    }

    /// Queues an operation.
    ///
    /// # Safety
    /// All memory that `entry` points to stays valid and is accessed by nothing else until the operation has completed.
    pub(super) unsafe fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        self.submissions += 1;
        for _ in 0..MAX_ATTEMPTS {
            // SAFETY: guaranteed by the caller.
            if unsafe { self.ring.submission().push(entry) }.is_ok() {
                return Ok(());
            }
            // The queue is full: submit it.
            self.submit_and_wait(Wait::No)?;
        }
        Err(io::Error::from_raw_os_error(EBUSY))
    }

    /// Submits the queued operations, lets the kernel run deferred work, and waits for a completion.
    ///
    /// # Errors
    /// Those that make the ring unusable. A timeout, a signal, and a full completion queue are not errors.
    pub(super) fn submit_and_wait(&mut self, wait: Wait) -> io::Result<()> {
        self.enters += 1;
        let queued = u32::try_from(self.ring.submission().len()).expect("at most SUBMISSIONS");
        let (timeout, want);
        let mut args = SubmitArgs::new();
        match wait {
            Wait::No => want = 0,
            Wait::Indefinitely => want = 1,
            Wait::AtMost(time) => {
                want = 1;
                timeout = Timespec::new().sec(time.as_secs()).nsec(time.subsec_nanos());
                args = args.timespec(&timeout);
            }
        }
        // SAFETY: `args` and the timespec that it points to outlive the call. ENTER_EXT_ARG announces an
        // io_uring_getevents_arg, which is what `SubmitArgs` is in memory (it is `repr(transparent)`).
        let entered =
            unsafe { self.ring.submitter().enter(queued, want, ENTER_GETEVENTS | ENTER_EXT_ARG, Some(&args)) };
        match entered {
            Err(error) if !matches!(error.raw_os_error(), Some(ETIME | EINTR | EBUSY | EAGAIN)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Operations that are not submitted yet.
    pub(super) fn queued(&mut self) -> usize {
        self.ring.submission().len()
    }

    /// Whether the kernel has work that makes completions in the next `io_uring_enter`. Only for a thread that spins.
    pub(super) fn has_work(&mut self) -> bool {
        let submission = self.ring.submission();
        submission.taskrun() || submission.cq_overflow()
    }

    /// Whether there are completions to reap.
    pub(super) fn has_completions(&mut self) -> bool {
        !self.ring.completion().is_empty()
    }

    /// Whether the kernel has taken everything that was queued.
    pub(super) fn all_submitted(&mut self) -> bool {
        self.ring.submission().is_empty()
    }

    /// Whether the completion queue overflowed: the kernel delivers the rest at the next `io_uring_enter`.
    pub(super) fn overflowed(&mut self) -> bool {
        self.ring.submission().cq_overflow()
    }

    /// Moves all completions to `completions`. Returns false if the kernel has ever lost one.
    #[must_use]
    pub(super) fn reap(&mut self, completions: &mut Vec<cqueue::Entry>) -> bool {
        let mut queue = self.ring.completion();
        completions.extend(&mut queue);
        queue.overflow() == 0
    }

    /// Registers a ring of provided buffers.
    ///
    /// # Safety
    /// `entries` points to page-aligned memory for `count` entries that stays valid until it is unregistered.
    pub(super) unsafe fn register_buffers(&self, entries: *mut u8, count: u16, group: u16) -> io::Result<()> {
        // SAFETY: guaranteed by the caller.
        unsafe { self.ring.submitter().register_buf_ring_with_flags(entries as u64, count, group, 0) }
    }

    pub(super) fn unregister_buffers(&self, group: u16) -> io::Result<()> {
        self.ring.submitter().unregister_buf_ring(group)
    }

    /// What the kernel reported at setup.
    pub(super) fn parameters(&self) -> &io_uring::Parameters {
        self.ring.params()
    }
}
