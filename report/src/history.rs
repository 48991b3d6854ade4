//! A history as text: the trend of every metric ([`show`]) and where it changed ([`changes`]), each series by itself.

mod sparkline;

use comfy_table::CellAlignment;

use self::sparkline::sparkline;
use super::layout::{Layout, WIDE, table};
use wss_analysis::history::{Build, Entry, Fingerprint, Series, TrackedRatio, Trend, series};
use wss_analysis::statistics::change_points::{ChangePoint, MIN_POINTS, MIN_SEGMENT};
use wss_analysis::sweep::Metric;
use wss_model::text::phrases::{one_line, pluralize};

/// Points of a trend that stand in a line: the last ones.
const IN_A_LINE: usize = 24;

/// Entries that are listed of a single metric: the last ones.
const LISTED: usize = 20;

/// A metric of which no entry has a ratio.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no entry has a metric {metric}: they have {has}")]
pub struct NoSuchMetric {
    /// What was asked for.
    pub metric: String,
    /// What could be.
    pub has: String,
}

/// The trend of every metric, or of one with its last entries: at most 100 columns wide, without colours.
///
/// # Errors
/// If no entry has that metric.
pub fn show(entries: &[Entry], metric: Option<&str>) -> Result<String, NoSuchMetric> {
    check(entries, metric)?;
    let mut page = Layout::wide();
    each_series(&mut page, entries, metric, |page, trends| {
        trend_table(page, trends);
        if metric.is_some() {
            trends.iter().for_each(|trend| listed(page, trend));
        }
        page.text("Ratios to the reference; the line is drawn from the least to the most of its points.");
        changes_of(page, trends);
    });
    Ok(page.finish())
}

