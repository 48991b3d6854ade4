//! A thread of the generator: one engine and its share of the connections. It executes commands one after another, and
//! reports once per second and at the end of each.

use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc as thread_mpsc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use wss_wire::engine::{Engine, EngineError, idle, look};

use super::command::{Command, Report, WorkerSetup};
use super::context::Context;
use super::heartbeat::Heartbeat;
use super::phase_clock::PhaseClock;
use super::plan::Order;
use super::record::{EchoRecord, HandshakeRecord};
use super::subscribe_record::SubscribeRecord;
use super::thread_usage::{ThreadUsage, UsageBefore};
use super::{echo_phase, handshake_phase};

/// How often a thread reports while a phase runs.
const TICK: Duration = Duration::from_secs(1);

/// Runs a thread of the generator until the channel of its commands closes.
pub(crate) fn run<E: Engine>(setup: WorkerSetup) {
    let reports = setup.reports.clone();
    let cpus = &setup.options.cpus;
    let cpu = cpus.get(setup.number % cpus.len().max(1)).copied();
    let pinned = cpu.map_or(Ok(()), |cpu| wss_wire::machine::pin_thread(&BTreeSet::from([cpu])));
    look::observe();
    idle::set_policy(setup.options.idle);
    let ended: Result<(), EngineError> = match pinned {
        Ok(()) => E::run(|| execute_commands::<E>(setup)),
        Err(cause) => Err(EngineError::Setup { engine: E::KIND, cause }),
    };
    if let Err(error) = ended {
        let _ = reports.send(Report::Failed(format!("{:#}", anyhow::Error::from(error))));
    }
}

async fn execute_commands<E: Engine>(setup: WorkerSetup) {
    let WorkerSetup { number, options, mut commands, reports, spares } = setup;
    let context = Rc::new(Context::new(number, options, spares));
    if let Some(tls) = &context.tls {
        wss_wire::tls::warm_up(tls.full.crypto_provider());
    }
    if reports.send(Report::Ready).is_err() {
        return;
    }
    while let Some(command) = commands.recv().await {
        let report = match command {
            Command::Stop => {
                context.stop();
                continue;
            }
            Command::Handshakes(plan) => {
                let clock = plan.clock.clone();
                let phase = handshake_phase::run::<E>(&context, plan);
                let usage = run_phase::<E>(&context, &clock, &mut commands, &reports, phase).await;
                let record = HandshakeRecord { usage, ..context.take_handshakes() };
                Report::Handshakes(Box::new(record))
            }
            Command::Echo(plan) => {
                let phase = echo_phase::run(&context, &plan);
                let usage = run_phase::<E>(&context, &plan.clock, &mut commands, &reports, phase).await;
                let record = EchoRecord { usage, ..context.take_echo() };
                Report::Echo(Box::new(record))
            }
            Command::Subscribe(order) => {
                let phase = context.order_all(|_| Order::Subscribe(order));
                let usage = run_phase::<E>(&context, &order.start.into(), &mut commands, &reports, phase).await;
                let record = SubscribeRecord { usage, ..context.take_subscription() };
                Report::Subscribe(Box::new(record))
            }
            Command::Close => {
                let phase = context.order_all(|_| Order::Close);
                run_phase::<E>(&context, &Instant::now().into(), &mut commands, &reports, phase).await;
                context.forget_connections();
                Report::Closed(context.take_closing())
            }
        };
        if reports.send(report).is_err() {
            return;
        }
    }
}

/// Runs a phase to its end; meanwhile reports once per second and waits for [`Command::Stop`]. Returns what this thread used,
/// without a disturbance if the run has the CPU only in slices, since other runs use it in between.
async fn run_phase<E: Engine>(
    context: &Context,
    clock: &PhaseClock,
    commands: &mut mpsc::UnboundedReceiver<Command>,
    reports: &thread_mpsc::Sender<Report>,
    phase: impl Future<Output = ()>,
) -> ThreadUsage {
    let before = UsageBefore::now::<E>();
    let start = clock.start();
    let mut phase = pin!(phase);
    let mut heartbeat = (!clock.has_slices()).then(|| Heartbeat::new(context.idle, start));
    let mut tick = 0;
    loop {
        let next_tick = start + TICK * (tick + 1);
        let next = heartbeat.as_ref().map_or(next_tick, |heartbeat| heartbeat.next().min(next_tick));
        tokio::select! {
            biased;
            () = &mut phase => break,
            () = E::sleep_until(next) => {
                let now = Instant::now();
                if let Some(heartbeat) = heartbeat.as_mut().filter(|heartbeat| heartbeat.next() <= now) {
                    heartbeat.beat(now);
                }
                if now < next_tick {
                    continue;
                }
            }
            command = commands.recv(), if !context.stopped() => {
                // A closed channel is an interruption, too.
                debug_assert!(matches!(command, None | Some(Command::Stop)), "one command at a time");
                context.stop();
                continue;
            }
        }
        tick += 1;
        report_tick(context, reports, tick);
    }
    let disturbance = heartbeat.map(|heartbeat| heartbeat.end(Instant::now()));
    report_tick(context, reports, tick + 1);
    before.until_now::<E>(disturbance)
}

fn report_tick(context: &Context, reports: &thread_mpsc::Sender<Report>, tick: u32) {
    let (record, connections) = (context.take_tick(), context.connections());
    let _ = reports.send(Report::Tick { thread: context.number, tick, record, connections });
}
