//! Processes that wssbench starts: servers under test, and runs as trials of a comparison or sweep.

mod announcement;
pub(crate) mod block;
pub(crate) mod embedded;
pub(crate) mod interleave;
pub(crate) mod probe;
pub(crate) mod progress;
pub(crate) mod protocol;
pub(crate) mod run;
pub(crate) mod run_options;
mod run_process;
pub(crate) mod server;
pub(crate) mod threads;
pub(crate) mod workloads;
