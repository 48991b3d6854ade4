//! The verdict on a comparison with known ratios.

use wss_analysis::comparison::fixtures::comparison;
use wss_analysis::gate::{Date, judge};

use super::*;

fn today() -> Date {
    "2026-03-01".parse().unwrap()
}

#[test]
fn a_regression_with_a_waiver_and_a_missing_scenario() {
    let waived = "
        scenarios = [\"usual\", \"large\"]
        threshold = \"2%\"
        [metrics.server_cpu_handshake_us]
        waiver = { until = \"2026-12-31\", reason = \"a larger record\" }
        [metrics.echo_p50_us]
        [metrics.echoes_per_s]
        severity = \"warn\"
        [metrics.paced_p50_us]
        severity = \"info\"
    ";
    let comparison = comparison(12, 1.06);
    let scenarios = [Scenario { name: "usual", comparison: &comparison }];
    let verdicts = judge(&waived.parse().unwrap(), &scenarios, today());
    insta::assert_snapshot!("terminal", terminal(&verdicts, &scenarios, Style::default()));
    insta::assert_snapshot!("markdown", markdown(&verdicts, &scenarios));
}
