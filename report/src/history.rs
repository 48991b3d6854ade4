//! A history as text: the trend of every metric ([`show`]) and where it changed ([`changes`]), series by series.

mod sparkline;

use self::sparkline::sparkline;
use super::layout::Layout;
use super::style::Style;
use super::table::Table;
use wss_analysis::history::{Build, Entry, Fingerprint, Series, TrackedRatio, Trend, series};
use wss_analysis::metric::Metric;
use wss_analysis::statistics::change_points::{ChangePoint, MIN_POINTS, MIN_SEGMENT};
use wss_model::text::phrases::pluralize;

/// Points in the line of a trend: the latest ones.
const LINE_POINTS: usize = 24;

/// Entries listed for a single metric: the latest ones.
const LISTED: usize = 20;

/// No entry has a ratio for the requested metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no entry has the metric {metric}; available: {has}")]
pub struct NoSuchMetric {
    /// The requested name.
    pub metric: String,
    /// The available names.
    pub has: String,
}

/// The trend of every metric, or of one metric with its latest entries.
///
/// # Errors
/// If no entry has that metric.
pub fn show(entries: &[Entry], metric: Option<&str>, style: Style) -> Result<String, NoSuchMetric> {
    check(entries, metric)?;
    let mut layout = Layout::new(style);
    each_series(&mut layout, entries, metric, |layout, trends| {
        trend_table(layout, trends);
        if metric.is_some() {
            trends.iter().for_each(|trend| listed(layout, trend));
        }
        layout.text("Ratios to the reference. Each line is scaled from its smallest to its largest point.");
        changes_of(layout, trends);
    });
    Ok(layout.finish())
}

/// Where each metric changed. Advisory: by chance one series in twenty has a change.
///
/// # Errors
/// If no entry has that metric.
pub fn changes(entries: &[Entry], metric: Option<&str>, style: Style) -> Result<String, NoSuchMetric> {
    check(entries, metric)?;
    let mut layout = Layout::new(style);
    each_series(&mut layout, entries, metric, changes_of);
    Ok(layout.finish())
}

fn check(entries: &[Entry], metric: Option<&str>) -> Result<(), NoSuchMetric> {
    let Some(metric) = metric else { return Ok(()) };
    let mut has: Vec<&str> = entries.iter().flat_map(|entry| entry.metrics.keys()).map(String::as_str).collect();
    has.sort_unstable();
    has.dedup();
    if has.contains(&metric) {
        return Ok(());
    }
    let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
    Err(NoSuchMetric { metric: metric.to_owned(), has })
}

