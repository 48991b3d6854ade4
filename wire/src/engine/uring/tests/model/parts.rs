//! What the model is made of: the data of both directions, buffers, memory of the kernel, and wakers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crate::engine::uring::buffers::{Buffers, LENGTH, Piece};

/// The number of buffers: few, so that they run out.
pub(super) const BUFFERS: u16 = 5;
/// Both directions carry data with this period.
const PERIOD: usize = 66_013;

/// The `length` bytes of a direction from a position on.
pub(super) fn bytes(from: usize, length: usize) -> &'static [u8] {
    static ALL: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let all = ALL.get_or_init(|| (0..PERIOD + 200_000).map(|at| (((at % PERIOD) * 40_503) >> 7) as u8).collect());
    &all[from % PERIOD..][..length]
}

/// Buffers with an owner.
pub(super) struct ModelBuffers {
    pub(super) data: Vec<Vec<u8>>,
    pub(super) with_kernel: HashSet<u16>,
}

impl ModelBuffers {
    /// All of them with the kernel.
    pub(super) fn new() -> Self {
        Self { data: vec![vec![0; LENGTH]; usize::from(BUFFERS)], with_kernel: (0..BUFFERS).collect() }
    }
}

impl Buffers for ModelBuffers {
    fn bytes(&self, piece: Piece) -> &[u8] {
        assert!(!self.with_kernel.contains(&piece.buffer), "read while the kernel may write to it");
        &self.data[usize::from(piece.buffer)][piece.start as usize..piece.end as usize]
    }

    fn give_back(&mut self, buffer: u16) {
        assert!(self.with_kernel.insert(buffer), "given back twice");
        self.data[usize::from(buffer)].fill(0xee);
    }
}

#[derive(Default)]
pub(super) struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A reader or writer, polled with a new waker every time.
#[derive(Default)]
pub(super) struct Waiter(Option<Arc<Flag>>);

impl Waiter {
    pub(super) fn waker(&mut self) -> Waker {
        let flag = Arc::<Flag>::default();
        self.0 = Some(Arc::clone(&flag));
        Waker::from(flag)
    }

    /// Whether the latest poll was pending and its waker was not called since.
    pub(super) fn waits(&self) -> bool {
        self.0.as_ref().is_some_and(|flag| !flag.0.load(Ordering::Relaxed))
    }
}

/// Memory that the kernel owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range(pub(super) *const u8, pub(super) usize);

impl Range {
    pub(super) fn of(data: &[u8]) -> Self {
        Self(data.as_ptr(), data.len())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sending {
    Inline(Range),
    Wait(Range),
}

/// Whether an operation in flight is cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cancelled(pub(super) bool);
