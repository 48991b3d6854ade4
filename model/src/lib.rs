//! The data model of wssbench: what a run is asked to do ([`config`]) and what it found ([`run_result`]), with the
//! units, histograms, schemas and files of both.
//!
//! This crate is the root of the import graph: it opens no socket and starts no thread. Every renderer, exporter and
//! comparison takes a [`RunResult`] and nothing else, so each report can be reproduced from its file.

pub mod config;
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

pub use config::{Arrivals, EngineKind, Layer, Mode, ProviderKind, RunConfig, TlsOptions, TlsVersion, TrustOptions};
pub use failure::{ErrorKind, ErrorPhase};
pub use latency::{Latency, LatencyHistogram};
pub use run_result::RunResult;
pub use server_stats::ServerStats;
pub use units::{HumanDuration, Percent, Rate, Size};
pub use validity::{Reason, ReasonCode};
