//! Results for tests: a valid run of each mode, which a test then changes.

use std::collections::BTreeMap;

use crate::config::{EngineKind, HttpVersion, Mode, RunConfig};
use crate::failure::{ErrorKind, ErrorPhase};
use crate::latency::{Latency, LatencyHistogram};
use crate::ring_counters::{EndRings, PhaseRings, RingCounters};
use crate::run_result::{
    EchoResult, End, Environment, ErrorCount, HandshakeResult, MeasuredPhase, Negotiated, NegotiatedCount,
    PublishedResult, RunResult, SeriesPoint, SubscribeResult, Target, Tool, Warmup,
};
use crate::store::Stored as _;
use crate::units::Rate;

/// `count` samples around `median_ns` with a tail: deterministic, in the shape of a measurement.
pub fn latency(median_ns: f64, count: u64) -> Latency {
    let mut histogram = LatencyHistogram::new();
    for index in 0..count {
        let quantile = (index as f64 + 0.5) / count as f64;
        histogram.record_ns((median_ns * (0.7 + 0.57 * quantile) / (1.0 - quantile).powf(0.02)) as u64);
    }
    histogram.summary()
}

/// `count` samples of the same latency.
pub fn always(ns: u64, count: u64) -> Latency {
    let mut histogram = LatencyHistogram::new();
    (0..count).for_each(|_| histogram.record_ns(ns));
    histogram.summary()
}

fn handshake(count: u64, rate_per_s: f64) -> HandshakeResult {
    HandshakeResult {
        planned: count,
        started: count,
        completed: count,
        failed: 0,
        rate_per_s,
        connect: latency(48_300.0, count),
        tls: latency(1_230_000.0, count),
        upgrade: latency(61_700.0, count),
        first_echo: Latency::default(),
        ready: latency(1_380_000.0, count),
        lateness: latency(18_200.0, count),
        client_busy: latency(512_000.0, count),
        server_busy: Some(latency(603_000.0, count)),
        bytes_sent_mean: Some(1_823.0),
        bytes_received_mean: Some(2_207.0),
        client_cpu_ns: Some(742_000.0),
        server_cpu_ns: Some(801_000.0),
        rings: PhaseRings {
            client: Some(EndRings::of_handshakes(ring(9 * count, 250), count)),
            server: Some(EndRings::of_handshakes(ring(7 * count, 248), count)),
        },
        ..HandshakeResult::default()
    }
}

/// The counters of a ring that never ran short of anything.
pub fn ring(enters: u64, buffers_low_water: u64) -> RingCounters {
    let (submissions, completions) = (enters * 5 / 4, enters * 3 / 2);
    RingCounters { enters, submissions, completions, buffers: 256, buffers_low_water, ..RingCounters::default() }
}

/// One end of a run.
pub fn end(cpu: &str, cpu_utilization: f64, rss_bytes_idle: u64) -> End {
    End {
        engine: Some(EngineKind::Uring),
        engine_features: Some(
            "DEFER_TASKRUN, multishot accept, multishot receive, sends without completion".to_owned(),
        ),
        threads: 1,
        cpus: Some(cpu.to_owned()),
        cpu_utilization,
        cpu_utilization_handshake: Some(0.214),
        rss_bytes_idle: Some(rss_bytes_idle),
        rss_bytes_peak: rss_bytes_idle + (4 << 20),
        anon_bytes_idle: Some(rss_bytes_idle / 2),
        anon_bytes_per_connection: Some(rss_bytes_idle as f64 / 2_500.0),
    }
}

/// The counters of a ring that ran short of everything.
pub fn short_ring() -> RingCounters {
    RingCounters { no_buffers: 1_204, partial_sends: 17, overflows: 3, ..ring(210_000, 0) }
}

/// `count` handshakes of the kind that a default run makes.
pub fn negotiated(count: u64) -> NegotiatedCount {
    let negotiated = Negotiated {
        version: "TLSv1.3".to_owned(),
        suite: "TLS13_AES_256_GCM_SHA384".to_owned(),
        group: "X25519MLKEM768".to_owned(),
        certificate: "ecdsa-p256".to_owned(),
        kind: "full".to_owned(),
    };
    NegotiatedCount { negotiated, count }
}

/// `count` errors of one kind.
pub fn error(phase: ErrorPhase, kind: ErrorKind, count: u64) -> ErrorCount {
    ErrorCount { phase, kind, count, example: format!("{kind} in {phase}") }
}

