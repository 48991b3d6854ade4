//! Message headers of recvmsg() with room for control messages, and what the kernel's control messages say.

use std::ptr;

/// Bytes for control messages: the three times of SCM_TIMESTAMPING, and the description of an error with its address, take
/// 128.
const ROOM: usize = 256;
/// Flags of a recvmsg() that reads the error queue.
pub(in crate::engine) const ERROR_FLAGS: libc::c_int = libc::MSG_ERRQUEUE;

/// Bytes of struct cmsghdr and its alignment.
const HEADER: usize = size_of::<libc::cmsghdr>();
const ALIGNMENT: usize = align_of::<libc::cmsghdr>();

/// What the control messages of one recvmsg() say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::engine) struct Control {
    /// The software time, in nanoseconds of CLOCK_REALTIME.
    pub(in crate::engine) time: Option<i64>,
    /// On the error queue: the number of the last byte of the send call, modulo 2^32.
    pub(in crate::engine) last_byte: Option<u32>,
}

impl Control {
    /// Parses control messages (cmsg(3)), and ignores those that it does not know.
    pub(in crate::engine) fn parse(mut rest: &[u8]) -> Self {
        let mut parsed = Self::default();
        while rest.len() >= HEADER {
            let length = usize::from_ne_bytes(rest[..size_of::<usize>()].try_into().expect("checked above"));
            if length < HEADER || length > rest.len() {
                break;
            }
            let (level, kind) = (integer(rest, HEADER - 8), integer(rest, HEADER - 4));
            let data = &rest[HEADER..length];
            match (level, kind) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) if data.len() >= 16 => parsed.time = software_time(data),
                (libc::SOL_IP, libc::IP_RECVERR) | (libc::SOL_IPV6, libc::IPV6_RECVERR) if data.len() >= 16 => {
                    parsed.last_byte = last_byte(data);
                }
                _ => {}
            }
            rest = rest.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or_default();
        }
        parsed
    }
}

fn integer(bytes: &[u8], at: usize) -> i32 {
    i32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// The first time of struct scm_timestamping, if it is set.
fn software_time(data: &[u8]) -> Option<i64> {
    let field = |at: usize| i64::from_ne_bytes(data[at..at + 8].try_into().expect("eight bytes"));
    let ns = field(0).checked_mul(1_000_000_000)?.checked_add(field(8))?;
    (ns > 0).then_some(ns)
}

/// The key of struct sock_extended_err, if it describes the time of a send call.
fn last_byte(data: &[u8]) -> Option<u32> {
    let (number, origin, kind) = (integer(data, 0), data[4], integer(data, 8));
    // SCM_TSTAMP_SCHED of errqueue.h.
    const SCHED: i32 = 1;
    let is_time = number == libc::ENOMSG && origin == libc::SO_EE_ORIGIN_TIMESTAMPING && kind == SCHED;
    is_time.then(|| integer(data, 12).cast_unsigned())
}

/// The header of one recvmsg(), with its control buffer. It points into itself: after
/// [`prepare`](Self::prepare) it must not move until the kernel has completed the call.
pub(in crate::engine) struct MessageHeader {
    header: libc::msghdr,
    data: libc::iovec,
    /// Aligned as control messages are.
    control: [u64; ROOM / 8],
}

impl std::fmt::Debug for MessageHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageHeader").field("control", &self.parse()).finish()
    }
}

impl MessageHeader {
    /// A header that is not prepared, at its final place.
    pub(in crate::engine) fn new() -> Box<Self> {
        // SAFETY: msghdr consists of integers and pointers, for which zeros are valid.
        let header = unsafe { std::mem::zeroed() };
        let data = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        Box::new(Self { header, data, control: [0; ROOM / 8] })
    }

    /// Prepares a call that receives into `data`, and returns the header to pass to the kernel.
    pub(in crate::engine) fn prepare(&mut self, data: &mut [u8]) -> *mut libc::msghdr {
        self.data = libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() };
        self.header.msg_iov = &raw mut self.data;
        self.header.msg_iovlen = 1;
        self.header.msg_control = self.control.as_mut_ptr().cast();
        self.header.msg_controllen = ROOM as _;
        self.header.msg_flags = 0;
        &raw mut self.header
    }

    /// Where the header and the data are, to check that they do not move.
    #[cfg(test)]
    pub(in crate::engine) fn addresses(&self) -> [*const u8; 3] {
        [(&raw const self.header).cast(), self.data.iov_base.cast_const().cast(), self.control.as_ptr().cast()]
    }

    /// Completes the call as the kernel would, with these control messages.
    #[cfg(test)]
    pub(in crate::engine) fn complete(&mut self, messages: &[u8]) {
        for (word, bytes) in self.control.iter_mut().zip(messages.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
        }
        self.header.msg_controllen = messages.len() as _;
    }

    /// What the completed call received as control messages.
    #[allow(clippy::unnecessary_cast)] // the type of the length differs between C libraries
    pub(in crate::engine) fn parse(&self) -> Control {
        let length = (self.header.msg_controllen as usize).min(ROOM);
        if self.header.msg_control.is_null() {
            return Control::default();
        }
        // SAFETY: `control` has ROOM initialised bytes, of which these are a part, and u64 has no padding.
        let bytes = unsafe { std::slice::from_raw_parts(self.control.as_ptr().cast::<u8>(), length) };
        Control::parse(bytes)
    }
}

/// Control messages as the kernel writes them.
#[cfg(test)]
pub(in crate::engine) mod fake {
    /// One control message.
    pub(in crate::engine) fn message(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + data.len()).to_ne_bytes().to_vec();
        bytes.extend([level, kind].map(i32::to_ne_bytes).concat());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// A software time.
    pub(in crate::engine) fn time(ns: i64) -> Vec<u8> {
        let times = [ns / 1_000_000_000, ns % 1_000_000_000, 0, 0, 0, 0].map(i64::to_ne_bytes).concat();
        message(libc::SOL_SOCKET, libc::SCM_TIMESTAMPING, &times)
    }

    /// The description of an error of this origin.
    pub(in crate::engine) fn error(level: i32, kind: i32, origin: u8, last_byte: u32) -> Vec<u8> {
        let mut error = libc::ENOMSG.to_ne_bytes().to_vec();
        error.extend([origin, 0, 0, 0]);
        error.extend([1u32, last_byte].map(u32::to_ne_bytes).concat());
        error.extend([0; 12]);
        message(level, kind, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_error_queue_is_described_by_both_messages() {
        let origin = libc::SO_EE_ORIGIN_TIMESTAMPING;
        let error = fake::error(libc::SOL_IP, libc::IP_RECVERR, origin, 63);
        let bytes = [fake::time(5_000_000_007), error, fake::message(libc::SOL_SOCKET, 99, b"unknown")].concat();
        assert_eq!(Control::parse(&bytes), Control { time: Some(5_000_000_007), last_byte: Some(63) });
        // Cut short anywhere: ignored, never a panic.
        for length in 0..bytes.len() {
            Control::parse(&bytes[..length]);
        }
        let icmp = fake::error(libc::SOL_IPV6, libc::IPV6_RECVERR, 2, 63);
        assert_eq!(Control::parse(&icmp), Control::default(), "an error of the network is not a time");
    }
}
