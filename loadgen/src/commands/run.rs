//! `wssbench run`: the main job, from the options to the exit code.

mod accounting;
mod cost;
mod setup;
mod time_slices;

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use wss_analysis::validity;
use wss_model::config::tls::Verify;
use wss_model::ring_counters::EndRings;
use wss_model::run_result::{
    EchoResult, End, Environment, HandshakeResult, NegotiatedCount, Resumption, RunResult, SCHEMA,
    Target as TargetResult, Warmup,
};
use wss_model::{ErrorKind, ErrorPhase};
use wss_model::{Mode, Rate, RunConfig, store};
use wss_report as report;

use self::accounting::{Spent, each};
use self::setup::{Finished, Setup};
use self::time_slices::InterleavedSlices;
use crate::child::protocol;
use crate::cli::RunCommand;
use crate::generator::phase_clock::PhaseClock;
use crate::generator::plan::{Afterwards, EchoPlan, HandshakePlan, Pace, PhaseSpec, RunPhase, Until};
use crate::generator::record::{Failure, Failures};
use crate::generator::{Generator, Watch};
use crate::output;
use crate::progress::Progress;
use crate::setup::environment::{self, CpuTime};
use crate::setup::preflight;

/// Runs it; says whether the result is valid.
///
/// # Errors
/// If it could not run: one sentence with what to do.
pub(crate) fn run(command: &RunCommand) -> anyhow::Result<bool> {
    let (id, started_at) = environment::identify();
    let path = command.out.clone().unwrap_or_else(|| store::default_path(&id));
    let mut setup = Setup::new(&command.config)?;
    preflight::check_place(&path)?;
    let cpu_time = CpuTime::now();
    let mut run = Run {
        progress: Progress::new(&setup.config)?,
        setup: &mut setup,
        slices: None,
        failures: Failures::default(),
        warmup_failures: Failures::default(),
    };
    let measured = match run.setup.config.mode {
        Mode::Echo => run.echo()?,
        Mode::Handshake => run.handshakes()?,
    };
    let Run { progress, mut failures, warmup_failures, .. } = run;
    let interrupted = progress.interrupted();
    let series = progress.end();
    let environment = Environment { steal_percent: steal_since(cpu_time), ..setup.environment.clone() };
    let Finished { config, target, verify, notes, server_ended } = setup.finish();
    let resumption = resumption(&config, &measured);
    if let Err(error) = server_ended {
        failures.add(Failure::new(ErrorPhase::Server, ErrorKind::ServerExited, format!("{error:#}")));
    }

    ensure_completed(&measured.handshake, &failures)?;
    let errors = failures.describe();
    let mut result = RunResult {
        schema: SCHEMA.to_owned(),
        id,
        started_at,
        tool: environment::tool(),
        environment,
        config,
        target,
        negotiated: measured.negotiated,
        server_negotiated: measured.server_negotiated,
        verify: verify.map(|verify| verify.to_string()),
        verify_skips: verify.and_then(Verify::skips).map(str::to_owned),
        resumption,
        handshake: measured.handshake,
        echo: measured.echo,
        warmup: Warmup { errors: warmup_failures.describe(), ..measured.warmup },
        server: measured.server,
        client: measured.client,
        series,
        errors,
        valid: true,
        invalid_because: Vec::new(),
        notes,
        interrupted,
    };
    result.invalid_because = validity::judge(&result);
    result.valid = result.invalid_because.is_empty();

    store::write(&result, &path).with_context(|| "writing the result; --out takes another place")?;
    if command.json {
        output::print(&store::json(&result)?)?;
    } else if !protocol::events_requested() {
        let style = output::style(command.verbose);
        output::print(&format!("{}\nresult: {}\n", report::terminal(&result, style), path.display()))?;
    }
    Ok(result.valid)
}

/// The mix of full and resumed handshakes, if one was asked for.
#[allow(clippy::cast_precision_loss)] // counts stay far below 2^52
fn resumption(config: &RunConfig, measured: &Measured) -> Option<Resumption> {
    let tls = &config.tls;
    if !tls.resumes() || measured.negotiated.is_empty() {
        return None;
    }
    let percent = |count: u64| 100.0 * count as f64 / measured.handshake.completed.max(1) as f64;
    Some(Resumption {
        mechanism: tls.resume_by().to_string(),
        requested_percent: 100.0 * tls.resume_share(),
        achieved_percent: percent(measured.resumed),
        early_data_percent: percent(measured.early_data),
    })
}

