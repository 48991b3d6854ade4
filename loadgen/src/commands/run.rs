//! `wssbench run`: the main job, from the options to the exit code.
//!
//! [`setup`] fills in the options and starts both ends; [`phases`] runs the phases; [`result`] builds the result from
//! their records and what both ends used ([`cpu_accounting`], [`cost`], [`ends`]).

mod awake;
mod connect_rate;
mod cost;
mod cpu_accounting;
mod defaults;
mod elapsed;
mod ends;
pub(crate) mod options;
mod phases;
mod result;
mod sessions;
mod setup;
mod time_slices;

use anyhow::Context;
use wss_model::run_result::Environment;
use wss_model::{ErrorKind, ErrorPhase, RunResult, store};
use wss_report as report;

use self::options::RunCommand;
use self::phases::{Run, ensure_completed};
use self::result::{Origin, run_result};
use self::setup::Setup;
use crate::child::protocol;
use crate::generator::failure::Failure;
use crate::output;
use crate::setup::environment::{self, CpuTime};
use crate::setup::preflight;

/// Runs, writes and prints the result; returns whether it is valid.
///
/// # Errors
/// If there is no result: the options do not fit together, something does not start, or no connection succeeds.
pub(crate) fn run(command: &RunCommand) -> anyhow::Result<bool> {
    let (id, started_at) = environment::identify();
    let path = command.out.clone().unwrap_or_else(|| store::default_path::<RunResult>(&id));
    let mut setup = Setup::new(&command.config)?;
    preflight::check_output(&path)?;
    command.html.check(&path)?;

    let cpu_time = CpuTime::now();
    let mut run = Run::new(&mut setup)?;
    let measurement = run.measure()?;
    let mut observations = run.finish();
    let steal_percent = CpuTime::stolen_percent(cpu_time).unwrap_or(0.0);
    let environment = Environment { steal_percent, ..setup.environment.clone() };
    let finished = setup.finish();
    if let Err(error) = &finished.server_ended {
        let failure = Failure::new(ErrorPhase::Server, ErrorKind::ServerExited, format!("{error:#}"));
        observations.failures.add(failure);
    }
    ensure_completed(&measurement.handshakes.result, &observations.failures)?;

    let result = run_result(Origin { id, started_at, environment }, finished, measurement, &observations);
    store::write(&result, &path).context("writing the result; choose another --out")?;
    command.html.write(&path)?;
    if command.json {
        output::print(&store::json(&result)?)?;
    } else if !protocol::events_requested() {
        let style = output::style(command.verbose);
        output::print(&format!("{}\nresult: {}\n", report::terminal(&result, style), path.display()))?;
    }
    Ok(result.valid)
}
