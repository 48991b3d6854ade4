//! The round trip of 64 bytes over loopback, one connection, for each engine: `one-thread` has both ends in one engine,
//! so that it is the engine's work and the kernel's; `two-threads` has an engine an end, so that the kernel has to wake
//! a thread twice, as in a run.
//!
//! There is no TLS, no WebSocket and no deadline in it. An engine that this kernel refuses is named and left out.

// A bench that cannot go on has no other way to say so.
#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wss_model::EngineKind;
use wss_wire::engine::{Engine, EngineError};
use wss_wire::with_engine;

/// Bytes of a message.
const SIZE: usize = 64;

/// Round trips before the clock starts: connecting, and the first touch of memory.
const WARM_UP: u64 = 20;

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Echoes one connection to its end.
async fn echo<E: Engine>(listener: TcpListener) {
    let mut listener = E::listen(listener).unwrap();
    let mut stream = E::accept(&mut listener).await.unwrap();
    let mut buffer = [0; SIZE];
    while stream.read_exact(&mut buffer).await.is_ok() {
        stream.write_all(&buffer).await.unwrap();
        stream.flush().await.unwrap();
    }
}

/// The time of `count` round trips.
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
        let took = round_trips::<E>(address, count).await;
        server.await.unwrap();
        took
    })
}

fn on_two_threads<E: Engine>(count: u64) -> Result<Duration, EngineError> {
    let (listener, address) = listener();
    let server = std::thread::spawn(move || E::run(|| echo::<E>(listener)));
    let took = E::run(|| round_trips::<E>(address, count))?;
    server.join().unwrap()?;
    Ok(took)
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    for &kind in EngineKind::ALL {
        if let Err(error) = with_engine!(kind, E => E::run(|| async {})) {
            println!("engine/{kind}: left out, {error}");
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
