//! A deterministic signal: what was counted, of what, and how far two counts of the same thing lie apart.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use wss_results::statistics::median;

/// Names the form of a file of counts; a change that breaks readers changes the number.
pub const SCHEMA: &str = "wssbench.counts/1";

/// One signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Count {
    /// What of which side: `echo-64/server/instructions`.
    pub name: String,
    /// Of what the value is a number.
    pub unit: String,
    /// The median of the repeats.
    pub value: f64,
    /// The largest less the smallest of the repeats, in the same unit: what is nearer to each other says nothing. 0 if
    /// all repeats were equal.
    pub floor: f64,
    /// How often it was counted.
    pub repeats: usize,
}

/// A file of counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
        let floor = most.zip(least).map_or(f64::NAN, |(most, least)| most - least);
        Self { name: name.into(), unit: unit.to_owned(), value, floor, repeats: repeats.len() }
    }

    /// How much the floor is of the value, in words.
    fn floor_in_words(&self) -> String {
        match (self.repeats, self.floor, self.value) {
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
            // A number of whole things is written whole.
            let digits = if count.value.fract() == 0.0 { 0 } else { 2 };
            let (value, floor) = (count.value, count.floor_in_words());
            let _ = writeln!(table, "{:width$}  {value:>14.digits$}  {:14}  {floor}", count.name, count.unit);
        }
        for skipped in &self.skipped {
            let _ = writeln!(table, "SKIPPED: {skipped}");
        }
        table
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let writing = || format!("writing {}", path.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Readable as any other result: a temporary file is its owner's alone otherwise.
        let readable = std::fs::Permissions::from_mode(0o644);
        let mut file = tempfile::Builder::new().permissions(readable).tempfile_in(folder).with_context(writing)?;
        serde_json::to_writer_pretty(&mut file, self).with_context(writing)?;
        std::io::Write::write_all(&mut file, b"\n").with_context(writing)?;
        file.persist(path).with_context(writing)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_the_median_and_the_floor_all_that_lies_between() {
        let count = Count::of("a", "b", &[10.0, 13.0, 11.0]);
        assert_eq!((count.value, count.floor, count.repeats), (11.0, 3.0, 3));
        assert_eq!(Count::of("a", "b", &[10.0, 13.0, 11.0, 12.0]).value, 11.5);
        assert_eq!(Count::of("a", "b", &[7.0; 5]).floor, 0.0);
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
    fn the_file_has_the_form_that_its_schema_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("counts.json");
        let counts = Counts::new(vec![Count::of("a", "bytes", &[1.0, 1.0])], Vec::new());
        counts.write(&path).unwrap();
        let read: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(read["schema"], "wssbench.counts/1");
        let expected = serde_json::json!([{"name": "a", "unit": "bytes", "value": 1.0, "floor": 0.0, "repeats": 2}]);
        assert_eq!(read["counts"], expected);
    }
}
