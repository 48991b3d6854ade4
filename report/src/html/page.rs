//! The page: one HTML file that opens from disk, with style, script and results in it, and loads nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::part::{FactGroup, Part, Section, Verdict};
use super::table::{data, section_table};
use crate::figures::text::clip;
use crate::figures::theme::{self, Theme};
use crate::figures::{Drawing, Figure, NARROW, WIDE};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Characters of a fact or a reason: a peer or a user may have written it.
const TEXT_CHARS: usize = 1_000;

/// The whole file. `embedded` is the markup of the results.
pub(super) fn page(parts: &[Part], embedded: &Markup) -> String {
    let title = match parts {
        [part] => part.answer.clone(),
        many => format!("{} results of wssbench", many.len()),
    };
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                // Whatever a result contains: nothing is loaded, and no script but this one runs.
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content="wssbench";
                title { (clip(&title, 200)) }
                style { (PreEscaped(style())) }
            }
            body {
                a.skip href="#main" { "Skip to the answer" }
                header.bar {
                    strong { "wssbench" }
                    nav aria-label="Page" {
                        button type="button" #theme aria-label="Switch between the light and the dark theme" hidden { "Dark" }
                        button type="button" #download hidden { "Download JSON" }
                    }
                }
                main #main {
                    @if parts.len() > 1 { h1 { (title) } }
                    @for (index, part) in parts.iter().enumerate() { (part_markup(part, index, parts.len() > 1)) }
                    (archive_note())
                }
                div #tip role="tooltip" hidden {}
                (embedded)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    markup.into_string() + "\n"
}

/// The content security policy: no source of anything but this style and this script.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(&style())
    )
}

/// The style sheet, with the colors of both themes.
fn style() -> String {
    let (light, dark) = (theme::properties(Theme::Light), theme::properties(Theme::Dark));
    format!(
        ":root{{color-scheme:light;{light}}}\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}\
         @media print{{:root,:root:not([data-theme=light]),:root[data-theme=dark]{{color-scheme:light;{light}}}}}\
         {STYLE}{}",
        theme::rules_with_properties()
    )
}

fn part_markup(part: &Part, index: usize, several: bool) -> Markup {
    html! {
        article {
            p.kind { (part.kind) " · " (clip(&part.identity, 300)) }
            @if several { h2.answer { (part.answer) "." } } @else { h1.answer { (part.answer) "." } }
            @for verdict in &part.verdicts { (verdict_markup(verdict)) }
            @if !part.facts.is_empty() { (facts(&part.facts)) }
            @for (number, section) in part.sections.iter().enumerate() { (section_markup(section, &format!("p{index}s{number}"))) }
            @if !part.methods.is_empty() { (methods(part, index)) }
        }
    }
}

fn verdict_markup(verdict: &Verdict) -> Markup {
    let (class, word) = if verdict.valid { ("valid", "Valid") } else { ("invalid", "Not valid") };
    let name = if verdict.name.is_empty() { String::new() } else { format!("{}: ", verdict.name) };
    html! {
        div class=(format!("verdict {class}")) {
            @if verdict.valid {
                p { (name) strong { (word) } ": " (verdict.praise) }
            } @else {
                p { (name) strong { (word) } ": do not rely on the figures." }
                ul { @for reason in verdict.reasons.iter().take(40) { li { (clip(reason, TEXT_CHARS)) } } }
                @if !verdict.advice.is_empty() { p { "What to do: " (verdict.advice.join("; ")) "." } }
            }
        }
    }
}

fn facts(groups: &[FactGroup]) -> Markup {
    html! {
        @for group in groups {
            section.facts {
                @if !group.name.is_empty() { h3 { (group.name) } }
                dl {
                    @for (label, text) in &group.facts {
                        // A fact without a label continues the one above.
                        @if !label.is_empty() { dt { (label) } }
                        dd { (clip(text, TEXT_CHARS)) }
                    }
                }
            }
        }
    }
}

fn section_markup(section: &Section, id: &str) -> Markup {
    html! {
        section {
            h2 #(id) { (section.heading) }
            @for text in &section.texts { p.text { (clip(text, TEXT_CHARS)) } }
            @if !section.figures.is_empty() {
                div.figures { @for figure in &section.figures { (figure_markup(figure)) } }
            }
            @if !section.tables.is_empty() {
                div.tables { @for (number, table) in section.tables.iter().enumerate() {
                    (section_table(table, &format!("{id}t{number}")))
                } }
            }
        }
    }
}

/// A figure in two widths, of which the style sheet shows one.
fn figure_markup(figure: &Figure) -> Markup {
    html! {
        figure #(figure.id) {
            figcaption { (figure.title) }
            (svg(&figure.draw(WIDE), "wide", &figure.title))
            (svg(&figure.draw(NARROW), "narrow", &figure.title))
            @if !figure.note.is_empty() { p.note { (figure.note) } }
            (data(&figure.table, &figure.title))
        }
    }
}

fn svg(drawing: &Drawing, class: &str, title: &str) -> Markup {
    html! {
        svg class=(class) role="group" aria-label=(title) viewBox=(format!("0 0 {} {}", drawing.width, drawing.height.ceil())) {
            (drawing.content)
        }
    }
}

fn methods(part: &Part, index: usize) -> Markup {
    let id = format!("p{index}methods");
    html! {
        section {
            h2 #(id) { "How it was measured" }
            p.text { "To paste into a paper. The facts come from the result; check them against what you want to say." }
            blockquote #(format!("{id}-text")) { (part.methods) }
            p { button type="button" data-copy=(format!("{id}-text")) hidden { "Copy the paragraph" } }
            @if !part.bibtex.is_empty() {
                pre tabindex="0" #(format!("{id}-bibtex")) { (part.bibtex) }
                p { button type="button" data-copy=(format!("{id}-bibtex")) hidden { "Copy the BibTeX entry" } }
            }
        }
    }
}

fn archive_note() -> Markup {
    html! {
        footer {
            p {
                "This file has every result in it: " code { "wssbench report --extract FILE" }
                " returns the JSON byte for byte. It loads nothing from anywhere."
            }
        }
    }
}
