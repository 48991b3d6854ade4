//! Verdicts on comparisons with known ratios.

use super::*;
use crate::comparison::fixtures::comparison;

const POLICY: &str = r#"
    threshold = "2%"
    [metrics.server_cpu_handshake_us]
    [metrics.echoes_per_s]
    [metrics.echo_p50_us]
    severity = "warn"
"#;

fn today() -> Date {
    "2026-03-01".parse().unwrap()
}

fn verdicts(policy: &str, comparison: &Comparison) -> Verdicts {
    judge(&policy.parse().unwrap(), &[Scenario { name: "usual", comparison }], today())
}

fn verdict_of(verdicts: &Verdicts, metric: Metric) -> Verdict {
    verdicts.rows.iter().find(|row| row.metric == metric).unwrap().verdict
}

#[test]
fn a_loss_beyond_the_threshold_is_a_regression() {
    let found = verdicts(POLICY, &comparison(12, 1.06));
    assert_eq!((found.outcome, found.outcome.exit_code()), (Outcome::Regression, 2));
    // More time, fewer echoes.
    assert_eq!(verdict_of(&found, Metric::ServerCpuHandshakeUs), Verdict::Regression);
    assert_eq!(verdict_of(&found, Metric::EchoesPerS), Verdict::Regression);
}

#[test]
fn a_gain_and_no_difference_pass() {
    for factor in [0.5, 0.9, 0.97, 1.0] {
        let found = verdicts(POLICY, &comparison(12, factor));
        assert_eq!((found.outcome, found.outcome.exit_code()), (Outcome::Pass, 0), "{factor}: {found:?}");
    }
}

#[test]
fn an_interval_around_the_threshold_is_inconclusive() {
    let found = verdicts(POLICY, &comparison(12, 1.02));
    assert_eq!((found.outcome, found.outcome.exit_code()), (Outcome::Inconclusive, 3));
    // Five blocks have no interval.
    assert_eq!(verdicts(POLICY, &comparison(5, 3.0)).outcome, Outcome::Inconclusive);
}

#[test]
fn with_direction_either_a_gain_is_a_regression_too() {
    let policy = "[metrics.echo_p50_us]\nthreshold = \"2%\"\ndirection = \"either\"";
    assert_eq!(verdicts(policy, &comparison(12, 0.9)).outcome, Outcome::Regression);
    assert_eq!(verdicts(policy, &comparison(12, 1.1)).outcome, Outcome::Regression);
    assert_eq!(verdicts(policy, &comparison(12, 1.0)).outcome, Outcome::Pass);
}

#[test]
fn a_direction_that_would_make_a_gain_a_regression_is_rejected() {
    for (metric, given, better) in [("echo_p50_us", "higher", "lower"), ("echoes_per_s", "lower", "higher")] {
        let with = |direction: &str| {
            format!("[metrics.{metric}]\nthreshold = \"2%\"\ndirection = \"{direction}\"").parse::<Policy>()
        };
        let sentence = with(given).unwrap_err().to_string();
        assert!(sentence.contains(&format!("direction = \"{given}\", but {better} is better")), "{sentence}");
        assert!(with(better).is_ok() && with("either").is_ok());
    }
}

#[test]
fn the_center_is_inconclusive_only_if_it_was_not_measured() {
    let policy = "[metrics.echo_p50_us]\nthreshold = \"2%\"\nstatistic = \"center\"";
    assert_eq!(verdicts(policy, &comparison(12, 1.019)).outcome, Outcome::Pass);
    assert_eq!(verdicts(policy, &comparison(3, 1.04)).outcome, Outcome::Regression);
    let missing = "[metrics.paced_p50_us]\nthreshold = \"2%\"\nstatistic = \"center\"";
    let found = verdicts(missing, &comparison(12, 1.0));
    assert_eq!((found.outcome, verdict_of(&found, Metric::PacedP50Us)), (Outcome::Inconclusive, Verdict::Missing));
}

#[test]
fn severities_warn_and_info_do_not_fail_the_gate() {
    for severity in ["warn", "info"] {
        let policy = format!("[metrics.echo_p50_us]\nthreshold = \"2%\"\nseverity = \"{severity}\"");
        let found = verdicts(&policy, &comparison(12, 1.5));
        assert_eq!((found.outcome, found.rows[0].verdict), (Outcome::Pass, Verdict::Regression));
    }
}

