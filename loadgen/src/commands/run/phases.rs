//! The phases of a run, in their order: sessions, warm-up, measurement, closing.

use std::time::{Duration, Instant};

use anyhow::bail;
use wss_model::run_result::{EchoResult, HandshakeResult, SubscribeResult, Warmup};
use wss_model::{Mode, Rate};

use super::connect_rate::ConnectRate;
use super::cost::CostSplitter;
use super::cpu_accounting::{Accounting, PhaseUsage, Snapshot};
use super::elapsed::{elapsed_echo, elapsed_handshakes};
use super::ends::{EndUsage, Ends, MemoryGrowth, MemoryReading};
use super::result::{HandshakeMeasurement, Measurement, Observations, echo_result, subscribe_result};
use super::setup::Setup;
use super::time_slices::InterleavedSlices;
use crate::generator::Generator;
use crate::generator::close::ClosingRecord;
use crate::generator::failure::Failures;
use crate::generator::phase_clock::PhaseClock;
use crate::generator::plan::{Afterwards, EchoPlan, HandshakePlan, Pace, PhaseSpec, RunPhase, SubscribeOrder, Until};
use crate::generator::record::HandshakeRecord;
use crate::generator::seconds::PhaseObserver as _;
use crate::progress::Progress;
use crate::setup::preflight;

/// Connections from which the growth of memory per connection is reported: the kernel counts whole pages.
const MIN_FOR_GROWTH: usize = 100;
/// How often a wait looks for an interruption.
const POLL: Duration = Duration::from_millis(50);

/// A run between set-up and result.
pub(super) struct Run<'a> {
    setup: &'a mut Setup,
    accounting: Accounting,
    splitter: CostSplitter,
    progress: Progress,
    /// With `--time-slice`, once all runs of the block are ready.
    slices: Option<InterleavedSlices>,
    connect_rate: ConnectRate,
    failures: Failures,
    warmup_failures: Failures,
    closing: ClosingRecord,
}

/// The connections of a run, open and idle.
struct OpenedConnections {
    warmup: Warmup,
    handshakes: HandshakeMeasurement,
    usage: EndUsage,
}

impl<'a> Run<'a> {
    /// # Errors
    /// If the signals cannot be registered.
    pub(super) fn new(setup: &'a mut Setup) -> anyhow::Result<Self> {
        Ok(Self {
            accounting: Accounting::new(setup.probe.take(), setup.machine_watch()),
            splitter: CostSplitter::new(&setup.config, setup.layer, setup.timer_ns),
            progress: Progress::new(&setup.config)?,
            connect_rate: ConnectRate::new(setup.config.connect_rate, setup.contacted),
            setup,
            slices: None,
            failures: Failures::default(),
            warmup_failures: Failures::default(),
            closing: ClosingRecord::default(),
        })
    }

    /// Runs all phases.
    ///
    /// # Errors
    /// If the warm-up reaches no server, or the generator fails.
    pub(super) fn measure(&mut self) -> anyhow::Result<Measurement> {
        match self.setup.config.mode {
            Mode::Echo => self.echo_mode(),
            Mode::Handshake => self.handshake_mode(),
            Mode::Subscribe => self.subscribe_mode(),
        }
    }

    /// What was observed over all phases.
    pub(super) fn finish(self) -> Observations {
        let Self { accounting, progress, mut failures, warmup_failures, closing, .. } = self;
        failures.merge(accounting.into_failures());
        let interrupted = progress.interrupted();
        let endings = closing.ending_counts();
        let compression = closing.compression;
        Observations { failures, warmup_failures, endings, compression, series: progress.end(), interrupted }
    }

    /// Opens the connections that stay open, after the warm-up has opened and closed each once.
    fn open_connections(&mut self) -> anyhow::Result<OpenedConnections> {
        let (connections, warmup_time) = (self.setup.config.connections, self.setup.config.warmup.0);
        let (mut warmup, mut growth) = (Warmup::default(), None);
        self.make_sessions()?;
        if !warmup_time.is_zero() {
            let opened;
            (opened, growth) = self.open_once()?;
            warmup.handshake = Some(opened);
            self.ensure_server_answers(&warmup)?;
        }
        let spec = self.requested(RunPhase::Handshake, Until::Count(connections), Afterwards::Keep);
        let (handshakes, handshake_usage) = self.handshake_phase(spec)?;
        let idle = MemoryReading::now(&mut self.accounting);
        let usage = EndUsage { measured: None, handshake: Some(handshake_usage), idle: Some(idle), growth };
        Ok(OpenedConnections { warmup, handshakes, usage })
    }

