//! Peers that misbehave, or do what is allowed but rare.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BOUND, driver, listener, on_ring_with, open_sockets, pattern, wait_for_entries, with_both_feature_sets};
use crate::engine::uring::state::connection::{MAX_PENDING, MAX_UNREAD};
use crate::engine::uring::{Features, UringStream};
use crate::engine::{Engine, Uring, within};

type E = Uring;

with_both_feature_sets! {
    reset_by_peer_fails_pending_and_later_operations
    peer_that_shut_down_still_receives
    stream_that_shut_down_still_receives
    peer_that_does_not_read_blocks_the_writer_without_loss
    stream_that_is_not_read_blocks_the_peer_without_loss
    single_bytes_arrive_in_order
}

/// A connection and its peer, with small socket buffers, so that their content is negligible.
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

/// Reads to the end, in the background.
fn read_all(mut peer: TcpStream) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        peer.set_read_timeout(Some(BOUND)).unwrap();
        peer.read_to_end(&mut all).unwrap();
        all
    })
}

fn reset_by_peer_fails_pending_and_later_operations(features: Features) {
    on_ring_with(features, || async {
        let socket = listener();
        // With a read in flight.
        let (mut stream, peer) = pair(&socket).await;
        let resetting = E::spawn(async move {
            pause(5).await;
            reset(peer);
        });
        let error = within::<E, _>(BOUND, stream.read_u8()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        resetting.await.unwrap();
        // The error is returned once, then end of stream.
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
        let written = within::<E, _>(BOUND, async {
            while stream.write_all(&[1; 100]).await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        written.await.unwrap();
        drop(stream);

        // With a write that waits for room.
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

        // With both, on the halves of one stream.
        let (stream, peer) = pair(&socket).await;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let reading = E::spawn(async move { reader.read_u8().await.is_err() });
        let writing = E::spawn(async move { writer.write_all(&vec![1; 32 << 20]).await.is_err() });
        pause(5).await;
        reset(peer);
        assert!(within::<E, _>(BOUND, reading).await.unwrap().unwrap());
        assert!(within::<E, _>(BOUND, writing).await.unwrap().unwrap());
        wait_for_entries(0).await;
        assert_eq!(open_sockets(socket.local_addr().unwrap().port()), 1);
    });
}

fn peer_that_shut_down_still_receives(features: Features) {
    on_ring_with(features, || async {
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
        wait_for_entries(0).await;
    });
}

fn stream_that_shut_down_still_receives(features: Features) {
    on_ring_with(features, || async {
        let socket = listener();
        let (mut stream, mut peer) = pair(&socket).await;
        stream.write_all(b"the last words").await.unwrap();
        within::<E, _>(BOUND, stream.shutdown()).await.unwrap().unwrap();
        let mut words = Vec::new();
        peer.read_to_end(&mut words).unwrap();
        assert_eq!(words, b"the last words");
        let sent = pattern(1 << 20);
        let data = sent.clone();
        let sending = thread::spawn(move || peer.write_all(&data));
        let mut all = Vec::new();
        within::<E, _>(BOUND, stream.read_to_end(&mut all)).await.unwrap().unwrap();
        assert!(all == sent);
        sending.join().unwrap().unwrap();
        assert!(stream.write_all(b"after the last").await.is_err() || stream.flush().await.is_ok());
        drop(stream);
        wait_for_entries(0).await;
    });
}

fn peer_that_does_not_read_blocks_the_writer_without_loss(features: Features) {
    on_ring_with(features, move || async move {
        let socket = listener();
        let (mut stream, peer) = pair(&socket).await;
        let sent = pattern(4 << 20);
        let mut taken = 0;
        while let Ok(count) = within::<E, _>(Duration::from_millis(100), stream.write(&sent[taken..])).await {
            taken += count.unwrap();
        }
        // The send in flight, the pending data, and the kernel's buffers, which are twice the requested size.
        assert!((MAX_PENDING..2 * MAX_PENDING + (512 << 10)).contains(&taken), "{taken} bytes were accepted");
        assert!(
            within::<E, _>(Duration::from_millis(10), stream.flush()).await.is_err(),
            "flush succeeded without room"
        );
        // Other connections are not affected.
        let (mut other, mut other_peer) = pair(&socket).await;
        other.write_all(b"quick").await.unwrap();
        pause(1).await;
        other_peer.read_exact(&mut [0; 5]).unwrap();
        let reading = read_all(peer);
        within::<E, _>(BOUND, stream.write_all(&sent[taken..])).await.unwrap().unwrap();
        within::<E, _>(BOUND, stream.shutdown()).await.unwrap().unwrap();
        assert!(reading.join().unwrap() == sent);
        if features.inline_send {
            assert!(driver::with(|driver| driver.counters().partial_sends) > 0);
        }
    });
}

fn stream_that_is_not_read_blocks_the_peer_without_loss(features: Features) {
    on_ring_with(features, move || async move {
        let socket = listener();
        let (mut stream, mut peer) = pair(&socket).await;
        let sent = pattern(4 << 20);
        // One read first, so that a multishot receive is in flight.
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
        assert!(taken < sent.len(), "the peer sent everything although nothing was read");
        assert!(taken < MAX_UNREAD + (1 << 20), "{taken} bytes were accepted");
        assert_eq!(driver::with(|driver| driver.buffers_out()), 0, "the stream holds buffers of the ring");
        peer.set_nonblocking(false).unwrap();
        let rest = sent[taken..].to_vec();
        let sending = thread::spawn(move || peer.write_all(&rest));
        let mut all = Vec::new();
        within::<E, _>(BOUND, stream.read_to_end(&mut all)).await.unwrap().unwrap();
        assert!(all == sent, "{} bytes arrived", all.len());
        sending.join().unwrap().unwrap();
    });
}

fn single_bytes_arrive_in_order(features: Features) {
    on_ring_with(features, || async {
        let socket = listener();
        let (mut stream, mut peer) = pair(&socket).await;
        let sent = pattern(3000);
        let data = sent.clone();
        let sending = thread::spawn(move || {
            for byte in &data {
                peer.write_all(&[*byte]).unwrap();
            }
            peer
        });
        let mut all = vec![0; sent.len()];
        within::<E, _>(BOUND, stream.read_exact(&mut all)).await.unwrap().unwrap();
        assert!(all == sent);
        // The other direction, with a ring iteration after every third byte.
        let reading = read_all(sending.join().unwrap());
        for (at, byte) in sent.iter().enumerate() {
            stream.write_all(&[*byte]).await.unwrap();
            if at % 3 == 0 {
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
        drop(stream);
        wait_for_entries(0).await;
        assert!(reading.join().unwrap() == sent);
    });
}
