//! What this kernel offers to each engine, and the form that each would take: what `wssbench engines` prints.

use wss_model::EngineKind;

use super::{EngineError, tokio_uring, uring};

/// One engine on this machine.
#[derive(Debug)]
pub struct Capabilities {
    /// Which.
    pub engine: EngineKind,
    /// The form that it takes here, in words; or why it does not run.
    pub form: Result<String, EngineError>,
    /// What it can make use of; empty where there is no choice.
    pub features: Vec<Feature>,
}

/// Something that a kernel may or may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feature {
    /// Its name, as the kernel's manual has it.
    pub name: &'static str,
    /// The first kernel that has it.
    pub since: &'static str,
    /// Whether this kernel has it: tried, not told from its version.
    pub offered: bool,
    /// Whether the engine makes use of it.
    pub taken: bool,
    /// What it is good for, or why it is left alone.
    pub why: &'static str,
}

/// Tries what each engine needs, on rings that are made for it and closed again.
pub fn offers() -> Vec<Capabilities> {
    EngineKind::ALL.iter().map(|&engine| offer(engine)).collect()
}

/// The form that an engine takes here, in words; `None` if it does not run.
pub fn form(engine: EngineKind) -> Option<String> {
    offer(engine).form.ok()
}

fn offer(engine: EngineKind) -> Capabilities {
    match engine {
        EngineKind::Uring => match uring::Features::best() {
            Ok(form) => Capabilities { engine, form: Ok(form.to_string()), features: form.features() },
            Err(error) => Capabilities { engine, form: Err(error), features: Vec::new() },
        },
        EngineKind::TokioUring => {
            let form = tokio_uring::try_ring().map(|()| {
                "COOP_TASKRUN, SINGLE_ISSUER, one operation at a time in each direction, epoll below the ring"
                    .to_owned()
            });
            Capabilities { engine, form, features: Vec::new() }
        }
        EngineKind::Epoll => {
            Capabilities { engine, form: Ok("edge-triggered, through tokio".to_owned()), features: Vec::new() }
        }
    }
}
