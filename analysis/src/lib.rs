//! What follows from results: whether a run is valid, how configurations and builds compare, and how a figure moved
//! over time.
//!
//! The way of the data: [`validity`] judges one run; [`metric`] reads figures out of it; [`statistics`] turns figures
//! of many blocks into ratios with exact intervals; [`sweep`], [`comparison`], [`gate`] and [`history`] draw
//! conclusions from those. Nothing here prints or measures.

pub mod comparison;
pub mod counts;
pub mod gate;
pub mod history;
pub mod metric;
pub mod statistics;
pub mod sweep;
pub mod validity;
