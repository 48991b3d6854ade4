//! The data model of wssbench: the configuration of a run ([`config`]) and its result ([`run_result`]), with units,
//! histograms, schemas and files.
//!
//! This crate is the root of the import graph. It opens no socket and starts no thread. Every report, export and
//! comparison is made from results alone, so it can be reproduced from the files.

pub mod config;
pub mod disturbance;
pub mod engines_result;
pub mod failure;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod latency;
pub mod named;
pub mod named_latency;
pub mod ring_counters;
pub mod run_result;
pub mod schema;
pub mod server_stats;
pub mod store;
pub mod text;
pub mod trace_result;
pub mod units;
pub mod validity;

pub use config::{
    Arrivals, EngineChoice, EngineKind, Layer, Mode, ProviderKind, RunConfig, TlsOptions, TlsVersion, TrustOptions,
};
pub use failure::{ErrorKind, ErrorPhase};
pub use latency::{Latency, LatencyHistogram};
pub use run_result::RunResult;
pub use server_stats::ServerStats;
pub use units::{HumanDuration, Percent, Rate, Size};
pub use validity::{Reason, ReasonCode};