    /// `--mode echo`: opens the connections, then exchanges messages on them.
    fn echo_mode(&mut self) -> anyhow::Result<Measurement> {
        let (warmup_time, duration) = (self.setup.config.warmup.0, self.setup.config.duration.0);
        let OpenedConnections { mut warmup, handshakes, mut usage } = self.open_connections()?;
        self.wait_for_peers()?;
        if !warmup_time.is_zero() && !self.progress.interrupted() {
            warmup.echo = Some(self.echo_phase(RunPhase::WarmUp, warmup_time)?.0);
        }
        let echo = if self.progress.interrupted() {
            EchoResult::default()
        } else {
            let (echo, measured) = self.echo_phase(RunPhase::Echo, duration)?;
            usage.measured = Some(measured);
            echo
        };
        self.close_connections(RunPhase::Closing)?;
        Ok(Measurement { handshakes, echo: Some(echo), subscribe: None, warmup, ends: self.ends(&usage) })
    }

    /// `--mode subscribe`: opens the connections, then receives what the server pushes.
    fn subscribe_mode(&mut self) -> anyhow::Result<Measurement> {
        let (warmup_time, duration) = (self.setup.config.warmup.0, self.setup.config.duration.0);
        let OpenedConnections { mut warmup, handshakes, mut usage } = self.open_connections()?;
        if !warmup_time.is_zero() && !self.progress.interrupted() {
            warmup.subscribe = Some(self.subscribe_phase(RunPhase::WarmUp, warmup_time)?.0);
        }
        let subscribe = if self.progress.interrupted() {
            SubscribeResult::default()
        } else {
            let (subscribe, measured) = self.subscribe_phase(RunPhase::Subscribe, duration)?;
            usage.measured = Some(measured);
            subscribe
        };
        self.close_connections(RunPhase::Closing)?;
        Ok(Measurement { handshakes, echo: None, subscribe: Some(subscribe), warmup, ends: self.ends(&usage) })
    }

    fn subscribe_phase(
        &mut self,
        phase: RunPhase,
        duration: Duration,
    ) -> anyhow::Result<(SubscribeResult, PhaseUsage)> {
        let before = self.accounting.snapshot();
        let start = Generator::next_start();
        let order = SubscribeOrder { start, end: start + duration };
        self.progress.begin(phase, start);
        let mut record = self.setup.generator.run_subscribe(order, &mut self.progress)?;
        let ended = Instant::now().min(order.end);
        let usage = self.accounting.usage_since(&before, std::mem::take(&mut record.usage.disturbance))?;
        self.failures_of(phase).merge(std::mem::take(&mut record.failures));
        Ok((subscribe_result(&record, ended.saturating_duration_since(start), &usage), usage))
    }

    /// `--mode handshake`: connect, TLS, upgrade, one echo, close, and again.
    fn handshake_mode(&mut self) -> anyhow::Result<Measurement> {
        let config = &self.setup.config;
        let (warmup_time, duration) = (config.warmup.0, config.duration.0);
        let afterwards = Afterwards::Close { server_closes: config.server_closes };
        let mut warmup = Warmup::default();
        self.make_sessions()?;
        self.wait_for_peers()?;
        if !warmup_time.is_zero() {
            let spec = self.requested(RunPhase::WarmUp, Until::Elapsed(warmup_time), afterwards);
            warmup.handshake = Some(self.handshake_phase(spec)?.0.result);
            self.ensure_server_answers(&warmup)?;
        }
        let (handshakes, usage) = if self.progress.interrupted() {
            (HandshakeMeasurement::default(), None)
        } else {
            let spec = self.requested(RunPhase::Handshake, Until::Elapsed(duration), afterwards);
            let (handshakes, usage) = self.handshake_phase(spec)?;
            (handshakes, Some(usage))
        };
        self.close_connections(RunPhase::Closing)?;
        let usage = EndUsage { measured: usage, ..EndUsage::default() };
        Ok(Measurement { handshakes, echo: None, subscribe: None, warmup, ends: self.ends(&usage) })
    }

