//! How a result reads: [`terminal()`], the text at the end of a run.
//!
//! A report is made from a [`RunResult`](crate::RunResult) and nothing else, and it prints nothing itself: it
//! returns text, so that the same result gives the same report a year later.

pub mod comparison;
mod engines;
pub mod gate;
pub mod history;
mod markdown;
mod page;
pub(crate) mod quantity;
pub mod sweep;
mod tables;
mod terminal;
pub mod trace;
pub(crate) mod words;

pub use engines::engines;
pub use terminal::terminal;
