//! Error numbers of completions and system calls as positive constants, for use in patterns.

use rustix::io::Errno;

pub(super) const EAGAIN: i32 = Errno::AGAIN.raw_os_error();
pub(super) const EBUSY: i32 = Errno::BUSY.raw_os_error();
pub(super) const ECANCELED: i32 = Errno::CANCELED.raw_os_error();
#[cfg(test)]
pub(super) const ECONNRESET: i32 = Errno::CONNRESET.raw_os_error();
pub(super) const EINTR: i32 = Errno::INTR.raw_os_error();
pub(super) const EINVAL: i32 = Errno::INVAL.raw_os_error();
pub(super) const ENOBUFS: i32 = Errno::NOBUFS.raw_os_error();
pub(super) const ENOMEM: i32 = Errno::NOMEM.raw_os_error();
pub(super) const ENOSYS: i32 = Errno::NOSYS.raw_os_error();
pub(super) const EOPNOTSUPP: i32 = Errno::OPNOTSUPP.raw_os_error();
pub(super) const EPERM: i32 = Errno::PERM.raw_os_error();
pub(super) const EPIPE: i32 = Errno::PIPE.raw_os_error();
pub(super) const ETIME: i32 = Errno::TIME.raw_os_error();
