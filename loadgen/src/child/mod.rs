//! Processes that wssbench starts: servers under test, and runs that are one trial of a comparison.

pub(crate) mod progress;
pub(crate) mod protocol;
pub(crate) mod run;
pub(crate) mod run_options;
pub(crate) mod server;
pub(crate) mod workloads;
