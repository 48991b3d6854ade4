//! Comparisons for tests, with figures that follow from block and arm, and deterministic noise.

use std::collections::BTreeMap;

use super::{Analysis, Arm, ArmLabel, Block, Comparison, Disturbance, Kind, Program, Trial};
use crate::metric::Metric;
use crate::trial::WorkloadResult;
use crate::workload::{Workload, WorkloadSpec};
use wss_model::fixtures::echo_run;
use wss_model::run_result::{Negotiated, NegotiatedCount};
use wss_model::store::Stored as _;

/// A comparison in which B costs `factor` times as much as A, with noise of about one percent.
pub fn comparison(blocks: usize, factor: f64) -> Comparison {
    let run = echo_run();
    let arm = |label: &str, name: &str| Arm {
        label: label.to_owned(),
        options: Vec::new(),
        programs: vec![Program { name: name.to_owned(), tool: Some(run.tool.clone()) }],
        negotiated: Vec::new(),
    };
    let mut comparison = Comparison {
        schema: Comparison::SCHEMA.to_owned(),
        id: "20260301T120000Z-4711".to_owned(),
        started_at: "2026-03-01T12:00:00Z".to_owned(),
        tool: run.tool.clone(),
        environment: run.environment.clone(),
        kind: Kind::Ab,
        a: arm("base", "wssbench-base"),
        b: arm("head", "wssbench-head"),
        seed: 1,
        workloads: [Workload::Handshake, Workload::Echo]
            .map(|kind| WorkloadSpec::new(kind, vec!["--duration=2500ms".to_owned()]))
            .to_vec(),
        blocks_planned: blocks,
        interleave: None,
        until_width_percent: None,
        blocks: (1..=blocks).map(|number| block(number, factor)).collect(),
        differences: Vec::new(),
        varied: Vec::new(),
        analysis: Analysis::default(),
        valid: true,
        invalid_because: Vec::new(),
        interrupted: false,
    };
    comparison.conclude();
    comparison
}

fn block(number: usize, factor: f64) -> Block {
    let (first, second) = if number % 2 == 1 { (ArmLabel::A, ArmLabel::B) } else { (ArmLabel::B, ArmLabel::A) };
    let order = vec![first, second, second, first];
    let trials = order.iter().enumerate().map(|(place, arm)| trial(*arm, number * 4 + place, factor)).collect();
    let disturbance = Disturbance { steal_percent: Some(0.1), memory_stall_percent: Some(0.0) };
    Block {
        number,
        started_at: "2026-03-01T12:00:00Z".to_owned(),
        order,
        trials,
        disturbance: Some(disturbance),
        dropped_because: None,
    }
}

fn trial(arm: ArmLabel, index: usize, factor: f64) -> Trial {
    let noise = |salt: usize| 1.0 + 0.01 * (((index * 7 + salt * 5) % 13) as f64 / 6.0 - 1.0);
    let cost = if arm == ArmLabel::B { factor } else { 1.0 };
    let figure = |metric: Metric| {
        let usual = match metric {
            Metric::HandshakeSentBytes => return 480.0,
            Metric::HandshakeReceivedBytes => return 939.0,
            Metric::EchoServerRssBytes => return 12_000_000.0,
            metric if metric.more_is_better() => 5_000.0 / cost,
            metric if metric.workload() == Workload::Handshake => 200.0 * cost,
            _ => 30.0 * cost,
        };
        usual * noise(metric as usize)
    };
    let negotiated = Negotiated {
        version: "TLSv1.3".to_owned(),
        suite: "TLS13_AES_256_GCM_SHA384".to_owned(),
        group: "X25519MLKEM768".to_owned(),
        certificate: "ecdsa-p256".to_owned(),
        kind: "full".to_owned(),
    };
    let workload = |kind: Workload| WorkloadResult {
        kind,
        valid: true,
        invalid_because: Vec::new(),
        failed: false,
        disturbed: false,
        negotiated: vec![NegotiatedCount { negotiated: negotiated.clone(), count: 3 }],
        metrics: Metric::ALL
            .iter()
            .copied()
            .filter(|metric| metric.workload() == kind)
            .map(|metric| (metric, Some(figure(metric))))
            .collect::<BTreeMap<_, _>>(),
    };
    Trial {
        arm,
        program: 0,
        run_id: None,
        started_at: "2026-03-01T12:00:00Z".to_owned(),
        control_loop_ns: Some(1e7 * noise(3)),
        workloads: vec![workload(Workload::Handshake), workload(Workload::Echo)],
    }
}
