//! Reusable buffers for sends and for received data that is copied out.

/// Buffers kept for reuse: enough for the tasks that run between two ring iterations (`executor::MAX_POLLS`). A burst,
/// such as a thousand peers that connect at once, needs more, but only once.
const MAX_KEPT: usize = 128;
/// Bytes kept for reuse, over all buffers.
const MAX_KEPT_BYTES: usize = 4 << 20;
/// Capacity of a new buffer: enough for a small message.
const INITIAL_CAPACITY: usize = 512;

/// Empty buffers.
#[derive(Debug, Default)]
pub(super) struct Pool {
    buffers: Vec<Vec<u8>>,
    kept_bytes: usize,
}

impl Pool {
    /// Takes an empty buffer: the one given back last, which is still in the CPU's cache.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let Some(buffer) = self.buffers.pop() else { return Vec::with_capacity(INITIAL_CAPACITY) };
        self.kept_bytes -= buffer.capacity();
        buffer
    }

    /// Gives a buffer back. The kernel must not use it any more.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity > 0 && self.buffers.len() < MAX_KEPT && self.kept_bytes + capacity <= MAX_KEPT_BYTES {
            buffer.clear();
            self.kept_bytes += capacity;
            self.buffers.push(buffer);
        }
    }
}
