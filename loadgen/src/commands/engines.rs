//! `wssbench engines`: what this kernel supports and what each engine uses of it.
//!
//! An engine that cannot run is a result here, not an error.

use clap::Args;
use wss_model::RunConfig;
use wss_model::engines_result::{EngineOnMachine, EnginesResult};
use wss_model::store::Stored as _;
use wss_report as report;
use wss_wire::engine::{Capabilities, capabilities, choose};

use crate::output;

/// `wssbench engines`.
#[derive(Debug, Args)]
pub(crate) struct EnginesCommand {
    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Probes every engine and prints the result.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn engines(command: &EnginesCommand) -> anyhow::Result<()> {
    let result = EnginesResult {
        schema: EnginesResult::SCHEMA.to_owned(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        default: choose(RunConfig::default().engine).0,
        engines: capabilities().into_iter().map(on_machine).collect(),
    };
    if command.json {
        output::print(&(serde_json::to_string_pretty(&result)? + "\n"))
    } else {
        output::print(&report::engines(&result, output::style(false)))
    }
}

fn on_machine(found: Capabilities) -> EngineOnMachine {
    let Capabilities { engine, engine_features, features } = found;
    let (engine_features, unavailable_because) = match engine_features {
        Ok(engine_features) => (Some(engine_features), None),
        Err(error) => (None, Some(error.to_string())),
    };
    EngineOnMachine { engine, available: engine_features.is_some(), engine_features, unavailable_because, features }
}
