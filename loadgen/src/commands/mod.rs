//! The verbs, one file each.

pub(crate) mod ab;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod engines;
pub(crate) mod export;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod man;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod show;
pub(crate) mod sweep;
pub(crate) mod trace;
