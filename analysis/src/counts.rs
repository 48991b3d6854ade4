//! Deterministic counts (instructions, allocations, system calls, bytes) of a build, and what changed between two builds.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::median;
use wss_model::store::Stored;

/// One count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// Scenario, end and quantity: `echo-64/server/instructions`.
    pub name: String,
    /// Unit of `value` and `range`.
    pub unit: String,
    /// The median of the repeats.
    pub value: f64,
    /// Largest minus smallest repeat. Two counts that are closer to each other than that count as equal. 0 if all repeats
    /// were equal.
    pub range: f64,
    /// Number of repeats.
    pub repeats: usize,
}

/// All counts of one build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// `wssbench.counts/2`.
    pub schema: String,
    /// Build profile, `debug` or `release`. Counts of different profiles cannot be compared.
    pub profile: String,
    /// The counts.
    pub counts: Vec<Count>,
    /// What could not be counted on this machine, and why, one sentence each.
    pub skipped: Vec<String>,
}

impl Stored for Counts {
    const SCHEMA: &'static str = "wssbench.counts/2";
    const SUFFIX: &'static str = ".counts.json";
}

impl Count {
    /// A count from one value per repeat, at least one.
    pub fn new(name: impl Into<String>, unit: &str, repeats: &[f64]) -> Self {
        let value = median(repeats.to_vec()).unwrap_or(f64::NAN);
        let most = repeats.iter().copied().max_by(f64::total_cmp);
        let least = repeats.iter().copied().min_by(f64::total_cmp);
        let range = most.zip(least).map_or(f64::NAN, |(most, least)| most - least);
        Self { name: name.into(), unit: unit.to_owned(), value, range, repeats: repeats.len() }
    }

    /// The value, without decimals if it is whole.
    fn formatted_value(&self) -> String {
        let digits = if self.value.fract() == 0.0 { 0 } else { 2 };
        format!("{:.digits$}", self.value)
    }

    /// The range, absolute and relative to the value.
    fn formatted_range(&self) -> String {
        match (self.repeats, self.range, self.value) {
            (1, ..) => "unknown (one repeat)".to_owned(),
            (_, 0.0, _) => "exact".to_owned(),
            (_, range, value) => format!("{range:.2} ({:.2}%)", 100.0 * range / value.abs()),
        }
    }
}

impl Counts {
    /// Counts of the running build.
    pub fn new(counts: Vec<Count>, skipped: Vec<String>) -> Self {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        Self { schema: Self::SCHEMA.to_owned(), profile: profile.to_owned(), counts, skipped }
    }

    /// One line per count, then what was skipped.
    pub fn table(&self) -> String {
        let width = self.counts.iter().map(|count| count.name.chars().count()).max().unwrap_or(0);
        let mut table = format!("{:width$}  {:>14}  {:14}  range\n", "count", "value", "unit");
        for count in &self.counts {
            let (value, range) = (count.formatted_value(), count.formatted_range());
            let _ = writeln!(table, "{:width$}  {value:>14}  {:14}  {range}", count.name, count.unit);
        }
        for skipped in &self.skipped {
            let _ = writeln!(table, "SKIPPED: {skipped}");
        }
        table
    }

    /// The counts that differ from `before` by more than either range, and those that only one of the two has.
    pub fn changes(&self, before: &Self) -> Vec<Change> {
        let names_of = |counts: &Self| counts.counts.iter().map(|count| count.name.clone()).collect::<Vec<_>>();
        let mut names = names_of(before);
        names.extend(names_of(self).into_iter().filter(|name| before.named(name).is_none()));
        names
            .into_iter()
            .map(|name| Change { before: before.named(&name).cloned(), now: self.named(&name).cloned(), name })
            .filter(Change::is_significant)
            .collect()
    }

    fn named(&self, name: &str) -> Option<&Count> {
        self.counts.iter().find(|count| count.name == name)
    }
}

