//! Sweeps: many configurations measured in randomized blocks, and what follows from them.
//!
//! [`SweepResult`] (schema `wssbench.sweep/2`) keeps every trial of every block, so that [`SweepResult::conclude`] can draw
//! the conclusions ([`Analysis`]) again.

mod conclude;
mod result;
mod security;
mod summary;

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;

pub use self::result::{Block, Configuration, InvalidCombination, SweepResult, Trial};
pub use self::security::{Security, security};
pub use self::summary::{Analysis, MetricSummary, Ranking, Summary};
