//! The admin endpoint: the counts are consistent, in JSON and as Prometheus text, and only this machine can reach it.

mod common;

use std::collections::BTreeMap;

use common::{BINARY, Server, frame, on_every_engine, refused};
use wss_model::ServerStats;
use wss_model::server_stats::SCHEMA;
use wss_server::event::FailureCode;

/// A server after seven successful connections with three messages each, and two with a violation.
fn busy_server(engine: &str) -> Server {
    let server = Server::start(engine, &[]);
    for _ in 0..7 {
        let mut peer = server.websocket();
        for length in [0, 10, 100] {
            peer.assert_echo(BINARY, &vec![5; length]);
        }
        peer.close();
    }
    for _ in 0..2 {
        let mut peer = server.websocket();
        peer.send(&frame(0x83, b"wrong"));
        peer.assert_closed(1002);
    }
    server.await_all_closed();
    server
}

fn outcomes(stats: &ServerStats) -> BTreeMap<(&str, &str), u64> {
    stats.outcomes.iter().map(|known| ((known.phase.name(), known.outcome.name()), known.count)).collect()
}

fn counts_are_consistent(engine: &str) {
    let server = busy_server(engine);
    let stats = server.stats();
    let counted = outcomes(&stats);
    for phase in ["accept", "tls", "upgrade"] {
        assert_eq!(counted.get(&(phase, "completed")), Some(&9), "{phase}: {counted:?}");
    }
    assert_eq!(counted.get(&("echo", "completed")), Some(&7), "{counted:?}");
    assert_eq!(counted.get(&("echo", "violation_1002")), Some(&2), "{counted:?}");
    for phase in ["accept", "tls", "upgrade", "echo", "close"] {
        let sum: u64 = counted.iter().filter(|((known, _), _)| *known == phase).map(|(_, count)| count).sum();
        assert_eq!(sum, 9, "one outcome per connection, {phase}: {counted:?}");
    }
    assert_eq!((stats.messages_echoed, stats.bytes_echoed, stats.connections_open), (21, 7 * 110, 0));
    let handshakes: u64 = stats.negotiated.iter().map(|entry| entry.count).sum();
    assert_eq!(handshakes, 9, "{:?}", stats.negotiated);
    let busy = stats.handshake_busy.decode().expect("a histogram");
    assert_eq!(busy.count() + busy.out_of_range(), 9);
}

fn reports_process_engine_and_layer(engine: &str) {
    let server = busy_server(engine);
    let stats = server.stats();
    assert_eq!(stats.schema, SCHEMA);
    assert_eq!((stats.pid, stats.workers), (server.ready.pid, 1));
    assert_eq!((stats.engine, stats.layer), (server.ready.engine, server.ready.layer));
    let label = &stats.negotiated[0].negotiated;
    assert_eq!((label.version.as_str(), label.kind.as_str()), ("TLSv1.3", "full"), "{label:?}");
    assert_eq!(label.certificate, "ecdsa-p256");
    assert!(stats.rss_bytes > 1 << 20 && stats.rss_bytes_peak >= stats.rss_bytes, "{stats:?}");
    assert!(stats.cpu_ns > 0, "{stats:?}");
    let later = server.stats();
    assert!(later.uptime_ns > stats.uptime_ns && later.cpu_ns >= stats.cpu_ns, "{stats:?}, then {later:?}");
}

fn counts_open_connections(engine: &str) {
    let server = Server::start(engine, &[]);
    let mut peers: Vec<_> = (0..4).map(|_| server.websocket()).collect();
    assert_eq!(server.stats().connections_open, 4);
    peers.pop().expect("four of them").close();
    common::wait_for("three of four", || (server.stats().connections_open == 3).then_some(()));
    drop(peers);
    server.await_all_closed();
}

/// An engine without ring counters reports none, rather than zeros.
fn reports_ring_counters_if_the_engine_has_them(engine: &str) {
    let server = busy_server(engine);
    let (before, after) = (server.stats(), server.stats());
    assert_eq!(before.rings.is_some(), engine == "uring", "{:?}", before.rings);
    if let (Some(before), Some(after)) = (before.rings, after.rings) {
        // At least one accept and one receive for each of nine connections.
        assert!(before.completions >= 18 && before.enters > 0 && before.submissions > 0, "{before:?}");
        assert!(before.buffers_low_water <= before.buffers, "{before:?}");
        assert!(after.enters >= before.enters && after.completions >= before.completions, "{before:?}, then {after:?}");
    }
}

