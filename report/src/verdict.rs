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
    for reason in reasons {
        layout.bullet(&reason.text);
    }
    if reasons.is_empty() {
        layout.bullet("the result does not give a reason");
    }
    let mut advice: Vec<&str> = Vec::new();
    for text in reasons.iter().filter_map(|reason| reason.code.advice()) {
        if !advice.contains(&text) {
            advice.push(text);
        }
    }
    if !advice.is_empty() {
        layout.text(&format!("What to do: {}.", advice.join("; ")));
    }
}
