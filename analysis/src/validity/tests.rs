//! Each rule on both sides of its limit.

use super::*;
use wss_model::fixtures::{always, echo_run, error, handshake_run, negotiated};
use wss_model::{ErrorKind, ErrorPhase};

/// The only sentence about `result`.
/// The texts of the reasons, in their order.
fn judge(result: &RunResult) -> Vec<String> {
    super::judge(result).into_iter().map(|reason| reason.text).collect()
}

fn only_sentence(result: &RunResult) -> String {
    let sentences = judge(result);
    assert_eq!(sentences.len(), 1, "{sentences:#?}");
    sentences[0].clone()
}

fn changed(mut result: RunResult, change: impl FnOnce(&mut RunResult)) -> RunResult {
    change(&mut result);
    result
}

#[test]
fn a_good_run_of_either_mode_is_valid() {
    assert_eq!(judge(&echo_run()), Vec::<String>::new());
    assert_eq!(judge(&handshake_run()), Vec::<String>::new());
}

#[test]
fn a_generator_over_its_limit_of_cpu_makes_an_open_loop_invalid() {
    let result = changed(echo_run(), |r| r.client.cpu_utilization = 0.94);
    assert_eq!(
        only_sentence(&result),
        "echoes: the generator used 94.0% of its CPU (limit 90.0%): it, not the server, set the pace"
    );
    let result = changed(echo_run(), |r| r.client.cpu_utilization_handshake = Some(0.9002));
    assert!(only_sentence(&result).starts_with("handshakes: the generator used 90.02% of its CPU (limit 90.00%)"));
    let result = changed(handshake_run(), |r| r.client.cpu_utilization = 0.94);
    assert!(only_sentence(&result).starts_with("handshakes: the generator used 94.0%"));
}

#[test]
fn a_generator_at_its_limit_of_cpu_or_in_a_closed_loop_is_valid() {
    let at_the_limit = |r: &mut RunResult| {
        r.client.cpu_utilization = 0.90;
        r.client.cpu_utilization_handshake = Some(0.90);
    };
    assert_eq!(judge(&changed(echo_run(), at_the_limit)), Vec::<String>::new());
    let closed = |r: &mut RunResult| {
        (r.config.rate, r.config.connect_rate) = (Rate::Max, Rate::Max);
        r.client.cpu_utilization = 1.0;
        r.client.cpu_utilization_handshake = Some(1.0);
    };
    assert_eq!(judge(&changed(echo_run(), closed)), Vec::<String>::new());
}

#[test]
fn a_run_is_only_disturbed_if_nothing_but_the_machine_speaks_against_it() {
    let late = |r: &mut RunResult| r.echo.as_mut().unwrap().lateness = always(250_000, 100_000);
    let stolen = |r: &mut RunResult| r.environment.steal_percent = 50.0;
    assert!(is_only_disturbed(&changed(echo_run(), late)));
    assert!(is_only_disturbed(&changed(echo_run(), stolen)));
    let wrong = changed(changed(echo_run(), late), |r| r.errors.push(error(ErrorPhase::Tls, ErrorKind::Reset, 1)));
    assert!(!judge(&wrong).is_empty() && !is_only_disturbed(&wrong));
    assert!(!is_only_disturbed(&echo_run()), "nothing speaks against it");
}

#[test]
fn a_generator_that_is_late_makes_the_phase_it_is_late_in_invalid() {
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().lateness = always(250_000, 100_000));
    assert_eq!(
        only_sentence(&result),
        "echoes: the generator was late by 250 µs (p99; limit 100 µs, where the median response time is 92.3 µs): \
         part of the latencies is its own"
    );
    let result = changed(handshake_run(), |r| r.handshake.lateness = always(2_500_000, 2_500));
    assert_eq!(
        only_sentence(&result),
        "handshakes: the generator was late by 2.50 ms (p99; limit 1.00 ms, where the median time to ready is 1.38 ms): \
         part of the latencies is its own"
    );
}

