//! The protocol between a run and the process that started it: one JSON object per line, identified by its `event`.
//!
//! The run writes [`RunEvent`]s to its standard output; the parent writes [`ParentEvent`]s to the run's standard input.
//! A run writes `ready` if it has `--time-slice`, and `failed` if the parent set [`EVENTS`].

use std::io::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wss_model::ReasonCode;

/// Environment variable: if set, a run writes events to its standard output instead of its report.
pub(crate) const EVENTS: &str = "WSSBENCH_EVENTS";

/// An event that a run writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum RunEvent {
    /// Everything is prepared; the run waits for [`ParentEvent::Begin`].
    Ready,
    /// The run failed and wrote no result.
    Failed {
        /// The code of the reason: [`ReasonCode::NoResult`].
        code: ReasonCode,
        /// One sentence with the chain of causes.
        text: String,
    },
}

/// An event that the parent writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum ParentEvent {
    /// All runs of the block are ready, or have failed.
    Begin {
        /// Start of the first time slice, in nanoseconds of CLOCK_MONOTONIC ([`wss_wire::machine::monotonic`]).
        at_ns: u64,
        /// Seed for the order of the runs, the same for all of them.
        seed: u64,
    },
}

/// The error of a run whose parent closed its standard input without [`ParentEvent::Begin`].
#[derive(Debug, thiserror::Error)]
#[error(
    "no time slices were assigned: standard input ended (--time-slice is internal to --interleave of ab and sweep)"
)]
pub(crate) struct NoSlices;

impl RunEvent {
    /// The event for an error that ended a run.
    pub(crate) fn failed(error: &anyhow::Error) -> Self {
        Self::Failed { code: ReasonCode::NoResult, text: format!("{error:#}") }
    }

    /// The event in a line, or `None` if the line is not an event.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// Writes the event to standard output.
    ///
    /// # Errors
    /// If standard output is closed.
    pub(crate) fn send(&self) -> io::Result<()> {
        write_line(&mut io::stdout().lock(), self)
    }
}

impl ParentEvent {
    /// `begin` with `at` on the clock of [`wss_wire::machine::monotonic`].
    pub(crate) fn begin(at: Duration, seed: u64) -> Self {
        Self::Begin { at_ns: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX), seed }
    }

    /// The event in a line, or `None` if the line is not an event.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }

    /// Writes the event to a run's standard input.
    ///
    /// # Errors
    /// If the run has closed it.
    pub(crate) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        write_line(to, self)
    }
}

/// Whether the process that started this one set [`EVENTS`].
pub(crate) fn events_requested() -> bool {
    std::env::var_os(EVENTS).is_some()
}

/// Sends an event of this run if the parent asked for events.
pub(crate) fn report(event: &RunEvent) {
    if events_requested() {
        // Without a reader there is nobody to report to.
        let _ = event.send();
    }
}

fn write_line(to: &mut impl Write, event: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(event)?;
    line.push('\n');
    to.write_all(line.as_bytes())?;
    to.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn begin_reads_back_as_written() {
        let begin = ParentEvent::begin(Duration::from_nanos(123_456_789_012), 7);
        let mut line = Vec::new();
        begin.send(&mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line, "{\"event\":\"begin\",\"at_ns\":123456789012,\"seed\":7}\n");
        assert_eq!(ParentEvent::parse(&line), Some(begin));
    }

    #[test]
    fn a_failure_keeps_its_code_and_its_causes() {
        let peer = RunEvent::failed(&anyhow::Error::new(NoSlices).context("waiting for the first slice"));
        let RunEvent::Failed { code, text } = &peer else { panic!("{peer:?}") };
        assert_eq!(*code, ReasonCode::NoResult);
        assert!(text.starts_with("waiting for the first slice: no time slices"), "{text}");
        assert_eq!(RunEvent::parse(&serde_json::to_string(&peer).unwrap()), Some(peer));
        let other = RunEvent::failed(&anyhow::anyhow!("no connection succeeded"));
        assert_eq!(
            serde_json::to_string(&other).unwrap(),
            r#"{"event":"failed","code":"no_result","text":"no connection succeeded"}"#
        );
    }

    #[test]
    fn ignores_lines_that_are_not_events() {
        for line in ["", "ready", "1 2", "{}", r#"{"event":"other"}"#, r#"{"event":"begin","at_ns":1}"#] {
            assert_eq!((RunEvent::parse(line), ParentEvent::parse(line)), (None, None), "{line}");
        }
        assert_eq!(RunEvent::parse(r#"{"event":"ready"}"#), Some(RunEvent::Ready));
    }
}
