//! Text in figures: what fits, and what may be drawn at all.

use wss_model::text::phrases::one_line;

/// Size of ordinary text, in the figure's units.
pub(crate) const FONT_SIZE: f64 = 12.0;

/// `text` in one line without characters that XML does not allow, and with at most `chars` characters: labels and errors
/// quote what a peer or a user wrote.
pub(crate) fn clip(text: &str, chars: usize) -> String {
    // XML 1.0 section 2.2; control characters are gone already.
    let line: String = one_line(text).chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect();
    match line.char_indices().nth(chars) {
        Some(_) => line.chars().take(chars.saturating_sub(1)).chain(['…']).collect(),
        None => line,
    }
}

/// `text`, shortened to `width` at a font size.
pub(crate) fn fit(text: &str, width: f64, size: f64) -> String {
    let line = clip(text, 500);
    if width_of(&line, size) <= width {
        return line;
    }
    let room = width - width_of("…", size);
    let mut used = 0.0;
    let kept = line.chars().take_while(|c| {
        used += char_width(*c) * size;
        used <= room
    });
    kept.chain(['…']).collect()
}

/// The width of a line at a font size: an estimate that is a little too wide for most fonts.
pub(crate) fn width_of(text: &str, size: f64) -> f64 {
    text.chars().map(char_width).sum::<f64>() * size
}

/// In em. Widths of Inter, which is wider than the fonts of most systems.
fn char_width(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '·' | 'I' | ' ' => 0.29,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' => 0.39,
        'm' | 'w' | 'M' | 'W' | '%' | '@' | '—' => 0.88,
        'A'..='Z' => 0.68,
        '0'..='9' | '+' | '=' | '×' | '÷' | '≈' | '−' => 0.64,
        'a'..='z' => 0.57,
        c if u32::from(c) < 0x2e80 => 0.62,
        _ => 1.0,
    }
}

/// Lines of at most `width`, broken at blanks.
pub(crate) fn wrap(text: &str, width: f64, size: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in clip(text, 600).split(' ') {
        let joined = lines.last().map(|line| format!("{line} {word}"));
        match (joined, lines.last_mut()) {
            (Some(joined), Some(last)) if width_of(&joined, size) <= width => *last = joined,
            _ => lines.push(fit(word, width, size)),
        }
    }
    lines
}

/// A sentence with a capital at its start.
pub(crate) fn capitalized(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shortened_to_what_fits() {
        assert_eq!(fit("short", 100.0, FONT_SIZE), "short");
        let long = fit(&"x".repeat(10_000), 100.0, FONT_SIZE);
        assert!(long.ends_with('…') && width_of(&long, FONT_SIZE) <= 100.0, "{long}");
        assert_eq!(clip("a\u{0}\u{ffff}b\nc", 10), "a b c");
        assert_eq!(clip("abcdef", 4), "abc…");
    }

    #[test]
    fn lines_are_broken_at_blanks() {
        let lines = wrap("one two three four five six seven", 80.0, FONT_SIZE);
        assert!(lines.len() > 1 && lines.iter().all(|line| width_of(line, FONT_SIZE) <= 80.0), "{lines:?}");
        assert_eq!(lines.join(" "), "one two three four five six seven");
    }
}
