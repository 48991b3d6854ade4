//! The final text of a sweep: what makes it doubtful, what was compared, the tables, and what can be said of them.

use comfy_table::{CellAlignment, Table};

use super::label::label;
use super::table::{Row, SweepTable, figures, ratios};
use super::{compared, legend, ratio_in_words, title};
use crate::layout::{Layout, WIDE, table};
use wss_analysis::statistics::Finding;
use wss_analysis::sweep::{Metric, Ranking, SweepResult};
use wss_model::text::phrases::{describe_handshake, machine, pluralize, program};

/// Columns of a label up to which four ratios stand beside it.
const LABEL_BESIDE_FOUR: usize = 14;

/// `sweep` as text: at most 100 columns wide, without colours, ending with a newline.
pub fn terminal(sweep: &SweepResult) -> String {
    let mut page = Layout::wide();
    verdict(&mut page, sweep);
    what_was_run(&mut page, sweep);
    let longest = sweep.configurations.iter().map(|one| label(sweep, one.number).chars().count()).max().unwrap_or(0);
    let beside = if longest <= LABEL_BESIDE_FOUR { 4 } else { 3 };
    for sheet in figures(sweep).iter().chain(&ratios(sweep, beside)) {
        page.gap();
        page.text(&sheet.title);
        page.table(&drawn(sheet));
    }
    if has_intervals(sweep) {
        page.gap();
        orders(&mut page, sweep);
        noise(&mut page, sweep);
    }
    page.gap();
    negotiated(&mut page, sweep);
    doubtful_trials(&mut page, sweep);
    impossible(&mut page, sweep);
    page.gap();
    for sentence in legend(sweep) {
        page.text(&sentence);
    }
    page.gap();
    page.text(match sweep.valid {
        true => "VALID: every trial is.",
        false => "NOT VALID: the reasons stand at the top.",
    });
    page.finish()
}

fn verdict(page: &mut Layout, sweep: &SweepResult) {
    if sweep.valid {
        return;
    }
    let partial = sweep.whole_blocks() < sweep.blocks_planned;
    page.text(match partial {
        true => "PARTIAL, NOT VALID: what follows is what there is, because",
        false => "NOT VALID: what follows leaves out the trials that are not, because",
    });
    for reason in &sweep.invalid_because {
        page.bullet(&reason.text);
    }
    page.gap();
}

fn what_was_run(page: &mut Layout, sweep: &SweepResult) {
    let compared = sweep.configurations.iter().filter(|one| one.repeat_of.is_none()).count();
    let preset = sweep.preset.as_ref().map_or_else(String::new, |preset| format!(" ({preset})"));
    page.fact(
        "Compared",
        &format!(
            "{}{preset} and the reference again, in {} of {}, {}",
            pluralize(compared as u64, "configuration"),
            sweep.whole_blocks(),
            pluralize(sweep.blocks_planned as u64, "block"),
            match sweep.interleave {
                None => "each in a random order".to_owned(),
                Some(length) => format!("all of each at the same time, in time slices of {length}"),
            },
        ),
    );
    for (index, workload) in sweep.workloads.iter().enumerate() {
        let label = if index == 0 { "A trial" } else { "" };
        page.fact(label, &format!("{}: {}", workload.kind, workload.options.join(" ")));
    }
    let common = sweep.configurations.first().map_or_else(Vec::new, |first| {
        let in_all = |option: &&String| sweep.configurations.iter().all(|other| other.options.contains(option));
        first.options.iter().filter(in_all).map(String::as_str).collect()
    });
    if !common.is_empty() {
        page.fact("All with", &common.join(" "));
    }
    page.fact("Reference", &format!("#{} {}", sweep.reference, label(sweep, sweep.reference)));
    page.fact("Measured on", &format!("{}, {}", machine(&sweep.environment), program(&sweep.tool)));
}

