//! The TLS handshake in memory ([`wss_benches::in_memory`]), each side apart: suite × group × certificate × provider ×
//! resumption, of both versions. By default what differs from the reference in one of these at most, which takes some
//! two minutes; with `WSS_BENCHES_ALL=1` in the environment everything that can be combined is there to filter from.

// A bench that cannot go on has no other way to say so.
#![allow(clippy::unwrap_used)]

use std::cell::OnceCell;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wss_benches::in_memory::Ends;
use wss_benches::options::handshakes;
use wss_benches::side::Side;

fn benches(criterion: &mut Criterion) {
    let everything = std::env::var_os("WSS_BENCHES_ALL").is_some_and(|value| value == "1");
    let mut group = criterion.benchmark_group("handshake");
    for named in handshakes(everything) {
        // Made when the first side is timed: of what a filter leaves out no key is made.
        let ends = OnceCell::new();
        for side in Side::BOTH {
            group.bench_function(BenchmarkId::new(&named.name, side.name()), |bencher| {
                let ends = ends.get_or_init(|| Ends::new(&named.options).unwrap());
                bencher.iter_custom(|count| (0..count).map(|_| ends.handshake().unwrap().of(side)).sum());
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = handshake;
    // Criterion spends these times on both sides, of which it is told the one: the other is there all the same.
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = benches
}
criterion_main!(handshake);
