//! The text of a sweep: what was compared, the tables, what follows from them, and the verdict.

use super::label::label;
use super::table::{figures, ratios};
use super::{compared, correlated, describe_ratio, legend, title};
use crate::layout::Layout;
use crate::style::Style;
use crate::verdict::{heads_up, verdict};
use wss_analysis::metric::Metric;
use wss_analysis::statistics::Finding;
use wss_analysis::sweep::{Ranking, SweepResult};
use wss_analysis::workload::{Schedule, schedule};
use wss_model::text::phrases::{describe_handshake, machine, pluralize, program};

/// `sweep` as text in the given style, ending with a newline.
pub fn terminal(sweep: &SweepResult, style: Style) -> String {
    let mut layout = Layout::new(style);
    heads_up(&mut layout, sweep.valid);
    what_was_run(&mut layout, sweep);
    for titled in figures(sweep).iter().chain(&ratios(sweep)) {
        layout.gap();
        layout.text(&titled.title);
        layout.table(&titled.table);
    }
    if has_intervals(sweep) {
        layout.gap();
        orders(&mut layout, sweep);
        noise(&mut layout, sweep);
        correlated(sweep).iter().for_each(|sentence| layout.text(sentence));
    }
    layout.gap();
    negotiated(&mut layout, sweep);
    bad_trials(&mut layout, sweep);
    impossible(&mut layout, sweep);
    layout.gap();
    for sentence in legend(sweep) {
        layout.secondary(&sentence);
    }
    layout.gap();
    let blame = match sweep.complete_blocks() < sweep.blocks_planned {
        true => "the sweep is partial.",
        false => "invalid trials are in no figure.",
    };
    verdict(&mut layout, sweep.valid, &sweep.invalid_because, "every trial is valid.", blame);
    layout.finish()
}

/// What was run, each with its label.
pub(crate) fn facts(sweep: &SweepResult) -> Vec<(String, String)> {
    Layout::facts_of(|layout| what_was_run(layout, sweep))
}

fn what_was_run(layout: &mut Layout, sweep: &SweepResult) {
    let compared = sweep.configurations.iter().filter(|one| one.repeat_of.is_none()).count();
    let preset = sweep.preset.as_ref().map_or_else(String::new, |preset| format!(" ({preset})"));
    layout.fact(
        "Compared",
        &format!(
            "{}{preset} and the reference again, in {} of {}, {}",
            pluralize(compared as u64, "configuration"),
            sweep.complete_blocks(),
            pluralize(sweep.blocks_planned as u64, "block"),
            match schedule(&sweep.workloads, sweep.interleave) {
                Schedule::Sequential => "each in a random order".to_owned(),
                Schedule::Interleaved(length) => format!("all of each at the same time, in time slices of {length}"),
                Schedule::Both(length) => {
                    format!(
                        "all of each at the same time in time slices of {length} for CPU time, and in a random order for \
                         everything else"
                    )
                }
            },
        ),
    );
    for (index, workload) in sweep.workloads.iter().enumerate() {
        let label = if index == 0 { "Trial" } else { "" };
        layout.fact(label, &format!("{}: {}", workload.title(), workload.options.join(" ")));
    }
    let common = sweep.configurations.first().map_or_else(Vec::new, |first| {
        let in_all = |option: &&String| sweep.configurations.iter().all(|other| other.options.contains(option));
        first.options.iter().filter(in_all).map(String::as_str).collect()
    });
    if !common.is_empty() {
        layout.fact("All with", &common.join(" "));
    }
    layout.fact("Reference", &format!("#{} {}", sweep.reference, label(sweep, sweep.reference)));
    layout.fact("Measured on", &format!("{}, {}", machine(&sweep.environment), program(&sweep.tool)));
}

/// Whether any ratio has an interval.
fn has_intervals(sweep: &SweepResult) -> bool {
    let figures = sweep.analysis.summaries.iter().flat_map(|summary| summary.metrics.values());
    figures.filter_map(|found| found.ratio.as_ref()).any(|ratio| ratio.interval.is_some())
}

