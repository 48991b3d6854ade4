//! Conclusions from blocks with known figures.

use super::fixtures::comparison;
use super::*;
use crate::metric::Metric;
use crate::statistics::Finding;
use wss_model::fixtures::{echo_run, handshake_run};
use wss_model::store;
use wss_model::validity::{Reason, ReasonCode};

#[test]
fn a_difference_is_detected_only_where_there_is_one() {
    let slower = comparison(12, 1.05);
    let figure = slower.figure(Metric::ServerCpuHandshakeUs).unwrap();
    let ratio = figure.ratio.as_ref().unwrap();
    assert_eq!(ratio.pairs, 12);
    assert!((ratio.center - 1.05).abs() < 0.01, "{ratio:?}");
    assert!(figure.differs() && !figure.is_better() && figure.role == Role::Primary);
    let more = slower.figure(Metric::EchoesPerS).unwrap();
    assert!(more.differs() && !more.is_better() && more.role == Role::Secondary && more.p_holm.is_none());
    let same = comparison(12, 1.0);
    assert!(same.analysis.metrics.iter().filter(|one| one.role == Role::Primary).all(|one| !one.differs()));
    assert!(comparison(12, 0.9).figure(Metric::EchoP50Us).unwrap().is_better());
}

#[test]
fn the_noise_floor_does_not_depend_on_the_difference() {
    let slower = comparison(12, 2.0);
    for figure in &slower.analysis.metrics {
        let floor = figure.noise_floor.as_ref().unwrap();
        assert_eq!((floor.pairs, floor.is_difference()), (12, false), "{:?}", figure.metric);
        assert!((floor.center - 1.0).abs() < 0.02, "{:?} {floor:?}", figure.metric);
    }
}

#[test]
fn the_noise_floor_of_existing_results_compares_each_arm_with_itself() {
    let mut files = comparison(12, 2.0);
    files.kind = Kind::Files;
    for block in &mut files.blocks {
        let mut arms = vec![ArmLabel::A, ArmLabel::B];
        block.trials.retain(|trial| arms.iter().position(|arm| *arm == trial.arm).map(|at| arms.remove(at)).is_some());
        block.order = block.trials.iter().map(|trial| trial.arm).collect();
    }
    files.conclude();
    let figure = files.figure(Metric::ServerCpuHandshakeUs).unwrap();
    let floor = figure.noise_floor.as_ref().unwrap();
    assert_eq!((floor.pairs, floor.is_difference()), (6, false));
    assert!(
        (floor.center - 1.0).abs() < 0.05 && (figure.ratio.as_ref().unwrap().center - 2.0).abs() < 0.1,
        "{figure:?}"
    );
}

#[test]
fn steady_drift_cancels() {
    let mut drifting = comparison(12, 1.0);
    for (index, trial) in drifting.blocks.iter_mut().flat_map(|block| &mut block.trials).enumerate() {
        for value in trial.workloads.iter_mut().flat_map(|workload| workload.metrics.values_mut()) {
            *value = Some(100.0 * 1.02f64.powi(index as i32));
        }
    }
    drifting.conclude();
    let ratio = drifting.figure(Metric::EchoP50Us).unwrap().ratio.clone().unwrap();
    assert!((ratio.center - 1.0).abs() < 1e-9, "{ratio:?}");
}

#[test]
fn a_disturbed_block_is_dropped_with_its_reason() {
    let mut disturbed = comparison(12, 1.05);
    disturbed.blocks[2].disturbance.as_mut().unwrap().steal_percent = Some(30.0);
    disturbed.blocks[5].trials[1].control_loop_ns = Some(2e7);
    disturbed.conclude();
    let reasons: Vec<_> = disturbed.blocks.iter().filter_map(|block| block.dropped_because.clone()).collect();
    assert_eq!(disturbed.analysis.blocks_dropped, 2);
    assert!(reasons[0].contains("hypervisor: 30%") && reasons[1].contains("control loop"), "{reasons:?}");
    assert_eq!(disturbed.figure(Metric::EchoP50Us).unwrap().ratio.as_ref().unwrap().pairs, 10);
    assert!(disturbed.valid);
    disturbed.blocks[7].disturbance.as_mut().unwrap().memory_stall_percent = Some(50.0);
    disturbed.conclude();
    assert!(!disturbed.valid && disturbed.invalid_because[0].text.contains("25%"), "{:?}", disturbed.invalid_because);
}

#[test]
fn a_late_generator_drops_its_block_and_errors_do_not() {
    let mut late = comparison(12, 1.0);
    let workload = &mut late.blocks[3].trials[2].workloads[0];
    (workload.valid, workload.disturbed) = (false, true);
    workload.invalid_because = vec![Reason::new(ReasonCode::GeneratorLate, "the generator was late by 2 ms")];
    late.conclude();
    assert!(late.blocks[3].dropped_because.as_ref().unwrap().contains("late by 2 ms"));
    assert!(late.valid && late.analysis.blocks_dropped == 1, "{:?}", late.invalid_because);
    late.blocks[3].trials[2].workloads[0].disturbed = false;
    late.conclude();
    assert!(late.blocks[3].dropped_because.is_none() && !late.valid);
}

