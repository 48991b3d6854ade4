//! A result whose figures cannot be shown: of another version, cut short, edited or damaged.

use super::part::{Part, Verdict};
use super::source::Unusable;
use crate::figures::text::clip;

/// The page says what the file is and why there are no figures. The file is embedded all the same.
pub(super) fn part(name: &str, unusable: &Unusable) -> Part {
    let verdict = Verdict {
        name: String::new(),
        valid: false,
        praise: String::new(),
        reasons: vec![clip(&unusable.reason, 600)],
        advice: vec![unusable.advice.trim_end_matches('.').to_owned()],
    };
    Part {
        kind: clip(&unusable.schema, 60),
        identity: clip(name, 120),
        answer: "The figures of this result cannot be shown".to_owned(),
        verdicts: vec![verdict],
        facts: Vec::new(),
        sections: Vec::new(),
        methods: String::new(),
        bibtex: String::new(),
    }
}
