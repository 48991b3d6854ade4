//! A series in one line of text: eight heights of a block, U+2581 to U+2588.

/// A block for each of `values`, from the least at the bottom to the most at the top; all in the middle if they are equal.
pub(super) fn sparkline(values: &[f64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let height = |value: f64| match (value - least) / (most - least) {
        share if share.is_finite() => (share * 7.0).round() as usize,
        _ => 3,
    };
    values.iter().map(|value| BLOCKS[height(*value).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use super::sparkline;

    #[test]
    fn the_least_is_at_the_bottom_and_the_most_at_the_top() {
        assert_eq!(sparkline(&[1.0, 2.0, 1.5, 8.0]), "▁▂▂█");
        assert_eq!(sparkline(&[0.98, 1.02]), "▁█");
    }

    #[test]
    fn values_that_are_all_equal_are_a_line_in_the_middle() {
        assert_eq!(sparkline(&[1.0; 3]), "▄▄▄");
        assert_eq!(sparkline(&[]), "");
    }
}
