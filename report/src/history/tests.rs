//! Histories as they are printed.

use super::*;
use wss_analysis::history::fixtures::history;

#[test]
fn a_history_with_a_change() {
    insta::assert_snapshot!(show(&history(28), None, Style::default()).unwrap(), @r"
    28 comparisons from 2026-03-01 to 2026-03-28
    Reference    v0.1.0 (version 0.1.0, commit 3146730)
    Machine      AMD EPYC 9R14, 2 CPUs, 24 GiB, Linux 6.18.5, KVM, tsc
    Measured     handshake --duration=2500ms; TLSv1.3, X25519MLKEM768

    Metric                    trend                        min     max   latest
    ───────────────────────────────────────────────────────────────────────────
    echo_p50_us               █▆▃▁▆▄▂▇▅▂▇▅▃█▆▃▁▆▄▂▇▅▂▇   0.994   1.006    1.005
    server_cpu_handshake_us   ▂▂▁▂▂▁▂▂▁▁█▇▇█▇▇█▇▇██▇▇█   0.994   1.056    1.053

    Metric                      95% interval
    ────────────────────────────────────────
    echo_p50_us               0.999 to 1.012
    server_cpu_handshake_us   1.047 to 1.061
    Ratios to the reference. Each line is scaled from its smallest to its largest
    point.

      - server_cpu_handshake_us: +5.1%, worse since 2026-03-15 (0014beef0123), from
        0.999 to 1.051; p=0.005
    A hint, not a verdict: of twenty metrics without a change, one shows a change by
    chance.
    No change: echo_p50_us.
    ");
}

#[test]
fn a_single_metric_with_its_entries() {
    insta::assert_snapshot!(show(&history(19), Some("server_cpu_handshake_us"), Style::default()).unwrap(), @r"
    19 comparisons from 2026-03-01 to 2026-03-19
    Reference    v0.1.0 (version 0.1.0, commit 3146730)
    Machine      AMD EPYC 9R14, 2 CPUs, 24 GiB, Linux 6.18.5, KVM, tsc
    Measured     handshake --duration=2500ms; TLSv1.3, X25519MLKEM768

    Metric                    trend                   min     max   latest
    ──────────────────────────────────────────────────────────────────────
    server_cpu_handshake_us   ▁▂▂▁▂▂▁▂▂▁▂▂▁▁█▇▇██   0.994   1.054    1.050

    Metric                      95% interval
    ────────────────────────────────────────
    server_cpu_handshake_us   1.044 to 1.057

    When                   candidate      ratio     95% interval   blocks
    ────────────────────────────────────────────────────────────────────────────────
    2026-03-01T12:00:00Z   0000beef0123   0.994   0.988 to 1.001       12
    2026-03-02T12:00:00Z   0001beef0123   1.003   0.997 to 1.010       12
    2026-03-03T12:00:00Z   0002beef0123   0.999   0.993 to 1.006       12
    2026-03-04T12:00:00Z   0003beef0123   0.995   0.989 to 1.002       12
    2026-03-05T12:00:00Z   0004beef0123   1.004   0.998 to 1.011       12
    2026-03-06T12:00:00Z   0005beef0123   1.000   0.994 to 1.007       12
    2026-03-07T12:00:00Z   0006beef0123   0.996   0.990 to 1.003       12
    2026-03-08T12:00:00Z   0007beef0123   1.005   0.999 to 1.012       12
    2026-03-09T12:00:00Z   0008beef0123   1.001   0.995 to 1.008       12
    2026-03-10T12:00:00Z   0009beef0123   0.997   0.991 to 1.004       12
    2026-03-11T12:00:00Z   0010beef0123   1.006   1.000 to 1.013       12
    2026-03-12T12:00:00Z   0011beef0123   1.002   0.996 to 1.009       12
    2026-03-13T12:00:00Z   0012beef0123   0.998   0.992 to 1.005       12
    2026-03-14T12:00:00Z   0013beef0123   0.994   0.988 to 1.001       12
    2026-03-15T12:00:00Z   0014beef0123   1.053   1.047 to 1.061       12   ← change
    2026-03-16T12:00:00Z   0015beef0123   1.049   1.043 to 1.056       12
    2026-03-17T12:00:00Z   0016beef0123   1.045   1.038 to 1.052       12
    2026-03-18T12:00:00Z   0017beef0123   1.054   1.048 to 1.062       12
    2026-03-19T12:00:00Z   0018beef0123   1.050   1.044 to 1.057       12
    Ratios to the reference. Each line is scaled from its smallest to its largest
    point.

      - server_cpu_handshake_us: +5.1%, worse since 2026-03-15 (0014beef0123), from
        0.999 to 1.050; p=0.005
    A hint, not a verdict: of twenty metrics without a change, one shows a change by
    chance.
    ");
}

#[test]
fn incomparable_entries_are_separate_series() {
    let mut entries = history(26);
    for entry in &mut entries[..6] {
        entry.environment.kernel = "6.17.0".to_owned();
    }
    insta::assert_snapshot!(changes(&entries, None, Style::default()).unwrap(), @r"
    2 series, because the machine, the reference or the measurement differs. Each is
    analyzed separately.

    Series 1 of 2: 6 comparisons from 2026-03-01 to 2026-03-06
    Reference    v0.1.0 (version 0.1.0, commit 3146730)
    Machine      AMD EPYC 9R14, 2 CPUs, 24 GiB, Linux 6.17.0, KVM, tsc
    Measured     handshake --duration=2500ms; TLSv1.3, X25519MLKEM768

    Too few points to look for changes (10 needed, 5 on either side): echo_p50_us
    (6), server_cpu_handshake_us (6).

    Series 2 of 2: 20 comparisons from 2026-03-07 to 2026-03-26
    Reference    v0.1.0 (version 0.1.0, commit 3146730)
    Machine      AMD EPYC 9R14, 2 CPUs, 24 GiB, Linux 6.18.5, KVM, tsc
    Measured     handshake --duration=2500ms; TLSv1.3, X25519MLKEM768

      - server_cpu_handshake_us: +5.1%, worse since 2026-03-15 (0014beef0123), from
        0.999 to 1.051; p=0.005
    A hint, not a verdict: of twenty metrics without a change, one shows a change by
    chance.
    No change: echo_p50_us.
    ");
}

#[test]
fn an_unknown_metric_is_refused_with_the_known_ones() {
    for refused in
        [show(&history(3), Some("speed"), Style::default()), changes(&history(3), Some("speed"), Style::default())]
    {
        let sentence = refused.unwrap_err().to_string();
        assert_eq!(sentence, "no entry has the metric speed; available: echo_p50_us, server_cpu_handshake_us");
    }
    assert!(show(&[], Some("speed"), Style::default()).unwrap_err().to_string().ends_with("available: none"));
}

#[test]
fn no_line_is_too_wide_or_moves_the_cursor() {
    let mut entries = history(40);
    for entry in &mut entries {
        entry.candidate.commit = Some("\u{1b}[31m00000000000000000000000000".to_owned());
        entry.reference.label = "a/long/path/".repeat(20);
        entry.metrics.insert("\u{1b}a_metric_of_next_year".to_owned(), entry.metrics["echo_p50_us"]);
    }
    for (metric, width) in [(None, 80), (None, 100), (Some("server_cpu_handshake_us"), 80)] {
        let text = show(&entries, metric, Style { width, ..Style::default() }).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        let wide = text.lines().find(|line| line.chars().count() > width && !line.contains("a/long/path"));
        assert_eq!(wide, None, "{text}");
    }
}

#[test]
fn better_and_worse_are_named_for_known_metrics() {
    let mut entries = history(28);
    for entry in &mut entries {
        let ratio = entry.metrics["server_cpu_handshake_us"];
        entry.metrics.insert("echoes_per_s".to_owned(), ratio);
        entry.metrics.insert("of_next_year".to_owned(), ratio);
    }
    let text = changes(&entries, None, Style::default()).unwrap();
    assert!(text.contains("server_cpu_handshake_us: +5.1%, worse since 2026-03-15"), "{text}");
    assert!(text.contains("echoes_per_s: +5.1%, better since"), "{text}");
    assert!(text.contains("of_next_year: +5.1% since"), "{text}");
}

#[test]
fn an_empty_history() {
    assert_eq!(show(&[], None, Style::default()).unwrap(), "The history has no readable entry.\n");
}

#[test]
fn uncommitted_changes_are_shown_with_the_commit() {
    let mut entries = history(2);
    for entry in &mut entries {
        entry.candidate.commit = Some("0123456789abcdef0123+changes".to_owned());
    }
    let text = show(&entries, Some("echo_p50_us"), Style::default()).unwrap();
    assert!(text.contains(" 0123456789ab+changes "), "{text}");
}
