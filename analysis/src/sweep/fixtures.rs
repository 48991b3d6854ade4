//! Sweeps for tests, with figures that follow from the numbers of configuration and block.

use std::collections::BTreeMap;

use super::{Analysis, Block, Configuration, SweepResult, Trial};
use crate::metric::Metric;
use crate::trial::WorkloadResult;
use crate::workload::{Workload, WorkloadSpec};
use wss_model::config::RunConfig;
use wss_model::fixtures::echo_run;
use wss_model::run_result::{Negotiated, NegotiatedCount};
use wss_model::store::Stored as _;
use wss_model::validity::{Reason, ReasonCode};

/// A configuration: its options, what it negotiates, and its cost.
pub struct SampleConfiguration {
    /// Options of `run`, `--option=value` each.
    pub options: &'static [&'static str],
    /// Version, suite, group and certificate; `None` without TLS.
    pub negotiated: Option<[&'static str; 4]>,
    /// Cost relative to the first configuration.
    pub cost: f64,
}

/// Three suites with two certificates, of which the first two cost about the same, and one configuration without TLS.
pub const CONFIGURATIONS: [SampleConfiguration; 4] = [
    SampleConfiguration {
        options: &["--suite=TLS13_AES_128_GCM_SHA256", "--cert=ecdsa-p256"],
        negotiated: Some(["TLSv1.3", "TLS13_AES_128_GCM_SHA256", "X25519", "ecdsa-p256"]),
        cost: 1.0,
    },
    SampleConfiguration {
        options: &["--suite=TLS13_AES_256_GCM_SHA384", "--cert=ecdsa-p256"],
        negotiated: Some(["TLSv1.3", "TLS13_AES_256_GCM_SHA384", "X25519", "ecdsa-p256"]),
        cost: 1.002,
    },
    SampleConfiguration {
        options: &["--suite=TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "--cert=rsa-2048"],
        negotiated: Some(["TLSv1.2", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "X25519", "rsa-2048"]),
        cost: 3.1,
    },
    SampleConfiguration { options: &["--layer=ws"], negotiated: None, cost: 0.4 },
];

/// A sweep of [`CONFIGURATIONS`] and the repetition of the first one, with deterministic noise of one percent.
pub fn sweep(blocks: usize) -> SweepResult {
    let run = echo_run();
    let mut configurations: Vec<Configuration> = CONFIGURATIONS
        .iter()
        .enumerate()
        .map(|(index, row)| Configuration {
            number: index + 1,
            label: row.options.join(" "),
            options: row.options.iter().map(ToString::to_string).collect(),
            config: RunConfig::default(),
            repeat_of: None,
        })
        .collect();
    let again = Configuration { number: CONFIGURATIONS.len() + 1, repeat_of: Some(1), ..configurations[0].clone() };
    configurations.push(again);
    let workloads = [Workload::Handshake, Workload::Bulk];
    let mut sweep = SweepResult {
        schema: SweepResult::SCHEMA.to_owned(),
        id: run.id,
        started_at: run.started_at,
        tool: run.tool,
        environment: run.environment,
        preset: None,
        seed: 1,
        workloads: workloads.map(|kind| WorkloadSpec::new(kind, vec!["--duration=1s".to_owned()])).to_vec(),
        configurations,
        reference: 1,
        invalid_combinations: Vec::new(),
        blocks_planned: blocks,
        interleave: None,
        blocks: (1..=blocks).map(block).collect(),
        analysis: Analysis::default(),
        valid: true,
        invalid_because: Vec::new(),
        interrupted: false,
    };
    sweep.conclude();
    sweep
}

fn block(number: usize) -> Block {
    let order: Vec<usize> =
        (0..=CONFIGURATIONS.len()).map(|turn| (turn + number) % (CONFIGURATIONS.len() + 1) + 1).collect();
    let trials = order.iter().map(|configuration| trial(*configuration, number)).collect();
    Block { number, started_at: "2026-03-01T12:00:00Z".to_owned(), order, trials }
}

fn trial(configuration: usize, block: usize) -> Trial {
    let row = &CONFIGURATIONS[(configuration - 1) % CONFIGURATIONS.len()];
    // Within one percent, symmetric, and different for each configuration of a block.
    let noise = 1.0 + 0.01 * (((configuration * 7 + block * 5) % 11) as f64 / 5.0 - 1.0);
    let figure = |metric: Metric| match metric {
        Metric::HandshakesPerSPerCore => 5_000.0 / row.cost / noise,
        Metric::BulkGbPerS => 1.4 / row.cost / noise,
        Metric::HandshakeSentBytes => 480.0,
        Metric::HandshakeReceivedBytes => 939.0,
        Metric::BulkServerAeadNsPerByte => 0.25 * row.cost * noise,
        _ if metric.workload() == Workload::Bulk => 0.7 * row.cost * noise,
        _ => 200.0 * row.cost * noise,
    };
    let negotiated = row.negotiated.map(|names| {
        let [version, suite, group, certificate] = names.map(str::to_owned);
        let negotiated = Negotiated { version, suite, group, certificate, kind: "full".to_owned() };
        NegotiatedCount { negotiated, count: 3 }
    });
    let workload = |kind: Workload| WorkloadResult {
        kind,
        valid: true,
        invalid_because: Vec::new(),
        failed: false,
        disturbed: false,
        negotiated: negotiated.iter().cloned().collect(),
        metrics: Metric::ALL
            .iter()
            .copied()
            .filter(|metric| metric.workload() == kind)
            // Without TLS there are no records.
            .map(|metric| {
                (
                    metric,
                    Some(figure(metric))
                        .filter(|_| metric != Metric::BulkServerAeadNsPerByte || row.negotiated.is_some()),
                )
            })
            .collect::<BTreeMap<_, _>>(),
    };
    let workloads = vec![workload(Workload::Handshake), workload(Workload::Bulk)];
    Trial { configuration, started_at: "2026-03-01T12:00:00Z".to_owned(), valid: true, workloads }
}

/// Makes the first workload of a trial invalid, or one without a result.
pub fn spoil(sweep: &mut SweepResult, block: usize, configuration: usize, failed: bool) {
    let trials = &mut sweep.blocks[block - 1].trials;
    let trial =
        trials.iter_mut().find(|trial| trial.configuration == configuration).expect("a trial of that configuration");
    trial.valid = false;
    let workload = &mut trial.workloads[0];
    (workload.valid, workload.failed) = (false, failed);
    workload.invalid_because = vec![if failed {
        Reason::new(ReasonCode::NoResult, "the embedded server did not start")
    } else {
        Reason::new(ReasonCode::Errors, "2 errors (limit 0)")
    }];
    if failed {
        workload.metrics.clear();
    }
    sweep.conclude();
}
