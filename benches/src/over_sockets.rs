//! System calls and ring operations of one scripted connection over sockets. Both ends are the real programs, with one
//! thread each.
//!
//! Each script runs twice, with few connections or messages and with many; the difference is divided by the difference in
//! their number, so that starting and ending the programs cancel out. The rate is low enough that nothing is batched.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use wss_model::ring_counters::RingCounters;
use wss_model::{EngineKind, RunResult};

use crate::end::End;
use crate::program;
use crate::strace::{self, Calls};
use crate::traced_server::TracedServer;
use wss_analysis::counts::Count;

/// Calls below this number per connection or message are not part of it: those of a timer, for example.
const CALLS_MIN: f64 = 0.1;

/// An operation over sockets: the options of a run that does it a few times, and of one that does it many times.
struct Script {
    name: &'static str,
    options: &'static [&'static str],
    few: &'static str,
    many: &'static str,
}

/// Connect, TLS, upgrade, close; and one message there and back.
const SCRIPTS: [Script; 2] = [
    Script {
        name: "connection",
        options: &["--mode=handshake", "--no-first-echo", "--connect-rate"],
        few: "40/s",
        many: "200/s",
    },
    Script { name: "message-64", options: &["--connections=1", "--rate"], few: "50/s", many: "250/s" },
];

/// A counter of a ring, with its name.
type RingCounter = (&'static str, fn(&RingCounters) -> u64);

const RING_COUNTERS: [RingCounter; 3] = [
    ("enters", |ring| ring.enters),
    ("submissions", |ring| ring.submissions),
    ("completions", |ring| ring.completions),
];

/// One run of a script: how many connections or messages it completed, and what was counted on each end.
struct ScriptRun<T> {
    completed: u64,
    server: T,
    client: T,
}

/// A run with few and a run with many.
type FewAndMany<T> = (ScriptRun<T>, ScriptRun<T>);

/// The command `wssbench`, which is counted.
pub struct Wssbench {
    /// Its path.
    path: PathBuf,
}

impl Wssbench {
    /// The one beside this program.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn find() -> anyhow::Result<Self> {
        Ok(Self { path: program::sibling("wssbench")? })
    }

    /// System calls per connection and per message, in total and by name, for each end.
    ///
    /// # Errors
    /// If a run fails or has errors.
    pub fn system_calls(&self, engine: EngineKind, repeats: usize) -> anyhow::Result<Vec<Count>> {
        let mut counts = Vec::new();
        for script in &SCRIPTS {
            let once = |_| Ok((self.traced(engine, script, script.few)?, self.traced(engine, script, script.many)?));
            let runs: Vec<FewAndMany<Calls>> = (0..repeats).map(once).collect::<anyhow::Result<_>>()?;
            for end in End::BOTH {
                let repeated = |calls: &dyn Fn(&Calls) -> u64| differences(&runs, |run| calls(run.of(end)));
                let name = format!("{}/{engine}/{}/syscalls", script.name, end.name());
                counts.push(Count::new(&name, "calls", &repeated(&|calls| calls.values().sum())));
                let names: BTreeSet<&String> = runs.iter().flat_map(|(_, many)| many.of(end).keys()).collect();
                let by_name = names.into_iter().map(|call| {
                    let calls = repeated(&|calls| calls.get(call).copied().unwrap_or(0));
                    Count::new(format!("{name}/{call}"), "calls", &calls)
                });
                counts.extend(by_name.filter(|count| count.value.abs() >= CALLS_MIN));
            }
        }
        Ok(counts)
    }

    /// Ring operations per connection and per message, for each end.
    ///
    /// # Errors
    /// If a run fails or has errors, or the engine does not count its ring operations.
    pub fn rings(&self, engine: EngineKind, repeats: usize) -> anyhow::Result<Vec<Count>> {
        let mut counts = Vec::new();
        for script in &SCRIPTS {
            let once =
                |_| Ok((self.embedded(engine, script, script.few)?, self.embedded(engine, script, script.many)?));
            let runs: Vec<FewAndMany<RingCounters>> = (0..repeats).map(once).collect::<anyhow::Result<_>>()?;
            for end in End::BOTH {
                for (counter, of) in RING_COUNTERS {
                    let name = format!("{}/{engine}/{}/{counter}", script.name, end.name());
                    counts.push(Count::new(name, counter, &differences(&runs, |run| of(run.of(end)))));
                }
            }
        }
        Ok(counts)
    }

    /// Runs a script with both ends under strace.
    fn traced(&self, engine: EngineKind, script: &Script, rate: &str) -> anyhow::Result<ScriptRun<Calls>> {
        let folder = tempfile::tempdir().context("creating a folder for strace's tables")?;
        let [server_table, client_table] = End::BOTH.map(|end| folder.path().join(end.name()));
        let serve = ["serve", "--listen=127.0.0.1:0", "--until-stdin-closes", "--threads=1", "--engine", engine.name()];
        let server = TracedServer::start(&server_table, &self.path, &serve)?;
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, &server.ready.ca_pem).context("writing the server's CA")?;

        let mut client = Command::new("strace");
        client.args(strace::arguments(&client_table, &self.path));
        let result = run(&mut client, engine, script, rate, |command| {
            command.arg("--ca").arg(&ca).arg(&server.ready.url);
        })?;
        server.stop()?;
        Ok(ScriptRun {
            completed: completed(&result),
            server: strace::read(&server_table)?,
            client: strace::read(&client_table)?,
        })
    }

    /// Runs a script on the embedded server, without strace: the result has the ring operations of both ends.
    fn embedded(&self, engine: EngineKind, script: &Script, rate: &str) -> anyhow::Result<ScriptRun<RingCounters>> {
        let mut command = Command::new(&self.path);
        let result = run(&mut command, engine, script, rate, |command| {
            command.arg("--server-threads=1");
        })?;
        let completed = completed(&result);
        let rings = result.echo.map_or(result.handshake.rings, |echo| echo.rings);
        let (client, server) =
            rings.client.zip(rings.server).with_context(|| format!("{engine} does not count its ring operations"))?;
        Ok(ScriptRun { completed, server: server.totals, client: client.totals })
    }
}

