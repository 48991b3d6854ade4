//! The header of a published message: [`Publication`], and the clock of its times: [`MonotonicClock`].
//!
//! A header is 64 bytes, numbers in network byte order:
//!
//! | bytes | content |
//! | --- | --- |
//! | 0..8 | `WSSBPUB1` |
//! | 8..32 | the clock: boot ID of the kernel, and number of the time namespace |
//! | 32..40 | number of the message on its connection, from 0 |
//! | 40..48 | instant for which it was planned, nanoseconds of CLOCK_MONOTONIC |
//! | 48..56 | instant at which it was sent, likewise |
//! | 56..64 | interval between two planned instants, nanoseconds |
//!
//! CLOCK_MONOTONIC is the same for all processes of a machine, unless they are in different time namespaces
//! (`time_namespaces(7)`), and means nothing on another one. So times are compared only if both ends name the same clock.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Bytes of the header.
pub const HEADER_SIZE: usize = 64;

const MAGIC: &[u8; 8] = b"WSSBPUB1";
/// Where the kernel says which boot this is (`proc_sys_kernel(5)`).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The time namespace of this process; absent from kernels without them.
const TIME_NAMESPACE: &str = "/proc/self/ns/time";
/// Readings of both clocks, of which the closest pair counts.
const READINGS: usize = 16;

/// The name of a clock: equal on both ends only if their times can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockName([u8; 24]);

/// What a publisher says of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The clock of the times.
    pub clock: ClockName,
    /// From 0, on its connection.
    pub number: u64,
    /// When it was due.
    pub planned_ns: u64,
    /// When it was sent.
    pub sent_ns: u64,
    /// Between two planned instants.
    pub interval_ns: u64,
}

impl Publication {
    /// The header.
    pub fn header(&self) -> [u8; HEADER_SIZE] {
        let mut header = [0; HEADER_SIZE];
        header[..8].copy_from_slice(MAGIC);
        header[8..32].copy_from_slice(&self.clock.0);
        for (at, number) in [(32, self.number), (40, self.planned_ns), (48, self.sent_ns), (56, self.interval_ns)] {
            header[at..at + 8].copy_from_slice(&number.to_be_bytes());
        }
        header
    }

    /// Reads the header of a message; `None` if it has none.
    pub fn read(message: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER_SIZE] = message.first_chunk()?;
        if &header[..8] != MAGIC {
            return None;
        }
        let number = |at: usize| header[at..].first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
        Some(Self {
            clock: ClockName(*header[8..].first_chunk()?),
            number: number(32)?,
            planned_ns: number(40)?,
            sent_ns: number(48)?,
            interval_ns: number(56)?,
        })
    }
}

/// CLOCK_MONOTONIC with its name. [`Instant`] is the same clock, but does not give its value away.
#[derive(Debug, Clone, Copy)]
pub struct MonotonicClock {
    name: ClockName,
    /// The same moment by both.
    anchor: Instant,
    anchor_ns: u64,
}

impl MonotonicClock {
    /// Reads the name of the clock, and its value.
    ///
    /// # Errors
    /// If /proc does not say which boot this is.
    pub fn new() -> io::Result<Self> {
        let mut name = [0; 24];
        let boot: Vec<u8> = fs::read(BOOT_ID)?.into_iter().filter(u8::is_ascii_hexdigit).collect();
        if boot.len() != 32 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{BOOT_ID} is not a UUID")));
        }
        for (byte, digits) in name.iter_mut().zip(boot.chunks(2)) {
            let digit = |at: usize| char::from(digits[at]).to_digit(16).unwrap_or(0) as u8;
            *byte = (digit(0) << 4) | digit(1);
        }
        let namespace = fs::metadata(TIME_NAMESPACE).map_or(0, |metadata| metadata.ino());
        name[16..].copy_from_slice(&namespace.to_be_bytes());
        let (anchor, anchor_ns) = anchor();
        Ok(Self { name: ClockName(name), anchor, anchor_ns })
    }

    /// The name of this clock.
    pub fn name(&self) -> ClockName {
        self.name
    }

    /// An instant in nanoseconds of this clock.
    pub fn nanoseconds(&self, instant: Instant) -> u64 {
        let distance = |from: Instant, to: Instant| {
            u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
        };
        match instant >= self.anchor {
            true => self.anchor_ns.saturating_add(distance(self.anchor, instant)),
            false => self.anchor_ns.saturating_sub(distance(instant, self.anchor)),
        }
    }

    /// The instant of a value of this clock; `None` if it is beyond what an instant can be.
    pub fn instant(&self, ns: u64) -> Option<Instant> {
        match ns.checked_sub(self.anchor_ns) {
            Some(later) => self.anchor.checked_add(Duration::from_nanos(later)),
            None => self.anchor.checked_sub(Duration::from_nanos(self.anchor_ns - ns)),
        }
    }
}

/// One moment by both clocks: the closest of some pairs of readings.
fn anchor() -> (Instant, u64) {
    let read = || {
        let before = Instant::now();
        let time = clock_gettime(ClockId::Monotonic);
        let between = before.elapsed();
        let ns = u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0);
        (between, before + between / 2, ns)
    };
    let mut closest = read();
    for _ in 1..READINGS {
        let next = read();
        if next.0 < closest.0 {
            closest = next;
        }
    }
    (closest.1, closest.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication() -> Publication {
        let clock = MonotonicClock::new().unwrap().name();
        Publication { clock, number: 7, planned_ns: 1 << 40, sent_ns: (1 << 40) + 3, interval_ns: u64::MAX }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let mut message = publication().header().to_vec();
        assert_eq!(Publication::read(&message), Some(publication()));
        message.extend([1, 2, 3]);
        assert_eq!(Publication::read(&message), Some(publication()));
        assert_eq!(Publication::read(&message[..HEADER_SIZE - 1]), None);
        message[0] ^= 1;
        assert_eq!(Publication::read(&message), None);
        assert_eq!(Publication::read(&[]), None);
    }

    #[test]
    fn two_clocks_of_one_machine_agree() {
        let (one, other) = (MonotonicClock::new().unwrap(), MonotonicClock::new().unwrap());
        assert_eq!(one.name(), other.name());
        let now = Instant::now();
        // Both anchors are precise to much less than this.
        assert!(one.nanoseconds(now).abs_diff(other.nanoseconds(now)) < 20_000);
        let earlier = now.checked_sub(Duration::from_millis(5)).unwrap();
        for instant in [now, earlier] {
            assert_eq!(one.instant(one.nanoseconds(instant)), Some(instant));
        }
        // Whatever a peer claims.
        let _ = (one.instant(0), one.instant(u64::MAX));
    }
}
