//! What every WebSocket server must be: measurable in both modes over each of its layers, resumable, comparable, and done
//! with each connection in a way that it calls clean itself ([`Subject::assert_measurable`]).

use std::time::{Duration, Instant};

use serde::Deserialize;
use wss_analysis::metric::Metric;
use wss_analysis::sweep::SweepResult;
use wss_analysis::trial::WorkloadResult;
use wss_model::RunResult;
use wss_model::run_result::{Ending, EndingCount};
use wss_model::store;

use crate::common::{BOUND, Ended, assert_no_errors, assert_only_disturbed, run, wssbench};

/// Loads of both modes: an open and a closed loop of handshakes, and messages.
const LOADS: [&[&str]; 3] = [
    &["--mode", "handshake", "--connect-rate", "100/s", "--duration", "300ms", "--warmup", "0s"],
    &["--mode", "handshake", "--connect-rate", "max", "--duration", "500ms", "--warmup", "0s"],
    &["--connections", "100", "--connect-rate", "max", "--rate", "500/s", "--duration", "400ms", "--warmup", "0s"],
];
/// Opens 200 connections, uses and closes them, in the warm-up and again.
const TWO_WAVES: [&str; 8] =
    ["--connections=200", "--connect-rate", "max", "--rate", "2k/s", "--duration=100ms", "--warmup", "50ms"];
/// Runs of [`TWO_WAVES`].
const WAVE_RUNS: usize = 3;
/// Handshakes whose kind matters.
const BRIEF: [&str; 9] = [
    "--mode",
    "handshake",
    "--connect-rate=max",
    "--connect-concurrency=8",
    "--duration",
    "200ms",
    "--warmup",
    "0s",
    "--no-first-echo",
];

/// How a server saw its connections end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Closes {
    /// With Close frames of code 1000 in both directions.
    pub(crate) clean: u64,
    pub(crate) unclean: u64,
    /// One that was not clean.
    pub(crate) example: String,
}

impl Closes {
    /// What a server answers to a request that is not an upgrade.
    pub(crate) fn of_server(ws: &str) -> Self {
        let http = ws.replacen("ws://", "http://", 1);
        let mut response = ureq::get(http).call().unwrap();
        serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap()
    }
}

/// A server under test.
pub(crate) struct Subject {
    pub(crate) wss: String,
    pub(crate) ws: String,
    /// The path of the CA of its certificate.
    pub(crate) ca: String,
    /// `None` if it is this process.
    pub(crate) pid: Option<u32>,
    /// The share of TLS 1.3 handshakes that can resume, as for `--resume`.
    pub(crate) resumes: &'static str,
}

impl Subject {
    /// Measures it in every way. Nothing fails, and every connection ends cleanly for both ends.
    pub(crate) fn assert_measurable(&self, closes: impl Fn() -> Closes) {
        let mut ended = 0;
        for url in [&self.wss, &self.ws] {
            for load in LOADS {
                ended += assert_all_clean(&self.run(url, load));
            }
        }
        ended += self.assert_resumes("1.2", "100%") + self.assert_resumes("1.3", self.resumes);
        for _ in 0..WAVE_RUNS {
            let result = self.run(&self.wss, &TWO_WAVES);
            assert_eq!((result.handshake.completed, assert_all_clean(&result)), (200, 400));
            ended += 400;
        }
        await_closes(ended, &closes);
        self.assert_sweep_fills_its_table();
        let left = closes();
        assert_eq!(left.unclean, 0, "{left:?}");
    }

    fn arguments(&self, url: &str) -> Vec<String> {
        let mut arguments = vec![url.to_owned()];
        if url.starts_with("wss://") {
            arguments.extend(["--ca".to_owned(), self.ca.clone()]);
        }
        arguments.extend(self.pid.map(|pid| format!("--server-pid={pid}")));
        arguments
    }

    fn run(&self, url: &str, load: &[&str]) -> RunResult {
        let arguments = self.arguments(url);
        let result = run(&[&arguments.iter().map(String::as_str).collect::<Vec<_>>(), load].concat()).result();
        assert_no_errors(&result);
        assert_eq!(result.server.is_some(), self.pid.is_some());
        result
    }

