//! Rings that are too small: buffers, completions, submissions; and signals during the wait.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    BOUND, alone, driver, guarded, listener, on_ring, on_ring_with, pattern, wait_for_entries, with_both_feature_sets,
};
use crate::engine::uring::{Features, UringStream, buffers, probe, ring};
use crate::engine::{Engine, Uring, within};

type E = Uring;

/// Data that differs from stream to stream.
fn stream_data(number: usize, length: usize) -> Vec<u8> {
    pattern(length + number)[number..].to_vec()
}

async fn pairs(socket: &TcpListener, count: usize) -> Vec<(UringStream, TcpStream)> {
    let mut pairs = Vec::new();
    for _ in 0..count {
        let stream = E::connect(socket.local_addr().unwrap()).await.unwrap();
        pairs.push((stream, socket.accept().unwrap().0));
    }
    pairs
}

/// Receives on more connections at once than there are buffers, initially and at most. Returns the number of buffers in use
/// at the end.
fn exhaust_buffers(features: Features, initial: u16, max: u16) -> u64 {
    const STREAMS: usize = 100;
    let main = || async move {
        let (pairs, mut peers): (Vec<_>, Vec<_>) = pairs(&listener(), STREAMS).await.into_iter().unzip();
        let reading = (0..).zip(pairs).map(|(number, mut stream)| {
            E::spawn(async move {
                let mut all = vec![0; 3 * 5000];
                stream.read_exact(&mut all).await.unwrap();
                assert!(all == stream_data(number, 15_000), "stream {number} got wrong data");
                // The rest is not read; its buffer must be given back anyway.
                stream
            })
        });
        let reading: Vec<_> = reading.collect();
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        // All at once, while this thread is not in the ring.
        for part in 0..3 {
            for (number, peer) in peers.iter_mut().enumerate() {
                peer.write_all(&stream_data(number, 15_000)[part * 5000..][..5000]).unwrap();
            }
            tokio::task::yield_now().await;
        }
        let mut streams = Vec::new();
        for reading in reading {
            streams.push(within::<E, _>(BOUND, reading).await.unwrap().unwrap());
        }
        for peer in &mut peers {
            peer.write_all(b"and nobody reads it").unwrap();
        }
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        // What one iteration received is copied out by the next one.
        let returned = async {
            while driver::with(|driver| driver.buffers_out()) > 0 {
                E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
            }
        };
        within::<E, _>(BOUND, returned).await.expect("buffers were lost");
        driver::with(|driver| driver.counters())
    };
    let counters = guarded(move || {
        probe::set_override(Some(features));
        buffers::set_counts(initial, max);
        E::run(main).unwrap()
    });
    assert!(counters.no_buffers > 0 && counters.buffers_low_water == 0, "buffers did not run out: {counters:?}");
    counters.buffers
}

#[test]
fn running_out_of_buffers_loses_nothing() {
    alone!(running_out_of_buffers_loses_nothing, || {
        for features in [Features::ALL, Features { defer_taskrun: false, ..Features::ALL }] {
            assert_eq!(exhaust_buffers(features, 4, 4), 4);
            let grown = exhaust_buffers(features, 2, 512);
            assert!(grown > 2 && grown <= 256, "{grown} buffers in use");
        }
    });
}

fn writes_between_two_iterations_are_one_send(features: Features) {
    on_ring_with(features, || async {
        let (mut stream, mut peer) = pairs(&listener(), 1).await.pop().unwrap();
        let submitted = || driver::with(|driver| driver.counters().submissions);
        // The first wait submits the read of the unparker's eventfd.
        E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
        for round in 1..=3 {
            let before = submitted();
            for piece in [&b"a"[..], b"bc", b"def"] {
                stream.write_all(piece).await.unwrap();
                stream.flush().await.unwrap();
            }
            E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
            assert_eq!(submitted() - before, 1, "round {round}");
            let mut all = [0; 6];
            peer.set_read_timeout(Some(BOUND)).unwrap();
            std::io::Read::read_exact(&mut peer, &mut all).unwrap();
            assert_eq!(&all, b"abcdef");
        }
    });
}

