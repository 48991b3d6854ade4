//! A sweep.

use super::answer;
use super::methods;
use super::part::{FactGroup, Part, Section, SectionTable, Verdict};
use crate::figures::sweep::{cost_plane, forest};
use crate::figures::text::clip;
use crate::sweep::{compared, correlated, describe_ratio, facts, groups, label, legend, title};
use crate::table::Table;
use wss_analysis::metric::Metric;
use wss_analysis::sweep::{Summary, SweepResult};
use wss_model::text::phrases::describe_handshake;
use wss_model::text::quantity::{NOT_AVAILABLE, rate_to};

/// The part of a page about a sweep. `prefix` makes the ids of its figures unique.
pub(super) fn part(prefix: &str, sweep: &SweepResult) -> Part {
    let mut ratios = Section::new("Ratios to the reference");
    for metric in compared(sweep) {
        ratios.figures.extend(forest(&format!("{prefix}ratios-{}", metric.name().replace('_', "-")), sweep, metric));
    }
    let mut costs = Section::new("Connecting against using");
    costs.figures.extend(cost_plane(&format!("{prefix}cost-plane"), sweep));
    let sections = [ratios, costs, table(sweep), remarks(sweep)];
    Part {
        kind: sweep.preset.as_ref().map_or_else(|| "sweep".to_owned(), |preset| format!("sweep: {}", clip(preset, 40))),
        identity: format!("{}, {}", clip(&sweep.id, 60), clip(&sweep.started_at, 40)),
        answer: answer::of_sweep(sweep),
        verdicts: vec![Verdict::new("", sweep.valid, &sweep.invalid_because, "every trial is valid.")],
        facts: vec![FactGroup { name: String::new(), facts: facts(sweep) }],
        sections: sections.into_iter().filter(|section| !section.is_empty()).collect(),
        methods: methods::of_sweep(sweep),
        bibtex: methods::bibtex(&sweep.tool, &sweep.started_at),
    }
}

/// A row per configuration, which readers sort and filter.
fn table(sweep: &SweepResult) -> Section {
    let mut section = Section::new("Configurations");
    let metrics = compared(sweep);
    let heads = metrics.iter().flat_map(|metric| [title(*metric).to_owned(), "÷ reference".to_owned()]);
    let head = ["#", "configuration", "strength", "negotiated"].map(str::to_owned).into_iter().chain(heads);
    let mut table = Table::new(head).with_text(&[1, 2, 3]);
    for group in groups(sweep) {
        for number in &group.numbers {
            if let Some(summary) = sweep.analysis.summary(*number) {
                table.row(row(sweep, summary, &group.title, &metrics));
            }
        }
    }
    if !table.rows.is_empty() {
        let caption = "Medians over the trials, and ratios to the reference with their intervals".to_owned();
        section.tables.push(SectionTable { caption, table, interactive: true });
    }
    section
}

fn row(sweep: &SweepResult, summary: &Summary, strength: &str, metrics: &[Metric]) -> Vec<String> {
    let negotiated = match summary.negotiated.as_slice() {
        [] => "no TLS".to_owned(),
        kinds => kinds.iter().map(describe_handshake).collect::<Vec<_>>().join("; "),
    };
    let number = summary.configuration;
    let mut cells =
        vec![number.to_string(), clip(&label(sweep, number), 120), strength.to_owned(), clip(&negotiated, 240)];
    for metric in metrics {
        let found = summary.metrics.get(metric);
        cells.push(found.map_or_else(|| NOT_AVAILABLE.to_owned(), |found| rate_to(found.median, 4)));
        let ratio = found.and_then(|found| found.ratio.as_ref());
        cells.push(ratio.map_or_else(|| NOT_AVAILABLE.to_owned(), describe_ratio));
    }
    cells
}

fn remarks(sweep: &SweepResult) -> Section {
    let mut section = Section::new("How to read this");
    section.texts.extend(correlated(sweep));
    section.texts.extend(legend(sweep));
    let bad = sweep.analysis.summaries.iter().filter(|summary| summary.trials_valid < summary.trials);
    section.texts.extend(bad.map(|summary| {
        format!(
            "#{}: {} of {} trials are in no figure: {}",
            summary.configuration,
            summary.trials - summary.trials_valid.min(summary.trials),
            summary.trials,
            clip(summary.first_reason.as_deref().unwrap_or("no reason is given"), 400)
        )
    }));
    let left_out = sweep.invalid_combinations.iter();
    section
        .texts
        .extend(left_out.map(|one| format!("Left out: {}: {}", clip(&one.label, 120), clip(&one.reason, 300))));
    section
}
