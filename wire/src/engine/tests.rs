//! The guarantees of the `Engine` trait, for every engine, with real sockets.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::marker::PhantomData;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use wss_model::EngineKind;

use super::{Engine, EngineError, Epoll, TimedOut, TokioUring, Uring, before, idle, look, within};

mod looks;

/// Time limit for an expected event; reached only if the test fails.
const BOUND: Duration = Duration::from_secs(10);

/// Passes the names of all tests that are generic over the engine to a macro.
macro_rules! every_test {
    ($then:ident) => {
        $then! {
            delivers_data_written_in_any_pieces
            dropped_stream_sends_accepted_data
            dropping_a_stream_mid_read_ends_the_peer
            dropped_connect_leaves_no_descriptor
            dropped_accept_loses_no_connection
            refused_connection_is_an_error
            second_shutdown_succeeds
            sleepers_wake_in_order_and_never_early
            deadline_ends_a_pending_future
            sockets_have_tcp_nodelay
            thousands_of_connections_leave_no_descriptor
        }
    };
}
pub(super) use every_test;

/// Runs every test on every engine.
macro_rules! on_every_engine {
    ($($name:ident)*) => {
        mod epoll { $(#[test] fn $name() { super::$name::<super::Epoll>(); })* }
        mod uring { $(#[test] fn $name() { super::$name::<super::Uring>(); })* }
        #[cfg(feature = "tokio-uring")]
        mod tokio_uring { $(#[test] fn $name() { super::$name::<super::TokioUring>(); })* }
        /// With kernel times on every connection.
        mod stamped_epoll { $(#[test] fn $name() { super::$name::<super::Stamped<super::Epoll>>(); })* }
        mod stamped_uring { $(#[test] fn $name() { super::$name::<super::Stamped<super::Uring>>(); })* }
        /// As a load generator uses it: it spins, and its looks are recorded.
        mod spinning_uring { $(#[test] fn $name() { super::spin(); super::$name::<super::Uring>(); })* }
    };
}
every_test!(on_every_engine);

/// An engine whose connections all have kernel times.
pub(super) struct Stamped<E>(PhantomData<E>);

impl<E: Engine> Engine for Stamped<E> {
    const KIND: EngineKind = E::KIND;
    type Stream = E::Stream;
    type Listener = E::Listener;

    fn run<M, F>(main: M) -> Result<F::Output, EngineError>
    where
        M: FnOnce() -> F,
        F: Future,
    {
        E::run(main)
    }

    fn listen(socket: TcpListener) -> std::io::Result<E::Listener> {
        E::listen(socket)
    }

    async fn accept(listener: &mut E::Listener) -> std::io::Result<E::Stream> {
        let mut stream = E::accept(listener).await?;
        E::observe_kernel_times(&mut stream).expect("the kernel supports it");
        Ok(stream)
    }

    async fn connect(address: SocketAddr) -> std::io::Result<E::Stream> {
        let mut stream = E::connect(address).await?;
        E::observe_kernel_times(&mut stream).expect("the kernel supports it");
        Ok(stream)
    }

    fn spawn<F>(task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        E::spawn(task)
    }
}

/// Each test has a thread of its own.
fn spin() {
    idle::set_policy(wss_model::config::IdlePolicy::Spin);
    look::observe();
}

fn listener() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    sockopt::set_tcp_nodelay(&listener, true).unwrap();
    listener
}

/// The number of sockets with this local or remote port. (Other tests open and close descriptors concurrently.)
pub(super) fn open_sockets(port: u16) -> usize {
    // The kernel returns the table in pieces, and sockets opened or closed in between shift lines from one piece to
    // another: read until two results agree.
    let mut last = sockets(port);
    loop {
        let next = sockets(port);
        if next == last {
            return next.len();
        }
        last = next;
    }
}

/// Inodes of the sockets with this local or remote port.
fn sockets(port: u16) -> BTreeSet<String> {
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let has_port =
        |end: &str| end.split_once(':').and_then(|(_, port)| u16::from_str_radix(port, 16).ok()) == Some(port);
    let inode = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // A socket without a file has no inode.
        let matches = fields.len() > 9 && (has_port(fields[1]) || has_port(fields[2])) && fields[9] != "0";
        matches.then(|| fields[9].to_owned())
    };
    table.lines().filter_map(inode).collect()
}

pub(super) fn delivers_data_written_in_any_pieces<E: Engine>() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let echo = std::thread::spawn(move || {
        let (mut peer, _) = socket.accept().unwrap();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        // Returned in pieces of odd lengths.
        for piece in all.chunks(7919) {
            peer.write_all(piece).unwrap();
        }
    });
    let sent: Vec<u8> = (0..3_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let received = E::run(|| async {
        let mut stream = E::connect(address).await.unwrap();
        for piece in sent.chunks(100_003) {
            let (first, second) = piece.split_at(piece.len() / 3);
            let written =
                stream.write_vectored(&[std::io::IoSlice::new(first), std::io::IoSlice::new(second)]).await.unwrap();
            stream.write_all(&piece[written..]).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        let mut received = Vec::new();
        within::<E, _>(BOUND, stream.read_to_end(&mut received)).await.unwrap().unwrap();
        received
    })
    .unwrap();
    echo.join().unwrap();
    assert!(received == sent, "{} of {} bytes came back, or wrong data", received.len(), sent.len());
}

pub(super) fn dropped_stream_sends_accepted_data<E: Engine>() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut peer, _) = socket.accept().unwrap();
        peer.set_read_timeout(Some(BOUND)).unwrap();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    E::run(|| async {
        let mut stream = E::connect(address).await.unwrap();
        stream.write_all(&[42; 5000]).await.unwrap();
        drop(stream);
    })
    .unwrap();
    assert_eq!(peer.join().unwrap(), [42; 5000]);
}

pub(super) fn dropping_a_stream_mid_read_ends_the_peer<E: Engine>() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut peer, _) = socket.accept().unwrap();
        peer.set_read_timeout(Some(BOUND)).unwrap();
        peer.read(&mut [0; 8])
    });
    E::run(|| async {
        let mut stream = E::connect(address).await.unwrap();
        let reading = within::<E, _>(Duration::from_millis(20), stream.read_u8()).await;
        assert!(matches!(reading, Err(TimedOut)));
        drop(stream);
        // The peer sees the end while the engine still runs.
        let joined = E::spawn(async { E::sleep_until(Instant::now() + Duration::from_millis(200)).await });
        joined.await.unwrap();
        assert!(peer.is_finished());
    })
    .unwrap();
    assert_eq!(peer.join().unwrap().unwrap(), 0);
}

pub(super) fn dropped_connect_leaves_no_descriptor<E: Engine>() {
    // A listener with a full queue does not answer, so the connect hangs, as with a host that drops packets.
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let socket = TcpListener::from(socket);
    let address = socket.local_addr().unwrap();
    let full: Vec<TcpStream> =
        (0..8).filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()).collect();
    let before = open_sockets(address.port());
    E::run(|| async {
        for _ in 0..100 {
            let connecting = within::<E, _>(Duration::from_millis(2), E::connect(address)).await;
            assert!(matches!(connecting, Err(TimedOut)), "a full queue accepted");
        }
    })
    .unwrap();
    assert_eq!(open_sockets(address.port()), before);
    drop(full);
}

pub(super) fn dropped_accept_loses_no_connection<E: Engine>() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let accepted = E::run(|| async {
        let mut listener = E::listen(socket).unwrap();
        for _ in 0..50 {
            let nobody = within::<E, _>(Duration::from_micros(200), E::accept(&mut listener)).await;
            assert!(nobody.is_err());
        }
        let peers: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut accepted = 0;
        while let Ok(stream) = within::<E, _>(Duration::from_millis(300), E::accept(&mut listener)).await {
            stream.unwrap();
            accepted += 1;
        }
        drop(peers);
        accepted
    })
    .unwrap();
    assert_eq!(accepted, 20);
}

pub(super) fn refused_connection_is_an_error<E: Engine>() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let error = E::run(|| async { E::connect(address).await.err() }).unwrap().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

pub(super) fn second_shutdown_succeeds<E: Engine>() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let peer = std::thread::spawn(move || drop(socket.accept().unwrap()));
    E::run(|| async {
        let mut stream = E::connect(address).await.unwrap();
        assert_eq!(within::<E, _>(BOUND, stream.read(&mut [0; 8])).await.unwrap().unwrap(), 0);
        stream.shutdown().await.unwrap();
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        stream.shutdown().await.unwrap();
    })
    .unwrap();
    peer.join().unwrap();
}

pub(super) fn sleepers_wake_in_order_and_never_early<E: Engine>() {
    let woken = E::run(|| async {
        let start = Instant::now();
        let order = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let tasks: Vec<_> = [9u64, 3, 7, 1, 5, 0]
            .into_iter()
            .map(|milliseconds| {
                let order = std::rc::Rc::clone(&order);
                // Late enough that every task waits before the first deadline.
                let deadline = start + Duration::from_millis(50 + milliseconds);
                E::spawn(async move {
                    E::sleep_until(deadline).await;
                    assert!(Instant::now() >= deadline, "woken early");
                    order.borrow_mut().push(milliseconds);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        order.take()
    })
    .unwrap();
    assert_eq!(woken, [0, 1, 3, 5, 7, 9]);
}

pub(super) fn deadline_ends_a_pending_future<E: Engine>() {
    let ended = E::run(|| async {
        let deadline = Instant::now() + Duration::from_millis(5);
        let ended = before::<E, _>(deadline, std::future::pending::<()>()).await;
        (ended, Instant::now() >= deadline)
    })
    .unwrap();
    assert_eq!(ended, (Err(TimedOut), true));
}

pub(super) fn sockets_have_tcp_nodelay<E: Engine>() {
    // Checks every socket of the process that is connected to the listener's port, on either end.
    let socket = listener();
    let address = socket.local_addr().unwrap();
    E::run(|| async {
        let mut listener = E::listen(socket).unwrap();
        let connected = E::connect(address).await.unwrap();
        let accepted = E::accept(&mut listener).await.unwrap();
        let mut seen = 0;
        for entry in std::fs::read_dir("/proc/self/fd").unwrap() {
            let number: i32 = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
            // Opening the path in /proc does not work for sockets, so the descriptor is duplicated.
            let Some(copy) = duplicate(number) else { continue };
            let ours = |end: std::io::Result<std::net::SocketAddr>| end.is_ok_and(|end| end == address);
            if (ours(copy.local_addr()) || ours(copy.peer_addr())) && copy.peer_addr().is_ok() {
                assert!(sockopt::tcp_nodelay(copy.as_fd()).unwrap(), "descriptor {number} has no TCP_NODELAY");
                seen += 1;
            }
        }
        assert_eq!(seen, 2);
        drop((connected, accepted));
    })
    .unwrap();
}

/// Duplicates a descriptor of this process by its number, if it is a socket.
#[allow(unsafe_code)]
fn duplicate(number: i32) -> Option<TcpStream> {
    // SAFETY: borrowed for one call. If another thread has closed the descriptor meanwhile, duplicating fails, or
    // duplicates another file, which is only inspected.
    let borrowed = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    let copy = borrowed.try_clone_to_owned().ok()?;
    sockopt::socket_type(&copy).ok()?;
    Some(TcpStream::from(copy))
}

pub(super) fn thousands_of_connections_leave_no_descriptor<E: Engine>() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    E::run(|| async {
        let mut listener = E::listen(socket).unwrap();
        for round in 0..2000 {
            let mut connected = E::connect(address).await.unwrap();
            let mut accepted = E::accept(&mut listener).await.unwrap();
            connected.write_all(b"ping").await.unwrap();
            let mut four = [0; 4];
            accepted.read_exact(&mut four).await.unwrap();
            assert_eq!(&four, b"ping");
            if round % 3 == 0 {
                // Dropped with a read in flight on one end, and with unread data on the other.
                let _ = within::<E, _>(Duration::from_micros(50), connected.read(&mut four)).await;
                accepted.write_all(b"late").await.unwrap();
            }
        }
    })
    .unwrap();
    assert_eq!(open_sockets(address.port()), 0);
}

#[cfg(feature = "tokio-uring")]
#[test]
fn refused_io_uring_error_names_a_remedy() {
    for code in [1, 38] {
        let error = super::tokio_uring::refused(std::io::Error::from_raw_os_error(code)).to_string();
        assert!(error.contains("kernel.io_uring_disabled") && error.contains("--engine epoll"), "{error}");
    }
}

#[cfg(feature = "tokio-uring")]
#[test]
fn tokio_uring_read_ends_when_the_peer_shuts_down() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (peer, _) = socket.accept().unwrap();
        std::thread::sleep(Duration::from_millis(30));
        peer.shutdown(Shutdown::Both).unwrap();
    });
    let read = TokioUring::run(|| async {
        let mut stream = TokioUring::connect(address).await.unwrap();
        within::<TokioUring, _>(BOUND, stream.read(&mut [0; 8])).await
    })
    .unwrap();
    assert_eq!(read.unwrap().unwrap(), 0);
    peer.join().unwrap();
    let _ = Epoll::KIND;
}
