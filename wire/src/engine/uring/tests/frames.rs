//! Large data, cut at the boundaries of records, buffers and queues, comes back byte for byte.

use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BOUND, listener, on_ring_with, pattern, wait_for_entries, with_both_feature_sets};
use crate::engine::uring::Features;
use crate::engine::uring::buffers::LENGTH;
use crate::engine::uring::state::connection::MAX_PENDING;
use crate::engine::{Engine, Uring, within};

type E = Uring;

with_both_feature_sets! {
    echoes_data_of_every_size
    echoes_data_cut_at_every_boundary
}

/// Bytes of a TLS record with 16 KiB of data: header, data, authentication tag and content type.
const RECORD: usize = 5 + 16_384 + 17;

/// Sends back what it reads, in pieces of at most this size.
fn echo(mut peer: TcpStream, piece: usize) {
    peer.set_nodelay(true).unwrap();
    let mut buffer = vec![0; piece];
    while let Ok(count @ 1..) = peer.read(&mut buffer) {
        peer.write_all(&buffer[..count]).unwrap();
    }
}

/// Writes each item of `data`, piece by piece, to an echo, once for each size of the echo's pieces, and compares.
fn assert_echoed(features: Features, data: Vec<Vec<Vec<u8>>>) {
    on_ring_with(features, move || async move {
        let socket = listener();
        let address = socket.local_addr().unwrap();
        for (at, piece) in [LENGTH - 1, MAX_PENDING + 1].into_iter().enumerate() {
            let mut stream = E::connect(address).await.unwrap();
            let peer = socket.accept().unwrap().0;
            let echoing = thread::spawn(move || echo(peer, piece));
            for pieces in &data {
                let (mut reader, mut writer) = tokio::io::split(stream);
                let to_write = pieces.clone();
                let writing = E::spawn(async move {
                    // In one call as far as possible, or piece by piece with a ring iteration in between.
                    let slices: Vec<_> = to_write.iter().map(|piece| IoSlice::new(piece)).collect();
                    let mut written = if at == 0 { writer.write_vectored(&slices).await.unwrap() } else { 0 };
                    for piece in &to_write {
                        let skipped = written.min(piece.len());
                        written -= skipped;
                        writer.write_all(&piece[skipped..]).await.unwrap();
                        writer.flush().await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    writer
                });
                let sent = pieces.concat();
                let mut all = vec![0; sent.len()];
                within::<E, _>(BOUND, reader.read_exact(&mut all)).await.unwrap().unwrap();
                assert!(all == sent, "{} bytes did not come back unchanged", sent.len());
                stream = reader.unsplit(writing.await.unwrap());
            }
            drop(stream);
            wait_for_entries(0).await;
            echoing.join().unwrap();
        }
    });
}

fn echoes_data_of_every_size(features: Features) {
    let sizes = [2 << 10, 4 << 10, 16 << 10, 64 << 10, 128 << 10, 1 << 20, 4 << 20, 16 << 20];
    let around = [RECORD, LENGTH, MAX_PENDING, 2 * MAX_PENDING].into_iter().flat_map(|edge| edge - 1..=edge + 1);
    assert_echoed(features, sizes.into_iter().chain(around).map(|size| vec![pattern(size)]).collect());
}

fn echoes_data_cut_at_every_boundary(features: Features) {
    let edges = [0, 5, 16 << 10, RECORD, LENGTH, 2 * RECORD, MAX_PENDING, MAX_PENDING + RECORD, 2 * MAX_PENDING];
    let data = pattern(3 * MAX_PENDING);
    let cut = |at: usize| {
        let (first, second) = data.split_at(at);
        vec![first.to_vec(), second.to_vec()]
    };
    let mut all: Vec<_> = edges.into_iter().flat_map(|edge| edge.saturating_sub(2)..=edge + 2).map(cut).collect();
    // Header and payload alternately, as a library writes them.
    all.push(data.chunks(RECORD).flat_map(|record| [record[..5].to_vec(), record[5..].to_vec()]).collect());
    assert_echoed(features, all);
}
