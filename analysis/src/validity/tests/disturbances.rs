//! Disturbances of a phase, on both sides of their limits.

use super::*;

/// A run whose measured phase took 10 s, with a disturbance.
pub(super) fn disturbed(run: RunResult, change: impl FnOnce(&mut PhaseDisturbance)) -> RunResult {
    let mut disturbance = PhaseDisturbance {
        client: vec![ThreadDisturbance { elapsed_ns: 10_000_000_000, ..ThreadDisturbance::default() }; 2],
        ..PhaseDisturbance::default()
    };
    change(&mut disturbance);
    changed(run, |r| {
        r.config.server_threads = Some(1);
        r.config.server_cpus = Some("0".parse().unwrap());
        r.config.client_cpus = Some("1".parse().unwrap());
        match &mut r.echo {
            Some(echo) => echo.disturbance = Some(disturbance),
            None => r.handshake.disturbance = Some(disturbance),
        }
    })
}

#[test]
fn disturbances_at_their_limit_are_valid_and_above_it_invalid_in_every_mode() {
    type Change = fn(&mut PhaseDisturbance);
    let cases: [(&str, Change, Change); 5] = [
        ("in the run queue", |d| d.client[1].run_queue_ns = 500_000_000, |d| d.client[1].run_queue_ns = 510_000_000),
        ("in stalls", |d| d.client[0].stalled_ns = 500_000_000, |d| d.client[0].stalled_ns = 510_000_000),
        ("at a time", |d| d.client[1].longest_stall_ns = 50_000_000, |d| d.client[1].longest_stall_ns = 51_000_000),
        ("CPU quota", |d| d.throttled_ns = Some(100_000_000), |d| d.throttled_ns = Some(101_000_000)),
        ("CPUs of the server", |d| d.server_steal_percent = Some(5.0), |d| d.server_steal_percent = Some(5.1)),
    ];
    let closed = changed(echo_run(), |r| r.config.rate = Rate::Max);
    for run in [echo_run(), closed, handshake_run()] {
        for (text, within, beyond) in cases {
            assert_eq!(judge(&disturbed(run.clone(), within)), [""; 0], "{text}");
            let run = disturbed(run.clone(), beyond);
            assert!(only_text(&run).contains(text), "{}", only_text(&run));
            assert!(super::super::is_only_disturbed(&run));
        }
    }
}

#[test]
fn interleaved_runs_share_their_cpus_by_design() {
    let interleaved = |change: fn(&mut PhaseDisturbance)| {
        judge(&changed(disturbed(echo_run(), change), |r| r.config.time_slice = Some("1/4:50ms".parse().unwrap())))
    };
    assert_eq!(interleaved(|d| d.client[0].run_queue_ns = 5_000_000_000), [""; 0]);
    assert_eq!(interleaved(|d| d.client[0].longest_stall_ns = 900_000_000), [""; 0]);
    assert_eq!(interleaved(|d| d.suspended_ns = 2_000_000_000).len(), 1);
}

#[test]
fn a_server_that_shares_its_cpus_or_has_more_threads_than_cpus_waits_by_design() {
    let waits = |change: fn(&mut RunResult)| {
        judge(&changed(disturbed(echo_run(), |d| d.server_run_queue_ns = Some(9_000_000_000)), change))
    };
    assert_eq!(waits(|_| {}).len(), 1);
    assert_eq!(waits(|r| r.config.server_threads = Some(64)), [""; 0]);
    assert_eq!(waits(|r| r.config.client_cpus = r.config.server_cpus.clone()), [""; 0]);
    assert_eq!(waits(|r| r.config.url = Some("wss://localhost:9443/".to_owned())), [""; 0]);
}
