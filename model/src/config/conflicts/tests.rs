use std::collections::BTreeSet;

use clap::{Args, Command, FromArgMatches};

use super::*;
use crate::config::{Expect, Mode, RunConfig, TlsOptions, TrustOptions};
use crate::units::Size;

fn code(change: impl FnOnce(&mut RunConfig)) -> &'static str {
    let mut config = RunConfig::default();
    change(&mut config);
    check(&Facts::of_run(&config)).map_or_else(|error| error.code(), |()| "")
}

#[test]
fn gives_every_rule_its_own_code_and_one_sentence() {
    let codes: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
    assert_eq!(codes.len(), RULES.len());
    for rule in RULES {
        let sentence = rule.example();
        assert!(
            !sentence.contains('\n')
                && !sentence.contains('{')
                && !sentence.ends_with('.')
                && rule.reason.ends_with('.'),
            "{}",
            rule.code
        );
    }
}

#[test]
fn names_only_options_that_exist() {
    let command = RunConfig::augment_args(Command::new("run"));
    let known: BTreeSet<&str> = command.get_arguments().map(|argument| argument.get_id().as_str()).collect();
    let of_server = ["ca_out", "names", "client_ca", "publish", "publish_size", "publish_at_once"];
    for rule in RULES {
        let subjects = match rule.subject {
            Subject::Any(facts) => facts,
            Subject::Under { except, .. } => {
                assert!(except.iter().all(|id| known.contains(id)), "{}", rule.code);
                &[]
            }
        };
        let (Relation::Excludes(others) | Relation::Requires(others)) = rule.relation;
        for fact in subjects.iter().chain(others).chain(rule.when) {
            if let Given(id) = fact {
                assert!(known.contains(id) || of_server.contains(id), "{}: {id}", rule.code);
            }
        }
    }
}

#[test]
fn accepts_the_defaults() {
    assert_eq!(code(|_| ()), "");
}

#[test]
fn rejects_every_tls_option_on_a_layer_without_tls() {
    let options = TlsOptions::augment_args(TrustOptions::augment_args(Command::new("run")));
    let options = options.get_arguments().filter(|argument| argument.get_id() != "cost_split");
    let mut count = 0;
    for argument in options {
        let long = argument.get_long().unwrap();
        let value = argument.get_possible_values().first().map(|value| value.get_name().to_owned());
        let value = value.unwrap_or_else(|| if argument.get_id() == "resume" { "1%" } else { "1" }.to_owned());
        let text = if argument.get_action().takes_values() { format!("--{long}={value}") } else { format!("--{long}") };
        let command = RunConfig::augment_args(Command::new("run"));
        let matches = command.get_matches_from(["run", "--layer", "ws", &text]);
        let config = RunConfig::from_arg_matches(&matches).unwrap();
        let error = check(&Facts::of_run(&config)).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("--{long} requires TLS, but the layer is ws; remove --{long}, or use the layer wss or tls")
        );
        count += 1;
    }
    assert!(count > 20, "{count}");
}

#[test]
fn accepts_cost_split_without_tls() {
    let accepted = code(|config| {
        config.layer = Some(Layer::Ws);
        config.tls.cost_split = Some(crate::config::tls::CostSplit::All);
    });
    assert_eq!(accepted, "");
}

#[test]
fn distinguishes_subscriptions_from_replies() {
    let url = || Some("wss://127.0.0.1:1/".to_owned());
    let subscribe = |change: fn(&mut RunConfig)| {
        code(|config| {
            config.mode = Mode::Subscribe;
            change(config);
        })
    };
    assert_eq!(subscribe(|_| ()), "");
    assert_eq!(subscribe(|config| config.layer = Some(Layer::Tls)), "subscribe_without_websocket");
    assert_eq!(subscribe(|config| config.in_flight = 2), "replies_of_subscription");
    assert_eq!(subscribe(|config| config.messages.expect = Some(Expect::Echo)), "echo_of_subscription");
    // The message subscribes; the size is that of what is published.
    let both = |config: &mut RunConfig| (config.messages.message, config.size) = (Some("go".to_owned()), Size(100));
    assert_eq!(subscribe(both), "");
    assert_eq!(code(both), "size_with_message");
    assert_eq!(
        code(|config| (config.url, config.size, config.mode) = (url(), Size(100), Mode::Subscribe)),
        "pace_of_subscription"
    );
    let by_id = |config: &mut RunConfig| config.messages.correlate = Some("json:id".parse().unwrap());
    assert_eq!(code(by_id), "id_without_message");
    assert_eq!(code(|config| config.messages.ignore_repeated = true), "ignore_without_id");
}

#[test]
fn distinguishes_embedded_started_and_running_servers() {
    let url = || Some("wss://127.0.0.1:1/".to_owned());
    let cpus = || Some("0".parse().unwrap());
    assert_eq!(code(|config| (config.url, config.server_threads) = (url(), Some(2))), "embedded_server_only");
    assert_eq!(code(|config| (config.server, config.server_threads) = (url(), Some(2))), "embedded_server_only");
    assert_eq!(code(|config| (config.url, config.server_cpus) = (url(), cpus())), "server_cpus_with_url");
    assert_eq!(code(|config| (config.server, config.server_cpus) = (url(), cpus())), "");
    assert_eq!(code(|config| (config.url, config.at) = (url(), url())), "url_twice");
    assert_eq!(code(|config| (config.at, config.layer) = (url(), Some(Layer::Wss))), "layer_with_url");
    assert_eq!(code(|config| config.server_stats = url()), "server_stats_of_embedded_server");
}
