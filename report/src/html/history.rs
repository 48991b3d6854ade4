//! A history: how ratios moved from comparison to comparison.

use super::methods;
use super::part::{FactGroup, Part, Section, Verdict};
use crate::figures::text::{capitalized, clip};
use crate::figures::trend::trend;
use crate::history::{build, day, describe_change, machine};
use crate::sweep::measure;
use wss_analysis::history::{History, Series, Trend, series};
use wss_analysis::metric::Metric;
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::count;

/// Trends that are drawn; the metrics that changed come first.
const MAX_TRENDS: usize = 60;

/// Lines that cannot be read and are listed.
const MAX_BAD_LINES: usize = 20;

/// The part of a page about a history. `prefix` makes the ids of its figures unique.
pub(super) fn part(prefix: &str, name: &str, history: &History) -> Part {
    let all = series(&history.entries);
    let mut left = MAX_TRENDS;
    // The newest series is what readers look for.
    let sections: Vec<Section> = all
        .iter()
        .rev()
        .enumerate()
        .map(|(index, one)| {
            let section = section(&format!("{prefix}series-{}-", index + 1), index, all.len(), one, left);
            left = left.saturating_sub(section.figures.len());
            section
        })
        .chain([bad_lines(history)])
        .filter(|section| !section.is_empty())
        .collect();
    let newest = all.last();
    let facts = newest.map(|one| FactGroup {
        name: if all.len() > 1 { "Newest series".to_owned() } else { String::new() },
        facts: vec![
            ("Reference".to_owned(), build(one.reference)),
            ("Machine".to_owned(), machine(one.environment)),
            ("Measured".to_owned(), clip(one.configuration, 600)),
        ],
    });
    let readable = history.bad_lines.is_empty();
    let mut verdict = Verdict::new("", readable, &[], "every line was read, and every comparison in it is valid.");
    verdict.reasons = history.bad_lines.iter().take(1).map(|_| lines_left_out(history)).collect();
    Part {
        kind: "history".to_owned(),
        identity: format!("{}, {}", clip(name, 80), pluralize(history.entries.len() as u64, "comparison")),
        answer: newest.map_or_else(|| "The history has no readable entry".to_owned(), answer),
        verdicts: vec![verdict],
        facts: facts.into_iter().collect(),
        sections,
        methods: newest.map_or_else(String::new, methods::of_history),
        bibtex: String::new(),
    }
}

fn lines_left_out(history: &History) -> String {
    match history.bad_lines.len() as u64 {
        1 => "1 line cannot be read and is left out".to_owned(),
        many => format!("{} lines cannot be read and are left out", count(many)),
    }
}

/// What changed in the newest series.
fn answer(newest: &Series<'_>) -> String {
    let trends = newest.trends();
    let changed: Vec<String> = trends
        .iter()
        .filter_map(|trend| {
            let change = trend.changes.as_ref().ok()?.last()?;
            Some(format!("{}: {}", name(trend), describe_change(trend, change)))
        })
        .collect();
    let few = trends.iter().filter(|trend| trend.changes.is_err()).count();
    let sentence = match (changed.len(), few) {
        (0, 0) => format!("none of {} changed", pluralize(trends.len() as u64, "metric")),
        (0, few) if few < trends.len() => {
            let enough = pluralize((trends.len() - few) as u64, "metric");
            format!("none of {enough} with enough comparisons changed")
        }
        (0, _) => format!("too few comparisons ({}) to look for changes", newest.entries.len()),
        _ => {
            let shown = changed.iter().take(2).cloned().collect::<Vec<_>>().join("; ");
            let more = changed.len().saturating_sub(2);
            if more == 0 { shown } else { format!("{shown}; {} changed", pluralize(more as u64, "more metric")) }
        }
    };
    capitalized(&sentence)
}

fn name(trend: &Trend<'_>) -> String {
    Metric::by_name(trend.metric).map_or_else(|| clip(trend.metric, 60), measure)
}

fn section(prefix: &str, index: usize, of: usize, one: &Series<'_>, limit: usize) -> Section {
    let days = [one.entries.first(), one.entries.last()];
    let [first, last] = days.map(|entry| entry.map_or_else(String::new, |entry| clip(&day(&entry.started_at), 20)));
    let heading = match (of, index) {
        (1, _) => format!("Trends from {first} to {last}"),
        (_, 0) => format!("Newest series, {first} to {last}"),
        _ => format!("Earlier series, {first} to {last}"),
    };
    let mut section = Section::new(&heading);
    if index > 0 {
        section.texts.push(format!("Reference {}. Machine: {}.", build(one.reference), machine(one.environment)));
    }
    let mut trends = one.trends();
    trends.sort_by_key(|trend| trend.changes.as_ref().map_or(0, Vec::len) == 0);
    if trends.len() > limit {
        section.texts.push(format!("{} of {} metrics are drawn.", limit, trends.len()));
    }
    let drawn = trends.iter().take(limit).enumerate();
    section.figures.extend(drawn.filter_map(|(number, found)| {
        // A metric of a later version may have any name.
        let known = Metric::by_name(found.metric)
            .map_or_else(|| format!("metric-{}", number + 1), |m| m.name().replace('_', "-"));
        trend(&format!("{prefix}{known}"), found)
    }));
    section
}

fn bad_lines(history: &History) -> Section {
    let mut section = Section::new("Lines that cannot be read");
    let listed = history.bad_lines.iter().take(MAX_BAD_LINES);
    section.texts.extend(listed.map(|line| format!("Line {}: {}", line.number, clip(&line.reason, 300))));
    let more = history.bad_lines.len().saturating_sub(MAX_BAD_LINES);
    if more > 0 {
        section.texts.push(format!("{more} more."));
    }
    section
}
