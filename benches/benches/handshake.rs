//! The TLS handshake in memory ([`wss_benches::in_memory`]), each end separately: suite × group × certificate × provider ×
//! resumption, with both versions. By default only configurations that differ from the reference in at most one of these,
//! which takes about two minutes; with `WSS_BENCHES_ALL=1` in the environment every supported combination, to be filtered.

// A bench has no other way to fail.
#![allow(clippy::unwrap_used)]

use std::cell::OnceCell;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wss_benches::configurations::configurations;
use wss_benches::end::End;
use wss_benches::in_memory::Peers;

fn benches(criterion: &mut Criterion) {
    let everything = std::env::var_os("WSS_BENCHES_ALL").is_some_and(|value| value == "1");
    let mut group = criterion.benchmark_group("handshake");
    for configuration in configurations(everything) {
        // Created when the first end is timed: no key is generated for what a filter excludes.
        let peers = OnceCell::new();
        for end in End::BOTH {
            group.bench_function(BenchmarkId::new(&configuration.name, end.name()), |bencher| {
                let peers = peers.get_or_init(|| Peers::new(&configuration.options).unwrap());
                bencher.iter_custom(|count| (0..count).map(|_| peers.handshake().unwrap().of(end)).sum());
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = handshake;
    // Every handshake runs both ends and reports the time of one, so a bench takes about twice as long as these.
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = benches
}
criterion_main!(handshake);
