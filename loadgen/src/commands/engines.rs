//! `wssbench engines`: what this kernel offers to each engine, and the form that each takes here.
//!
//! That an engine does not run is an answer, and no error: nothing was asked to run.

use clap::Args;
use wss_model::RunConfig;
use wss_model::engines_result::{EngineOnMachine, EnginesResult, KernelFeature};
use wss_model::store::Stored as _;
use wss_report as report;
use wss_wire::engine::{Capabilities, Feature, offers};

use crate::output;

/// `wssbench engines`.
#[derive(Debug, Args)]
pub(crate) struct EnginesCommand {
    /// Print it as JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Tries every engine and prints what it found.
///
/// # Errors
/// If it cannot be written as JSON.
pub(crate) fn engines(command: &EnginesCommand) -> anyhow::Result<()> {
    let result = EnginesResult {
        schema: EnginesResult::SCHEMA.to_owned(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        default: RunConfig::default().engine,
        engines: offers().into_iter().map(on_machine).collect(),
    };
    if command.json {
        output::print(&(serde_json::to_string_pretty(&result)? + "\n"))
    } else {
        output::print(&report::engines(&result, output::style(false)))
    }
}

fn on_machine(Capabilities { engine, form, features }: Capabilities) -> EngineOnMachine {
    let (form, refused_because) = match form {
        Ok(form) => (Some(form), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let features = features.into_iter().map(feature).collect();
    EngineOnMachine {
        engine,
        available: form.is_some(),
        engine_features: form,
        unavailable_because: refused_because,
        features,
    }
}

fn feature(Feature { name, since, offered, taken, why }: Feature) -> KernelFeature {
    KernelFeature {
        name: name.to_owned(),
        since: since.to_owned(),
        supported: offered,
        used: taken,
        reason: why.to_owned(),
    }
}