fn large_writes_are_direct_unless_data_is_pending(features: Features) {
    on_ring_with(features, || async {
        let (mut stream, mut peer) = pairs(&listener(), 1).await.pop().unwrap();
        let direct = || driver::with(|driver| driver.counters().direct_sends);
        let large = pattern(20_000);
        stream.write_all(&large).await.unwrap();
        assert_eq!(direct(), 1);
        stream.write_all(b"first").await.unwrap();
        stream.write_all(&large).await.unwrap();
        assert_eq!(direct(), 1);
        E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
        stream.write_all(&large).await.unwrap();
        assert_eq!(direct(), 2);
        let mut all = vec![0; 3 * large.len() + 5];
        peer.set_read_timeout(Some(BOUND)).unwrap();
        std::io::Read::read_exact(&mut peer, &mut all).unwrap();
        assert!(all == [&large[..], b"first", &large, &large].concat());
    });
}

with_both_feature_sets! {
    writes_between_two_iterations_are_one_send
    large_writes_are_direct_unless_data_is_pending
}

/// Echoes more data than sockets hold, over rings of this capacity. Returns how often the completion queue overflowed.
fn echoes_on_a_small_ring(features: Features, submissions: u32, completions: u32) -> u64 {
    const STREAMS: usize = 60;
    const LENGTH: usize = 300_000;
    guarded(move || {
        probe::set_override(Some(features));
        ring::set_capacity(submissions, completions);
        let main = async || {
            let socket = listener();
            let address = socket.local_addr().unwrap();
            sockopt::set_socket_send_buffer_size(&socket, 8 << 10).unwrap();
            let mut listening = E::listen(socket).unwrap();
            E::spawn(async move {
                loop {
                    let stream = E::accept(&mut listening).await.unwrap();
                    E::spawn(async move {
                        let (mut reader, mut writer) = tokio::io::split(stream);
                        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
                        writer.shutdown().await.unwrap();
                    });
                }
            });
            let clients = (0..STREAMS).map(|number| {
                E::spawn(async move {
                    let stream = E::connect(address).await.unwrap();
                    // So that sends run out of room.
                    sockopt::set_socket_send_buffer_size(&stream, 8 << 10).unwrap();
                    let (mut reader, mut writer) = tokio::io::split(stream);
                    let sent = stream_data(number, LENGTH);
                    let data = sent.clone();
                    let writing = E::spawn(async move {
                        writer.write_all(&data).await.unwrap();
                        writer.shutdown().await.unwrap();
                    });
                    let mut all = Vec::new();
                    reader.read_to_end(&mut all).await.unwrap();
                    assert!(all == sent, "stream {number} got {} bytes", all.len());
                    writing.await.unwrap();
                })
            });
            let clients: Vec<_> = clients.collect();
            for client in clients {
                within::<E, _>(2 * BOUND, client).await.unwrap().unwrap();
            }
            wait_for_entries(1).await;
            driver::with(|driver| {
                assert_eq!(driver.buffers_out(), 0);
                driver.counters()
            })
        };
        let counters = E::run(main).unwrap();
        if features.inline_send {
            assert!(counters.partial_sends > 0, "no send was partial");
        }
        counters.overflows
    })
}

#[test]
fn full_completion_queue_loses_nothing() {
    let overflows = echoes_on_a_small_ring(Features::ALL, 8, 16);
    assert!(overflows > 0, "the completion queue did not overflow");
    assert!(
        echoes_on_a_small_ring(Features { defer_taskrun: false, ..Features::ALL }, 8, 16) > 0,
        "the completion queue did not overflow"
    );
    assert!(echoes_on_a_small_ring(Features::MINIMAL, 8, 16) > 0, "the completion queue did not overflow");
}

#[test]
fn full_submission_queue_loses_nothing() {
    echoes_on_a_small_ring(Features::ALL, 2, 4096);
    echoes_on_a_small_ring(Features::MINIMAL, 2, 4096);
}

