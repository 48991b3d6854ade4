//! Programs that listen: [`Daemon`].

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::BOUND;

/// A running program. It ends with the test.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts a program and waits until it listens on all of these addresses.
    pub(crate) fn start(mut command: Command, addresses: &[SocketAddr]) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Self(command.spawn().unwrap());
        let start = Instant::now();
        while addresses.iter().any(|address| TcpStream::connect(address).is_err()) {
            assert!(start.elapsed() < BOUND, "{command:?} does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
