//! Comparisons as they are printed.

use super::*;
use wss_analysis::comparison::fixtures::comparison;

#[test]
fn a_difference_and_its_table_read_the_same_as_ever() {
    let mut one = comparison(12, 1.05);
    one.blocks[3].disturbance.as_mut().unwrap().steal_percent = Some(12.0);
    one.conclude();
    insta::assert_snapshot!("terminal", terminal(&one));
    insta::assert_snapshot!("markdown", markdown(&one));
}

#[test]
fn the_first_line_says_what_was_found() {
    let first = |factor: f64, blocks: usize| terminal(&comparison(blocks, factor)).lines().next().unwrap().to_owned();
    assert!(first(1.2, 12).ends_with("B is worse"), "{}", first(1.2, 12));
    assert!(first(0.8, 12).ends_with("B is better"), "{}", first(0.8, 12));
    assert!(first(1.0, 12).contains("no difference larger than"), "{}", first(1.0, 12));
    assert!(first(1.2, 5).contains("too few blocks"), "{}", first(1.2, 5));
}

#[test]
fn what_was_forced_and_what_is_not_valid_stand_first() {
    let mut forced = comparison(12, 1.0);
    forced.differences = wss_analysis::comparison::between(
        &[("config.size".to_owned(), "64".to_owned())].into(),
        &[("config.size".to_owned(), "128".to_owned())].into(),
        &[],
    );
    assert!(terminal(&forced).starts_with("FORCED"));
    assert!(markdown(&forced).starts_with("**Forced**, though config.size: A 64, B 128"));
    forced.interrupted = true;
    forced.conclude();
    assert!(terminal(&forced).starts_with("NOT VALID"));
}

#[test]
fn no_line_is_longer_than_a_hundred_columns() {
    for line in terminal(&comparison(12, 1.05)).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}
