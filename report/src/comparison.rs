//! How a comparison of two reads: [`terminal`], text of at most 100 columns; [`markdown`], for a pull request. Both begin
//! with what was found.

mod markdown;
mod terminal;

pub use self::markdown::markdown;
pub(super) use self::markdown::tables;
pub use self::terminal::terminal;

use super::sweep::{INTERLEAVED, ratio_in_words, title};
use wss_analysis::comparison::{Arm, ArmLabel, ComparedMetric, Comparison, Kind, LIMITS, Role};
use wss_analysis::statistics::{Finding, Interval, Ratio};
use wss_model::text::phrases::{pluralize, program};
use wss_model::text::quantity::{NOT_AVAILABLE, percent_to, rate_to};

/// What is said of a comparison before anything else: a sentence for each primary figure.
fn findings(comparison: &Comparison) -> Vec<String> {
    let primary = comparison.analysis.metrics.iter().filter(|figure| figure.role == Role::Primary);
    let sentences: Vec<String> =
        primary.filter_map(|figure| Some(format!("{}: {}", title(figure.metric), finding(figure)?))).collect();
    if sentences.is_empty() {
        return vec!["no block has a figure of both".to_owned()];
    }
    sentences
}

/// What a figure says, in words.
pub(super) fn finding(figure: &ComparedMetric) -> Option<String> {
    let ratio = figure.ratio.as_ref()?;
    Some(match ratio.finding() {
        Finding::TooFewPairs => format!("B ÷ A {:.3}; too few blocks for an interval", ratio.center),
        Finding::NoDifferenceLargerThan { percent } => format!("no difference larger than {}", percent_to(percent, 2)),
        Finding::Differs => {
            let words = if figure.is_better() { "better" } else { "worse" };
            let doubt = if figure.differs() { "" } else { ", but not for certain with all primary figures together" };
            format!("B ÷ A {}: B is {words}{doubt}", ratio_and_interval(ratio))
        }
    })
}

/// A heading for each column of [`row`].
const HEAD: [&str; 6] = ["figure", "A", "B", "B ÷ A", "A/A floor", "detectable"];

/// The cells of a figure.
fn row(figure: &ComparedMetric) -> Vec<String> {
    vec![
        title(figure.metric).to_owned(),
        rate_to(figure.a_median, 4),
        rate_to(figure.b_median, 4),
        figure.ratio.as_ref().map_or_else(|| NOT_AVAILABLE.to_owned(), ratio_and_interval),
        figure.noise_floor.as_ref().map_or_else(|| NOT_AVAILABLE.to_owned(), ratio_in_words),
        figure.detectable_percent.map_or_else(|| NOT_AVAILABLE.to_owned(), |percent| percent_to(percent, 2)),
    ]
}

/// A ratio with its interval, to the per mille: thresholds are given in percent.
pub(super) fn ratio_and_interval(ratio: &Ratio) -> String {
    match &ratio.interval {
        Some(Interval { low, high, .. }) => format!("{:.3} ({low:.3}–{high:.3})", ratio.center),
        None => format!("{:.3} ?", ratio.center),
    }
}

/// One of the two: as it was asked for, and what measured.
fn arm(arm: &Arm) -> String {
    let mut tools: Vec<String> = arm.programs.iter().filter_map(|one| one.tool.as_ref().map(program)).collect();
    tools.dedup();
    // As a user writes it, `--layer tcp`, or in one word.
    let in_label =
        |option: &&String| arm.label.contains(option.as_str()) || arm.label.contains(&option.replacen('=', " ", 1));
    let own = arm.options.iter().filter(|option| !in_label(option)).map(String::as_str);
    let options: Vec<&str> = own.collect();
    let mut told = vec![arm.label.clone()];
    told.extend((!options.is_empty()).then(|| options.join(" ")));
    told.extend((!tools.is_empty()).then(|| tools.join("; ")));
    told.join("; ")
}

/// How many blocks there are, and what became of them.
fn blocks(comparison: &Comparison) -> String {
    let run = comparison.blocks.iter().filter(|block| block.is_whole()).count();
    let dropped = comparison.analysis.blocks_dropped;
    let trials = match (comparison.kind, comparison.interleave) {
        (Kind::Files, _) => "one result of each".to_owned(),
        (Kind::Ab | Kind::Aa, None) => "four trials each, ABBA or BAAB".to_owned(),
        (Kind::Ab | Kind::Aa, Some(length)) => {
            format!("two trials of each at the same time, in time slices of {length}")
        }
    };
    let until = comparison
        .until_width_percent
        .map_or_else(String::new, |width| format!("; it ends at intervals of {}", percent_to(width, 2)));
    let dropped = if dropped == 0 { String::new() } else { format!(", {dropped} dropped") };
    format!("{run} of {}{dropped}; {trials}{until}", pluralize(comparison.blocks_planned as u64, "block"))
}

/// The dropped blocks with their reasons.
fn dropped(comparison: &Comparison) -> impl Iterator<Item = String> {
    let dropped = comparison.blocks.iter().filter_map(|block| Some((block.number, block.dropped_because.as_ref()?)));
    dropped.map(|(number, reason)| format!("block {number}: {reason}"))
}

/// In which figures a arm differs from itself.
fn noisy(comparison: &Comparison) -> Vec<&'static str> {
    let differs = |figure: &&ComparedMetric| {
        figure.role == Role::Primary && figure.noise_floor.as_ref().is_some_and(Ratio::is_difference)
    };
    comparison.analysis.metrics.iter().filter(differs).map(|figure| title(figure.metric)).collect()
}

/// What each negotiated, if it did.
fn negotiated(comparison: &Comparison) -> Vec<String> {
    let sorts = |arm: ArmLabel| {
        let sorts: Vec<String> =
            comparison.arm(arm).negotiated.iter().map(wss_model::text::phrases::describe_handshake).collect();
        if sorts.is_empty() { "no TLS".to_owned() } else { sorts.join("; ") }
    };
    let (a, b) = (sorts(ArmLabel::A), sorts(ArmLabel::B));
    if a == b { vec![format!("both {a}")] } else { vec![format!("A {a}"), format!("B {b}")] }
}

/// Sentences that whoever reads the table needs.
fn legend(comparison: &Comparison) -> String {
    let several = [&comparison.a, &comparison.b].iter().any(|arm| arm.programs.len() > 1);
    let several = if several { " and which of the builds had its turn" } else { "" };
    let turns = comparison.interleave.map_or_else(String::new, |_| format!(" {INTERLEAVED}"));
    let floor = match comparison.kind {
        Kind::Files => {
            " A/A floor: a result against the next one of the same arm, of A and B in turns; ?: fewer than twelve pairs.".to_owned()
        }
        Kind::Ab | Kind::Aa => format!(
            " A/A floor: one trial of each arm against the other one of each, which differ by nothing but noise{several}. \
             A block is dropped as a whole, by the machine's disturbance: steal time over {}, stalls on memory over {}, fixed work \
             slower by {}, or a generator that was late by a run's own rule.",
            percent_to(LIMITS.steal_percent, 2),
            percent_to(LIMITS.stall_percent, 2),
            percent_to(LIMITS.control_percent, 2)
        ),
    };
    format!(
        "Figures are medians over the trials. B ÷ A: Hodges–Lehmann center of the blocks' ratios, with the exact Wilcoxon \
         signed-rank interval of 95%; ?: too few blocks for one. ≈: 1 is in it, and no difference is larger than this. \
         Detectable: the least difference that such a comparison finds in about four of five cases.{turns}{floor}"
    )
}

#[cfg(test)]
mod tests;
