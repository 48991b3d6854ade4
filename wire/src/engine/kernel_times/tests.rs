//! The order of a message's times, with real sockets.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::{Engine, Epoll, Uring, within};

/// Time limit for an expected event; reached only if the test fails.
const BOUND: Duration = Duration::from_secs(10);
/// How precisely the clocks are converted.
const SLACK: Duration = Duration::from_micros(2);
/// How long the peer keeps a message.
const KEPT: Duration = Duration::from_millis(2);

/// Sends back messages of `size` bytes, each after a while.
fn echo(mut stream: TcpStream, size: usize) {
    stream.set_nodelay(true).unwrap();
    let mut data = vec![0; size];
    while stream.read_exact(&mut data).is_ok() {
        std::thread::sleep(KEPT);
        stream.write_all(&data).unwrap();
    }
}

/// Exchanges messages, `in_flight` at a time, and checks that the kernel's times lie between the program's.
fn times_lie_within_a_message<E: Engine>(size: usize, in_flight: usize, address: &str) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || echo(listener.accept().unwrap().0, size));
    E::run(|| async {
        let before = Instant::now();
        let mut stream = E::connect(address).await.unwrap();
        let connected = before.elapsed();
        let times = E::observe_kernel_times(&mut stream).unwrap();
        let round_trip = times.connect().expect("the SYN was answered");
        assert!(round_trip <= connected + SLACK, "{round_trip:?} of {connected:?}");
        assert!(times.received().is_none() && times.transmitted(0).is_none());
        let (mut reader, mut writer) = tokio::io::split(stream);
        for _ in 0..8 {
            let mut sent = Vec::new();
            let data = vec![7; size];
            let writing = async {
                for _ in 0..in_flight {
                    sent.push((times.written(), Instant::now()));
                    writer.write_all(&data).await.unwrap();
                    writer.flush().await.unwrap();
                }
            };
            let mut echo = vec![0; size * in_flight];
            let reading = async { within::<E, _>(BOUND, reader.read_exact(&mut echo)).await.unwrap().unwrap() };
            tokio::join!(writing, reading);
            let read = Instant::now();
            let received = times.received().expect("the kernel recorded the receive");
            assert!(received <= read + SLACK, "received {:?} after the read", received - read);
            let mut latest = before;
            for (byte, sent) in sent {
                let transmitted = times.transmitted(byte).expect("the kernel recorded the send");
                assert!(transmitted + SLACK >= sent, "transmitted {:?} before the send", sent - transmitted);
                assert!(transmitted >= latest, "transmitted in another order");
                assert!(transmitted + KEPT <= received + SLACK, "the peer kept it: {:?}", received - transmitted);
                latest = transmitted;
            }
            assert!(read - received < BOUND);
        }
    })
    .unwrap();
    peer.join().unwrap();
}

fn every_size<E: Engine>() {
    for size in [1, 64, 16 << 10, 1 << 20] {
        times_lie_within_a_message::<E>(size, 1, "127.0.0.1:0");
    }
    for in_flight in [2, 8] {
        times_lie_within_a_message::<E>(64, in_flight, "127.0.0.1:0");
    }
    times_lie_within_a_message::<E>(64, 1, "[::1]:0");
}

#[test]
fn times_lie_within_a_message_with_epoll() {
    every_size::<Epoll>();
}

#[test]
fn times_lie_within_a_message_with_uring() {
    every_size::<Uring>();
}

/// Nothing spins on an error queue: while a message is kept, the thread uses no CPU time to speak of.
fn waiting_costs_nothing<E: Engine>() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut data = [0; 64];
        stream.read_exact(&mut data).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        stream.write_all(&data).unwrap();
    });
    let spent = E::run(|| async {
        let mut stream = E::connect(address).await.unwrap();
        let times = E::observe_kernel_times(&mut stream).unwrap();
        let (mut reader, mut writer) = tokio::io::split(stream);
        let before = cpu_time();
        let mut echo = [0; 64];
        // The receive waits before the message is sent.
        let writing = async {
            E::sleep_until(Instant::now() + Duration::from_millis(20)).await;
            writer.write_all(&[1; 64]).await.unwrap();
            writer.flush().await.unwrap();
        };
        let reading = async { within::<E, _>(BOUND, reader.read_exact(&mut echo)).await.unwrap().unwrap() };
        tokio::join!(reading, writing);
        assert!(times.transmitted(0).is_some() && !times.awaits());
        cpu_time() - before
    })
    .unwrap();
    peer.join().unwrap();
    assert!(spent < Duration::from_millis(60), "{spent:?} of CPU time while waiting");
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap())
}

#[test]
fn waiting_costs_nothing_with_either_engine() {
    waiting_costs_nothing::<Epoll>();
    waiting_costs_nothing::<Uring>();
}

/// The entries of the error queue count against the receive buffer: those that nobody reads would close the window.
fn a_shutdown_with_unsent_data_leaves_the_window_open<E: Engine>(receive_buffer: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let reply = 2 << 20;
    let peer = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        let mut data = Vec::new();
        stream.read_to_end(&mut data).unwrap();
        stream.write_all(&vec![1; reply]).unwrap();
        data.len()
    });
    let written = E::run(|| async move {
        let mut stream = E::connect(address).await.unwrap();
        E::observe_kernel_times(&mut stream).unwrap();
        // A buffer of a fixed size, which does not grow with what is received.
        rustix::net::sockopt::set_socket_recv_buffer_size(&stream, receive_buffer).unwrap();
        // More than the peer's window, and no more than the send buffer takes.
        let data = vec![7; 64 << 10];
        let mut written = 0;
        while let Ok(count) = within::<E, _>(Duration::from_millis(5), stream.write(&data)).await {
            written += count.unwrap();
        }
        let (mut reader, mut writer) = tokio::io::split(stream);
        let reading = async {
            let mut echo = Vec::new();
            // Until the peer has read everything.
            E::sleep_until(Instant::now() + Duration::from_millis(200)).await;
            within::<E, _>(BOUND, reader.read_to_end(&mut echo)).await.expect("the window is open").unwrap();
            echo.len()
        };
        let (shut_down, read) = tokio::join!(writer.shutdown(), reading);
        shut_down.unwrap();
        assert_eq!(read, reply);
        written
    })
    .unwrap();
    assert_eq!(peer.join().unwrap(), written);
}

#[test]
fn a_shutdown_with_unsent_data_leaves_the_window_open_with_either_engine() {
    for receive_buffer in [48 << 10, 73 << 10] {
        a_shutdown_with_unsent_data_leaves_the_window_open::<Epoll>(receive_buffer);
        a_shutdown_with_unsent_data_leaves_the_window_open::<Uring>(receive_buffer);
    }
}
