//! The TLS handshake in memory ([`wss_benches::in_memory`]), TLS 1.3, aws-lc-rs: full with several groups and
//! certificates, and resumed in both ways that a server can remember a session.

// A bench that cannot go on has no other way to say so.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use clap::{Args, FromArgMatches};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wss_benches::in_memory::{Ends, Took};
use wss_results::TlsOptions;

/// Name and options of each.
const HANDSHAKES: [(&str, &str); 6] = [
    ("full", "--tls=1.3 --group=X25519"),
    ("full-x25519mlkem768", "--group=X25519MLKEM768"),
    ("full-rsa-2048", "--tls=1.3 --group=X25519 --cert=rsa-2048"),
    ("full-tls-1.2", "--tls=1.2 --group=X25519"),
    ("resumed-stateful", "--group=X25519 --resume=100% --resume-by=stateful"),
    ("resumed-ticket", "--tls=1.3 --group=X25519 --resume=100% --resume-by=ticket"),
];

/// A side by name, and its part of what a handshake took.
type Side = (&'static str, fn(Took) -> Duration);

const SIDES: [Side; 2] = [("server", |took| took.server), ("client", |took| took.client)];

fn options(text: &str) -> TlsOptions {
    let command = TlsOptions::augment_args(clap::Command::new("handshake").no_binary_name(true));
    TlsOptions::from_arg_matches(&command.get_matches_from(text.split_whitespace())).unwrap()
}

fn handshakes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("handshake");
    for (name, text) in HANDSHAKES {
        let ends = Ends::new(&options(text)).unwrap();
        for (side, of) in SIDES {
            group.bench_function(BenchmarkId::new(name, side), |bencher| {
                bencher.iter_custom(|count| (0..count).map(|_| of(ends.handshake().unwrap())).sum());
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    // Measurement time counts the one side alone: what passes on the clock is two to three times that.
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = handshakes
}
criterion_main!(benches);
