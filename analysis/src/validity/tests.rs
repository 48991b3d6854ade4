//! Each rule on both sides of its limit.

mod disturbances;
mod generator_share;

use self::disturbances::disturbed;
use self::generator_share::breakdown;
use super::*;
use wss_model::disturbance::{PhaseDisturbance, ThreadDisturbance};
use wss_model::failure::{ErrorKind, ErrorPhase};
use wss_model::fixtures::{always, echo_run, error, handshake_run, negotiated};
use wss_model::run_result::{ResponseBreakdown, ServerActivity};

/// The texts of the reasons, in their order.
fn judge(result: &RunResult) -> Vec<String> {
    super::judge(result).into_iter().map(|reason| reason.text).collect()
}

/// The text of the only reason.
fn only_text(result: &RunResult) -> String {
    let texts = judge(result);
    assert_eq!(texts.len(), 1, "{texts:#?}");
    texts[0].clone()
}

fn changed(mut result: RunResult, change: impl FnOnce(&mut RunResult)) -> RunResult {
    change(&mut result);
    result
}

#[test]
fn a_run_within_all_limits_is_valid() {
    assert_eq!(judge(&echo_run()), Vec::<String>::new());
    assert_eq!(judge(&handshake_run()), Vec::<String>::new());
}

#[test]
fn an_open_loop_is_invalid_above_the_cpu_limit() {
    let result = changed(echo_run(), |r| r.client.cpu_utilization = 0.94);
    assert_eq!(
        only_text(&result),
        "echoes: the generator used 94.0% of its CPU (limit 90.0%), so it may have set the pace instead of the server"
    );
    let result = changed(echo_run(), |r| r.client.cpu_utilization_handshake = Some(0.9002));
    assert!(only_text(&result).starts_with("handshakes: the generator used 90.02% of its CPU (limit 90.00%)"));
    let result = changed(handshake_run(), |r| r.client.cpu_utilization = 0.94);
    assert!(only_text(&result).starts_with("handshakes: the generator used 94.0%"));
}

#[test]
fn the_cpu_limit_itself_and_a_closed_loop_are_valid() {
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
fn a_run_with_errors_is_not_only_disturbed() {
    let late = |r: &mut RunResult| r.echo.as_mut().unwrap().lateness = always(250_000, 100_000);
    let stolen = |r: &mut RunResult| r.environment.steal_percent = 50.0;
    assert!(is_only_disturbed(&changed(echo_run(), late)));
    assert!(is_only_disturbed(&changed(echo_run(), stolen)));
    let wrong = changed(changed(echo_run(), late), |r| r.errors.push(error(ErrorPhase::Tls, ErrorKind::Reset, 1)));
    assert!(!judge(&wrong).is_empty() && !is_only_disturbed(&wrong));
    assert!(!is_only_disturbed(&echo_run()), "the run is valid");
}

#[test]
fn a_late_generator_makes_the_run_invalid() {
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().lateness = always(250_000, 100_000));
    assert_eq!(
        only_text(&result),
        "echoes: the generator was late by 250 µs (p99; limit 100 µs at a median response time of 92.3 µs), which is part of \
         the latencies"
    );
    let result = changed(handshake_run(), |r| r.handshake.lateness = always(2_500_000, 2_500));
    assert_eq!(
        only_text(&result),
        "handshakes: the generator was late by 2.50 ms (p99; limit 1.00 ms at a median time to ready of 1.38 ms), which is \
         part of the latencies"
    );
}

