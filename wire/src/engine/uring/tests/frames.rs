//! Large data, in pieces cut around the edges of records, buffers and queues, comes back byte for byte.

use std::io::{IoSlice, Read, Write};
use std::net::TcpStream;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{BOUND, in_both_forms, let_go, listener, on_ring_in, pattern};
use crate::engine::uring::Features;
use crate::engine::uring::buffers::LENGTH;
use crate::engine::uring::state::connection::PENDING_MOST;
use crate::engine::{Engine, Uring, within};

type E = Uring;

in_both_forms! {
    data_of_every_size_comes_back
    data_cut_at_every_edge_comes_back
}

/// A record of TLS with 16 KiB in it: its header, what it carries, the tag and the type.
const RECORD: usize = 5 + 16_384 + 17;

/// Sends back what it reads, in pieces of about this size.
fn echo(mut peer: TcpStream, piece: usize) {
    peer.set_nodelay(true).unwrap();
    let mut buffer = vec![0; piece];
    while let Ok(count @ 1..) = peer.read(&mut buffer) {
        peer.write_all(&buffer[..count]).unwrap();
    }
}

/// Echoes `data`, written in the pieces that `cuts` make of it, on a connection of its own for each size of the
/// answer's pieces.
fn comes_back(form: Features, data: Vec<Vec<Vec<u8>>>) {
    on_ring_in(form, move || async move {
        let socket = listener();
        let address = socket.local_addr().unwrap();
        for (at, piece) in [LENGTH - 1, PENDING_MOST + 1].into_iter().enumerate() {
            let mut stream = E::connect(address).await.unwrap();
            let peer = socket.accept().unwrap().0;
            let echoing = thread::spawn(move || echo(peer, piece));
            for pieces in &data {
                let (mut reader, mut writer) = tokio::io::split(stream);
                let its = pieces.clone();
                let writing = E::spawn(async move {
                    // In one call, as far as it goes, or piece by piece with a turn of the ring between.
                    let slices: Vec<_> = its.iter().map(|piece| IoSlice::new(piece)).collect();
                    let mut gone = if at == 0 { writer.write_vectored(&slices).await.unwrap() } else { 0 };
                    for piece in &its {
                        let skipped = gone.min(piece.len());
                        gone -= skipped;
                        writer.write_all(&piece[skipped..]).await.unwrap();
                        writer.flush().await.unwrap();
                        tokio::task::yield_now().await;
                    }
                    writer
                });
                let sent = pieces.concat();
                let mut all = vec![0; sent.len()];
                within::<E, _>(BOUND, reader.read_exact(&mut all)).await.unwrap().unwrap();
                assert!(all == sent, "{} bytes came back as others", sent.len());
                stream = reader.unsplit(writing.await.unwrap());
            }
            drop(stream);
            let_go(0).await;
            echoing.join().unwrap();
        }
    });
}

fn data_of_every_size_comes_back(form: Features) {
    let sizes = [2 << 10, 4 << 10, 16 << 10, 64 << 10, 128 << 10, 1 << 20, 4 << 20, 16 << 20];
    let around = [RECORD, LENGTH, PENDING_MOST, 2 * PENDING_MOST].into_iter().flat_map(|edge| edge - 1..=edge + 1);
    comes_back(form, sizes.into_iter().chain(around).map(|size| vec![pattern(size)]).collect());
}

fn data_cut_at_every_edge_comes_back(form: Features) {
    let edges = [0, 5, 16 << 10, RECORD, LENGTH, 2 * RECORD, PENDING_MOST, PENDING_MOST + RECORD, 2 * PENDING_MOST];
    let data = pattern(3 * PENDING_MOST);
    let cut = |at: usize| {
        let (first, second) = data.split_at(at);
        vec![first.to_vec(), second.to_vec()]
    };
    let mut all: Vec<_> = edges.into_iter().flat_map(|edge| edge.saturating_sub(2)..=edge + 2).map(cut).collect();
    // Header and payload, over and over, as a library writes them.
    all.push(data.chunks(RECORD).flat_map(|record| [record[..5].to_vec(), record[5..].to_vec()]).collect());
    comes_back(form, all);
}
