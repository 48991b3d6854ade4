//! What went wrong with connections: [`Failure`], and their counts by phase and kind.

use std::collections::BTreeMap;

use wss_model::run_result::ErrorCount;
use wss_model::{ErrorKind, ErrorPhase};

/// Something that went wrong with one connection.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Failure {
    pub(crate) phase: ErrorPhase,
    pub(crate) kind: ErrorKind,
    /// One sentence for people.
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(phase: ErrorPhase, kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { phase, kind, text: text.into() }
    }
}

/// Failures by phase and kind, each with the text of the first one.
#[derive(Debug, Default)]
pub(crate) struct Failures(BTreeMap<(ErrorPhase, ErrorKind), (u64, String)>);

impl Failures {
    pub(crate) fn add(&mut self, failure: Failure) {
        self.add_many(failure, 1);
    }

    pub(crate) fn add_many(&mut self, failure: Failure, count: u64) {
        self.0.entry((failure.phase, failure.kind)).or_insert((0, failure.text)).0 += count;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for ((phase, kind), (count, text)) in other.0 {
            self.add_many(Failure { phase, kind, text }, count);
        }
    }

    /// The total over all phases and kinds.
    pub(crate) fn count(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    /// The counts for the result, the most frequent first.
    pub(crate) fn counts(&self) -> Vec<ErrorCount> {
        let mut counts: Vec<_> = self
            .0
            .iter()
            .map(|((phase, kind), (count, example))| ErrorCount {
                phase: *phase,
                kind: *kind,
                count: *count,
                example: example.clone(),
            })
            .collect();
        counts.sort_by_key(|error| std::cmp::Reverse(error.count));
        counts
    }
}
