//! The wrapping of text: at blanks alone, and never between a number and its unit.

use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// Units that stay on the line of their number.
const UNITS: [&str; 28] = [
    "ns", "µs", "ms", "s", "B", "KiB", "MiB", "GiB", "TiB", "MB/s", "GB/s", "byte", "bytes", "bits", "thread",
    "threads", "CPU", "CPUs", "block", "blocks", "×", "round", "record", "records", "error", "errors", "message",
    "messages",
];

/// A blank at which no line is broken.
const NO_BREAK: char = '\u{a0}';

/// `text` in lines of at most `width` columns, with `first` before the first and `rest` before the others.
pub(crate) fn wrap(text: &str, width: usize, first: &str, rest: &str) -> Vec<String> {
    let options = Options::new(width)
        .initial_indent(first)
        .subsequent_indent(rest)
        .wrap_algorithm(WrapAlgorithm::FirstFit)
        .word_separator(WordSeparator::AsciiSpace)
        // A name such as ecdsa-p256 is searched for and copied: it is not broken at its hyphen.
        .word_splitter(WordSplitter::NoHyphenation);
    let text = keep_units(text);
    textwrap::wrap(&text, options).iter().map(|line| line.replace(NO_BREAK, " ").trim_end().to_owned()).collect()
}

/// `text` with its numbers tied to their units.
fn keep_units(text: &str) -> String {
    let mut kept = String::new();
    for (index, word) in text.split(' ').enumerate() {
        let bare = word.trim_end_matches([',', ';', ':', '.', ')']);
        let follows_number = kept.chars().next_back().is_some_and(|last| last.is_ascii_digit());
        if index > 0 {
            kept.push(if follows_number && UNITS.contains(&bare) { NO_BREAK } else { ' ' });
        }
        kept.push_str(word);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_a_number_and_its_unit_on_one_line() {
        assert_eq!(wrap("late by 849 µs, more", 12, "", ""), ["late by", "849 µs, more"]);
        assert_eq!(wrap("ecdsa-p256 or rsa-2048", 14, "- ", "  "), ["- ecdsa-p256", "  or rsa-2048"]);
    }
}
