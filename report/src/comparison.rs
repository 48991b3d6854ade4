//! A comparison of two arms: [`terminal`], text; [`markdown`], for a pull request. Both begin with the findings.

mod markdown;
mod terminal;

pub use self::markdown::markdown;
pub(super) use self::markdown::tables;
pub(crate) use self::terminal::facts;
pub use self::terminal::terminal;

use super::sweep::{describe_correlated, describe_ratio, describe_slices, title};
use wss_analysis::comparison::{Arm, ArmLabel, ComparedMetric, Comparison, Kind, LIMITS, Role};
use wss_analysis::statistics::{Finding, Interval, LOOK_CONFIDENCE, Ratio};
use wss_analysis::workload::{Schedule, schedule};
use wss_model::text::phrases::{pluralize, program};
use wss_model::text::quantity::{NOT_AVAILABLE, percent_to, rate_to};

/// A sentence per primary figure.
pub(crate) fn findings(comparison: &Comparison) -> Vec<String> {
    let primary = comparison.analysis.metrics.iter().filter(|figure| figure.role == Role::Primary);
    let sentences: Vec<String> =
        primary.filter_map(|figure| Some(format!("{}: {}", title(figure.metric), finding(figure)?))).collect();
    if sentences.is_empty() {
        return vec!["no block has a figure of both arms".to_owned()];
    }
    sentences
}

/// What the ratio of a figure shows.
pub(crate) fn finding(figure: &ComparedMetric) -> Option<String> {
    let ratio = figure.ratio.as_ref()?;
    Some(match ratio.finding() {
        Finding::TooFewPairs => format!("B ÷ A {:.3}; too few blocks for an interval", ratio.center),
        Finding::NoDifferenceLargerThan { percent } => format!("no difference larger than {}", percent_to(percent, 2)),
        Finding::Differs => {
            let change = if figure.is_better() { "better" } else { "worse" };
            let doubt = if figure.differs() { "" } else { ", but not significant across all primary figures" };
            format!("B ÷ A {}: B is {change}{doubt}", ratio_and_interval(ratio))
        }
    })
}

/// The headings of [`row`].
const HEAD: [&str; 6] = ["figure", "A", "B", "B ÷ A", "A/A floor", "detectable"];

/// The cells of a figure.
fn row(figure: &ComparedMetric) -> Vec<String> {
    vec![
        title(figure.metric).to_owned(),
        rate_to(figure.a_median, 4),
        rate_to(figure.b_median, 4),
        figure.ratio.as_ref().map_or_else(|| NOT_AVAILABLE.to_owned(), ratio_and_interval),
        figure.noise_floor.as_ref().map_or_else(|| NOT_AVAILABLE.to_owned(), describe_ratio),
        figure.detectable_percent.map_or_else(|| NOT_AVAILABLE.to_owned(), |percent| percent_to(percent, 2)),
    ]
}

/// A ratio with its interval, to three decimals: thresholds are given in percent.
pub(crate) fn ratio_and_interval(ratio: &Ratio) -> String {
    match &ratio.interval {
        Some(Interval { low, high, .. }) => format!("{:.3} ({low:.3}–{high:.3})", ratio.center),
        None => format!("{:.3} ?", ratio.center),
    }
}

/// An arm: its label, its options and the programs that measured it.
pub(crate) fn arm(arm: &Arm) -> String {
    let mut tools: Vec<String> = arm.programs.iter().filter_map(|one| one.tool.as_ref().map(program)).collect();
    tools.dedup();
    // The label has an option as one word or, as users write it, as two: `--layer tcp`.
    let in_label =
        |option: &&String| arm.label.contains(option.as_str()) || arm.label.contains(&option.replacen('=', " ", 1));
    let own = arm.options.iter().filter(|option| !in_label(option)).map(String::as_str);
    let options: Vec<&str> = own.collect();
    let mut parts = vec![arm.label.clone()];
    parts.extend((!options.is_empty()).then(|| options.join(" ")));
    parts.extend((!tools.is_empty()).then(|| tools.join("; ")));
    parts.join("; ")
}

