//! Comparisons as files, as a user of the verbs that read them has them.

use std::collections::BTreeMap;
use std::path::Path;

use wss_analysis::comparison::{Analysis, Arm, ArmLabel, Block, Comparison, Kind, Program, Trial};
use wss_analysis::metric::Metric;
use wss_analysis::trial::WorkloadResult;
use wss_analysis::workload::{Workload, WorkloadSpec};
use wss_model::RunResult;
use wss_model::store::{self, Stored as _};

/// Ten blocks in which B's server spends `factor` times what A's does on a handshake, measured where and with what `run`
/// was. `number` tells it from others and is the minute in which it began.
pub(crate) fn comparison(run: &RunResult, number: usize, factor: f64) -> Comparison {
    let mut b = run.tool.clone();
    // Whatever the checkout is like in which this is tested.
    b.git_dirty = Some(false);
    b.git_commit = Some(format!("{number:07}abc"));
    let arm = |label: &str, tool| Arm {
        label: label.to_owned(),
        programs: vec![Program { name: label.to_owned(), tool: Some(tool) }],
        ..Arm::default()
    };
    let mut comparison = Comparison {
        schema: Comparison::SCHEMA.to_owned(),
        id: format!("comparison-{number}"),
        started_at: format!("2026-03-01T{:02}:{:02}:00Z", number / 60, number % 60),
        tool: run.tool.clone(),
        environment: run.environment.clone(),
        kind: Kind::Ab,
        a: arm("pinned", run.tool.clone()),
        b: arm("head", b),
        seed: 1,
        workloads: vec![WorkloadSpec::new(Workload::Handshake, Vec::new())],
        blocks_planned: 10,
        interleave: None,
        until_width_percent: None,
        blocks: (1..=10).map(|block| self::block(block, number, factor)).collect(),
        differences: Vec::new(),
        varied: Vec::new(),
        analysis: Analysis::default(),
        valid: true,
        invalid_because: Vec::new(),
        interrupted: false,
    };
    comparison.conclude();
    assert!(comparison.valid, "{:?}", comparison.invalid_because);
    comparison
}

fn block(number: usize, salt: usize, factor: f64) -> Block {
    let order = vec![ArmLabel::A, ArmLabel::B, ArmLabel::B, ArmLabel::A];
    let trial = |(place, arm): (usize, &ArmLabel)| {
        let noise = 1.0 + 0.002 * ((number * 7 + place * 5 + salt * 3) % 11) as f64;
        let value = 200.0 * noise * if *arm == ArmLabel::B { factor } else { 1.0 };
        let workload = WorkloadResult {
            kind: Workload::Handshake,
            valid: true,
            invalid_because: Vec::new(),
            failed: false,
            disturbed: false,
            negotiated: Vec::new(),
            metrics: BTreeMap::from([(Metric::ServerCpuHandshakeUs, Some(value))]),
        };
        let started_at = "2026-03-01T12:00:00Z".to_owned();
        Trial { arm: *arm, program: 0, run_id: None, started_at, control_loop_ns: None, workloads: vec![workload] }
    };
    let trials = order.iter().enumerate().map(trial).collect();
    Block {
        number,
        started_at: "2026-03-01T12:00:00Z".to_owned(),
        order,
        trials,
        disturbance: None,
        dropped_because: None,
    }
}

/// Writes it to a folder and returns its path.
pub(crate) fn write(comparison: &Comparison, folder: &Path) -> String {
    let path = folder.join(format!("{}.json", comparison.id));
    store::write(comparison, &path).unwrap();
    path.display().to_string()
}
