//! Allocations per message on both ends: the difference between two runs that differ only in their number of messages.
//! The allocations for start, connections and end are in both and cancel out.
//!
//! This program is `wssbench` with a counting allocator. The test starts it again as `wssbench run`, which starts the
//! embedded server from the same file.

use std::alloc::System;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use wss_model::RunResult;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Environment variable: the folder to which each end writes its count. If set, this program acts as `wssbench`.
const COUNTS: &str = "WSSBENCH_TEST_ALLOCATIONS";

/// Messages per second: few enough for a test build on a busy machine, and enough to make progress lines a small part.
const RATE: f64 = 5_000.0;
/// Durations of the two runs.
const SHORT: &str = "250ms";
const LONG: &str = "1250ms";
/// Allocations per message that the progress lines account for: 34 on the client per line (total, time left and series), and
/// none on the server. The longer run prints one line more, or on a busy machine up to four.
const PROGRESS: f64 = 4.0 * 34.0 / RATE;
/// A message with an id.
const ID: &str = r#"{"method":"sum","params":[1,{"a":"b"}],"id":{id}}"#;
/// Attempts per case: on a busy machine the longer run may print more lines, and queues may grow.
const ATTEMPTS: usize = 3;

/// Allocations per message that are allowed on one end, by layer and message size.
///
/// None of them is ours. rustls 0.23 (buffered API) makes two per record: a `Vec` for the encrypted record until it is
/// written, and one for the decrypted record until it is read. Its receive buffer grows by 4 KiB per read and shrinks
/// when it is empty: four allocations for a record of 16 KiB. A frame of 16 KiB and its header fill two records, and
/// rustls gets them as two slices, which it joins in a `Vec`.
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
    let mut exceeded = Vec::new();
    let mut check = |name: String, options: &[&str], allowed: f64| {
        let within = (0..ATTEMPTS).any(|_| {
            let [client, server] = per_message(options);
            println!("{name}: {client:.3} per message on the client, {server:.3} on the server");
            client.max(server) <= allowed + PROGRESS
        });
        if !within {
            exceeded.push(format!("{name}: {allowed} allowed"));
        }
    };
    for engine in ["uring", "epoll"] {
        for (layer, size, allowed) in LAYERS {
            let options = ["--engine", engine, "--layer", layer, "--size", size];
            check(format!("{engine} {layer} {size}"), &options, allowed);
        }
        // Each message gets an id, which is found in the reply.
        let options =
            ["--engine", engine, "--layer", "ws", "--message", ID, "--correlate", "json:id", "--in-flight", "4"];
        check(format!("{engine} ws with ids"), &options, 0.0);
    }
    if exceeded.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("too many allocations per message:\n{}", exceeded.join("\n"));
    ExitCode::FAILURE
}

/// Allocations per message on the client and on the server.
#[allow(clippy::cast_precision_loss)] // about 100,000
fn per_message(options: &[&str]) -> [f64; 2] {
    let (short, long) = (run(options, SHORT), run(options, LONG));
    let messages = (long.messages - short.messages) as f64;
    [0, 1].map(|end| (long.allocations[end] as f64 - short.allocations[end] as f64) / messages)
}

struct Counts {
    messages: u64,
    /// Client, server.
    allocations: [u64; 2],
}

fn run(options: &[&str], duration: &str) -> Counts {
    let folder = tempfile::tempdir().expect("a folder for the counts");
    let rate = format!("{RATE}/s");
    let output = Command::new(env::current_exe().expect("the path of this program"))
        .args(["run", "--json", "--connections=4", "--warmup=200ms", "--rate", &rate, "--duration", duration])
        .args(options)
        .current_dir(&folder)
        .env(COUNTS, folder.path())
        .output()
        .expect("this program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    // On a busy machine the run may be late, which does not matter here.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {options:?}\n{}", output.status, stderr);
    let result: RunResult = serde_json::from_slice(&output.stdout).expect("a result");
    let echo = result.echo.expect("messages");
    assert_eq!(echo.received, echo.planned, "{options:?}: {:?}", result.errors);
    let count = |end| {
        let text = fs::read_to_string(folder.path().join(end)).expect("each end writes its count");
        text.parse().expect("a number")
    };
    Counts { messages: echo.received, allocations: ["client", "server"].map(count) }
}
