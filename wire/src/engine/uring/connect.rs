//! The handle of a connect.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::driver;
use super::slab::Key;
use super::stream::UringStream;

/// A connect in flight. Dropping it abandons the attempt; the socket is closed once the kernel has completed the connect.
pub(super) struct Connect {
    key: Option<Key>,
}

impl Connect {
    /// # Errors
    /// If no socket can be created.
    pub(super) fn new(address: SocketAddr) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let key = driver::with(|driver| driver.connect(Rc::new(socket), address.into()));
        Ok(Self { key: Some(key) })
    }
}

impl Future for Connect {
    type Output = io::Result<UringStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let key = self.key.expect("not polled after completion");
        let mut old = None;
        let polled = driver::with(|driver| driver.poll_connect(key, cx.waker(), &mut old));
        drop(old);
        polled.map(|connected| {
            self.key = None;
            connected.map(UringStream::new)
        })
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            // The waker is dropped while the driver is not borrowed.
            drop(driver::try_with(|driver| driver.detach_connect(key)));
        }
    }
}
