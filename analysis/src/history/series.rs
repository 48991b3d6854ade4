//! Entries that belong together: of one machine, against one reference, of one configuration. Ratios of two such series
//! are never put on one line, and no change is sought across them.

use std::collections::BTreeMap;

use super::{Build, Entry, Fingerprint, TrackedRatio};
use crate::statistics::change_points::{ChangePoint, TooFewPoints, change_points};

/// Entries that belong together, in the order of their instants.
#[derive(Debug, Clone, PartialEq)]
pub struct Series<'a> {
    /// What all are compared with.
    pub reference: &'a Build,
    /// Where all were measured.
    pub environment: &'a Fingerprint,
    /// What all trials were.
    pub configuration: &'a str,
    /// They themselves.
    pub entries: Vec<&'a Entry>,
}

/// One metric of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Trend<'a> {
    /// Its name.
    pub metric: &'a str,
    /// Its ratios, with the entries they are of.
    pub points: Vec<Point<'a>>,
    /// Where it changes; the index is of [`Self::points`], and the levels are ratios.
    pub changes: Result<Vec<ChangePoint>, TooFewPoints>,
}

/// One ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<'a> {
    /// Of which entry.
    pub entry: &'a Entry,
    /// The ratio.
    pub ratio: TrackedRatio,
}

/// The series of a history, the one that was added to last at the end.
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
        // Results may be added later than others that were measured after them.
        entries.sort_by(|one, other| one.started_at.cmp(&other.started_at));
        Series { reference, environment, configuration, entries }
    });
    series.collect()
}

impl<'a> Series<'a> {
    /// Every metric of it, by name, each with its changes.
    pub fn trends(&self) -> Vec<Trend<'a>> {
        let mut points: BTreeMap<&'a str, Vec<Point<'a>>> = BTreeMap::new();
        for entry in &self.entries {
            for (metric, ratio) in &entry.metrics {
                // A ratio that is none has no logarithm and no place on a line.
                if ratio.center > 0.0 && ratio.center.is_finite() {
                    points.entry(metric).or_default().push(Point { entry, ratio: *ratio });
                }
            }
        }
        points.into_iter().map(|(metric, points)| Trend::of(metric, points)).collect()
    }
}

impl<'a> Trend<'a> {
    /// Changes are sought in the logarithms, where twice and half are equally far from one.
    fn of(metric: &'a str, points: Vec<Point<'a>>) -> Self {
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
