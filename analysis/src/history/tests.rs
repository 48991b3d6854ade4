//! Entries made from comparisons, partial files, and series.

use std::fs;
use std::path::Path;

use super::fixtures::{entry, history};
use super::*;
use crate::comparison::fixtures::comparison;
use crate::comparison::{Comparison, Difference, Kind};
use wss_model::validity::{Reason, ReasonCode};

#[test]
fn an_entry_has_ratios_with_intervals_and_no_times() {
    let comparison = comparison(12, 1.05);
    let entry = Entry::from_comparison(&comparison).unwrap();
    assert_eq!((entry.candidate.label.as_str(), entry.reference.label.as_str()), ("head", "base"));
    assert_eq!(
        (entry.comparison_id.as_str(), entry.candidate.commit.as_deref()),
        (comparison.id.as_str(), Some("3146730"))
    );
    assert_eq!(entry.metrics.len(), comparison.analysis.metrics.len());
    for figure in &comparison.analysis.metrics {
        let (ratio, tracked) = (figure.ratio.as_ref().unwrap(), entry.metrics[figure.metric.name()]);
        let interval = ratio.interval.as_ref().unwrap();
        assert_eq!((tracked.center, tracked.blocks), (ratio.center, 12));
        assert_eq!((tracked.low, tracked.high), (Some(interval.low), Some(interval.high)));
    }
    assert!(entry.metrics.values().all(|ratio| (0.8..1.2).contains(&ratio.center)), "{:?}", entry.metrics);
}

#[test]
fn rejects_a_comparison_that_is_not_of_a_candidate_with_a_reference() {
    let refused = |edit: fn(&mut Comparison)| {
        let mut comparison = comparison(12, 1.0);
        edit(&mut comparison);
        Entry::from_comparison(&comparison).unwrap_err().to_string()
    };
    let sentence = refused(|one| {
        (one.valid, one.invalid_because) =
            (false, vec![Reason::new(ReasonCode::GeneratorLate, "7 of 12 blocks were dropped")]);
    });
    assert!(sentence.ends_with("add only valid ones (7 of 12 blocks were dropped)"), "{sentence}");
    assert!(refused(|one| one.kind = Kind::Aa).contains("with itself"));
    let difference = Difference { field: "config.tls.suite".to_owned(), a: String::new(), b: String::new() };
    let mut forced = comparison(12, 1.0);
    forced.differences = vec![difference];
    assert!(Entry::from_comparison(&forced).unwrap_err().to_string().contains("differ in config.tls.suite"));
    assert!(refused(|one| one.analysis.metrics.clear()).contains("has no ratio"));
}

fn add(path: &Path, entry: &Entry) -> Added {
    append(path, entry).unwrap()
}

#[test]
fn appended_entries_read_back_in_order_one_per_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/history.jsonl");
    let entries = history(3);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(add(&path, entry), Added { line: index + 1, after_partial: false });
    }
    assert_eq!(read(&path).unwrap(), History { entries, bad_lines: Vec::new() });
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("}\n") && text.lines().count() == 3, "{text}");
    assert!(!text.contains("_ns"), "ratios, never nanoseconds: {text}");
}

#[test]
fn a_partial_last_line_is_reported_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let whole = serde_json::to_string(&entry(0, 1.0, 1.0)).unwrap();
    for cut in [1, whole.len() / 2, whole.len() - 1] {
        let torn = serde_json::to_string(&entry(1, 1.0, 1.0)).unwrap()[..cut].to_owned();
        fs::write(&path, format!("{whole}\n{torn}")).unwrap();
        let found = read(&path).unwrap();
        assert_eq!((found.entries.len(), found.bad_lines[0].number), (1, 2));
        assert!(found.bad_lines[0].reason.starts_with("partial line: "), "{:?}", found.bad_lines);
        assert_eq!(add(&path, &entry(2, 1.0, 1.0)), Added { line: 3, after_partial: true });
        let found = read(&path).unwrap();
        assert_eq!((found.entries.len(), found.bad_lines.len(), found.bad_lines[0].number), (2, 1, 2));
        assert!(fs::read_to_string(&path).unwrap().starts_with(&format!("{whole}\n{torn}\n")), "it was overwritten");
    }
}