/// The default run: 1,000 connections, 10,000 messages per second for 10 s, everything within its limits.
pub fn echo_run() -> RunResult {
    let echo = EchoResult {
        planned: 100_000,
        sent: 100_000,
        received: 100_000,
        failed: 0,
        rate_per_s: 9_999.4,
        response: latency(92_400.0, 100_000),
        service: latency(79_800.0, 100_000),
        lateness: latency(9_240.0, 100_000),
        in_flight_waits: 0,
        client_cpu_ns: Some(18_900.0),
        server_cpu_ns: Some(21_300.0),
        bytes_per_s: 639_961.6,
        rings: PhaseRings {
            client: Some(EndRings::of_messages(ring(151_000, 231), 100_000)),
            server: Some(EndRings::of_messages(ring(88_000, 212), 100_000)),
        },
        ..EchoResult::default()
    };
    let point = |phase, second: f64| SeriesPoint {
        phase,
        second,
        connections: 1_000,
        completed: 10_000,
        errors: 0,
        p50: Some(92_400),
        p99: Some(141_000),
    };
    RunResult {
        schema: RunResult::SCHEMA.to_owned(),
        id: "20260301T120000Z-4711".to_owned(),
        started_at: "2026-03-01T12:00:00Z".to_owned(),
        tool: Tool {
            version: "0.1.0".to_owned(),
            git_commit: Some("3146730".to_owned()),
            git_dirty: Some(false),
            rustc: "rustc 1.95.0".to_owned(),
            profile: "release".to_owned(),
            crates: BTreeMap::from([("rustls".to_owned(), "0.23.46".to_owned())]),
        },
        environment: Environment {
            kernel: "6.18.5".to_owned(),
            cpu_model: "AMD EPYC 9R14".to_owned(),
            cores: 2,
            memory_bytes: 24 << 30,
            governor: None,
            hypervisor: Some("KVM".to_owned()),
            clocksource: Some("tsc".to_owned()),
            settings: BTreeMap::from([("net.ipv4.tcp_congestion_control".to_owned(), "bbr".to_owned())]),
            steal_percent: 0.3,
        },
        config: RunConfig::default(),
        target: Target {
            url: "wss://localhost:40123/".to_owned(),
            address: "127.0.0.1:40123".to_owned(),
            embedded: true,
            command: None,
            http: Some(HttpVersion::Http1),
            redirected_from: None,
        },
        negotiated: vec![negotiated(1_000)],
        server_negotiated: Some(vec![negotiated(1_000)]),
        verify: Some("full".to_owned()),
        verify_skips: None,
        resumption: None,
        handshake: handshake(1_000, 249.8),
        echo: Some(echo),
        subscribe: None,
        warmup: Warmup { echo: Some(EchoResult::default()), ..Warmup::default() },
        server: Some(end("0", 0.243, 71 << 20)),
        client: end("1", 0.219, 64 << 20),
        series: vec![
            point(MeasuredPhase::Handshake, 1.0),
            point(MeasuredPhase::Echo, 1.0),
            point(MeasuredPhase::Echo, 2.0),
        ],
        errors: vec![],
        compression: None,
        endings: Vec::new(),
        valid: true,
        invalid_because: vec![],
        notes: vec![],
        interrupted: false,
    }
}

/// A valid run of `--mode handshake`: 250 handshakes per second for 10 s.
pub fn handshake_run() -> RunResult {
    let mut result = echo_run();
    result.config.mode = Mode::Handshake;
    result.handshake = handshake(2_500, 250.1);
    result.handshake.first_echo = latency(71_900.0, 2_500);
    result.negotiated = vec![negotiated(2_500)];
    result.server_negotiated = Some(vec![negotiated(2_500)]);
    result.echo = None;
    result.warmup = Warmup { handshake: Some(handshake(500, 250.0)), ..Warmup::default() };
    for end in [Some(&mut result.client), result.server.as_mut()].into_iter().flatten() {
        end.cpu_utilization_handshake = None;
        (end.rss_bytes_idle, end.anon_bytes_idle, end.anon_bytes_per_connection) = (None, None, None);
    }
    result.series.truncate(1);
    result
}

/// A valid run of `--mode subscribe`: 10,000 messages per second on 1,000 connections for 10 s.
pub fn subscribe_run() -> RunResult {
    let mut result = echo_run();
    result.config.mode = Mode::Subscribe;
    let echo = result.echo.take().unwrap_or_default();
    result.subscribe = Some(SubscribeResult {
        connections: 1_000,
        received: 100_000,
        received_bytes: 6_400_000,
        rate_per_s: 10_000.0,
        bytes_per_s: 640_000.0,
        arrival_gap: latency(100_000_000.0, 99_000),
        published: Some(PublishedResult {
            requested_per_s: 10_000.0,
            messages: 100_000,
            response: echo.response,
            service: echo.service,
            publisher_lateness: echo.lateness,
            ..PublishedResult::default()
        }),
        client_cpu_ns: Some(9_100.0),
        server_cpu_ns: Some(11_300.0),
        rings: echo.rings,
        ..SubscribeResult::default()
    });
    result.warmup = Warmup::default();
    for point in result.series.iter_mut().skip(1) {
        point.phase = MeasuredPhase::Subscribe;
    }
    result
}

/// A closed loop over plain TCP.
pub fn closed_run() -> RunResult {
    let mut result = echo_run();
    (result.config.rate, result.config.connect_rate) = (Rate::Max, Rate::Max);
    result.target.url = "tcp://localhost:40123/".to_owned();
    (result.verify, result.negotiated, result.server_negotiated) = (None, vec![], None);
    let handshake = &mut result.handshake;
    for absent in [&mut handshake.tls, &mut handshake.upgrade, &mut handshake.client_busy] {
        *absent = Latency::default();
    }
    handshake.server_busy = None;
    (handshake.bytes_sent_mean, handshake.bytes_received_mean) = (None, None);
    handshake.ready = handshake.connect.clone();
    result
}
