//! Programs that listen: [`Daemon`].

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::common::BOUND;

/// The path of an installed program. The folder of system programs is not in everyone's path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&folders).chain(["/usr/sbin".into()]).map(|folder| folder.join(name));
    candidates.find(|candidate| candidate.exists())
}

/// A running program. It ends with the test.
pub(crate) struct Daemon {
    process: Child,
    printed: NamedTempFile,
}

impl Daemon {
    /// Starts a program and waits until it listens on all of these addresses.
    pub(crate) fn start(mut command: Command, addresses: &[SocketAddr]) -> Self {
        let printed = NamedTempFile::new().unwrap();
        let output = || printed.reopen().unwrap();
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        let daemon = Self { process: command.spawn().unwrap(), printed };
        let start = Instant::now();
        while addresses.iter().any(|address| TcpStream::connect(address).is_err()) {
            assert!(start.elapsed() < BOUND, "{command:?} does not listen: {}", daemon.printed());
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.printed).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
