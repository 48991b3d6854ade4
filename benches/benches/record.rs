//! One TLS record in memory, for each suite: sealed (plaintext in, record out) and opened (record in, plaintext out) by
//! rustls, on a connection whose handshake was checked on both ends.
//!
//! Included are the queues of rustls and the copies into and out of them, which a run has too. Each sample has a connection
//! of its own, which stays far below the number of records after which the key must be updated (2^24 with AES-GCM).

// A bench has no other way to fail.
#![allow(clippy::unwrap_used)]

use std::cell::OnceCell;
use std::hint::black_box;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rustls::{ConnectionCommon, SideData};
use wss_benches::configurations::{cipher, reference};
use wss_benches::connection::payload;
use wss_benches::end::EndTimes;
use wss_benches::in_memory::{Connected, Peers, read, write};
use wss_model::TlsOptions;
use wss_model::config::tls::{CertificateKind, Suite};

/// Payload sizes, in bytes: the default of a run, about one packet, and the most that a record holds.
const SIZES: [usize; 3] = [64, 1024, 16 * 1024];

/// Records that are sealed before they are opened: few enough to fit the second-level cache, many enough that reading the
/// clock twice does not matter.
const BATCH: u64 = 32;

/// Appends one record with `data` to `out`.
fn seal<Data: SideData>(sender: &mut ConnectionCommon<Data>, data: &[u8], out: &mut Vec<u8>) {
    sender.writer().write_all(data).unwrap();
    write(sender, out).unwrap();
}

/// Decrypts one record into `plaintext`.
fn open<Data: SideData>(receiver: &mut ConnectionCommon<Data>, record: &[u8], plaintext: &mut [u8]) {
    read(receiver, record).unwrap();
    receiver.reader().read_exact(plaintext).unwrap();
}

fn time_sealing(peers: &Peers, data: &[u8], count: u64) -> Duration {
    let Connected { mut client, .. } = peers.connect(&mut EndTimes::default()).unwrap();
    let mut record = Vec::with_capacity(data.len() + 256);
    let start = Instant::now();
    for _ in 0..count {
        record.clear();
        seal(&mut client, black_box(data), &mut record);
    }
    start.elapsed()
}

fn time_opening(peers: &Peers, data: &[u8], count: u64) -> Duration {
    let Connected { mut client, mut server } = peers.connect(&mut EndTimes::default()).unwrap();
    let (mut elapsed, mut remaining) = (Duration::ZERO, count);
    let mut plaintext = vec![0; data.len()];
    let mut records = Vec::new();
    while remaining > 0 {
        let batch = remaining.min(BATCH);
        records.clear();
        for _ in 0..batch {
            seal(&mut client, data, &mut records);
        }
        let length = records.len() / usize::try_from(batch).unwrap();
        let start = Instant::now();
        for record in records.chunks(length) {
            open(&mut server, black_box(record), &mut plaintext);
        }
        elapsed += start.elapsed();
        assert_eq!(plaintext, data, "the decrypted data differs");
        remaining -= batch;
    }
    elapsed
}

/// Elapsed time of that many records of the given data.
type Timing = fn(&Peers, &[u8], u64) -> Duration;

fn benches(criterion: &mut Criterion) {
    let directions: [(&str, Timing); 2] = [("seal", time_sealing), ("open", time_opening)];
    for (direction, time) in directions {
        let mut group = criterion.benchmark_group(format!("record/{direction}"));
        // A TLS 1.2 suite for RSA keys encrypts as the one for ECDSA keys does.
        for &suite in Suite::ALL.iter().filter(|suite| suite.goes_with(CertificateKind::EcdsaP256)) {
            let peers = OnceCell::new();
            for size in SIZES {
                let name = format!("tls-{}-{}", suite.version(), cipher(suite));
                let data = payload(size);
                group.throughput(Throughput::Bytes(size as u64));
                group.bench_function(BenchmarkId::new(name, size), |bencher| {
                    let options = TlsOptions { suite: Some(suite), ..reference(suite.version()) };
                    let peers = peers.get_or_init(|| Peers::new(&options).unwrap());
                    bencher.iter_custom(|count| time(peers, &data, count));
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
