//! Buffers that are used again, by sends and for what is received and not read at once.

use super::executor::POLLS;

/// Buffers kept for later: what all that can run between two turns of the ring may want at a time. (A thousand peers that
/// come at once want one each, and once only.)
const KEPT_MOST: usize = POLLS as usize;
/// Bytes kept for later, all buffers together.
const KEPT_BYTES_MOST: usize = 4 << 20;
/// Bytes of a new buffer: what a small message takes.
const CAPACITY_FIRST: usize = 512;

/// Empty buffers.
#[derive(Debug, Default)]
pub(super) struct Pool {
    buffers: Vec<Vec<u8>>,
    kept: usize,
}

impl Pool {
    /// An empty buffer, the one that was given last: the processor still knows it.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let Some(buffer) = self.buffers.pop() else { return Vec::with_capacity(CAPACITY_FIRST) };
        self.kept -= buffer.capacity();
        buffer
    }

    /// Takes a buffer back. The kernel must be done with it.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if capacity > 0 && self.buffers.len() < KEPT_MOST && self.kept + capacity <= KEPT_BYTES_MOST {
            buffer.clear();
            self.kept += capacity;
            self.buffers.push(buffer);
        }
    }
}
