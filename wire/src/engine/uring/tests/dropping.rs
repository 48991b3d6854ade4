//! Handles dropped with operations in flight: their memory is freed after the kernel has completed them, never earlier.

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    BOUND, alone, driver, entries, full_listener, guarded, listener, on_ring_with, open_files, open_sockets, pattern,
    wait_for_entries, with_both_feature_sets,
};
use crate::engine::uring::{Features, UringStream, probe};
use crate::engine::{Engine, Uring, timer, within};

type E = Uring;

with_both_feature_sets! {
    dropping_a_stream_keeps_memory_until_its_receive_ends
    dropped_stream_still_sends_accepted_data
    dropped_stream_gives_up_if_the_peer_never_reads
    dropped_stream_is_freed_at_once_if_the_peer_resets
    dropped_connect_is_freed
    dropped_listener_closes_untaken_connections
    dropped_timer_is_removed
}

/// Polls once and runs a ring iteration, so that the operation is in flight.
async fn start<F: Future>(mut future: Pin<&mut F>) {
    let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(polled, "completed at once");
    E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
}

/// Writes until the stream accepts no more. Returns how many bytes it accepted.
async fn fill(stream: &mut UringStream) -> usize {
    let data = pattern(50_000);
    let mut taken = 0;
    // Full only if it stays full for a while: the kernel's buffers grow.
    while let Ok(count) = within::<E, _>(Duration::from_millis(100), stream.write(&data[taken % 50_000..])).await {
        taken += count.unwrap();
    }
    taken
}

fn is_filled(all: &[u8]) -> bool {
    all.chunks(50_000).all(|chunk| chunk == &pattern(50_000)[..chunk.len()])
}

fn dropping_a_stream_keeps_memory_until_its_receive_ends(features: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_with(features, move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (mut peer, _) = socket.accept().unwrap();
        start(pin!(stream.read_u8())).await;
        assert_eq!(entries(), 1);
        drop(stream);
        // In flight; cancelled in the next iteration.
        assert_eq!((entries(), open_sockets(address.port())), (1, 3));
        peer.write_all(&[0xaa; 10_000]).unwrap();
        wait_for_entries(0).await;
        // Closing with unread data resets the peer, which leaves the table too.
        assert!(open_sockets(address.port()) <= 2, "the socket of the stream is open");
        assert_eq!(driver::with(|driver| (driver.slots(), driver.buffers_out())), (1, 0));
        drop((peer, socket));
    });
}

fn dropped_stream_still_sends_accepted_data(features: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_with(features, move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (mut peer, _) = socket.accept().unwrap();
        let taken = fill(&mut stream).await;
        drop(stream);
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        assert_eq!(entries(), 1, "the entry was removed with unsent data");
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all
        });
        wait_for_entries(0).await;
        let all = reading.join().unwrap();
        assert_eq!(all.len(), taken);
        assert!(is_filled(&all), "wrong data arrived");
        assert_eq!(open_sockets(address.port()), 1);
    });
}

fn dropped_stream_gives_up_if_the_peer_never_reads(features: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_with(features, move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (peer, _) = socket.accept().unwrap();
        fill(&mut stream).await;
        start(pin!(stream.read_u8())).await;
        drop(stream);
        wait_for_entries(0).await;
        assert_eq!(open_sockets(address.port()), 2);
        drop(peer);
    });
}

fn dropped_stream_is_freed_at_once_if_the_peer_resets(features: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_with(features, move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (peer, _) = socket.accept().unwrap();
        fill(&mut stream).await;
        drop(stream);
        // Closing with unread data is a reset.
        drop(peer);
        wait_for_entries(0).await;
    });
}