#[test]
fn lateness_of_a_tenth_of_the_median_or_of_what_is_allowed_at_least_is_valid() {
    let result = changed(echo_run(), |r| {
        // Within the histogram's three digits of the limits: 1 ms for a handshake, 100 µs for a message.
        r.handshake.lateness = always(999_000, 1_000);
        r.echo.as_mut().unwrap().lateness = always(99_900, 100_000);
    });
    assert_eq!(judge(&result), Vec::<String>::new());
    let result = changed(echo_run(), |r| {
        r.handshake.ready = always(90_000_000, 1_000);
        r.handshake.lateness = always(8_900_000, 1_000);
    });
    assert_eq!(judge(&result), Vec::<String>::new());
}

#[test]
fn with_too_few_samples_for_a_p99_the_highest_percentile_that_can_be_told_is_judged() {
    let few = |late_ns, samples| {
        changed(handshake_run(), |r| {
            r.handshake.lateness = always(late_ns, samples);
        })
    };
    assert!(only_sentence(&few(2_500_000, 367)).contains("late by 2.50 ms (p90; limit 1.00 ms"));
    assert!(only_sentence(&few(2_500_000, 35)).contains("late by 2.50 ms (median; limit 1.00 ms"));
    assert_eq!(judge(&few(999_000, 367)), Vec::<String>::new());
}

#[test]
fn lateness_in_a_closed_loop_is_not_judged() {
    let result = changed(echo_run(), |r| {
        r.config.rate = Rate::Max;
        r.echo.as_mut().unwrap().lateness = always(250_000, 100_000);
    });
    assert_eq!(judge(&result), Vec::<String>::new());
}

#[test]
fn less_than_98_percent_of_the_planned_number_or_of_the_asked_rate_is_invalid() {
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().received = 97_999);
    assert_eq!(
        only_sentence(&result),
        "echoes: only 97,999 of 100,000 planned were completed (97.999%, limit 98.000%)"
    );
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().rate_per_s = 9_412.0);
    assert_eq!(only_sentence(&result), "echoes: only 9,412/s of 10,000/s were achieved (94.1%, limit 98.0%)");
    let result = changed(handshake_run(), |r| {
        r.handshake.completed = 2_000;
        r.handshake.rate_per_s = 200.0;
    });
    assert_eq!(
        only_sentence(&result),
        "handshakes: only 2,000 of 2,500 planned were completed (80.0%, limit 98.0%), \
         and only 200/s of 250/s were achieved (80.0%, limit 98.0%)"
    );
}

#[test]
fn exactly_98_percent_is_valid_and_a_closed_loop_has_no_rate_to_miss() {
    let result = changed(echo_run(), |r| {
        let echo = r.echo.as_mut().unwrap();
        (echo.received, echo.rate_per_s) = (98_000, 9_800.0);
        (r.handshake.completed, r.handshake.rate_per_s) = (980, 245.0);
    });
    assert_eq!(judge(&result), Vec::<String>::new());
    let result = changed(echo_run(), |r| {
        r.config.rate = Rate::Max;
        r.echo.as_mut().unwrap().received = 90_000;
    });
    assert_eq!(judge(&result), Vec::<String>::new());
}

#[test]
fn the_connect_rate_of_a_handful_of_connections_is_not_judged_but_their_number_is() {
    let of = |planned, completed| {
        changed(echo_run(), |r| {
            (r.handshake.planned, r.handshake.completed, r.handshake.rate_per_s) = (planned, completed, 200.0);
        })
    };
    assert_eq!(judge(&of(99, 99)), Vec::<String>::new());
    assert!(only_sentence(&of(100, 100)).contains("only 200/s of 250/s"));
    assert!(only_sentence(&of(99, 97)).contains("only 97 of 99 planned"));
}

#[test]
fn one_error_is_enough_and_the_three_commonest_kinds_are_named() {
    let result = changed(echo_run(), |r| r.errors = vec![error(ErrorPhase::Tls, ErrorKind::Timeout, 1)]);
    assert_eq!(only_sentence(&result), "1 error (limit 0): 1 × tls timeout");
    let result = changed(echo_run(), |r| {
        r.errors = vec![
            error(ErrorPhase::Connect, ErrorKind::Refused, 2),
            error(ErrorPhase::Tls, ErrorKind::Timeout, 1_400),
            error(ErrorPhase::Echo, ErrorKind::Mismatch, 30),
            error(ErrorPhase::Close, ErrorKind::Timeout, 1),
        ];
    });
    assert_eq!(
        only_sentence(&result),
        "1,433 errors (limit 0): 1,400 × tls timeout, 30 × echo mismatch, 2 × connect refused, 1 of other kinds"
    );
}

