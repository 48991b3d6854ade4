//! Histogram recording: what the generator records per echo (response and service time, the interval's response time, and
//! lateness when the message is sent), and what it does once at the end: merging, and encoding for the result.
//!
//! The latencies are random with a fixed seed, spread over three decades as those of a loaded server are: a constant latency
//! would touch only one counter, in the cache.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use wss_model::LatencyHistogram;

/// Number of latencies, which are recorded in turn.
const LATENCIES: usize = 4096;

/// From 20 µs to 20 ms, spread evenly over the decades.
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

    let mut per_message: [LatencyHistogram; 4] = std::array::from_fn(|_| filled(&latencies));
    group.bench_function("message", |bencher| {
        bencher.iter(|| {
            per_message
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
