//! Results as text: [`terminal()`] for a run, and one module for each other kind of result; [`html`] as a page with figures;
//! [`export`] for other programs.
//!
//! A report is made from a result and nothing else, so the same file gives the same report a year later. It returns text
//! and prints nothing.

pub mod comparison;
mod disturbances;
mod engines;
pub mod export;
mod figures;
pub mod gate;
pub mod history;
pub mod html;
mod layout;
mod markdown;
mod style;
pub mod sweep;
mod table;
mod tables;
mod terminal;
pub mod trace;
mod verdict;
mod wrap;

pub use engines::engines;
pub use style::Style;
pub use terminal::terminal;
