//! Conclusions from results: whether a run is valid, how configurations and builds compare, and how a figure moved over
//! time. Nothing here measures or prints.
//!
//! [`validity`] judges a run. [`workload`], [`metric`] and [`trial`] describe what a run contributes to a trial.
//! [`statistics`] turns the figures of many blocks into ratios with exact intervals. [`sweep`], [`comparison`], [`gate`]
//! and [`history`] draw conclusions from those. [`counts`] compares deterministic counts of two builds.

pub mod comparison;
pub mod counts;
pub mod gate;
pub mod history;
pub mod metric;
pub mod statistics;
pub mod sweep;
pub mod trial;
pub mod validity;
pub mod workload;
