//! Histories as they are read.

use super::*;
use wss_analysis::history::fixtures::history;

#[test]
fn a_history_reads_like_this() {
    insta::assert_snapshot!(show(&history(28), None).unwrap(), @r"
    28 comparisons from 2026-03-01 to 2026-03-28
    Reference    v0.1.0 (version 0.1.0, commit 3146730)
    Machine      AMD EPYC 9R14, 2 CPUs, 24 GiB, Linux 6.18.5, KVM, tsc
    Measured     handshake --duration=2500ms; TLSv1.3, X25519MLKEM768

    Metric                    trend                      least    most    last     95% interval
    ────────────────────────────────────────────────────────────────────────────────────────────
    echo_p50_us               █▆▃▁▆▄▂▇▅▂▇▅▃█▆▃▁▆▄▂▇▅▂▇   0.994   1.006   1.005   0.999 to 1.012
    server_cpu_handshake_us   ▂▂▁▂▂▁▂▂▁▁█▇▇█▇▇█▇▇██▇▇█   0.994   1.056   1.053   1.047 to 1.061
    Ratios to the reference; the line is drawn from the least to the most of its points.

      - server_cpu_handshake_us: +5.1%, worse since 2026-03-15 (0014beef0123), from 0.999 to 1.051;
        p=0.005
    A hint and no verdict: of twenty metrics without any change one has one by chance.
    No change: echo_p50_us.
    ");
}

#[test]
fn a_single_metric_reads_like_this() {
    insta::assert_snapshot!(show(&history(19), Some("server_cpu_handshake_us")).unwrap(), @r"
    19 comparisons from 2026-03-01 to 2026-03-19
    Reference    v0.1.0 (version 0.1.0, commit 3146730)
    Machine      AMD EPYC 9R14, 2 CPUs, 24 GiB, Linux 6.18.5, KVM, tsc
    Measured     handshake --duration=2500ms; TLSv1.3, X25519MLKEM768

    Metric                    trend                 least    most    last     95% interval
    ───────────────────────────────────────────────────────────────────────────────────────
    server_cpu_handshake_us   ▁▂▂▁▂▂▁▂▂▁▂▂▁▁█▇▇██   0.994   1.054   1.050   1.044 to 1.057

    When                   candidate      ratio   95% interval     blocks
    ─────────────────────────────────────────────────────────────────────────────────
    2026-03-01T12:00:00Z   0000beef0123   0.994   0.988 to 1.001   12
    2026-03-02T12:00:00Z   0001beef0123   1.003   0.997 to 1.010   12
    2026-03-03T12:00:00Z   0002beef0123   0.999   0.993 to 1.006   12
    2026-03-04T12:00:00Z   0003beef0123   0.995   0.989 to 1.002   12
    2026-03-05T12:00:00Z   0004beef0123   1.004   0.998 to 1.011   12
    2026-03-06T12:00:00Z   0005beef0123   1.000   0.994 to 1.007   12
    2026-03-07T12:00:00Z   0006beef0123   0.996   0.990 to 1.003   12
    2026-03-08T12:00:00Z   0007beef0123   1.005   0.999 to 1.012   12
    2026-03-09T12:00:00Z   0008beef0123   1.001   0.995 to 1.008   12
    2026-03-10T12:00:00Z   0009beef0123   0.997   0.991 to 1.004   12
    2026-03-11T12:00:00Z   0010beef0123   1.006   1.000 to 1.013   12
    2026-03-12T12:00:00Z   0011beef0123   1.002   0.996 to 1.009   12
    2026-03-13T12:00:00Z   0012beef0123   0.998   0.992 to 1.005   12
    2026-03-14T12:00:00Z   0013beef0123   0.994   0.988 to 1.001   12
    2026-03-15T12:00:00Z   0014beef0123   1.053   1.047 to 1.061   12       ← change
    2026-03-16T12:00:00Z   0015beef0123   1.049   1.043 to 1.056   12
    2026-03-17T12:00:00Z   0016beef0123   1.045   1.038 to 1.052   12
    2026-03-18T12:00:00Z   0017beef0123   1.054   1.048 to 1.062   12
    2026-03-19T12:00:00Z   0018beef0123   1.050   1.044 to 1.057   12
    Ratios to the reference; the line is drawn from the least to the most of its points.

      - server_cpu_handshake_us: +5.1%, worse since 2026-03-15 (0014beef0123), from 0.999 to 1.050;
        p=0.005
    A hint and no verdict: of twenty metrics without any change one has one by chance.
    ");
}

#[test]
fn series_that_do_not_belong_together_read_like_this() {
    let mut entries = history(26);
    for entry in &mut entries[..6] {
        entry.environment.kernel = "6.17.0".to_owned();
    }
    insta::assert_snapshot!(changes(&entries, None).unwrap(), @r"
    2 series that are not to be put on one line: the machine, the reference or what was measured
    differs. Each is looked at by itself.

    Series 1 of 2: 6 comparisons from 2026-03-01 to 2026-03-06
    Reference    v0.1.0 (version 0.1.0, commit 3146730)
    Machine      AMD EPYC 9R14, 2 CPUs, 24 GiB, Linux 6.17.0, KVM, tsc
    Measured     handshake --duration=2500ms; TLSv1.3, X25519MLKEM768

    Changes are sought from 10 points on, and with 5 on either side. There are fewer of: echo_p50_us
    (6), server_cpu_handshake_us (6).

    Series 2 of 2: 20 comparisons from 2026-03-07 to 2026-03-26
    Reference    v0.1.0 (version 0.1.0, commit 3146730)
    Machine      AMD EPYC 9R14, 2 CPUs, 24 GiB, Linux 6.18.5, KVM, tsc
    Measured     handshake --duration=2500ms; TLSv1.3, X25519MLKEM768

      - server_cpu_handshake_us: +5.1%, worse since 2026-03-15 (0014beef0123), from 0.999 to 1.051;
        p=0.005
    A hint and no verdict: of twenty metrics without any change one has one by chance.
    No change: echo_p50_us.
    ");
}

#[test]
fn a_metric_that_no_entry_has_is_answered_with_those_that_there_are() {
    for told in [show(&history(3), Some("speed")), changes(&history(3), Some("speed"))] {
        let sentence = told.unwrap_err().to_string();
        assert_eq!(sentence, "no entry has a metric speed: they have echo_p50_us, server_cpu_handshake_us");
    }
    assert!(show(&[], Some("speed")).unwrap_err().to_string().ends_with("they have none"));
}

#[test]
fn no_line_is_wider_than_a_hundred_columns_and_nothing_steers_the_terminal() {
    let mut entries = history(40);
    for entry in &mut entries {
        entry.candidate.commit = Some("\u{1b}[31m00000000000000000000000000".to_owned());
        entry.reference.label = "a/long/path/".repeat(20);
        entry.metrics.insert("\u{1b}a_metric_of_next_year".to_owned(), entry.metrics["echo_p50_us"]);
    }
    for metric in [None, Some("server_cpu_handshake_us")] {
        let text = show(&entries, metric).unwrap();
        assert!(!text.contains('\u{1b}'), "{text}");
        let wide = text.lines().find(|line| line.chars().count() > WIDE && !line.contains("a/long/path"));
        assert_eq!(wide, None, "{text}");
    }
}

#[test]
fn which_way_is_better_is_told_of_the_metrics_that_are_known() {
    let mut entries = history(28);
    for entry in &mut entries {
        let ratio = entry.metrics["server_cpu_handshake_us"];
        entry.metrics.insert("echoes_per_s".to_owned(), ratio);
        entry.metrics.insert("of_next_year".to_owned(), ratio);
    }
    let text = changes(&entries, None).unwrap();
    assert!(text.contains("server_cpu_handshake_us: +5.1%, worse since 2026-03-15"), "{text}");
    assert!(text.contains("echoes_per_s: +5.1%, better since"), "{text}");
    assert!(text.contains("of_next_year: +5.1% since"), "{text}");
}

#[test]
fn an_empty_history_says_so() {
    assert_eq!(show(&[], None).unwrap(), "No entry can be read.\n");
}

#[test]
fn a_candidate_with_uncommitted_changes_is_not_taken_for_its_commit() {
    let mut entries = history(2);
    for entry in &mut entries {
        entry.candidate.commit = Some("0123456789abcdef0123+changes".to_owned());
    }
    let text = show(&entries, Some("echo_p50_us")).unwrap();
    assert!(text.contains(" 0123456789ab+changes "), "{text}");
}