fn drawn(sheet: &SweepTable) -> Table {
    let mut table = table(&sheet.head);
    table.set_width(WIDE as u16);
    for row in &sheet.rows {
        match row {
            Row::Group(title) => table.add_row(vec![String::new(), format!("── {title}")]),
            Row::Cells(cells) => table.add_row(cells.clone()),
        };
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding(if index == 0 { (0, 0) } else { (1, if index == 1 { 0 } else { 1 }) });
        if index != 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Whether anything can be told apart, or known to be the same.
fn has_intervals(sweep: &SweepResult) -> bool {
    let figures = sweep.analysis.summaries.iter().flat_map(|summary| summary.metrics.values());
    figures.filter_map(|found| found.ratio.as_ref()).any(|ratio| ratio.interval.is_some())
}

/// One line a figure: the configurations' numbers from the best to the worst.
fn orders(page: &mut Layout, sweep: &SweepResult) {
    let metrics = compared(sweep);
    let mut orders = sweep.analysis.rankings.iter().filter(|order| metrics.contains(&order.metric)).peekable();
    if orders.peek().is_some() {
        page.text("From the best to the worst; what stands between ≈ is tied, since the noise does not separate it:");
    }
    for order in orders {
        page.bullet(&format!("{}: {}", title(order.metric), in_order(order)));
    }
}

fn in_order(order: &Ranking) -> String {
    let tied = |cluster: &Vec<usize>| cluster.iter().map(|number| format!("#{number}")).collect::<Vec<_>>().join(" ≈ ");
    let disturbance = if order.metric.more_is_better() { " > " } else { " < " };
    order.clusters.iter().map(tied).collect::<Vec<_>>().join(disturbance)
}

/// What the reference against itself shows.
fn noise(page: &mut Layout, sweep: &SweepResult) {
    let again = sweep.configurations.iter().find(|one| one.repeat_of == Some(sweep.reference));
    let Some(summary) = again.and_then(|again| sweep.analysis.summary(again.number)) else { return };
    let ratios: Vec<(Metric, _)> = compared(sweep)
        .into_iter()
        .filter_map(|metric| Some((metric, summary.metrics.get(&metric)?.ratio.as_ref()?)))
        .collect();
    if ratios.is_empty() {
        return;
    }
    let told: Vec<String> =
        ratios.iter().map(|(metric, ratio)| format!("{} {}", title(*metric), ratio_in_words(ratio))).collect();
    page.text(&format!("Noise floor, the reference against itself: {}.", told.join("; ")));
    let found: Vec<&str> = ratios
        .iter()
        .filter(|(_, ratio)| ratio.finding() == Finding::Differs)
        .map(|(metric, _)| title(*metric))
        .collect();
    if !found.is_empty() {
        page.text(&format!(
            "It differs from itself in {}: a difference of that size says nothing here.",
            found.join(" and ")
        ));
    }
}

/// What each handshake was.
fn negotiated(page: &mut Layout, sweep: &SweepResult) {
    page.text("Negotiated:");
    for summary in &sweep.analysis.summaries {
        let number = summary.configuration;
        if sweep.configuration(number).is_some_and(|one| one.repeat_of.is_some()) {
            continue;
        }
        let told = match summary.negotiated.as_slice() {
            [] if summary.metrics.is_empty() => "nothing".to_owned(),
            [] => "no TLS".to_owned(),
            sorts => sorts.iter().map(describe_handshake).collect::<Vec<_>>().join("; "),
        };
        page.bullet(&format!("#{number}: {told}"));
    }
}

fn doubtful_trials(page: &mut Layout, sweep: &SweepResult) {
    let doubtful = sweep.analysis.summaries.iter().filter(|summary| summary.trials_valid < summary.trials);
    for (index, summary) in doubtful.enumerate() {
        if index == 0 {
            page.gap();
            page.text("Trials that failed or are not valid, and are in no figure; the first reason of each:");
        }
        let number = summary.configuration;
        let bad = summary.trials - summary.trials_valid;
        let reason = summary.first_reason.as_deref().unwrap_or("it does not say why");
        page.bullet(&format!("#{number} {}: {bad} of {}: {reason}", label(sweep, number), summary.trials));
    }
}

fn impossible(page: &mut Layout, sweep: &SweepResult) {
    if !sweep.invalid_combinations.is_empty() {
        page.gap();
        page.text("Not possible, and left out:");
    }
    for one in &sweep.invalid_combinations {
        page.bullet(&format!("{}: {}", one.label, one.reason));
    }
}
