//! The parts of a Markdown report.

use wss_model::text::phrases::one_line;

/// A paragraph and the empty line after it.
pub(super) fn paragraph(text: &mut String, content: &str) {
    text.push_str(content);
    text.push_str("\n\n");
}

/// An entry of a list.
pub(super) fn bullet(text: &mut String, content: &str) {
    text.push_str(&format!("- {content}\n"));
}

/// A table whose columns after the first hold numbers; nothing if it has no rows.
pub(super) fn table(text: &mut String, head: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    text.push_str(&format!("| {} |\n|---|{}\n", head.join(" | "), "---:|".repeat(head.len().saturating_sub(1))));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| escaped(cell)).collect();
        text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    text.push('\n');
}

/// A section that the reader has to unfold.
pub(super) fn folded(text: &mut String, summary: &str, inner: &str) {
    text.push_str(&format!("<details><summary>{summary}</summary>\n\n{}\n\n</details>\n\n", inner.trim_end()));
}

/// `text` on one line, with the characters escaped that would end a cell or become markup.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in one_line(text).chars() {
        if matches!(character, '|' | '*' | '_' | '`' | '<' | '\\' | '[') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
