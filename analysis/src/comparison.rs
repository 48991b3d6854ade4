//! Comparisons of two arms, A and B, in blocks of trials.
//!
//! [`Comparison`] (schema `wssbench.comparison/2`) keeps every trial. All conclusions ([`Analysis`]) treat the block, not the
//! request, as the unit. A block that the machine disturbed is dropped as a whole, by criteria that do not look at the
//! ratios ([`Disturbance`]); it stays in the file with the reason.

mod conclude;
mod differences;
mod disturbance;
mod figures;
mod result;

#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
#[cfg(test)]
mod tests;

pub use self::differences::{Difference, between, fields};
pub use self::disturbance::{Disturbance, LIMITS, Limits};
pub use self::figures::{Analysis, ComparedMetric, Role};
pub use self::result::{Arm, ArmLabel, Block, Comparison, Kind, Program, Trial};