fn dropped_connect_is_freed(features: Features) {
    let (socket, full) = full_listener();
    let address = socket.local_addr().unwrap();
    on_ring_with(features, move || async move {
        let before = open_sockets(address.port());
        for _ in 0..20 {
            let mut connecting = Box::pin(E::connect(address));
            start(connecting.as_mut()).await;
            assert_eq!((entries(), open_sockets(address.port())), (1, before + 1));
            drop(connecting);
            assert_eq!(entries(), 1, "the entry was removed while the kernel reads the address");
            wait_for_entries(0).await;
            assert_eq!(open_sockets(address.port()), before);
        }
        // The same for a completed connect that is not polled again.
        let open = listener();
        let mut connecting = Box::pin(E::connect(open.local_addr().unwrap()));
        start(connecting.as_mut()).await;
        drop(connecting);
        wait_for_entries(0).await;
        assert_eq!(open_sockets(open.local_addr().unwrap().port()), 1);
        assert_eq!(driver::with(|driver| driver.slots()), 1);
        drop(full);
    });
}

fn dropped_listener_closes_untaken_connections(features: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_with(features, move || async move {
        let mut listening = E::listen(socket).unwrap();
        start(pin!(E::accept(&mut listening))).await;
        let peers: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        assert_eq!(open_sockets(address.port()), 41, "connections beyond the first were not accepted");
        drop(listening);
        wait_for_entries(0).await;
        assert_eq!(open_sockets(address.port()), 20);
        assert!(TcpStream::connect(address).is_err());
        for mut peer in peers {
            peer.set_read_timeout(Some(BOUND)).unwrap();
            assert!(matches!(peer.read(&mut [0]), Ok(0) | Err(_)));
        }
    });
}

fn dropped_timer_is_removed(features: Features) {
    on_ring_with(features, || async {
        let mut sleep = Box::pin(E::sleep_until(Instant::now() + Duration::from_secs(3600)));
        start(sleep.as_mut()).await;
        assert!(timer::next_deadline().is_some());
        drop(sleep);
        assert!(timer::next_deadline().is_none());
    });
}

/// Spawns tasks with every kind of operation in flight. Returns their peers.
async fn all_in_flight(hanging: SocketAddr) -> Vec<TcpStream> {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    let mut peers = Vec::new();
    for number in 0..10 {
        let mut stream = E::connect(address).await.unwrap();
        peers.push(socket.accept().unwrap().0);
        if number == 0 {
            fill(&mut stream).await;
        }
        E::spawn(async move { stream.read_exact(&mut vec![0; 100_000]).await.map(drop) });
        E::spawn(async move { E::connect(hanging).await.map(drop) });
        E::spawn(E::sleep_until(Instant::now() + Duration::from_secs(3600)));
    }
    E::spawn(async move {
        let mut listening = E::listen(socket).unwrap();
        loop {
            E::accept(&mut listening).await.unwrap();
        }
    });
    E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
    assert_eq!(entries(), 21);
    peers.iter_mut().for_each(|peer| peer.write_all(b"too late").unwrap());
    peers
}

#[test]
fn dropped_runtime_leaves_nothing_in_flight() {
    alone!(dropped_runtime_leaves_nothing_in_flight, || {
        let (socket, full) = full_listener();
        let hanging = socket.local_addr().unwrap();
        guarded(move || {
            let before = open_files();
            for features in [Features::ALL, Features::MINIMAL] {
                probe::set_override(Some(features));
                drop(E::run(|| all_in_flight(hanging)).unwrap());
                assert!(timer::next_deadline().is_none());
                assert!(driver::try_with(|_| ()).is_none());
                assert_eq!(open_files(), before);
            }
        });
        drop(full);
    });
}

#[test]
fn panic_leaves_nothing_in_flight() {
    alone!(panic_leaves_nothing_in_flight, || {
        let (socket, full) = full_listener();
        let hanging = socket.local_addr().unwrap();
        guarded(move || {
            let before = open_files();
            for features in [Features::ALL, Features::MINIMAL] {
                probe::set_override(Some(features));
                let panicked = std::panic::catch_unwind(|| {
                    E::run(|| async {
                        let peers = all_in_flight(hanging).await;
                        drop(peers);
                        panic!("expected by the test");
                    })
                });
                assert!(panicked.is_err());
                assert!(driver::try_with(|_| ()).is_none());
                assert_eq!(open_files(), before);
                // The thread can run another engine.
                assert_eq!(E::run(|| async { 42 }).unwrap(), 42);
            }
        });
        drop(full);
    });
}

