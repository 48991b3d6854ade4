//! The verdict of a gate: [`terminal`], which ends with it, and [`markdown`] for a pull request, which begins with it.

use super::comparison::{ratio_and_interval, tables};
use super::layout::Layout;
use super::markdown::{bullet, escaped, folded, paragraph, table};
use super::style::{Style, Tone};
use super::sweep::{describe_ratio, title};
use super::table::Table;
use wss_analysis::gate::{Direction, Outcome, Row, Scenario, Severity, Verdict, Verdicts};
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::{NOT_AVAILABLE, percent_to};

/// The verdict in one sentence, which begins with a word in capitals and a colon.
fn verdict(verdicts: &Verdicts) -> String {
    let of = |verdict: Verdict| {
        let gated = verdicts.rows.iter().filter(|row| row.rule.severity == Severity::Gate && !row.waived);
        gated.filter(|row| row.verdict == verdict).map(|row| name(verdicts, row)).collect::<Vec<_>>()
    };
    let regressions = of(Verdict::Regression);
    let undecided = [(of(Verdict::Inconclusive), "more blocks are needed"), (of(Verdict::Missing), "not measured")];
    let undecided: Vec<String> = undecided
        .into_iter()
        .filter(|(names, _)| !names.is_empty())
        .map(|(names, why)| format!("{}: {why}", names.join("; ")))
        .collect();
    match verdicts.outcome {
        Outcome::Pass => "PASS: no gated figure is worse than its threshold.".to_owned(),
        Outcome::Regression => format!("REGRESSION: {}.", regressions.join("; ")),
        Outcome::Inconclusive if undecided.is_empty() => "INCONCLUSIVE: a scenario is missing.".to_owned(),
        Outcome::Inconclusive => format!("INCONCLUSIVE: {}.", undecided.join("; ")),
        Outcome::Invalid => "INVALID: a comparison is not valid, so there is no verdict on it.".to_owned(),
        Outcome::NotComparable => "NOT COMPARABLE: A and B differ in a setting that must be equal.".to_owned(),
    }
}

fn name(verdicts: &Verdicts, row: &Row) -> String {
    let several = verdicts.rows.iter().any(|other| other.scenario != row.scenario);
    let figure = title(row.metric);
    if several { format!("{}: {figure}", row.scenario) } else { figure.to_owned() }
}

/// The reasons for the verdict, one sentence each.
fn reasons(verdicts: &Verdicts) -> Vec<String> {
    let mut reasons: Vec<String> = verdicts.missing.iter().map(|name| format!("scenario {name}: no result")).collect();
    for one in &verdicts.invalid {
        reasons.extend(one.invalid_because.iter().map(|reason| format!("{}: invalid: {reason}", one.scenario)));
    }
    for one in &verdicts.not_comparable {
        reasons.extend(one.differences.iter().map(|difference| format!("{}: {difference}", one.scenario)));
    }
    for row in verdicts.rows.iter().filter(|row| row.verdict == Verdict::Regression || row.waived) {
        let Some(waiver) = &row.rule.waiver else { continue };
        let word = if row.waived { "waived until" } else { "the waiver expired after" };
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
        Severity::Info => " (info)",
    };
    let detectable = figure.and_then(|figure| figure.detectable_percent).map(|percent| percent_to(percent, 2));
    vec![
        name(verdicts, row),
        format!("{verdict}{severity}"),
        row.ratio.as_ref().map_or_else(|| NOT_AVAILABLE.to_owned(), ratio_and_interval),
        format!("{sign}{threshold}"),
        figure.and_then(|figure| figure.noise_floor.as_ref()).map_or_else(|| NOT_AVAILABLE.to_owned(), describe_ratio),
        detectable.unwrap_or_else(|| NOT_AVAILABLE.to_owned()),
        row.p_holm.map_or_else(|| NOT_AVAILABLE.to_owned(), |p| format!("{p:.3}")),
    ]
}

/// How to read the table.
const LEGEND: &str = "A figure is a regression if the whole interval of B ÷ A lies beyond the threshold and Holm's test over \
    all gated figures agrees. It passes if the whole interval lies within the threshold; otherwise it is inconclusive. A/A \
    floor: the trials of one arm against each other, within the same blocks. Detectable: the smallest difference that about \
    four of five such comparisons would find.";

/// `verdicts` as text in the given style, ending with a newline. `scenarios` may be empty: their columns are then blank.
pub fn terminal(verdicts: &Verdicts, scenarios: &[Scenario<'_>], style: Style) -> String {
    let mut layout = Layout::new(style);
    let mut table = Table::new(HEAD).with_text(&[0, 1]);
    verdicts.rows.iter().for_each(|row| table.row(cells(verdicts, scenarios, row)));
    layout.table(&table);
    layout.gap();
    layout.secondary(LEGEND);
    layout.gap();
    let sentence = verdict(verdicts);
    let (word, rest) = sentence.split_at(sentence.find(':').unwrap_or(0));
    let tone = if verdicts.outcome == Outcome::Pass { Tone::Good } else { Tone::Bad };
    layout.verdict(tone, word, rest);
    reasons(verdicts).iter().for_each(|reason| layout.bullet(reason));
    layout.finish()
}

/// `verdicts` as Markdown, ending with a newline: the verdict, the gated figures, and the rest folded.
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
        folded(&mut text, &format!("{} not gated", pluralize(others.len() as u64, "figure")), &inner);
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
