//! What is dropped while the kernel has it: nothing is freed before the kernel lets go, and then everything is.

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::forms::ALL;
use super::{
    BOUND, alone, driver, entries, full_listener, guarded, held, in_both_forms, let_go, listener, on_ring_in,
    open_files, pattern,
};
use crate::engine::uring::{Features, UringStream};
use crate::engine::{Engine, Uring, timer, within};

type E = Uring;

in_both_forms! {
    a_stream_dropped_mid_receive_frees_nothing_that_the_kernel_may_write
    a_stream_dropped_mid_send_still_sends_all_that_it_took
    a_stream_dropped_mid_send_to_a_peer_that_never_reads_is_given_up
    a_stream_dropped_mid_send_whose_peer_resets_is_let_go_at_once
    a_connect_dropped_midway_is_let_go
    a_listener_dropped_mid_accept_stops_listening_and_closes_what_nobody_took
    a_timer_that_is_dropped_wakes_nobody
}

/// Polls once, so that the kernel has been asked, and turns the ring over.
async fn begin<F: Future>(mut future: Pin<&mut F>) {
    let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await;
    assert!(polled, "it is ready already");
    E::sleep_until(Instant::now() + Duration::from_millis(1)).await;
}

/// Writes until the stream takes no more; how much it took.
async fn fill(stream: &mut UringStream) -> usize {
    let data = pattern(50_000);
    let mut taken = 0;
    // The socket is full only if it is so for a while: the buffers of the kernel grow.
    while let Ok(count) = within::<E, _>(Duration::from_millis(100), stream.write(&data[taken % 50_000..])).await {
        taken += count.unwrap();
    }
    taken
}

fn is_filled(all: &[u8]) -> bool {
    all.chunks(50_000).all(|chunk| chunk == &pattern(50_000)[..chunk.len()])
}

fn a_stream_dropped_mid_receive_frees_nothing_that_the_kernel_may_write(form: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_in(form, move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (mut peer, _) = socket.accept().unwrap();
        begin(pin!(stream.read_u8())).await;
        assert_eq!(entries(), 1);
        drop(stream);
        // The kernel has it, and is asked to let go at the next turn.
        assert_eq!((entries(), held(address.port())), (1, 3));
        peer.write_all(&[0xaa; 10_000]).unwrap();
        let_go(0).await;
        // What it has not read resets its peer, which leaves the table.
        assert!(held(address.port()) <= 2, "the stream's own is open");
        assert_eq!(driver::with(|driver| (driver.slots(), driver.buffers_out())), (1, 0));
        drop((peer, socket));
    });
}

fn a_stream_dropped_mid_send_still_sends_all_that_it_took(form: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_in(form, move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (mut peer, _) = socket.accept().unwrap();
        let taken = fill(&mut stream).await;
        drop(stream);
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        assert_eq!(entries(), 1, "it has something to send");
        let reading = thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).unwrap();
            all
        });
        let_go(0).await;
        let all = reading.join().unwrap();
        assert_eq!(all.len(), taken);
        assert!(is_filled(&all), "other bytes than were written");
        assert_eq!(held(address.port()), 1);
    });
}

fn a_stream_dropped_mid_send_to_a_peer_that_never_reads_is_given_up(form: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_in(form, move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (peer, _) = socket.accept().unwrap();
        fill(&mut stream).await;
        begin(pin!(stream.read_u8())).await;
        drop(stream);
        let_go(0).await;
        assert_eq!(held(address.port()), 2);
        drop(peer);
    });
}

fn a_stream_dropped_mid_send_whose_peer_resets_is_let_go_at_once(form: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_in(form, move || async move {
        let mut stream = E::connect(address).await.unwrap();
        let (peer, _) = socket.accept().unwrap();
        fill(&mut stream).await;
        drop(stream);
        // It has unread bytes: a reset.
        drop(peer);
        let_go(0).await;
    });
}

fn a_connect_dropped_midway_is_let_go(form: Features) {
    let (socket, full) = full_listener();
    let address = socket.local_addr().unwrap();
    on_ring_in(form, move || async move {
        let before = held(address.port());
        for _ in 0..20 {
            let mut connecting = Box::pin(E::connect(address));
            begin(connecting.as_mut()).await;
            assert_eq!((entries(), held(address.port())), (1, before + 1));
            drop(connecting);
            assert_eq!(entries(), 1, "the kernel reads the address as long as it has it");
            let_go(0).await;
            assert_eq!(held(address.port()), before);
        }
        // One that is connected and not looked at again, too.
        let open = listener();
        let mut connecting = Box::pin(E::connect(open.local_addr().unwrap()));
        begin(connecting.as_mut()).await;
        drop(connecting);
        let_go(0).await;
        assert_eq!(held(open.local_addr().unwrap().port()), 1);
        assert_eq!(driver::with(|driver| driver.slots()), 1);
        drop(full);
    });
}