    /// Before the first handshake that resumes a session: full handshakes, until every thread has as many sessions as
    /// it may have handshakes under way. No figure includes them; their failures count with the warm-up.
    ///
    /// Another server may limit the rate of connections, so that they keep --connect-rate; the embedded one does not.
    fn make_sessions(&mut self) -> anyhow::Result<()> {
        let count = self.setup.full_handshakes_for_sessions();
        if count == 0 {
            return Ok(());
        }
        let config = &self.setup.config;
        let mut spec =
            self.requested(RunPhase::Sessions, Until::Count(count), Afterwards::Close { server_closes: false });
        spec.may_resume = false;
        if config.is_embedded() {
            // --max-connecting may allow fewer, and the server is prepared for no more.
            let concurrency = config.connect_concurrency.min(preflight::peak_connections(config));
            spec.pace = Pace::Closed { concurrency };
        }
        let (made, _) = self.handshake_phase(spec)?;
        ensure_completed(&made.result, &self.warmup_failures)
    }

    /// Warm-up of `--mode echo` and `--mode subscribe`: opens and closes every connection once, at the requested pace, so that
    /// both ends and the kernel touch their memory. On a virtual machine the first touch of a page can take milliseconds, which would
    /// otherwise count as time of the handshake.
    ///
    /// Memory is read with half of the connections open and with all: its growth per connection.
    fn open_once(&mut self) -> anyhow::Result<(HandshakeResult, Option<MemoryGrowth>)> {
        let connections = self.setup.config.connections;
        let (first, second) = (connections - connections / 2, connections / 2);
        self.keep_connect_rate();
        let before = self.accounting.snapshot();
        let spec = |count| self.requested(RunPhase::WarmUp, Until::Count(count), Afterwards::Keep);
        let specs = [spec(first), spec(second)];
        let (mut record, mut elapsed) = self.perform_handshakes(specs[0])?;
        let half = MemoryReading::now(&mut self.accounting);
        if second > 0 && record.completed > 0 && !self.progress.interrupted() {
            self.keep_connect_rate();
            let (other, time) = self.perform_handshakes(specs[1])?;
            record.merge(other);
            elapsed += time;
        }
        let all = MemoryReading::now(&mut self.accounting);
        let growth = (connections >= MIN_FOR_GROWTH).then(|| all.growth_since(&half, second));
        let opened = self.measurement_of(record, elapsed, &before, RunPhase::WarmUp)?.0;
        self.close_connections(RunPhase::WarmUp)?;
        Ok((opened.result, growth))
    }

    /// Fails if the warm-up reached no server. A short warm-up in which a busy machine started nothing proves nothing.
    fn ensure_server_answers(&self, warmup: &Warmup) -> anyhow::Result<()> {
        if self.warmup_failures.count() == 0 && !self.progress.interrupted() {
            return Ok(());
        }
        warmup.handshake.as_ref().map_or(Ok(()), |handshake| ensure_completed(handshake, &self.warmup_failures))
    }

    /// With `--time-slice`: waits for the other runs of the block.
    fn wait_for_peers(&mut self) -> anyhow::Result<()> {
        self.slices = self.setup.config.time_slice.map(InterleavedSlices::wait_for_peers).transpose()?;
        Ok(())
    }

    /// The clock of a phase of this length that starts now, or with the next slice.
    fn phase_clock(&mut self, length: Duration) -> PhaseClock {
        match &mut self.slices {
            Some(slices) => slices.next_phase(length),
            None => Generator::next_start().into(),
        }
    }

    /// A phase of handshakes at the requested pace.
    fn requested(&self, phase: RunPhase, until: Until, afterwards: Afterwards) -> PhaseSpec {
        let config = &self.setup.config;
        let pace = match config.connect_rate {
            Rate::PerSecond(rate) => Pace::Rate { rate, arrivals: config.arrivals },
            Rate::Max => Pace::Closed { concurrency: config.connect_concurrency },
        };
        PhaseSpec { phase, pace, until, afterwards, may_resume: true }
    }

    /// Waits until --connect-rate allows the next connection. In time slices the other runs of the block wait for this one,
    /// and the phases are further apart.
    fn keep_connect_rate(&self) {
        while self.slices.is_none() && !self.progress.interrupted() {
            let wait = self.connect_rate.wait(Instant::now());
            if wait.is_zero() {
                break;
            }
            std::thread::sleep(wait.min(POLL));
        }
    }

