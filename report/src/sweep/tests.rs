//! Whole reports of sweeps, and what holds for every one.

use super::*;
use crate::style::Style;
use wss_analysis::metric::Metric;
use wss_analysis::sweep::InvalidCombination;
use wss_analysis::sweep::fixtures::{spoil, sweep};
use wss_model::{Reason, ReasonCode};

fn text(sweep: &SweepResult) -> String {
    terminal(sweep, Style::default())
}

#[test]
fn a_valid_sweep() {
    insta::assert_snapshot!(terminal(&sweep(12), Style { width: 100, ..Style::default() }), @r"
    Compared     4 configurations and the reference again, in 12 of 12 blocks, each in a random order
    Trial        handshake: --duration=1s
                 bulk: --duration=1s
    Reference    #1 1.3 AES-128-GCM ecdsa-p256
    Measured on  AMD EPYC 9R14, 2 CPUs, KVM, Linux 6.18.5, wssbench 0.1.0 3146730

    What it costs, by security level; ranked by server µs per handshake
    #   configuration                        rank   server µs   client µs   /s per       bytes    bulk
                                                    handshake   handshake     core    out + in    GB/s
    ──────────────────────────────────────────────────────────────────────────────────────────────────
        ── no TLS
    4   ws                                      1        79.9        79.9   12,513   480 + 939    3.50
        ── 112 bits
    3   1.2 ChaCha20 rsa-2048                   4         619         619    1,615   480 + 939   0.452
        ── 128 bits
    1   1.3 AES-128-GCM ecdsa-p256            2–3         200         200    5,005   480 + 939    1.40
    5   1.3 AES-128-GCM ecdsa-p256 (again)                200         200    4,995   480 + 939    1.40
    2   1.3 AES-256-GCM ecdsa-p256            2–3         201         201    4,985   480 + 939    1.40

    What messages cost, by security level
    #   configuration                           bulk   of which      bulk
                                              server       AEAD    client
                                             ns/byte              ns/byte
    ─────────────────────────────────────────────────────────────────────
        ── no TLS
    4   ws                                     0.280          —     0.280
        ── 112 bits
    3   1.2 ChaCha20 rsa-2048                   2.17      0.774      2.17
        ── 128 bits
    1   1.3 AES-128-GCM ecdsa-p256             0.699      0.250     0.699
    5   1.3 AES-128-GCM ecdsa-p256 (again)     0.701      0.250     0.701
    2   1.3 AES-256-GCM ecdsa-p256             0.702      0.251     0.702

    Ratio to the reference (#1, 1.3 AES-128-GCM ecdsa-p256)
    #  configuration               server µs per handshake  client µs per handshake            bulk GB/s
    ────────────────────────────────────────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                              0.399 (0.399–0.399)      0.399 (0.399–0.399)     2.51 (2.50–2.51)
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048              3.12 (3.08–3.12)         3.12 (3.08–3.12)  0.321 (0.321–0.324)
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256                        1                        1                    1
    5  1.3 AES-128-GCM ecdsa-p256            ≈ within 1.2%            ≈ within 1.2%        ≈ within 1.2%
       (again)
    2  1.3 AES-256-GCM ecdsa-p256            ≈ within 1.6%            ≈ within 1.6%        ≈ within 1.6%

    #   configuration                        bulk server ns per byte   bulk client ns per byte
    ──────────────────────────────────────────────────────────────────────────────────────────
        ── no TLS
    4   ws                                       0.399 (0.399–0.399)       0.399 (0.399–0.399)
        ── 112 bits
    3   1.2 ChaCha20 rsa-2048                       3.12 (3.08–3.12)          3.12 (3.08–3.12)
        ── 128 bits
    1   1.3 AES-128-GCM ecdsa-p256                                 1                         1
    5   1.3 AES-128-GCM ecdsa-p256 (again)             ≈ within 1.2%             ≈ within 1.2%
    2   1.3 AES-256-GCM ecdsa-p256                     ≈ within 1.6%             ≈ within 1.6%

    From the best to the worst; noise does not separate configurations joined by ≈:
      - server µs per handshake: #4 < #1 ≈ #2 < #3
      - client µs per handshake: #4 < #1 ≈ #2 < #3
      - bulk GB/s: #4 > #1 ≈ #2 > #3
      - bulk server ns per byte: #4 < #1 ≈ #2 < #3
      - bulk client ns per byte: #4 < #1 ≈ #2 < #3
    Noise floor, the reference against itself: server µs per handshake ≈ within 1.2%; client µs per
    handshake ≈ within 1.2%; bulk GB/s ≈ within 1.2%; bulk server ns per byte ≈ within 1.2%; bulk client
    ns per byte ≈ within 1.2%.

    Negotiated:
      - #1: TLSv1.3, TLS13_AES_128_GCM_SHA256, X25519, ecdsa-p256 certificate, full
      - #2: TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519, ecdsa-p256 certificate, full
      - #3: TLSv1.2, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, X25519, rsa-2048 certificate, full
      - #4: no TLS

    Figures are medians over the trials. Ratios are to the reference in the same block: Hodges–Lehmann
    center and exact Wilcoxon signed-rank interval. ≈: the interval contains 1, so any difference is at
    most this large; ?: too few blocks for an interval. Of twenty such intervals, one misses the true
    ratio.
    With 12 blocks the confidence of the intervals is 95.8%.
    µs per handshake: CPU time of that end as the kernel accounts it, including connect, accept and
    close. Per core: 1 s divided by the server's CPU per handshake. Bytes: TCP payload sent + received
    by the client.
    Bulk: payload in each direction; each end receives and sends every byte once.
    Bits: the weakest of key exchange, cipher and certificate (NIST SP 800-57; ML-KEM and ML-DSA by
    their category). Post-quantum refers to the key exchange.

    VALID: every trial is valid.
    ");
}

#[test]
fn a_sweep_on_a_narrow_and_a_wide_terminal() {
    insta::assert_snapshot!("narrow", text(&sweep(12)));
    insta::assert_snapshot!("wide", terminal(&sweep(12), Style { width: 120, ..Style::default() }));
}

#[test]
fn a_partial_sweep_with_invalid_trials() {
    let mut sweep = sweep(5);
    spoil(&mut sweep, 1, 2, false);
    spoil(&mut sweep, 2, 2, true);
    sweep.invalid_combinations.push(InvalidCombination {
        label: "TLS13_AES_128_GCM_SHA256 tls 1.2".to_owned(),
        reason: "a suite of TLS 1.3 under --tls 1.2".to_owned(),
    });
    (sweep.interrupted, sweep.blocks_planned) = (true, 12);
    sweep.conclude();
    insta::assert_snapshot!(terminal(&sweep, Style { width: 100, ..Style::default() }), @r"
    INVALID, see the reasons below.

    Compared     4 configurations and the reference again, in 5 of 12 blocks, each in a random order
    Trial        handshake: --duration=1s
                 bulk: --duration=1s
    Reference    #1 1.3 AES-128-GCM ecdsa-p256
    Measured on  AMD EPYC 9R14, 2 CPUs, KVM, Linux 6.18.5, wssbench 0.1.0 3146730

    What it costs, by security level; ranked by server µs per handshake
    #   configuration                        rank   server µs   client µs   /s per       bytes    bulk
                                                    handshake   handshake     core    out + in    GB/s
    ──────────────────────────────────────────────────────────────────────────────────────────────────
        ── no TLS
    4   ws                                    1–4        80.0        80.0   12,500   480 + 939    3.50
        ── 112 bits
    3   1.2 ChaCha20 rsa-2048                 1–4         619         619    1,616   480 + 939   0.453
        ── 128 bits
    1   1.3 AES-128-GCM ecdsa-p256            1–4         200         200    5,000   480 + 939    1.40
    5   1.3 AES-128-GCM ecdsa-p256 (again)                200         200    5,000   480 + 939    1.40
    2   1.3 AES-256-GCM ecdsa-p256            1–4         201         201    4,980   480 + 939    1.39

    What messages cost, by security level
    #   configuration                           bulk   of which      bulk
                                              server       AEAD    client
                                             ns/byte              ns/byte
    ─────────────────────────────────────────────────────────────────────
        ── no TLS
    4   ws                                     0.280          —     0.280
        ── 112 bits
    3   1.2 ChaCha20 rsa-2048                   2.17      0.773      2.17
        ── 128 bits
    1   1.3 AES-128-GCM ecdsa-p256             0.700      0.250     0.700
    5   1.3 AES-128-GCM ecdsa-p256 (again)     0.700      0.250     0.700
    2   1.3 AES-256-GCM ecdsa-p256             0.703      0.251     0.703

    Ratio to the reference (#1, 1.3 AES-128-GCM ecdsa-p256)
    #  configuration                       server µs per handshake  client µs per handshake  bulk GB/s
    ──────────────────────────────────────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                                                  0.399 ?                  0.399 ?     2.50 ?
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048                                3.12 ?                   3.12 ?    0.321 ?
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256                                1                        1          1
    5  1.3 AES-128-GCM ecdsa-p256 (again)                   1.00 ?                   1.00 ?    0.999 ?
    2  1.3 AES-256-GCM ecdsa-p256                           1.00 ?                   1.00 ?    0.995 ?

    #   configuration                        bulk server ns per byte   bulk client ns per byte
    ──────────────────────────────────────────────────────────────────────────────────────────
        ── no TLS
    4   ws                                                   0.399 ?                   0.399 ?
        ── 112 bits
    3   1.2 ChaCha20 rsa-2048                                 3.12 ?                    3.12 ?
        ── 128 bits
    1   1.3 AES-128-GCM ecdsa-p256                                 1                         1
    5   1.3 AES-128-GCM ecdsa-p256 (again)                    1.00 ?                    1.00 ?
    2   1.3 AES-256-GCM ecdsa-p256                            1.01 ?                    1.01 ?

    Negotiated:
      - #1: TLSv1.3, TLS13_AES_128_GCM_SHA256, X25519, ecdsa-p256 certificate, full
      - #2: TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519, ecdsa-p256 certificate, full
      - #3: TLSv1.2, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, X25519, rsa-2048 certificate, full
      - #4: no TLS

    Trials that failed or are invalid and are in no figure, with the first reason of each:
      - #2 1.3 AES-256-GCM ecdsa-p256: 2 of 5: handshake: 2 errors (limit 0)

    InvalidCombination combinations, left out:
      - TLS13_AES_128_GCM_SHA256 tls 1.2: a suite of TLS 1.3 under --tls 1.2

    Figures are medians over the trials. Ratios are to the reference in the same block: Hodges–Lehmann
    center and exact Wilcoxon signed-rank interval. ≈: the interval contains 1, so any difference is at
    most this large; ?: too few blocks for an interval. Of twenty such intervals, one misses the true
    ratio.
    No intervals: an exact 95% interval needs 6 blocks, and there are 5, so no configuration can be
    distinguished from another.
    µs per handshake: CPU time of that end as the kernel accounts it, including connect, accept and
    close. Per core: 1 s divided by the server's CPU per handshake. Bytes: TCP payload sent + received
    by the client.
    Bulk: payload in each direction; each end receives and sends every byte once.
    Bits: the weakest of key exchange, cipher and certificate (NIST SP 800-57; ML-KEM and ML-DSA by
    their category). Post-quantum refers to the key exchange.

    INVALID: the sweep is partial.
      - interrupted after 5 of 12 blocks: partial results
      - trials without a result: 1 of 25
      - invalid trials: 1 of 25
    What to do: try the same options with `wssbench run`, which prints every figure of one run.
    ");
}

#[test]
fn a_sweep_as_markdown() {
    insta::assert_snapshot!(markdown(&sweep(6)), @r"
    6 of 6 blocks; AMD EPYC 9R14, 2 CPUs, Linux 6.18.5; wssbench 0.1.0 3146730; 2026-03-01T12:00:00Z.

    **What it costs, by security level; ranked by server µs per handshake**

    | # | configuration | rank | server µs handshake | client µs handshake | /s per core | bytes out + in | bulk GB/s |
    | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |
    |  | **no TLS** |  |  |  |  |  |  |
    | 4 | ws | 1 | 79.9 | 79.9 | 12,513 | 480 + 939 | 3.50 |
    |  | **112 bits** |  |  |  |  |  |  |
    | 3 | 1.2 ChaCha20 rsa-2048 | 4 | 621 | 621 | 1,611 | 480 + 939 | 0.451 |
    |  | **128 bits** |  |  |  |  |  |  |
    | 1 | 1.3 AES-128-GCM ecdsa-p256 | 2–3 | 200 | 200 | 5,005 | 480 + 939 | 1.40 |
    | 5 | 1.3 AES-128-GCM ecdsa-p256 (again) |  | 200 | 200 | 4,995 | 480 + 939 | 1.40 |
    | 2 | 1.3 AES-256-GCM ecdsa-p256 | 2–3 | 200 | 200 | 5,000 | 480 + 939 | 1.40 |

    **What messages cost, by security level**

    | # | configuration | bulk server ns/byte | of which AEAD | bulk client ns/byte |
    | ---: | --- | ---: | ---: | ---: |
    |  | **no TLS** |  |  |  |
    | 4 | ws | 0.280 | — | 0.280 |
    |  | **112 bits** |  |  |  |
    | 3 | 1.2 ChaCha20 rsa-2048 | 2.17 | 0.776 | 2.17 |
    |  | **128 bits** |  |  |  |
    | 1 | 1.3 AES-128-GCM ecdsa-p256 | 0.699 | 0.250 | 0.699 |
    | 5 | 1.3 AES-128-GCM ecdsa-p256 (again) | 0.701 | 0.250 | 0.701 |
    | 2 | 1.3 AES-256-GCM ecdsa-p256 | 0.700 | 0.250 | 0.700 |

    **Ratio to the reference (#1, 1.3 AES-128-GCM ecdsa-p256)**

    | # | configuration | server µs per handshake | client µs per handshake | bulk GB/s | bulk server ns per byte | bulk client ns per byte |
    | ---: | --- | ---: | ---: | ---: | ---: | ---: |
    |  | **no TLS** |  |  |  |  |  |
    | 4 | ws | 0.399 (0.399–0.408) | 0.399 (0.399–0.408) | 2.50 (2.45–2.51) | 0.399 (0.399–0.408) | 0.399 (0.399–0.408) |
    |  | **112 bits** |  |  |  |  |  |
    | 3 | 1.2 ChaCha20 rsa-2048 | 3.12 (3.05–3.12) | 3.12 (3.05–3.12) | 0.321 (0.321–0.328) | 3.12 (3.05–3.12) | 3.12 (3.05–3.12) |
    |  | **128 bits** |  |  |  |  |  |
    | 1 | 1.3 AES-128-GCM ecdsa-p256 | 1 | 1 | 1 | 1 | 1 |
    | 5 | 1.3 AES-128-GCM ecdsa-p256 (again) | ≈ within 1.2% | ≈ within 1.2% | ≈ within 1.2% | ≈ within 1.2% | ≈ within 1.2% |
    | 2 | 1.3 AES-256-GCM ecdsa-p256 | ≈ within 1.6% | ≈ within 1.6% | ≈ within 1.6% | ≈ within 1.6% | ≈ within 1.6% |

    Figures are medians over the trials. Ratios are to the reference in the same block: Hodges–Lehmann center and exact Wilcoxon signed-rank interval. ≈: the interval contains 1, so any difference is at most this large; ?: too few blocks for an interval. Of twenty such intervals, one misses the true ratio. With 6 blocks the confidence of the intervals is 96.9%. µs per handshake: CPU time of that end as the kernel accounts it, including connect, accept and close. Per core: 1 s divided by the server's CPU per handshake. Bytes: TCP payload sent + received by the client. Bulk: payload in each direction; each end receives and sends every byte once. Bits: the weakest of key exchange, cipher and certificate (NIST SP 800-57; ML-KEM and ML-DSA by their category). Post-quantum refers to the key exchange.
    ");
}

#[test]
fn the_repetition_follows_the_reference() {
    for group in groups(&sweep(12)) {
        let place = |number| group.numbers.iter().position(|one| *one == number);
        assert_eq!(place(1).map(|place| place + 1), place(5));
    }
}

#[test]
fn csv_has_a_line_per_figure_and_configuration() {
    let sweep = sweep(12);
    let text = csv(&sweep).unwrap();
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().unwrap().clone();
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    let figures: usize = sweep.analysis.summaries.iter().map(|summary| summary.metrics.len()).sum();
    assert_eq!(records.len(), figures);
    let cell = |record: &::csv::StringRecord, name: &str| {
        record[head.iter().position(|cell| cell == name).unwrap()].to_owned()
    };
    let rsa = records
        .iter()
        .find(|record| cell(record, "number") == "3" && cell(record, "metric") == "server_cpu_handshake_us")
        .unwrap();
    assert_eq!((cell(rsa, "finding"), cell(rsa, "place")), ("differs".to_owned(), "4".to_owned()));
    assert!(cell(rsa, "ratio_low").parse::<f64>().unwrap() > 3.0);
}

#[test]
fn a_failed_configuration_is_in_every_format() {
    let mut sweep = sweep(2);
    for trial in sweep.blocks.iter_mut().flat_map(|block| &mut block.trials).filter(|trial| trial.configuration == 3) {
        trial.valid = false;
        for workload in &mut trial.workloads {
            (workload.valid, workload.failed) = (false, true);
            workload.invalid_because = vec![Reason::new(ReasonCode::GeneratorLate, "this CPU | cannot\nrun it")];
            workload.metrics.clear();
            workload.negotiated.clear();
        }
    }
    sweep.conclude();
    for text in [text(&sweep), markdown(&sweep), csv(&sweep).unwrap()] {
        assert!(text.contains("ChaCha20"), "{text}");
    }
    assert!(text(&sweep).contains("#3 ChaCha20 rsa-2048: 2 of 2: handshake: this CPU | cannot run it"));
    assert!(markdown(&sweep).contains(r"this CPU \| cannot run it"));
    assert!(text(&sweep).contains("nothing measured"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for blocks in [0, 1, 5, 6, 12] {
        let mut sweep = sweep(blocks);
        // Every figure, and labels that are too long.
        for one in &mut sweep.configurations {
            one.options.push(format!("--subprotocol=a-name-that-is-rather-long-{}", one.number));
        }
        for summary in &mut sweep.analysis.summaries {
            let Some(figure) = summary.metrics.get(&Metric::ServerCpuHandshakeUs).cloned() else { continue };
            for metric in Metric::ALL {
                summary.metrics.insert(*metric, figure.clone());
            }
        }
        for width in [80, 100, 120] {
            let text = terminal(&sweep, Style { width, ..Style::default() });
            for line in text.lines() {
                assert!(line.chars().count() <= width, "{} columns: {line}\n{text}", line.chars().count());
            }
        }
    }
}

#[test]
fn a_small_difference_has_enough_digits() {
    let ratio =
        |center, low, high| Ratio { pairs: 12, center, interval: Some(Interval { low, high, confidence: 0.957 }) };
    assert_eq!(describe_ratio(&ratio(3.1, 3.05, 3.155)), "3.10 (3.05–3.15)");
    assert_eq!(describe_ratio(&ratio(1.0041, 1.0022, 1.0061)), "1.004 (1.002–1.006)");
    assert_eq!(describe_ratio(&ratio(1.001, 0.981, 1.012)), "≈ within 1.9%");
    assert_eq!(describe_ratio(&Ratio { pairs: 3, center: 1.5, interval: None }), "1.50 ?");
}
