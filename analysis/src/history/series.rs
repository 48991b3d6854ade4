//! Series: entries with the same machine, reference and configuration. Ratios of different series are never compared.

use std::collections::BTreeMap;

use super::entry::{Build, Entry, Fingerprint, TrackedRatio};
use crate::statistics::change_points::{ChangePoint, TooFewPoints, change_points};

/// Comparable entries, in the order of their start.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<'a> {
    /// The build that all are compared with.
    pub reference: &'a Build,
    /// The machine.
    pub environment: &'a Fingerprint,
    /// What was measured.
    pub configuration: &'a str,
    /// The entries.
    pub entries: Vec<&'a Entry>,
}

/// One metric of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend<'a> {
    /// Name of the metric.
    pub metric: &'a str,
    /// The ratios with their entries.
    pub points: Vec<Point<'a>>,
    /// Its changes: indexes into [`Self::points`], levels as ratios.
    pub changes: Result<Vec<ChangePoint>, TooFewPoints>,
}

/// One ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The ratio.
    pub ratio: TrackedRatio,
}

/// The series of a history. The one with the newest line comes last.
pub fn series(entries: &[Entry]) -> Vec<Series<'_>> {
    let mut found = BTreeMap::<_, Vec<(usize, &Entry)>>::new();
    for (index, entry) in entries.iter().enumerate() {
        let key = (entry.reference.identity(), &entry.environment, entry.configuration.as_str());
        found.entry(key).or_default().push((index, entry));
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort_by_key(|(_, members)| members.last().map(|(index, _)| *index));
    let series = found.into_iter().map(|((_, environment, configuration), members)| {
        let mut entries: Vec<&Entry> = members.into_iter().map(|(_, entry)| entry).collect();
        let reference = &entries[0].reference;
        // Lines are in the order of their addition, which need not be the order of measuring.
        entries.sort_by(|one, other| one.started_at.cmp(&other.started_at));
        Series { reference, environment, configuration, entries }
    });
    series.collect()
}

impl<'a> Series<'a> {
    /// The trend of every metric, by name.
    pub fn trends(&self) -> Vec<Trend<'a>> {
        let mut points: BTreeMap<&'a str, Vec<Point<'a>>> = BTreeMap::new();
        for entry in &self.entries {
            for (metric, ratio) in &entry.metrics {
                // Other values have no logarithm.
                if ratio.center > 0.0 && ratio.center.is_finite() {
                    points.entry(metric).or_default().push(Point { entry, ratio: *ratio });
                }
            }
        }
        points.into_iter().map(|(metric, points)| Trend::new(metric, points)).collect()
    }
}

impl<'a> Trend<'a> {
    /// Detects changes in the logarithms, where a doubling and a halving have the same size.
    fn new(metric: &'a str, points: Vec<Point<'a>>) -> Self {
        let logs: Vec<f64> = points.iter().map(|point| point.ratio.center.ln()).collect();
        let changes = change_points(&logs).map(|changes| {
            let ratios = changes.into_iter().map(|change| ChangePoint {
                before: change.before.exp(),
                after: change.after.exp(),
                ..change
            });
            ratios.collect()
        });
        Self { metric, points, changes }
    }
}