#[test]
fn stream_may_outlive_its_engine() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    guarded(move || {
        let main = async || {
            let mut stream = E::connect(address).await.unwrap();
            let (peer, _) = socket.accept().unwrap();
            start(pin!(stream.read_u8())).await;
            stream.write_all(b"the last").await.unwrap();
            (stream, peer)
        };
        // Its receive is cancelled and its data is sent.
        let (stream, mut peer) = E::run(main).unwrap();
        let mut all = [0; 8];
        peer.set_read_timeout(Some(BOUND)).unwrap();
        peer.read_exact(&mut all).unwrap();
        assert_eq!(&all, b"the last");
        drop(stream);
        assert_eq!(peer.read(&mut all).unwrap(), 0);
        drop((peer, socket));
        assert_eq!(open_sockets(address.port()), 0);
    });
}

#[test]
fn stale_stream_does_not_affect_the_next_engine() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    guarded(move || {
        let stale = E::run(async || E::connect(address).await.unwrap()).unwrap();
        let (mut old_peer, _) = socket.accept().unwrap();
        E::run(async || {
            // In the slot of the stale stream.
            let mut stream = E::connect(address).await.unwrap();
            let (mut peer, _) = socket.accept().unwrap();
            drop(stale);
            old_peer.set_read_timeout(Some(BOUND)).unwrap();
            assert_eq!(old_peer.read(&mut [0; 8]).unwrap(), 0);
            peer.write_all(b"new").unwrap();
            let mut new = [0; 3];
            within::<E, _>(BOUND, stream.read_exact(&mut new)).await.unwrap().unwrap();
            assert_eq!(&new, b"new");
        })
        .unwrap();
    });
}

#[test]
fn reused_descriptor_never_gets_data_of_the_previous_stream() {
    const ROUNDS: u32 = 3000;
    alone!(reused_descriptor_never_gets_data_of_the_previous_stream, || {
        let socket = listener();
        let address = socket.local_addr().unwrap();
        // Sends every client its own number until it disconnects.
        thread::spawn(move || {
            for peer in socket.incoming().map(Result::unwrap) {
                thread::spawn(move || {
                    let mut peer = peer;
                    let mut number = [0; 4];
                    let read = peer.read_exact(&mut number);
                    while read.is_ok() && peer.write_all(&number.repeat(500)).is_ok() {}
                });
            }
        });
        for features in [Features::ALL, Features::MINIMAL] {
            let reused = on_ring_with(features, move || async move {
                let (mut numbers, mut reused) = (std::collections::HashSet::new(), 0);
                let mut rest = vec![0; 8 << 20];
                for number in 0..ROUNDS {
                    let mut stream = E::connect(address).await.unwrap();
                    reused += u32::from(!numbers.insert(stream.as_fd().as_raw_fd()));
                    stream.write_all(&number.to_ne_bytes()).await.unwrap();
                    let mut bytes = vec![0; 400 + (number as usize % 7) * 4000];
                    stream.read_exact(&mut bytes).await.unwrap();
                    let own = bytes.chunks(4).all(|chunk| chunk == number.to_ne_bytes());
                    assert!(own, "stream {number} got data of another");
                    // Dropped with a receive in flight and data on the way.
                    assert!(within::<E, _>(Duration::ZERO, stream.read_exact(&mut rest)).await.is_err());
                }
                wait_for_entries(0).await;
                reused
            });
            assert!(reused > ROUNDS / 2, "descriptors were reused only {reused} times");
        }
    });
}