#[test]
fn a_waiver_lets_a_regression_pass_until_its_last_day_is_over() {
    let policy = |until: &str| {
        format!(
            "[metrics.echo_p50_us]\nthreshold = \"2%\"\nwaiver = {{ until = \"{until}\", reason = \"a larger record\" }}"
        )
    };
    let found = verdicts(&policy("2026-03-01"), &comparison(12, 1.5));
    assert!(found.outcome == Outcome::Pass && found.rows[0].waived);
    let found = verdicts(&policy("2026-02-28"), &comparison(12, 1.5));
    assert!(found.outcome == Outcome::Regression && !found.rows[0].waived);
    // Five blocks have no interval, so the known regression is inconclusive.
    let found = verdicts(&policy("2026-03-01"), &comparison(5, 1.5));
    assert!(found.outcome == Outcome::Pass && found.rows[0].waived && found.rows[0].verdict == Verdict::Inconclusive);
    assert_eq!(verdicts(&policy("2026-02-28"), &comparison(5, 1.5)).outcome, Outcome::Inconclusive);
}

#[test]
fn a_barely_significant_regression_among_many_metrics_is_inconclusive() {
    // Seven blocks: the interval of 98.4% lies beyond the threshold, and the p-value is 2/128; of four, 8/128.
    let one = "[metrics.server_cpu_handshake_us]\nthreshold = \"2%\"\n";
    let alone = comparison(7, 1.2);
    assert_eq!(verdicts(one, &alone).outcome, Outcome::Regression);
    let others: String = ["handshake_sent_bytes", "handshake_received_bytes", "echo_server_rss_bytes"]
        .iter()
        .map(|name| format!("[metrics.{name}]\nthreshold = \"2%\"\n"))
        .collect();
    let found = verdicts(&(one.to_owned() + &others), &alone);
    let row = found.rows.iter().find(|row| row.metric == Metric::ServerCpuHandshakeUs).unwrap();
    assert_eq!((row.verdict, row.p_holm), (Verdict::Inconclusive, Some(0.0625)));
}

#[test]
fn invalid_incomparable_and_missing_scenarios_do_not_pass() {
    let mut invalid = comparison(12, 1.5);
    invalid.blocks_planned = 20;
    invalid.conclude();
    let found = verdicts(POLICY, &invalid);
    assert_eq!((found.outcome, found.outcome.exit_code(), found.invalid.len()), (Outcome::Invalid, 3, 1));
    let mut forced = comparison(12, 1.0);
    forced.differences.push(Difference {
        field: "config.connections".to_owned(),
        a: "1".to_owned(),
        b: "2".to_owned(),
    });
    assert_eq!(verdicts(POLICY, &forced).outcome.exit_code(), 4);
    let policy = "scenarios = [\"usual\", \"large\"]\n[metrics.echo_p50_us]\nthreshold = \"2%\"";
    let found = verdicts(policy, &comparison(12, 1.0));
    assert_eq!((found.outcome, found.missing), (Outcome::Inconclusive, vec!["large".to_owned()]));
}

#[test]
fn an_invalid_policy_is_rejected_with_the_offending_key() {
    let refusal = |text: &str| text.parse::<Policy>().unwrap_err().to_string();
    let sentence = refusal("[metrics.server_cpu_hanshake_us]\nthreshold = \"2%\"");
    assert!(
        sentence.contains("`server_cpu_hanshake_us`") && sentence.contains("`server_cpu_handshake_us`"),
        "{sentence}"
    );
    assert!(refusal("[metrics.echo_p50_us]\nlimit = \"2%\"").contains("unknown field `limit`"));
    assert!(refusal("treshold = \"2%\"").contains("unknown field `treshold`"));
    assert!(refusal("[metrics.echo_p50_us]\n").contains("metrics.echo_p50_us has no threshold"));
    assert!(refusal("[metrics.echo_p50_us]\nthreshold = \"two\"").contains("`two`"));
    assert!(refusal("threshold = \"2%\"").contains("[metrics.NAME]"));
    let waiver = |until: &str| {
        format!("[metrics.echo_p50_us]\nthreshold = \"2%\"\nwaiver = {{ until = \"{until}\", reason = \"\" }}")
    };
    assert!(refusal(&waiver("2026-02-30")).contains("`2026-02-30`"));
    assert!(refusal(&waiver("soon")).contains("`soon`"));
}

#[test]
fn the_committed_schema_matches_the_types() {
    wss_model::schema::assert_committed("wssbench.gate-2.json", &wss_model::schema::of::<Verdicts>());
}
