//! A comparison as Markdown: the findings, the primary figures, and the rest folded.

use super::{HEAD, arm, blocks, correlated, dropped, findings, legend, negotiated, noisy, row};
use crate::markdown::{bullet, escaped, folded, paragraph, table};
use wss_analysis::comparison::{Comparison, Role};

/// `comparison` as Markdown, ending with a newline.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = String::new();
    for reason in &comparison.invalid_because {
        paragraph(&mut text, &format!("**Invalid:** {}", escaped(&reason.text)));
    }
    for difference in &comparison.varied {
        paragraph(&mut text, &format!("Varied: {}", escaped(&difference.to_string())));
    }
    for difference in &comparison.differences {
        paragraph(&mut text, &format!("**Forced**, although they differ: {}", escaped(&difference.to_string())));
    }
    findings(comparison).iter().for_each(|sentence| bullet(&mut text, &escaped(sentence)));
    text.push('\n');
    if let Some(sentence) = correlated(comparison) {
        paragraph(&mut text, &sentence);
    }
    for figure in noisy(comparison) {
        paragraph(&mut text, &format!("An arm differs from itself in {figure}."));
    }
    tables(&mut text, comparison);
    text.pop();
    text
}

/// The tables and how they were measured, without the findings.
pub(crate) fn tables(text: &mut String, comparison: &Comparison) {
    let rows = |role: Role| -> Vec<Vec<String>> {
        comparison.analysis.metrics.iter().filter(|figure| figure.role == role).map(row).collect()
    };
    table(text, &HEAD, &rows(Role::Primary));
    let mut rest = String::new();
    table(&mut rest, &HEAD, &rows(Role::Secondary));
    bullet(&mut rest, &format!("A: {}", escaped(&arm(&comparison.a))));
    bullet(&mut rest, &format!("B: {}", escaped(&arm(&comparison.b))));
    for workload in &comparison.workloads {
        bullet(&mut rest, &format!("{}: `{}`", workload.title(), workload.options.join(" ")));
    }
    bullet(&mut rest, &escaped(&blocks(comparison)));
    dropped(comparison).for_each(|reason| bullet(&mut rest, &format!("dropped: {}", escaped(&reason))));
    negotiated(comparison).iter().for_each(|kind| bullet(&mut rest, &format!("negotiated: {}", escaped(kind))));
    let environment = &comparison.environment;
    bullet(
        &mut rest,
        &escaped(&format!(
            "{}, {} CPUs, Linux {}; {}",
            environment.cpu_model, environment.cores, environment.kernel, comparison.started_at
        )),
    );
    rest.push('\n');
    paragraph(&mut rest, &legend(comparison));
    folded(text, "All figures, and how they were measured", &rest);
}
