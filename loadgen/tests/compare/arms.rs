//! Arms: options, files and builds, and what is refused.

use wss_analysis::comparison::{ArmLabel, Comparison, Kind};
use wss_model::store;

use super::common::wssbench;
use super::{ab, handshake_us, path, place, text};

#[test]
fn a_block_has_four_trials_and_the_file_equals_the_output() {
    let _place = place();
    let (ended, comparison) =
        ab(&["--interleave=off", "--a=--group X25519", "--b=--group secp256r1", "--", "--suite", "chacha20"]);
    assert_eq!(ended.code(), Some(if comparison.valid { 0 } else { 3 }), "{ended}");
    let file = std::fs::read_dir(ended.folder.path().join("results/runs")).unwrap().next().unwrap().unwrap().path();
    assert_eq!(store::read::<Comparison>(&file).unwrap(), comparison);
    assert_eq!((comparison.kind, comparison.blocks.len()), (Kind::Ab, 2));
    let orders: Vec<String> =
        comparison.blocks.iter().map(|block| block.order.iter().map(ArmLabel::to_string).collect()).collect();
    assert!(orders == ["ABBA", "BAAB"] || orders == ["BAAB", "ABBA"], "{orders:?}");
    for block in &comparison.blocks {
        assert!(block.is_complete() && block.disturbance.is_some());
        assert!(block.trials.iter().all(|trial| trial.control_loop_ns.is_some_and(|ns| ns > 0.0)));
    }
    for (arm, group) in [(ArmLabel::A, "X25519"), (ArmLabel::B, "secp256r1")] {
        let arm = comparison.arm(arm);
        assert_eq!((arm.negotiated.len(), arm.negotiated[0].group.as_str()), (1, group));
        assert!(arm.negotiated[0].suite.contains("CHACHA20") && arm.programs[0].tool.is_some());
    }
    assert_eq!(handshake_us(&comparison, ArmLabel::A).len(), 4);
    // The machine may have disturbed a block, which is then dropped; two are too few for an interval in any case.
    let mut ratios = comparison.analysis.metrics.iter().filter_map(|figure| figure.ratio.as_ref());
    assert!(ratios.all(|ratio| ratio.interval.is_none()));
}

#[test]
fn compares_a_program_with_its_copy_and_alternates_several() {
    let _place = place();
    let program = env!("CARGO_BIN_EXE_wssbench");
    let (_, comparison) = ab(&["--aa", "--a", program, "--blocks=1"]);
    assert_eq!(comparison.kind, Kind::Aa);
    assert!(comparison.b.label.ends_with("a copy") && comparison.a.label == "debug/wssbench", "{comparison:?}");
    let (_, comparison) = ab(&["--a", &format!("{program},{program}"), "--b=--engine epoll"]);
    let of_a = comparison.blocks.iter().flat_map(|block| &block.trials).filter(|trial| trial.arm == ArmLabel::A);
    assert_eq!(of_a.map(|trial| trial.program).collect::<Vec<_>>(), [0, 1, 0, 1]);
}

#[test]
fn finds_cpu_time_that_is_wasted_on_every_handshake() {
    let _place = place();
    // All handshakes that are in flight at once take less than the trial.
    let (ended, comparison) = ab(&["--a=--burn-cpu 0s", "--b=--burn-cpu 4ms", "--trial=600ms", "--blocks=1"]);
    let (a, b) = (handshake_us(&comparison, ArmLabel::A), handshake_us(&comparison, ArmLabel::B));
    let most = a.iter().copied().fold(0.0, f64::max);
    assert!(b.iter().all(|wasteful| wasteful - most > 2_000.0), "{a:?} {b:?}\n{ended}");
    assert!(
        wssbench(&["run", "--burn-cpu=1ms", "ws://127.0.0.1:1/"])
            .refusal()
            .contains("--burn-cpu applies only to the embedded")
    );
}

#[test]
fn rejects_arms_and_options_that_cannot_be_compared() {
    let refusal = |arguments: &[&str]| wssbench(&[&["ab"], arguments].concat()).refusal();
    assert!(refusal(&["--a=--engine epoll", "--b=--engine epoll"]).contains("are the same"));
    assert!(refusal(&["--a=/nowhere/wssbench", "--b=--engine epoll"]).contains("/nowhere/wssbench"));
    assert!(refusal(&["--a=Cargo.toml,x", "--b=--engine epoll"]).contains("--a: "));
    assert!(refusal(&["--a=--engine epoll", "--b=--engine 'uring"]).contains("quotation mark"));
    assert!(refusal(&["--a=--engine epoll", "--b=--engine uring", "--blocks=0"]).contains("--blocks is 0"));
    assert!(refusal(&["--a=--engine epoll", "--b=--engine uring", "--trial=0s"]).contains("--trial is 0"));
    assert!(
        refusal(&["--a=--engine epoll", "--b=--engine uring", "--until-width=2%", "--blocks=3"])
            .contains("at least 7 blocks")
    );
    // An error of the runs themselves names the arm, and comes at once.
    let sentence = refusal(&["--a=--engine epoll", "--b=--engine warp", "--trial=200ms"]);
    assert!(sentence.contains("B --engine warp: the workload handshake failed: invalid value 'warp'"), "{sentence}");
    let sentence = refusal(&["--a=--suite aes129", "--b=--engine epoll", "--trial=200ms"]);
    assert!(sentence.contains("A --suite aes129: ") && sentence.contains("invalid value 'aes129'"), "{sentence}");
    let sentence = refusal(&["--a=/bin/true", "--b=/bin/false", "--trial=200ms"]);
    assert!(sentence.contains("the workload handshake failed: no result"), "{sentence}");
}

#[test]
fn files_that_differ_only_in_the_load_are_two_configurations() {
    let _place = place();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, size: &str| {
        let file = path(&folder, name);
        std::fs::write(&file, format!("size = \"{size}\"\n")).unwrap();
        file
    };
    let (a, b) = (file("a.toml", "64B"), file("b.toml", "16KiB"));
    let out = path(&folder, "sizes.json");
    let ended = wssbench(&[
        "ab",
        "--a",
        text(&a),
        "--b",
        text(&b),
        "--workloads=echo",
        "--trial=200ms",
        "--blocks=1",
        "--out",
        text(&out),
    ]);
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    let comparison = store::read::<Comparison>(&out).unwrap();
    assert_eq!(
        (&comparison.a.options[..], &comparison.b.options[..]),
        (&["--size=64B".to_owned()][..], &["--size=16KiB".to_owned()][..])
    );
}
