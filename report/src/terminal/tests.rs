//! Whole reports as they are read, and what holds for every one.

use super::*;
use wss_analysis::validity::fixtures::{invalid_run, large_run};
use wss_model::fixtures::{closed_run, echo_run, error, handshake_run, negotiated};
use wss_model::ring_counters::PhaseRings;
use wss_model::run_result::NegotiatedCount;
use wss_model::{ErrorKind, ErrorPhase};
use wss_model::{Reason, ReasonCode};

#[test]
fn a_good_echo_run_reads_like_this() {
    insta::assert_snapshot!(terminal(&echo_run()), @r"
    Negotiated   1,000 × TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768,
                 ecdsa-p256 certificate, full
    Server       wss://localhost:40123/ at 127.0.0.1:40123 (embedded server)
    Engines      client uring, 1 thread on CPU 1; server uring, 1 thread on CPU 0
    Connections  1,000, opened at 250/s (open loop, even arrivals)
    Messages     64B each, at 10,000/s (open loop, even arrivals), 1 in flight a
                 connection, for 10s after a warm-up of 2s
    Measured on  AMD EPYC 9R14, 2 CPUs, KVM, Linux 6.18.5, wssbench 0.1.0 3146730

    Handshakes: 1,000 completed of 1,000 planned, 0 failed; 249.8/s of 250/s asked
                        min        p50        p90        p99      p99.9        max
    ───────────────────────────────────────────────────────────────────────────────
    TCP connect     33.8 µs    48.3 µs    61.3 µs    66.9 µs          —    71.4 µs
    TLS              861 µs    1.23 ms    1.56 ms    1.70 ms          —    1.82 ms
    upgrade         43.2 µs    61.6 µs    78.4 µs    85.4 µs          —    91.3 µs
    ready            966 µs    1.38 ms    1.75 ms    1.91 ms          —    2.04 ms
    lateness        12.7 µs    18.2 µs    23.1 µs    25.2 µs          —    26.9 µs
    client busy      358 µs     511 µs     650 µs     709 µs          —     757 µs
    server busy      422 µs     602 µs     766 µs     835 µs          —     891 µs
    ready: planned start until messages can be sent; lateness: actual start minus
    planned; busy: time inside that end's code for TLS and upgrade.

    Echoes: 100,000 received of 100,000 planned, 0 failed; 9,999/s of 10,000/s asked
                        p50        p90        p99      p99.9     p99.99        max
    ───────────────────────────────────────────────────────────────────────────────
    response        92.3 µs     117 µs     128 µs     135 µs     141 µs     150 µs
    service         79.7 µs     101 µs     111 µs     116 µs     122 µs     129 µs
    lateness        9.23 µs    11.7 µs    12.8 µs    13.5 µs    14.1 µs    15.0 µs
    response: planned instant to echo; service: actual sending to echo; lateness:
    how much later than possible the generator sent.

    Cost                                   client              server
    ──────────────────────────────────────────────────────────────────
    CPU time a handshake                   742 µs              801 µs
    CPU time a message                    18.9 µs             21.3 µs
    CPU used, opening           21.4% of 1 thread   21.4% of 1 thread
    CPU used, echoing           21.9% of 1 thread   24.3% of 1 thread
    memory, all open and idle            64.0 MiB            71.0 MiB
      the same a connection              65.5 KiB            72.7 KiB
    memory, peak                         68.0 MiB            75.0 MiB
    A handshake took 1,823 bytes to the server and 2,207 bytes back.

    Rings                              client       server
    ───────────────────────────────────────────────────────
    enters a handshake                   9.00         7.00
    enters a message                     1.51        0.880
    completions an enter                 1.50         1.50
    receive buffers, fewest free   231 of 256   212 of 256
    — too few samples: p90 needs 36, p99 368, p99.9 3,688, p99.99 36,888.

    VALID: nothing failed, and the generator kept the pace that was asked for.
    ");
}

#[test]
fn an_invalid_run_with_errors_reads_like_this() {
    insta::assert_snapshot!(terminal(&invalid_run()), @r"
    NOT VALID: the figures below do not show what the server can do, because
      - it was interrupted after 2.00 s of the echo phase: partial
      - 5,880 errors (limit 0): 4,240 × echo unsent, 1,638 × echo timeout, 2 × echo
        mismatch
      - echoes: the generator used 94.0% of its CPU (limit 90.0%): it, not the
        server, set the pace
      - echoes: the generator was late by 849 µs (p99; limit 100 µs, where the
        median response time is 92.3 µs): part of the latencies is its own
      - echoes: only 94,120 of 100,000 planned were completed (94.1%, limit 98.0%),
        and only 9,412/s of 10,000/s were achieved (94.1%, limit 98.0%)

    Negotiated   1,000 × TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768,
                 ecdsa-p256 certificate, full
    Verification NOT FULL (no-chain): the certificate's chain and name went
                 unchecked
    Server       wss://localhost:40123/ at 127.0.0.1:40123 (external server)
    Engines      client uring, 1 thread on CPU 1; server not known
    Connections  1,000, opened at 250/s (open loop, even arrivals)
    Messages     64B each, at 10,000/s (open loop, even arrivals), 1 in flight a
                 connection, for 10s after a warm-up of 2s
    Measured on  AMD EPYC 9R14, 2 CPUs, KVM, Linux 6.18.5, wssbench 0.1.0 3146730

    Handshakes: 1,000 completed of 1,000 planned, 0 failed; 249.8/s of 250/s asked
                        min        p50        p90        p99      p99.9        max
    ───────────────────────────────────────────────────────────────────────────────
    TCP connect     33.8 µs    48.3 µs    61.3 µs    66.9 µs          —    71.4 µs
    TLS              861 µs    1.23 ms    1.56 ms    1.70 ms          —    1.82 ms
    upgrade         43.2 µs    61.6 µs    78.4 µs    85.4 µs          —    91.3 µs
    ready            966 µs    1.38 ms    1.75 ms    1.91 ms          —    2.04 ms
    lateness        12.7 µs    18.2 µs    23.1 µs    25.2 µs          —    26.9 µs
    client busy      358 µs     511 µs     650 µs     709 µs          —     757 µs
    ready: planned start until messages can be sent; lateness: actual start minus
    planned; busy: time inside that end's code for TLS and upgrade.

    Echoes: 94,120 received of 100,000 planned, 5,880 failed (4,240 never sent);
    9,412/s of 10,000/s asked
                        p50        p90        p99      p99.9     p99.99        max
    ───────────────────────────────────────────────────────────────────────────────
    response        92.3 µs     117 µs     128 µs     135 µs     141 µs     150 µs
    service         79.7 µs     101 µs     111 µs     116 µs     122 µs     129 µs
    lateness         611 µs     778 µs     849 µs     892 µs     934 µs     991 µs
    response: planned instant to echo; service: actual sending to echo; lateness:
    how much later than possible the generator sent.
    31,044 messages were due while their connection still waited for an earlier
    echo: response counts that wait, service does not.

    Cost                                   client
    ──────────────────────────────────────────────
    CPU time a handshake                   742 µs
    CPU time a message                    18.9 µs
    CPU used, opening           21.4% of 1 thread
    CPU used, echoing           94.0% of 1 thread
    memory, all open and idle            64.0 MiB
      the same a connection              65.5 KiB
    memory, peak                         68.0 MiB
    A handshake took 1,823 bytes to the server and 2,207 bytes back.
    What it cost the server is not known: no admin endpoint of it was given
    (--server-stats).

    Rings                                   client
    ───────────────────────────────────────────────
    enters a handshake                        9.00
    enters a message                          2.23
    completions an enter                      1.50
    receive buffers, fewest free          0 of 256
    receives without a buffer                1,204
    sends cut short by a full socket            17
    times the completion queue was full          3
    — too few samples: p90 needs 36, p99 368, p99.9 3,688, p99.99 36,888.

    Error in   kind       count   the first one
    ────────────────────────────────────────────────────────────────────────────────
    echo       unsent     4,240   unsent in echo
    echo       timeout    1,638   timeout in echo
    echo       mismatch       2   the echo differs from the message at byte 17:
                                  [31msent [0m 0x41, received 0x00; the connection
                                  from 127.0.0.1:53211 was …

    Note: the kernel has no TLS offload (kTLS): the figures are those of TLS in user
    space

    NOT VALID: the reasons stand at the top.
    ");
}

#[test]
fn a_handshake_run_reads_like_this() {
    insta::assert_snapshot!(terminal(&handshake_run()), @r"
    Negotiated   2,500 × TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768,
                 ecdsa-p256 certificate, full
    Server       wss://localhost:40123/ at 127.0.0.1:40123 (embedded server)
    Engines      client uring, 1 thread on CPU 1; server uring, 1 thread on CPU 0
    Handshakes   at 250/s (open loop, even arrivals), for 10s after a warm-up of 2s,
                 each with an echo of 64B
    Measured on  AMD EPYC 9R14, 2 CPUs, KVM, Linux 6.18.5, wssbench 0.1.0 3146730

    Handshakes: 2,500 completed of 2,500 planned, 0 failed; 250.1/s of 250/s asked
                        min        p50        p90        p99      p99.9        max
    ───────────────────────────────────────────────────────────────────────────────
    TCP connect     33.8 µs    48.3 µs    61.3 µs    66.9 µs          —    72.8 µs
    TLS              861 µs    1.23 ms    1.56 ms    1.70 ms          —    1.85 ms
    upgrade         43.2 µs    61.6 µs    78.4 µs    85.5 µs          —    92.9 µs
    first echo      50.3 µs    71.8 µs    91.3 µs    99.6 µs          —     108 µs
    ready            966 µs    1.38 ms    1.75 ms    1.91 ms          —    2.08 ms
    lateness        12.7 µs    18.2 µs    23.1 µs    25.2 µs          —    27.4 µs
    client busy      358 µs     511 µs     650 µs     710 µs          —     771 µs
    server busy      422 µs     603 µs     766 µs     836 µs          —     908 µs
    ready: planned start until messages can be sent; lateness: actual start minus
    planned; busy: time inside that end's code for TLS and upgrade.

    Cost                              client              server
    ─────────────────────────────────────────────────────────────
    CPU time a handshake              742 µs              801 µs
    CPU used               21.9% of 1 thread   24.3% of 1 thread
    memory, peak                    68.0 MiB            75.0 MiB
    A handshake took 1,823 bytes to the server and 2,207 bytes back.

    Rings                              client       server
    ───────────────────────────────────────────────────────
    enters a handshake                   9.00         7.00
    completions an enter                 1.50         1.50
    receive buffers, fewest free   250 of 256   248 of 256
    — too few samples: p90 needs 36, p99 368, p99.9 3,688, p99.99 36,888.

    VALID: nothing failed, and the generator kept the pace that was asked for.
    ");
}

#[test]
fn no_report_is_wider_than_80_columns_or_has_control_characters() {
    for result in [echo_run(), handshake_run(), invalid_run(), closed_run(), large_run()] {
        for line in terminal(&result).lines() {
            assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
            assert!(!line.chars().any(char::is_control), "a control character: {line:?}");
            assert_eq!(line, line.trim_end());
        }
    }
}

#[test]
fn the_report_of_a_good_run_fits_on_a_screen_of_51_lines() {
    for result in [echo_run(), handshake_run()] {
        let lines = terminal(&result).lines().count();
        assert!(lines <= 51, "{lines} lines");
    }
}

#[test]
fn an_engine_that_does_not_count_is_told_beside_one_that_does() {
    let mut result = echo_run();
    result.handshake.rings.client = None;
    result.echo.as_mut().unwrap().rings.client = None;
    let report = terminal(&result);
    assert!(report.contains("enters a message               not counted        0.880\n"), "{report}");
}

#[test]
fn without_a_ring_there_is_no_word_of_rings() {
    let mut result = echo_run();
    result.handshake.rings = PhaseRings::default();
    result.echo.as_mut().unwrap().rings = PhaseRings::default();
    assert!(!terminal(&result).contains("Rings"));
    // Nor of those of a server that is not shown.
    let mut result = echo_run();
    result.server = None;
    result.handshake.rings.client = None;
    result.echo.as_mut().unwrap().rings.client = None;
    assert!(!terminal(&result).contains("Rings"));
}

#[test]
fn an_invalid_run_says_so_first_and_last_even_where_the_result_gives_no_reason() {
    let mut result = echo_run();
    result.valid = false;
    for reasons in [vec![], vec![Reason::new(ReasonCode::Steal, "the machine was taken away")]] {
        result.invalid_because = reasons;
        let report = terminal(&result);
        assert!(report.starts_with("NOT VALID"), "{report}");
        assert!(report.lines().last().unwrap().starts_with("NOT VALID"), "{report}");
    }
}

#[test]
fn a_result_that_calls_itself_valid_beside_a_reason_against_it_is_not() {
    let mut result = echo_run();
    result.invalid_because = vec![Reason::new(ReasonCode::GeneratorLate, "the generator was late")];
    assert!(terminal(&result).starts_with("NOT VALID"));
}

#[test]
fn a_closed_loop_shows_one_round_trip_and_no_lateness() {
    let report = terminal(&closed_run());
    assert!(report.contains("\nround trip "), "{report}");
    for absent in ["lateness", "\nservice", "\nresponse", "asked"] {
        assert!(!report.contains(absent), "{absent} in a closed loop:\n{report}");
    }
}

#[test]
fn a_stack_without_tls_says_so_and_has_no_row_for_it() {
    let report = terminal(&closed_run());
    assert!(report.starts_with("Negotiated   no TLS\n"), "{report}");
    for absent in ["\nTLS", "\nupgrade", "busy"] {
        assert!(!report.contains(absent), "{absent} over plain TCP:\n{report}");
    }
}

#[test]
fn a_run_in_which_nothing_succeeded_has_no_table_of_latencies() {
    let mut result = handshake_run();
    (result.handshake.completed, result.handshake.failed) = (0, 2_500);
    result.negotiated.clear();
    result.errors = vec![error(ErrorPhase::Connect, ErrorKind::Refused, 2_500)];
    result.invalid_because = wss_analysis::validity::judge(&result);
    let report = terminal(&result);
    assert!(report.contains("nothing: not one TLS handshake was completed"), "{report}");
    assert!(!report.contains("p50"), "{report}");
}

#[test]
fn many_kinds_of_errors_and_many_sorts_of_handshakes_are_summed_up() {
    let mut result = echo_run();
    result.errors = ErrorKind::ALL[..20].iter().map(|kind| error(ErrorPhase::Echo, *kind, 1)).collect();
    result.negotiated = (0..20)
        .map(|sort| {
            let mut other: NegotiatedCount = negotiated(1);
            other.negotiated.group = format!("group-{sort}");
            other
        })
        .collect();
    let report = terminal(&result);
    assert!(report.contains("14 × 14 other sorts"), "{report}");
    assert!(report.contains("12 more kinds"), "{report}");
}

#[test]
fn a_debug_build_and_uncommitted_changes_are_told() {
    let mut result = echo_run();
    result.tool.profile = "debug".to_owned();
    result.tool.git_dirty = Some(true);
    let report = terminal(&result).replace(['\n', ' '], "");
    assert!(report.contains("withuncommittedchanges(DEBUGBUILD"), "{report}");
}
