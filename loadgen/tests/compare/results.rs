//! Results in files: `compare` and `gate`.

use wss_analysis::comparison::{ArmLabel, Comparison, Kind};
use wss_analysis::metric::Metric;
use wss_model::{RunResult, store};

use super::common::{BOUND, start_in};
use super::{ab, path, place, says, text};

#[test]
fn compares_existing_results_of_the_same_configuration() {
    let _place = place();
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = path(&folder, name);
        let usual =
            ["run", "--connections=5", "--connect-rate=max", "--rate=200/s", "--duration=300ms", "--warmup=1ms"];
        let ended = start_in(
            tempfile::tempdir_in(folder.path()).unwrap(),
            &[&usual[..], &["--out", text(&out)], more].concat(),
        )
        .end_within(BOUND);
        assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
        out
    };
    let (one, two) = (run("one.json", &[]), run("two.json", &["--seed=2"]));
    let other = run("other.json", &["--group=secp256r1", "--size=100B"]);
    let same = path(&folder, "same.comparison.json");
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let ended = start_in(inside, &["compare", text(&one), text(&two), "--out", text(&same)]).end_within(BOUND);
    assert!(matches!(ended.code(), Some(0 | 3)), "{ended}");
    let comparison = store::read::<Comparison>(&same).unwrap();
    assert_eq!((comparison.kind, comparison.blocks.len()), (Kind::Files, 1));
    // Handshakes and messages both, valid or not on this machine.
    let trials = &comparison.blocks[0].trials;
    assert!(
        trials.iter().all(|trial| trial.run_id.is_some() && trial.workloads[1].metrics[&Metric::EchoP50Us].is_some())
    );

    let refused = says(&folder, 4, &["compare", text(&one), text(&other)]);
    for field in ["config.size: A \"64B\", B \"100B\"", "config.tls.group", "negotiated: "] {
        assert!(refused.contains(field), "{refused}");
    }
    let varied =
        says(&folder, 4, &["compare", text(&one), text(&other), "--vary=config.tls.group", "--vary", "negotiated"]);
    assert!(varied.contains("config.size") && !varied.contains("config.tls"), "{varied}");
    let forced = path(&folder, "forced.json");
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let ended = start_in(inside, &["compare", text(&one), text(&other), "--force", "--out", text(&forced)]);
    assert!(ended.end_within(BOUND).stdout.contains("FORCED"));

    // The result lists the differences that were allowed.
    let meant = path(&folder, "meant.json");
    let fields = ["--vary=config.tls.group", "--vary=config.size", "--vary=negotiated"];
    let compare = ["compare", text(&one), text(&other), "--out", text(&meant)];
    let inside = tempfile::tempdir_in(folder.path()).unwrap();
    let printed = start_in(inside, &[&compare[..], &fields].concat()).end_within(BOUND).stdout;
    assert!(printed.contains("varied: config.size: A \"64B\", B \"100B\""), "{printed}");
    let meant = store::read::<Comparison>(&meant).unwrap();
    assert!(meant.varied.iter().any(|one| one.field == "config.tls.group") && meant.differences.is_empty());
    // The result has the options, by which a history forms its series.
    assert!(
        meant.a.options.contains(&"--connections=5".to_owned()) && meant.b.options.contains(&"--size=100B".to_owned())
    );

    assert!(says(&folder, 1, &["compare", text(&one), text(&two), text(&other)]).contains("cannot pair 3 files"));
    let twice = ["compare", text(&one), text(&one), text(&two), text(&two)];
    assert!(says(&folder, 1, &twice).contains("is the same run as"));
    let onto = ["compare", text(&one), text(&two), "--out", text(&one)];
    assert!(says(&folder, 1, &onto).contains("refusing to overwrite the input"));
    let onto = ["export", text(&one), "--format=csv", "--out", text(&one)];
    assert!(says(&folder, 1, &onto).contains("refusing to overwrite the input"));
    store::read::<RunResult>(&one).unwrap();
    assert!(says(&folder, 1, &["compare", text(&one), text(&same)]).contains("expected wssbench.run/2"));
    let policy = path(&folder, "perf.toml");
    std::fs::write(&policy, "[metrics.echo_p50_us]\nthreshold = \"2%\"\n").unwrap();
    let gate = ["gate", text(&forced), "--policy", text(&policy)];
    assert!(says(&folder, 4, &gate).contains("\nNOT COMPARABLE: "));
}

