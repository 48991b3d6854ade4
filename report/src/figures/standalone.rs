//! A figure as an SVG file of its own: with its title, its source, and the colors in it.

use maud::{PreEscaped, html};

use super::Figure;
use super::mark::px;
use super::text::{clip, wrap};
use super::theme::{self, Theme};

const MARGIN: f64 = 16.0;
const TITLE_LINE: f64 = 20.0;
const NOTE_LINE: f64 = 15.0;

/// A document that any program with SVG 1.1 reads. `source` says what it was made from.
pub(crate) fn standalone(figure: &Figure, width: f64, source: &str, theme: Theme) -> String {
    let drawing = figure.draw(width);
    let titles = wrap(&figure.title, width, 15.0);
    let notes = wrap(&figure.note, width, 11.0);
    let notes: &[String] = if figure.note.is_empty() { &[] } else { &notes };
    let top = MARGIN + TITLE_LINE * titles.len() as f64 + 12.0;
    let below = top + drawing.height + 10.0;
    let height = below + NOTE_LINE * (notes.len() + 1) as f64 + MARGIN;
    let full_width = drawing.width + 2.0 * MARGIN;
    let markup = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(px(full_width)) height=(px(height))
            viewBox=(format!("0 0 {} {}", px(full_width), px(height)))
            font-family="Inter, system-ui, -apple-system, 'Segoe UI', sans-serif" {
            title { (figure.title) }
            style { (PreEscaped(theme::rules_with_values(theme))) }
            rect width="100%" height="100%" fill=(theme::color("paper", theme)) {}
            @for (index, line) in titles.iter().enumerate() {
                text.title x=(px(MARGIN)) y=(px(MARGIN + TITLE_LINE * index as f64 + 14.0)) { (line) }
            }
            g transform=(format!("translate({} {})", px(MARGIN), px(top))) { (drawing.content) }
            @for (index, line) in notes.iter().enumerate() {
                text.q x=(px(MARGIN)) y=(px(below + NOTE_LINE * index as f64 + 10.0)) { (line) }
            }
            text.q x=(px(MARGIN)) y=(px(height - MARGIN)) { (clip(source, 120)) }
        }
    };
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", markup.into_string())
}