    fn handshake_phase(&mut self, spec: PhaseSpec) -> anyhow::Result<(HandshakeMeasurement, PhaseUsage)> {
        self.keep_connect_rate();
        let before = self.accounting.snapshot();
        let (record, elapsed) = self.perform_handshakes(spec)?;
        self.measurement_of(record, elapsed, &before, spec.phase)
    }

    /// Handshakes, and the time that their rate is taken over.
    fn perform_handshakes(&mut self, spec: PhaseSpec) -> anyhow::Result<(HandshakeRecord, Duration)> {
        let clock = match spec.until {
            // These phases are before the first slice.
            Until::Count(_) => Generator::next_start().into(),
            Until::Elapsed(length) => self.phase_clock(length),
        };
        let config = &self.setup.config;
        let first_echo = config.mode == Mode::Handshake && !config.no_first_echo;
        let plan = HandshakePlan { spec, clock, first_echo };
        self.progress.begin(spec.phase, plan.clock.start());
        let record = self.setup.generator.run_handshakes(&plan, &mut self.progress)?;
        self.connect_rate.started(record.last.started);
        let elapsed = elapsed_handshakes(&plan, record.last, self.progress.interrupted());
        Ok((record, elapsed))
    }

    /// What handshakes since `before` measured; their failures count with `phase`.
    fn measurement_of(
        &mut self,
        mut record: HandshakeRecord,
        elapsed: Duration,
        before: &Snapshot,
        phase: RunPhase,
    ) -> anyhow::Result<(HandshakeMeasurement, PhaseUsage)> {
        let usage = self.accounting.usage_since(before, std::mem::take(&mut record.usage.disturbance))?;
        self.failures_of(phase).merge(std::mem::take(&mut record.failures));
        Ok((HandshakeMeasurement::new(&record, elapsed, &usage, self.splitter), usage))
    }

    fn echo_phase(&mut self, phase: RunPhase, duration: Duration) -> anyhow::Result<(EchoResult, PhaseUsage)> {
        let before = self.accounting.snapshot();
        let clock = self.phase_clock(duration);
        let config = &self.setup.config;
        let size = config.size.0;
        let plan = EchoPlan {
            end: clock.end(duration),
            clock,
            rate: match config.rate {
                Rate::PerSecond(rate) => Some(rate),
                Rate::Max => None,
            },
            arrivals: config.arrivals,
            in_flight: config.in_flight,
            connections: config.connections,
        };
        self.progress.begin(phase, plan.clock.start());
        let mut record = self.setup.generator.run_echo(&plan, &mut self.progress)?;
        let usage = self.accounting.usage_since(&before, std::mem::take(&mut record.usage.disturbance))?;
        self.failures_of(phase).merge(std::mem::take(&mut record.failures));
        let elapsed = elapsed_echo(&plan, &record, self.progress.interrupted());
        Ok((echo_result(&record, elapsed, &usage, size), usage))
    }

    /// Closes all connections, at the end of the warm-up or of the run; failures count with `phase`.
    fn close_connections(&mut self, phase: RunPhase) -> anyhow::Result<()> {
        self.progress.begin(RunPhase::Closing, Instant::now());
        let mut record = self.setup.generator.close_connections(&mut self.progress)?;
        self.failures_of(phase).merge(std::mem::take(&mut record.failures));
        self.closing.merge(record);
        Ok(())
    }

    /// The failures that those of a phase count with.
    fn failures_of(&mut self, phase: RunPhase) -> &mut Failures {
        match phase {
            RunPhase::Sessions | RunPhase::WarmUp => &mut self.warmup_failures,
            RunPhase::Handshake | RunPhase::Echo | RunPhase::Subscribe | RunPhase::Closing => &mut self.failures,
        }
    }

    fn ends(&mut self, usage: &EndUsage) -> Ends {
        let active_share = self.slices.as_ref().map_or(1.0, InterleavedSlices::active_share);
        Ends::new(self.setup, &mut self.accounting, usage, active_share)
    }
}

/// # Errors
/// If no handshake was completed, the most frequent failure: then there is no result.
pub(super) fn ensure_completed(handshake: &HandshakeResult, failures: &Failures) -> anyhow::Result<()> {
    if handshake.completed == 0 {
        let counts = failures.counts();
        let nothing_started =
            "no handshake started before the end: the run was interrupted, or too short for this server or machine";
        bail!("no connection succeeded: {}", counts.first().map_or(nothing_started, |error| error.example.as_str()));
    }
    Ok(())
}