#[test]
fn more_submissions_than_the_queue_holds_are_all_made() {
    const STREAMS: usize = 1500;
    alone!(more_submissions_than_the_queue_holds_are_all_made, || {
        on_ring(|| async {
            let mut pairs = pairs(&listener(), STREAMS).await;
            let before = driver::with(|driver| driver.counters());
            for (number, (stream, _)) in pairs.iter_mut().enumerate() {
                stream.write_all(&number.to_ne_bytes()).await.unwrap();
            }
            tokio::task::yield_now().await;
            E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
            let made = driver::with(|driver| driver.counters()).since(&before);
            assert!(made.submissions >= STREAMS as u64 && made.enters < 20, "{made:?}");
            for (number, (_, peer)) in pairs.iter_mut().enumerate() {
                let mut eight = [0; 8];
                peer.set_read_timeout(Some(BOUND)).unwrap();
                std::io::Read::read_exact(peer, &mut eight).unwrap();
                assert_eq!(eight, number.to_ne_bytes());
            }
            // As many receives in one iteration, and as many cancellations.
            let reading: Vec<_> = pairs
                .into_iter()
                .map(|(mut stream, peer)| (E::spawn(async move { stream.read_u8().await.unwrap() }), peer))
                .collect();
            tokio::task::yield_now().await;
            for (at, (reading, mut peer)) in reading.into_iter().enumerate() {
                if at % 2 == 0 {
                    peer.write_all(&[at as u8]).unwrap();
                    assert_eq!(within::<E, _>(BOUND, reading).await.unwrap().unwrap(), at as u8);
                } else {
                    reading.abort();
                }
            }
            wait_for_entries(0).await;
        });
    });
}

#[test]
#[allow(unsafe_code)]
fn signals_during_the_wait_lose_nothing() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: the handler does nothing and is async-signal-safe; no other test uses the signal; the other fields may be
    // zero. Without SA_RESTART, system calls fail with EINTR.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()), 0);
    }
    for features in [Features::ALL, Features::MINIMAL] {
        let done = Arc::new(AtomicBool::new(false));
        let (stop, (sender, receiver)) = (Arc::clone(&done), std::sync::mpsc::channel());
        let signalling = thread::spawn(move || {
            let ring_thread: libc::pthread_t = receiver.recv().unwrap();
            let mut signals = 0;
            while !stop.load(Ordering::SeqCst) {
                // SAFETY: the ring thread joins this one before it ends, so it exists.
                unsafe { libc::pthread_kill(ring_thread, libc::SIGUSR2) };
                signals += 1;
                thread::sleep(Duration::from_micros(50));
            }
            signals
        });
        let signals = on_ring_with(features, move || async move {
            let socket = listener();
            let address = socket.local_addr().unwrap();
            let mut listening = E::listen(socket).unwrap();
            let mut stream = E::connect(address).await.unwrap();
            let mut accepted = E::accept(&mut listening).await.unwrap();
            // SAFETY: pthread_self has no preconditions.
            sender.send(unsafe { libc::pthread_self() }).unwrap();
            let sent = pattern(2 << 20);
            let data = sent.clone();
            let writing = E::spawn(async move { stream.write_all(&data).await.map(|()| stream) });
            let mut all = vec![0; sent.len()];
            within::<E, _>(BOUND, accepted.read_exact(&mut all)).await.unwrap().unwrap();
            assert!(all == sent);
            let mut stream = writing.await.unwrap().unwrap();
            for round in 0..100u8 {
                // The ring waits for a timer, then for a message.
                let deadline = Instant::now() + Duration::from_micros(300);
                E::sleep_until(deadline).await;
                assert!(Instant::now() >= deadline);
                stream.write_all(&[round]).await.unwrap();
                assert_eq!(within::<E, _>(BOUND, accepted.read_u8()).await.unwrap().unwrap(), round);
            }
            done.store(true, Ordering::SeqCst);
            signalling.join().unwrap()
        });
        assert!(signals > 50, "only {signals} signals were sent");
    }
}
