//! Deterministic signals: what was pluralize, of what, how far two counts of the same thing lie apart, and which of two
//! builds lies further apart than that.

use std::fmt::{self, Write as _};
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::statistics::median;
use wss_model::store::{self, StoreError};

/// Names the form of a file of counts; a change that breaks readers changes the number.
pub const SCHEMA: &str = "wssbench.counts/2";

/// One signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Count {
    /// What of which side: `echo-64/server/instructions`.
    pub name: String,
    /// Of what the value is a number.
    pub unit: String,
    /// The median of the repeats.
    pub value: f64,
    /// The largest less the smallest of the repeats, in the same unit: what is nearer to each other says nothing. 0 if
    /// all repeats were equal.
    pub range: f64,
    /// How often it was counted.
    pub repeats: usize,
}

/// A file of counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// [`SCHEMA`].
    pub schema: String,
    /// `debug` or `release`: counts of one say nothing of the other.
    pub profile: String,
    /// All of them.
    pub counts: Vec<Count>,
    /// What could not be counted here: a sentence each.
    pub skipped: Vec<String>,
}

impl Count {
    /// Of one value a repeat, at least one.
    pub fn of(name: impl Into<String>, unit: &str, repeats: &[f64]) -> Self {
        let value = median(repeats.to_vec()).unwrap_or(f64::NAN);
        let most = repeats.iter().copied().max_by(f64::total_cmp);
        let least = repeats.iter().copied().min_by(f64::total_cmp);
        let range = most.zip(least).map_or(f64::NAN, |(most, least)| most - least);
        Self { name: name.into(), unit: unit.to_owned(), value, range, repeats: repeats.len() }
    }

    /// The value; a number of whole things is written whole.
    fn in_digits(&self) -> String {
        let digits = if self.value.fract() == 0.0 { 0 } else { 2 };
        format!("{:.digits$}", self.value)
    }

    /// How much the floor is of the value, in words.
    fn floor_in_words(&self) -> String {
        match (self.repeats, self.range, self.value) {
            (1, ..) => "one repeat: not known".to_owned(),
            (_, 0.0, _) => "exact".to_owned(),
            (_, floor, value) => format!("{floor:.2} ({:.2}%)", 100.0 * floor / value.abs()),
        }
    }
}

impl Counts {
    /// Of this build.
    pub fn new(counts: Vec<Count>, skipped: Vec<String>) -> Self {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        Self { schema: SCHEMA.to_owned(), profile: profile.to_owned(), counts, skipped }
    }

    /// A line a count, then what was skipped.
    pub fn table(&self) -> String {
        let width = self.counts.iter().map(|count| count.name.chars().count()).max().unwrap_or(0);
        let mut table = format!("{:width$}  {:>14}  {:14}  floor\n", "count", "value", "unit");
        for count in &self.counts {
            let (value, floor) = (count.in_digits(), count.floor_in_words());
            let _ = writeln!(table, "{:width$}  {value:>14}  {:14}  {floor}", count.name, count.unit);
        }
        for skipped in &self.skipped {
            let _ = writeln!(table, "SKIPPED: {skipped}");
        }
        table
    }

    /// What differs from `before` by more than the floor of either, in both directions, and what only one of them has.
    pub fn changes(&self, before: &Self) -> Vec<Change> {
        let name = |of: &Self| of.counts.iter().map(|count| count.name.clone()).collect::<Vec<_>>();
        let mut names = name(before);
        names.extend(name(self).into_iter().filter(|name| before.named(name).is_none()));
        names
            .into_iter()
            .map(|name| Change { before: before.named(&name).cloned(), now: self.named(&name).cloned(), name })
            .filter(Change::shows)
            .collect()
    }

    fn named(&self, name: &str) -> Option<&Count> {
        self.counts.iter().find(|count| count.name == name)
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// As [`store::write`].
    pub fn write(&self, path: &Path) -> Result<(), StoreError> {
        store::write_as(self, path)
    }

    /// Reads a file of counts.
    ///
    /// # Errors
    /// As [`store::read`].
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        store::read_as(SCHEMA, path)
    }
}

/// A count in two builds.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Of what.
    pub name: String,
    /// Before; `None` if it was not counted.
    pub before: Option<Count>,
    /// Now.
    pub now: Option<Count>,
}

