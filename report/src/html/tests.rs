//! The page: complete, self-contained, and safe whatever a result contains.

use std::path::{Path, PathBuf};

use super::*;
use wss_analysis::comparison::Comparison;
use wss_analysis::comparison::fixtures::comparison;
use wss_analysis::history::fixtures::history;
use wss_analysis::sweep::fixtures::sweep;
use wss_analysis::sweep::{Configuration, SweepResult};
use wss_analysis::validity::fixtures::invalid_run;
use wss_model::failure::{ErrorKind, ErrorPhase};
use wss_model::fixtures::{closed_run, echo_run, error, handshake_run};
use wss_model::run_result::HandshakeResult;
use wss_model::store;

/// A folder with results.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn result<T: store::Stored>(&self, name: &str, result: &T) -> PathBuf {
        store::write(result, &self.path(name)).unwrap();
        self.path(name)
    }

    fn text(&self, name: &str, text: &str) -> PathBuf {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name)
    }
}

fn page(path: &Path) -> String {
    Report::read(&[path.to_owned()]).unwrap().html()
}

fn history_text(days: usize) -> String {
    history(days).iter().map(|entry| serde_json::to_string(entry).unwrap() + "\n").collect()
}

/// A sweep of `count` configurations with the figures of the fixture's.
fn large_sweep(count: usize, blocks: usize) -> SweepResult {
    let mut large = sweep(blocks);
    let small = large.clone();
    large.configurations = (1..=count)
        .map(|number| Configuration {
            number,
            label: format!("--suite=number{number}"),
            options: vec![format!("--suite=number{number}")],
            repeat_of: (number == count).then_some(1),
            ..small.configurations[(number - 1) % 4].clone()
        })
        .collect();
    for block in &mut large.blocks {
        let trials = block.trials.clone();
        block.order = (1..=count).collect();
        block.trials = (1..=count)
            .map(|number| {
                let like = trials.iter().find(|trial| trial.configuration == (number - 1) % 4 + 1).unwrap();
                wss_analysis::sweep::Trial { configuration: number, ..like.clone() }
            })
            .collect();
    }
    large.conclude();
    large
}

/// The results of every kind, in a folder.
fn all_kinds(folder: &Folder) -> Vec<PathBuf> {
    vec![
        folder.result("echo.json", &echo_run()),
        folder.result("handshake.json", &handshake_run()),
        folder.result("closed.json", &closed_run()),
        folder.result("invalid.json", &invalid_run()),
        folder.result("tour.sweep.json", &sweep(12)),
        folder.result("ab.comparison.json", &comparison(12, 1.05)),
        folder.text("history.jsonl", &history_text(40)),
    ]
}

#[test]
fn every_kind_has_answer_verdict_figures_and_methods() {
    let folder = Folder::new();
    for path in all_kinds(&folder) {
        let page = page(&path);
        let name = path.display();
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{name}");
        assert_eq!(page.matches("<h1").count(), 1, "{name}");
        assert!(page.contains("class=\"answer\"") && page.contains("class=\"verdict "), "{name}");
        assert!(page.matches("<figure ").count() >= 2, "{name}");
        assert!(page.contains("How it was measured"), "{name}");
        for figure in page.split("<figure ").skip(1) {
            assert!(figure.contains("<figcaption>") && figure.contains("<details class=\"data\">"), "{name}");
            assert!(figure.contains("class=\"wide\"") && figure.contains("class=\"narrow\""), "{name}");
        }
    }
}

#[test]
fn answers_state_the_finding() {
    let folder = Folder::new();
    let answer = |path: &Path| {
        let page = page(path);
        let (_, rest) = page.split_once("<h1 class=\"answer\">").unwrap();
        rest.split_once("</h1>").unwrap().0.to_owned()
    };
    let run = answer(&folder.result("run.json", &echo_run()));
    let costs = "A TLSv1.3 handshake with X25519MLKEM768 costs the server 801 µs of CPU, a message 21.3 µs, and a response takes ";
    assert!(run.starts_with(costs) && run.ends_with(" at p99."), "{run}");
    let ab = answer(&folder.result("ab.json", &comparison(12, 1.09)));
    assert!(
        ab.starts_with("B has 9") && ab.contains("more server CPU time per handshake than A, which is worse"),
        "{ab}"
    );
    let sweep = answer(&folder.result("sweep.json", &sweep(12)));
    assert!(sweep.contains(" the server CPU time per handshake of 1.3 AES-128-GCM"), "{sweep}");
    let history = answer(&folder.text("history.jsonl", &history_text(40)));
    assert!(history.contains("worse since 2026-03-15"), "{history}");
}

#[test]
fn nothing_is_loaded_from_anywhere() {
    let folder = Folder::new();
    for path in all_kinds(&folder) {
        let page = page(&path);
        for tag in ["<link", "<img", "<iframe", "<object", "<embed", "@import", "url(", "src=", "<base", "<form"] {
            assert!(!page.contains(tag), "{}: {tag}", path.display());
        }
        for attribute in ["href=\"http", "href=\"//", "xlink:"] {
            assert!(!page.contains(attribute), "{}: {attribute}", path.display());
        }
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains(" style=\""), "the policy has no room for style attributes");
    }
}

