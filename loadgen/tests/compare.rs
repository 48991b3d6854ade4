//! `ab`, `compare` and `gate` as commands: blocks, files, errors and exit codes.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use common::peer::{Authority, nobody};
use common::{BOUND, CLOSED, Ended, SHORT, left_out, run, start, start_in, wssbench};
use tempfile::TempDir;
use wss_analysis::comparison::{ArmLabel, Comparison, Kind};
use wss_analysis::metric::Metric;
use wss_analysis::workload::{MetricSet, Schedule, schedule};
use wss_model::{HumanDuration, ReasonCode, RunResult, store};

/// Very short trials.
const TINY: [&str; 4] = ["--trial=200ms", "--workloads=handshake,echo", "--json", "--blocks=2"];

/// A place to measure in. Each comparison runs a server and a generator or two; with more than two at a time, trials as short
/// as these would be empty.
fn place() -> MutexGuard<'static, ()> {
    static PLACES: [Mutex<()>; 2] = [Mutex::new(()), Mutex::new(())];
    loop {
        for place in &PLACES {
            match place.try_lock() {
                Ok(guard) => return guard,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn ab(arguments: &[&str]) -> (Ended, Comparison) {
    let ended = start(&[&["ab"], &TINY[..], arguments].concat()).end_within(BOUND);
    let comparison = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"));
    (ended, comparison)
}

/// CPU time per handshake in each trial of one arm, including dropped blocks.
fn handshake_us(comparison: &Comparison, arm: ArmLabel) -> Vec<f64> {
    let trials = comparison.blocks.iter().flat_map(|block| &block.trials).filter(|trial| trial.arm == arm);
    let metric = Metric::ServerCpuHandshakeUs;
    trials.filter_map(|trial| trial.workloads[0].metrics.get(&metric).copied().flatten()).collect()
}

/// The output of a command that exits with `code`.
fn says(folder: &TempDir, code: i32, arguments: &[&str]) -> String {
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let ended = start_in(inside, arguments).end_within(BOUND);
    assert_eq!(ended.code(), Some(code), "{arguments:?}\n{ended}");
    format!("{}{}", ended.stdout, ended.stderr)
}

fn path(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_block_has_four_trials_and_the_file_equals_the_output() {
    let _place = place();
    let (ended, comparison) =
        ab(&["--interleave=off", "--a=--group X25519", "--b=--group secp256r1", "--", "--suite", "chacha20"]);
    assert_eq!(ended.code(), Some(if comparison.valid { 0 } else { 3 }), "{ended}");
    let file = std::fs::read_dir(ended.folder.path().join("results/runs")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(store::read::<Comparison>(&file).unwrap(), comparison);
    assert_eq!((comparison.kind, comparison.blocks.len()), (Kind::Ab, 2));
    let orders: Vec<String> =
        comparison.blocks.iter().map(|block| block.order.iter().map(ArmLabel::to_string).collect()).collect();
    assert!(orders == ["ABBA", "BAAB"] || orders == ["BAAB", "ABBA"], "{orders:?}");
    for block in &comparison.blocks {
        assert!(block.is_complete() && block.disturbance.is_some());
        assert!(block.trials.iter().all(|trial| trial.control_loop_ns.is_some_and(|ns| ns > 0.0)));
    }
    for (arm, group) in [(ArmLabel::A, "X25519"), (ArmLabel::B, "secp256r1")] {
        let arm = comparison.arm(arm);
        assert_eq!((arm.negotiated.len(), arm.negotiated[0].group.as_str()), (1, group));
        assert!(arm.negotiated[0].suite.contains("CHACHA20") && arm.programs[0].tool.is_some());
    }
    assert_eq!(handshake_us(&comparison, ArmLabel::A).len(), 4);
    // The machine may have disturbed a block, which is then dropped; two are too few for an interval in any case.
    let mut ratios = comparison.analysis.metrics.iter().filter_map(|figure| figure.ratio.as_ref());
    assert!(ratios.all(|ratio| ratio.interval.is_none()));
}

#[test]
fn compares_a_program_with_its_copy_and_alternates_several() {
    let _place = place();
    let program = env!("CARGO_BIN_EXE_wssbench");
    let (_, comparison) = ab(&["--aa", "--a", program, "--blocks=1"]);
    assert_eq!(comparison.kind, Kind::Aa);
    assert!(comparison.b.label.ends_with("a copy") && comparison.a.label == "debug/wssbench", "{comparison:?}");
    let (_, comparison) = ab(&["--a", &format!("{program},{program}"), "--b=--engine epoll"]);
    let of_a = comparison.blocks.iter().flat_map(|block| &block.trials).filter(|trial| trial.arm == ArmLabel::A);
    assert_eq!(of_a.map(|trial| trial.program).collect::<Vec<_>>(), [0, 1, 0, 1]);
}

#[test]
fn finds_cpu_time_that_is_wasted_on_every_handshake() {
    let _place = place();
    // All handshakes that are in flight at once take less than the trial.
    let (ended, comparison) = ab(&["--a=--burn-cpu 0s", "--b=--burn-cpu 4ms", "--trial=600ms", "--blocks=1"]);
    let (a, b) = (handshake_us(&comparison, ArmLabel::A), handshake_us(&comparison, ArmLabel::B));
    let most = a.iter().copied().fold(0.0, f64::max);
    assert!(b.iter().all(|wasteful| wasteful - most > 2_000.0), "{a:?} {b:?}\n{ended}");
    assert!(
        wssbench(&["run", "--burn-cpu=1ms", "ws://127.0.0.1:1/"])
            .refusal()
            .contains("--burn-cpu applies only to the embedded")
    );
}

#[test]
fn an_interrupted_comparison_keeps_its_blocks() {
    interrupt_in_the_second_block(&["--interleave=off"]);
}

#[test]
fn an_interrupted_interleaved_comparison_keeps_its_blocks() {
    interrupt_in_the_second_block(&["--interleave=20ms"]);
}

#[test]
fn cpu_time_is_interleaved_by_default() {
    let _place = place();
    let (ended, comparison) = ab(&["--a=--group X25519", "--b=--group secp256r1", "--blocks=1"]);
    let slice = comparison.interleave.expect("closed loops of the embedded server are interleaved");
    let expected = [(MetricSet::CpuTime, false), (MetricSet::CpuTime, false)];
    let rest = [(MetricSet::AllButCpuTime, true), (MetricSet::AllButCpuTime, true)];
    let found: Vec<_> = comparison.workloads.iter().map(|one| (one.metrics, one.sequential)).collect();
    assert_eq!(found, [expected, rest].concat(), "{ended}");
    assert_eq!(schedule(&comparison.workloads, Some(slice)), Schedule::Both(slice));
    for trial in comparison.blocks.iter().flat_map(|block| &block.trials) {
        let has = |index: usize, metric| trial.workloads[index].metrics.contains_key(&metric);
        assert!(has(0, Metric::ServerCpuHandshakeUs) && !has(2, Metric::ServerCpuHandshakeUs), "{trial:?}");
        assert!(!has(1, Metric::EchoP50Us) && has(3, Metric::EchoP50Us), "{trial:?}");
    }
}

fn interrupt_in_the_second_block(more: &[&str]) {
    let _place = place();
    let usual = ["ab", "--a=--group X25519", "--b=--group secp256r1", "--trial=200ms", "--blocks=50", "--json"];
    let mut running = start(&[&usual[..], more].concat());
    let deadline = Instant::now() + BOUND;
    while !running.said("block 2 of 50") {
        assert!(!running.has_ended() && Instant::now() < deadline, "the second block did not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal("-INT");
    let ended = running.end_within(BOUND);
    assert_eq!(ended.code(), Some(3), "{ended}");
    let comparison: Comparison = serde_json::from_str(&ended.stdout).unwrap();
    assert!(comparison.interrupted && comparison.blocks[0].is_complete());
    assert!(comparison.invalid_because[0].text.contains("interrupted after"), "{:?}", comparison.invalid_because);
}

#[test]
fn interleaved_trials_have_all_metrics_and_find_wasted_cpu_time() {
    let _place = place();
    let (ended, comparison) =
        ab(&["--a=--burn-cpu 0s", "--b=--burn-cpu 4ms", "--interleave=40ms", "--trial=600ms", "--blocks=1"]);
    assert_eq!(comparison.interleave, Some(HumanDuration(Duration::from_millis(40))), "{ended}");
    for block in &comparison.blocks {
        assert_eq!((block.trials.len(), block.is_complete()), (4, true));
        for trial in &block.trials {
            let has =
                |workload: usize, metric| trial.workloads[workload].metrics.get(&metric).copied().flatten().is_some();
            assert!(has(0, Metric::HandshakeP50Us) && has(1, Metric::ServerCpuMessageUs), "{trial:?}");
        }
    }
    let (a, b) = (handshake_us(&comparison, ArmLabel::A), handshake_us(&comparison, ArmLabel::B));
    let most = a.iter().copied().fold(0.0, f64::max);
    assert!(b.iter().all(|wasteful| wasteful - most > 2_000.0), "{a:?} {b:?}\n{ended}");
}

#[test]
fn a_planned_rate_applies_to_the_slices_of_the_run() {
    let _place = place();
    let arguments =
        ["ab", "--a=--group X25519", "--b=--group secp256r1", "--interleave", "--trial=300ms", "--blocks=1"];
    let rate = ["--workloads=paced", "--json", "--", "--rate=1000/s", "--connections=4"];
    let ended = start(&[&arguments[..], &rate[..]].concat()).end_within(BOUND);
    let comparison: Comparison = serde_json::from_str(&ended.stdout).unwrap();
    for workload in comparison.blocks[0].trials.iter().flat_map(|trial| &trial.workloads) {
        // The generator may be late on this machine, but it sends what was planned, in the planned time.
        assert!(workload.valid || workload.disturbed, "{workload:?}");
        assert!(
            !workload.invalid_because.iter().any(|reason| reason.code == ReasonCode::RateNotAchieved),
            "{workload:?}"
        );
    }
}

#[test]
fn a_run_that_fails_ends_the_runs_that_wait_for_it() {
    let _place = place();
    let refusal = |arguments: &[&str]| wssbench(&[&["ab", "--trial=200ms"], arguments].concat()).refusal();
    // The reason is that of the run that failed, not of those that waited for it.
    let sentence = refusal(&["--interleave", "--a=--engine epoll", "--b=--server-cpus 999"]);
    assert!(sentence.contains("B --server-cpus 999: the workload handshake failed: "), "{sentence}");
    assert!(
        refusal(&["--interleave", "--a=/bin/true", "--b=--engine epoll"]).contains("the workload handshake failed")
    );
    let sentence = refusal(&["--a=--engine epoll", "--b=--engine uring", "--interleave=1h"]);
    assert!(sentence.contains("--interleave") && sentence.contains("longer than"), "{sentence}");
    let short = wssbench(&["ab", "--a=--engine epoll", "--b=--engine uring", "--interleave=10us"]);
    assert!(short.code() == Some(1) && short.stderr.contains("expected at least 1ms"), "{short}");
    // A run whose standard input ends does not wait either.
    let alone = wssbench(&["run", "--time-slice=1/2:20ms", "--connections=1", "--connect-rate=max", "--warmup=1ms"]);
    assert_eq!(alone.code(), Some(1), "{alone}");
    assert!(alone.stderr.contains("no time slices were assigned"), "{alone}");
}

#[test]
fn rejects_arms_and_options_that_cannot_be_compared() {
    let refusal = |arguments: &[&str]| wssbench(&[&["ab"], arguments].concat()).refusal();
    assert!(refusal(&["--a=--engine epoll", "--b=--engine epoll"]).contains("are the same"));
    assert!(refusal(&["--a=/nowhere/wssbench", "--b=--engine epoll"]).contains("/nowhere/wssbench"));
    assert!(refusal(&["--a=Cargo.toml,x", "--b=--engine epoll"]).contains("--a: "));
    assert!(refusal(&["--a=--engine epoll", "--b=--engine 'uring"]).contains("quotation mark"));
    assert!(refusal(&["--a=--engine epoll", "--b=--engine uring", "--blocks=0"]).contains("--blocks is 0"));
    assert!(refusal(&["--a=--engine epoll", "--b=--engine uring", "--trial=0s"]).contains("--trial is 0"));
    assert!(
        refusal(&["--a=--engine epoll", "--b=--engine uring", "--until-width=2%", "--blocks=3"])
            .contains("at least 7 blocks")
    );
    // An error of the runs themselves names the arm, and comes at once.
    let sentence = refusal(&["--a=--engine epoll", "--b=--engine warp", "--trial=200ms"]);
    assert!(sentence.contains("B --engine warp: the workload handshake failed: invalid value 'warp'"), "{sentence}");
    let sentence = refusal(&["--a=--suite aes129", "--b=--engine epoll", "--trial=200ms"]);
    assert!(sentence.contains("A --suite aes129: ") && sentence.contains("invalid value 'aes129'"), "{sentence}");
    let sentence = refusal(&["--a=/bin/true", "--b=/bin/false", "--trial=200ms"]);
    assert!(sentence.contains("the workload handshake failed: no result"), "{sentence}");
}

#[test]
fn compares_existing_results_of_the_same_configuration() {
    let _place = place();
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = path(&folder, name);
        let usual =
            ["run", "--connections=5", "--connect-rate=max", "--rate=200/s", "--duration=300ms", "--warmup=1ms"];
        let ended = start_in(
            tempfile::tempdir_in(folder.path()).unwrap(),
            &[&usual[..], &["--out", text(&out)], more].concat(),
        )
        .end_within(BOUND);
        assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
        out
    };
    let (one, two) = (run("one.json", &[]), run("two.json", &["--seed=2"]));
    let other = run("other.json", &["--group=secp256r1", "--size=100B"]);
    let same = path(&folder, "same.comparison.json");
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let ended = start_in(inside, &["compare", text(&one), text(&two), "--out", text(&same)]).end_within(BOUND);
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    let comparison = store::read::<Comparison>(&same).unwrap();
    assert_eq!((comparison.kind, comparison.blocks.len()), (Kind::Files, 1));
    // Handshakes and messages both, valid or not on this machine.
    let trials = &comparison.blocks[0].trials;
    assert!(
        trials.iter().all(|trial| trial.run_id.is_some() && trial.workloads[1].metrics[&Metric::EchoP50Us].is_some())
    );

    let refused = says(&folder, 4, &["compare", text(&one), text(&other)]);
    for field in ["config.size: A \"64B\", B \"100B\"", "config.tls.group", "negotiated: "] {
        assert!(refused.contains(field), "{refused}");
    }
    let varied =
        says(&folder, 4, &["compare", text(&one), text(&other), "--vary=config.tls.group", "--vary", "negotiated"]);
    assert!(varied.contains("config.size") && !varied.contains("config.tls"), "{varied}");
    let forced = path(&folder, "forced.json");
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let ended = start_in(inside, &["compare", text(&one), text(&other), "--force", "--out", text(&forced)]);
    assert!(ended.end_within(BOUND).stdout.contains("FORCED"));

    // The result lists the differences that were allowed.
    let meant = path(&folder, "meant.json");
    let fields = ["--vary=config.tls.group", "--vary=config.size", "--vary=negotiated"];
    let compare = ["compare", text(&one), text(&other), "--out", text(&meant)];
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let printed = start_in(inside, &[&compare[..], &fields].concat()).end_within(BOUND).stdout;
    assert!(printed.contains("varied: config.size: A \"64B\", B \"100B\""), "{printed}");
    let meant = store::read::<Comparison>(&meant).unwrap();
    assert!(meant.varied.iter().any(|one| one.field == "config.tls.group") && meant.differences.is_empty());
    // The result has the options, by which a history forms its series.
    assert!(
        meant.a.options.contains(&"--connections=5".to_owned()) && meant.b.options.contains(&"--size=100B".to_owned())
    );

    assert!(says(&folder, 1, &["compare", text(&one), text(&two), text(&other)]).contains("cannot pair 3 files"));
    let twice = ["compare", text(&one), text(&one), text(&two), text(&two)];
    assert!(says(&folder, 1, &twice).contains("is the same run as"));
    let onto = ["compare", text(&one), text(&two), "--out", text(&one)];
    assert!(says(&folder, 1, &onto).contains("refusing to overwrite the input"));
    let onto = ["export", text(&one), "--format=csv", "--out", text(&one)];
    assert!(says(&folder, 1, &onto).contains("refusing to overwrite the input"));
    store::read::<RunResult>(&one).unwrap();
    assert!(says(&folder, 1, &["compare", text(&one), text(&same)]).contains("expected wssbench.run/2"));
    let policy = path(&folder, "perf.toml");
    std::fs::write(&policy, "[metrics.echo_p50_us]\nthreshold = \"2%\"\n").unwrap();
    let gate = ["gate", text(&forced), "--policy", text(&policy)];
    assert!(says(&folder, 4, &gate).contains("\nNOT COMPARABLE: "));
}

/// A server in Python with its certificate, in a folder of its own; `None` where there is no Python.
fn python_server(authority: &Authority) -> Option<String> {
    if Command::new("python3").arg("--version").output().is_err() {
        left_out("python3 is not installed");
        return None;
    }
    let certificate = authority.folder().join("server.pem");
    let key = authority.folder().join("server.key");
    authority.write_files(&certificate, &key);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/custom-target/server.py");
    let port = nobody().port();
    Some(format!("python3 {} {} {} {port}", script.display(), certificate.display(), key.display()))
}

#[test]
fn compares_any_server_that_prints_where_it_listens() {
    let _place = place();
    let authority = Authority::new("localhost");
    let Some(server) = python_server(&authority) else { return };
    let (ca, folder) = (authority.ca_argument(), tempfile::tempdir().unwrap());
    let out = path(&folder, "servers.json");
    let arm = format!("--a=--server '{server}' --ca {ca}");
    let usual = ["ab", "--workloads=handshake,echo", "--trial=300ms", "--blocks=1", "--out", text(&out)];
    let ended = wssbench(&[&usual[..], &[&arm, "--b="]].concat());
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    let comparison = store::read::<Comparison>(&out).unwrap();
    assert_eq!(comparison.b.label, "defaults");
    for trial in &comparison.blocks[0].trials {
        let metric = |workload: usize, metric| trial.workloads[workload].metrics[&metric];
        assert!(!trial.workloads.iter().any(|workload| workload.failed), "{trial:?}");
        assert!(metric(0, Metric::ServerCpuHandshakeUs).is_some_and(|us| us > 0.0), "{trial:?}");
        assert!(metric(1, Metric::EchoServerRssBytes).is_some_and(|bytes| bytes > 1e6), "{trial:?}");
    }
    let result = run(&[&["--server", &server, "--ca", &ca, "--connections=2"], &CLOSED[..], &SHORT].concat()).result();
    assert_eq!((result.target.command.as_deref(), result.target.embedded), (Some(server.as_str()), false));
    let end = result.server.unwrap();
    assert!(end.engine.is_none() && end.cpus.is_some() && end.cpu_utilization > 0.0, "{end:?}");
    assert!(result.echo.unwrap().server_cpu_ns.is_some_and(|ns| ns > 0.0));
}

#[test]
fn reports_a_server_that_does_not_listen() {
    let _place = place();
    let refusal = |arguments: &[&str]| wssbench(&[&["run"], arguments].concat()).refusal();
    assert!(refusal(&["--server", "/nowhere/server"]).contains("cannot start the server `/nowhere/server`"));
    let sentence = refusal(&["--server", "sh -c 'echo no certificate >&2; exit 3'"]);
    assert!(sentence.contains("exited with code 3 before it listened: no certificate"), "{sentence}");
    let url = format!("ws://{}/", nobody());
    let sentence = refusal(&["--server", "true", "--at", &url]);
    assert!(sentence.contains("exited with code 0 before it listened"), "{sentence}");
    assert!(refusal(&["--server", "true", "--server-engine=epoll"]).contains("--server-engine"));
}

#[test]
fn files_that_differ_only_in_the_load_are_two_configurations() {
    let _place = place();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, size: &str| {
        let file = path(&folder, name);
        std::fs::write(&file, format!("size = \"{size}\"\n")).unwrap();
        file
    };
    let (a, b) = (file("a.toml", "64B"), file("b.toml", "16KiB"));
    let out = path(&folder, "sizes.json");
    let ended = wssbench(&[
        "ab",
        "--a",
        text(&a),
        "--b",
        text(&b),
        "--workloads=echo",
        "--trial=200ms",
        "--blocks=1",
        "--out",
        text(&out),
    ]);
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    let comparison = store::read::<Comparison>(&out).unwrap();
    assert_eq!(
        (&comparison.a.options[..], &comparison.b.options[..]),
        (&["--size=64B".to_owned()][..], &["--size=16KiB".to_owned()][..])
    );
}

#[test]
fn the_exit_code_of_gate_is_its_verdict() {
    let _place = place();
    let folder = tempfile::tempdir().unwrap();
    let (_, mut found) = ab(&["--a=--group X25519", "--b=--group secp256r1"]);
    // The blocks of a real comparison with figures of our own: what a gate says must not depend on this machine.
    let block = found.blocks[0].clone();
    let result = |found: &mut Comparison, factor: f64, blocks: usize| {
        found.blocks_planned = blocks;
        found.blocks = (1..=blocks).map(|number| wss_analysis::comparison::Block { number, ..block.clone() }).collect();
        for (index, trial) in found.blocks.iter_mut().flat_map(|block| &mut block.trials).enumerate() {
            trial.control_loop_ns = None;
            for workload in &mut trial.workloads {
                (workload.valid, workload.disturbed) = (true, false);
                let cost = if trial.arm == ArmLabel::B { factor } else { 1.0 };
                workload
                    .metrics
                    .values_mut()
                    .for_each(|value| *value = Some(cost * (1.0 + 0.001 * (index % 7) as f64)));
            }
        }
        found.blocks.iter_mut().for_each(|block| block.disturbance = None);
        found.conclude();
        let out = path(&folder, &format!("by{}-{blocks}.comparison.json", (100.0 * factor) as u32));
        store::write(found, &out).unwrap();
        out
    };
    let (worse, same, few) = (result(&mut found, 1.2, 8), result(&mut found, 1.0, 8), result(&mut found, 1.2, 3));
    let policy = path(&folder, "perf.toml");
    std::fs::write(&policy, "threshold = \"2%\"\n[metrics.server_cpu_handshake_us]\n[metrics.echo_p50_us]\n").unwrap();
    let policy = text(&policy);
    assert!(says(&folder, 2, &["gate", text(&worse), "--policy", policy]).contains("\nREGRESSION: "));
    assert!(says(&folder, 0, &["gate", text(&same), "--policy", policy]).contains("\nPASS: "));
    assert!(says(&folder, 3, &["gate", text(&few), "--policy", policy]).contains("\nINCONCLUSIVE: "));
    says(&folder, 0, &["gate", text(&few), "--policy", policy, "--allow-inconclusive"]);
    let both = says(&folder, 2, &["gate", text(&worse), text(&same), "--policy", policy, "--md"]);
    assert!(both.starts_with("### wssbench: REGRESSION: by120-8: ") && both.contains("<details>"), "{both}");
    let json = says(&folder, 2, &["gate", text(&worse), "--policy", policy, "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["outcome"], "regression");

    // Errors in the policy and in results.
    let wrong = path(&folder, "wrong.toml");
    std::fs::write(&wrong, "[metrics.echo_p51_us]\nthreshold = \"2%\"\n").unwrap();
    let sentence = says(&folder, 1, &["gate", text(&same), "--policy", text(&wrong)]);
    assert!(sentence.contains("`echo_p51_us`; did you mean `echo_p50_us`?"), "{sentence}");
    assert!(says(&folder, 1, &["gate", text(&same), "--policy", "nowhere.toml"]).contains("nowhere.toml"));
    let whole = std::fs::read_to_string(&same).unwrap();
    let cut = path(&folder, "cut.json");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    assert!(says(&folder, 1, &["gate", text(&cut), "--policy", policy]).contains("the file is truncated"));
    std::fs::write(&cut, whole.replace("wssbench.comparison/2", "wssbench.comparison/3")).unwrap();
    assert!(says(&folder, 1, &["gate", text(&cut), "--policy", policy]).contains("expected wssbench.comparison/2"));
}
