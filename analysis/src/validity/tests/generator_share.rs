//! What of the response times the generator caused, or may have caused.

use super::*;

/// The mean parts of a response time: at the server and at the generator. The percentiles are those of the mean.
pub(super) fn breakdown(server_ns: f64, generator_ns: f64) -> ResponseBreakdown {
    ResponseBreakdown {
        server_ns,
        generator_ns,
        without_generator: always(server_ns as u64, 100_000),
        ..ResponseBreakdown::default()
    }
}

#[test]
fn response_times_that_the_generator_may_have_caused_make_an_open_loop_invalid() {
    let with = |server_ns: f64, generator_ns: f64, unknown_ns: f64| {
        changed(echo_run(), |r| {
            let echo = r.echo.as_mut().unwrap();
            let parts = breakdown(server_ns, generator_ns);
            echo.response = always((server_ns + generator_ns + unknown_ns) as u64, 100_000);
            echo.breakdown = Some(ResponseBreakdown { unknown_ns, ..parts });
        })
    };
    let texts = |result: &RunResult| judge(result);
    // Within 100 µs, or within 10%.
    assert_eq!(texts(&with(50_000.0, 60_000.0, 39_000.0)), [""; 0]);
    assert_eq!(texts(&with(9_000_000.0, 400_000.0, 400_000.0)), [""; 0]);
    let text = only_text(&with(50_000.0, 60_000.0, 45_000.0));
    assert!(text.contains("may have caused, 105 µs of the") && text.contains("(limit 100 µs)"), "{text}");
    let text = only_text(&with(8_000_000.0, 0.0, 1_000_000.0));
    assert!(text.contains("1.00 ms of the") && text.contains("(limit 900 µs)"), "{text}");
    let closed = changed(with(50_000.0, 60_000.0, 45_000.0), |r| r.config.rate = Rate::Max);
    assert_eq!(texts(&closed), [""; 0]);
    assert!(super::super::is_only_disturbed(&with(50_000.0, 60_000.0, 45_000.0)));
}

/// A rare stall is in no percentile up to p99, but it is in the mean.
#[test]
fn a_rare_long_stall_of_the_generator_is_judged_by_the_mean() {
    let rare = changed(echo_run(), |r| {
        r.echo.as_mut().unwrap().breakdown = Some(ResponseBreakdown {
            server_ns: 90_000.0,
            generator_ns: 500_000.0,
            without_generator: r.echo.as_ref().unwrap().response.clone(),
            ..ResponseBreakdown::default()
        });
    });
    assert!(only_text(&rare).contains("of the mean response time of 590 µs"), "{}", only_text(&rare));
}