/// A line per figure: the numbers of the configurations from the best to the worst.
fn orders(layout: &mut Layout, sweep: &SweepResult) {
    let metrics = compared(sweep);
    let mut orders = sweep.analysis.rankings.iter().filter(|order| metrics.contains(&order.metric)).peekable();
    if orders.peek().is_some() {
        layout.text("From the best to the worst; noise does not separate configurations joined by ≈:");
    }
    for order in orders {
        layout.bullet(&format!("{}: {}", title(order.metric), in_order(order)));
    }
}

fn in_order(order: &Ranking) -> String {
    let tied = |cluster: &Vec<usize>| cluster.iter().map(|number| format!("#{number}")).collect::<Vec<_>>().join(" ≈ ");
    let relation = if order.metric.more_is_better() { " > " } else { " < " };
    order.clusters.iter().map(tied).collect::<Vec<_>>().join(relation)
}

/// The reference compared with itself.
fn noise(layout: &mut Layout, sweep: &SweepResult) {
    let again = sweep.configurations.iter().find(|one| one.repeat_of == Some(sweep.reference));
    let Some(summary) = again.and_then(|again| sweep.analysis.summary(again.number)) else { return };
    let ratios: Vec<(Metric, _)> = compared(sweep)
        .into_iter()
        .filter_map(|metric| Some((metric, summary.metrics.get(&metric)?.ratio.as_ref()?)))
        .collect();
    if ratios.is_empty() {
        return;
    }
    let described: Vec<String> =
        ratios.iter().map(|(metric, ratio)| format!("{} {}", title(*metric), describe_ratio(ratio))).collect();
    layout.text(&format!("Noise floor, the reference against itself: {}.", described.join("; ")));
    let found: Vec<&str> = ratios
        .iter()
        .filter(|(_, ratio)| ratio.finding() == Finding::Differs)
        .map(|(metric, _)| title(*metric))
        .collect();
    if !found.is_empty() {
        layout.text(&format!(
            "The reference differs from itself in {}: a difference of that size means nothing here.",
            found.join(" and ")
        ));
    }
}

/// The handshakes of each configuration.
fn negotiated(layout: &mut Layout, sweep: &SweepResult) {
    layout.text("Negotiated:");
    for summary in &sweep.analysis.summaries {
        let number = summary.configuration;
        if sweep.configuration(number).is_some_and(|one| one.repeat_of.is_some()) {
            continue;
        }
        let kinds = match summary.negotiated.as_slice() {
            [] if summary.metrics.is_empty() => "nothing".to_owned(),
            [] => "no TLS".to_owned(),
            kinds => kinds.iter().map(describe_handshake).collect::<Vec<_>>().join("; "),
        };
        layout.bullet(&format!("#{number}: {kinds}"));
    }
}

fn bad_trials(layout: &mut Layout, sweep: &SweepResult) {
    let bad = sweep.analysis.summaries.iter().filter(|summary| summary.trials_valid < summary.trials);
    for (index, summary) in bad.enumerate() {
        if index == 0 {
            layout.gap();
            layout.text("Trials that failed or are invalid and are in no figure, with the first reason of each:");
        }
        let number = summary.configuration;
        let bad = summary.trials - summary.trials_valid;
        let reason = summary.first_reason.as_deref().unwrap_or("no reason is given");
        layout.bullet(&format!("#{number} {}: {bad} of {}: {reason}", label(sweep, number), summary.trials));
    }
}

fn impossible(layout: &mut Layout, sweep: &SweepResult) {
    if !sweep.invalid_combinations.is_empty() {
        layout.gap();
        layout.text("InvalidCombination combinations, left out:");
    }
    for one in &sweep.invalid_combinations {
        layout.bullet(&format!("{}: {}", one.label, one.reason));
    }
}
