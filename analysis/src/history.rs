//! How figures moved over months: one line per comparison, in JSON Lines, schema `wssbench.history/2`.
//!
//! A line ([`Entry`]) holds ratios to a pinned reference build and never times, because what the machine did that day
//! affects both builds and cancels. Lines are only ever appended ([`append`]). An unreadable line is reported and kept
//! ([`read`]). Entries from another machine, against another reference or of another configuration form a separate
//! [`Series`].

mod entry;
mod file;
mod series;

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;

pub use self::entry::{Build, Entry, Fingerprint, SCHEMA, TrackedRatio, Unfit};
pub use self::file::{Added, BadLine, History, HistoryError, append, default_path, parse, read};
pub use self::series::{Point, Series, Trend, series};
