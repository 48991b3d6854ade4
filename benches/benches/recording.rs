//! Histogram recording: what the generator writes down of a message whose echo came (response, service, and the
//! interval's for the series; lateness when it is sent), and what it does once at the end: merging, and encoding for the
//! result.
//!
//! The latencies are seeded and spread over three decades, as those of a loaded server: the same value again and again
//! would only ever touch one count in the cache.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use wss_model::LatencyHistogram;

/// How many latencies there are to take from, one after the other.
const LATENCIES: usize = 4096;

/// From 20 µs to 20 ms, each decade as often.
fn latencies() -> Vec<Duration> {
    let mut random = SmallRng::seed_from_u64(1);
    let spread = |exponent: f64| Duration::from_secs_f64(2e-5 * 10_f64.powf(exponent));
    (0..LATENCIES).map(|_| spread(random.random_range(0.0..3.0))).collect()
}

fn filled(latencies: &[Duration]) -> LatencyHistogram {
    let mut histogram = LatencyHistogram::new();
    latencies.iter().for_each(|latency| histogram.record(*latency));
    assert_eq!((histogram.count(), histogram.out_of_range()), (LATENCIES as u64, 0));
    histogram
}

fn benches(criterion: &mut Criterion) {
    let latencies = latencies();
    let mut group = criterion.benchmark_group("recording");
    group.throughput(Throughput::Elements(1));

    let mut histogram = filled(&latencies);
    let mut next = latencies.iter().cycle();
    group.bench_function("latency", |bencher| {
        bencher.iter(|| next.by_ref().take(1).for_each(|latency| histogram.record(black_box(*latency))));
    });

    let mut message: [LatencyHistogram; 4] = std::array::from_fn(|_| filled(&latencies));
    group.bench_function("message", |bencher| {
        bencher.iter(|| {
            message
                .iter_mut()
                .zip(next.by_ref())
                .for_each(|(histogram, latency)| histogram.record(black_box(*latency)));
        });
    });

    let (mut sum, part) = (LatencyHistogram::new(), filled(&latencies));
    group.bench_function("merge", |bencher| bencher.iter(|| sum.merge(black_box(&part))));
    group.bench_function("encode", |bencher| bencher.iter(|| black_box(&part).encode()));
    group.finish();
}

criterion_group! {
    name = recording;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = benches
}
criterion_main!(recording);
