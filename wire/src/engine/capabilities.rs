//! What this kernel supports and what each engine uses of it: the input of `wssbench engines`.

use wss_model::engines_result::KernelFeature;
use wss_model::{EngineChoice, EngineKind};

use super::{EngineError, tokio_uring, uring};

/// One engine on this machine.
#[derive(Debug)]
pub struct Capabilities {
    /// Which engine.
    pub engine: EngineKind,
    /// The features in use, as text; or why the engine cannot run.
    pub engine_features: Result<String, EngineError>,
    /// The optional kernel features; empty if the engine has none or cannot run.
    pub features: Vec<KernelFeature>,
}

/// Probes the kernel for every engine, on rings that are closed again.
pub fn capabilities() -> Vec<Capabilities> {
    EngineKind::ALL.iter().map(|&engine| probe(engine)).collect()
}

/// The engine that a choice stands for on this machine, and why it is not io_uring if it could have been.
pub fn choose(choice: EngineChoice) -> (EngineKind, Option<EngineError>) {
    if let Some(engine) = choice.named() {
        return (engine, None);
    }
    match uring::best_features() {
        Ok(_) => (EngineKind::Uring, None),
        Err(error) => (EngineKind::Epoll, Some(error)),
    }
}

/// The features that an engine uses on this machine, as text; `None` if it cannot run.
pub fn engine_features(engine: EngineKind) -> Option<String> {
    probe(engine).engine_features.ok()
}

fn probe(engine: EngineKind) -> Capabilities {
    let without_choice = |engine_features| Capabilities { engine, engine_features, features: Vec::new() };
    match engine {
        EngineKind::Uring => match uring::best_features() {
            Ok(used) => {
                Capabilities { engine, engine_features: Ok(used.to_string()), features: uring::kernel_features(used) }
            }
            Err(error) => without_choice(Err(error)),
        },
        EngineKind::TokioUring => without_choice(tokio_uring::try_ring().map(|()| {
            "COOP_TASKRUN, SINGLE_ISSUER, one operation at a time in each direction, epoll below the ring".to_owned()
        })),
        EngineKind::Epoll => without_choice(Ok("edge-triggered, through tokio".to_owned())),
    }
}
