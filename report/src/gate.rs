//! How a gate's verdict reads: [`terminal`], and [`markdown`] for a pull request. Both begin with the verdict.

use super::comparison::{ratio_and_interval, tables};
use super::layout::{self, Layout, WIDE, numbers_right};
use super::markdown::{bullet, escaped, folded, paragraph, table};
use super::sweep::{ratio_in_words, title};
use wss_analysis::gate::{Direction, Outcome, Row, Scenario, Severity, Verdict, Verdicts};
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::{NOT_AVAILABLE, percent_to};

/// The verdict in one sentence.
fn verdict(verdicts: &Verdicts) -> String {
    let of = |verdict: Verdict| {
        let gated = verdicts.rows.iter().filter(|row| row.rule.severity == Severity::Gate && !row.waived);
        gated.filter(|row| row.verdict == verdict).map(|row| name(verdicts, row)).collect::<Vec<_>>()
    };
    let regressions = of(Verdict::Regression);
    let told = [(of(Verdict::Inconclusive), "more blocks would tell"), (of(Verdict::Missing), "not measured")];
    let open: Vec<String> = told
        .into_iter()
        .filter(|(of, _)| !of.is_empty())
        .map(|(of, why)| format!("{}: {why}", of.join("; ")))
        .collect();
    match verdicts.outcome {
        Outcome::Pass => "PASS: no gated figure is worse than allowed.".to_owned(),
        Outcome::Regression => format!("REGRESSION: {}.", regressions.join("; ")),
        Outcome::Inconclusive if open.is_empty() => "INCONCLUSIVE: a scenario is missing.".to_owned(),
        Outcome::Inconclusive => format!("INCONCLUSIVE: {}.", open.join("; ")),
        Outcome::Invalid => "INVALID: a comparison is not valid, so that nothing is said of it.".to_owned(),
        Outcome::NotComparable => "NOT COMPARABLE: the two differ in what has to be the same.".to_owned(),
    }
}

fn name(verdicts: &Verdicts, row: &Row) -> String {
    let several = verdicts.rows.iter().any(|other| other.scenario != row.scenario);
    let figure = title(row.metric);
    if several { format!("{}: {figure}", row.scenario) } else { figure.to_owned() }
}

/// What makes it so, sentence by sentence.
fn reasons(verdicts: &Verdicts) -> Vec<String> {
    let mut reasons: Vec<String> = verdicts.missing.iter().map(|name| format!("scenario {name}: missing")).collect();
    for one in &verdicts.invalid {
        reasons.extend(one.invalid_because.iter().map(|reason| format!("{}: not valid: {reason}", one.scenario)));
    }
    for one in &verdicts.not_comparable {
        reasons.extend(one.differences.iter().map(|difference| format!("{}: {difference}", one.scenario)));
    }
    for row in verdicts.rows.iter().filter(|row| row.verdict == Verdict::Regression || row.waived) {
        let Some(waiver) = &row.rule.waiver else { continue };
        let word = if row.waived { "waived until" } else { "the waiver ended with" };
        reasons.push(format!("{}: {word} {}: {}", name(verdicts, row), waiver.until, waiver.reason));
    }
    reasons
}

const HEAD: [&str; 7] = ["figure", "verdict", "B ÷ A", "threshold", "A/A floor", "detectable", "p (Holm)"];

fn cells(verdicts: &Verdicts, scenarios: &[Scenario<'_>], row: &Row) -> Vec<String> {
    let scenario = scenarios.iter().find(|scenario| scenario.name == row.scenario);
    let figure = scenario.and_then(|scenario| scenario.comparison.figure(row.metric));
    let threshold = percent_to(row.rule.threshold_percent, 2);
    let sign = match row.rule.direction {
        Direction::Lower => "+",
        Direction::Higher => "−",
        Direction::Either => "±",
    };
    let verdict = match (row.verdict, row.waived) {
        (_, true) => "waived",
        (Verdict::Pass, _) => "pass",
        (Verdict::Regression, _) => "REGRESSION",
        (Verdict::Inconclusive, _) => "inconclusive",
        (Verdict::Missing, _) => "missing",
    };
    let severity = match row.rule.severity {
        Severity::Gate => "",
        Severity::Warn => " (warning)",
        Severity::Info => " (shown only)",
    };
    let detectable = figure.and_then(|figure| figure.detectable_percent).map(|percent| percent_to(percent, 2));
    vec![
        name(verdicts, row),
        format!("{verdict}{severity}"),
        row.ratio.as_ref().map_or_else(|| NOT_AVAILABLE.to_owned(), ratio_and_interval),
        format!("{sign}{threshold}"),
        figure.and_then(|figure| figure.noise_floor.as_ref()).map_or_else(|| NOT_AVAILABLE.to_owned(), ratio_in_words),
        detectable.unwrap_or_else(|| NOT_AVAILABLE.to_owned()),
        row.p_holm.map_or_else(|| NOT_AVAILABLE.to_owned(), |p| format!("{p:.3}")),
    ]
}

/// Sentences that whoever reads the table needs.
const LEGEND: &str = "A figure is a regression if the whole interval of B ÷ A lies beyond the threshold, and Holm's test over \
    all gated figures agrees; it passes if the whole interval lies within; else it is inconclusive. A/A floor: one trial of each \
    side against the other one of each, in the same blocks. Detectable: the least difference found in about four of five such \
    comparisons.";

/// `verdicts` as text: at most 100 columns wide, ending with a newline.
pub fn terminal(verdicts: &Verdicts, scenarios: &[Scenario<'_>]) -> String {
    let mut page = Layout::wide();
    page.text(&verdict(verdicts));
    reasons(verdicts).iter().for_each(|reason| page.bullet(reason));
    page.gap();
    let mut drawn = layout::table(HEAD);
    drawn.set_width(WIDE as u16);
    drawn.add_rows(verdicts.rows.iter().map(|row| cells(verdicts, scenarios, row)));
    numbers_right(&mut drawn);
    page.table(&drawn);
    page.gap();
    page.text(LEGEND);
    page.finish()
}

/// `verdicts` as Markdown, ending with a newline: the verdict, what is gated, and the rest folded.
pub fn markdown(verdicts: &Verdicts, scenarios: &[Scenario<'_>]) -> String {
    let mut text = String::new();
    paragraph(&mut text, &format!("### wssbench: {}", escaped(&verdict(verdicts))));
    let reasons = reasons(verdicts);
    reasons.iter().for_each(|reason| bullet(&mut text, &escaped(reason)));
    if !reasons.is_empty() {
        text.push('\n');
    }
    let rows = |gated: bool| -> Vec<Vec<String>> {
        let of = verdicts.rows.iter().filter(|row| (row.rule.severity == Severity::Gate) == gated);
        of.map(|row| cells(verdicts, scenarios, row)).collect()
    };
    table(&mut text, &HEAD, &rows(true));
    let others = rows(false);
    if !others.is_empty() {
        let mut inner = String::new();
        table(&mut inner, &HEAD, &others);
        folded(&mut text, &format!("{} beside them", pluralize(others.len() as u64, "figure")), &inner);
    }
    paragraph(&mut text, LEGEND);
    for scenario in scenarios {
        let mut inner = String::new();
        tables(&mut inner, scenario.comparison);
        folded(&mut text, &format!("Scenario {}", escaped(scenario.name)), &inner);
    }
    text.pop();
    text
}

#[cfg(test)]
mod tests;