#[test]
fn a_machine_that_was_taken_away_for_more_than_5_percent_is_invalid() {
    let stolen = |percent| changed(echo_run(), |r| r.environment.steal_percent = percent);
    assert_eq!(
        only_sentence(&stolen(6.25)),
        "the hypervisor kept 6.25% of the CPU time for others (limit 5.00%): measure again"
    );
    assert_eq!(judge(&stolen(5.0)), Vec::<String>::new());
}

#[test]
fn two_ends_that_counted_different_handshakes_make_it_invalid() {
    let mut retried = negotiated(2);
    retried.negotiated.kind = "full-after-retry".to_owned();
    let result = changed(echo_run(), |r| r.server_negotiated = Some(vec![negotiated(998), retried]));
    assert_eq!(
        only_sentence(&result),
        "the two ends counted different handshakes: TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768, ecdsa-p256 \
         certificate, full: client 1,000, server 998; TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768, ecdsa-p256 \
         certificate, full-after-retry: client 0, server 2"
    );
}

#[test]
fn the_same_handshakes_in_another_order_or_in_parts_or_unseen_by_the_server_are_valid() {
    let parts = Some(vec![negotiated(400), negotiated(600), NegotiatedCount { count: 0, ..negotiated(0) }]);
    assert_eq!(judge(&changed(echo_run(), |r| r.server_negotiated = parts)), Vec::<String>::new());
    assert_eq!(judge(&changed(echo_run(), |r| r.server_negotiated = None)), Vec::<String>::new());
}

#[test]
fn a_run_in_which_nothing_was_completed_is_invalid_in_one_sentence_a_phase() {
    let result = changed(handshake_run(), |r| (r.handshake.completed, r.handshake.rate_per_s) = (0, 0.0));
    assert_eq!(only_sentence(&result), "not one handshake was completed, of 2,500 planned");
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().received = 0);
    assert_eq!(only_sentence(&result), "not one echo was completed, of 100,000 planned");
    let result = changed(echo_run(), |r| r.echo = None);
    assert_eq!(only_sentence(&result), "not one echo was completed: the phase did not begin");
}

#[test]
fn an_interrupted_run_says_when_and_that_it_is_partial() {
    let result = changed(echo_run(), |r| r.interrupted = true);
    assert_eq!(only_sentence(&result), "it was interrupted after 2.00 s of the echo phase: partial");
    let result = changed(echo_run(), |r| {
        r.interrupted = true;
        r.series.clear();
    });
    assert_eq!(only_sentence(&result), "it was interrupted after less than a second: partial");
}

#[test]
fn a_sample_beyond_the_histogram_makes_its_percentiles_too_low_and_the_run_invalid() {
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().response.out_of_range = 3);
    assert_eq!(
        only_sentence(&result),
        "samples over 60.0 s (limit 0) are in no percentile, which makes all of them too low: 3 of echo.response"
    );
}

#[test]
fn a_poisson_process_is_not_condemned_by_its_own_variance() {
    let result = changed(handshake_run(), |r| {
        r.config.arrivals = wss_model::Arrivals::Poisson;
        r.handshake.rate_per_s = 230.0;
    });
    assert_eq!(judge(&result), Vec::<String>::new());
}

#[test]
fn what_failed_in_the_warm_up_is_told_as_the_warm_ups() {
    let failed = changed(echo_run(), |r| {
        r.warmup.errors = vec![wss_model::run_result::ErrorCount {
            phase: ErrorPhase::Tls,
            kind: ErrorKind::Timeout,
            count: 3,
            example: "no answer".to_owned(),
        }];
    });
    assert_eq!(only_sentence(&failed), "3 errors in the warm-up (limit 0): 3 × tls timeout");
}
