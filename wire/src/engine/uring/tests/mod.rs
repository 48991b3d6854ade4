//! The uring engine under faults, one file per subject.
//!
//! Tests that might hang run in a thread of their own ([`guarded`]); tests that would disturb others run in a process of
//! their own ([`alone!`]).
//!
//! The address sanitizer sees what the engine reads, writes and frees, but not what the kernel writes:
//! `RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test -p wss-wire --lib --target x86_64-unknown-linux-gnu
//! engine::uring`.

mod dropping;
mod faults;
mod feature_sets;
mod frames;
mod many;
mod model;
mod pressure;
mod refusal;
mod shuffled;
mod tokio_reliance;
mod waiting;

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;

use super::{Features, Uring, driver, probe};
use crate::engine::Engine;
use crate::engine::tests::open_sockets;

/// Time limit for an expected event; reached only if the test fails.
const BOUND: Duration = Duration::from_secs(10);
/// Time limit for a whole test.
const GUARD: Duration = Duration::from_secs(40);

/// Environment variable that names the test that a process was started for.
const ALONE: &str = "WSSBENCH_TEST_ALONE";

/// Runs `work` in a thread, so that a hanging test fails.
fn guarded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = sender.send(work());
    });
    match receiver.recv_timeout(GUARD) {
        Ok(output) => {
            thread.join().expect("the thread sent its output");
            output
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still running after {GUARD:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            std::panic::resume_unwind(thread.join().expect_err("the thread sent no output"))
        }
    }
}

/// [`guarded`], within `Uring::run`.
fn on_ring<F: Future<Output: Send + 'static>>(main: impl FnOnce() -> F + Send + 'static) -> F::Output {
    guarded(|| Uring::run(main).expect("a ring"))
}

/// [`on_ring`], with a feature set.
fn on_ring_with<F: Future<Output: Send + 'static>>(
    features: Features,
    main: impl FnOnce() -> F + Send + 'static,
) -> F::Output {
    guarded(move || {
        probe::set_override(Some(features));
        Uring::run(main).expect("a ring")
    })
}

/// Runs each test with all features and with the minimal ones.
macro_rules! with_both_feature_sets {
    ($($name:ident)*) => {$(
        mod $name {
            #[test] fn all() { super::$name($crate::engine::uring::Features::ALL); }
            #[test] fn minimal() { super::$name($crate::engine::uring::Features::MINIMAL); }
        }
    )*};
}
use with_both_feature_sets;

/// Runs the body of the test `$name` in a process of its own.
macro_rules! alone {
    ($name:ident, $body:expr) => {
        $crate::engine::uring::tests::in_a_process(concat!(module_path!(), "::", stringify!($name)), $body)
    };
}
use alone;

fn in_a_process(path: &str, body: impl FnOnce()) {
    let (_, name) = path.split_once("::").expect("the crate comes first");
    if std::env::var(ALONE).is_ok_and(|alone| alone == name) {
        return body();
    }
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    // Read in the background: a full pipe would block the process.
    let (stdout, stderr) = (read_all(child.stdout.take()), read_all(child.stderr.take()));
    let end = Instant::now() + GUARD + BOUND;
    while child.try_wait().expect("a child").is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    let status = child.wait().expect("a child");
    let output = [stdout, stderr].map(|reading| reading.join().expect("no panic")).concat();
    assert!(status.success() && output.contains("1 passed"), "failed in its own process with {status}:\n{output}");
}

/// Reads everything, as text, in the background.
fn read_all(from: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    let mut from = from.expect("a pipe");
    thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).expect("a pipe");
        String::from_utf8_lossy(&all).into_owned()
    })
}

/// A listener on a port of its own.
fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    sockopt::set_tcp_nodelay(&listener, true).expect("an option");
    listener
}

/// The number of entries of this thread's driver.
fn entries() -> usize {
    driver::with(|driver| driver.entries())
}

/// Waits until the driver has only `expected` entries left.
async fn wait_for_entries(expected: usize) {
    let end = Instant::now() + BOUND;
    while entries() > expected {
        assert!(Instant::now() < end, "{} entries are left, expected {expected}", entries());
        Uring::sleep_until(Instant::now() + Duration::from_millis(1)).await;
    }
    assert_eq!(entries(), expected);
}

/// Bytes in which a lost, repeated or moved piece shows: their period divides none of the sizes used here.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 251) as u8).collect()
}

/// The open files of this process, by number. For tests with a process of their own.
fn open_files() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("a directory");
    entries
        .filter_map(|entry| {
            let entry = entry.expect("an entry");
            // Fails for the directory itself, which is closed by now.
            let target = std::fs::read_link(entry.path()).ok()?;
            Some(format!("{} {}", entry.file_name().to_string_lossy(), target.display()))
        })
        .filter(|file| !file.contains("/fd"))
        .collect()
}

/// A listener that accepts nothing because its queue is full, and the connections that fill it.
fn full_listener() -> (TcpListener, Vec<TcpStream>) {
    use rustix::net::{AddressFamily, SocketType};
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    rustix::net::listen(&socket, 0).expect("a queue");
    let socket = TcpListener::from(socket);
    let address = socket.local_addr().expect("an address");
    let fill = || TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
    let full = std::iter::from_fn(fill).take(8).collect();
    (socket, full)
}
