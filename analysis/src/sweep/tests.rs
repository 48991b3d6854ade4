//! Conclusions from sweeps with known ratios, and their files.

use super::fixtures::{spoil, sweep};
use super::*;
use crate::metric::Metric;
use crate::statistics::Finding;
use wss_model::run_result::RunResult;
use wss_model::store::{self, Stored as _};
use wss_model::validity::{Reason, ReasonCode};

fn found(sweep: &SweepResult, number: usize, metric: Metric) -> MetricSummary {
    sweep.analysis.summary(number).unwrap().metrics[&metric].clone()
}

#[test]
fn a_threefold_cost_is_detected_and_a_difference_of_0_2_percent_is_not() {
    let sweep = sweep(12);
    let rsa = found(&sweep, 3, Metric::ServerCpuHandshakeUs);
    let interval = rsa.ratio.unwrap().interval.unwrap();
    assert_eq!(rsa.finding, Some(Finding::Differs));
    assert!(interval.low < 3.1 && 3.1 < interval.high && interval.low > 3.0, "{interval:?}");
    let aes = found(&sweep, 2, Metric::ServerCpuHandshakeUs);
    assert!(matches!(aes.finding, Some(Finding::NoDifferenceLargerThan { percent }) if percent < 3.0), "{aes:?}");
    // The reference has no ratio to itself. The ratio of its repetition is the noise floor.
    assert_eq!(found(&sweep, 1, Metric::ServerCpuHandshakeUs).ratio, None);
    assert!(matches!(
        found(&sweep, 5, Metric::ServerCpuHandshakeUs).finding,
        Some(Finding::NoDifferenceLargerThan { .. })
    ));
    assert!(sweep.valid);
}

#[test]
fn configurations_that_the_noise_does_not_separate_are_tied() {
    let sweep = sweep(12);
    let ranking = |metric| sweep.analysis.rankings.iter().find(|one| one.metric == metric).unwrap().clusters.clone();
    let sets = |clusters: Vec<Vec<usize>>| {
        clusters
            .into_iter()
            .map(|mut tied| {
                tied.sort_unstable();
                tied
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(sets(ranking(Metric::ServerCpuHandshakeUs)), [vec![4], vec![1, 2], vec![3]]);
    // More is better here: the order is the same, not reversed.
    assert_eq!(sets(ranking(Metric::BulkGbPerS)), [vec![4], vec![1, 2], vec![3]]);
    let place = |number| found(&sweep, number, Metric::BulkGbPerS).place.map(|place| (place.best, place.worst));
    assert_eq!([1, 2, 3, 4, 5].map(place), [Some((2, 3)), Some((2, 3)), Some((4, 4)), Some((1, 1)), None]);
}

#[test]
fn five_blocks_separate_nothing() {
    let sweep = sweep(5);
    assert_eq!(found(&sweep, 3, Metric::ServerCpuHandshakeUs).finding, Some(Finding::TooFewPairs));
    assert!(sweep.analysis.rankings.iter().all(|ranking| ranking.clusters.len() == 1));
}

#[test]
fn an_invalid_workload_is_in_no_ratio_and_the_valid_ones_of_its_trial_are() {
    let mut sweep = sweep(12);
    spoil(&mut sweep, 2, 3, false);
    spoil(&mut sweep, 4, 3, true);
    spoil(&mut sweep, 5, 1, true);
    let of = |metric| found(&sweep, 3, metric);
    assert_eq!(of(Metric::ServerCpuHandshakeUs).trials, 10);
    assert_eq!(of(Metric::ServerCpuHandshakeUs).ratio.unwrap().pairs, 9);
    assert_eq!(of(Metric::BulkGbPerS).ratio.unwrap().pairs, 12);
    let summary = sweep.analysis.summary(3).unwrap();
    assert_eq!((summary.trials, summary.trials_valid), (12, 10));
    assert_eq!(summary.first_reason.as_deref(), Some("handshake: 2 errors (limit 0)"));
    let texts: Vec<&str> = sweep.invalid_because.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(texts, ["trials without a result: 2 of 60", "invalid trials: 1 of 60"]);
    let codes: Vec<ReasonCode> = sweep.invalid_because.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [ReasonCode::TrialsFailed, ReasonCode::TrialsInvalid]);
    assert!(!sweep.valid);
}

#[test]
fn an_interrupted_sweep_is_invalid_and_counts_the_trials_of_its_last_block() {
    let mut sweep = sweep(8);
    sweep.blocks[7].trials.truncate(2);
    (sweep.interrupted, sweep.blocks_planned) = (true, 12);
    sweep.conclude();
    let interrupted = Reason::new(ReasonCode::Interrupted, "interrupted after 7 of 12 blocks: partial results");
    assert_eq!(sweep.invalid_because, [interrupted]);
    let trials: usize = sweep.analysis.summaries.iter().map(|summary| summary.trials).sum();
    assert_eq!(trials, 37);
}

#[test]
fn a_sweep_without_blocks_has_no_conclusions() {
    let sweep = sweep(0);
    assert!(sweep.analysis.rankings.is_empty());
    assert!(sweep.analysis.summaries.iter().all(|summary| summary.metrics.is_empty() && summary.trials == 0));
}

#[test]
fn the_security_level_is_that_of_the_negotiated_algorithms() {
    let sweep = sweep(6);
    let bits = |number| sweep.analysis.summary(number).unwrap().security.map(|security| security.bits);
    assert_eq!([1, 2, 3, 4].map(bits), [Some(128), Some(128), Some(112), None]);
}

#[test]
fn a_written_sweep_reads_back_and_has_the_same_conclusions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(store::default_path::<SweepResult>("x"));
    let mut written = sweep(7);
    spoil(&mut written, 1, 2, true);
    store::write(&written, &path).unwrap();
    let mut read: SweepResult = store::read(&path).unwrap();
    assert_eq!(read, written);
    read.conclude();
    assert_eq!(read, written);
}

#[test]
fn a_file_of_another_kind_is_rejected_with_both_schemas() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    store::write(&wss_model::fixtures::echo_run(), &path).unwrap();
    let message = store::read::<SweepResult>(&path).unwrap_err().to_string();
    let expected = format!("unsupported schema {}; expected {}", RunResult::SCHEMA, SweepResult::SCHEMA);
    assert!(message.ends_with(&expected), "{message}");
}

#[test]
fn the_committed_schema_matches_the_types() {
    wss_model::schema::assert_committed("wssbench.sweep-2.json", &wss_model::schema::of_file::<SweepResult>());
}

#[test]
fn a_sweep_matches_the_schema() {
    let validator = jsonschema::validator_for(&wss_model::schema::of_file::<SweepResult>()).unwrap();
    let mut sweep = sweep(6);
    spoil(&mut sweep, 1, 2, true);
    let errors: Vec<String> = validator
        .iter_errors(&serde_json::to_value(sweep).unwrap())
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}
