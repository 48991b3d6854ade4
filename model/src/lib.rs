//! The vocabulary of wssbench: what can be asked ([`config`]), what is answered ([`run_result`]) and how the
//! answer reads ([`report`]).
//!
//! This crate stands at the root of the imports: it opens no socket and starts no thread. Every renderer,
//! exporter and comparison takes a [`RunResult`] and nothing else, so that each report can be made again from
//! its file.

pub mod comparison;
pub mod config;
pub mod counts;
pub mod engines_result;
pub mod export;
pub mod gate;
pub mod history;
pub mod io_totals;
pub mod latency;
mod named_latency;
pub mod report;
pub mod run_result;
#[cfg(test)]
mod sample;
pub mod schema;
pub mod server_stats;
pub mod statistics;
pub mod store;
pub mod sweep_result;
pub mod trace_result;
pub mod units;
pub mod validity;

pub use config::{Arrivals, EngineKind, Layer, Mode, ProviderKind, RunConfig, TlsOptions, TlsVersion, TrustOptions};
pub use latency::{Latency, LatencyHistogram};
pub use run_result::RunResult;
pub use server_stats::ServerStats;
pub use sweep_result::SweepResult;
pub use units::{HumanDuration, Percent, Rate, Size};
