//! `sweep` as a command: blocks, files, interruption, resumption and errors.

// A panic is how a test fails.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use common::{BOUND, Ended, Running, assert_only_disturbed, start_in, wssbench};
use tempfile::TempDir;
use wss_analysis::metric::Metric;
use wss_analysis::sweep::SweepResult;
use wss_analysis::workload::Workload;
use wss_model::store;

/// Two configurations and the first one again, with very short trials, one after the other.
const TINY: [&str; 7] =
    ["sweep", "--layer", "tcp,tls", "--trial", "400ms", "--workloads=handshake,echo", "--interleave=off"];

fn start(arguments: &[&str]) -> Running {
    common::start(arguments)
}

/// The only file that it wrote.
fn file(folder: &TempDir) -> PathBuf {
    let runs = std::fs::read_dir(folder.path().join("results/runs")).unwrap();
    let files: Vec<PathBuf> = runs.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// Asserts that the exit code is that of the result, and that only the machine can have made it invalid.
fn assert_exit_code(ended: &Ended, sweep: &SweepResult) {
    assert_eq!(ended.code(), Some(if sweep.valid { 0 } else { 3 }), "{ended}");
    for workload in sweep.blocks.iter().flat_map(|block| &block.trials).flat_map(|trial| &trial.workloads) {
        assert!(!workload.failed, "{:?}", workload.invalid_because);
        assert_only_disturbed(&workload.invalid_because);
    }
}

/// Runs a sweep until its trials are valid: three attempts, since a busy machine makes some invalid.
fn undisturbed(attempt: impl Fn() -> (Ended, SweepResult)) -> (Ended, SweepResult) {
    let _alone = RUNNING.write().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..2 {
        let (ended, sweep) = attempt();
        let trials = || sweep.blocks.iter().flat_map(|block| &block.trials);
        if trials()
            .all(|trial| trial.workloads.iter().all(|workload| workload.failed || workload.invalid_because.is_empty()))
        {
            return (ended, sweep);
        }
    }
    attempt()
}

/// Held for writing by a test whose trials have to be valid, and for reading by the others, which would disturb it.
static RUNNING: RwLock<()> = RwLock::new(());

fn beside_others() -> RwLockReadGuard<'static, ()> {
    RUNNING.read().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until a sweep prints `words`, so that a signal hits a known trial.
fn wait_for(running: &mut Running, words: &str) {
    let deadline = Instant::now() + BOUND;
    while !running.said(words) {
        assert!(!running.has_ended() && Instant::now() < deadline, "it never printed {words}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The child processes of a process.
fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()).collect()
}

#[test]
fn compares_two_layers_in_two_blocks() {
    let (ended, sweep) = undisturbed(|| {
        let ended = start(&[&TINY[..], &["--blocks", "2", "--json"]].concat()).end_within(BOUND);
        let sweep = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}\n{ended}"));
        (ended, sweep)
    });
    assert_exit_code(&ended, &sweep);
    assert_eq!(store::read::<SweepResult>(&file(&ended.folder)).unwrap(), sweep);
    assert!(file(&ended.folder).to_str().unwrap().ends_with(".sweep.json"));

    assert_eq!((sweep.blocks.len(), sweep.blocks_planned, sweep.reference), (2, 2, 1));
    assert_eq!(sweep.configurations.iter().map(|one| one.repeat_of).collect::<Vec<_>>(), [None, None, Some(1)]);
    for block in &sweep.blocks {
        let mut order = block.order.clone();
        order.sort_unstable();
        assert_eq!(order, [1, 2, 3]);
        assert_eq!(block.trials.iter().map(|trial| trial.configuration).collect::<Vec<_>>(), block.order);
    }
    for trial in sweep.blocks.iter().flat_map(|block| &block.trials) {
        assert_eq!(
            trial.workloads.iter().map(|workload| workload.kind).collect::<Vec<_>>(),
            [Workload::Handshake, Workload::Echo]
        );
        let figures: Vec<f64> =
            trial.workloads.iter().flat_map(|workload| workload.metrics.values().flatten()).copied().collect();
        assert!(figures.len() >= 8 && figures.iter().all(|figure| *figure >= 0.0), "{figures:?}");
        assert_eq!(trial.workloads[0].negotiated.is_empty(), trial.configuration != 2);
    }
    let tls = sweep.analysis.summary(2).unwrap();
    assert_eq!(tls.negotiated[0].version, "TLSv1.3");
    assert_eq!(tls.security.map(|security| security.bits), Some(128));
    assert!(tls.metrics[&Metric::HandshakeSentBytes].median > 100.0);
}

#[test]
fn an_interrupted_sweep_is_kept_and_resumed() {
    let _beside = beside_others();
    let mut running = start(&[&TINY[..], &["--blocks", "2"]].concat());
    // This is in the second block.
    wait_for(&mut running, "trial 5 of 6");
    running.signal("-INT");
    let ended = running.end_within(BOUND);
    assert_eq!(ended.code(), Some(3), "{ended}");
    assert!(
        ended.stdout.contains("INVALID: the sweep is partial.")
            && ended.stdout.contains("interrupted after 1 of 2 blocks"),
        "{ended}"
    );
    let path = file(&ended.folder);
    let partial = store::read::<SweepResult>(&path).unwrap();
    assert!(partial.interrupted && !partial.valid && partial.complete_blocks() == 1);

    // Other options cannot resume it.
    let name = path.to_str().unwrap().to_owned();
    let other = wssbench(&["sweep", "--layer", "ws,tls", "--resume-from", &name]).refusal();
    assert!(other.contains("was made with other configurations"), "{other}");
    let other = wssbench(&["sweep", "--resume-from", &name, "--trial", "1s"]).refusal();
    assert!(other.contains("remove them"), "{other}");

    // Resumed in the same folder, with one more block than planned.
    let ended = start_in(ended.folder, &["sweep", "--resume-from", &name, "--blocks", "3"]).end_within(BOUND);
    let whole = store::read::<SweepResult>(&file(&ended.folder)).unwrap();
    assert_exit_code(&ended, &whole);
    assert!(ended.stdout.contains("in 3 of 3 blocks"), "{ended}");
    assert_eq!((&whole.id, whole.blocks.len(), whole.complete_blocks()), (&partial.id, 3, 3));
    assert_eq!(whole.blocks[0], partial.blocks[0]);
    assert!(!whole.interrupted);
}

#[test]
fn prints_the_ratio_of_any_two_configurations() {
    let (ended, sweep) = undisturbed(|| {
        let ended = start(&[&TINY[..], &["--blocks=2", "--ratio=2/3"]].concat()).end_within(BOUND);
        let sweep = store::read(&file(&ended.folder)).unwrap();
        (ended, sweep)
    });
    assert_exit_code(&ended, &sweep);
    assert!(ended.stdout.contains("Ratio 2 (tls) ÷ 3 (tcp): "), "{ended}");
    let path = file(&ended.folder).to_str().unwrap().to_owned();
    let both = "1:client_cpu_message_us/1:server_cpu_message_us";
    let again = wssbench(&["sweep", "--from", &path, "--ratio", "2/1", "--ratio", both]);
    // A trial that the machine disturbed is in no ratio.
    let both_valid = sweep.blocks.iter().filter(|block| {
        block.trials.iter().filter(|trial| [1, 2].contains(&trial.configuration)).all(|trial| trial.valid)
    });
    let blocks = match both_valid.count() {
        1 => "1 block)".to_owned(),
        many => format!("{many} blocks)"),
    };
    assert!(again.stdout.contains("\n  server_cpu_message_us  ") && again.stdout.contains(&blocks), "{again}");
    assert!(again.stdout.contains("client_cpu_message_us ÷ server_cpu_message_us"), "{again}");
    let refused = wssbench(&["sweep", "--from", &path, "--ratio", "2/9"]);
    assert!(refused.refusal().contains("configuration 9 does not exist; the numbers are 1 to 3"), "{refused}");
}

#[test]
fn interleaves_the_configurations_of_a_block() {
    let _beside = beside_others();
    let ended = start(&[&TINY[..6], &["--blocks=2", "--interleave=10ms"]].concat()).end_within(BOUND);
    let sweep = store::read::<SweepResult>(&file(&ended.folder)).unwrap();
    assert_exit_code(&ended, &sweep);
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    assert!(words.join(" ").contains("at the same time, in time slices of 10ms"), "{ended}");
    assert_eq!(
        (sweep.interleave.map(|turns| turns.to_string()), sweep.complete_blocks()),
        (Some("10ms".to_owned()), 2)
    );
    for trial in sweep.blocks.iter().flat_map(|block| &block.trials) {
        for metric in [Metric::ServerCpuHandshakeUs, Metric::ServerCpuMessageUs] {
            assert!(trial.metric(metric).is_some_and(|us| us > 0.0) || !trial.valid, "{trial:?}");
        }
    }
    let refused = wssbench(&["sweep", "--layer=tcp,tls", "--interleave", "--trial-handshakes=5"]);
    assert!(refused.code() == Some(1) && refused.stderr.contains("cannot be used with"), "{refused}");
}

#[test]
fn a_signal_in_the_first_trial_ends_its_processes() {
    a_signal_ends_all_processes(1, &["--interleave=off"]);
}

#[test]
fn a_signal_ends_the_processes_of_all_interleaved_trials() {
    a_signal_ends_all_processes(3, &["--interleave"]);
}

fn a_signal_ends_all_processes(trials: usize, more: &[&str]) {
    let _beside = beside_others();
    let usual = ["sweep", "--layer", "ws,tcp", "--workloads", "echo", "--trial", "60s"];
    let mut running = start(&[&usual[..], more].concat());
    wait_for(&mut running, "trial 1 of");
    let deadline = Instant::now() + BOUND;
    let processes = loop {
        let runs = children(running.pid());
        let servers: Vec<u32> = runs.iter().flat_map(|run| children(*run)).collect();
        if (runs.len(), servers.len()) == (trials, trials) {
            break [runs, servers].concat();
        }
        assert!(Instant::now() < deadline, "no trials");
        std::thread::sleep(Duration::from_millis(5));
    };
    running.signal("-TERM");
    let ended = running.end_within(BOUND);
    assert_eq!(ended.code(), Some(3), "{ended}");
    // A server whose run ended before it handled signals reads the end of its input, which may take a moment.
    let lives = |pid: &&u32| Path::new(&format!("/proc/{pid}/stat")).exists();
    while let Some(left) = processes.iter().find(lives) {
        assert!(Instant::now() < deadline, "{left} of {processes:?} is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(ended.stdout.contains("interrupted after 0 of 12 blocks"), "{ended}");
    assert!(store::read::<SweepResult>(&file(&ended.folder)).unwrap().blocks.is_empty());
}

#[test]
fn reports_a_failed_trial_and_runs_the_others() {
    let allowed = wss_wire::machine::allowed_cpus().unwrap();
    let cpu = allowed.first().unwrap().to_string();
    let arguments = ["sweep", "--layer", "ws", "--server-cpus", &cpu, "--server-cpus", "999"];
    let more = ["--blocks", "1", "--trial", "100ms", "--workloads", "echo", "--out", "here.json"];
    let (ended, sweep) = undisturbed(|| {
        let ended = wssbench(&[&arguments[..], &more].concat());
        let sweep: SweepResult = store::read(&ended.folder.path().join("here.json")).unwrap();
        (ended, sweep)
    });
    assert_eq!(ended.code(), Some(3), "{ended}");
    assert!(ended.stdout.contains("CPU 999 is not available to this process"), "{ended}");
    assert!(ended.stdout.contains("trials without a result: 1 of 3"), "{ended}");
    assert!(ended.stdout.ends_with("result: here.json\n"), "{ended}");
    let summary = |number| sweep.analysis.summary(number).unwrap();
    assert_eq!((summary(1).trials_valid, summary(2).trials_valid, summary(2).trials), (1, 0, 1));
    assert!(summary(1).metrics.contains_key(&Metric::EchoP50Us) && summary(2).metrics.is_empty());
}

#[test]
fn makes_a_fixed_number_of_handshakes_and_prints_csv_and_markdown() {
    let _beside = beside_others();
    let arguments =
        ["sweep", "--tls", "1.2,1.3", "--workloads", "handshake", "--trial-handshakes", "20", "--blocks", "1"];
    for (form, begins) in [("--md", "1 of 1 block; "), ("--csv", "number,configuration,")] {
        let ended = wssbench(&[&arguments[..], &[form]].concat());
        let sweep = store::read::<SweepResult>(&file(&ended.folder)).unwrap();
        assert_exit_code(&ended, &sweep);
        assert!(ended.stdout.starts_with(begins) || !sweep.valid, "{ended}");
        for trial in sweep.blocks.iter().flat_map(|block| &block.trials) {
            assert_eq!(trial.workloads[0].negotiated.iter().map(|sort| sort.count).sum::<u64>(), 20);
        }
    }
}

#[test]
fn lists_what_it_would_run() {
    let ended = wssbench(&["sweep", "--preset", "suites", "--list"]);
    assert_eq!(ended.code(), Some(0), "{ended}");
    assert_eq!(ended.stdout.matches("--suite=").count(), 10, "{ended}");
    assert!(ended.stdout.contains("12 blocks of 10 trials: about"), "{ended}");
    assert!(!ended.folder.path().join("results").exists());
}

/// Asserts an error before the first trial: exit code 1, nothing run and nothing written.
fn refused(arguments: &[&str], says: &[&str]) {
    let ended = wssbench(&[&["sweep"], arguments].concat());
    assert_eq!((ended.code(), ended.stdout.as_str()), (Some(1), ""), "{ended}");
    assert!(!ended.stderr.contains("trial 1 of") && !ended.folder.path().join("results").exists(), "{ended}");
    for workload in says {
        assert!(ended.stderr.contains(workload), "`{workload}` is not in: {ended}");
    }
}

#[test]
fn rejects_invalid_sweeps_before_the_first_trial() {
    let suites = ["TLS13_AES_128_GCM_SHA256", "similar value"];
    refused(&["--suite", "TLS13_AES_129_GCM_SHA256,aes256"], &suites);
    refused(&["--cert", "ecdsa-p265,rsa-2048"], &["did you mean ecdsa-p256?"]);
    refused(&["--preset", "suits"], &["suits", "similar value", "suites"]);
    refused(&["--suite", "rsa-aes128,rsa-aes256"], &["ecdsa-p256", "rsa-2048"]);
    refused(&["--engine", "epoll"], &["at least two configurations", "--preset"]);
    refused(&["--layer", "ws,tcp", "--blocks", "0"], &["--blocks is 0"]);
    refused(&["--layer", "ws,tcp", "--reference", "9"], &["the numbers are 1 to 2"]);
    refused(&["--layer", "ws,tcp", "--duration", "3s"], &["unexpected argument '--duration'"]);
    refused(&["--layer", "ws,tcp", "--json", "--csv"], &["cannot be used with"]);
    refused(&["--layer", "ws,tcp", "--out", "."], &[". is a directory"]);
    refused(&["--resume-from", "missing.json"], &["cannot read missing.json"]);
}

#[test]
fn rejects_a_file_that_is_not_a_sweep() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("run.json"), r#"{ "schema": "wssbench.run/2" }"#).unwrap();
    let ended = start_in(folder, &["sweep", "--resume-from", "run.json"]).end_within(BOUND);
    assert!(ended.refusal().contains("unsupported schema wssbench.run/2; expected wssbench.sweep/2"), "{ended}");
}