fn adds_up_the_counters_of_all_workers(engine: &str) {
    let server = Server::start(engine, &["--threads", "3"]);
    assert_eq!(server.ready.workers, 3);
    for _ in 0..30 {
        server.assert_echoes();
    }
    let stats = server.stats();
    assert_eq!((stats.workers, stats.messages_echoed), (3, 30));
    assert_eq!(outcomes(&stats).get(&("accept", "completed")), Some(&30));
}

/// Parses the samples of an OpenMetrics text; panics at an invalid line.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with("# EOF\n"), "{text}");
    let (mut samples, mut described) = (BTreeMap::new(), Vec::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            match comment.split_once(' ') {
                Some(("HELP" | "UNIT", rest)) => assert!(rest.contains(' '), "{line}"),
                Some(("TYPE", rest)) => {
                    let (name, kind) = rest.split_once(' ').expect("a name and a kind");
                    assert!(matches!(kind, "counter" | "gauge"), "{line}");
                    described.push(name.to_owned());
                }
                _ => assert_eq!(line, "# EOF"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
        let name = series.split('{').next().expect("a name");
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
        assert!(described.iter().any(|known| name.strip_suffix("_total").unwrap_or(name) == known), "no TYPE: {line}");
        assert!(!series.contains('{') || series.ends_with('}'), "{line}");
        let duplicate =
            samples.insert(series.to_owned(), value.parse().unwrap_or_else(|_| panic!("no number: {line}")));
        assert!(duplicate.is_none(), "duplicate: {line}");
    }
    samples
}

fn metrics_match_the_stats(engine: &str) {
    let server = busy_server(engine);
    let (head, body) = server.get("/metrics");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    let (samples, stats) = (samples(&body), server.stats());
    let sample = |name: &str| samples.get(name).copied().unwrap_or_else(|| panic!("no {name} in {samples:#?}"));
    for ((phase, outcome), count) in outcomes(&stats) {
        let series = format!("wssbench_outcomes_total{{phase=\"{phase}\",outcome=\"{outcome}\"}}");
        assert_eq!(sample(&series), f64::from(u32::try_from(count).expect("few")), "{series}");
    }
    assert_eq!(sample("wssbench_messages_echoed_total"), 21.0);
    assert_eq!(sample("wssbench_echoed_bytes_total"), 770.0);
    assert_eq!(sample("wssbench_connections_open"), 0.0);
    assert!(sample("wssbench_worker_cpu_seconds_total") > 0.0);
    assert!(sample("wssbench_resident_memory_bytes") > 1e6);
    match &stats.rings {
        Some(io) => {
            // The counters of the second request can only be higher.
            let counted = sample("wssbench_ring_enters_total");
            assert!(counted > 0.0 && counted <= io.enters as f64, "{counted}, then {io:?}");
            assert_eq!(sample("wssbench_ring_no_buffers_total"), io.no_buffers as f64);
            assert_eq!(sample("wssbench_ring_buffers"), io.buffers as f64);
        }
        None => assert!(!body.contains("ring_"), "{body}"),
    }
    let handshakes: f64 =
        samples.iter().filter(|(name, _)| name.starts_with("wssbench_tls_handshakes_total{")).map(|(_, n)| n).sum();
    assert_eq!(handshakes, 9.0);
}

fn rejects_other_paths(engine: &str) {
    let server = Server::start(engine, &[]);
    for path in ["/", "/stats/", "/statsx", "/../etc/passwd"] {
        let (head, _) = server.get(path);
        assert!(head.starts_with("HTTP/1.1 404 "), "{path}: {head}");
    }
    assert_eq!(server.stats().connections_open, 0);
}

fn rejects_an_address_that_is_not_loopback(engine: &str) {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        refused(engine, &["--admin", address])
            .assert_failure(FailureCode::InvalidOptions, &["--admin", "loopback", address]);
    }
}

on_every_engine! {
    counts_are_consistent,
    reports_process_engine_and_layer,
    counts_open_connections,
    reports_ring_counters_if_the_engine_has_them,
    adds_up_the_counters_of_all_workers,
    metrics_match_the_stats,
    rejects_other_paths,
    rejects_an_address_that_is_not_loopback,
}
