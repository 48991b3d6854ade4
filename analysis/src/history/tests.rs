//! What becomes of a comparison, of a file that was torn, and of entries that do not belong together.

use std::fs;
use std::path::Path;

use super::fixtures::{entry, history};
use super::*;
use crate::comparison::Difference;
use crate::comparison::fixtures::comparison;
use wss_model::{Reason, ReasonCode};

#[test]
fn an_entry_has_the_ratios_of_the_comparison_with_their_intervals_and_no_times() {
    let comparison = comparison(12, 1.05);
    let entry = Entry::of(&comparison).unwrap();
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
fn what_is_no_comparison_of_a_candidate_with_a_reference_is_refused_with_its_reason() {
    let refused = |edit: fn(&mut Comparison)| {
        let mut comparison = comparison(12, 1.0);
        edit(&mut comparison);
        Entry::of(&comparison).unwrap_err().to_string()
    };
    let sentence = refused(|one| {
        (one.valid, one.invalid_because) =
            (false, vec![Reason::new(ReasonCode::GeneratorLate, "7 of 12 blocks were dropped")]);
    });
    assert!(sentence.ends_with("a history is of those that are: 7 of 12 blocks were dropped"), "{sentence}");
    assert!(refused(|one| one.kind = Kind::Aa).contains("with its own copy"));
    let difference = Difference { field: "config.tls.suite".to_owned(), a: String::new(), b: String::new() };
    let mut forced = comparison(12, 1.0);
    forced.differences = vec![difference];
    assert!(Entry::of(&forced).unwrap_err().to_string().contains("differ in config.tls.suite"));
    assert!(refused(|one| one.analysis.metrics.clear()).contains("it has no ratio"));
}

fn add(path: &Path, entry: &Entry) -> Added {
    append(path, entry).unwrap()
}

#[test]
fn what_was_added_reads_back_in_order_each_on_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/history.jsonl");
    let entries = history(3);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(add(&path, entry), Added { line: index + 1, after_torn: false });
    }
    assert_eq!(read(&path).unwrap(), History { entries, bad_lines: Vec::new() });
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("}\n") && text.lines().count() == 3, "{text}");
    assert!(!text.contains("_ns"), "ratios, never nanoseconds: {text}");
}

#[test]
fn a_torn_last_line_is_told_and_kept_and_the_next_begins_on_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let whole = serde_json::to_string(&entry(0, 1.0, 1.0)).unwrap();
    for cut in [1, whole.len() / 2, whole.len() - 1] {
        let torn = serde_json::to_string(&entry(1, 1.0, 1.0)).unwrap()[..cut].to_owned();
        fs::write(&path, format!("{whole}\n{torn}")).unwrap();
        let found = read(&path).unwrap();
        assert_eq!((found.entries.len(), found.bad_lines[0].number), (1, 2));
        assert!(found.bad_lines[0].reason.starts_with("it was torn: "), "{:?}", found.bad_lines);
        assert_eq!(add(&path, &entry(2, 1.0, 1.0)), Added { line: 3, after_torn: true });
        let found = read(&path).unwrap();
        assert_eq!((found.entries.len(), found.bad_lines.len(), found.bad_lines[0].number), (2, 1, 2));
        assert!(fs::read_to_string(&path).unwrap().starts_with(&format!("{whole}\n{torn}\n")), "it was overwritten");
    }
}

#[test]
fn a_last_line_that_lacks_only_its_end_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    fs::write(&path, serde_json::to_string(&entry(0, 1.0, 1.0)).unwrap()).unwrap();
    assert_eq!(read(&path).unwrap().entries.len(), 1);
    assert_eq!(add(&path, &entry(1, 1.0, 1.0)), Added { line: 2, after_torn: true });
    assert_eq!(read(&path).unwrap().entries.len(), 2);
}

