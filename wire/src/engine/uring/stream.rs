//! The handle of a connection, as `AsyncRead` and `AsyncWrite`.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, Shutdown};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::driver::{self, Interest};
use super::slab::Key;
use crate::engine::kernel_times::KernelTimes;
use crate::engine::look;

/// Minimum size for a direct sendmsg() instead of copying into the ring's send buffer: for 16 KiB it saves 7% of the CPU
/// time on either end.
const MIN_DIRECT: usize = 8 * 1024;

/// A TCP stream on the ring.
pub struct UringStream {
    socket: Rc<OwnedFd>,
    key: Key,
}

impl UringStream {
    /// Takes over a connected socket.
    pub(super) fn new(socket: Rc<OwnedFd>) -> Self {
        let key = driver::with(|driver| driver.open(Rc::clone(&socket)));
        Self { socket, key }
    }

    /// See [`crate::engine::Engine::observe_kernel_times`].
    pub(super) fn observe_kernel_times(&self) -> io::Result<Rc<KernelTimes>> {
        let times = KernelTimes::observe(&self.socket)?;
        driver::with(|driver| driver.stamp(self.key, Rc::clone(&times)));
        Ok(times)
    }

    /// Sends the pending data with a direct system call, so that the FIN follows in the same segment (MSG_MORE). The FIN
    /// does not go through the ring and must not overtake the data; waiting for an iteration would cost a wake-up.
    fn send_pending(&self) {
        driver::with(|driver| {
            driver.connection(self.key, |connection, _, pool| {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL | SendFlags::MORE;
                let sent = match connection.sendable() {
                    Some(data) => rustix::net::send(&self.socket, data, flags),
                    None => return ((), Interest::None),
                };
                // What remains, and an error, are left to the ring.
                if let Ok(count) = sent {
                    connection.sent_directly(count, pool);
                }
                ((), Interest::visit_if(connection.sendable().is_some() || connection.needs_error()))
            });
        });
    }

    /// Sends a large write with a direct system call, if nothing else is to be sent before it. Returns `None` if it sent
    /// nothing; an error is left to the ring.
    fn send_direct(&self, slices: &[IoSlice<'_>]) -> Option<usize> {
        if slices.iter().map(|slice| slice.len()).sum::<usize>() < MIN_DIRECT {
            return None;
        }
        driver::with(|driver| {
            if driver.connection(self.key, |connection, _, _| (connection.has_unsent(), Interest::None)) {
                return None;
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let sent = rustix::net::sendmsg(&self.socket, slices, &mut SendAncillaryBuffer::default(), flags).ok()?;
            driver.count_direct_send();
            driver.connection(self.key, |connection, _, _| {
                connection.note_write(sent);
                ((), Interest::visit_if(connection.needs_error()))
            });
            Some(sent)
        })
    }
}

impl AsFd for UringStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsyncRead for UringStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut old = None;
        let polled = driver::with(|driver| {
            let polled = driver.connection(self.key, |connection, buffers, pool| {
                let polled = connection.read(out, buffers, pool, cx.waker(), &mut old);
                (polled, Interest::visit_if(connection.needs_receive()))
            });
            if polled.is_ready() {
                driver.note_read(self.key);
            }
            polled
        });
        drop(old);
        polled
    }
}

impl AsyncWrite for UringStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(data)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = self.send_direct(slices);
        look::record_write(sent.is_some());
        if let Some(sent) = sent {
            return Poll::Ready(Ok(sent));
        }
        let mut old = None;
        let polled = driver::with(|driver| {
            driver.connection(self.key, |connection, _, pool| {
                let polled = connection.write(slices, pool, cx.waker(), &mut old);
                if let Poll::Ready(Ok(count)) = polled {
                    connection.note_write(count);
                }
                (polled, Interest::visit_if(connection.sendable().is_some() || connection.needs_error()))
            })
        });
        drop(old);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Ready if the written data is sent or goes out in the next ring iteration; pending while the socket has no room.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut old = None;
        let polled = driver::with(|driver| {
            driver.connection(self.key, |connection, _, _| (connection.flush(cx.waker(), &mut old), Interest::None))
        });
        drop(old);
        polled
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.send_pending();
        let mut old = None;
        let polled = driver::with(|driver| {
            driver.connection(self.key, |connection, _, _| {
                (connection.poll_all_sent(cx.waker(), &mut old), Interest::None)
            })
        });
        drop(old);
        std::task::ready!(polled)?;
        Poll::Ready(match rustix::net::shutdown(&self.socket, Shutdown::Write) {
            // Both ends have shut down already: a success, as with tokio's stream.
            Ok(()) | Err(Errno::NOTCONN) => Ok(()),
            Err(error) => Err(error.into()),
        })
    }
}

impl Drop for UringStream {
    fn drop(&mut self) {
        // The wakers are dropped while the driver is not borrowed.
        drop(driver::try_with(|driver| driver.detach(self.key)));
    }
}
