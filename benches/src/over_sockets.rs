//! What one scripted connection asks of the kernel, both ends the real programs with one thread each: system calls by
//! name, and what the ring did.
//!
//! A run is made twice, with few connections or messages and with many, and the difference divided by how many more
//! there were: starting and ending fall out. Paced, each by itself, so that none is batched with another.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use wss_model::ring_counters::RingCounters;
use wss_model::{EngineKind, RunResult};

use crate::server::Server;
use crate::side::Side;
use crate::strace::{self, Calls};
use wss_analysis::counts::Count;

/// A name that is called less often than in every tenth connection or message is not of them: a timer's, or a look at
/// the clock that comes once in a while.
const SELDOM: f64 = 0.1;

/// What is counted: its name, and the options of a run that does few and of one that does many.
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

/// A count of a ring by name.
type OfRing = (&'static str, fn(&RingCounters) -> u64);

const RING: [OfRing; 3] =
    [("enters", |io| io.enters), ("submissions", |io| io.submissions), ("completions", |io| io.completions)];

/// One run: how many were done, and what was counted of each side.
struct Trial<T> {
    done: u64,
    server: T,
    client: T,
}

/// The command `wssbench` that is counted.
pub struct Programs {
    /// Where it is.
    pub wssbench: PathBuf,
}

impl Programs {
    /// The one beside this program.
    ///
    /// # Errors
    /// If it is not there: with the command that builds it.
    pub fn beside(program: &Path) -> anyhow::Result<Self> {
        let wssbench = program.with_file_name("wssbench");
        let release = if cfg!(debug_assertions) { "" } else { " --release" };
        ensure!(wssbench.is_file(), "there is no {}: cargo build -p wssbench{release}", wssbench.display());
        Ok(Self { wssbench })
    }

    /// System calls, all and by name, of a connection and a message, each side.
    ///
    /// # Errors
    /// If a run fails or has errors.
    pub fn system_calls(&self, engine: EngineKind, repeats: usize) -> anyhow::Result<Vec<Count>> {
        let mut counts = Vec::new();
        for script in &SCRIPTS {
            let once = |_| Ok((self.traced(engine, script, script.few)?, self.traced(engine, script, script.many)?));
            let trials: Vec<(Trial<Calls>, Trial<Calls>)> = (0..repeats).map(once).collect::<anyhow::Result<_>>()?;
            for side in Side::BOTH {
                let each = |calls: &dyn Fn(&Calls) -> u64| difference(&trials, |trial| calls(trial.of(side)));
                let name = format!("{}/{engine}/{}/syscalls", script.name, side.name());
                counts.push(Count::new(&name, "calls", &each(&|calls| calls.values().sum())));
                let names: BTreeSet<&String> = trials.iter().flat_map(|(_, many)| many.of(side).keys()).collect();
                let by_name = names.into_iter().map(|call| {
                    let calls = each(&|calls| calls.get(call).copied().unwrap_or(0));
                    Count::new(format!("{name}/{call}"), "calls", &calls)
                });
                counts.extend(by_name.filter(|count| count.value.abs() >= SELDOM));
            }
        }
        Ok(counts)
    }

    /// What the rings of both ends did for a connection and a message.
    ///
    /// # Errors
    /// If a run fails or has errors, or the engine's rings are not counted.
    pub fn rings(&self, engine: EngineKind, repeats: usize) -> anyhow::Result<Vec<Count>> {
        let mut counts = Vec::new();
        for script in &SCRIPTS {
            let once =
                |_| Ok((self.embedded(engine, script, script.few)?, self.embedded(engine, script, script.many)?));
            let trials: Vec<(Trial<RingCounters>, Trial<RingCounters>)> =
                (0..repeats).map(once).collect::<anyhow::Result<_>>()?;
            for side in Side::BOTH {
                for (kind, of) in RING {
                    let name = format!("{}/{engine}/{}/{kind}", script.name, side.name());
                    counts.push(Count::new(name, kind, &difference(&trials, |trial| of(trial.of(side)))));
                }
            }
        }
        Ok(counts)
    }

    /// Both ends under strace.
    fn traced(&self, engine: EngineKind, script: &Script, rate: &str) -> anyhow::Result<Trial<Calls>> {
        let folder = tempfile::tempdir().context("making a folder for strace's tables")?;
        let [of_server, of_client] = Side::BOTH.map(|side| folder.path().join(side.name()));
        let serve = ["serve", "--listen=127.0.0.1:0", "--until-stdin-closes", "--threads=1", "--engine", engine.name()];
        let mut arguments = strace::arguments(&of_server, &self.wssbench);
        arguments.extend(serve.map(Into::into));
        let arguments: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
        let server = Server::start("wssbench serve under strace", Path::new("strace"), &arguments)?;
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, &server.ready.ca_pem).context("handing over the server's CA")?;

        let mut client = Command::new("strace");
        client.args(strace::arguments(&of_client, &self.wssbench));
        let result = self.run(&mut client, engine, script, rate, |command| {
            command.arg("--ca").arg(&ca).arg(&server.ready.url);
        })?;
        server.end()?;
        Ok(Trial { done: done(&result), server: strace::read(&of_server)?, client: strace::read(&of_client)? })
    }

    /// Without strace, on the embedded server: the result has the rings of both ends.
    fn embedded(&self, engine: EngineKind, script: &Script, rate: &str) -> anyhow::Result<Trial<RingCounters>> {
        let mut command = Command::new(&self.wssbench);
        let result = self.run(&mut command, engine, script, rate, |command| {
            command.arg("--server-threads=1");
        })?;
        let done = done(&result);
        let io = result.echo.map_or(result.handshake.rings, |echo| echo.rings);
        let (client, server) = io.client.zip(io.server).context("the rings of this engine are not counted")?;
        Ok(Trial { done, server: server.totals, client: client.totals })
    }

    /// One run, in which all that was planned was done.
    fn run(
        &self,
        command: &mut Command,
        engine: EngineKind,
        script: &Script,
        rate: &str,
        more: impl FnOnce(&mut Command),
    ) -> anyhow::Result<RunResult> {
        let folder = tempfile::tempdir().context("making a folder for the result")?;
        let out = folder.path().join("result.json");
        command.args(["run", "--warmup=0s", "--duration=500ms", "--threads=1", "--engine", engine.name()]);
        command.args(script.options).arg(rate).arg("--out").arg(&out);
        more(command);
        let ended = command.stdin(Stdio::null()).output().context("starting wssbench")?;
        let said = String::from_utf8_lossy(&ended.stderr);
        // 3: traced it is late, so that its latencies are not valid. They are not what is asked for here.
        ensure!(matches!(ended.status.code(), Some(0 | 3)), "wssbench run ended with {}: {said}", ended.status);
        let result = wss_model::store::read::<RunResult>(&out).context("reading the result")?;
        ensure!(result.errors.is_empty(), "wssbench run had errors: {:?}", result.errors);
        let handshake = &result.handshake;
        let echoes = result.echo.as_ref().is_none_or(|echo| echo.received == echo.planned);
        ensure!(handshake.completed == handshake.planned && echoes, "not all that was planned was done");
        Ok(result)
    }
}

impl<T> Trial<T> {
    const fn of(&self, side: Side) -> &T {
        match side {
            Side::Server => &self.server,
            Side::Client => &self.client,
        }
    }
}

/// Messages, or without them handshakes.
fn done(result: &RunResult) -> u64 {
    result.echo.as_ref().map_or(result.handshake.completed, |echo| echo.received)
}

/// Of each pair, how much more was counted for each that was done more.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn difference<T>(trials: &[(Trial<T>, Trial<T>)], of: impl Fn(&Trial<T>) -> u64) -> Vec<f64> {
    let each = |(few, many): &(Trial<T>, Trial<T>)| {
        (of(many) as f64 - of(few) as f64) / (many.done.saturating_sub(few.done)) as f64
    };
    trials.iter().map(each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starting_and_ending_cost_falls_out() {
        let trial = |done, server| Trial { done, server, client: 0 };
        let trials = [(trial(10, 500 + 30), trial(110, 500 + 330)), (trial(10, 700 + 30), trial(110, 700 + 334))];
        assert_eq!(difference(&trials, |trial| *trial.of(Side::Server)), [3.0, 3.04]);
    }
}