#[test]
fn lateness_within_its_absolute_or_relative_limit_is_valid() {
    let result = changed(echo_run(), |r| {
        // Just below the limits of 1 ms and 100 µs, because the histogram has three digits.
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
fn with_too_few_samples_for_p99_a_lower_percentile_is_judged() {
    let few = |late_ns, samples| {
        changed(handshake_run(), |r| {
            r.handshake.lateness = always(late_ns, samples);
        })
    };
    assert!(only_text(&few(2_500_000, 367)).contains("late by 2.50 ms (p90; limit 1.00 ms"));
    assert!(only_text(&few(2_500_000, 35)).contains("late by 2.50 ms (median; limit 1.00 ms"));
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
fn below_98_percent_of_the_number_or_the_rate_is_invalid() {
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().received = 97_999);
    assert_eq!(only_text(&result), "echoes: only 97,999 of 100,000 completed (97.999%, limit 98.000%)");
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().rate_per_s = 9_412.0);
    assert_eq!(only_text(&result), "echoes: only 9,412/s of 10,000/s achieved (94.1%, limit 98.0%)");
    let result = changed(handshake_run(), |r| {
        r.handshake.completed = 2_000;
        r.handshake.rate_per_s = 200.0;
    });
    assert_eq!(
        only_text(&result),
        "handshakes: only 2,000 of 2,500 completed (80.0%, limit 98.0%), \
         and only 200/s of 250/s achieved (80.0%, limit 98.0%)"
    );
}

#[test]
fn exactly_98_percent_and_a_closed_loop_are_valid() {
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
fn the_connect_rate_of_few_connections_is_not_judged() {
    let of = |planned, completed| {
        changed(echo_run(), |r| {
            (r.handshake.planned, r.handshake.completed, r.handshake.rate_per_s) = (planned, completed, 200.0);
        })
    };
    assert_eq!(judge(&of(99, 99)), Vec::<String>::new());
    assert!(only_text(&of(100, 100)).contains("only 200/s of 250/s"));
    assert!(only_text(&of(99, 97)).contains("only 97 of 99 completed"));
}

#[test]
fn errors_are_tolerated_up_to_the_requested_number_or_share() {
    let of = |limit: &str, count| {
        changed(echo_run(), |r| {
            r.config.limits.max_errors = Some(limit.parse().unwrap());
            r.errors = vec![error(ErrorPhase::Tls, ErrorKind::Timeout, count)];
        })
    };
    let planned = echo_run().handshake.planned + echo_run().echo.unwrap().planned;
    assert_eq!(judge(&of("5", 5)), Vec::<String>::new());
    assert!(only_text(&of("5", 6)).starts_with("6 errors (limit 5)"));
    assert_eq!(judge(&of("0.1%", planned / 1000)), Vec::<String>::new());
    assert!(only_text(&of("0.1%", planned / 1000 + 1)).contains("errors (limit "));
}

#[test]
fn one_error_is_enough_and_the_three_most_frequent_kinds_are_listed() {
    let result = changed(echo_run(), |r| r.errors = vec![error(ErrorPhase::Tls, ErrorKind::Timeout, 1)]);
    assert_eq!(only_text(&result), "1 error (limit 0): 1 × tls timeout");
    let result = changed(echo_run(), |r| {
        r.errors = vec![
            error(ErrorPhase::Connect, ErrorKind::Refused, 2),
            error(ErrorPhase::Tls, ErrorKind::Timeout, 1_400),
            error(ErrorPhase::Echo, ErrorKind::Mismatch, 30),
            error(ErrorPhase::Close, ErrorKind::Timeout, 1),
        ];
    });
    assert_eq!(
        only_text(&result),
        "1,433 errors (limit 0): 1,400 × tls timeout, 30 × echo mismatch, 2 × connect refused, 1 of other kinds"
    );
}

#[test]
fn steal_above_5_percent_is_invalid() {
    let stolen = |percent| changed(echo_run(), |r| r.environment.steal_percent = percent);
    assert_eq!(only_text(&stolen(6.25)), "the hypervisor gave 6.25% of the CPU time to others (limit 5.00%)");
    assert_eq!(judge(&stolen(5.0)), Vec::<String>::new());
}

#[test]
fn different_counts_of_handshakes_on_both_ends_are_invalid() {
    let mut retried = negotiated(2);
    retried.negotiated.kind = "full-after-retry".to_owned();
    let result = changed(echo_run(), |r| r.server_negotiated = Some(vec![negotiated(998), retried]));
    assert_eq!(
        only_text(&result),
        "client and server counted different handshakes: TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768, ecdsa-p256 \
         certificate, full: client 1,000, server 998; TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768, ecdsa-p256 \
         certificate, full-after-retry: client 0, server 2"
    );
}

#[test]
fn equal_counts_in_another_order_and_missing_counts_are_valid() {
    let parts = Some(vec![negotiated(400), negotiated(600), NegotiatedCount { count: 0, ..negotiated(0) }]);
    assert_eq!(judge(&changed(echo_run(), |r| r.server_negotiated = parts)), Vec::<String>::new());
    assert_eq!(judge(&changed(echo_run(), |r| r.server_negotiated = None)), Vec::<String>::new());
}

#[test]
fn a_phase_that_completed_nothing_is_invalid_for_one_reason() {
    let result = changed(handshake_run(), |r| (r.handshake.completed, r.handshake.rate_per_s) = (0, 0.0));
    assert_eq!(only_text(&result), "none of 2,500 planned handshakes completed");
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().received = 0);
    assert_eq!(only_text(&result), "none of 100,000 planned echoes completed");
    let result = changed(echo_run(), |r| r.echo = None);
    assert_eq!(only_text(&result), "no echo completed, because the phase did not start");
}

#[test]
fn an_interrupted_run_is_invalid_with_the_time() {
    let result = changed(echo_run(), |r| r.interrupted = true);
    assert_eq!(only_text(&result), "interrupted after 2.00 s of the echo phase: partial results");
    let result = changed(echo_run(), |r| {
        r.interrupted = true;
        r.series.clear();
    });
    assert_eq!(only_text(&result), "interrupted after less than a second: partial results");
}

#[test]
fn a_sample_beyond_the_range_of_the_histogram_is_invalid() {
    let result = changed(echo_run(), |r| r.echo.as_mut().unwrap().response.out_of_range = 3);
    assert_eq!(
        only_text(&result),
        "3 samples of echo.response (limit 0) took longer than 60.0 s and are in no percentile, so all percentiles are too low"
    );
}

#[test]
fn the_rate_of_a_poisson_process_is_not_judged() {
    let result = changed(handshake_run(), |r| {
        r.config.arrivals = wss_model::Arrivals::Poisson;
        r.handshake.rate_per_s = 230.0;
    });
    assert_eq!(judge(&result), Vec::<String>::new());
}

#[test]
fn errors_of_the_warm_up_are_reported_as_such() {
    let failed = changed(echo_run(), |r| {
        r.warmup.errors = vec![wss_model::run_result::ErrorCount {
            phase: ErrorPhase::Tls,
            kind: ErrorKind::Timeout,
            count: 3,
            example: "no answer".to_owned(),
        }];
    });
    assert_eq!(only_text(&failed), "3 errors in the warm-up (limit 0): 3 × tls timeout");
}

#[test]
fn a_verdict_needs_samples_of_what_is_measured() {
    let received = |number| {
        judge(&changed(echo_run(), |r| {
            let echo = r.echo.as_mut().unwrap();
            (echo.planned, echo.received, r.config.rate) = (number, number, Rate::Max);
            // One connection is one handshake, which is enough for a run that measures echoes.
            (r.handshake.planned, r.handshake.completed) = (1, 1);
        }))
    };
    assert_eq!(received(MIN_SAMPLES), [""; 0]);
    assert_eq!(received(1), ["echoes: only 1 completed (at least 30 are needed)"]);
    let few = judge(&changed(handshake_run(), |r| {
        (r.handshake.planned, r.handshake.completed, r.config.connect_rate) = (29, 29, Rate::Max);
    }));
    assert_eq!(few, ["handshakes: only 29 completed (at least 30 are needed)"]);
}

const fn activity(own: u64, others: u64, proven: bool) -> ServerActivity {
    ServerActivity { own, others, proven }
}

#[test]
fn statistics_must_be_of_the_server_under_test_and_of_this_run() {
    let with = |handshakes, messages| {
        judge(&changed(echo_run(), |r| {
            r.handshake.server_activity = Some(handshakes);
            r.echo.as_mut().unwrap().server_activity = Some(messages);
        }))
    };
    let all = echo_run().handshake.completed;
    assert_eq!(with(activity(all, 10, true), activity(100_000, 1_000, true)), [""; 0]);
    let foreign = with(activity(0, 0, true), activity(0, 0, true));
    assert!(foreign.len() == 1 && foreign[0].contains("have 0 of 1,000 handshakes"), "{foreign:?}");
    let shared = with(activity(all, 11, true), activity(100_000, 1_001, false));
    assert_eq!(shared.len(), 2, "{shared:?}");
    assert!(shared[1].contains("1,001 messages of others beside 100,000 of this run; its CPU time per message"));
}

/// Where each code comes from. The match is exhaustive: a new code does not compile until it is listed.
#[test]
fn every_reason_code_has_a_producer() {
    use crate::{comparison, sweep};

    /// A run that breaks the rule of a code; `None` for codes that other modules produce.
    fn broken(code: ReasonCode) -> Option<RunResult> {
        let echo = |change: fn(&mut RunResult)| Some(changed(echo_run(), change));
        let disturbed = |change: fn(&mut PhaseDisturbance)| Some(disturbed(echo_run(), change));
        match code {
            ReasonCode::Interrupted => echo(|r| r.interrupted = true),
            ReasonCode::NothingCompleted => echo(|r| r.echo = None),
            ReasonCode::TooFewSamples => echo(|r| r.echo.as_mut().unwrap().received = 29),
            ReasonCode::Errors => echo(|r| r.errors = vec![error(ErrorPhase::Tls, ErrorKind::Reset, 1)]),
            ReasonCode::WarmupErrors => echo(|r| r.warmup.errors = vec![error(ErrorPhase::Tls, ErrorKind::Reset, 1)]),
            ReasonCode::GeneratorCpu => echo(|r| r.client.cpu_utilization = 1.0),
            ReasonCode::GeneratorLate => echo(|r| r.echo.as_mut().unwrap().lateness = always(250_000, 100_000)),
            ReasonCode::GeneratorShare => echo(|r| {
                let echo = r.echo.as_mut().unwrap();
                echo.breakdown = Some(breakdown(50_000.0, 250_000.0));
            }),
            ReasonCode::ServerUnproven => echo(|r| r.handshake.server_activity = Some(activity(0, 5_000, true))),
            ReasonCode::ServerShared => {
                echo(|r| r.echo.as_mut().unwrap().server_activity = Some(activity(100_000, 5_000, false)))
            }
            ReasonCode::GeneratorStalled => disturbed(|d| d.client[0].longest_stall_ns = 60_000_000),
            ReasonCode::GeneratorDescheduled => disturbed(|d| d.client[0].run_queue_ns = 600_000_000),
            ReasonCode::ServerDescheduled => disturbed(|d| d.server_run_queue_ns = Some(600_000_000)),
            ReasonCode::Suspended => disturbed(|d| d.suspended_ns = 2_000_000_000),
            ReasonCode::CgroupThrottled => disturbed(|d| d.throttled_ns = Some(200_000_000)),
            ReasonCode::CgroupFrozen => disturbed(|d| d.frozen_ns = Some(100_000_000)),
            ReasonCode::RateNotAchieved => echo(|r| r.echo.as_mut().unwrap().received = 1),
            ReasonCode::OutOfRange => echo(|r| r.handshake.tls.out_of_range = 1),
            ReasonCode::EndsDisagree => echo(|r| r.server_negotiated = Some(vec![negotiated(1)])),
            ReasonCode::Steal => echo(|r| r.environment.steal_percent = 50.0),
            // The parent of a run, in loadgen/src/child.
            ReasonCode::NoResult => None,
            // Sweeps and comparisons, below.
            ReasonCode::TrialsFailed
            | ReasonCode::TrialsInvalid
            | ReasonCode::Incomplete
            | ReasonCode::BlocksDropped
            | ReasonCode::ArmsDisagree => None,
        }
    }
    for &code in ReasonCode::ALL {
        if let Some(run) = broken(code) {
            assert!(super::judge(&run).iter().any(|reason| reason.code == code), "{code}: {:?}", super::judge(&run));
        }
    }

    let mut produced = Vec::new();
    let mut sweep = sweep::fixtures::sweep(6);
    sweep::fixtures::spoil(&mut sweep, 1, 2, true);
    sweep::fixtures::spoil(&mut sweep, 2, 2, false);
    sweep.blocks_planned = 7;
    sweep.conclude();
    produced.extend(sweep.invalid_because.iter().map(|reason| reason.code));
    let mut comparison = comparison::fixtures::comparison(6, 1.0);
    for block in &mut comparison.blocks[..3] {
        block.disturbance.as_mut().unwrap().steal_percent = Some(50.0);
    }
    for trial in &mut comparison.blocks[0].trials {
        trial.workloads[0].negotiated[0].negotiated.group = format!("{}-group", trial.arm);
    }
    comparison.conclude();
    produced.extend(comparison.invalid_because.iter().map(|reason| reason.code));
    for code in [
        ReasonCode::TrialsFailed,
        ReasonCode::TrialsInvalid,
        ReasonCode::Incomplete,
        ReasonCode::BlocksDropped,
        ReasonCode::ArmsDisagree,
    ] {
        assert!(produced.contains(&code), "{code}: {produced:?}");
    }
}
