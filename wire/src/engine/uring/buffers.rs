//! Receive buffers that the kernel chooses from: a ring of provided buffers (Linux 5.19), shared by all connections of
//! a thread, so that an idle connection has none.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::ring::Ring;

/// Bytes per buffer: a message of 16 KiB fits in one, with its TLS records (RFC 8446, section 5.2) and frame headers.
pub(super) const LENGTH: usize = 16_896;
/// Distance between buffers: an odd number of cache lines, so that the first lines of all buffers, the only ones that
/// small messages use, do not compete for the same few cache sets.
const STRIDE: usize = LENGTH + 64;
/// Maximum number of buffers, a power of two. One ring iteration fills at most one per connection with data.
const COUNT: u16 = 512;
/// Buffers in use at first. Few, because the kernel uses them round-robin: 32 stay in the cache, 512 do not and cost
/// 2.5% more CPU per message of 16 KiB. A kernel with DEFER_TASKRUN fills about 20 per iteration. If they run out, their
/// number doubles.
const INITIAL: u16 = 32;
/// The only buffer group of a ring.
pub(super) const GROUP: u16 = 0;

const _: () = assert!(!(STRIDE / 64).is_multiple_of(2) && STRIDE.is_multiple_of(64) && COUNT.is_power_of_two());

/// Bytes in a buffer of the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) buffer: u16,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The buffers that receives fill.
pub(super) trait Buffers {
    fn bytes(&self, piece: Piece) -> &[u8];
    fn give_back(&mut self, buffer: u16);
}

/// Zeroed pages that become resident when first touched. (The allocator would write the zeros and so touch all pages.)
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    size: usize,
}

impl Memory {
    fn new(size: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new private mapping at an address that the kernel chooses; no existing memory is affected.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), size, access, MapFlags::PRIVATE)? };
        Ok(Self { start: NonNull::new(start.cast()).expect("page zero is never mapped"), size })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped with this size in `new`, and the kernel no longer uses it: see `BufferRing`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.size) };
    }
}

#[cfg(not(test))]
fn counts() -> (u16, u16) {
    (INITIAL, COUNT)
}

#[cfg(test)]
thread_local! {
    static COUNTS: std::cell::Cell<(u16, u16)> = const { std::cell::Cell::new((INITIAL, COUNT)) };
}

#[cfg(test)]
fn counts() -> (u16, u16) {
    COUNTS.get()
}

/// Sets the initial and the maximum number of buffers of the rings that this thread creates from now on: powers of two.
#[cfg(test)]
pub(super) fn set_counts(initial: u16, max: u16) {
    assert!(initial.is_power_of_two() && max.is_power_of_two() && initial <= max && max <= COUNT);
    COUNTS.set((initial, max));
}

/// The buffers and the ring through which the kernel gets them.
///
/// Before it is dropped, no receive may be in flight, and the ring must be closed or
/// [`unregister`](Self::unregister) must have been called: otherwise the kernel would write to unmapped memory.
#[derive(Debug)]
pub(super) struct BufferRing {
    entries: Memory,
    data: Memory,
    tail: u16,
    /// Buffers in use: available to the kernel, or filled and not given back.
    in_use: u16,
    /// Buffers that are filled and not given back.
    out: u16,
    max: u16,
    low_water: u16,
}

impl BufferRing {
    /// Allocates and registers the buffers, and gives the initial ones to the kernel.
    pub(super) fn register(ring: &Ring) -> io::Result<Self> {
        let entries = Memory::new(usize::from(COUNT) * size_of::<BufRingEntry>())?;
        let data = Memory::new(usize::from(COUNT) * STRIDE)?;
        let (initial, max) = counts();
        let mut buffers = Self { entries, data, tail: 0, in_use: 0, out: 0, max, low_water: initial };
        // SAFETY: `entries` is page-aligned, has room for COUNT entries, and outlives the registration: see the type.
        unsafe { ring.register_buffers(buffers.entries.start.as_ptr(), COUNT, GROUP)? };
        buffers.grow(initial);
        Ok(buffers)
    }

    /// Takes the buffers away from the kernel.
    pub(super) fn unregister(&self, ring: &Ring) -> io::Result<()> {
        ring.unregister_buffers(GROUP)
    }

    /// The number of buffers in use.
    pub(super) fn in_use(&self) -> u64 {
        u64::from(self.in_use)
    }

    /// A receive found no buffer. Doubles the buffers in use, unless the kernel has got some back since.
    pub(super) fn ran_out(&mut self) {
        self.low_water = 0;
        if self.out == self.in_use {
            self.grow(self.in_use);
        }
    }

    fn grow(&mut self, more: u16) {
        for buffer in self.in_use..self.max.min(self.in_use + more) {
            self.in_use += 1;
            self.out += 1;
            self.give_back(buffer);
        }
    }

    /// The minimum number of buffers that the kernel had left.
    pub(super) fn low_water(&self) -> u64 {
        u64::from(self.low_water)
    }

    /// The number of buffers that are filled and not given back.
    #[cfg(test)]
    pub(super) fn out(&self) -> u16 {
        self.out
    }

    /// A completion reports that the kernel has filled a buffer.
    pub(super) fn filled(&mut self) {
        self.out += 1;
        self.low_water = self.low_water.min(self.in_use - self.out);
    }

    fn address(&self, buffer: u16) -> *mut u8 {
        assert!(buffer < COUNT, "the kernel returned an unknown buffer");
        // SAFETY: `buffer` is below COUNT, so the result is within `data`.
        unsafe { self.data.start.as_ptr().add(usize::from(buffer) * STRIDE) }
    }
}

impl Buffers for BufferRing {
    fn bytes(&self, piece: Piece) -> &[u8] {
        let (start, end) = (piece.start as usize, piece.end as usize);
        assert!(start <= end && end <= LENGTH, "the kernel overfilled a buffer");
        // SAFETY: the range lies within one buffer (asserted), which is initialised: the mapping starts zeroed. The
        // kernel writes to a buffer only while it owns it. It has filled this one and gets it back through `give_back`,
        // which needs `&mut self`, so it does not write while the slice is borrowed.
        unsafe { std::slice::from_raw_parts(self.address(piece.buffer).add(start), end - start) }
    }

    fn give_back(&mut self, buffer: u16) {
        let index = usize::from(self.tail & (COUNT - 1));
        let address = self.address(buffer) as u64;
        let first = self.entries.start.as_ptr().cast::<BufRingEntry>();
        // SAFETY: `index` is below COUNT, so the entry is within `entries`. The kernel reads the entries between its head
        // and the tail published below. At most COUNT buffers exist, so this entry is not among them.
        let entry = unsafe { &mut *first.add(index) };
        entry.set_addr(address);
        entry.set_len(LENGTH as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.out -= 1;
        // SAFETY: the tail is an aligned u16 in the first entry (io_uring_buf_ring) that lives as long as `entries`. The
        // kernel only reads it, and the Release store publishes the entry written above.
        unsafe {
            let tail = BufRingEntry::tail(first).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

/// The buffers of a ring without multishot receives: none.
impl Buffers for Option<BufferRing> {
    fn bytes(&self, piece: Piece) -> &[u8] {
        self.as_ref().map_or(&[], |buffers| buffers.bytes(piece))
    }

    fn give_back(&mut self, buffer: u16) {
        if let Some(buffers) = self {
            buffers.give_back(buffer);
        }
    }
}
