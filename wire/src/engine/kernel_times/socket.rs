//! The system calls of kernel times.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Duration;

use super::{ERROR_FLAGS, KernelTimes, MessageHeader};

/// The time at which a send call passes to the packet scheduler, numbered and without its data; the software time of what
/// is received.
const FLAGS: libc::c_uint = libc::SOF_TIMESTAMPING_SOFTWARE
    | libc::SOF_TIMESTAMPING_RX_SOFTWARE
    | libc::SOF_TIMESTAMPING_TX_SCHED
    | libc::SOF_TIMESTAMPING_OPT_ID
    | libc::SOF_TIMESTAMPING_OPT_TSONLY;

/// Has the kernel record times.
pub(super) fn enable(socket: BorrowedFd<'_>) -> io::Result<()> {
    // On 32-bit systems the times have another form.
    if cfg!(not(target_pointer_width = "64")) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    set(socket, FLAGS)
}

/// Has it record only what is received.
pub(super) fn enable_receive(socket: BorrowedFd<'_>) -> io::Result<()> {
    set(socket, libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE)
}

fn set(socket: BorrowedFd<'_>, flags: libc::c_uint) -> io::Result<()> {
    let (value, length) = ((&raw const flags).cast(), size_of_val(&flags) as libc::socklen_t);
    // SAFETY: the value is an integer of the length given.
    check(unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPING, value, length) as isize
    })?;
    Ok(())
}

/// The smoothed round-trip time of the connection, that of the SYN if nothing was sent since. `None` if there is none.
pub(super) fn round_trip_time(socket: BorrowedFd<'_>) -> io::Result<Option<Duration>> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of `info`.
    check(unsafe {
        let (value, length) = (info.as_mut_ptr().cast(), &raw mut length);
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, value, length) as isize
    })?;
    // SAFETY: it was zeroed, and consists of integers.
    let info = unsafe { info.assume_init() };
    Ok((info.tcpi_rtt > 0).then(|| Duration::from_micros(u64::from(info.tcpi_rtt))))
}

/// recvmsg() without waiting, into memory that may be uninitialised. Notes the kernel's time and returns the number of bytes.
pub(in crate::engine) fn receive(
    socket: impl AsFd,
    data: &mut [MaybeUninit<u8>],
    header: &mut MessageHeader,
    times: &KernelTimes,
) -> io::Result<usize> {
    // SAFETY: the header takes only the address and the length of the bytes, and the kernel only writes to them.
    let data = unsafe { &mut *(std::ptr::from_mut(data) as *mut [u8]) };
    let count = receive_message(socket.as_fd(), data, header, libc::MSG_DONTWAIT)?;
    if count > 0 {
        times.note_receive(header.parse());
    }
    Ok(count)
}

/// Empties the error queue, as far as send times are awaited.
pub(in crate::engine) fn drain(socket: impl AsFd, header: &mut MessageHeader, times: &KernelTimes) {
    while times.awaits() {
        if receive_message(socket.as_fd(), &mut [], header, ERROR_FLAGS | libc::MSG_DONTWAIT).is_err() {
            return;
        }
        times.note_error(header.parse());
    }
}

fn receive_message(
    socket: BorrowedFd<'_>,
    data: &mut [u8],
    header: &mut MessageHeader,
    flags: libc::c_int,
) -> io::Result<usize> {
    let header = header.prepare(data);
    // SAFETY: the header, its control buffer and `data` are borrowed exclusively until the call returns.
    check(unsafe { libc::recvmsg(socket.as_raw_fd(), header, flags) })
}

fn check(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