/// A count in two builds.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Name of the count.
    pub name: String,
    /// The count before; `None` if it was not counted.
    pub before: Option<Count>,
    /// The count now; `None` if it was not counted.
    pub now: Option<Count>,
}

impl Change {
    fn is_significant(&self) -> bool {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => (now.value - before.value).abs() > before.range.max(now.range),
            _ => true,
        }
    }

    /// Whether the count increased. For all counts, less is better.
    pub fn is_more(&self) -> bool {
        matches!((&self.before, &self.now), (Some(before), Some(now)) if now.value > before.value)
    }
}

/// One line: `echo-64/server/allocations: 2 → 3 allocations (+50%)`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => {
                let percent = 100.0 * (now.value / before.value - 1.0);
                let (old, new, unit) = (before.formatted_value(), now.formatted_value(), &now.unit);
                write!(f, "{}: {old} → {new} {unit}", self.name)?;
                if percent.is_finite() { write!(f, " ({percent:+.2}%)") } else { Ok(()) }
            }
            (None, Some(_)) => write!(f, "{}: not counted before", self.name),
            (_, None) => write!(f, "{}: not counted now", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::store;

    #[test]
    fn the_value_is_the_median_and_the_range_is_largest_minus_smallest() {
        let count = Count::new("a", "b", &[10.0, 13.0, 11.0]);
        assert_eq!((count.value, count.range, count.repeats), (11.0, 3.0, 3));
        assert_eq!(Count::new("a", "b", &[10.0, 13.0, 11.0, 12.0]).value, 11.5);
        assert_eq!(Count::new("a", "b", &[7.0; 5]).range, 0.0);
    }

    #[test]
    fn the_table_has_one_line_per_count_and_per_skipped_item() {
        let exact = Count::new("echo-64/server/instructions", "instructions", &[7.0; 5]);
        let spread = Count::new("short", "bytes", &[99.0, 100.0, 101.0]);
        let table = Counts::new(vec![exact, spread], vec!["there is no strace".to_owned()]).table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines[1].starts_with("echo-64/server/instructions ") && lines[1].ends_with("exact"), "{table}");
        assert!(lines[2].ends_with("2.00 (2.00%)"), "{table}");
        assert_eq!(lines[3], "SKIPPED: there is no strace");
    }

    #[test]
    fn a_written_file_reads_back_and_matches_the_schema() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.json");
        let counts = Counts::new(vec![Count::new("a", "bytes", &[1.0, 1.0])], Vec::new());
        store::write(&counts, &path).unwrap();
        assert_eq!(store::read::<Counts>(&path).unwrap(), counts);
        let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(
            jsonschema::validator_for(&wss_model::schema::of_file::<Counts>()).unwrap().is_valid(&written),
            "{written}"
        );
    }

    #[test]
    fn the_committed_schema_matches_the_types() {
        wss_model::schema::assert_committed("wssbench.counts-2.json", &wss_model::schema::of_file::<Counts>());
    }

    #[test]
    fn a_change_is_a_difference_larger_than_either_range() {
        let counts = |all: &[(&str, &[f64])]| {
            Counts::new(all.iter().map(|(name, repeats)| Count::new(*name, "bytes", repeats)).collect(), Vec::new())
        };
        let before = counts(&[("exact", &[7.0; 5]), ("same", &[7.0; 5]), ("rough", &[90.0, 100.0]), ("gone", &[1.0])]);
        let now = counts(&[("exact", &[8.0; 5]), ("same", &[7.0; 5]), ("rough", &[105.0, 105.0]), ("new", &[1.0])]);
        let printed = |changes: &[Change]| changes.iter().map(Change::to_string).collect::<Vec<_>>();
        let changes = now.changes(&before);
        let expected = ["exact: 7 → 8 bytes (+14.29%)", "gone: not counted now", "new: not counted before"];
        assert_eq!(printed(&changes), expected);
        assert_eq!(changes.iter().map(Change::is_more).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(printed(&before.changes(&now))[0], "exact: 8 → 7 bytes (-12.50%)");
        assert!(now.changes(&now).is_empty());
    }
}