#[test]
fn the_exit_code_of_gate_is_its_verdict() {
    let _place = place();
    let folder = tempfile::tempdir().unwrap();
    let (_, mut found) = ab(&["--a=--group X25519", "--b=--group secp256r1"]);
    // The blocks of a real comparison with figures of our own: what a gate says must not depend on this machine.
    let block = found.blocks[0].clone();
    let result = |found: &mut Comparison, factor: f64, blocks: usize| {
        found.blocks_planned = blocks;
        found.blocks = (1..=blocks).map(|number| wss_analysis::comparison::Block { number, ..block.clone() }).collect();
        for (index, trial) in found.blocks.iter_mut().flat_map(|block| &mut block.trials).enumerate() {
            trial.control_loop_ns = None;
            for workload in &mut trial.workloads {
                (workload.valid, workload.disturbed) = (true, false);
                let cost = if trial.arm == ArmLabel::B { factor } else { 1.0 };
                workload
                    .metrics
                    .values_mut()
                    .for_each(|value| *value = Some(cost * (1.0 + 0.001 * (index % 7) as f64)));
            }
        }
        found.blocks.iter_mut().for_each(|block| block.disturbance = None);
        found.conclude();
        let out = path(&folder, &format!("by{}-{blocks}.comparison.json", (100.0 * factor) as u32));
        store::write(found, &out).unwrap();
        out
    };
    let (worse, same, few) = (result(&mut found, 1.2, 8), result(&mut found, 1.0, 8), result(&mut found, 1.2, 3));
    let policy = path(&folder, "perf.toml");
    std::fs::write(&policy, "threshold = \"2%\"\n[metrics.server_cpu_handshake_us]\n[metrics.echo_p50_us]\n").unwrap();
    let policy = text(&policy);
    assert!(says(&folder, 2, &["gate", text(&worse), "--policy", policy]).contains("\nREGRESSION: "));
    assert!(says(&folder, 0, &["gate", text(&same), "--policy", policy]).contains("\nPASS: "));
    assert!(says(&folder, 3, &["gate", text(&few), "--policy", policy]).contains("\nINCONCLUSIVE: "));
    says(&folder, 0, &["gate", text(&few), "--policy", policy, "--allow-inconclusive"]);
    let both = says(&folder, 2, &["gate", text(&worse), text(&same), "--policy", policy, "--md"]);
    assert!(both.starts_with("### wssbench: REGRESSION: by120-8: ") && both.contains("<details>"), "{both}");
    let json = says(&folder, 2, &["gate", text(&worse), "--policy", policy, "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["outcome"], "regression");

    // Errors in the policy and in results.
    let wrong = path(&folder, "wrong.toml");
    std::fs::write(&wrong, "[metrics.echo_p51_us]\nthreshold = \"2%\"\n").unwrap();
    let sentence = says(&folder, 1, &["gate", text(&same), "--policy", text(&wrong)]);
    assert!(sentence.contains("`echo_p51_us`; did you mean `echo_p50_us`?"), "{sentence}");
    assert!(says(&folder, 1, &["gate", text(&same), "--policy", "nowhere.toml"]).contains("nowhere.toml"));
    let whole = std::fs::read_to_string(&same).unwrap();
    let cut = path(&folder, "cut.json");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    assert!(says(&folder, 1, &["gate", text(&cut), "--policy", policy]).contains("the file is truncated"));
    std::fs::write(&cut, whole.replace("wssbench.comparison/2", "wssbench.comparison/3")).unwrap();
    assert!(says(&folder, 1, &["gate", text(&cut), "--policy", policy]).contains("expected wssbench.comparison/2"));
}