    /// Full handshakes for the sessions, then the share resumes. Returns the connections.
    fn assert_resumes(&self, version: &str, share: &str) -> u64 {
        let result = self.handshakes(&["--resume", share, "--tls", version]);
        assert_no_errors(&result);
        let version = format!("TLSv{version}");
        assert!(result.negotiated.iter().all(|count| count.negotiated.version == version), "{:?}", result.negotiated);
        let resumption = result.resumption.as_ref().unwrap();
        // Half of an odd number.
        let tolerance = if share == "100%" { 0.0 } else { 5.0 };
        let off = resumption.achieved_percent - resumption.requested_percent;
        assert!(off.abs() <= tolerance, "{resumption:?}");
        assert_all_clean(&result)
    }

    /// A few handshakes over `wss://`, which may fail.
    pub(crate) fn handshakes(&self, options: &[&str]) -> RunResult {
        let target = self.arguments(&self.wss);
        let target: Vec<&str> = target.iter().map(String::as_str).collect();
        run(&[&target[..], &BRIEF, options].concat()).result()
    }

    /// Compares the versions of TLS: every trial has every figure.
    fn assert_sweep_fills_its_table(&self) {
        let target = self.arguments(&self.wss);
        let target: Vec<&str> = target.iter().map(String::as_str).collect();
        let options = ["--tls=1.2,1.3", "--workloads=handshake,echo", "--trial=400ms", "--blocks=1"];
        let ended = compare(&[&["sweep", "--interleave=off", "--out=sweep.json"], &target[..], &options].concat());
        let sweep: SweepResult = store::read(&ended.folder.path().join("sweep.json")).unwrap();
        assert_eq!(ended.code(), Some(if sweep.valid { 0 } else { 3 }), "{ended}");
        assert!(ended.stdout.contains("1.2") && ended.stdout.contains("1.3"), "{ended}");
        let trials = &sweep.blocks[0].trials;
        assert_eq!(trials.len(), 3);
        for trial in trials {
            for workload in &trial.workloads {
                assert!(!workload.failed, "{ended}\n{:?}", workload.invalid_because);
                assert_only_disturbed(&workload.invalid_because);
            }
            // The third one repeats the first.
            let version = if trial.configuration == 2 { "TLSv1.3" } else { "TLSv1.2" };
            let [only] = &trial.workloads[0].negotiated[..] else { panic!("{trial:?}") };
            assert_eq!(only.negotiated.version, version);
            let mut metrics = vec![
                Metric::HandshakesPerS,
                Metric::HandshakeP50Us,
                Metric::ClientCpuHandshakeUs,
                Metric::EchoesPerS,
                Metric::EchoP50Us,
                Metric::ClientCpuMessageUs,
            ];
            if self.pid.is_some() {
                metrics.extend([Metric::ServerCpuHandshakeUs, Metric::ServerCpuMessageUs, Metric::EchoServerRssBytes]);
            }
            // Also of a trial that the machine made invalid.
            assert_figures(&trial.workloads, &metrics);
        }
    }
}

/// Runs a comparison: three attempts, if the machine was so busy that a trial made no handshake.
pub(crate) fn compare(arguments: &[&str]) -> Ended {
    let made_none = |ended: &Ended| ended.stderr.contains("no handshake started before the end");
    (1..3).fold(wssbench(arguments), |ended, _| if made_none(&ended) { wssbench(arguments) } else { ended })
}

/// Asserts that a trial has these figures.
pub(crate) fn assert_figures(workloads: &[WorkloadResult], metrics: &[Metric]) {
    for metric in metrics {
        let figure = workloads.iter().find_map(|workload| *workload.metrics.get(metric)?);
        assert!(figure.is_some_and(|figure| figure > 0.0), "{metric:?} of {workloads:?}");
    }
}

/// Asserts that the server ended every connection cleanly; returns their number.
pub(crate) fn assert_all_clean(result: &RunResult) -> u64 {
    let [EndingCount { ending: Ending::Clean, count }] = result.endings[..] else {
        panic!("{}: {:?}", result.target.url, result.endings)
    };
    assert!(count >= result.handshake.completed);
    count
}

/// Waits until the server has seen this many connections end. None may have ended uncleanly.
fn await_closes(expected: u64, closes: impl Fn() -> Closes) {
    let deadline = Instant::now() + BOUND;
    loop {
        let seen = closes();
        assert_eq!(seen.unclean, 0, "{seen:?}");
        if seen.clean == expected {
            return;
        }
        assert!(seen.clean < expected && Instant::now() < deadline, "{seen:?}, but {expected} were closed");
        std::thread::sleep(Duration::from_millis(20));
    }
}
