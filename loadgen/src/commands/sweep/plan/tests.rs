//! What command lines become.

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
fn axes_make_every_combination_and_the_reference_comes_again() {
    let plan = plan(&["--layer", "tls,wss", "--engine", "all", "--workloads", "echo,handshake"]).unwrap();
    let engines = wss_model::EngineKind::ALL.len();
    assert_eq!(plan.configurations.len(), 2 * engines + 1);
    assert_eq!(plan.configurations[0].options, ["--layer=tls", "--engine=uring"]);
    let again = plan.configurations.last().unwrap();
    assert_eq!((again.repeat_of, &again.options), (Some(1), &plan.configurations[0].options));
    assert_eq!(plan.workloads.iter().map(|workload| workload.kind.name()).collect::<Vec<_>>(), ["handshake", "echo"]);
    assert_eq!((plan.blocks, plan.preset), (12, None));
}

#[test]
fn what_does_not_go_together_is_left_out_with_its_reason() {
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
fn when_nothing_can_be_the_reason_is_told() {
    let sentence = refusal(&["--suite", "rsa-aes128,rsa-chacha20"]);
    assert!(sentence.contains("ecdsa-p256") && sentence.contains("rsa-2048"), "{sentence}");
    let sentence = refusal(&["--connections", "0", "--layer", "ws,wss"]);
    assert_eq!(sentence, "--connections is 0; give at least 1");
}

#[test]
fn one_configuration_is_nothing_to_compare() {
    assert!(refusal(&["--suite", "aes128"]).contains("nothing to compare"));
    // Two names of the same suite are one.
    assert!(refusal(&["--suite", "aes128,TLS13_AES_128_GCM_SHA256"]).contains("nothing to compare"));
    assert!(refusal(&["--suite", "aes128,rsa-aes128"]).contains("only one of the configurations can be"));
}

#[test]
fn without_a_word_it_is_the_tour() {
    let plan = plan(&[]).unwrap();
    assert_eq!((plan.preset.as_deref(), plan.blocks), (Some("tour"), 8));
    assert!(plan.invalid_combinations.is_empty(), "{:?}", plan.invalid_combinations);
    assert_eq!(plan.configurations[0].label, "ws");
}

#[test]
fn a_preset_takes_the_axes_that_it_leaves_open_and_no_others() {
    let all = plan(&["--preset", "layers", "--engine", "uring,epoll,tokio-uring"]).unwrap();
    assert_eq!(all.configurations.len(), 12 + 1);
    assert_eq!(
        refusal(&["--preset", "layers", "--layer", "ws"]),
        "--preset layers sets --layer: leave one of them out"
    );
}

#[test]
fn the_reference_is_named_by_number_or_by_words_that_no_other_label_has() {
    let reference = |named: &str| plan(&["--layer", "all", "--reference", named]).map(|plan| plan.reference);
    assert_eq!((reference("3").unwrap(), reference("tcp").unwrap()), (3, 4));
    // The label `ws` is one, although `wss` has the word as well.
    assert_eq!(reference("WS").unwrap(), 2);
    let told = |named| format!("{:#}", reference(named).unwrap_err());
    assert!(told("5").contains("the numbers 1 to 4"));
    assert!(told("quic").contains("is in no label: 1 wss; 2 ws; 3 tls; 4 tcp"));
    assert!(told("s").contains("in the labels of 3 configurations"));
}

#[test]
fn a_number_that_would_do_nothing_or_never_end_is_refused() {
    let both = ["--layer", "ws,wss"];
    let refused = |more: &[&str]| refusal(&[&both[..], more].concat());
    assert!(refused(&["--blocks", "0"]).contains("--blocks is 0"));
    assert!(refused(&["--trial", "0s"]).contains("--trial is 0"));
    assert!(refused(&["--trial-handshakes", "0"]).contains("--trial-handshakes is 0"));
    let sizes: Vec<String> = (1..400).map(|size| size.to_string()).collect();
    assert!(refused(&["--size", &sizes.join(",")]).contains("798 configurations"));
}

#[test]
fn every_preset_can_be_run_but_for_what_this_cpu_has_not() {
    for preset in ["tour", "suites", "groups", "certs", "providers", "engines", "layers"] {
        let plan = plan(&["--preset", preset]).unwrap();
        assert!(labels_of(&plan).len() > 2, "{preset}");
        for InvalidCombination { reason, .. } in &plan.invalid_combinations {
            assert!(preset == "providers" || preset == "groups", "{preset}: {reason}");
        }
    }
}
