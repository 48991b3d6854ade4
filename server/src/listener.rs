//! Listening sockets: one per worker on the same port, so that the kernel distributes the connections (SO_REUSEPORT,
//! socket(7)).

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use anyhow::Context;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// Connections that may wait to be accepted; the kernel limits it to net.core.somaxconn (listen(2)).
const BACKLOG: i32 = 8192;

/// Opens `count` sockets that listen on one address. Port 0 selects a free port, the same for all.
///
/// # Errors
/// If the address is in use, even by another wss-server, or not local.
pub(crate) fn listen(address: SocketAddr, count: usize) -> anyhow::Result<Vec<TcpListener>> {
    let context =
        || format!("cannot listen on {address}; choose another address with --listen (port 0 selects a free port)");
    // Without SO_REUSEPORT this fails if another process listens already. With it, two servers would share the port,
    // and each would receive a part of the connections.
    let probe = bind(address, false).with_context(context)?;
    let address = probe.local_addr().with_context(context)?;
    drop(probe);
    (0..count).map(|_| bind(address, true).with_context(context)).collect()
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket: OwnedFd = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // A killed server leaves connections in TIME_WAIT, which must not block the port for its successor.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, shared)?;
    // Accepted sockets inherit TCP_NODELAY, which saves a call per connection.
    sockopt::set_tcp_nodelay(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}
