//! Which of several addresses to use: Happy Eyeballs (RFC 8305) for the first connection.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Time from one connection attempt to the next (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The addresses in the order in which RFC 8305 section 4 tries them: the resolver's, with the families in turn.
pub fn in_order_of_attempts(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (preferred, others): (Vec<SocketAddr>, Vec<SocketAddr>) =
        addresses.iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut ordered = Vec::with_capacity(addresses.len());
    for index in 0..preferred.len().max(others.len()) {
        ordered.extend(preferred.get(index));
        ordered.extend(others.get(index));
    }
    ordered
}

/// The first address that accepts a TCP connection. Each attempt has `timeout`; the next one starts when one has failed,
/// and after 250 ms at the latest.
///
/// # Errors
/// Why each address failed.
pub fn first_reachable(
    addresses: &[SocketAddr],
    timeout: Duration,
) -> Result<SocketAddr, Vec<(SocketAddr, io::Error)>> {
    let (sender, attempts) = mpsc::channel();
    let mut waiting = addresses.iter().copied();
    let mut failures = Vec::new();
    let mut running = 0;
    loop {
        let next = waiting.next();
        if let Some(address) = next {
            let sender = sender.clone();
            running += 1;
            // The thread ends with its attempt; nobody waits for it once another attempt has succeeded.
            std::thread::spawn(move || {
                let _ = sender.send((address, TcpStream::connect_timeout(&address, timeout).map(drop)));
            });
        }
        if running == 0 {
            return Err(failures);
        }
        let ended = match next {
            Some(_) => attempts.recv_timeout(ATTEMPT_DELAY),
            None => attempts.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match ended {
            Ok((address, Ok(()))) => return Ok(address),
            Ok((address, Err(error))) => {
                running -= 1;
                failures.push((address, error));
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn families_take_turns_and_the_resolver_decides_which_is_first() {
        let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = parse(&["[::1]:1", "[::2]:1", "127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1"]);
        let ordered = parse(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "127.0.0.2:1", "127.0.0.3:1"]);
        assert_eq!(in_order_of_attempts(&found), ordered);
        assert_eq!(in_order_of_attempts(&[]), []);
    }

    #[test]
    fn the_first_address_that_accepts_is_used() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let open = listener.local_addr().unwrap();
        let closed = {
            let unused = TcpListener::bind("127.0.0.2:0").unwrap();
            unused.local_addr().unwrap()
        };
        let timeout = Duration::from_secs(10);
        assert_eq!(first_reachable(&[closed, open], timeout).unwrap(), open);
        let failures = first_reachable(&[closed], timeout).unwrap_err();
        assert_eq!((failures.len(), failures[0].0), (1, closed));
        assert_eq!(failures[0].1.kind(), io::ErrorKind::ConnectionRefused);
    }
}
