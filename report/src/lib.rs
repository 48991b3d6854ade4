//! How a result reads: [`terminal()`], the text at the end of a run, and the tables, pages and exports of the rest.
//!
//! A report is made from a [`RunResult`](wss_model::RunResult) and nothing else. It returns text and prints nothing, so
//! the same result gives the same report a year later.

pub mod comparison;
mod engines;
pub mod export;
pub mod gate;
pub mod history;
mod layout;
mod markdown;
pub mod sweep;
mod tables;
mod terminal;
pub mod trace;

pub use engines::engines;
pub use terminal::terminal;