/// Without one connection there is no result, but the commonest reason.
fn ensure_completed(handshake: &HandshakeResult, failures: &Failures) -> anyhow::Result<()> {
    if handshake.completed == 0 {
        let errors = failures.describe();
        let none = "none was begun before the end: it was interrupted, or this machine was too busy";
        let commonest = errors.first().map_or(none, |error| error.example.as_str());
        bail!("no connection succeeded: {commonest}");
    }
    Ok(())
}

fn steal_since(start: Option<CpuTime>) -> f64 {
    CpuTime::stolen_percent(start).unwrap_or(0.0)
}

/// What the phases found.
struct Measured {
    negotiated: Vec<NegotiatedCount>,
    server_negotiated: Option<Vec<NegotiatedCount>>,
    /// Handshakes that resumed a session, and those of which the server took early data.
    resumed: u64,
    early_data: u64,
    handshake: HandshakeResult,
    echo: Option<EchoResult>,
    warmup: Warmup,
    server: Option<End>,
    client: End,
}

/// A phase of handshakes.
struct Handshakes {
    result: HandshakeResult,
    negotiated: Vec<NegotiatedCount>,
    resumed: u64,
    early_data: u64,
    spent: Spent,
}

struct Run<'a> {
    setup: &'a mut Setup,
    progress: Progress,
    /// With whom it takes turns, once all of them are ready.
    slices: Option<InterleavedSlices>,
    failures: Failures,
    warmup_failures: Failures,
}

