//! A comparison of two arms.

use super::answer;
use super::methods;
use super::part::{FactGroup, Part, Section, Verdict};
use crate::comparison::{correlated, dropped, facts, legend, negotiated, noisy};
use crate::figures::blocks::{all_metrics, ratios_of_blocks};
use crate::figures::text::clip;
use wss_analysis::comparison::{Comparison, Kind, Role};

/// The part of a page about a comparison. `prefix` makes the ids of its figures unique.
pub(super) fn part(prefix: &str, comparison: &Comparison) -> Part {
    let mut overview = Section::new("B ÷ A");
    overview.figures.extend(all_metrics(&format!("{prefix}ratios"), comparison));
    let section_of = |heading: &str, role: Role| {
        let mut section = Section::new(heading);
        for figure in comparison.analysis.metrics.iter().filter(|figure| figure.role == role) {
            let id = format!("{prefix}blocks-{}", figure.metric.name().replace('_', "-"));
            section.figures.extend(ratios_of_blocks(&id, comparison, figure));
        }
        section
    };
    let primary = section_of("Every block: primary figures", Role::Primary);
    let secondary = section_of("Every block: secondary figures, each on its own", Role::Secondary);
    let sections = [overview, primary, secondary, remarks(comparison)];
    let mut facts = facts(comparison);
    facts.extend(negotiated(comparison).into_iter().map(|kind| ("Negotiated".to_owned(), kind)));
    facts.extend(comparison.varied.iter().map(|one| ("Varied".to_owned(), one.to_string())));
    facts.extend(comparison.differences.iter().map(|one| ("Forced".to_owned(), one.to_string())));
    Part {
        kind: match comparison.kind {
            Kind::Ab => "comparison of A and B".to_owned(),
            Kind::Aa => "comparison of A with itself".to_owned(),
            Kind::Files => "comparison of results".to_owned(),
        },
        identity: format!("{}, {}", clip(&comparison.id, 60), clip(&comparison.started_at, 40)),
        answer: answer::of_comparison(comparison),
        verdicts: vec![Verdict::new(
            "",
            comparison.valid,
            &comparison.invalid_because,
            "the figures can be relied on.",
        )],
        facts: vec![FactGroup { name: String::new(), facts }],
        sections: sections.into_iter().filter(|section| !section.is_empty()).collect(),
        methods: methods::of_comparison(comparison),
        bibtex: methods::bibtex(&comparison.tool, &comparison.started_at),
    }
}

fn remarks(comparison: &Comparison) -> Section {
    let mut section = Section::new("How to read this");
    let noisy = noisy(comparison);
    if !noisy.is_empty() {
        let names = noisy.join(" and ");
        section
            .texts
            .push(format!("An arm differs from itself in {names}: a difference of that size means nothing here."));
    }
    section.texts.extend(correlated(comparison));
    section.texts.push(legend(comparison));
    section.texts.extend(dropped(comparison).map(|reason| format!("Dropped: {}", clip(&reason, 400))));
    section
}