/// Runs `wssbench run` once; everything that was planned has to be completed.
fn run(
    command: &mut Command,
    engine: EngineKind,
    script: &Script,
    rate: &str,
    add_target: impl FnOnce(&mut Command),
) -> anyhow::Result<RunResult> {
    let folder = tempfile::tempdir().context("creating a folder for the result")?;
    let out = folder.path().join("result.json");
    command.args(["run", "--warmup=0s", "--duration=500ms", "--threads=1", "--engine", engine.name()]);
    command.args(script.options).arg(rate).arg("--out").arg(&out);
    add_target(command);
    let output = command.stdin(Stdio::null()).output().context("starting wssbench")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    // 3: tracing delays the generator, which makes its latencies invalid. They are not used here.
    ensure!(matches!(output.status.code(), Some(0 | 3)), "wssbench run failed with {}: {stderr}", output.status);
    let result = wss_model::store::read::<RunResult>(&out).context("reading the result")?;
    ensure!(result.errors.is_empty(), "wssbench run had errors: {:?}", result.errors);
    let handshake = &result.handshake;
    let echoed = result.echo.as_ref().is_none_or(|echo| echo.received == echo.planned);
    ensure!(handshake.completed == handshake.planned && echoed, "wssbench run did not complete all that it planned");
    Ok(result)
}

impl<T> ScriptRun<T> {
    const fn of(&self, end: End) -> &T {
        match end {
            End::Server => &self.server,
            End::Client => &self.client,
        }
    }
}

/// The number of messages, or of handshakes if the run has no echo phase.
fn completed(result: &RunResult) -> u64 {
    result.echo.as_ref().map_or(result.handshake.completed, |echo| echo.received)
}

/// For each pair of runs, the additional count per additional connection or message.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn differences<T>(runs: &[FewAndMany<T>], of: impl Fn(&ScriptRun<T>) -> u64) -> Vec<f64> {
    let difference = |(few, many): &FewAndMany<T>| {
        (of(many) as f64 - of(few) as f64) / (many.completed.saturating_sub(few.completed)) as f64
    };
    runs.iter().map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_starting_and_ending_cancels_out() {
        let run = |completed, server| ScriptRun { completed, server, client: 0 };
        let runs = [(run(10, 500 + 30), run(110, 500 + 330)), (run(10, 700 + 30), run(110, 700 + 334))];
        assert_eq!(differences(&runs, |run| *run.of(End::Server)), [3.0, 3.04]);
    }
}
