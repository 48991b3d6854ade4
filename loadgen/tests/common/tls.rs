//! Short runs of TLS handshakes, and what both ends say that they were.

use wss_model::RunResult;
use wss_model::run_result::{Negotiated, NegotiatedCount};

use super::{Ended, assert_no_errors, run};

/// A closed loop of handshakes, as short as it may be: it is told by what the handshakes were, not by how many.
const BRIEF: [&str; 8] = ["--mode", "handshake", "--warmup", "0s", "--duration", "100ms", "--connect-rate", "max"];

/// Handshakes in a closed loop, so many at a time.
pub(crate) fn attempt_at(concurrency: &str, arguments: &[&str]) -> Ended {
    run(&[&BRIEF[..], &["--connect-concurrency", concurrency], arguments].concat())
}

/// [`attempt_at`], without errors, and with both ends of one opinion if both can be asked.
pub(crate) fn handshakes_at(concurrency: &str, arguments: &[&str]) -> RunResult {
    sound(&attempt_at(concurrency, arguments))
}

/// Handshakes, four at a time, on the embedded server.
pub(crate) fn handshakes(arguments: &[&str]) -> RunResult {
    let result = handshakes_at("4", arguments);
    assert!(result.server_negotiated.is_some(), "the embedded server has an admin endpoint");
    result
}

/// The result of a run that had no errors and of which both ends counted the same.
pub(crate) fn sound(ended: &Ended) -> RunResult {
    let result = ended.result();
    assert_no_errors(&result);
    assert_eq!(result.warmup.errors, [], "{ended}");
    let sorted = |counts: &[NegotiatedCount]| {
        let mut counts = counts.to_vec();
        counts.sort_by(|a, b| a.negotiated.cmp(&b.negotiated));
        counts
    };
    if let Some(server) = &result.server_negotiated {
        assert_eq!(sorted(&result.negotiated), sorted(server), "{ended}");
    }
    result
}

/// The one label that all handshakes had.
pub(crate) fn label(result: &RunResult) -> &Negotiated {
    let [only] = &result.negotiated[..] else { panic!("{:?}", result.negotiated) };
    assert_eq!(only.count, result.handshake.completed);
    &only.negotiated
}

/// The label in one line: version, suite, group, certificate and kind.
pub(crate) fn words(label: &Negotiated) -> String {
    let Negotiated { version, suite, group, certificate, kind } = label;
    format!("{version} {suite} {group} {certificate} {kind}")
}
