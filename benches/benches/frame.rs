//! One WebSocket frame in memory: the echo through `wss_wire::websocket` (client writes → server reads → server writes
//! → client reads), and what the strict reader adds to fastwebsockets.
//!
//! The stream is a buffer, so every call is done when it is first polled: there is no runtime, no socket, no TLS and
//! no system call in these figures, and no waiting. Included are the masking, the copies into and out of the buffer
//! and, for the echo, the comparison of the payload byte by byte, which the generator makes as well.

// A bench that cannot go on has no other way to say so.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fastwebsockets::{FragmentCollectorRead, Frame, OpCode, Payload, Role};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wss_wire::websocket::strict::StrictReader;
use wss_wire::websocket::{Message, after_handshake};

/// Bytes of a payload: the default of a run, and the most that the strict reader shows as one frame.
const SIZES: [usize; 2] = [64, 16 * 1024];

/// Bytes of a message at most.
const LIMIT: usize = 1 << 20;

/// One direction of a connection. Always writable; readable if there is something, otherwise at its end.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<Bytes>>);

#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    read: usize,
}

impl Pipe {
    fn put(&self, bytes: &[u8]) {
        self.0.borrow_mut().bytes.extend_from_slice(bytes);
    }

    /// All that was written and not read.
    fn take(&self) -> Vec<u8> {
        let Bytes { bytes, read } = self.0.take();
        bytes[read..].to_vec()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.borrow_mut();
        let inner = &mut *inner;
        let rest = &inner.bytes[inner.read..];
        let count = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..count]);
        inner.read += count;
        if inner.read == inner.bytes.len() {
            inner.bytes.clear();
            inner.read = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.put(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        slices.iter().for_each(|slice| self.put(slice));
        Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The outcome of what never waits.
fn now<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("a buffer in memory never makes anybody wait"),
    }
}

fn binary(message: Message) -> Payload<'static> {
    match message {
        Message::Binary(payload) => payload,
        other => unreachable!("a binary message was sent, not {other:?}"),
    }
}

fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + 7) as u8).collect()
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
        // There and back.
        group.throughput(Throughput::Bytes(2 * size as u64));
        let (to_server, to_client) = (Pipe::default(), Pipe::default());
        let (mut client_reads, mut client_writes) =
            after_handshake(to_client.clone(), to_server.clone(), Role::Client, LIMIT);
        let (mut server_reads, mut server_writes) = after_handshake(to_server, to_client, Role::Server, LIMIT);
        let sent = payload(size);
        let mut scratch = sent.clone();
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                // A client masks in place, so that what is to be compared with has to be copied first.
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

/// A server reads one masked frame: fastwebsockets by itself, behind the strict reader (what the product does), and
/// the strict reader by itself. What strictness costs is the second less the first.
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
        // Like fastwebsockets' buffer after its first large frame: a whole one fits.
        let mut space = vec![0; frame.len() + 64];
        let mut next = || {
            pipe.put(&frame);
            let mut buf = ReadBuf::new(&mut space);
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

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = echo, read
}
criterion_main!(benches);