impl Run<'_> {
    /// `--mode echo`: open the connections, then messages: warm-up and measurement.
    fn echo(&mut self) -> anyhow::Result<Measured> {
        let config = self.setup.config.clone();
        let mut warmup = Warmup::default();
        self.make_sessions()?;
        if !config.warmup.0.is_zero() {
            warmup.handshake = Some(self.open_once()?);
            self.ensure_any(&warmup)?;
        }
        let Handshakes { result: handshake, negotiated, resumed, early_data, spent: handshake_spent } =
            self.handshake_phase(self.paced(RunPhase::Handshake, Until::Count(config.connections), Afterwards::Keep))?;
        let idle = (self.server_sample(), environment::memory().0);
        self.take_turns()?;
        if !config.warmup.0.is_zero() && !self.progress.interrupted() {
            warmup.echo = Some(self.echo_phase(RunPhase::WarmUp, config.warmup.0)?.0);
        }
        let (echo, spent) = if self.progress.interrupted() {
            (EchoResult::default(), None)
        } else {
            let (echo, spent) = self.echo_phase(RunPhase::Echo, config.duration.0)?;
            (echo, Some(spent))
        };
        self.close_all(RunPhase::Closing)?;
        let (client, server) = self.sides(spent.as_ref(), Some(&handshake_spent), Some(&idle));
        Ok(Measured {
            negotiated,
            server_negotiated: handshake_spent.server.and_then(|server| server.negotiated),
            resumed,
            early_data,
            handshake,
            echo: Some(echo),
            warmup,
            server,
            client,
        })
    }

    /// Warm-up of `--mode echo`: opens every connection once, in a closed loop, and closes it again. What memory both
    /// ends and the kernel need they then have had: on a virtual machine the first touch of a page can take
    /// milliseconds, and they would be told as the handshake's.
    fn open_once(&mut self) -> anyhow::Result<HandshakeResult> {
        let config = &self.setup.config;
        let opened = self.handshake_phase(PhaseSpec {
            phase: RunPhase::WarmUp,
            pace: Pace::Closed { concurrency: config.connect_concurrency },
            until: Until::Count(config.connections),
            afterwards: Afterwards::Keep,
            may_resume: true,
        })?;
        self.close_all(RunPhase::WarmUp)?;
        Ok(opened.result)
    }

    /// Before the first handshake that resumes a session: full ones, until every thread has as many sessions as it may
    /// have handshakes under way. They are in no figure; what goes wrong in them is told with the warm-up.
    fn make_sessions(&mut self) -> anyhow::Result<()> {
        let count = self.setup.full_handshakes_for_sessions();
        if count == 0 {
            return Ok(());
        }
        let made = self.handshake_phase(PhaseSpec {
            phase: RunPhase::Sessions,
            pace: Pace::Closed { concurrency: self.setup.config.connect_concurrency },
            until: Until::Count(count),
            afterwards: Afterwards::Close { server_closes: false },
            may_resume: false,
        })?;
        ensure_completed(&made.result, &self.warmup_failures)
    }

    /// A server that no connection of the warm-up reached is not tried again. A short warm-up of which a busy machine let
    /// nothing begin says nothing of the server.
    fn ensure_any(&self, warmup: &Warmup) -> anyhow::Result<()> {
        if self.warmup_failures.count() == 0 && !self.progress.interrupted() {
            return Ok(());
        }
        warmup.handshake.as_ref().map_or(Ok(()), |handshake| ensure_completed(handshake, &self.warmup_failures))
    }

    /// `--mode handshake`: connect, TLS, upgrade, one echo, close, again: warm-up and measurement.
    fn handshakes(&mut self) -> anyhow::Result<Measured> {
        let config = self.setup.config.clone();
        let afterwards = Afterwards::Close { server_closes: config.server_closes };
        let mut warmup = Warmup::default();
        self.make_sessions()?;
        self.take_turns()?;
        if !config.warmup.0.is_zero() {
            let until = Until::Elapsed(config.warmup.0);
            warmup.handshake = Some(self.handshake_phase(self.paced(RunPhase::WarmUp, until, afterwards))?.result);
            self.ensure_any(&warmup)?;
        }
        let measured = if self.progress.interrupted() {
            None
        } else {
            Some(self.handshake_phase(self.paced(
                RunPhase::Handshake,
                Until::Elapsed(config.duration.0),
                afterwards,
            ))?)
        };
        self.close_all(RunPhase::Closing)?;
        let (client, server) = self.sides(measured.as_ref().map(|measured| &measured.spent), None, None);
        let (resumed, early_data) =
            measured.as_ref().map_or((0, 0), |measured| (measured.resumed, measured.early_data));
        let (handshake, negotiated, spent) = measured
            .map_or_else(Default::default, |measured| (measured.result, measured.negotiated, Some(measured.spent)));
        Ok(Measured {
            negotiated,
            server_negotiated: spent.and_then(|spent| spent.server).and_then(|server| server.negotiated),
            resumed,
            early_data,
            handshake,
            echo: None,
            warmup,
            server,
            client,
        })
    }

    /// Waits for the runs that it takes turns with, if there are any.
    fn take_turns(&mut self) -> anyhow::Result<()> {
        self.slices = self.setup.config.time_slice.map(InterleavedSlices::wait_for_peers).transpose()?;
        Ok(())
    }

    /// The time of a phase that lasts so long and begins now, or at its next turn.
    fn phase_clock(&mut self, length: Duration) -> PhaseClock {
        match &mut self.slices {
            Some(slices) => slices.next_phase(length),
            None => Generator::next_start().into(),
        }
    }

    /// A phase at the pace that the options request.
    fn paced(&self, phase: RunPhase, until: Until, afterwards: Afterwards) -> PhaseSpec {
        let config = &self.setup.config;
        let pace = match config.connect_rate {
            Rate::PerSecond(rate) => Pace::Rate { rate, arrivals: config.arrivals },
            Rate::Max => Pace::Closed { concurrency: config.connect_concurrency },
        };
        PhaseSpec { phase, pace, until, afterwards, may_resume: true }
    }

    fn handshake_phase(&mut self, spec: PhaseSpec) -> anyhow::Result<Handshakes> {
        let PhaseSpec { pace, until, .. } = spec;
        let before = self.look();
        let time = match until {
            // These are before the turns begin.
            Until::Count(_) => Generator::next_start().into(),
            Until::Elapsed(length) => self.phase_clock(length),
        };
        let config = &self.setup.config;
        let first_echo = config.mode == Mode::Handshake && !config.no_first_echo;
        let plan = HandshakePlan { spec, clock: time.clone(), first_echo };
        self.progress.begin(spec.phase, time.start());
        let mut record = self.setup.generator.handshakes(&plan, &mut self.progress)?;
        let spent = self.since(&before)?;
        let end = match (pace, until) {
            // An open loop is measured by when handshakes were begun: those of a far server end later.
            (Pace::Rate { rate, .. }, Until::Count(count)) => time.at(Duration::from_secs_f64(count as f64 / rate)),
            (Pace::Rate { .. }, Until::Elapsed(length)) => time.end(length),
            (Pace::Closed { .. }, _) => record.last.done.unwrap_or(time.start()),
        };
        let end = if self.progress.interrupted() {
            record.last.begun.unwrap_or(end)
        } else {
            end.max(record.last.begun.unwrap_or(end))
        };
        let mut result = record.result(match pace {
            Pace::Rate { .. } => time.elapsed(end),
            Pace::Closed { .. } => time.elapsed_with_tails(end),
        });
        result.client_cpu_ns = each(spent.client_cpu, result.completed);
        if let Some(server) = &spent.server {
            result.server_cpu_ns = each(server.cpu, result.completed);
            result.server_busy = (server.busy.count() > 0).then(|| server.busy.summary());
            result.rings.server = server.rings.clone().map(|io| EndRings::of_handshakes(io, result.completed));
        }
        self.split_cost(&mut result, &record.totals, &spent);
        self.failures_of(spec.phase).merge(std::mem::take(&mut record.failures));
        let (resumed, early_data) = (record.resumed, record.early_data);
        Ok(Handshakes { result, negotiated: record.labels.describe(), resumed, early_data, spent })
    }

    fn echo_phase(&mut self, phase: RunPhase, duration: Duration) -> anyhow::Result<(EchoResult, Spent)> {
        let before = self.look();
        let time = self.phase_clock(duration);
        let config = &self.setup.config;
        let plan = EchoPlan {
            clock: time.clone(),
            end: time.end(duration),
            rate: match config.rate {
                Rate::PerSecond(rate) => Some(rate),
                Rate::Max => None,
            },
            arrivals: config.arrivals,
            in_flight: config.in_flight,
            connections: config.connections,
        };
        self.progress.begin(phase, time.start());
        let mut record = self.setup.generator.echo(&plan, &mut self.progress)?;
        let spent = self.since(&before)?;
        let elapsed = match plan.rate {
            Some(_) if self.progress.interrupted() => time.elapsed(record.last.begun.unwrap_or(plan.end)),
            Some(_) => time.elapsed(plan.end.max(record.last.begun.unwrap_or(plan.end))),
            None => time.elapsed_with_tails(record.last.done.unwrap_or(plan.end)),
        };
        let size = self.setup.config.size.0;
        let mut result = record.result(elapsed, size);
        result.client_cpu_ns = each(spent.client_cpu, result.received);
        if let Some(server) = &spent.server {
            result.server_cpu_ns = each(server.cpu, result.received);
            let aead = Duration::from_nanos(server.crypto.aead_ns);
            result.server_aead_ns = each(aead, result.received).filter(|ns| *ns > 0.0);
            result.rings.server = server.rings.clone().map(|io| EndRings::of_messages(io, result.received));
        }
        self.failures_of(phase).merge(std::mem::take(&mut record.failures));
        Ok((result, spent))
    }

    /// Where what goes wrong is written down: the warm-up's is told apart.
    fn failures_of(&mut self, phase: RunPhase) -> &mut Failures {
        match phase {
            RunPhase::Sessions | RunPhase::WarmUp => &mut self.warmup_failures,
            RunPhase::Handshake | RunPhase::Echo | RunPhase::Closing => &mut self.failures,
        }
    }

    /// Closes all connections, at the end of the warm-up or of the run; failures count with `phase`.
    fn close_all(&mut self, phase: RunPhase) -> anyhow::Result<()> {
        self.progress.begin(RunPhase::Closing, Instant::now());
        let failures = self.setup.generator.close(&mut self.progress)?;
        self.failures_of(phase).merge(failures);
        Ok(())
    }
}

/// Where the load went, for the result.
fn target_result(config: &RunConfig, url: &str, address: std::net::SocketAddr) -> TargetResult {
    TargetResult {
        url: url.to_owned(),
        address: address.to_string(),
        embedded: config.is_embedded(),
        command: config.server.clone(),
    }
}
