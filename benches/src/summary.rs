//! The comparison in words: a table for each load, what it leaves out, and every trial that is not valid with its reason.

use std::fmt::Write as _;

use wss_analysis::statistics::{Interval, Ratio};

use crate::comparison::{Comparison, Load, ROUNDS_TO_QUOTE, SERVERS, Spread};
use crate::trial::Figures;

/// A figure of a trial, and how it is shown.
struct Column {
    title: &'static str,
    decimals: usize,
    figure: fn(&Figures) -> Option<f64>,
}

const COLUMNS: [Column; 6] = [
    Column { title: "messages/s", decimals: 0, figure: |figures| Some(figures.messages_per_s) },
    Column { title: "server CPU µs/msg", decimals: 2, figure: |figures| Some(figures.server_cpu_us) },
    Column { title: "client CPU µs/msg", decimals: 2, figure: |figures| Some(figures.client_cpu_us) },
    Column { title: "response p50 µs", decimals: 0, figure: |figures| figures.response_us_p50 },
    Column { title: "response p99 µs", decimals: 0, figure: |figures| figures.response_us_p99 },
    Column { title: "client CPU %", decimals: 0, figure: |figures| Some(100.0 * figures.client_cpu_share) },
];

/// Width of the names, and of one figure with its range.
const NAME_WIDTH: usize = 26;
const FIGURE_WIDTH: usize = 24;

/// All of it, ending with a newline.
pub fn render(comparison: &Comparison) -> String {
    let mut text = String::new();
    let rounds = comparison.rounds;
    let options = &comparison.options;
    let _ = writeln!(
        text,
        "rounds: {rounds}, of {} after {} of warm-up: median (lowest to highest)",
        options.duration, options.warmup
    );
    if let Some(environment) = &comparison.environment {
        let _ = writeln!(text, "{}, {} CPUs, Linux {}", environment.cpu_model, environment.cores, environment.kernel);
    }
    if comparison.profile != "release" {
        let _ = writeln!(text, "A DEBUG BUILD: these figures say nothing.");
    }
    if rounds < ROUNDS_TO_QUOTE {
        let _ = writeln!(text, "A trial: fewer than {ROUNDS_TO_QUOTE} rounds are nothing to quote.");
    }
    for load in &comparison.loads {
        table(&mut text, comparison, load);
    }
    let _ = writeln!(
        text,
        "\n÷ baseline: Hodges–Lehmann center of the rounds' own ratios (Wilcoxon's 95% interval). Server CPU is the whole process's over all messages of a trial, \
         its warm-up\nand the opening and closing of its connections included, the same for all; client CPU is that of \
         the measured phase."
    );
    not_valid(&mut text, comparison);
    text
}

fn table(text: &mut String, comparison: &Comparison, load: &Load) {
    let _ = write!(text, "\n{:NAME_WIDTH$}", load.name);
    for column in &COLUMNS {
        let _ = write!(text, "{:>FIGURE_WIDTH$}", column.title);
    }
    let _ = writeln!(text, "   valid");
    for (number, server) in SERVERS.into_iter().enumerate() {
        let _ = write!(text, "{server:NAME_WIDTH$}");
        for column in &COLUMNS {
            let spread = comparison.spread(&load.name, server, column.figure);
            let _ = write!(text, "{:>FIGURE_WIDTH$}", describe(spread, column.decimals));
        }
        let all = comparison.trials_of(&load.name, server).count();
        let valid = comparison.trials_of(&load.name, server).filter(|trial| trial.valid).count();
        let _ = writeln!(text, "   {valid} of {all}");
        if number > 0 {
            ratios(text, comparison, load, server);
        }
    }
}

/// The line below a server of ours.
fn ratios(text: &mut String, comparison: &Comparison, load: &Load, server: &str) {
    let _ = write!(text, "{:NAME_WIDTH$}", "  ÷ baseline");
    // The last column says who was at the limit; a ratio of it would say nothing.
    for column in &COLUMNS[..COLUMNS.len() - 1] {
        let ratio = comparison.ratio(&load.name, server, column.figure);
        let _ = write!(text, "{:>FIGURE_WIDTH$}", ratio_in_words(ratio.as_ref()));
    }
    let _ = writeln!(text);
}

fn describe(spread: Option<Spread>, decimals: usize) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |Spread { median, min, max, .. }| format!("{median:.decimals$} ({min:.decimals$}–{max:.decimals$})"),
    )
}

/// A ratio with its interval, if it has one.
pub fn ratio_in_words(ratio: Option<&Ratio>) -> String {
    match ratio {
        None => "–".to_owned(),
        Some(Ratio { center, interval: None, .. }) => format!("{center:.3}"),
        Some(Ratio { center, interval: Some(Interval { low, high, .. }), .. }) => {
            format!("{center:.3} ({low:.3}–{high:.3})")
        }
    }
}

/// Every trial that is in no figure above.
fn not_valid(text: &mut String, comparison: &Comparison) {
    let trials: Vec<_> = comparison.trials.iter().filter(|trial| !trial.valid).collect();
    if trials.is_empty() {
        return;
    }
    let _ =
        writeln!(text, "\nNot valid, and in no figure above: {} of {} trials", trials.len(), comparison.trials.len());
    for trial in trials {
        let _ = writeln!(
            text,
            "  round {}, {}, {}: {}",
            trial.round + 1,
            trial.load,
            trial.server,
            trial.reasons.join("; ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::tests::{comparison, trial};

    #[test]
    fn a_trial_that_is_not_valid_is_shown_with_its_reason() {
        let [baseline, ours, .., other] = SERVERS;
        let trials = vec![trial(0, baseline, 100.0), trial(0, ours, 110.0), trial(0, other, -120.0)];
        let text = render(&comparison(trials));
        assert!(text.contains(" 1.100 "), "{text}");
        assert!(text.contains("0 of 1"), "{text}");
        assert!(text.contains("round 1, paced, wss-server tokio-uring: the generator was late"), "{text}");
        assert!(text.contains("A DEBUG BUILD") && text.contains("A trial"), "{text}");
    }
}
