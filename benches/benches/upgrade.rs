//! The opening handshake of WebSocket in memory, each end: the client composes its request and judges the answer, the
//! server reads and judges the request and composes the answer. What the other end has to say was written before, so
//! that every call is done when it is first polled.
//!
//! It leaves out TLS, the socket and the making of the key.

// A bench that cannot go on has no other way to say so.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use wss_benches::memory::{Duplex, now};
use wss_benches::scripted::request;
use wss_wire::upgrade::{ServerUpgrade, accept, compose, connect};

fn benches(criterion: &mut Criterion) {
    let (request, server) = (request(), ServerUpgrade::default());
    let asked = compose(&request).unwrap();

    let (mut end, other) = Duplex::pair();
    other.outgoing.put(asked.as_bytes());
    let accepted = now(accept(&mut end, &server)).unwrap();
    assert_eq!((accepted.path.as_str(), accepted.leftover.len()), ("/", 0));
    let answer = other.incoming.take();
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));

    let mut group = criterion.benchmark_group("upgrade");
    group.bench_function("server", |bencher| {
        bencher.iter(|| {
            other.outgoing.put(asked.as_bytes());
            let accepted = now(accept(&mut end, &server)).unwrap();
            other.incoming.clear();
            accepted
        });
    });
    group.bench_function("client", |bencher| {
        let (mut end, other) = Duplex::pair();
        bencher.iter(|| {
            other.outgoing.put(&answer);
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
