//! The round trip of 64 bytes over loopback on one connection, for each engine: `one-thread` runs both ends in one engine,
//! so it contains only the work of the engine and the kernel; `two-threads` runs each end in an engine of its own, so that
//! the kernel wakes a thread twice per round trip, as in a run.
//!
//! There is no TLS, no WebSocket and no deadline. An engine that this kernel does not support is skipped with a line.

// A bench has no other way to fail.
#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wss_model::EngineKind;
use wss_wire::engine::{Engine, EngineError};
use wss_wire::with_engine;

/// Message size, in bytes.
const SIZE: usize = 64;

/// Round trips before the clock starts: they cover connecting and the first touch of memory.
const WARM_UP: u64 = 20;

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Echoes on one connection until the peer closes it.
async fn echo<E: Engine>(listener: TcpListener) {
    let mut listener = E::listen(listener).unwrap();
    let mut stream = E::accept(&mut listener).await.unwrap();
    let mut buffer = [0; SIZE];
    while stream.read_exact(&mut buffer).await.is_ok() {
        stream.write_all(&buffer).await.unwrap();
        stream.flush().await.unwrap();
    }
}

/// Elapsed time of `count` round trips.
async fn round_trips<E: Engine>(address: SocketAddr, count: u64) -> Duration {
    let mut stream = E::connect(address).await.unwrap();
    let (mut sent, mut received) = ([0; SIZE], [0; SIZE]);
    let mut start = Instant::now();
    for number in 0..WARM_UP + count {
        if number == WARM_UP {
            start = Instant::now();
        }
        sent[..8].copy_from_slice(&number.to_be_bytes());
        stream.write_all(&sent).await.unwrap();
        stream.flush().await.unwrap();
        stream.read_exact(&mut received).await.unwrap();
        assert_eq!(received, sent, "the echo differs");
    }
    start.elapsed()
}

fn on_one_thread<E: Engine>(count: u64) -> Result<Duration, EngineError> {
    let (listener, address) = listener();
    E::run(|| async move {
        let server = E::spawn(echo::<E>(listener));
        let elapsed = round_trips::<E>(address, count).await;
        server.await.unwrap();
        elapsed
    })
}

fn on_two_threads<E: Engine>(count: u64) -> Result<Duration, EngineError> {
    let (listener, address) = listener();
    let server = std::thread::spawn(move || E::run(|| echo::<E>(listener)));
    let elapsed = E::run(|| round_trips::<E>(address, count))?;
    server.join().unwrap()?;
    Ok(elapsed)
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for &kind in EngineKind::ALL {
        if let Err(error) = with_engine!(kind, E => E::run(|| async {})) {
            println!("engine/{kind}: skipped, {error}");
            continue;
        }
        group.bench_function(BenchmarkId::new("one-thread", kind), |bencher| {
            bencher.iter_custom(|count| with_engine!(kind, E => on_one_thread::<E>(count)).unwrap());
        });
        group.bench_function(BenchmarkId::new("two-threads", kind), |bencher| {
            bencher.iter_custom(|count| with_engine!(kind, E => on_two_threads::<E>(count)).unwrap());
        });
    }
    group.finish();
}

criterion_group! {
    name = engine;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = benches
}
criterion_main!(engine);