#[test]
fn a_line_that_cannot_be_read_costs_none_of_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let [first, last] = [0, 1].map(|day| serde_json::to_string(&entry(day, 1.0, 1.0)).unwrap());
    let later = first.replace("wssbench.history/2", "wssbench.history/2");
    let edited = first.replace("\"metrics\"", "\"figures\"");
    let mut bytes = format!("{first}\nnot JSON\n\n{later}\n{edited}\n").into_bytes();
    bytes.extend(b"\xff\xfe\n");
    bytes.extend(format!("{last}\n").bytes());
    fs::write(&path, bytes).unwrap();
    let found = read(&path).unwrap();
    assert_eq!(found.entries.len(), 2);
    let told: Vec<(usize, &str)> = found.bad_lines.iter().map(|line| (line.number, line.reason.as_str())).collect();
    assert_eq!(told.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 4, 5, 6]);
    assert_eq!(told[1].1, "wssbench.history/2: this wssbench reads wssbench.history/2");
    assert!(told[2].1.contains("missing field `metrics`"), "{told:?}");
}

#[test]
fn a_field_that_a_later_version_added_is_no_reason_to_refuse_a_line() {
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
fn a_comparison_is_not_added_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    add(&path, &entry(0, 1.0, 1.0));
    add(&path, &entry(1, 1.0, 1.0));
    let before = fs::read(&path).unwrap();
    let sentence = append(&path, &entry(1, 1.1, 1.0)).unwrap_err().to_string();
    assert!(sentence.ends_with("comparison comparison-1 is in line 2 already"), "{sentence}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn many_that_add_at_once_tear_no_line_and_lose_none() {
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
fn whoever_holds_the_lock_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.jsonl");
    let holder = fs::File::create(&path).unwrap();
    holder.lock().unwrap();
    std::thread::scope(|scope| {
        let adding = scope.spawn(|| add(&path, &entry(0, 1.0, 1.0)));
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(
            !adding.is_finished() && fs::read(&path).unwrap().is_empty(),
            "it wrote into what another one has locked"
        );
        holder.unlock().unwrap();
        assert_eq!(adding.join().unwrap().line, 1);
    });
}

#[test]
fn what_is_no_file_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path(), Path::new("/dev/null")] {
        let sentence = append(path, &entry(0, 1.0, 1.0)).unwrap_err().to_string();
        assert!(sentence.contains("no file that lines can be added to"), "{sentence}");
    }
    let missing = folder.path().join("missing.jsonl");
    assert!(read(&missing).unwrap_err().to_string().contains("missing.jsonl: reading failed"));
    let number = append(&missing, &entry(0, f64::NAN, 1.0)).unwrap_err().to_string();
    assert!(number.contains("would not read back") && !missing.exists(), "{number}");
}

#[test]
fn another_machine_another_reference_and_another_configuration_are_each_a_series_of_their_own() {
    let mut entries = history(12);
    entries[3].environment.kernel = "6.19.0".to_owned();
    entries[5].reference.commit = Some("0000000".to_owned());
    entries[7].configuration = "handshake --suite=chacha20".to_owned();
    let found = series(&entries);
    assert_eq!(found.iter().map(|one| one.entries.len()).collect::<Vec<_>>(), [1, 1, 1, 9]);
    assert!(found[3].entries.iter().all(|entry| entry.reference == entries[0].reference));
}

#[test]
fn a_series_is_in_the_order_of_its_instants_however_it_was_added() {
    let mut entries = history(4);
    entries.reverse();
    let found = series(&entries);
    let days: Vec<&str> = found[0].entries.iter().map(|entry| entry.comparison_id.as_str()).collect();
    assert_eq!(days, ["comparison-0", "comparison-1", "comparison-2", "comparison-3"]);
}

#[test]
fn a_change_is_found_where_it_came_and_its_levels_are_ratios() {
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
fn the_committed_schema_is_the_one_of_the_types() {
    wss_model::schema::assert_committed("wssbench.history-2.json", &schema());
}

#[test]
fn a_line_is_what_the_schema_says() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for entry in [entry(0, 1.0, 1.0), Entry::of(&comparison(3, 1.0)).unwrap()] {
        assert!(validator.is_valid(&serde_json::to_value(entry).unwrap()));
    }
    assert!(!validator.is_valid(&serde_json::json!({ "schema": SCHEMA })));
}