fn each_series(
    layout: &mut Layout,
    entries: &[Entry],
    metric: Option<&str>,
    print: impl Fn(&mut Layout, &[Trend<'_>]),
) {
    let all = series(entries);
    if all.is_empty() {
        layout.text("The history has no readable entry.");
    }
    if all.len() > 1 {
        layout.text(&format!(
            "{} series, because the machine, the reference or the measurement differs. Each is analyzed separately.",
            all.len()
        ));
        layout.gap();
    }
    for (index, one) in all.iter().enumerate() {
        let trends: Vec<Trend<'_>> =
            one.trends().into_iter().filter(|trend| metric.is_none_or(|metric| trend.metric == metric)).collect();
        if index > 0 {
            layout.gap();
        }
        head(layout, one, index + 1, all.len());
        if trends.is_empty() {
            layout.text("This series does not have the metric.");
        } else {
            print(layout, &trends);
        }
    }
}

/// What all entries of a series have in common.
fn head(layout: &mut Layout, one: &Series<'_>, number: usize, of: usize) {
    let day = |entry: Option<&&Entry>| entry.map_or_else(String::new, |entry| day(&entry.started_at));
    let (first, last) = (day(one.entries.first()), day(one.entries.last()));
    let numbered = if of > 1 { format!("Series {number} of {of}: ") } else { String::new() };
    layout.text(&format!("{numbered}{} from {first} to {last}", pluralize(one.entries.len() as u64, "comparison")));
    layout.fact("Reference", &build(one.reference));
    layout.fact("Machine", &machine(one.environment));
    layout.fact("Measured", one.configuration);
}

/// A build with what is known of it.
pub(crate) fn build(build: &Build) -> String {
    let version = build.version.as_ref().map(|version| format!("version {version}"));
    let commit = build.commit.as_ref().map(|commit| format!("commit {}", short(commit)));
    let known: Vec<String> = [version, commit].into_iter().flatten().collect();
    if known.is_empty() { build.label.clone() } else { format!("{} ({})", build.label, known.join(", ")) }
}

/// The machine of a series.
pub(crate) fn machine(machine: &Fingerprint) -> String {
    let Fingerprint { cpu_model, cores, memory_gib, kernel, governor, hypervisor, clocksource, settings, profile } =
        machine;
    let mut parts = vec![
        cpu_model.clone(),
        pluralize(*cores as u64, "CPU"),
        format!("{memory_gib} GiB"),
        format!("Linux {kernel}"),
    ];
    parts.extend([hypervisor, governor, clocksource].into_iter().flatten().cloned());
    parts.extend(settings.get("net.ipv4.tcp_congestion_control").cloned());
    if profile != "release" {
        parts.push(format!("{profile} build"));
    }
    parts.join(", ")
}

fn trend_table(layout: &mut Layout, trends: &[Trend<'_>]) {
    let mut rows = Table::new(["Metric", "trend", "min", "max", "latest", "95% interval"]).with_text(&[0, 1]);
    for trend in trends {
        let line = &trend.points[trend.points.len().saturating_sub(LINE_POINTS)..];
        let values: Vec<f64> = line.iter().map(|point| point.ratio.center).collect();
        let Some(last) = line.last() else { continue };
        let of = |pick: fn(f64, f64) -> f64| ratio(values.iter().copied().reduce(pick).unwrap_or(f64::NAN));
        rows.row([
            trend.metric.to_owned(),
            sparkline(&values),
            of(f64::min),
            of(f64::max),
            ratio(last.ratio.center),
            interval(&last.ratio),
        ]);
    }
    layout.gap();
    layout.table(&rows);
}

/// The latest entries of one metric.
fn listed(layout: &mut Layout, trend: &Trend<'_>) {
    let mut rows = Table::new(["When", "candidate", "ratio", "95% interval", "blocks", ""]).with_text(&[0, 1, 5]);
    let first = trend.points.len().saturating_sub(LISTED);
    for (index, point) in trend.points.iter().enumerate().skip(first) {
        let changed = trend.changes.iter().flatten().any(|change| change.index == index);
        rows.row([
            point.entry.started_at.clone(),
            candidate(point.entry),
            ratio(point.ratio.center),
            interval(&point.ratio),
            point.ratio.blocks.to_string(),
            if changed { "← change".to_owned() } else { String::new() },
        ]);
    }
    layout.gap();
    layout.table(&rows);
}

fn changes_of(layout: &mut Layout, trends: &[Trend<'_>]) {
    layout.gap();
    let (mut too_few, mut without): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for trend in trends {
        match &trend.changes {
            Err(few) => too_few.push(format!("{} ({})", trend.metric, few.points)),
            Ok(changes) if changes.is_empty() => without.push(trend.metric.to_owned()),
            Ok(changes) => changes.iter().for_each(|change| layout.bullet(&sentence(trend, change))),
        }
    }
    if trends.iter().any(|trend| trend.changes.as_ref().is_ok_and(|changes| !changes.is_empty())) {
        layout.text("A hint, not a verdict: of twenty metrics without a change, one shows a change by chance.");
    }
    if !without.is_empty() {
        layout.text(&format!("No change: {}.", without.join(", ")));
    }
    if !too_few.is_empty() {
        layout.text(&format!(
            "Too few points to look for changes ({MIN_POINTS} needed, {MIN_SEGMENT} on either side): {}.",
            too_few.join(", ")
        ));
    }
}

fn sentence(trend: &Trend<'_>, change: &ChangePoint) -> String {
    format!("{}: {}", trend.metric, describe_change(trend, change))
}

/// How much a metric changed, whether for the better, since when, and between which levels.
pub(crate) fn describe_change(trend: &Trend<'_>, change: &ChangePoint) -> String {
    let percent = 100.0 * (change.after / change.before - 1.0);
    let more_is_better = Metric::by_name(trend.metric).map(Metric::more_is_better);
    // What a later version measures has no direction here.
    let verdict = match more_is_better {
        Some(more) if more == (percent > 0.0) => ", better",
        Some(_) => ", worse",
        None => "",
    };
    let (before, after) = (ratio(change.before), ratio(change.after));
    let since = trend.points.get(change.index).map_or_else(String::new, |point| {
        format!(" since {} ({})", day(&point.entry.started_at), candidate(point.entry))
    });
    format!("{percent:+.1}%{verdict}{since}, from {before} to {after}; p={:.3}", change.p_value)
}

/// The candidate of an entry, by its commit if that is known.
pub(crate) fn candidate(entry: &Entry) -> String {
    let candidate = &entry.candidate;
    candidate.commit.as_ref().map_or_else(|| candidate.label.clone(), |commit| short(commit))
}

/// A commit shortened to twelve digits; a suffix for uncommitted changes is kept.
fn short(commit: &str) -> String {
    let (hash, changes) = commit.split_at(commit.find('+').unwrap_or(commit.len()));
    format!("{hash:.12}{changes}")
}

/// The date of an RFC 3339 timestamp.
pub(crate) fn day(instant: &str) -> String {
    instant.chars().take(10).collect()
}

fn ratio(ratio: f64) -> String {
    format!("{ratio:.3}")
}

fn interval(ratio: &TrackedRatio) -> String {
    match (ratio.low, ratio.high) {
        (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
        _ => "too few blocks".to_owned(),
    }
}

#[cfg(test)]
mod tests;
