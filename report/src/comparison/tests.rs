//! Comparisons as they are printed.

use super::*;
use crate::style::Style;
use wss_analysis::comparison::fixtures::comparison;

fn text(comparison: &Comparison) -> String {
    terminal(comparison, Style::default())
}

#[test]
fn a_difference_with_its_tables() {
    let mut one = comparison(12, 1.05);
    one.blocks[3].disturbance.as_mut().unwrap().steal_percent = Some(12.0);
    one.conclude();
    insta::assert_snapshot!("terminal", text(&one));
    insta::assert_snapshot!("terminal_wide", terminal(&one, Style { width: 120, ..Style::default() }));
    insta::assert_snapshot!("markdown", markdown(&one));
}

#[test]
fn the_first_line_is_the_finding() {
    let first = |factor: f64, blocks: usize| text(&comparison(blocks, factor)).lines().next().unwrap().to_owned();
    assert!(first(1.2, 12).ends_with("B is worse"), "{}", first(1.2, 12));
    assert!(first(0.8, 12).ends_with("B is better"), "{}", first(0.8, 12));
    assert!(first(1.0, 12).contains("no difference larger than"), "{}", first(1.0, 12));
    assert!(first(1.2, 5).contains("too few blocks"), "{}", first(1.2, 5));
}

#[test]
fn forced_and_invalid_comparisons_say_so_first() {
    let mut forced = comparison(12, 1.0);
    forced.differences = wss_analysis::comparison::between(
        &[("config.size".to_owned(), "64".to_owned())].into(),
        &[("config.size".to_owned(), "128".to_owned())].into(),
        &[],
    );
    assert!(text(&forced).starts_with("FORCED"));
    assert!(markdown(&forced).starts_with("**Forced**, although they differ: config.size: A 64, B 128"));
    forced.interrupted = true;
    forced.conclude();
    assert!(text(&forced).starts_with("INVALID, see the reasons below.\n"));
    assert!(text(&forced).contains("\nINVALID: "));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [80, 100, 120] {
        for line in terminal(&comparison(12, 1.05), Style { width, ..Style::default() }).lines() {
            assert!(line.chars().count() <= width, "{line}");
        }
    }
}
