//! Listening sockets: one a worker on the same port, so that the kernel spreads the connections (SO_REUSEPORT).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use anyhow::Context;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Connections that may wait to be accepted; the kernel takes the lesser of it and net.core.somaxconn.
const BACKLOG: i32 = 8192;

/// `count` sockets that listen on one address. Port 0 takes a free one, the same for all.
///
/// # Errors
/// If the address is in use, by another server of ours too, or not of this machine.
pub(crate) fn listen(address: SocketAddr, count: usize) -> anyhow::Result<Vec<TcpListener>> {
    let context =
        || format!("listening on {address} (is another server there? --listen takes another port, 0 a free one)");
    // Without SO_REUSEPORT this fails where somebody listens already; with it two servers would share the port,
    // and each measurement of one would be half of a measurement of the other.
    let probe = bind(address, false).with_context(context)?;
    let address = probe.local_addr().with_context(context)?;
    drop(probe);
    (0..count).map(|_| bind(address, true).with_context(context)).collect()
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket: OwnedFd = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A server that was killed leaves connections in TIME_WAIT: they must not keep its successor from the port.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, shared)?;
    // Accepted sockets inherit it, which saves a call a connection.
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}
