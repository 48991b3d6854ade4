//! Programs that listen: [`Daemon`], and what every WebSocket server must be: [`assert_measurable`].

use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wss_model::run_result::{Ending, EndingCount};

use crate::common::{BOUND, assert_no_errors, run};

/// The path of an installed program. The folder of system programs is not in everyone's path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&folders).chain(["/usr/sbin".into()]).map(|folder| folder.join(name));
    candidates.find(|candidate| candidate.exists())
}

/// Measures an echo server in both modes. Nothing fails, and every connection ends cleanly.
pub(crate) fn assert_measurable(target: &[&str]) {
    for load in [
        &["--mode", "handshake", "--connect-rate", "100/s", "--duration", "500ms", "--warmup", "0s"][..],
        &["--mode", "handshake", "--connect-rate", "max", "--duration", "300ms", "--warmup", "0s"],
        &["--connections", "100", "--connect-rate", "max", "--rate", "500/s", "--duration", "500ms"],
    ] {
        let result = run(&[target, load].concat()).result();
        assert_no_errors(&result);
        assert!(result.handshake.completed > 0);
        let endings: Vec<Ending> = result.endings.iter().map(|EndingCount { ending, .. }| *ending).collect();
        assert_eq!(endings, [Ending::Clean], "{target:?} {load:?}: {:?}", result.endings);
    }
}

/// A running program. It ends with the test.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Starts a program and waits until it listens on all of these addresses.
    pub(crate) fn start(mut command: Command, addresses: &[SocketAddr]) -> Self {
        let printed = tempfile::NamedTempFile::new().unwrap();
        let output = || printed.reopen().unwrap();
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        let daemon = Self(command.spawn().unwrap());
        let start = Instant::now();
        while addresses.iter().any(|address| TcpStream::connect(address).is_err()) {
            let printed = || std::fs::read_to_string(&printed).unwrap();
            assert!(start.elapsed() < BOUND, "{command:?} does not listen: {}", printed());
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
