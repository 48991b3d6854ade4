//! The text of a comparison.

use super::{HEAD, arm, blocks, correlated, dropped, findings, legend, negotiated, noisy, row};
use crate::layout::Layout;
use crate::style::Style;
use crate::table::Table;
use crate::verdict::{heads_up, verdict};
use wss_analysis::comparison::{Comparison, Kind, Role};
use wss_model::text::phrases::machine;

/// `comparison` as text in the given style, ending with a newline.
pub fn terminal(comparison: &Comparison, style: Style) -> String {
    let mut layout = Layout::new(style);
    heads_up(&mut layout, comparison.valid);
    comparison.varied.iter().for_each(|difference| layout.bullet(&format!("varied: {difference}")));
    if !comparison.differences.is_empty() {
        layout.text("FORCED: A and B differ in settings that must be equal:");
        comparison.differences.iter().for_each(|difference| layout.bullet(&difference.to_string()));
        layout.gap();
    }
    findings(comparison).iter().for_each(|sentence| layout.text(sentence));
    let noisy = noisy(comparison);
    if !noisy.is_empty() {
        layout.text(&format!(
            "An arm differs from itself in {}: a difference of that size means nothing here.",
            noisy.join(" and ")
        ));
    }
    correlated(comparison).iter().for_each(|sentence| layout.text(sentence));
    layout.gap();
    what_was_run(&mut layout, comparison);
    for (role, heading) in [(Role::Primary, "Primary figures"), (Role::Secondary, "Secondary figures, each on its own")]
    {
        let mut table = Table::new(HEAD);
        comparison
            .analysis
            .metrics
            .iter()
            .filter(|figure| figure.role == role)
            .for_each(|figure| table.row(row(figure)));
        if !table.rows.is_empty() {
            layout.gap();
            layout.text(heading);
            layout.table(&table);
        }
    }
    layout.gap();
    layout.text("Negotiated:");
    negotiated(comparison).iter().for_each(|kind| layout.bullet(kind));
    if comparison.analysis.blocks_dropped > 0 {
        layout.text("Dropped:");
        dropped(comparison).for_each(|reason| layout.bullet(&reason));
    }
    layout.gap();
    layout.secondary(&legend(comparison));
    layout.gap();
    let blame = "do not rely on the figures above.";
    verdict(&mut layout, comparison.valid, &comparison.invalid_because, "the figures can be relied on.", blame);
    layout.finish()
}

/// What was run, each with its label.
pub(crate) fn facts(comparison: &Comparison) -> Vec<(String, String)> {
    Layout::facts_of(|layout| what_was_run(layout, comparison))
}

fn what_was_run(layout: &mut Layout, comparison: &Comparison) {
    layout.fact("A", &arm(&comparison.a));
    layout.fact("B", &arm(&comparison.b));
    for (index, workload) in comparison.workloads.iter().enumerate() {
        let label = if index == 0 { "Trial" } else { "" };
        layout.fact(label, &format!("{}: {}", workload.title(), workload.options.join(" ")));
    }
    layout.fact("Blocks", &blocks(comparison));
    layout.fact(
        if comparison.kind == Kind::Files { "Compared on" } else { "Measured on" },
        &machine(&comparison.environment),
    );
}