/// Where each metric changed: advisory, since one series in twenty has a change by chance.
///
/// # Errors
/// If no entry has that metric.
pub fn changes(entries: &[Entry], metric: Option<&str>) -> Result<String, NoSuchMetric> {
    check(entries, metric)?;
    let mut page = Layout::wide();
    each_series(&mut page, entries, metric, changes_of);
    Ok(page.finish())
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

fn each_series(page: &mut Layout, entries: &[Entry], metric: Option<&str>, tell: impl Fn(&mut Layout, &[Trend<'_>])) {
    let all = series(entries);
    if all.is_empty() {
        page.text("No entry can be read.");
    }
    if all.len() > 1 {
        page.text(&format!(
            "{} series that are not to be put on one line: the machine, the reference or what was measured differs. \
             Each is looked at by itself.",
            all.len()
        ));
        page.gap();
    }
    for (index, one) in all.iter().enumerate() {
        let trends: Vec<Trend<'_>> =
            one.trends().into_iter().filter(|trend| metric.is_none_or(|metric| trend.metric == metric)).collect();
        if index > 0 {
            page.gap();
        }
        head(page, one, index + 1, all.len());
        if trends.is_empty() {
            page.text("It has no such metric.");
        } else {
            tell(page, &trends);
        }
    }
}

/// What makes it a series.
fn head(page: &mut Layout, one: &Series<'_>, number: usize, of: usize) {
    let day = |entry: Option<&&Entry>| entry.map_or_else(String::new, |entry| day(&entry.started_at));
    let (first, last) = (day(one.entries.first()), day(one.entries.last()));
    let numbered = if of > 1 { format!("Series {number} of {of}: ") } else { String::new() };
    page.text(&format!("{numbered}{} from {first} to {last}", pluralize(one.entries.len() as u64, "comparison")));
    page.fact("Reference", &build(one.reference));
    page.fact("Machine", &machine(one.environment));
    page.fact("Measured", one.configuration);
}

fn build(build: &Build) -> String {
    let version = build.version.as_ref().map(|version| format!("version {version}"));
    let commit = build.commit.as_ref().map(|commit| format!("commit {}", short(commit)));
    let known: Vec<String> = [version, commit].into_iter().flatten().collect();
    if known.is_empty() { build.label.clone() } else { format!("{} ({})", build.label, known.join(", ")) }
}

fn machine(machine: &Fingerprint) -> String {
    let Fingerprint { cpu_model, cores, memory_gib, kernel, governor, hypervisor, clocksource, profile } = machine;
    let mut parts = vec![
        cpu_model.clone(),
        pluralize(*cores as u64, "CPU"),
        format!("{memory_gib} GiB"),
        format!("Linux {kernel}"),
    ];
    parts.extend([hypervisor, governor, clocksource].into_iter().flatten().cloned());
    if profile != "release" {
        parts.push(format!("{profile} build"));
    }
    parts.join(", ")
}

fn trend_table(page: &mut Layout, trends: &[Trend<'_>]) {
    let mut rows = table(["Metric", "trend", "least", "most", "last", "95% interval"]);
    rows.set_width(WIDE as u16);
    for trend in trends {
        let line = &trend.points[trend.points.len().saturating_sub(IN_A_LINE)..];
        let values: Vec<f64> = line.iter().map(|point| point.ratio.center).collect();
        let Some(last) = line.last() else { continue };
        let of = |pick: fn(f64, f64) -> f64| ratio(values.iter().copied().reduce(pick).unwrap_or(f64::NAN));
        rows.add_row([
            one_line(trend.metric),
            sparkline(&values),
            of(f64::min),
            of(f64::max),
            ratio(last.ratio.center),
            interval(&last.ratio),
        ]);
    }
    for (index, column) in rows.column_iter_mut().enumerate() {
        if index > 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(first) = rows.column_mut(0) {
        first.set_padding((0, 1));
    }
    page.gap();
    page.table(&rows);
}

/// The last entries of one metric.
fn listed(page: &mut Layout, trend: &Trend<'_>) {
    let mut rows = table(["When", "candidate", "ratio", "95% interval", "blocks", ""]);
    rows.set_width(WIDE as u16);
    let first = trend.points.len().saturating_sub(LISTED);
    for (index, point) in trend.points.iter().enumerate().skip(first) {
        let changed = trend.changes.iter().flatten().any(|change| change.index == index);
        rows.add_row([
            one_line(&point.entry.started_at),
            one_line(&candidate(point.entry)),
            ratio(point.ratio.center),
            interval(&point.ratio),
            point.ratio.blocks.to_string(),
            if changed { "← change".to_owned() } else { String::new() },
        ]);
    }
    if let Some(first) = rows.column_mut(0) {
        first.set_padding((0, 1));
    }
    page.gap();
    page.table(&rows);
}

fn changes_of(page: &mut Layout, trends: &[Trend<'_>]) {
    page.gap();
    let (mut too_few, mut without): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for trend in trends {
        match &trend.changes {
            Err(few) => too_few.push(format!("{} ({})", trend.metric, few.points)),
            Ok(changes) if changes.is_empty() => without.push(trend.metric.to_owned()),
            Ok(changes) => changes.iter().for_each(|change| page.bullet(&sentence(trend, change))),
        }
    }
    if trends.iter().any(|trend| trend.changes.as_ref().is_ok_and(|changes| !changes.is_empty())) {
        page.text("A hint and no verdict: of twenty metrics without any change one has one by chance.");
    }
    if !without.is_empty() {
        page.text(&format!("No change: {}.", without.join(", ")));
    }
    if !too_few.is_empty() {
        page.text(&format!(
            "Changes are sought from {MIN_POINTS} points on, and with {MIN_SEGMENT} on either side. There are fewer of: {}.",
            too_few.join(", ")
        ));
    }
}

fn sentence(trend: &Trend<'_>, change: &ChangePoint) -> String {
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
    format!("{}: {percent:+.1}%{verdict}{since}, from {before} to {after}; p={:.3}", trend.metric, change.p_value)
}

fn candidate(entry: &Entry) -> String {
    let candidate = &entry.candidate;
    candidate.commit.as_ref().map_or_else(|| candidate.label.clone(), |commit| short(commit))
}

/// A commit to twelve digits, and that there were changes to it whole.
fn short(commit: &str) -> String {
    let (hash, changes) = commit.split_at(commit.find('+').unwrap_or(commit.len()));
    format!("{hash:.12}{changes}")
}

/// The day of an instant in RFC 3339.
fn day(instant: &str) -> String {
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
