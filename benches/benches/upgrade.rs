//! The WebSocket opening handshake in memory, each end: the client composes its request and validates the response, the
//! server reads and validates the request and composes the response. The peer's bytes are already in the buffer, so every
//! future is ready when it is first polled.
//!
//! It leaves out TLS, the socket, and drawing the random key.

// A bench has no other way to fail.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use wss_benches::connection::request;
use wss_benches::pipe::{Duplex, now};
use wss_wire::upgrade::{ServerUpgrade, accept, compose, connect};

fn benches(criterion: &mut Criterion) {
    let (request, server) = (request(), ServerUpgrade::default());
    let composed = compose(&request).unwrap();

    let (mut end, other) = Duplex::pair();
    other.outgoing.put(composed.as_bytes());
    let accepted = now(accept(&mut end, &server)).unwrap();
    assert_eq!((accepted.path.as_str(), accepted.leftover.len()), ("/", 0));
    let response = other.incoming.take();
    assert!(response.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&response));

    let mut group = criterion.benchmark_group("upgrade");
    group.bench_function("server", |bencher| {
        bencher.iter(|| {
            other.outgoing.put(composed.as_bytes());
            let accepted = now(accept(&mut end, &server)).unwrap();
            other.incoming.clear();
            accepted
        });
    });
    group.bench_function("client", |bencher| {
        let (mut end, other) = Duplex::pair();
        bencher.iter(|| {
            other.outgoing.put(&response);
            let upgraded = now(connect(&mut end, &request)).unwrap();
            other.incoming.clear();
            upgraded
        });
    });
    group.finish();
}

criterion_group! {
    name = upgrade;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = benches
}
criterion_main!(upgrade);
