//! The tables of a sweep as Markdown, to be pasted into an issue or a README.

use super::table::{TitledTable, figures, ratios};
use super::{correlated, legend};
use crate::markdown::{escaped, paragraph};
use crate::table::Row;
use wss_analysis::sweep::SweepResult;
use wss_analysis::workload::{Schedule, schedule};
use wss_model::text::phrases::{pluralize, program};

/// `sweep` as Markdown, ending with a newline.
pub fn markdown(sweep: &SweepResult) -> String {
    let mut text = String::new();
    for reason in &sweep.invalid_because {
        paragraph(&mut text, &format!("**Invalid:** {}", escaped(&reason.text)));
    }
    let environment = &sweep.environment;
    paragraph(
        &mut text,
        &format!(
            "{} of {}{}; {}, {}, Linux {}; {}; {}.",
            sweep.complete_blocks(),
            pluralize(sweep.blocks_planned as u64, "block"),
            match schedule(&sweep.workloads, sweep.interleave) {
                Schedule::Sequential => String::new(),
                Schedule::Interleaved(length) => format!(", in time slices of {length}"),
                Schedule::Both(length) => format!(", CPU time in time slices of {length}"),
            },
            escaped(&environment.cpu_model),
            pluralize(environment.cores as u64, "CPU"),
            escaped(&environment.kernel),
            program(&sweep.tool),
            sweep.started_at,
        ),
    );
    for titled in figures(sweep).iter().chain(&ratios(sweep)) {
        table(&mut text, titled);
    }
    for summary in sweep.analysis.summaries.iter().filter(|summary| summary.trials_valid < summary.trials) {
        let reason = summary.first_reason.as_deref().unwrap_or("no reason is given");
        let bad = summary.trials - summary.trials_valid;
        paragraph(
            &mut text,
            &format!("#{}: {bad} of {} trials invalid: {}", summary.configuration, summary.trials, escaped(reason)),
        );
    }
    for one in &sweep.invalid_combinations {
        paragraph(&mut text, &format!("Not possible: {}: {}", escaped(&one.label), escaped(&one.reason)));
    }
    if let Some(sentence) = correlated(sweep) {
        paragraph(&mut text, &sentence);
    }
    paragraph(&mut text, &legend(sweep).join(" "));
    // One newline at the end, not two.
    text.pop();
    text
}

fn table(text: &mut String, titled: &TitledTable) {
    paragraph(text, &format!("**{}**", escaped(&titled.title)));
    let mut line = |cells: Vec<String>| {
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    };
    line(titled.table.head.iter().map(|head| escaped(&head.replace('\n', " "))).collect());
    let numbers = titled.table.head.len().saturating_sub(2);
    line(["---:", "---"].into_iter().chain(std::iter::repeat_n("---:", numbers)).map(str::to_owned).collect());
    for row in &titled.table.rows {
        line(match row {
            Row::Group(title) => {
                let title = [String::new(), format!("**{}**", escaped(title))].into_iter();
                title.chain(std::iter::repeat_n(String::new(), numbers)).collect()
            }
            Row::Cells(cells) => cells.iter().map(|cell| escaped(cell)).collect(),
        });
    }
    text.push('\n');
}
