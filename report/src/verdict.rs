//! The last paragraph of a report: whether the result is valid, why not, and what to do about it.

use wss_model::Reason;

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
    texts(reasons).into_iter().for_each(|text| layout.bullet(text));
    let advice = advice(reasons);
    if !advice.is_empty() {
        layout.text(&format!("What to do: {}.", advice.join("; ")));
    }
}

/// Why a result is not valid; never empty.
pub(crate) fn texts(reasons: &[Reason]) -> Vec<&str> {
    match reasons {
        [] => vec!["the result does not give a reason"],
        reasons => reasons.iter().map(|reason| reason.text.as_str()).collect(),
    }
}

/// What to do, each only once.
pub(crate) fn advice(reasons: &[Reason]) -> Vec<&'static str> {
    let mut advice = Vec::new();
    for text in reasons.iter().filter_map(|reason| reason.code.advice()) {
        if !advice.contains(&text) {
            advice.push(text);
        }
    }
    advice
}
