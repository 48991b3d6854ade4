//! Allocations a message, on both ends: what the allocator of the real command counts, of two runs that differ in
//! nothing but the number of their messages. What a run allocates for its start, its connections and its end is in
//! both, and falls out.
//!
//! This program is the whole of `wssbench` under a counting allocator. Started by itself it runs itself: `run`, which
//! starts the embedded server from the same file.

use std::alloc::System;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wss_model::RunResult;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The folder to which each end writes its count; it makes a `wssbench` of this program.
const COUNTS: &str = "WSSBENCH_TEST_ALLOCATIONS";

/// Messages a second: few enough for a debug build on a busy machine.
const RATE: f64 = 2_000.0;
/// How long the two runs send messages.
const SHORT: &str = "250ms";
const LONG: &str = "1250ms";
/// What a second more adds by itself: a tick of the progress, an interval of the result.
const A_SECOND: f64 = 60.0 / RATE;

/// Allocations a message, on one end, with these layers.
///
/// None is ours. rustls (0.23, its buffered interface) makes two of each record: the record that it encrypts, a `Vec`
/// that waits to be written, and what it decrypted, a `Vec` that waits to be read. Its receive buffer grows by 4 KiB a
/// read and shrinks when it is empty: for a record of 16 KiB that are three allocations and a fourth. A frame of
/// 16 KiB and its header fill two records, and are given to rustls as two slices, of which it makes a `Vec`.
const LAYERS: [(&str, &str, f64); 8] = [
    ("tcp", "64B", 0.0),
    ("ws", "64B", 0.0),
    ("tls", "64B", 2.0),
    ("wss", "64B", 2.0),
    ("tcp", "16KiB", 0.0),
    ("ws", "16KiB", 0.0),
    ("tls", "16KiB", 2.0 + 4.0),
    ("wss", "16KiB", 2.0 * 2.0 + 4.0 + 1.0),
];

fn main() -> ExitCode {
    if let Some(folder) = env::var_os(COUNTS) {
        let code = wssbench::main();
        let stats = ALLOCATOR.stats();
        let end = if env::args().nth(1).is_some_and(|verb| verb == "serve") { "server" } else { "client" };
        let count = (stats.allocations + stats.reallocations).to_string();
        fs::write(Path::new(&folder).join(end), count).expect("the folder is there");
        return code;
    }
    let mut more = Vec::new();
    for engine in ["uring", "epoll"] {
        for (layer, size, allowed) in LAYERS {
            let [client, server] = a_message(&["--engine", engine, "--layer", layer, "--size", size]);
            println!("{engine} {layer} {size}: {client:.3} on the client, {server:.3} on the server a message");
            if client.max(server) > allowed + A_SECOND {
                more.push(format!("{engine} {layer} {size}: {client:.3} and {server:.3}, where {allowed} are allowed"));
            }
        }
    }
    if more.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("more allocations a message than there have to be:\n{}", more.join("\n"));
    ExitCode::FAILURE
}

/// Allocations a message on the client and on the server.
#[allow(clippy::cast_precision_loss)] // some 100,000
fn a_message(options: &[&str]) -> [f64; 2] {
    let (short, long) = (run(options, SHORT), run(options, LONG));
    let messages = (long.messages - short.messages) as f64;
    [0, 1].map(|end| (long.allocations[end] as f64 - short.allocations[end] as f64) / messages)
}

struct Counted {
    messages: u64,
    /// Of the client, of the server.
    allocations: [u64; 2],
}

fn run(options: &[&str], duration: &str) -> Counted {
    let folder = tempfile::tempdir().expect("a folder for the counts");
    let rate = format!("{RATE}/s");
    let output = Command::new(env::current_exe().expect("this program has a name"))
        .args(["run", "--json", "--connections=4", "--warmup=200ms", "--rate", &rate, "--duration", duration])
        .args(options)
        .current_dir(&folder)
        .env(COUNTS, folder.path())
        .output()
        .expect("this program can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    // That it was late, on a busy machine, is no matter here.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {options:?}\n{}", output.status, said);
    let result: RunResult = serde_json::from_slice(&output.stdout).expect("a result");
    let echo = result.echo.expect("messages");
    assert_eq!(echo.received, echo.planned, "{options:?}: {:?}", result.errors);
    let count = |end| {
        let text = fs::read_to_string(folder.path().join(end)).expect("each end writes its count");
        text.parse().expect("a number")
    };
    Counted { messages: echo.received, allocations: ["client", "server"].map(count) }
}
