//! Peers that do what peers should not, or what they may and few do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BOUND, driver, held, in_both_forms, let_go, listener, on_ring_in, pattern};
use crate::engine::uring::state::connection::{PENDING_MOST, UNREAD_MOST};
use crate::engine::uring::{Features, UringStream};
use crate::engine::{Engine, Uring, within};

type E = Uring;

in_both_forms! {
    a_peer_that_resets_fails_what_waits_and_what_comes_later
    a_peer_that_ends_its_side_is_still_sent_to
    a_side_that_has_ended_still_receives
    a_peer_that_never_reads_stops_the_writer_and_gets_all_when_it_does
    who_never_reads_stops_the_peer_and_gets_all_when_it_does
    single_bytes_are_put_together
}

/// A connection, and its peer. Small buffers in the kernel, so that what stands in them does not count.
async fn pair(socket: &TcpListener) -> (UringStream, TcpStream) {
    sockopt::set_socket_recv_buffer_size(socket, 32 << 10).unwrap();
    sockopt::set_socket_send_buffer_size(socket, 32 << 10).unwrap();
    let stream = E::connect(socket.local_addr().unwrap()).await.unwrap();
    sockopt::set_socket_send_buffer_size(&stream, 32 << 10).unwrap();
    sockopt::set_socket_recv_buffer_size(&stream, 32 << 10).unwrap();
    let (peer, _) = socket.accept().unwrap();
    peer.set_nodelay(true).unwrap();
    (stream, peer)
}

fn reset(peer: TcpStream) {
    sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    drop(peer);
}

async fn pause(milliseconds: u64) {
    E::sleep_until(Instant::now() + Duration::from_millis(milliseconds)).await;
}

/// In the background, for as long as it takes.
fn read_all(mut peer: TcpStream) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        peer.set_read_timeout(Some(BOUND)).unwrap();
        peer.read_to_end(&mut all).unwrap();
        all
    })
}