#[test]
fn a_last_line_without_a_newline_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    fs::write(&path, serde_json::to_string(&entry(0, 1.0, 1.0)).unwrap()).unwrap();
    assert_eq!(read(&path).unwrap().entries.len(), 1);
    assert_eq!(add(&path, &entry(1, 1.0, 1.0)), Added { line: 2, after_partial: true });
    assert_eq!(read(&path).unwrap().entries.len(), 2);
}

#[test]
fn an_unreadable_line_does_not_affect_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let [first, last] = [0, 1].map(|day| serde_json::to_string(&entry(day, 1.0, 1.0)).unwrap());
    let later = first.replace("wssbench.history/2", "wssbench.history/3");
    let edited = first.replace("\"metrics\"", "\"figures\"");
    let mut bytes = format!("{first}\nnot JSON\n\n{later}\n{edited}\n").into_bytes();
    bytes.extend(b"\xff\xfe\n");
    bytes.extend(format!("{last}\n").bytes());
    fs::write(&path, bytes).unwrap();
    let found = read(&path).unwrap();
    assert_eq!(found.entries.len(), 2);
    let bad: Vec<(usize, &str)> = found.bad_lines.iter().map(|line| (line.number, line.reason.as_str())).collect();
    assert_eq!(bad.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 4, 5, 6]);
    assert_eq!(bad[1].1, "unsupported schema wssbench.history/3; expected wssbench.history/2");
    assert!(bad[2].1.contains("missing field `metrics`"), "{bad:?}");
}

#[test]
fn a_merge_that_kept_both_sides_counts_a_comparison_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let [base, ours, theirs] = [0, 1, 2].map(|day| serde_json::to_string(&entry(day, 1.0, 1.0)).unwrap());
    let merged = format!("{base}\n<<<<<<< ours\n{base}\n{ours}\n=======\n{ours}\n{theirs}\n>>>>>>> theirs\n");
    fs::write(&path, merged).unwrap();
    let found = read(&path).unwrap();
    let ids: Vec<&str> = found.entries.iter().map(|entry| entry.comparison_id.as_str()).collect();
    assert_eq!(ids, ["comparison-0", "comparison-1", "comparison-2"]);
    assert_eq!(found.bad_lines.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 3, 5, 6, 8]);
    assert_eq!(found.bad_lines[1].reason, "the comparison comparison-0 is in line 1 already");
}

#[test]
fn an_unknown_field_of_a_later_version_is_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let mut json = serde_json::to_value(entry(0, 1.0, 1.0)).unwrap();
    json["metrics"]["a_metric_of_next_year"] =
        serde_json::json!({ "center": 1.0, "low": null, "high": null, "blocks": 3 });
    json["added_later"] = 1.into();
    fs::write(&path, json.to_string()).unwrap();
    assert_eq!(read(&path).unwrap().entries[0].metrics.len(), 3);
}

#[test]
fn a_comparison_is_added_only_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    add(&path, &entry(0, 1.0, 1.0));
    add(&path, &entry(1, 1.0, 1.0));
    let before = fs::read(&path).unwrap();
    let sentence = append(&path, &entry(1, 1.1, 1.0)).unwrap_err().to_string();
    assert!(sentence.ends_with("comparison comparison-1 is already in line 2; add each comparison once"), "{sentence}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn concurrent_appends_lose_no_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = &path;
            scope.spawn(move || (0..10).for_each(|day| _ = add(path, &entry(writer * 10 + day, 1.0, 1.0))));
        }
    });
    let found = read(&path).unwrap();
    assert_eq!((found.entries.len(), found.bad_lines.len()), (80, 0));
}

#[test]
fn appending_waits_for_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let holder = fs::File::create(&path).unwrap();
    holder.lock().unwrap();
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| add(&path, &entry(0, 1.0, 1.0)));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!adding.is_finished() && fs::read(&path).unwrap().is_empty(), "it wrote to a locked file");
        holder.unlock().unwrap();
        assert_eq!(adding.join().unwrap().line, 1);
    });
}