/// How many blocks were run, of which trials, and how many were dropped.
pub(crate) fn blocks(comparison: &Comparison) -> String {
    let run = comparison.blocks.iter().filter(|block| block.is_complete()).count();
    let dropped = comparison.analysis.blocks_dropped;
    let trials = match (comparison.kind, schedule(&comparison.workloads, comparison.interleave)) {
        (Kind::Files, _) => "one result per arm".to_owned(),
        (Kind::Ab | Kind::Aa, Schedule::Sequential) => "four trials each, ABBA or BAAB".to_owned(),
        (Kind::Ab | Kind::Aa, Schedule::Interleaved(length)) => {
            format!("two trials per arm at the same time, in time slices of {length}")
        }
        (Kind::Ab | Kind::Aa, Schedule::Both(length)) => {
            format!("four trials each, CPU time in time slices of {length}, the rest ABBA or BAAB")
        }
    };
    let until = comparison
        .until_width_percent
        .map_or_else(String::new, |width| format!("; until all intervals are within {}", percent_to(width, 2)));
    let dropped = if dropped == 0 { String::new() } else { format!(", {dropped} dropped") };
    format!("{run} of {}{dropped}; {trials}{until}", pluralize(comparison.blocks_planned as u64, "block"))
}

/// The dropped blocks with their reasons.
pub(crate) fn dropped(comparison: &Comparison) -> impl Iterator<Item = String> {
    let dropped = comparison.blocks.iter().filter_map(|block| Some((block.number, block.dropped_because.as_ref()?)));
    dropped.map(|(number, reason)| format!("block {number}: {reason}"))
}

/// The figures in which an arm differs from itself.
pub(crate) fn noisy(comparison: &Comparison) -> Vec<&'static str> {
    let differs = |figure: &&ComparedMetric| {
        figure.role == Role::Primary && figure.noise_floor.as_ref().is_some_and(Ratio::is_difference)
    };
    comparison.analysis.metrics.iter().filter(differs).map(|figure| title(figure.metric)).collect()
}

/// What each arm negotiated.
pub(crate) fn negotiated(comparison: &Comparison) -> Vec<String> {
    let kinds = |arm: ArmLabel| {
        let kinds: Vec<String> =
            comparison.arm(arm).negotiated.iter().map(wss_model::text::phrases::describe_handshake).collect();
        if kinds.is_empty() { "no TLS".to_owned() } else { kinds.join("; ") }
    };
    let (a, b) = (kinds(ArmLabel::A), kinds(ArmLabel::B));
    if a == b { vec![format!("both {a}")] } else { vec![format!("A {a}"), format!("B {b}")] }
}

/// That blocks depend on their order, if they do.
pub(crate) fn correlated(comparison: &Comparison) -> Option<String> {
    let figures = comparison.analysis.metrics.iter().filter(|figure| figure.role == Role::Primary);
    describe_correlated(figures.filter_map(|figure| Some((figure.metric, figure.serial_correlation?))))
}

/// How to read the tables.
pub(crate) fn legend(comparison: &Comparison) -> String {
    let several = [&comparison.a, &comparison.b].iter().any(|arm| arm.programs.len() > 1);
    let several = if several { " and the order of the builds" } else { "" };
    let slices = describe_slices(&comparison.workloads, comparison.interleave);
    let slices = slices.map_or_else(String::new, |slices| format!(" {slices}"));
    let floor = match comparison.kind {
        Kind::Files => {
            " A/A floor: each result against the next one of the same arm; ?: fewer than twelve pairs.".to_owned()
        }
        Kind::Ab | Kind::Aa => format!(
            " A/A floor: the trials of one arm against each other, which differ by noise alone{several}. A block is \
             dropped as a whole if the machine interfered: steal time over {}, memory stalls over {}, a control loop \
             slower by {}, or a generator that was late by the rule of a run.",
            percent_to(LIMITS.steal_percent, 2),
            percent_to(LIMITS.stall_percent, 2),
            percent_to(LIMITS.control_percent, 2)
        ),
    };
    let looks = comparison.until_width_percent.map_or_else(String::new, |_| {
        format!(
            " --until-width looks at the intervals after every block, so each is taken at {}: all looks together have 95%.",
            percent_to(LOOK_CONFIDENCE * 100.0, 2)
        )
    });
    format!(
        "Figures are medians over the trials. B ÷ A: Hodges–Lehmann center of the ratios of all blocks, with the exact \
         Wilcoxon signed-rank interval of 95%; ?: too few blocks for an interval. ≈: the interval contains 1, so any \
         difference is at most this large. Detectable: the smallest difference that about four of five such comparisons \
         would find.{looks}{slices}{floor}"
    )
}

#[cfg(test)]
mod tests;
