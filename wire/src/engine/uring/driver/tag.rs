//! The kind of an operation, in the upper four bits of its `user_data` (`Key::with_tag`).

pub(crate) const RECEIVE: u8 = 0;
pub(crate) const SEND_INLINE: u8 = 1;
pub(crate) const SEND: u8 = 2;
pub(crate) const ACCEPT: u8 = 3;
pub(crate) const CONNECT: u8 = 4;
/// A cancellation. Its completion is ignored: the cancelled operation has one of its own.
pub(crate) const CANCEL: u8 = 5;
/// The read of the unparker's eventfd.
pub(crate) const UNPARK: u8 = 6;
/// The tick that has far deadlines checked again.
pub(crate) const TICK: u8 = 7;

/// A read of the error queue.
pub(crate) const ERROR: u8 = 8;

/// `user_data` of the operations that belong to no entry.
pub(super) const CANCEL_BITS: u64 = (CANCEL as u64) << 60;
pub(super) const UNPARK_BITS: u64 = (UNPARK as u64) << 60;
pub(super) const TICK_BITS: u64 = (TICK as u64) << 60;