fn a_listener_dropped_mid_accept_stops_listening_and_closes_what_nobody_took(form: Features) {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    on_ring_in(form, move || async move {
        let mut listening = E::listen(socket).unwrap();
        begin(pin!(E::accept(&mut listening))).await;
        let peers: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
        E::sleep_until(Instant::now() + Duration::from_millis(5)).await;
        assert_eq!(held(address.port()), 41, "they are accepted without being asked for");
        drop(listening);
        let_go(0).await;
        assert_eq!(held(address.port()), 20);
        assert!(TcpStream::connect(address).is_err());
        for mut peer in peers {
            peer.set_read_timeout(Some(BOUND)).unwrap();
            assert!(matches!(peer.read(&mut [0]), Ok(0) | Err(_)));
        }
    });
}

fn a_timer_that_is_dropped_wakes_nobody(form: Features) {
    on_ring_in(form, || async {
        let mut sleep = Box::pin(E::sleep_until(Instant::now() + Duration::from_secs(3600)));
        begin(sleep.as_mut()).await;
        assert!(timer::next().is_some());
        drop(sleep);
        assert!(timer::next().is_none());
    });
}

/// Tasks in the midst of everything that a task can be in the midst of, with what their peers have.
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
fn a_runtime_dropped_with_everything_in_flight_leaves_nothing() {
    alone!(a_runtime_dropped_with_everything_in_flight_leaves_nothing, || {
        let (socket, full) = full_listener();
        let hanging = socket.local_addr().unwrap();
        guarded(move || {
            let before = open_files();
            for form in [ALL, Features::LEAST] {
                Features::set_override(Some(form));
                drop(E::run(|| all_in_flight(hanging)).unwrap());
                assert!(timer::next().is_none());
                assert!(driver::try_with(|_| ()).is_none());
                assert_eq!(open_files(), before);
            }
        });
        drop(full);
    });
}

#[test]
fn a_panic_with_everything_in_flight_leaves_nothing() {
    alone!(a_panic_with_everything_in_flight_leaves_nothing, || {
        let (socket, full) = full_listener();
        let hanging = socket.local_addr().unwrap();
        guarded(move || {
            let before = open_files();
            for form in [ALL, Features::LEAST] {
                Features::set_override(Some(form));
                let panicked = std::panic::catch_unwind(|| {
                    E::run(|| async {
                        let peers = all_in_flight(hanging).await;
                        drop(peers);
                        panic!("as it was meant to");
                    })
                });
                assert!(panicked.is_err());
                assert!(driver::try_with(|_| ()).is_none());
                assert_eq!(open_files(), before);
                // The thread can be used again.
                assert_eq!(E::run(|| async { 42 }).unwrap(), 42);
            }
        });
        drop(full);
    });
}

#[test]
fn a_stream_that_outlives_the_ring_does_not_keep_it() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    guarded(move || {
        let main = async || {
            let mut stream = E::connect(address).await.unwrap();
            let (peer, _) = socket.accept().unwrap();
            begin(pin!(stream.read_u8())).await;
            stream.write_all(b"the last").await.unwrap();
            (stream, peer)
        };
        // Its receive is cancelled, and what it took is sent.
        let (stream, mut peer) = E::run(main).unwrap();
        let mut all = [0; 8];
        peer.set_read_timeout(Some(BOUND)).unwrap();
        peer.read_exact(&mut all).unwrap();
        assert_eq!(&all, b"the last");
        drop(stream);
        assert_eq!(peer.read(&mut all).unwrap(), 0);
        drop((peer, socket));
        assert_eq!(held(address.port()), 0);
    });
}

#[test]
fn a_stream_that_outlives_its_engine_is_none_of_the_next_ones() {
    let socket = listener();
    let address = socket.local_addr().unwrap();
    guarded(move || {
        let stale = E::run(async || E::connect(address).await.unwrap()).unwrap();
        let (mut old_peer, _) = socket.accept().unwrap();
        E::run(async || {
            // In the slot that the stale one had.
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
fn a_number_that_is_used_again_never_gets_the_bytes_of_the_stream_before() {
    const ROUNDS: u32 = 3000;
    alone!(a_number_that_is_used_again_never_gets_the_bytes_of_the_stream_before, || {
        let socket = listener();
        let address = socket.local_addr().unwrap();
        // Sends each what it has said itself, until it is gone.
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
        for form in [ALL, Features::LEAST] {
            let again = on_ring_in(form, move || async move {
                let (mut numbers, mut again) = (std::collections::HashSet::new(), 0);
                let mut rest = vec![0; 8 << 20];
                for number in 0..ROUNDS {
                    let mut stream = E::connect(address).await.unwrap();
                    again += u32::from(!numbers.insert(stream.as_fd().as_raw_fd()));
                    stream.write_all(&number.to_ne_bytes()).await.unwrap();
                    let mut bytes = vec![0; 400 + (number as usize % 7) * 4000];
                    stream.read_exact(&mut bytes).await.unwrap();
                    let own = bytes.chunks(4).all(|chunk| chunk == number.to_ne_bytes());
                    assert!(own, "stream {number} got the bytes of another");
                    // Dropped with its receive in flight, and with bytes on the way.
                    assert!(within::<E, _>(Duration::ZERO, stream.read_exact(&mut rest)).await.is_err());
                }
                let_go(0).await;
                again
            });
            assert!(again > ROUNDS / 2, "a number was used again {again} times only");
        }
    });
}
