//! Receive buffers that the kernel chooses from: a ring of provided buffers (Linux 5.19), shared by all connections of
//! a thread, so that an idle connection has none.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::ring::Ring;
use super::state::connection::{Buffers, Piece};

/// Bytes of one: a message of 16 KiB in its TLS records (RFC 8446, 5.2) with what stands around it is received at once.
pub(super) const LENGTH: usize = 16_896;
/// Distance of one to the next: an odd number of cache lines, so that the first lines of all buffers, which are all
/// that small messages use, do not fall into the same few sets of the cache.
const STRIDE: usize = LENGTH + 64;
/// How many there are at most: a power of two. One turn of the ring fills at most one a connection that has something to
/// say.
const COUNT: u16 = 512;
/// How many are in use at first. Few, since the kernel takes them in turn: 32 stay in the cache, 512 do not, and cost
/// 2.5% more CPU a message of 16 KiB. A kernel with DEFER_TASKRUN fills 20 or so a turn; with more to be received, more
/// are needed, and their number doubles whenever it did not suffice.
const FIRST: u16 = 32;
/// The one group of buffers of a ring.
pub(super) const GROUP: u16 = 0;

const _: () = assert!(!(STRIDE / 64).is_multiple_of(2) && STRIDE.is_multiple_of(64) && COUNT.is_power_of_two());

/// Whole pages of zeros, of which the kernel makes those that somebody touches. (The allocator would write the zeros, and
/// so touch all.)
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    size: usize,
}

impl Memory {
    fn new(size: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a mapping of its own, at an address that the kernel chooses.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), size, access, MapFlags::PRIVATE)? };
        Ok(Self { start: NonNull::new(start.cast()).expect("page zero is never mapped"), size })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped with this size in `new`, and the kernel has let go of it: see `BufferRing`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.size) };
    }
}

#[cfg(not(test))]
fn counts() -> (u16, u16) {
    (FIRST, COUNT)
}

#[cfg(test)]
thread_local! {
    static COUNTS: std::cell::Cell<(u16, u16)> = const { std::cell::Cell::new((FIRST, COUNT)) };
}

#[cfg(test)]
fn counts() -> (u16, u16) {
    COUNTS.get()
}

/// How many buffers the rings of this thread have at first and at most, from now on: powers of two.
#[cfg(test)]
pub(super) fn set_counts(first: u16, most: u16) {
    assert!(first.is_power_of_two() && most.is_power_of_two() && first <= most && most <= COUNT);
    COUNTS.set((first, most));
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
    /// In use: with the kernel, or filled and not given back.
    used: u16,
    /// Those of them that are filled and not given back.
    out: u16,
    most: u16,
    low_water: u16,
}

impl BufferRing {
    /// Makes the buffers and gives the first of them to the kernel.
    pub(super) fn register(ring: &Ring) -> io::Result<Self> {
        let entries = Memory::new(usize::from(COUNT) * size_of::<BufRingEntry>())?;
        let data = Memory::new(usize::from(COUNT) * STRIDE)?;
        let (first, most) = counts();
        let mut buffers = Self { entries, data, tail: 0, used: 0, out: 0, most, low_water: first };
        // SAFETY: `entries` has room for COUNT entries, on whole pages, and outlives the registration: see the type.
        unsafe { ring.register_buffers(buffers.entries.start.as_ptr(), COUNT, GROUP)? };
        buffers.use_more(first);
        Ok(buffers)
    }

    /// Takes the buffers away from the kernel.
    pub(super) fn unregister(&self, ring: &Ring) -> io::Result<()> {
        ring.unregister_buffers(GROUP)
    }

    /// How many are in use.
    pub(super) fn used(&self) -> u64 {
        u64::from(self.used)
    }

    /// A receive found none. If the kernel still has none, twice as many are used from now on.
    pub(super) fn ran_out(&mut self) {
        self.low_water = 0;
        if self.out == self.used {
            self.use_more(self.used);
        }
    }

    fn use_more(&mut self, more: u16) {
        for buffer in self.used..self.most.min(self.used + more) {
            self.used += 1;
            self.out += 1;
            self.give_back(buffer);
        }
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
        self.low_water = self.low_water.min(self.used - self.out);
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
