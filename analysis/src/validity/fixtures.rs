//! Invalid runs for tests, judged by the rules of this module.

use wss_model::config::tls::Verify;
use wss_model::fixtures::{always, echo_run, end, error, latency, negotiated, short_ring};
use wss_model::ring_counters::{EndRings, PhaseRings, RingCounters};
use wss_model::run_result::RunResult;
use wss_model::units::Rate;
use wss_model::{ErrorKind, ErrorPhase};

use super::judge;

/// A run against an external server, in which the generator was out of breath and some echoes failed.
pub fn invalid_run() -> RunResult {
    let mut result = echo_run();
    result.target.embedded = false;
    result.verify = Some("no-chain".to_owned());
    result.verify_skips = Verify::NoChain.skips().map(str::to_owned);
    result.server = None;
    result.server_negotiated = None;
    result.handshake.server_busy = None;
    result.handshake.server_cpu_ns = None;
    result.handshake.rings.server = None;
    result.client.cpu_utilization = 0.94;
    let echo = result.echo.as_mut().expect("a run of --mode echo");
    echo.rings = PhaseRings { client: Some(EndRings::of_messages(short_ring(), 94_120)), server: None };
    (echo.sent, echo.received, echo.failed, echo.rate_per_s) = (95_760, 94_120, 5_880, 9_412.0);
    echo.lateness = latency(612_000.0, 94_120);
    echo.in_flight_waits = 31_044;
    echo.server_cpu_ns = None;
    result.errors = vec![
        error(ErrorPhase::Echo, ErrorKind::Timeout, 1_638),
        error(ErrorPhase::Echo, ErrorKind::NotSent, 4_240),
        error(ErrorPhase::Echo, ErrorKind::Mismatch, 2),
    ];
    result.errors[2].example = "the echo differs from the message at byte 17: \u{1b}[31msent\u{1b}[0m 0x41, received \
        0x00; the connection from 127.0.0.1:53211 was closed and its messages in flight were dropped"
        .to_owned();
    result.notes = vec!["the kernel has no TLS offload (kTLS): the figures are those of TLS in user space".to_owned()];
    result.interrupted = true;
    result.invalid_because = judge(&result);
    result.valid = false;
    result
}

/// Every number as large as it gets.
pub fn large_run() -> RunResult {
    let mut result = invalid_run();
    result.config.connections = 1_000_000;
    (result.config.rate, result.config.connect_rate) = (Rate::PerSecond(12_345_678.9), Rate::PerSecond(1_234_567.8));
    result.target.url = format!("wss://{}.example:65535/{}", "long".repeat(15), "path/".repeat(20));
    result.server = Some(end("0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20", 1.0, 999 << 30));
    result.client.threads = 128;
    result.client.cpu_utilization = 0.99999;
    result.negotiated[0].count = 1_000_000_000;
    result.negotiated[0].negotiated.suite = "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256".to_owned();
    result.server_negotiated = Some(vec![negotiated(999_999_999)]);
    let slow = always(59_999_999_999, 40_000);
    let handshake = &mut result.handshake;
    (handshake.planned, handshake.completed, handshake.failed) = (u64::MAX, u64::MAX, u64::MAX);
    handshake.rate_per_s = 1e12;
    (handshake.client_cpu_ns, handshake.server_cpu_ns) = (Some(1e15), Some(1e15));
    let most = RingCounters {
        enters: u64::MAX,
        completions: u64::MAX,
        buffers: u64::MAX,
        buffers_low_water: u64::MAX,
        no_buffers: u64::MAX,
        ..RingCounters::default()
    };
    handshake.rings.server = Some(EndRings::of_handshakes(most, 1));
    handshake.server_busy = Some(slow.clone());
    (handshake.ready, handshake.lateness) = (slow.clone(), slow.clone());
    let echo = result.echo.as_mut().expect("a run of --mode echo");
    (echo.planned, echo.sent, echo.received, echo.failed) = (u64::MAX, 0, u64::MAX, u64::MAX);
    (echo.response, echo.lateness) = (slow.clone(), slow);
    result.errors.push(error(ErrorPhase::Upgrade, ErrorKind::HeadTooLarge, u64::MAX / 2));
    result.invalid_because = judge(&result);
    result
}