#[test]
fn rejects_a_path_that_is_not_a_regular_file() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path(), Path::new("/dev/null")] {
        let sentence = append(path, &entry(0, 1.0, 1.0)).unwrap_err().to_string();
        assert!(sentence.contains("not a regular file"), "{sentence}");
    }
    let missing = folder.path().join("missing.jsonl");
    assert_eq!(read(&missing).unwrap_err().to_string(), format!("cannot read {}", missing.display()));
    let number = append(&missing, &entry(0, f64::NAN, 1.0)).unwrap_err().to_string();
    assert!(number.contains("a number that JSON cannot represent") && !missing.exists(), "{number}");
}

#[test]
fn another_machine_reference_or_configuration_is_a_separate_series() {
    let mut entries = history(12);
    entries[3].environment.kernel = "6.19.0".to_owned();
    entries[5].reference.commit = Some("0000000".to_owned());
    entries[7].configuration = "handshake --suite=chacha20".to_owned();
    let found = series(&entries);
    assert_eq!(found.iter().map(|one| one.entries.len()).collect::<Vec<_>>(), [1, 1, 1, 9]);
    assert!(found[3].entries.iter().all(|entry| entry.reference == entries[0].reference));
}

#[test]
fn a_series_is_sorted_by_start_and_not_by_line() {
    let mut entries = history(4);
    entries.reverse();
    let found = series(&entries);
    let days: Vec<&str> = found[0].entries.iter().map(|entry| entry.comparison_id.as_str()).collect();
    assert_eq!(days, ["comparison-0", "comparison-1", "comparison-2", "comparison-3"]);
}

#[test]
fn a_change_is_detected_at_its_place_with_ratios_as_levels() {
    let entries = history(28);
    let trends = series(&entries)[0].trends();
    assert_eq!(trends.iter().map(|trend| trend.metric).collect::<Vec<_>>(), ["echo_p50_us", "server_cpu_handshake_us"]);
    let changes = trends[1].changes.as_ref().unwrap();
    assert_eq!(changes.iter().map(|change| change.index).collect::<Vec<_>>(), [14]);
    assert!((changes[0].before - 1.0).abs() < 0.005 && (changes[0].after - 1.05).abs() < 0.005, "{changes:?}");
    assert_eq!(trends[0].changes.as_ref().unwrap().len(), 0);
    let few = history(9);
    assert!(series(&few)[0].trends().iter().all(|trend| trend.changes.is_err()));
}

#[test]
fn the_committed_schema_matches_the_types() {
    wss_model::schema::assert_committed("wssbench.history-2.json", &wss_model::schema::of::<Entry>());
}

#[test]
fn an_entry_matches_the_schema() {
    let validator = jsonschema::validator_for(&wss_model::schema::of::<Entry>()).unwrap();
    for entry in [entry(0, 1.0, 1.0), Entry::from_comparison(&comparison(3, 1.0)).unwrap()] {
        assert!(validator.is_valid(&serde_json::to_value(entry).unwrap()));
    }
    assert!(!validator.is_valid(&serde_json::json!({ "schema": SCHEMA })));
}

#[test]
fn no_error_prints_its_cause_twice() {
    use std::error::Error as _;

    let path = || std::path::PathBuf::from("history.jsonl");
    let errors = [
        HistoryError::Io { path: path(), action: "read", source: std::io::Error::other("the cause") },
        HistoryError::Duplicate { path: path(), comparison: "x".to_owned(), line: 1 },
        HistoryError::Unwritable { path: path(), source: serde_json::from_str::<u8>("x").unwrap_err() },
        HistoryError::NotAFile { path: path() },
    ];
    for error in errors {
        let cause = error.source().map(ToString::to_string);
        let message = format!("{:#}", anyhow::Error::from(error));
        assert!(message.contains("history.jsonl"), "{message}");
        assert!(cause.is_none_or(|cause| message.matches(&cause).count() == 1), "{message}");
    }
}
