//! The plans of command lines.

use clap::{Args, Command, FromArgMatches};

use super::*;

fn plan(arguments: &[&str]) -> anyhow::Result<Plan> {
    let command = SweepCommand::augment_args(Command::new("sweep").no_binary_name(true));
    let matches = command.try_get_matches_from(arguments)?;
    Plan::new(&SweepCommand::from_arg_matches(&matches)?)
}

fn refusal(arguments: &[&str]) -> String {
    format!("{:#}", plan(arguments).unwrap_err())
}

fn labels_of(plan: &Plan) -> Vec<&str> {
    plan.configurations.iter().map(|one| one.label.as_str()).collect()
}

#[test]
fn axes_make_every_combination_and_repeat_the_reference() {
    let plan = plan(&["--layer", "tls,wss", "--engine", "all", "--workloads", "echo,handshake"]).unwrap();
    let engines = wss_model::EngineKind::ALL.len();
    assert_eq!(plan.configurations.len(), 2 * engines + 1);
    assert_eq!(plan.configurations[0].options, ["--layer=tls", "--engine=uring"]);
    let again = plan.configurations.last().unwrap();
    assert_eq!((again.repeat_of, &again.options), (Some(1), &plan.configurations[0].options));
    let (interleaved, sequential) =
        (["handshake, CPU time", "echo, CPU time"], ["handshake, all but CPU time", "echo, all but CPU time"]);
    let titles: Vec<String> = plan.workloads.iter().map(WorkloadSpec::title).collect();
    assert_eq!(titles, [interleaved, sequential].concat());
    assert_eq!((plan.blocks, plan.preset), (12, None));
}

#[test]
fn invalid_combinations_are_left_out_with_their_reason() {
    let plan = plan(&["--suite", "aes128,ecdsa-aes128,rsa-aes128", "--cert", "ecdsa-p256,rsa-2048"]).unwrap();
    // TLS 1.3's suite with both, each of 1.2's with its own.
    assert_eq!(plan.configurations.len(), 4 + 1);
    assert_eq!(plan.invalid_combinations.len(), 2);
    assert!(
        plan.invalid_combinations.iter().all(|one| one.reason.contains("--cert")),
        "{:?}",
        plan.invalid_combinations
    );
}

#[test]
fn reports_the_reason_if_no_combination_is_valid() {
    let sentence = refusal(&["--suite", "rsa-aes128,rsa-chacha20"]);
    assert!(sentence.contains("ecdsa-p256") && sentence.contains("rsa-2048"), "{sentence}");
    let sentence = refusal(&["--connections", "0", "--layer", "ws,wss"]);
    assert_eq!(sentence, "--connections is 0; give at least 1");
}

#[test]
fn rejects_a_single_configuration() {
    assert!(refusal(&["--suite", "aes128"]).contains("at least two configurations"));
    // Two names of the same suite are one.
    assert!(refusal(&["--suite", "aes128,TLS13_AES_128_GCM_SHA256"]).contains("at least two configurations"));
    assert!(refusal(&["--suite", "aes128,rsa-aes128"]).contains("only one is valid"));
}

#[test]
fn without_options_it_is_the_tour() {
    let plan = plan(&[]).unwrap();
    assert_eq!((plan.preset.as_deref(), plan.blocks), (Some("tour"), 8));
    assert!(plan.invalid_combinations.is_empty(), "{:?}", plan.invalid_combinations);
    assert_eq!(plan.configurations[0].label, "ws");
}

#[test]
fn a_preset_accepts_only_axes_that_it_does_not_set() {
    let all = plan(&["--preset", "layers", "--engine", "uring,epoll,tokio-uring"]).unwrap();
    assert_eq!(all.configurations.len(), 12 + 1);
    assert_eq!(
        refusal(&["--preset", "layers", "--layer", "ws"]),
        "--preset layers already sets --layer; remove one of them"
    );
}

#[test]
fn the_reference_is_a_number_or_an_unambiguous_part_of_a_label() {
    let reference = |named: &str| plan(&["--layer", "all", "--reference", named]).map(|plan| plan.reference);
    assert_eq!((reference("3").unwrap(), reference("tcp").unwrap()), (3, 4));
    // `ws` is a whole label, although `wss` contains it.
    assert_eq!(reference("WS").unwrap(), 2);
    let error = |named| format!("{:#}", reference(named).unwrap_err());
    assert!(error("5").contains("the numbers are 1 to 4"));
    assert!(error("quic").contains("matches no label; the labels are: 1 wss; 2 ws; 3 tls; 4 tcp"));
    assert!(error("s").contains("matches the labels of 3 configurations"));
}

#[test]
fn rejects_zero_and_too_many_configurations() {
    let both = ["--layer", "ws,wss"];
    let error = |more: &[&str]| refusal(&[&both[..], more].concat());
    assert!(error(&["--blocks", "0"]).contains("--blocks is 0"));
    assert!(error(&["--trial", "0s"]).contains("--trial is 0"));
    assert!(error(&["--trial-handshakes", "0"]).contains("--trial-handshakes is 0"));
    let sizes: Vec<String> = (1..400).map(|size| size.to_string()).collect();
    assert!(error(&["--size", &sizes.join(",")]).contains("798 configurations"));
}

#[test]
fn every_preset_makes_a_plan_on_this_cpu() {
    for preset in ["tour", "suites", "groups", "certs", "providers", "engines", "layers"] {
        let plan = plan(&["--preset", preset]).unwrap();
        assert!(labels_of(&plan).len() > 2, "{preset}");
        for InvalidCombination { reason, .. } in &plan.invalid_combinations {
            assert!(preset == "providers" || preset == "groups", "{preset}: {reason}");
        }
    }
}