fn a_peer_that_resets_fails_what_waits_and_what_comes_later(form: Features) {
    on_ring_in(form, || async {
        let socket = listener();
        // A read in flight.
        let (mut stream, peer) = pair(&socket).await;
        let resetting = E::spawn(async move {
            pause(5).await;
            reset(peer);
        });
        let error = within::<E, _>(BOUND, stream.read_u8()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        resetting.await.unwrap();
        // Told once; after it there is an end.
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        let written = within::<E, _>(BOUND, async {
            while stream.write_all(&[1; 100]).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        written.await.unwrap();
        drop(stream);

        // A write that waits for room.
        let (mut stream, peer) = pair(&socket).await;
        let resetting = E::spawn(async move {
            pause(20).await;
            reset(peer);
        });
        let error = within::<E, _>(BOUND, stream.write_all(&vec![1; 32 << 20])).await.unwrap().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        assert!(stream.write_all(b"more").await.is_err());
        assert!(stream.flush().await.is_err());
        resetting.await.unwrap();
        drop(stream);

        // Both at once, by halves of one stream.
        let (stream, peer) = pair(&socket).await;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let reading = E::spawn(async move { reader.read_u8().await.is_err() });
        let writing = E::spawn(async move { writer.write_all(&vec![1; 32 << 20]).await.is_err() });
        pause(5).await;
        reset(peer);
        assert!(within::<E, _>(BOUND, reading).await.unwrap().unwrap());
        assert!(within::<E, _>(BOUND, writing).await.unwrap().unwrap());
        let_go(0).await;
        assert_eq!(held(socket.local_addr().unwrap().port()), 1);
    });
}

fn a_peer_that_ends_its_side_is_still_sent_to(form: Features) {
    on_ring_in(form, || async {
        let socket = listener();
        let (mut stream, mut peer) = pair(&socket).await;
        peer.write_all(b"the last words").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let mut words = Vec::new();
        within::<E, _>(BOUND, stream.read_to_end(&mut words)).await.unwrap().unwrap();
        assert_eq!(words, b"the last words");
        let reading = read_all(peer);
        let sent = pattern(1 << 20);
        within::<E, _>(BOUND, stream.write_all(&sent)).await.unwrap().unwrap();
        stream.shutdown().await.unwrap();
        assert!(reading.join().unwrap() == sent);
        drop(stream);
        let_go(0).await;
    });
}

fn a_side_that_has_ended_still_receives(form: Features) {
    on_ring_in(form, || async {
        let socket = listener();
        let (mut stream, mut peer) = pair(&socket).await;
        stream.write_all(b"the last words").await.unwrap();
        within::<E, _>(BOUND, stream.shutdown()).await.unwrap().unwrap();
        let mut words = Vec::new();
        peer.read_to_end(&mut words).unwrap();
        assert_eq!(words, b"the last words");
        let sent = pattern(1 << 20);
        let its = sent.clone();
        let sending = thread::spawn(move || peer.write_all(&its));
        let mut all = Vec::new();
        within::<E, _>(BOUND, stream.read_to_end(&mut all)).await.unwrap().unwrap();
        assert!(all == sent);
        sending.join().unwrap().unwrap();
        assert!(stream.write_all(b"after the last").await.is_err() || stream.flush().await.is_ok());
        drop(stream);
        let_go(0).await;
    });
}

fn a_peer_that_never_reads_stops_the_writer_and_gets_all_when_it_does(form: Features) {
    on_ring_in(form, move || async move {
        let socket = listener();
        let (mut stream, peer) = pair(&socket).await;
        let sent = pattern(4 << 20);
        let mut taken = 0;
        while let Ok(count) = within::<E, _>(Duration::from_millis(100), stream.write(&sent[taken..])).await {
            taken += count.unwrap();
        }
        // What is on its way, what waits behind it, and the buffers of the kernel, which doubles what it is asked for.
        assert!((PENDING_MOST..2 * PENDING_MOST + (512 << 10)).contains(&taken), "{taken} bytes were taken");
        assert!(within::<E, _>(Duration::from_millis(10), stream.flush()).await.is_err(), "nothing is flushed");
        // The others go on.
        let (mut other, mut its_peer) = pair(&socket).await;
        other.write_all(b"quick").await.unwrap();
        pause(1).await;
        its_peer.read_exact(&mut [0; 5]).unwrap();
        let reading = read_all(peer);
        within::<E, _>(BOUND, stream.write_all(&sent[taken..])).await.unwrap().unwrap();
        within::<E, _>(BOUND, stream.shutdown()).await.unwrap().unwrap();
        assert!(reading.join().unwrap() == sent);
        if form.inline_send {
            assert!(driver::with(|driver| driver.totals().partial_sends) > 0);
        }
    });
}

fn who_never_reads_stops_the_peer_and_gets_all_when_it_does(form: Features) {
    on_ring_in(form, move || async move {
        let socket = listener();
        let (mut stream, mut peer) = pair(&socket).await;
        let sent = pattern(4 << 20);
        // It has read once, so that a receive is in flight where there is a multishot one.
        assert!(within::<E, _>(Duration::from_millis(1), stream.read_u8()).await.is_err());
        peer.set_nonblocking(true).unwrap();
        let (mut taken, mut last) = (0, Instant::now());
        while last.elapsed() < Duration::from_millis(100) {
            if let Ok(count) = peer.write(&sent[taken..]) {
                taken += count;
                last = Instant::now();
            }
            pause(0).await;
            tokio::task::yield_now().await;
        }
        assert!(taken < sent.len(), "all of it was taken, and nobody read");
        assert!(taken < UNREAD_MOST + (1 << 20), "{taken} bytes were taken");
        assert_eq!(driver::with(|driver| driver.buffers_out()), 0, "it keeps buffers from others");
        peer.set_nonblocking(false).unwrap();
        let rest = sent[taken..].to_vec();
        let sending = thread::spawn(move || peer.write_all(&rest));
        let mut all = Vec::new();
        within::<E, _>(BOUND, stream.read_to_end(&mut all)).await.unwrap().unwrap();
        assert!(all == sent, "{} bytes came", all.len());
        sending.join().unwrap().unwrap();
    });
}

fn single_bytes_are_put_together(form: Features) {
    on_ring_in(form, || async {
        let socket = listener();
        let (mut stream, mut peer) = pair(&socket).await;
        let sent = pattern(3000);
        let its = sent.clone();
        let sending = thread::spawn(move || {
            for byte in &its {
                peer.write_all(&[*byte]).unwrap();
            }
            peer
        });
        let mut all = vec![0; sent.len()];
        within::<E, _>(BOUND, stream.read_exact(&mut all)).await.unwrap().unwrap();
        assert!(all == sent);
        // And the other way, with a turn of the ring after every third.
        let reading = read_all(sending.join().unwrap());
        for (at, byte) in sent.iter().enumerate() {
            stream.write_all(&[*byte]).await.unwrap();
            if at % 3 == 0 {
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        drop(stream);
        let_go(0).await;
        assert!(reading.join().unwrap() == sent);
    });
}
