//! `wssbench engines`: what this machine's kernel supports, as text and as JSON.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

use crate::common;

use std::process::{Command, Stdio};

use common::{ENGINES, left_out, wssbench};
use wss_model::engines_result::EnginesResult;
use wss_model::store::Stored as _;
use wss_model::{EngineChoice, EngineKind, RunResult};

fn as_json() -> EnginesResult {
    let ended = wssbench(&["engines", "--json"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert!(!ended.folder.path().join("results").exists(), "it must not write files");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"))
}

#[test]
fn every_engine_has_features_or_a_reason() {
    let result = as_json();
    let named: Vec<EngineKind> = result.engines.iter().map(|one| one.engine).collect();
    assert_eq!(named, EngineKind::ALL);
    assert_eq!(result.schema, EnginesResult::SCHEMA);
    assert_eq!(result.default, EngineKind::Uring);
    assert_eq!(result.kernel, std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim());
    for one in &result.engines {
        assert_eq!(
            (one.engine_features.is_some(), one.unavailable_because.is_some()),
            (one.available, !one.available),
            "{one:?}"
        );
        for feature in &one.features {
            assert!(!feature.name.is_empty() && !feature.since.is_empty() && !feature.reason.is_empty(), "{feature:?}");
            assert!(feature.supported || !feature.used, "used, and not offered: {feature:?}");
        }
    }
    let epoll = result.engines.last().unwrap();
    assert!(epoll.engine == EngineKind::Epoll && epoll.available, "{epoll:?}");
}

#[test]
fn the_json_matches_the_committed_schema() {
    let schema = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/schema/wssbench.engines-2.json");
    let schema: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let printed: serde_json::Value = serde_json::from_str(&wssbench(&["engines", "--json"]).stdout).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&printed).map(|error| error.to_string()).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn the_text_has_everything_that_the_json_has() {
    let ended = wssbench(&["engines"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    let (result, text) = (as_json(), &ended.stdout);
    assert_eq!(
        *text,
        wss_report::engines(&result, wss_report::Style::default()),
        "the text is made from the JSON alone"
    );
    assert!(text.starts_with(&format!("Linux {}\n", result.kernel)), "{ended}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{ended}");
    // However it is wrapped.
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, one) in ENGINES.iter().map(|name| (name, result.engines.iter().find(|one| one.engine.name() == *name))) {
        let one = one.unwrap_or_else(|| panic!("no {name}"));
        let said = one.engine_features.as_ref().or(one.unavailable_because.as_ref()).unwrap();
        assert!(words.contains(said.split_whitespace().collect::<Vec<_>>().join(" ").as_str()), "{said}\n{ended}");
        for feature in &one.features {
            let answers = [feature.supported, feature.used].map(|yes| if yes { "yes" } else { "no" });
            let row: Vec<&str> = [&[feature.name.as_str(), feature.since.as_str()][..], &answers].concat();
            let is_row = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(&row.join(" "));
            assert!(text.lines().any(is_row), "{feature:?}\n{ended}");
        }
    }
}

#[test]
fn an_unknown_option_is_refused() {
    for arguments in [&["engines", "--speed"][..], &["engines", "uring"], &["engines", "--json=yes"]] {
        let ended = wssbench(arguments);
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{ended}");
        assert!(ended.stderr.contains("Usage: wssbench engines"), "{ended}");
    }
}

#[test]
fn without_io_uring_auto_is_epoll_and_uring_is_one_sentence() {
    // strace injects the answers that a container's filter, a sysctl or a limit cause.
    let traced = |error: &str, arguments: &[&str]| {
        let inject = format!("inject=io_uring_setup:error={error}");
        Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=io_uring_setup", "-e", &inject])
            .arg(env!("CARGO_BIN_EXE_wssbench"))
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .output()
    };
    if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
        return left_out("strace does not trace here");
    }
    for (error, says) in [("EPERM", "kernel.io_uring_disabled"), ("ENOMEM", "RLIMIT_MEMLOCK"), ("ENOSYS", "older than")]
    {
        for arguments in
            [&["run", "--duration=1s", "--engine=uring"][..], &["serve", "--listen=127.0.0.1:0", "--engine=uring"]]
        {
            let output = traced(error, arguments).unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let sentences: Vec<&str> = said.lines().filter(|line| line.starts_with("wss")).collect();
            assert_eq!(output.status.code(), Some(1), "{error} {arguments:?}: {said}");
            assert!(sentences.len() == 1 && sentences[0].contains(says), "{error} {arguments:?}: {said}");
            assert!(sentences[0].contains("--engine epoll") && !said.contains("panicked"), "{said}");
        }
        // Without a requested engine, the run uses epoll and says so.
        let run = ["run", "--json", "--duration=200ms", "--warmup=0s", "--connections=2", "--rate=100/s"];
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("result.json");
        let output = traced(error, &[&run[..], &["--out", out.to_str().unwrap()]].concat()).unwrap();
        let result: RunResult = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(result.config.engine, EngineChoice::Auto);
        for end in [&result.client, result.server.as_ref().unwrap()] {
            assert_eq!(end.engine, Some(EngineKind::Epoll), "{error}");
        }
        assert!(result.notes.iter().any(|note| note.starts_with("the engine is epoll, because")), "{:?}", result.notes);
    }
}