#[test]
fn both_themes_have_rules() {
    let folder = Folder::new();
    let page = page(&folder.result("run.json", &echo_run()));
    for rule in
        ["@media (prefers-color-scheme:dark){:root:not([data-theme=light])", ":root[data-theme=dark]{", "@media print"]
    {
        assert!(page.contains(rule), "{rule}");
    }
}

#[test]
fn ids_are_unique() {
    let folder = Folder::new();
    let page = Report::read(&all_kinds(&folder)).unwrap().html();
    let mut ids: Vec<&str> = page.split(" id=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn results_come_back_byte_for_byte() {
    let folder = Folder::new();
    let paths = all_kinds(&folder);
    let report = Report::read(&paths).unwrap();
    let page = folder.text("report.html", &report.html());
    let all = extract(&page, &[]).unwrap();
    assert_eq!(all.len(), paths.len());
    for (archived, path) in all.iter().zip(&paths) {
        assert_eq!(archived.name, path.file_name().unwrap().to_str().unwrap());
        assert_eq!(archived.bytes, std::fs::read(path).unwrap());
    }
    let one = extract(&page, &["tour.sweep.json".to_owned()]).unwrap();
    assert_eq!(one, [all[4].clone()]);
    let error = extract(&page, &["other".to_owned()]).unwrap_err().to_string();
    assert!(error.contains("no result named other; it has echo.json"), "{error}");
    assert!(matches!(extract(&paths[0], &[]), Err(ReportError::NotAReport { .. })));
}

#[test]
fn damage_and_hostile_names_are_found() {
    let folder = Folder::new();
    let text = page(&folder.result("run.json", &echo_run()));
    let (before, after) = text.split_once("data-sha256=\"").unwrap();
    let damaged = folder.text("damaged.html", &format!("{before}data-sha256=\"0{}", &after[1..]));
    assert!(matches!(extract(&damaged, &[]), Err(ReportError::Damaged { .. })) || after.starts_with('0'));
    for name in ["../../etc/passwd", "/etc/passwd", "..", "", "a b", "x\\y"] {
        let hostile =
            folder.text("hostile.html", &text.replace("data-name=\"run.json\"", &format!("data-name=\"{name}\"")));
        assert!(matches!(extract(&hostile, &[]), Err(ReportError::NotAReport { .. })), "{name}");
    }
}

#[test]
fn two_files_of_one_name_are_told_apart() {
    let folder = Folder::new();
    let one = folder.result("a/run.json", &echo_run());
    let other = folder.result("b/run.json", &handshake_run());
    let page = folder.text("report.html", &Report::read(&[one, other]).unwrap().html());
    let names: Vec<String> = extract(&page, &[]).unwrap().into_iter().map(|archived| archived.name).collect();
    assert_eq!(names, ["run.json", "2-run.json"]);
}

#[test]
fn hostile_content_comes_out_as_text() {
    let folder = Folder::new();
    let attack = format!(
        "</script></svg><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;\u{0}\u{7}{}",
        "x".repeat(10_000)
    );
    let mut run = echo_run();
    run.target.url = format!("wss://localhost/{attack}");
    run.id = attack.clone();
    run.notes = vec![attack.clone()];
    run.negotiated[0].negotiated.group = attack.clone();
    run.environment.cpu_model = attack.clone();
    run.tool.git_commit = Some(attack.clone());
    run.errors = vec![error(ErrorPhase::Tls, ErrorKind::Protocol, 3)];
    run.errors[0].example = attack.clone();
    let mut swept = sweep(12);
    for configuration in &mut swept.configurations {
        configuration.label = attack.clone();
        configuration.options = vec![format!("--header={attack}{}", configuration.number)];
    }
    swept.conclude();
    let mut compared = comparison(12, 1.05);
    compared.a.label = attack.clone();
    compared.blocks[0].dropped_because = Some(attack.clone());
    let history = history_text(40).replace("\"head\"", &serde_json::to_string(&attack).unwrap());
    let paths = [
        folder.result("run<&>\"'.json", &run),
        folder.result("sweep.json", &swept),
        folder.result("ab.json", &compared),
        folder.text("history.jsonl", &history),
    ];
    for path in &paths {
        let page = page(path);
        let scripts = 1 + page.matches("<script type=\"application/x-wssbench-result\"").count();
        assert_eq!(page.matches("<script").count(), scripts, "{}", path.display());
        assert!(!page.contains("<img") && !page.contains("onerror=alert(2)>\""), "{}", path.display());
        assert!(page.contains("&lt;/script&gt;") || path.ends_with("history.jsonl"), "{}", path.display());
        assert!(!page.contains(&"x".repeat(2_000)), "{}: text without end", path.display());
        assert!(page.len() < 1_000_000, "{}", page.len());
        let report = Report::read(std::slice::from_ref(path)).unwrap();
        assert!(report.svg().iter().all(|file| !String::from_utf8_lossy(&file.bytes).contains("<script")));
        // The images show that the SVG is well formed, too.
        assert!(report.png().is_ok_and(|files| !files.is_empty()), "{}", path.display());
    }
}

#[test]
fn a_sweep_of_50_configurations_is_under_a_megabyte() {
    let folder = Folder::new();
    let path = folder.result("large.sweep.json", &large_sweep(50, 12));
    let page = page(&path);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    let rows =
        page.split("class=\"sortable\"").nth(1).unwrap().split("</tbody>").next().unwrap().matches("<tr>").count();
    assert_eq!(rows, 51, "one per configuration, and the head");
}

#[test]
fn what_cannot_be_shown_has_a_page_that_says_so() {
    let folder = Folder::new();
    let whole = store::json(&echo_run()).unwrap();
    for (name, text, expected) in [
        ("later.json", whole.replace("wssbench.run/2", "wssbench.run/3"), "This wssbench reads wssbench.run/2."),
        ("short.json", whole[..whole.len() / 2].to_owned(), "The file ends too early."),
        ("edited.json", whole.replace("\"valid\": true", "\"valid\": false"), "its digest does not match"),
        ("other.json", "{\"schema\": \"wssbench.run/2\", \"id\": 3}".to_owned(), "is not a valid wssbench.run/2 file"),
    ] {
        let path = folder.text(name, &text);
        let report = Report::read(std::slice::from_ref(&path)).unwrap();
        let html = report.html();
        assert!(html.contains(expected) && html.contains("Not valid"), "{name}: {}", &html[html.len() / 2..]);
        assert!(report.svg().is_empty() && report.notes().len() == 1);
        let page = folder.text("report.html", &html);
        assert_eq!(extract(&page, &[]).unwrap()[0].bytes, text.as_bytes());
    }
}

#[test]
fn a_run_in_which_nothing_completed_says_so() {
    let folder = Folder::new();
    let mut run = handshake_run();
    run.handshake = HandshakeResult { planned: 100, started: 100, failed: 100, ..HandshakeResult::default() };
    (run.series, run.negotiated, run.valid) = (vec![], vec![], false);
    run.errors = vec![error(ErrorPhase::Connect, ErrorKind::Refused, 100)];
    let html = page(&folder.result("run.json", &run));
    assert!(html.contains("Nothing was measured: no connection was completed."));
    assert!(html.contains("No handshake completed") && html.contains("Not valid") && !html.contains("<figure "));
    assert!(html.contains("Errors"));
    let mut empty = sweep(12);
    empty.blocks.clear();
    empty.conclude();
    assert!(page(&folder.result("sweep.json", &empty)).contains("Nothing was compared"));
    let mut empty = comparison(12, 1.0);
    empty.blocks.clear();
    empty.conclude();
    assert!(page(&folder.result("ab.json", &empty)).contains("Nothing was compared"));
}

#[test]
fn rejects_what_is_no_result() {
    let folder = Folder::new();
    for text in ["", "hello", "{}", "[1, 2]", "{\"schema\": \"other/1\"}", "<html></html>"] {
        let path = folder.text("file", text);
        assert!(matches!(Report::read(&[path]), Err(ReportError::NotAResult { .. })), "{text}");
    }
    let gate = folder.text("gate.json", "{\"schema\": \"wssbench.gate/2\"}");
    assert!(matches!(Report::read(&[gate]), Err(ReportError::UnsupportedKind { .. })));
    assert!(matches!(Report::read(&[folder.path("missing")]), Err(ReportError::Store(_))));
    let run = folder.result("run.json", &echo_run());
    let limit = |count: usize| Report::read(&vec![run.clone(); count]);
    assert!(limit(8).is_ok());
    assert!(matches!(limit(9), Err(ReportError::TooMany { kind: "runs", limit: 8, .. })));
    assert!(matches!(limit(17), Err(ReportError::TooMany { kind: "results", .. })));
}

#[test]
fn several_runs_are_drawn_over_each_other() {
    let folder = Folder::new();
    let mut faster = echo_run();
    faster.echo.as_mut().unwrap().response = wss_model::fixtures::latency(61_000.0, 90_000);
    let paths = [folder.result("aes.json", &echo_run()), folder.result("chacha.json", &faster)];
    let html = Report::read(&paths).unwrap().html();
    let (_, curve) = html.split_once("id=\"echo-percentiles\"").unwrap();
    let curve = curve.split_once("</figure>").unwrap().0;
    assert!(curve.contains(">aes</text>") && curve.contains(">chacha</text>"));
    assert!(html.contains("id=\"1-echo-over-time\"") && html.contains("id=\"2-echo-over-time\""));
    assert_eq!(html.matches("<h1").count(), 1);
}

#[test]
fn comparisons_read_from_disk_have_all_their_blocks() {
    let folder = Folder::new();
    let compared: Comparison = comparison(9, 1.02);
    let html = page(&folder.result("ab.json", &compared));
    let (_, blocks) = html.split_once("id=\"blocks-server-cpu-handshake-us\"").unwrap();
    let wide = blocks.split_once("class=\"wide\"").unwrap().1.split_once("</svg>").unwrap().0;
    assert_eq!(wide.matches("<g class=\"m\">").count(), 9);
}