impl Change {
    fn shows(&self) -> bool {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => (now.value - before.value).abs() > before.range.max(now.range),
            _ => true,
        }
    }

    /// Whether there is more of it: of all that is counted less is better.
    pub fn is_more(&self) -> bool {
        matches!((&self.before, &self.now), (Some(before), Some(now)) if now.value > before.value)
    }
}

/// In a line: `echo-64/server/allocations: 2 → 3 allocations (+50%)`.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.before, &self.now) {
            (Some(before), Some(now)) => {
                let percent = 100.0 * (now.value / before.value - 1.0);
                let (old, new, unit) = (before.in_digits(), now.in_digits(), &now.unit);
                write!(f, "{}: {old} → {new} {unit}", self.name)?;
                if percent.is_finite() { write!(f, " ({percent:+.2}%)") } else { Ok(()) }
            }
            (None, Some(_)) => write!(f, "{}: was not counted before", self.name),
            (_, None) => write!(f, "{}: was not counted now", self.name),
        }
    }
}

/// JSON Schema, draft 2020-12, of a file of counts; the same as the committed `results/schema/wssbench.counts-2.json`.
pub fn schema() -> serde_json::Value {
    wss_model::schema::of_file::<Counts>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_the_median_and_the_floor_all_that_lies_between() {
        let count = Count::of("a", "b", &[10.0, 13.0, 11.0]);
        assert_eq!((count.value, count.range, count.repeats), (11.0, 3.0, 3));
        assert_eq!(Count::of("a", "b", &[10.0, 13.0, 11.0, 12.0]).value, 11.5);
        assert_eq!(Count::of("a", "b", &[7.0; 5]).range, 0.0);
    }

    #[test]
    fn the_table_has_a_line_a_count_and_says_what_was_skipped() {
        let exact = Count::of("echo-64/server/instructions", "instructions", &[7.0; 5]);
        let spread = Count::of("short", "bytes", &[99.0, 100.0, 101.0]);
        let table = Counts::new(vec![exact, spread], vec!["there is no strace".to_owned()]).table();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), 4, "{table}");
        assert!(lines[1].starts_with("echo-64/server/instructions ") && lines[1].ends_with("exact"), "{table}");
        assert!(lines[2].ends_with("2.00 (2.00%)"), "{table}");
        assert_eq!(lines[3], "SKIPPED: there is no strace");
    }

    #[test]
    fn a_file_reads_back_and_has_the_form_that_its_schema_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.json");
        let counts = Counts::new(vec![Count::of("a", "bytes", &[1.0, 1.0])], Vec::new());
        counts.write(&path).unwrap();
        assert_eq!(Counts::read(&path).unwrap(), counts);
        let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(jsonschema::validator_for(&schema()).unwrap().is_valid(&written), "{written}");
    }

    #[test]
    fn the_committed_schema_is_the_one_of_the_types() {
        wss_model::schema::assert_committed("wssbench.counts-2.json", &schema());
    }

    #[test]
    fn a_change_is_what_lies_further_apart_than_either_floor() {
        let counts = |each: &[(&str, &[f64])]| {
            Counts::new(each.iter().map(|(name, repeats)| Count::of(*name, "bytes", repeats)).collect(), Vec::new())
        };
        let before = counts(&[("exact", &[7.0; 5]), ("same", &[7.0; 5]), ("rough", &[90.0, 100.0]), ("gone", &[1.0])]);
        let now = counts(&[("exact", &[8.0; 5]), ("same", &[7.0; 5]), ("rough", &[105.0, 105.0]), ("new", &[1.0])]);
        let told = |changes: &[Change]| changes.iter().map(Change::to_string).collect::<Vec<_>>();
        let changes = now.changes(&before);
        let said = ["exact: 7 → 8 bytes (+14.29%)", "gone: was not counted now", "new: was not counted before"];
        assert_eq!(told(&changes), said);
        assert_eq!(changes.iter().map(Change::is_more).collect::<Vec<_>>(), [true, false, false]);
        assert_eq!(told(&before.changes(&now))[0], "exact: 8 → 7 bytes (-12.50%)");
        assert!(now.changes(&now).is_empty());
    }
}
