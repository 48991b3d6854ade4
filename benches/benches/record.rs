//! One TLS record in memory, each suite: sealed (plaintext in, record out) and opened (record in, plaintext out), by
//! rustls, of a connection whose handshake was what was asked for on both ends.
//!
//! Included are rustls' queues and the copies into and out of them, which the product has too. Each sample has a
//! connection of its own, so that none comes near the number of records after which a key must be renewed (2^24 with
//! AES-GCM).

// A bench that cannot go on has no other way to say so.
#![allow(clippy::unwrap_used)]

use std::cell::OnceCell;
use std::hint::black_box;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rustls::{ConnectionCommon, SideData};
use wss_benches::in_memory::{Ends, Open, read, write};
use wss_benches::options::{cipher, reference};
use wss_benches::scripted::payload;
use wss_benches::side::Took;
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateKind, Suite};

/// Bytes of a payload: a message of a run's default, a packet's worth, and the most that a record takes.
const SIZES: [usize; 3] = [64, 1024, 16 * 1024];

/// Records that are sealed before they are opened: few enough for the second-level cache, many enough that the clock's
/// two readings are nothing beside them.
const BATCH: u64 = 32;

/// One record of `data` behind what is in `out`.
fn seal<Side: SideData>(from: &mut ConnectionCommon<Side>, data: &[u8], out: &mut Vec<u8>) {
    from.writer().write_all(data).unwrap();
    write(from, out).unwrap();
}

/// The plaintext of a record.
fn open<Side: SideData>(to: &mut ConnectionCommon<Side>, record: &[u8], plaintext: &mut [u8]) {
    read(to, record).unwrap();
    to.reader().read_exact(plaintext).unwrap();
}

fn time_sealing(ends: &Ends, data: &[u8], count: u64) -> Duration {
    let Open { mut client, .. } = ends.connect(&mut Took::default()).unwrap();
    let mut record = Vec::with_capacity(data.len() + 256);
    let start = Instant::now();
    for _ in 0..count {
        record.clear();
        seal(&mut client, black_box(data), &mut record);
    }
    start.elapsed()
}

fn time_opening(ends: &Ends, data: &[u8], count: u64) -> Duration {
    let Open { mut client, mut server } = ends.connect(&mut Took::default()).unwrap();
    let (mut took, mut left) = (Duration::ZERO, count);
    let mut plaintext = vec![0; data.len()];
    let mut records = Vec::new();
    while left > 0 {
        let batch = left.min(BATCH);
        records.clear();
        for _ in 0..batch {
            seal(&mut client, data, &mut records);
        }
        let length = records.len() / usize::try_from(batch).unwrap();
        let start = Instant::now();
        for record in records.chunks(length) {
            open(&mut server, black_box(record), &mut plaintext);
        }
        took += start.elapsed();
        assert_eq!(plaintext, data, "what was opened is not what was sealed");
        left -= batch;
    }
    took
}

/// A way to time one direction of it.
type Timing = fn(&Ends, &[u8], u64) -> Duration;

fn benches(criterion: &mut Criterion) {
    let ways: [(&str, Timing); 2] = [("seal", time_sealing), ("open", time_opening)];
    for (way, time) in ways {
        let mut group = criterion.benchmark_group(format!("record/{way}"));
        // A suite of TLS 1.2 with RSA keys seals as the one with ECDSA keys does.
        for &suite in Suite::ALL.iter().filter(|suite| suite.goes_with(CertificateKind::EcdsaP256)) {
            let ends = OnceCell::new();
            for size in SIZES {
                let name = format!("tls-{}-{}", suite.version(), cipher(suite));
                let data = payload(size);
                group.throughput(Throughput::Bytes(size as u64));
                group.bench_function(BenchmarkId::new(name, size), |bencher| {
                    let options = TlsOptions { suite: Some(suite), ..reference(suite.version()) };
                    let ends = ends.get_or_init(|| Ends::new(&options).unwrap());
                    bencher.iter_custom(|count| time(ends, &data, count));
                });
            }
        }
        group.finish();
    }
}

criterion_group! {
    name = record;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = benches
}
criterion_main!(record);
