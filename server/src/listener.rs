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
    // The first socket listens without SO_REUSEPORT, so that this fails if any other process has the port. With it, two
    // servers would share the port, and each would receive a part of the connections. It joins the group of the others
    // only then, so that there is no moment in which another server could take the port.
    let first = bind(address, false).with_context(context)?;
    let address = first.local_addr().with_context(context)?;
    sockopt::set_socket_reuseport(&first, true).with_context(context)?;
    let others = (1..count).map(|_| bind(address, true).with_context(context));
    std::iter::once(Ok(first)).chain(others).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    /// Of two servers that start at the same moment on one port, one gets it.
    #[test]
    fn two_servers_never_share_a_port() {
        for _ in 0..500 {
            let free = listen("127.0.0.1:0".parse().unwrap(), 1).unwrap()[0].local_addr().unwrap();
            let barrier = Barrier::new(2);
            let compete = || {
                barrier.wait();
                listen(free, 4)
            };
            let both = std::thread::scope(|scope| {
                let rivals = [scope.spawn(compete), scope.spawn(compete)];
                rivals.map(|rival| rival.join().unwrap())
            });
            assert!(both.iter().filter(|listening| listening.is_ok()).count() < 2, "both listen on {free}");
        }
    }

    #[test]
    fn every_socket_of_a_server_gets_connections() {
        let listeners = listen("127.0.0.1:0".parse().unwrap(), 4).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let clients: Vec<_> = (0..200).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let mut accepted = 0;
        for listener in &listeners {
            listener.set_nonblocking(true).unwrap();
            let own = std::iter::from_fn(|| listener.accept().ok()).count();
            assert!(own > 0, "a socket without connections");
            accepted += own;
        }
        assert_eq!(accepted, clients.len());
    }
}