#[test]
fn a_comparison_ends_early_only_if_its_intervals_are_narrow() {
    let narrow = |blocks: usize, factor: f64, until: Option<f64>| {
        let mut one = comparison(blocks, factor);
        one.until_width_percent = until;
        one.is_precise_enough()
    };
    let width = comparison(12, 1.0).analysis.widest_percent().unwrap();
    assert!(narrow(12, 1.0, Some(width)) && !narrow(12, 1.0, Some(width * 0.9)));
    assert!(!narrow(12, 1.5, None), "a finding must not end it");
    assert!(!narrow(12, 1.5, Some(width * 0.5)), "a finding must not end it");
    assert!(!narrow(5, 1.0, Some(100.0)), "five blocks have no interval");
}

#[test]
fn dropping_a_block_does_not_depend_on_its_figures() {
    let mut one = comparison(12, 1.0);
    let dropped = |one: &Comparison| one.blocks.iter().map(|block| block.dropped_because.clone()).collect::<Vec<_>>();
    let before = dropped(&one);
    for trial in one.blocks.iter_mut().flat_map(|block| &mut block.trials).filter(|trial| trial.arm == ArmLabel::B) {
        for value in trial.workloads.iter_mut().flat_map(|workload| workload.metrics.values_mut()) {
            *value = value.map(|value| value * 7.0);
        }
    }
    one.conclude();
    assert_eq!(dropped(&one), before);
}

#[test]
fn errors_of_an_arm_make_the_comparison_invalid() {
    let mut wrong = comparison(12, 1.0);
    let workload = &mut wrong.blocks[0].trials.iter_mut().find(|trial| trial.arm == ArmLabel::B).unwrap().workloads[0];
    (workload.valid, workload.invalid_because) =
        (false, vec![Reason::new(ReasonCode::GeneratorLate, "2 errors (limit 0)")]);
    wrong.conclude();
    assert!(
        !wrong.valid && wrong.invalid_because[0].text.starts_with("invalid runs of B: 1, the first because: "),
        "{:?}",
        wrong.invalid_because
    );
    assert_eq!(wrong.analysis.blocks_dropped, 0);
}

#[test]
fn equal_options_that_negotiate_different_parameters_are_invalid() {
    let mut other = comparison(6, 1.0);
    for trial in other.blocks.iter_mut().flat_map(|block| &mut block.trials).filter(|trial| trial.arm == ArmLabel::B) {
        trial.workloads[0].negotiated[0].negotiated.group = "X25519".to_owned();
    }
    other.conclude();
    assert!(!other.valid && other.b.negotiated.len() == 2);
    other.b.options.push("--group=X25519".to_owned());
    other.conclude();
    assert!(other.valid);
}

#[test]
fn five_blocks_are_too_few_for_a_finding() {
    let few = comparison(5, 1.5);
    let figure = few.figure(Metric::EchoP50Us).unwrap();
    assert_eq!((figure.finding, figure.differs()), (Some(Finding::TooFewPairs), false));
    assert_eq!(few.analysis.widest_percent(), None);
    assert!(comparison(6, 1.5).analysis.widest_percent().is_some());
}

#[test]
fn differing_fields_are_named() {
    let (one, mut other) = (echo_run(), echo_run());
    assert!(between(&fields(&one), &fields(&other), &[]).is_empty());
    other.config.connections = 17;
    other.environment.kernel = "5.10".to_owned();
    other.config.seed = 99;
    let found = between(&fields(&one), &fields(&other), &[]);
    let names: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
    assert_eq!(names, ["config.connections", "environment.kernel"]);
    assert_eq!(found[0].b, "17");
    assert!(
        between(&fields(&one), &fields(&other), &["config".to_owned(), "environment.kernel".to_owned()]).is_empty()
    );
    let negotiated = between(&fields(&one), &fields(&handshake_run()), &["config".to_owned()]);
    assert!(negotiated.iter().all(|one| one.field != "config.mode"), "{negotiated:?}");
}

#[test]
fn a_written_comparison_reads_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("one.json");
    let one = comparison(6, 1.02);
    store::write(&one, &path).unwrap();
    assert_eq!(store::read::<Comparison>(&path).unwrap(), one);
}

#[test]
fn the_committed_schema_matches_the_types_and_a_comparison() {
    let schema = wss_model::schema::of_file::<Comparison>();
    wss_model::schema::assert_committed("wssbench.comparison-2.json", &schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&serde_json::to_value(comparison(6, 1.0)).unwrap()));
}
