//! Whole reports of a sweep as they are read, and what holds for every one.

use super::*;
use wss_analysis::sweep::fixtures::{spoil, sweep};
use wss_analysis::sweep::{InvalidCombination, Metric};
use wss_model::{Reason, ReasonCode};

#[test]
fn a_sweep_reads_like_this() {
    insta::assert_snapshot!(terminal(&sweep(12)), @r"
    Compared     4 configurations and the reference again, in 12 of 12 blocks, each in a random order
    A trial        handshake: --duration=1s
                 bulk: --duration=1s
    Reference    #1 1.3 AES-128-GCM ecdsa-p256
    Measured on  AMD EPYC 9R14, 2 CPUs, KVM, Linux 6.18.5, wssbench 0.1.0 3146730

    What it costs, by security level; places by server µs a handshake
    #  configuration                       place   server µs   client µs       /s       bytes    bulk
                                                   handshake   handshake   a core    out + in    GB/s
    ──────────────────────────────────────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                                      1        79.9        79.9   12,513   480 + 939    3.50
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048                   4         619         619    1,615   480 + 939   0.452
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256            2–3         200         200    5,005   480 + 939    1.40
    5  1.3 AES-128-GCM ecdsa-p256 (again)                200         200    4,995   480 + 939    1.40
    2  1.3 AES-256-GCM ecdsa-p256            2–3         201         201    4,985   480 + 939    1.40

    What messages cost, by security level
    #  configuration                          bulk   of it      bulk
                                            server    AEAD    client
                                           ns/byte           ns/byte
    ─────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                                    0.280       —     0.280
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048                  2.17   0.774      2.17
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256            0.699   0.250     0.699
    5  1.3 AES-128-GCM ecdsa-p256 (again)    0.701   0.250     0.701
    2  1.3 AES-256-GCM ecdsa-p256            0.702   0.251     0.702

    Times the reference (#1, 1.3 AES-128-GCM ecdsa-p256)
    #  configuration                server µs a handshake   client µs a handshake             bulk GB/s
    ────────────────────────────────────────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                             0.399 (0.399–0.399)     0.399 (0.399–0.399)      2.51 (2.50–2.51)
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048             3.12 (3.08–3.12)        3.12 (3.08–3.12)   0.321 (0.321–0.324)
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256                       1                       1                     1
    5  1.3 AES-128-GCM ecdsa-p256           ≈ within 1.2%           ≈ within 1.2%         ≈ within 1.2%
       (again)
    2  1.3 AES-256-GCM ecdsa-p256           ≈ within 1.6%           ≈ within 1.6%         ≈ within 1.6%

    Times the reference (#1, 1.3 AES-128-GCM ecdsa-p256)
    #  configuration                       bulk server ns a byte   bulk client ns a byte
    ─────────────────────────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                                    0.399 (0.399–0.399)     0.399 (0.399–0.399)
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048                    3.12 (3.08–3.12)        3.12 (3.08–3.12)
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256                              1                       1
    5  1.3 AES-128-GCM ecdsa-p256 (again)          ≈ within 1.2%           ≈ within 1.2%
    2  1.3 AES-256-GCM ecdsa-p256                  ≈ within 1.6%           ≈ within 1.6%

    From the best to the worst; what stands between ≈ is tied, since the noise does not separate it:
      - server µs a handshake: #4 < #1 ≈ #2 < #3
      - client µs a handshake: #4 < #1 ≈ #2 < #3
      - bulk GB/s: #4 > #1 ≈ #2 > #3
      - bulk server ns a byte: #4 < #1 ≈ #2 < #3
      - bulk client ns a byte: #4 < #1 ≈ #2 < #3
    Noise floor, the reference against itself: server µs a handshake ≈ within 1.2%; client µs a
    handshake ≈ within 1.2%; bulk GB/s ≈ within 1.2%; bulk server ns a byte ≈ within 1.2%; bulk
    client ns a byte ≈ within 1.2%.

    Negotiated:
      - #1: TLSv1.3, TLS13_AES_128_GCM_SHA256, X25519, ecdsa-p256 certificate, full
      - #2: TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519, ecdsa-p256 certificate, full
      - #3: TLSv1.2, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, X25519, rsa-2048 certificate, full
      - #4: no TLS

    Figures are medians over the trials. Ratios are to the reference in the same block: Hodges–Lehmann
    center and exact Wilcoxon signed-rank interval; ≈: the interval contains 1, so that there is no
    difference larger than this; ?: too few blocks for an interval. Each interval is one of many: of
    twenty, one misses.
    With 12 blocks the intervals have a confidence of 95.8%.
    µs a handshake: CPU time of that end by the kernel's accounting, connect, accept and close included;
    a core: 1 s over the server's. Bytes: TCP payload to the server + back.
    Bulk: payload in each direction; a byte is received once and sent once by each end.
    Bits: the weakest of key exchange, cipher and certificate (NIST SP 800-57; ML-KEM and ML-DSA by
    their category). Post-quantum: the key exchange is.

    VALID: every trial is.
    ");
}

#[test]
fn a_partial_sweep_with_trials_that_are_not_valid_reads_like_this() {
    let mut sweep = sweep(5);
    spoil(&mut sweep, 1, 2, false);
    spoil(&mut sweep, 2, 2, true);
    sweep.invalid_combinations.push(InvalidCombination {
        label: "TLS13_AES_128_GCM_SHA256 tls 1.2".to_owned(),
        reason: "a suite of TLS 1.3 under --tls 1.2".to_owned(),
    });
    (sweep.interrupted, sweep.blocks_planned) = (true, 12);
    sweep.conclude();
    insta::assert_snapshot!(terminal(&sweep), @r"
    PARTIAL, NOT VALID: what follows is what there is, because
      - it was interrupted after 5 of 12 blocks: partial
      - 1 of 25 trials: failed
      - 1 of 25 trials: not valid

    Compared     4 configurations and the reference again, in 5 of 12 blocks, each in a random order
    A trial        handshake: --duration=1s
                 bulk: --duration=1s
    Reference    #1 1.3 AES-128-GCM ecdsa-p256
    Measured on  AMD EPYC 9R14, 2 CPUs, KVM, Linux 6.18.5, wssbench 0.1.0 3146730

    What it costs, by security level; places by server µs a handshake
    #  configuration                       place   server µs   client µs       /s       bytes    bulk
                                                   handshake   handshake   a core    out + in    GB/s
    ──────────────────────────────────────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                                    1–4        80.0        80.0   12,500   480 + 939    3.50
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048                 1–4         619         619    1,616   480 + 939   0.453
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256            1–4         200         200    5,000   480 + 939    1.40
    5  1.3 AES-128-GCM ecdsa-p256 (again)                200         200    5,000   480 + 939    1.40
    2  1.3 AES-256-GCM ecdsa-p256            1–4         201         201    4,980   480 + 939    1.39

    What messages cost, by security level
    #  configuration                          bulk   of it      bulk
                                            server    AEAD    client
                                           ns/byte           ns/byte
    ─────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                                    0.280       —     0.280
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048                  2.17   0.773      2.17
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256            0.700   0.250     0.700
    5  1.3 AES-128-GCM ecdsa-p256 (again)    0.700   0.250     0.700
    2  1.3 AES-256-GCM ecdsa-p256            0.703   0.251     0.703

    Times the reference (#1, 1.3 AES-128-GCM ecdsa-p256)
    #  configuration                       server µs a handshake   client µs a handshake   bulk GB/s
    ─────────────────────────────────────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                                                0.399 ?                 0.399 ?      2.50 ?
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048                              3.12 ?                  3.12 ?     0.321 ?
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256                              1                       1           1
    5  1.3 AES-128-GCM ecdsa-p256 (again)                 1.00 ?                  1.00 ?     0.999 ?
    2  1.3 AES-256-GCM ecdsa-p256                         1.00 ?                  1.00 ?     0.995 ?

    Times the reference (#1, 1.3 AES-128-GCM ecdsa-p256)
    #  configuration                       bulk server ns a byte   bulk client ns a byte
    ─────────────────────────────────────────────────────────────────────────────────────
       ── no TLS
    4  ws                                                0.399 ?                 0.399 ?
       ── 112 bits
    3  1.2 ChaCha20 rsa-2048                              3.12 ?                  3.12 ?
       ── 128 bits
    1  1.3 AES-128-GCM ecdsa-p256                              1                       1
    5  1.3 AES-128-GCM ecdsa-p256 (again)                 1.00 ?                  1.00 ?
    2  1.3 AES-256-GCM ecdsa-p256                         1.01 ?                  1.01 ?

    Negotiated:
      - #1: TLSv1.3, TLS13_AES_128_GCM_SHA256, X25519, ecdsa-p256 certificate, full
      - #2: TLSv1.3, TLS13_AES_256_GCM_SHA384, X25519, ecdsa-p256 certificate, full
      - #3: TLSv1.2, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, X25519, rsa-2048 certificate, full
      - #4: no TLS

    Trials that failed or are not valid, and are in no figure; the first reason of each:
      - #2 1.3 AES-256-GCM ecdsa-p256: 2 of 5: handshake: 2 errors (limit 0)

    Not possible, and left out:
      - TLS13_AES_128_GCM_SHA256 tls 1.2: a suite of TLS 1.3 under --tls 1.2

    Figures are medians over the trials. Ratios are to the reference in the same block: Hodges–Lehmann
    center and exact Wilcoxon signed-rank interval; ≈: the interval contains 1, so that there is no
    difference larger than this; ?: too few blocks for an interval. Each interval is one of many: of
    twenty, one misses.
    No intervals: an exact one of 95% needs 6 blocks, and there are 5; nothing can be told apart.
    µs a handshake: CPU time of that end by the kernel's accounting, connect, accept and close included;
    a core: 1 s over the server's. Bytes: TCP payload to the server + back.
    Bulk: payload in each direction; a byte is received once and sent once by each end.
    Bits: the weakest of key exchange, cipher and certificate (NIST SP 800-57; ML-KEM and ML-DSA by
    their category). Post-quantum: the key exchange is.

    NOT VALID: the reasons stand at the top.
    ");
}

#[test]
fn a_sweep_as_markdown_reads_like_this() {
    insta::assert_snapshot!(markdown(&sweep(6)), @r"
    6 of 6 blocks; AMD EPYC 9R14, 2 CPUs, Linux 6.18.5; wssbench 0.1.0 3146730; 2026-03-01T12:00:00Z.

    **What it costs, by security level; places by server µs a handshake**

    | # | configuration | place | server µs handshake | client µs handshake | /s a core | bytes out + in | bulk GB/s |
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

    | # | configuration | bulk server ns/byte | of it AEAD | bulk client ns/byte |
    | ---: | --- | ---: | ---: | ---: |
    |  | **no TLS** |  |  |  |
    | 4 | ws | 0.280 | — | 0.280 |
    |  | **112 bits** |  |  |  |
    | 3 | 1.2 ChaCha20 rsa-2048 | 2.17 | 0.776 | 2.17 |
    |  | **128 bits** |  |  |  |
    | 1 | 1.3 AES-128-GCM ecdsa-p256 | 0.699 | 0.250 | 0.699 |
    | 5 | 1.3 AES-128-GCM ecdsa-p256 (again) | 0.701 | 0.250 | 0.701 |
    | 2 | 1.3 AES-256-GCM ecdsa-p256 | 0.700 | 0.250 | 0.700 |

    **Times the reference (#1, 1.3 AES-128-GCM ecdsa-p256)**

    | # | configuration | server µs a handshake | client µs a handshake | bulk GB/s | bulk server ns a byte | bulk client ns a byte |
    | ---: | --- | ---: | ---: | ---: | ---: | ---: |
    |  | **no TLS** |  |  |  |  |  |
    | 4 | ws | 0.399 (0.399–0.408) | 0.399 (0.399–0.408) | 2.50 (2.45–2.51) | 0.399 (0.399–0.408) | 0.399 (0.399–0.408) |
    |  | **112 bits** |  |  |  |  |  |
    | 3 | 1.2 ChaCha20 rsa-2048 | 3.12 (3.05–3.12) | 3.12 (3.05–3.12) | 0.321 (0.321–0.328) | 3.12 (3.05–3.12) | 3.12 (3.05–3.12) |
    |  | **128 bits** |  |  |  |  |  |
    | 1 | 1.3 AES-128-GCM ecdsa-p256 | 1 | 1 | 1 | 1 | 1 |
    | 5 | 1.3 AES-128-GCM ecdsa-p256 (again) | ≈ within 1.2% | ≈ within 1.2% | ≈ within 1.2% | ≈ within 1.2% | ≈ within 1.2% |
    | 2 | 1.3 AES-256-GCM ecdsa-p256 | ≈ within 1.6% | ≈ within 1.6% | ≈ within 1.6% | ≈ within 1.6% | ≈ within 1.6% |

    Figures are medians over the trials. Ratios are to the reference in the same block: Hodges–Lehmann center and exact Wilcoxon signed-rank interval; ≈: the interval contains 1, so that there is no difference larger than this; ?: too few blocks for an interval. Each interval is one of many: of twenty, one misses. With 6 blocks the intervals have a confidence of 96.9%. µs a handshake: CPU time of that end by the kernel's accounting, connect, accept and close included; a core: 1 s over the server's. Bytes: TCP payload to the server + back. Bulk: payload in each direction; a byte is received once and sent once by each end. Bits: the weakest of key exchange, cipher and certificate (NIST SP 800-57; ML-KEM and ML-DSA by their category). Post-quantum: the key exchange is.
    ");
}

#[test]
fn the_reference_and_its_repetition_stand_together() {
    for group in groups(&sweep(12)) {
        let place = |number| group.numbers.iter().position(|one| *one == number);
        assert_eq!(place(1).map(|place| place + 1), place(5));
    }
}

#[test]
fn csv_has_a_line_for_each_figure_of_each_configuration_and_as_many_cells_in_each() {
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
fn a_configuration_of_which_every_trial_failed_is_in_every_form() {
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
    for text in [terminal(&sweep), markdown(&sweep), csv(&sweep).unwrap()] {
        assert!(text.contains("ChaCha20"), "{text}");
    }
    assert!(terminal(&sweep).contains("#3 ChaCha20 rsa-2048: 2 of 2: handshake: this CPU | cannot run it"));
    assert!(markdown(&sweep).contains(r"this CPU \| cannot run it"));
    assert!(terminal(&sweep).contains("nothing measured"));
}

#[test]
fn no_line_of_the_text_is_wider_than_a_hundred_columns() {
    for blocks in [0, 1, 5, 6, 12] {
        let mut sweep = sweep(blocks);
        // Twelve of its figures in every workload, and labels that are too long.
        for one in &mut sweep.configurations {
            one.options.push(format!("--subprotocol=a-name-that-is-rather-long-{}", one.number));
        }
        for summary in &mut sweep.analysis.summaries {
            let Some(figure) = summary.metrics.get(&Metric::ServerCpuHandshakeUs).cloned() else { continue };
            for metric in Metric::ALL {
                summary.metrics.insert(metric, figure.clone());
            }
        }
        let text = terminal(&sweep);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{} columns: {line}\n{text}", line.chars().count());
        }
    }
}

#[test]
fn a_small_difference_is_shown_with_enough_digits_to_see_it() {
    let ratio =
        |center, low, high| Ratio { pairs: 12, center, interval: Some(Interval { low, high, confidence: 0.957 }) };
    assert_eq!(ratio_in_words(&ratio(3.1, 3.05, 3.155)), "3.10 (3.05–3.15)");
    assert_eq!(ratio_in_words(&ratio(1.0041, 1.0022, 1.0061)), "1.004 (1.002–1.006)");
    assert_eq!(ratio_in_words(&ratio(1.001, 0.981, 1.012)), "≈ within 1.9%");
    assert_eq!(ratio_in_words(&Ratio { pairs: 3, center: 1.5, interval: None }), "1.50 ?");
}
