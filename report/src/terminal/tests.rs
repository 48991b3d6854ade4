//! Whole reports of runs, and what holds for every one.

use super::*;
use wss_analysis::validity::fixtures::{invalid_run, large_run};
use wss_model::fixtures::{closed_run, echo_run, error, handshake_run, negotiated};
use wss_model::ring_counters::PhaseRings;
use wss_model::run_result::{Flights, HandshakeCost, NegotiatedCount};
use wss_model::{ErrorKind, ErrorPhase};
use wss_model::{Reason, ReasonCode};

fn summary(result: &RunResult) -> String {
    terminal(result, Style::default())
}

fn everything(result: &RunResult) -> String {
    terminal(result, Style { verbose: true, ..Style::default() })
}

#[test]
fn the_target_says_how_it_was_reached() {
    let mut result = echo_run();
    result.target.http = Some(HttpVersion::Http2);
    result.target.redirected_from = Some("ws://localhost/".to_owned());
    let words = summary(&result).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("at 127.0.0.1:40123 over HTTP/2 (embedded server) redirected from ws://localhost/ to wss://")
    );
}

#[test]
fn the_summary_of_a_valid_echo_run() {
    insta::assert_snapshot!(summary(&echo_run()), @r"
    Target       wss://localhost:40123/ at 127.0.0.1:40123 (embedded server)
    Connections  1,000, opened at 250/s (open loop, even arrivals)
    Messages     64B, at 10,000/s (open loop, even arrivals), 1 in flight per
                 connection, for 10s after a warm-up of 2s
    Engines      client uring, 1 thread on CPU 1; server uring, 1 thread on CPU 0
    Negotiated   1,000 × TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768,
                 ecdsa-p256 certificate, full

    Handshakes: 1,000 of 1,000 completed, 0 failed; 249.8/s of 250/s requested
                         min        p50        p90        p99      p99.9        max
    ───────────────────────────────────────────────────────────────────────────────
    TCP connect      33.8 µs    48.3 µs    61.3 µs    66.9 µs          —    71.4 µs
    TLS               861 µs    1.23 ms    1.56 ms    1.70 ms          —    1.82 ms
    upgrade          43.2 µs    61.6 µs    78.4 µs    85.4 µs          —    91.3 µs
    ready             966 µs    1.38 ms    1.75 ms    1.91 ms          —    2.04 ms

    Echoes: 100,000 of 100,000 received, 0 failed; 9,999/s of 10,000/s requested
                         p50        p90        p99      p99.9     p99.99        max
    ───────────────────────────────────────────────────────────────────────────────
    response         92.3 µs     117 µs     128 µs     135 µs     141 µs     150 µs
    service          79.7 µs     101 µs     111 µs     116 µs     122 µs     129 µs
    lateness         9.23 µs    11.7 µs    12.8 µs    13.5 µs    14.1 µs    15.0 µs
    response: from the planned instant to the echo; service: from the actual send to
    the echo; lateness: the generator's own delay before the send.

    Cost                               client              server
    ─────────────────────────────────────────────────────────────
    CPU per handshake                  742 µs              801 µs
    CPU per message                   18.9 µs             21.3 µs
    CPU used, echoing       21.9% of 1 thread   24.3% of 1 thread
    memory per connection            26.2 KiB            29.1 KiB
    memory, peak                     68.0 MiB            75.0 MiB
    Per handshake: 1,823 bytes sent, 2,207 bytes received.

    VALID: nothing failed, and the generator kept the requested pace.
    ");
}

#[test]
fn every_table_of_an_echo_run() {
    let mut result = echo_run();
    result.handshake.flights = Some(Flights {
        tls_records_sent: 3.0,
        tls_records_received: 3.0,
        tls_bytes_sent: 304.0,
        tls_bytes_received: 782.0,
        ticket_bytes: Some(0.0),
        tls_round_trips: 1.0,
        round_trips: 2.0,
    });
    let cost = HandshakeCost {
        busy_ns: 511_000.0,
        sign_ns: Some(21_000.0),
        rest_ns: 400_000.0,
        timer_overhead_ns: 656.0,
        ..HandshakeCost::default()
    };
    result.handshake.client_cost = Some(cost.clone());
    result.handshake.server_cost = Some(HandshakeCost { unexplained_ns: Some(-1_200.0), ..cost });
    insta::assert_snapshot!(everything(&result), @r"
    Target       wss://localhost:40123/ at 127.0.0.1:40123 (embedded server)
    Connections  1,000, opened at 250/s (open loop, even arrivals)
    Messages     64B, at 10,000/s (open loop, even arrivals), 1 in flight per
                 connection, for 10s after a warm-up of 2s
    Engines      client uring, 1 thread on CPU 1; server uring, 1 thread on CPU 0
    Measured on  AMD EPYC 9R14, 2 CPUs, KVM, Linux 6.18.5, wssbench 0.1.0 3146730
    Negotiated   1,000 × TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768,
                 ecdsa-p256 certificate, full

    Handshakes: 1,000 of 1,000 completed, 0 failed; 249.8/s of 250/s requested
                         min        p50        p90        p99      p99.9        max
    ───────────────────────────────────────────────────────────────────────────────
    TCP connect      33.8 µs    48.3 µs    61.3 µs    66.9 µs          —    71.4 µs
    TLS               861 µs    1.23 ms    1.56 ms    1.70 ms          —    1.82 ms
    upgrade          43.2 µs    61.6 µs    78.4 µs    85.4 µs          —    91.3 µs
    ready             966 µs    1.38 ms    1.75 ms    1.91 ms          —    2.04 ms
    lateness         12.7 µs    18.2 µs    23.1 µs    25.2 µs          —    26.9 µs
    client busy       358 µs     511 µs     650 µs     709 µs          —     757 µs
    server busy       422 µs     602 µs     766 µs     835 µs          —     891 µs
    ready: from the planned start until messages can be sent; lateness: actual start
    minus planned start; busy: time inside that end's code for TLS and upgrade.

    Echoes: 100,000 of 100,000 received, 0 failed; 9,999/s of 10,000/s requested
                         p50        p90        p99      p99.9     p99.99        max
    ───────────────────────────────────────────────────────────────────────────────
    response         92.3 µs     117 µs     128 µs     135 µs     141 µs     150 µs
    service          79.7 µs     101 µs     111 µs     116 µs     122 µs     129 µs
    lateness         9.23 µs    11.7 µs    12.8 µs    13.5 µs    14.1 µs    15.0 µs
    response: from the planned instant to the echo; service: from the actual send to
    the echo; lateness: the generator's own delay before the send.

    Cost                                   client              server
    ─────────────────────────────────────────────────────────────────
    CPU per handshake                      742 µs              801 µs
    CPU per message                       18.9 µs             21.3 µs
    CPU used, opening           21.4% of 1 thread   21.4% of 1 thread
    CPU used, echoing           21.9% of 1 thread   24.3% of 1 thread
    memory, all open and idle            64.0 MiB            71.0 MiB
    memory per connection                26.2 KiB            29.1 KiB
    memory, peak                         68.0 MiB            75.0 MiB
    Per handshake: 1,823 bytes sent, 2,207 bytes received.
    of which TLS: 304 bytes in 3 records sent, 782 bytes in 3 records received;
    1 round trip (2 including the upgrade); no session tickets.

    Where the time of a handshake went      client     server
    ─────────────────────────────────────────────────────────
    signing                                21.0 µs    21.0 µs
    everything else: rustls, upgrade        400 µs     400 µs
    = busy, mean                            511 µs     511 µs
    unexplained: engine, accept, close   not known   -1.20 µs
    Timer overhead is up to 656 ns of this (disable with --cost-split off; more
    detail with --cost-split all).

    Rings                              client       server
    ──────────────────────────────────────────────────────
    enters per handshake                 9.00         7.00
    enters per message                   1.51        0.880
    completions per enter                1.50         1.50
    receive buffers, fewest free   231 of 256   212 of 256
    — too few samples: p90 needs 36, p99 368, p99.9 3,688, p99.99 36,888.

    VALID: nothing failed, and the generator kept the requested pace.
    ");
}

#[test]
fn the_summary_of_an_invalid_run_with_errors() {
    insta::assert_snapshot!(summary(&invalid_run()), @r"
    INVALID, see the reasons below.

    Target       wss://localhost:40123/ at 127.0.0.1:40123 (external server)
    Connections  1,000, opened at 250/s (open loop, even arrivals)
    Messages     64B, at 10,000/s (open loop, even arrivals), 1 in flight per
                 connection, for 10s after a warm-up of 2s
    Engines      client uring, 1 thread on CPU 1; server not known
    Negotiated   1,000 × TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768,
                 ecdsa-p256 certificate, full
    Verification NOT FULL (no-chain): certificate chain and name were not verified

    Handshakes: 1,000 of 1,000 completed, 0 failed; 249.8/s of 250/s requested
                         min        p50        p90        p99      p99.9        max
    ───────────────────────────────────────────────────────────────────────────────
    TCP connect      33.8 µs    48.3 µs    61.3 µs    66.9 µs          —    71.4 µs
    TLS               861 µs    1.23 ms    1.56 ms    1.70 ms          —    1.82 ms
    upgrade          43.2 µs    61.6 µs    78.4 µs    85.4 µs          —    91.3 µs
    ready             966 µs    1.38 ms    1.75 ms    1.91 ms          —    2.04 ms

    Echoes: 94,120 of 100,000 received, 5,880 failed (4,240 never sent); 9,412/s of
    10,000/s requested
                         p50        p90        p99      p99.9     p99.99        max
    ───────────────────────────────────────────────────────────────────────────────
    response         92.3 µs     117 µs     128 µs     135 µs     141 µs     150 µs
    service          79.7 µs     101 µs     111 µs     116 µs     122 µs     129 µs
    lateness          611 µs     778 µs     849 µs     892 µs     934 µs     991 µs
    response: from the planned instant to the echo; service: from the actual send to
    the echo; lateness: the generator's own delay before the send.
    31,044 messages were due while an earlier echo was still outstanding on the
    connection: response includes that wait, service does not.

    Cost                               client
    ─────────────────────────────────────────
    CPU per handshake                  742 µs
    CPU per message                   18.9 µs
    CPU used, echoing       94.0% of 1 thread
    memory per connection            26.2 KiB
    memory, peak                     68.0 MiB
    Per handshake: 1,823 bytes sent, 2,207 bytes received.
    The server's cost is not known: name its admin endpoint with --server-stats, or
    its process with --server-pid.

    Error in  kind      count  first example
    ────────────────────────────────────────────────────────────────────────────────
    echo      not_sent  4,240  not_sent in echo
    echo      timeout   1,638  timeout in echo
    echo      mismatch      2  the echo differs from the message at byte 17:
                               [31msent [0m 0x41, received 0x00; the connection from
                               127.0.0.1:53211 was …

    Note: the kernel has no TLS offload (kTLS): the figures are those of TLS in user
    space

    INVALID: these figures do not show what the server can do.
      - interrupted after 2.00 s of the echo phase: partial results
      - 5,880 errors (limit 0): 4,240 × echo not_sent, 1,638 × echo timeout, 2 ×
        echo mismatch
      - echoes: the generator used 94.0% of its CPU (limit 90.0%), so it may have
        set the pace instead of the server
      - echoes: the generator was late by 849 µs (p99; limit 100 µs at a median
        response time of 92.3 µs), which is part of the latencies
      - echoes: only 94,120 of 100,000 completed (94.1%, limit 98.0%), and only
        9,412/s of 10,000/s achieved (94.1%, limit 98.0%)
    What to do: see the first example of each error; lower --rate or --connect-rate,
    or give the generator a CPU of its own (--client-cpus); lower the rate, or allow
    more messages in flight (--in-flight, --connections).
    ");
}

#[test]
fn the_summary_of_a_handshake_run() {
    insta::assert_snapshot!(summary(&handshake_run()), @r"
    Target       wss://localhost:40123/ at 127.0.0.1:40123 (embedded server)
    Handshakes   at 250/s (open loop, even arrivals), for 10s after a warm-up of 2s,
                 each with an echo of 64B
    Engines      client uring, 1 thread on CPU 1; server uring, 1 thread on CPU 0
    Negotiated   2,500 × TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519MLKEM768,
                 ecdsa-p256 certificate, full

    Handshakes: 2,500 of 2,500 completed, 0 failed; 250.1/s of 250/s requested
                         min        p50        p90        p99      p99.9        max
    ───────────────────────────────────────────────────────────────────────────────
    TCP connect      33.8 µs    48.3 µs    61.3 µs    66.9 µs          —    72.8 µs
    TLS               861 µs    1.23 ms    1.56 ms    1.70 ms          —    1.85 ms
    upgrade          43.2 µs    61.6 µs    78.4 µs    85.5 µs          —    92.9 µs
    first echo       50.3 µs    71.8 µs    91.3 µs    99.6 µs          —     108 µs
    ready             966 µs    1.38 ms    1.75 ms    1.91 ms          —    2.08 ms

    Cost                           client              server
    ─────────────────────────────────────────────────────────
    CPU per handshake              742 µs              801 µs
    CPU used            21.9% of 1 thread   24.3% of 1 thread
    memory, peak                 68.0 MiB            75.0 MiB
    Per handshake: 1,823 bytes sent, 2,207 bytes received.

    VALID: nothing failed, and the generator kept the requested pace.
    ");
}

#[test]
fn no_line_is_wider_than_the_terminal_or_moves_the_cursor() {
    for result in [echo_run(), handshake_run(), invalid_run(), closed_run(), large_run()] {
        for (width, verbose) in [(80, false), (80, true), (120, false), (120, true)] {
            for line in terminal(&result, Style { width, verbose, color: false }).lines() {
                assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
                assert!(!line.chars().any(char::is_control), "a control character: {line:?}");
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

#[test]
fn colors_add_escape_sequences_and_nothing_else() {
    for result in [echo_run(), invalid_run()] {
        let plain = summary(&result);
        let colored = terminal(&result, Style { color: true, ..Style::default() });
        let mut stripped = String::new();
        let mut rest = colored.as_str();
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            stripped.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        stripped.push_str(rest);
        assert!(colored.contains('\u{1b}'));
        assert_eq!(stripped, plain);
    }
}

#[test]
fn the_summary_of_a_valid_run_fits_on_40_lines() {
    for result in [echo_run(), handshake_run()] {
        let lines = summary(&result).lines().count();
        assert!(lines <= 40, "{lines} lines");
    }
}

#[test]
fn an_engine_without_ring_counters_is_marked() {
    let mut result = echo_run();
    result.handshake.rings.client = None;
    result.echo.as_mut().unwrap().rings.client = None;
    let report = everything(&result);
    assert!(report.contains("enters per message             not counted        0.880\n"), "{report}");
}

#[test]
fn without_rings_there_is_no_ring_table() {
    let mut result = echo_run();
    result.handshake.rings = PhaseRings::default();
    result.echo.as_mut().unwrap().rings = PhaseRings::default();
    assert!(!everything(&result).contains("Rings"));
    // A server without a result has no column.
    let mut result = echo_run();
    result.server = None;
    result.handshake.rings.client = None;
    result.echo.as_mut().unwrap().rings.client = None;
    assert!(!everything(&result).contains("Rings"));
}

#[test]
fn an_invalid_run_says_so_first_and_last() {
    let mut result = echo_run();
    result.valid = false;
    for reasons in [vec![], vec![Reason::new(ReasonCode::Steal, "the machine was taken away")]] {
        result.invalid_because = reasons;
        let report = summary(&result);
        assert!(report.starts_with("INVALID, see the reasons below.\n"), "{report}");
        let last = report.split("\n\n").last().unwrap();
        assert!(last.starts_with("INVALID: "), "{report}");
        let said = result.invalid_because.first().map_or("does not give a reason", |reason| reason.text.as_str());
        assert!(last.contains(said), "{report}");
    }
}

#[test]
fn a_valid_result_with_a_reason_is_invalid() {
    let mut result = echo_run();
    result.invalid_because = vec![Reason::new(ReasonCode::GeneratorLate, "the generator was late")];
    assert!(summary(&result).starts_with("INVALID"));
}

#[test]
fn a_closed_loop_has_one_round_trip_and_no_lateness() {
    let report = summary(&closed_run());
    assert!(report.contains("\nround trip "), "{report}");
    for absent in ["lateness", "\nservice", "\nresponse", "requested"] {
        assert!(!report.contains(absent), "{absent} in a closed loop:\n{report}");
    }
}

#[test]
fn a_stack_without_tls_has_no_row_for_it() {
    let report = summary(&closed_run());
    assert!(report.contains("\nNegotiated   no TLS\n"), "{report}");
    for absent in ["\nTLS", "\nupgrade", "busy"] {
        assert!(!report.contains(absent), "{absent} over plain TCP:\n{report}");
    }
}

#[test]
fn a_run_without_successes_has_no_latency_table() {
    let mut result = handshake_run();
    (result.handshake.completed, result.handshake.failed) = (0, 2_500);
    result.negotiated.clear();
    result.errors = vec![error(ErrorPhase::Connect, ErrorKind::Refused, 2_500)];
    result.invalid_because = wss_analysis::validity::judge(&result);
    let report = summary(&result);
    assert!(report.contains("nothing: no TLS handshake completed"), "{report}");
    assert!(!report.contains("p50"), "{report}");
}

#[test]
fn many_kinds_of_errors_and_handshakes_are_summed_up() {
    let mut result = echo_run();
    result.errors = ErrorKind::ALL[..20].iter().map(|kind| error(ErrorPhase::Echo, *kind, 1)).collect();
    result.negotiated = (0..20)
        .map(|kind| {
            let mut other: NegotiatedCount = negotiated(1);
            other.negotiated.group = format!("group-{kind}");
            other
        })
        .collect();
    let report = summary(&result);
    assert!(report.contains("17 × 17 other kinds"), "{report}");
    assert!(report.contains("16 more kinds"), "{report}");
}

#[test]
fn a_debug_build_and_uncommitted_changes_are_named() {
    let mut result = echo_run();
    result.tool.profile = "debug".to_owned();
    result.tool.git_dirty = Some(true);
    let report = summary(&result).replace(['\n', ' '], "");
    assert!(report.contains("withuncommittedchanges(DEBUGBUILD"), "{report}");
}
