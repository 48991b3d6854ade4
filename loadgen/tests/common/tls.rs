//! Short runs of TLS handshakes, and the labels that both ends report.

use wss_model::RunResult;
use wss_model::run_result::{Negotiated, NegotiatedCount};

use super::{Ended, assert_no_errors, run};

/// A very short closed loop of handshakes: their kind matters, not their number.
const BRIEF: [&str; 8] = ["--mode", "handshake", "--warmup", "0s", "--duration", "200ms", "--connect-rate", "max"];

/// Handshakes in a closed loop with this concurrency. A run is repeated if the machine was so busy that it made none.
pub(crate) fn attempt_at(concurrency: &str, arguments: &[&str]) -> Ended {
    let attempt = || run(&[&BRIEF[..], &["--connect-concurrency", concurrency], arguments].concat());
    let made_none = |ended: &Ended| ended.stderr.contains("no handshake started before the end");
    (1..3).fold(attempt(), |ended, _| if made_none(&ended) { attempt() } else { ended })
}

/// [`attempt_at`] without errors, and with both ends in agreement if both report.
pub(crate) fn handshakes_at(concurrency: &str, arguments: &[&str]) -> RunResult {
    sound(&attempt_at(concurrency, arguments))
}

/// Four concurrent handshakes on the embedded server.
pub(crate) fn handshakes(arguments: &[&str]) -> RunResult {
    let result = handshakes_at("4", arguments);
    assert!(result.server_negotiated.is_some(), "the embedded server has an admin endpoint");
    result
}

/// The result of a run without errors whose two ends counted the same.
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

/// The label that all handshakes have.
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
