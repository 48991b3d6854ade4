//! Trials in time slices, and comparisons that end early.

use std::time::{Duration, Instant};

use wss_analysis::comparison::{ArmLabel, Comparison};
use wss_analysis::metric::Metric;
use wss_analysis::workload::{MetricSet, Schedule, schedule};
use wss_model::{HumanDuration, ReasonCode};

use super::common::{BOUND, start, wssbench};
use super::{ab, handshake_us, place};

#[test]
fn cpu_time_is_interleaved_by_default() {
    let _place = place();
    let (ended, comparison) = ab(&["--a=--group X25519", "--b=--group secp256r1", "--blocks=1"]);
    let slice = comparison.interleave.expect("closed loops of the embedded server are interleaved");
    let expected = [(MetricSet::CpuTime, false), (MetricSet::CpuTime, false)];
    let rest = [(MetricSet::AllButCpuTime, true), (MetricSet::AllButCpuTime, true)];
    let found: Vec<_> = comparison.workloads.iter().map(|one| (one.metrics, one.sequential)).collect();
    assert_eq!(found, [expected, rest].concat(), "{ended}");
    assert_eq!(schedule(&comparison.workloads, Some(slice)), Schedule::Both(slice));
    for trial in comparison.blocks.iter().flat_map(|block| &block.trials) {
        let has = |index: usize, metric| trial.workloads[index].metrics.contains_key(&metric);
        assert!(has(0, Metric::ServerCpuHandshakeUs) && !has(2, Metric::ServerCpuHandshakeUs), "{trial:?}");
        assert!(!has(1, Metric::EchoP50Us) && has(3, Metric::EchoP50Us), "{trial:?}");
    }
}

#[test]
fn interleaved_trials_have_all_metrics_and_find_wasted_cpu_time() {
    let _place = place();
    let (ended, comparison) =
        ab(&["--a=--burn-cpu 0s", "--b=--burn-cpu 4ms", "--interleave=40ms", "--trial=600ms", "--blocks=1"]);
    assert_eq!(comparison.interleave, Some(HumanDuration(Duration::from_millis(40))), "{ended}");
    for block in &comparison.blocks {
        assert_eq!((block.trials.len(), block.is_complete()), (4, true));
        for trial in &block.trials {
            let has =
                |workload: usize, metric| trial.workloads[workload].metrics.get(&metric).copied().flatten().is_some();
            assert!(has(0, Metric::HandshakeP50Us) && has(1, Metric::ServerCpuMessageUs), "{trial:?}");
        }
    }
    let (a, b) = (handshake_us(&comparison, ArmLabel::A), handshake_us(&comparison, ArmLabel::B));
    let most = a.iter().copied().fold(0.0, f64::max);
    assert!(b.iter().all(|wasteful| wasteful - most > 2_000.0), "{a:?} {b:?}\n{ended}");
}

#[test]
fn a_planned_rate_applies_to_the_slices_of_the_run() {
    let _place = place();
    let arguments =
        ["ab", "--a=--group X25519", "--b=--group secp256r1", "--interleave", "--trial=300ms", "--blocks=1"];
    let rate = ["--workloads=paced", "--json", "--", "--rate=1000/s", "--connections=4"];
    let ended = start(&[&arguments[..], &rate[..]].concat()).end_within(BOUND);
    let comparison: Comparison = serde_json::from_str(&ended.stdout).unwrap();
    for workload in comparison.blocks[0].trials.iter().flat_map(|trial| &trial.workloads) {
        // The generator may be late on this machine, but it sends what was planned, in the planned time.
        assert!(workload.valid || workload.disturbed, "{workload:?}");
        assert!(
            !workload.invalid_because.iter().any(|reason| reason.code == ReasonCode::RateNotAchieved),
            "{workload:?}"
        );
    }
}

#[test]
fn a_run_that_fails_ends_the_runs_that_wait_for_it() {
    let _place = place();
    let refusal = |arguments: &[&str]| wssbench(&[&["ab", "--trial=200ms"], arguments].concat()).refusal();
    // The reason is that of the run that failed, not of those that waited for it.
    let sentence = refusal(&["--interleave", "--a=--engine epoll", "--b=--server-cpus 999"]);
    assert!(sentence.contains("B --server-cpus 999: the workload handshake failed: "), "{sentence}");
    assert!(
        refusal(&["--interleave", "--a=/bin/true", "--b=--engine epoll"]).contains("the workload handshake failed")
    );
    let sentence = refusal(&["--a=--engine epoll", "--b=--engine uring", "--interleave=1h"]);
    assert!(sentence.contains("--interleave") && sentence.contains("longer than"), "{sentence}");
    let short = wssbench(&["ab", "--a=--engine epoll", "--b=--engine uring", "--interleave=10us"]);
    assert!(short.code() == Some(1) && short.stderr.contains("expected at least 1ms"), "{short}");
    // A run whose standard input ends does not wait either.
    let alone = wssbench(&["run", "--time-slice=1/2:20ms", "--connections=1", "--connect-rate=max", "--warmup=1ms"]);
    assert_eq!(alone.code(), Some(1), "{alone}");
    assert!(alone.stderr.contains("no time slices were assigned"), "{alone}");
}

#[test]
fn an_interrupted_comparison_keeps_its_blocks() {
    interrupt_in_the_second_block(&["--interleave=off"]);
}

#[test]
fn an_interrupted_interleaved_comparison_keeps_its_blocks() {
    interrupt_in_the_second_block(&["--interleave=20ms"]);
}

fn interrupt_in_the_second_block(more: &[&str]) {
    let _place = place();
    let usual = ["ab", "--a=--group X25519", "--b=--group secp256r1", "--trial=200ms", "--blocks=50", "--json"];
    let mut running = start(&[&usual[..], more].concat());
    let deadline = Instant::now() + BOUND;
    while !running.said("block 2 of 50") {
        assert!(!running.has_ended() && Instant::now() < deadline, "the second block did not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal("-INT");
    let ended = running.end_within(BOUND);
    assert_eq!(ended.code(), Some(3), "{ended}");
    let comparison: Comparison = serde_json::from_str(&ended.stdout).unwrap();
    assert!(comparison.interrupted && comparison.blocks[0].is_complete());
    assert!(comparison.invalid_because[0].text.contains("interrupted after"), "{:?}", comparison.invalid_because);
}
