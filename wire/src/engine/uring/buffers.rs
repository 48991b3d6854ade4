//! Receive buffers that the kernel chooses from: a ring of provided buffers (Linux 5.19), shared by all connections of
//! a thread, so that an idle connection has none.

use std::alloc::{self, Layout};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;

use super::connection::{Buffers, Piece};
use super::ring::Ring;

/// Bytes of one: a message of 16 KiB in its TLS records (RFC 8446, 5.2) with what stands around it is received at once.
pub(super) const LENGTH: usize = 16_896;
/// Distance of one to the next: an odd number of cache lines, so that the first lines of all buffers, which are all
/// that small messages use, do not fall into the same few sets of the cache.
const STRIDE: usize = LENGTH + 64;
/// How many there are: a power of two. One turn of the ring fills at most one a connection that has something to say.
const COUNT: u16 = 512;
/// The one group of buffers of a ring.
pub(super) const GROUP: u16 = 0;
/// The kernel wants whole pages.
const PAGE: usize = 4096;

const _: () = assert!(!(STRIDE / 64).is_multiple_of(2) && STRIDE.is_multiple_of(64) && COUNT.is_power_of_two());

/// Memory of one layout, zeroed; pages that nobody touches are none.
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    layout: Layout,
}

impl Memory {
    fn new(size: usize) -> Self {
        let layout = Layout::from_size_align(size.next_multiple_of(PAGE), PAGE).expect("a small constant");
        // SAFETY: the size is a constant above zero.
        let start = unsafe { alloc::alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { alloc::handle_alloc_error(layout) };
        Self { start, layout }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`, and the kernel has let go of it: see `BufferRing`.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// The buffers and the ring by which they are handed to the kernel.
///
/// Whoever drops it has seen to it that no receive is with the kernel, and that the ring is closed or
/// [`unregister`](Self::unregister) was called: else the kernel would write to freed memory.
#[derive(Debug)]
pub(super) struct BufferRing {
    entries: Memory,
    data: Memory,
    tail: u16,
    /// Filled and not given back.
    out: u16,
    low_water: u16,
}

impl BufferRing {
    /// Makes the buffers and gives all of them to the kernel.
    pub(super) fn register(ring: &Ring) -> io::Result<Self> {
        let entries = Memory::new(usize::from(COUNT) * size_of::<BufRingEntry>());
        let data = Memory::new(usize::from(COUNT) * STRIDE);
        let mut buffers = Self { entries, data, tail: 0, out: COUNT, low_water: COUNT };
        // SAFETY: `entries` has room for COUNT entries, on whole pages, and outlives the registration: see the type.
        unsafe { ring.register_buffers(buffers.entries.start.as_ptr(), COUNT, GROUP)? };
        for buffer in 0..COUNT {
            buffers.give_back(buffer);
        }
        Ok(buffers)
    }

    /// Takes the buffers away from the kernel.
    pub(super) fn unregister(&self, ring: &Ring) -> io::Result<()> {
        ring.unregister_buffers(GROUP)
    }

    /// How many there are.
    pub(super) const fn count() -> u64 {
        COUNT as u64
    }

    /// The fewest that the kernel had left.
    pub(super) fn low_water(&self) -> u64 {
        u64::from(self.low_water)
    }

    /// How many the kernel has filled and not got back.
    #[cfg(test)]
    pub(super) fn out(&self) -> u16 {
        self.out
    }

    /// A completion says that the kernel has filled one.
    pub(super) fn filled(&mut self) {
        self.out += 1;
        self.low_water = self.low_water.min(COUNT - self.out);
    }

    fn address(&self, buffer: u16) -> *mut u8 {
        assert!(buffer < COUNT, "the kernel names buffers that it was given");
        // SAFETY: below COUNT, so within `data`.
        unsafe { self.data.start.as_ptr().add(usize::from(buffer) * STRIDE) }
    }
}

impl Buffers for BufferRing {
    fn bytes(&self, piece: Piece) -> &[u8] {
        let (start, end) = (piece.start as usize, piece.end as usize);
        assert!(start <= end && end <= LENGTH, "the kernel fills at most a buffer");
        // SAFETY: within one buffer (checked), all of which was zeroed at the start. The kernel writes to a buffer only
        // while it has it: this one it has filled, and it gets it back by `give_back`, which needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.address(piece.buffer).add(start), end - start) }
    }

    fn give_back(&mut self, buffer: u16) {
        let place = usize::from(self.tail & (COUNT - 1));
        let address = self.address(buffer) as u64;
        let first = self.entries.start.as_ptr().cast::<BufRingEntry>();
        // SAFETY: `place` is below COUNT. The kernel reads entries from its head up to the tail, which is stored below,
        // and at most COUNT buffers exist: this place is not among those.
        let entry = unsafe { &mut *first.add(place) };
        entry.set_addr(address);
        entry.set_len(LENGTH as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.out -= 1;
        // SAFETY: the tail is the u16 in the first entry that the interface names, aligned as such, and read by the
        // kernel alone; entries before it are written by now (Release).
        unsafe {
            let tail = BufRingEntry::tail(first).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}
