//! The last paragraph of a report: whether the result is valid, why not, and what to do about it.

use wss_model::{Reason, ReasonCode};

use crate::layout::Layout;
use crate::style::Tone;

/// The first line of a report whose result is not valid: the figures below it are read first.
pub(crate) fn heads_up(layout: &mut Layout, is_valid: bool) {
    if !is_valid {
        layout.verdict(Tone::Bad, "INVALID", ", see the reasons below.");
        layout.gap();
    }
}

/// "VALID" and `praise`, or "INVALID", `blame`, the reasons and what to do.
pub(crate) fn verdict(layout: &mut Layout, is_valid: bool, reasons: &[Reason], praise: &str, blame: &str) {
    if is_valid {
        return layout.verdict(Tone::Good, "VALID", &format!(": {praise}"));
    }
    layout.verdict(Tone::Bad, "INVALID", &format!(": {blame}"));
    for reason in reasons {
        layout.bullet(&reason.text);
    }
    if reasons.is_empty() {
        layout.bullet("the result does not give a reason");
    }
    let mut advice: Vec<&str> = Vec::new();
    for text in reasons.iter().filter_map(|reason| advice_on(reason.code)) {
        if !advice.contains(&text) {
            advice.push(text);
        }
    }
    if !advice.is_empty() {
        layout.text(&format!("What to do: {}.", advice.join("; ")));
    }
}

/// What helps against a reason, as a clause without a full stop.
const fn advice_on(code: ReasonCode) -> Option<&'static str> {
    Some(match code {
        ReasonCode::Interrupted | ReasonCode::OutOfRange => return None,
        ReasonCode::NothingCompleted | ReasonCode::Errors | ReasonCode::WarmupErrors => {
            "look at the first example of each error above"
        }
        ReasonCode::GeneratorCpu | ReasonCode::GeneratorLate => {
            "lower --rate or --connect-rate, or give the generator a CPU of its own (--client-cpus)"
        }
        ReasonCode::RateNotAchieved => "lower the rate, or allow more messages in flight (--in-flight, --connections)",
        ReasonCode::EndsDisagree => "run against a server that nobody else uses meanwhile",
        ReasonCode::Steal | ReasonCode::BlocksDropped => "repeat on a machine that is not shared, or when it is idle",
        ReasonCode::NoResult | ReasonCode::PeerFailed | ReasonCode::TrialsFailed | ReasonCode::TrialsInvalid => {
            "try the same options with `wssbench run`, which shows every figure of one run"
        }
        ReasonCode::Incomplete => "run the remaining blocks",
        ReasonCode::ArmsDisagree => "name the parameters on both arms (--suite, --group, --cert)",
    })
}
