//! Connecting: one operation, which may be given up.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use io_uring::{opcode, types};
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType, sockopt};

use super::driver::{self, Driver, Entry, tag};
use super::slab::Key;
use super::stream::UringStream;

/// A connect that is with the kernel, as the driver has it.
pub(super) struct Connecting {
    socket: Rc<OwnedFd>,
    /// What the kernel reads, and nobody else.
    _address: Box<SocketAddrAny>,
    result: Option<i32>,
    waker: Option<Waker>,
    /// Somebody waits for it.
    held: bool,
}

/// A connect under way. Dropped before its end it is given up: the socket is closed as soon as the kernel has let go.
pub(super) struct Connect {
    key: Option<Key>,
}

impl Connect {
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
        let key = self.key.expect("polled until it is ready");
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
            // Collected and dropped outside the driver.
            drop(driver::try_with(|driver| driver.release_connecting(key)));
        }
    }
}

impl Driver {
    fn connect(&mut self, socket: Rc<OwnedFd>, address: SocketAddrAny) -> Key {
        let fd = types::Fd(socket.as_raw_fd());
        let address = Box::new(address);
        let (start, length) = (address.as_ptr().cast(), address.addr_len());
        let key = self.entries.insert(Entry::Connecting(Connecting {
            socket,
            _address: address,
            result: None,
            waker: None,
            held: true,
        }));
        let entry = opcode::Connect::new(fd, start, length).build().user_data(key.with_tag(tag::CONNECT));
        // SAFETY: the address is boxed and, as the socket, the entry's, which is removed only when there is a result.
        unsafe { self.push(entry) };
        key
    }

    fn poll_connect(&mut self, key: Key, waker: &Waker, old: &mut Option<Waker>) -> Poll<io::Result<Rc<OwnedFd>>> {
        let Some(Entry::Connecting(connecting)) = self.entries.get_mut(key) else { panic!("a connect has its entry") };
        match connecting.result {
            None => {
                *old = connecting.waker.replace(waker.clone());
                Poll::Pending
            }
            Some(result) => {
                let socket = Rc::clone(&connecting.socket);
                self.entries.remove(key);
                Poll::Ready(if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(socket) })
            }
        }
    }

    /// The connect has come to its end.
    pub(super) fn connected(&mut self, key: Key, result: i32) {
        let Some(Entry::Connecting(connecting)) = self.entries.get_mut(key) else { return };
        if !connecting.held {
            self.entries.remove(key);
            return;
        }
        connecting.result = Some(result);
        self.wakes.extend(connecting.waker.take());
    }

    /// Nobody wants the connection any more. The kernel reads the address until it has let go of it.
    pub(super) fn release_connecting(&mut self, key: Key) -> Option<Waker> {
        let Some(Entry::Connecting(connecting)) = self.entries.get_mut(key) else { return None };
        let waker = connecting.waker.take();
        if connecting.result.is_some() {
            self.entries.remove(key);
            return waker;
        }
        connecting.held = false;
        self.cancel(key.with_tag(tag::CONNECT));
        waker
    }
}
