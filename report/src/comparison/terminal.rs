//! The text of a comparison.

use super::{HEAD, arm, blocks, dropped, findings, legend, negotiated, noisy, row};
use crate::layout::{Layout, WIDE, numbers_right, table};
use wss_analysis::comparison::{Comparison, Kind, Role};
use wss_model::text::phrases::machine;

/// `comparison` as text: at most 100 columns wide, without colours, ending with a newline.
pub fn terminal(comparison: &Comparison) -> String {
    let mut page = Layout::wide();
    if !comparison.valid {
        page.text("NOT VALID: what follows says little, because");
        comparison.invalid_because.iter().for_each(|reason| page.bullet(&reason.text));
        page.gap();
    }
    comparison.varied.iter().for_each(|difference| page.bullet(&format!("varied: {difference}")));
    if !comparison.differences.is_empty() {
        page.text("FORCED: the two differ in what has to be the same:");
        comparison.differences.iter().for_each(|difference| page.bullet(&difference.to_string()));
        page.gap();
    }
    findings(comparison).iter().for_each(|sentence| page.text(sentence));
    let noisy = noisy(comparison);
    if !noisy.is_empty() {
        page.text(&format!(
            "Either arm differs from itself in {}: a difference of that size says nothing here.",
            noisy.join(" and ")
        ));
    }
    page.gap();
    what_was_run(&mut page, comparison);
    for (role, heading) in
        [(Role::Primary, "What a verdict is made of"), (Role::Secondary, "Beside it, each by itself")]
    {
        let mut drawn = table(HEAD);
        drawn.set_width(WIDE as u16);
        let rows: Vec<_> = comparison.analysis.metrics.iter().filter(|figure| figure.role == role).map(row).collect();
        if rows.is_empty() {
            continue;
        }
        drawn.add_rows(rows);
        numbers_right(&mut drawn);
        page.gap();
        page.text(heading);
        page.table(&drawn);
    }
    page.gap();
    page.text("Negotiated:");
    negotiated(comparison).iter().for_each(|sort| page.bullet(sort));
    if comparison.analysis.blocks_dropped > 0 {
        page.text("Dropped:");
        dropped(comparison).for_each(|reason| page.bullet(&reason));
    }
    page.gap();
    page.text(&legend(comparison));
    page.gap();
    page.text(if comparison.valid { "VALID." } else { "NOT VALID: the reasons stand at the top." });
    page.finish()
}

fn what_was_run(page: &mut Layout, comparison: &Comparison) {
    page.fact("A", &arm(&comparison.a));
    page.fact("B", &arm(&comparison.b));
    for (index, workload) in comparison.workloads.iter().enumerate() {
        page.fact(
            if index == 0 { "A trial" } else { "" },
            &format!("{}: {}", workload.kind, workload.options.join(" ")),
        );
    }
    page.fact("Blocks", &blocks(comparison));
    page.fact(
        if comparison.kind == Kind::Files { "Compared on" } else { "Measured on" },
        &machine(&comparison.environment),
    );
}
