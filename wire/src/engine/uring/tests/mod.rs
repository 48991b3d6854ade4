//! The uring engine under faults: each subject has a file.
//!
//! What could hang runs in a thread of its own ([`guarded`]), and what would hurt other tests in a process of its own
//! ([`alone!`]).
//!
//! The address sanitizer sees what the engine reads, writes and frees, and not what the kernel writes: `RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address cargo test -p wss-wire --lib
//! --target x86_64-unknown-linux-gnu engine::uring`.

mod dropping;
mod faults;
mod forms;
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

use super::{Features, Uring, driver};
use crate::engine::Engine;
use crate::engine::tests::held;

/// A bound for what must happen; reached only if it does not.
const BOUND: Duration = Duration::from_secs(10);
/// The same for a whole test.
const GUARD: Duration = Duration::from_secs(40);

/// The variable that tells a process which test it was started for.
const ALONE: &str = "WSSBENCH_TEST_ALONE";

/// Runs `work` in a thread, so that a test that hangs fails.
fn guarded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = mpsc::channel();
    let thread = thread::spawn(move || {
        let _ = tell.send(work());
    });
    match told.recv_timeout(GUARD) {
        Ok(output) => {
            thread.join().expect("it has answered");
            output
        }
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("hangs since {GUARD:?}"),
        Err(mpsc::RecvTimeoutError::Disconnected) => std::panic::resume_unwind(thread.join().expect_err("no answer")),
    }
}

/// [`guarded`], within the engine.
fn on_ring<F: Future<Output: Send + 'static>>(main: impl FnOnce() -> F + Send + 'static) -> F::Output {
    guarded(|| Uring::run(main).expect("a ring"))
}

/// [`on_ring`], in a form.
fn on_ring_in<F: Future<Output: Send + 'static>>(
    form: Features,
    main: impl FnOnce() -> F + Send + 'static,
) -> F::Output {
    guarded(move || {
        Features::set_override(Some(form));
        Uring::run(main).expect("a ring")
    })
}

/// The same test in the best form and in the simplest.
macro_rules! in_both_forms {
    ($($name:ident)*) => {$(
        mod $name {
            #[test] fn best() { super::$name($crate::engine::uring::tests::forms::ALL); }
            #[test] fn least() { super::$name($crate::engine::uring::Features::LEAST); }
        }
    )*};
}
use in_both_forms;

/// Runs the rest of the test `$name` in a process of its own, where no other test is.
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
    // Meanwhile: who says much waits until it is read.
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
    let said = [stdout, stderr].map(|reading| reading.join().expect("no panic")).concat();
    assert!(status.success() && said.contains("1 passed"), "alone, it failed with {status}:\n{said}");
}

/// What somebody says until its end, as text, in the background.
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

/// What the driver of this thread still has.
fn entries() -> usize {
    driver::with(|driver| driver.entries.len())
}

/// Waits until the driver has nothing but `left`.
async fn let_go(left: usize) {
    let end = Instant::now() + BOUND;
    while entries() > left {
        assert!(Instant::now() < end, "{} entries are left, not {left}", entries());
        Uring::sleep_until(Instant::now() + Duration::from_millis(1)).await;
    }
    assert_eq!(entries(), left);
}

/// Bytes in which a lost, doubled or moved piece shows: their period divides no size that there is here.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 251) as u8).collect()
}

/// What this process has open, by number. Only where it is alone.
fn open_files() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("a directory");
    entries
        .filter_map(|entry| {
            let entry = entry.expect("an entry");
            // The directory itself is gone by now.
            let target = std::fs::read_link(entry.path()).ok()?;
            Some(format!("{} {}", entry.file_name().to_string_lossy(), target.display()))
        })
        .filter(|file| !file.contains("/fd"))
        .collect()
}

/// A listener that answers nobody: its queue is full. With those that fill it.
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
