//! Processes of a run: the run itself by its phase, and its embedded server.

use std::thread;
use std::time::{Duration, Instant};

use super::{BOUND, Running};

/// The child processes of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()).collect()
}

/// Whether a process is an embedded server. A freshly forked child still has the arguments of its parent.
pub(crate) fn serves(pid: u32) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let arguments = String::from_utf8_lossy(&arguments);
    arguments.contains("wssbench\0serve\0") && arguments.contains("--until-stdin-closes")
}

/// Waits until a run is in a phase.
pub(crate) fn wait_for_phase(running: &mut Running, phase: &str) {
    let deadline = Instant::now() + BOUND;
    while !running.said(&format!("{phase:<9} begins")) {
        assert!(!running.has_ended() && Instant::now() < deadline, "it did not reach the phase {phase}");
        thread::sleep(Duration::from_millis(5));
    }
    // So that there is something to keep.
    thread::sleep(Duration::from_millis(400));
}

/// The embedded server of a run, once it is started.
pub(crate) fn embedded_server(running: &mut Running) -> u32 {
    let deadline = Instant::now() + BOUND;
    loop {
        if let Some(child) = children(running.pid()).into_iter().find(|&child| serves(child)) {
            return child;
        }
        assert!(!running.has_ended() && Instant::now() < deadline, "no embedded server");
        thread::sleep(Duration::from_millis(1));
    }
}
