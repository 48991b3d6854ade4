//! One WebSocket frame in memory: the echo through `wss_wire::websocket` (client writes, server reads, server writes, client
//! reads), reading with and without the strict reader in front of fastwebsockets, and writing with the mask.
//!
//! The stream is a buffer, so every future is ready when it is first polled: there is no runtime, no socket, no TLS, no
//! system call and no waiting. Masking and copying into and out of the buffer are included, and so is the byte-by-byte
//! comparison of the echo, which the generator makes as well.

// A bench has no other way to fail.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::pin::Pin;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Payload, Role};
use tokio::io::{AsyncRead, ReadBuf};
use wss_benches::connection::{LIMIT, payload};
use wss_benches::pipe::{Pipe, now};
use wss_wire::websocket::strict::StrictReader;
use wss_wire::websocket::{Message, after_handshake};

/// Payload sizes, in bytes: the default of a run, and the most that the strict reader passes on as one frame.
const SIZES: [usize; 2] = [64, 16 * 1024];

fn binary(message: Message) -> Payload<'static> {
    match message {
        Message::Binary(payload) => payload,
        other => unreachable!("expected a binary message, received {other:?}"),
    }
}

/// A masked frame as a client sends it.
fn masked_frame(payload: &[u8]) -> Vec<u8> {
    let pipe = Pipe::default();
    let (_, mut client) = after_handshake(tokio::io::empty(), pipe.clone(), Role::Client, LIMIT);
    now(client.send(OpCode::Binary, Payload::Borrowed(payload))).unwrap();
    pipe.take()
}

fn echo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame/echo");
    for size in SIZES {
        // In both directions.
        group.throughput(Throughput::Bytes(2 * size as u64));
        let (to_server, to_client) = (Pipe::default(), Pipe::default());
        let (mut client_reads, mut client_writes) =
            after_handshake(to_client.clone(), to_server.clone(), Role::Client, LIMIT);
        let (mut server_reads, mut server_writes) = after_handshake(to_server, to_client, Role::Server, LIMIT);
        let sent = payload(size);
        let mut scratch = sent.clone();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                // A client masks in place, so it is given a copy.
                scratch.copy_from_slice(&sent);
                now(client_writes.send(OpCode::Binary, Payload::BorrowedMut(&mut scratch))).unwrap();
                let received = binary(now(server_reads.next()).unwrap());
                now(server_writes.send(OpCode::Binary, received)).unwrap();
                let echoed = binary(now(client_reads.next()).unwrap());
                assert!(*echoed == *sent, "the echo differs");
            });
        });
    }
    group.finish();
}

/// A server reads one masked frame: with fastwebsockets alone, with fastwebsockets behind the strict reader (as wss-server
/// does), and with the strict reader alone. The cost of strictness is the second minus the first.
fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame/read");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (sent, frame) = (payload(size), masked_frame(&payload(size)));

        let pipe = Pipe::default();
        let (read, _) = fastwebsockets::after_handshake_split(pipe.clone(), tokio::io::sink(), Role::Server);
        let mut reader = FragmentCollectorRead::new(read);
        let mut next = || -> Frame<'static> {
            pipe.put(&frame);
            now(reader.read_frame(&mut |_| ready(Ok::<(), Infallible>(())))).unwrap()
        };
        assert!(*next().payload == *sent);
        group.bench_function(BenchmarkId::new("fastwebsockets", size), |bencher| bencher.iter(&mut next));

        let pipe = Pipe::default();
        let (mut reader, _) = after_handshake(pipe.clone(), tokio::io::sink(), Role::Server, LIMIT);
        let mut next = || {
            pipe.put(&frame);
            binary(now(reader.next()).unwrap())
        };
        assert!(*next() == *sent);
        group.bench_function(BenchmarkId::new("strict-and-fastwebsockets", size), |bencher| bencher.iter(&mut next));

        let pipe = Pipe::default();
        let mut reader = StrictReader::new(pipe.clone(), Role::Server, LIMIT);
        // As large as the buffer of fastwebsockets after its first large frame: a whole frame fits.
        let mut buffer = vec![0; frame.len() + 64];
        let mut next = || {
            pipe.put(&frame);
            let mut buf = ReadBuf::new(&mut buffer);
            while buf.filled().len() < frame.len() {
                now(std::future::poll_fn(|cx| Pin::new(&mut reader).poll_read(cx, &mut buf))).unwrap();
            }
            black_box(buf.filled().len())
        };
        assert_eq!(next(), frame.len());
        group.bench_function(BenchmarkId::new("strict-alone", size), |bencher| bencher.iter(&mut next));
    }
    group.finish();
}

/// A client writes one frame: copies the payload, masks it in place, writes header and payload.
fn mask(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame/mask");
    for size in SIZES {
        group.throughput(Throughput::Bytes(size as u64));
        let (sent, pipe) = (payload(size), Pipe::default());
        let (_, mut client) = after_handshake(tokio::io::empty(), pipe.clone(), Role::Client, LIMIT);
        let mut scratch = sent.clone();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                scratch.copy_from_slice(&sent);
                now(client.send(OpCode::Binary, Payload::BorrowedMut(&mut scratch))).unwrap();
                pipe.clear();
            });
        });
        assert!(size < 64 || scratch != sent, "the payload was not masked");
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = echo, read, mask
}
criterion_main!(benches);
