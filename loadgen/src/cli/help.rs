//! What clap does not derive for the help: examples, exit codes, the short help, and a suggestion for a misspelled verb.

use std::collections::BTreeSet;

use anyhow::bail;
use clap::{Arg, Args, CommandFactory};
use wss_analysis::metric::Metric;
use wss_model::RunConfig;
use wss_model::config::most_similar;

/// Options of `run` in the short help of `run` and of the verbs that share its options; `--help` lists all.
const SHORT_HELP: [&str; 13] = [
    "url",
    "mode",
    "layer",
    "connections",
    "rate",
    "duration",
    "size",
    "tls_version",
    "suite",
    "config_file",
    "json",
    "out",
    "verbose",
];

/// The exit codes of each verb.
pub const EXIT_CODES: &[(&str, &[(u8, &str)])] = &[
    ("run", &[(0, "the result is valid"), (1, "could not run"), (3, "the result is not valid")]),
    ("serve", &[(0, "stopped by a signal"), (1, "could not start, or a worker failed")]),
    ("trace", &[(0, "the connection completed"), (1, "it failed; the timeline shows how far it got")]),
    ("sweep", &[(0, "all trials are valid"), (1, "could not run"), (3, "interrupted, or a trial is not valid")]),
    ("ab", &[(0, "the comparison is valid, whatever it found"), (1, "could not run"), (3, "it is not valid")]),
    (
        "compare",
        &[
            (0, "the comparison is valid, whatever it found"),
            (1, "a file could not be read"),
            (3, "the comparison is not valid"),
            (4, "the results are not comparable; standard error lists the fields"),
        ],
    ),
    (
        "gate",
        &[
            (0, "pass"),
            (1, "a file could not be read"),
            (2, "regression"),
            (3, "inconclusive, or not valid"),
            (4, "not comparable"),
        ],
    ),
    ("engines", &[(0, "printed, even if an engine cannot run"), (1, "could not print")]),
    ("export", &[(0, "written, even if the result is not valid"), (1, "nothing could be written")]),
    (
        "report",
        &[(0, "written, even if a result is not valid"), (1, "a file is not a result, or could not be written")],
    ),
    ("history", &[(0, "done"), (1, "a file could not be read or written")]),
    (
        "show",
        &[
            (0, "the result is valid"),
            (1, "the file could not be read"),
            (2, "a regression (results of gate)"),
            (3, "the result is not valid"),
            (4, "not comparable (results of gate)"),
        ],
    ),
    ("completions", &[(0, "printed"), (1, "could not print")]),
    ("man", &[(0, "printed or written"), (1, "could not print or write")]),
];

/// The examples of each verb; those of the whole command have no verb.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "wssbench",
            "wssbench --mode handshake --suite aes128 --duration 5s",
            "wssbench wss://127.0.0.1:8443/ --ca ca.pem --connections 100 --rate 1k/s",
            "wssbench sweep --suite all --cert ecdsa-p256,rsa-2048",
        ],
    ),
    (
        "run",
        &[
            "wssbench run --connections 100 --rate max --size 16KiB",
            "wssbench run wss://127.0.0.1:8443/ --mode handshake --ca ca.pem --out result.json",
        ],
    ),
    ("serve", &["wssbench serve --listen 127.0.0.1:8443 --ca-out ca.pem", "wssbench serve --layer tcp --engine epoll"]),
    ("trace", &["wssbench trace --suite aes128", "wssbench trace wss://127.0.0.1:8443/ --ca ca.pem --json"]),
    (
        "sweep",
        &[
            "wssbench sweep --suite all --cert ecdsa-p256,rsa-2048 --blocks 6",
            "wssbench sweep --layer ws,wss --size 64B,16KiB --list",
        ],
    ),
    (
        "ab",
        &[
            "wssbench ab --a '--engine uring' --b '--engine epoll'",
            "wssbench ab --a base/wssbench --b head/wssbench -- --group X25519",
        ],
    ),
    (
        "compare",
        &[
            "wssbench compare a1.json a2.json b1.json b2.json --vary config.tls.suite",
            "wssbench compare a.json b.json --force --md",
        ],
    ),
    (
        "gate",
        &[
            "wssbench gate echo.comparison.json --policy gate.toml",
            "wssbench gate handshake.json echo.json --policy gate.toml --allow-inconclusive --md",
        ],
    ),
    ("engines", &["wssbench engines", "wssbench engines --json"]),
    (
        "export",
        &[
            "wssbench export result.json --format hgrm --latency handshake.tls",
            "wssbench export result.json --format github-action-benchmark --out bench.json",
        ],
    ),
    (
        "history",
        &["wssbench history add echo.comparison.json", "wssbench history show --metric server_cpu_handshake_us"],
    ),
    (
        "report",
        &[
            "wssbench report tour.sweep.json -o tour.html",
            "wssbench report aes.json chacha.json --png figures",
            "wssbench report --extract tour.html -o tour.sweep.json",
        ],
    ),
    ("show", &["wssbench show results/runs/result.json", "wssbench show tour.sweep.json --verbose"]),
    (
        "completions",
        &[
            "wssbench completions bash > ~/.local/share/bash-completion/completions/wssbench",
            "wssbench completions fish > ~/.config/fish/completions/wssbench.fish",
        ],
    ),
    ("man", &["wssbench man | man -l -", "wssbench man ~/.local/share/man/man1"]),
];

/// Options of `run` whose effect in another verb differs: the verb, the option and its help there.
const OTHER_HELP: [(&str, &str, &str); 5] = [
    (
        "serve",
        "resume",
        "Let clients resume sessions: any share but 0% enables tickets or stored sessions [default: 0%, no tickets]",
    ),
    (
        "serve",
        "early_data",
        "Accept early data (0-RTT), up to the upgrade request; the response is sent only once the handshake completes, so a \
         replayed request never gets one",
    ),
    (
        "serve",
        "force_retry",
        "Force a HelloRetryRequest: do not accept the group for which the client sends a key share first; the client must \
         be wssbench with the same option",
    ),
    (
        "trace",
        "resume",
        "100% traces a connection that resumes the session of an earlier one, which is not shown [default: 0%, a full \
         handshake]",
    ),
    ("trace", "early_data", "Send the upgrade request as early data (0-RTT) in the resumed handshake"),
];

/// Verbs whose options name metrics.
const METRICS_IN: [&str; 3] = ["sweep", "gate", "history"];

/// The whole command line.
pub fn command() -> clap::Command {
    let run = RunConfig::augment_args(clap::Command::new("run"));
    let of_run: BTreeSet<String> = run.get_arguments().map(|argument| argument.get_id().to_string()).collect();
    let shorten = |argument: Arg| {
        let id = argument.get_id().as_str();
        let advanced = of_run.contains(id) || id == "html" || argument.get_help_heading() == Some("Limits");
        let hide = advanced && !SHORT_HELP.contains(&id);
        argument.hide_short_help(hide)
    };
    let long_help = |verb: &str| {
        let name = if verb.is_empty() { "run" } else { verb };
        let metrics = if METRICS_IN.contains(&name) { metrics() + "\n\n" } else { String::new() };
        format!("{metrics}{}\n\n{}", exit_codes(name), examples(verb))
    };
    super::Command::command()
        .mut_args(shorten)
        .subcommand_help_heading("Verbs")
        .subcommand_value_name("VERB")
        .after_help(examples(""))
        .after_long_help(long_help(""))
        .mut_subcommands(|verb| {
            let name = verb.get_name().to_owned();
            let describe = |argument: Arg| {
                let id = argument.get_id().as_str();
                let other = OTHER_HELP.iter().find(|(verb, option, _)| *verb == name && *option == id);
                match other {
                    // It shares a set of options of which it supports only a part.
                    None if name == "trace" && matches!(id, "http" | "follow") => argument.hide(true),
                    Some((_, _, help)) => argument.help(*help),
                    None => argument,
                }
            };
            verb.mut_args(shorten).mut_args(describe).after_help(examples(&name)).after_long_help(long_help(&name))
        })
}

/// The names of all metrics, in lines of at most 80 columns.
fn metrics() -> String {
    let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    let lines = textwrap::Options::new(80).initial_indent("  ").subsequent_indent("  ");
    format!("Metrics:\n{}", textwrap::fill(&names.join(" "), lines))
}

fn examples(verb: &str) -> String {
    let examples = EXAMPLES.iter().find(|(name, _)| *name == verb).map_or(&[][..], |(_, examples)| examples);
    format!("Examples:\n  {}", examples.join("\n  "))
}

fn exit_codes(verb: &str) -> String {
    let codes = EXIT_CODES.iter().find(|(name, _)| *name == verb).map_or(&[][..], |(_, codes)| codes);
    let lines: Vec<String> = codes.iter().map(|(code, meaning)| format!("  {code}  {meaning}")).collect();
    format!("Exit codes:\n{}", lines.join("\n"))
}

/// Refuses a word that looks like a misspelled verb: without a verb, the first argument is the URL of `run`.
pub(super) fn reject_misspelled_verb(word: &str) -> anyhow::Result<()> {
    let command = command();
    let verbs = command.get_subcommands().map(clap::Command::get_name);
    match most_similar(word, verbs, 0.8) {
        Some(verb) if !word.contains([':', '/', '.']) => {
            bail!("unknown verb `{word}`; did you mean `{verb}`? (--help lists all verbs)")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verbs() -> Vec<String> {
        command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect()
    }

    #[test]
    fn every_verb_has_exit_codes_and_two_examples() {
        for verb in verbs() {
            let examples = EXAMPLES.iter().find(|(name, _)| *name == verb).map(|(_, examples)| examples.len());
            assert!(examples.is_some_and(|count| count >= 2), "{verb}: {examples:?}");
            assert!(EXIT_CODES.iter().any(|(name, codes)| *name == verb && codes.len() >= 2), "{verb}");
        }
    }

    #[test]
    fn metrics_are_listed_where_options_name_them() {
        for verb in METRICS_IN {
            let mut command = command();
            let help = command.find_subcommand_mut(verb).unwrap().render_long_help().to_string();
            assert!(Metric::ALL.iter().all(|metric| help.contains(metric.name())), "{help}");
        }
        assert!(metrics().lines().all(|line| line.len() <= 80), "{}", metrics());
    }

    #[test]
    fn all_examples_parse() {
        let known = |verb: &str| verb.is_empty() || verbs().iter().any(|known| known == verb);
        for example in EXAMPLES.iter().filter(|(verb, _)| known(verb)).flat_map(|(_, examples)| *examples) {
            let typed = example.split(['>', '|']).next().unwrap();
            let arguments = shlex::split(typed).unwrap();
            if let Some(error) = command().try_get_matches_from(&arguments).err() {
                panic!("{example}: {error}");
            }
        }
    }

    #[test]
    fn short_help_fits_60_lines_at_80_columns() {
        for command in [command(), command().find_subcommand("run").unwrap().clone()] {
            let help = command.term_width(80).render_help().to_string();
            assert!(help.lines().count() < 60, "{} lines:\n{help}", help.lines().count());
            for option in ["--connections", "--rate", "--duration", "--size", "--suite", "--out", "Examples:"] {
                assert!(help.contains(option), "{option} is missing:\n{help}");
            }
        }
    }

    #[test]
    fn long_help_groups_every_option_of_run() {
        let help = command().render_long_help().to_string();
        for heading in
            ["Target", "Load", "Connections", "TLS", "Trust", "Engines and CPUs", "Limits", "Output", "Exit codes"]
        {
            assert!(help.contains(&format!("\n{heading}:\n")), "{heading} is missing:\n{help}");
        }
        let command = command();
        let visible = command.get_arguments().filter(|argument| !argument.is_hide_set());
        let ungrouped: Vec<_> = visible.filter(|argument| argument.get_help_heading().is_none()).collect();
        assert_eq!(ungrouped.iter().map(|argument| argument.get_id().as_str()).collect::<Vec<_>>(), ["config_file"]);
    }

    #[test]
    fn the_last_of_repeated_options_counts() {
        let matches =
            command().try_get_matches_from(["wssbench", "--size", "1KiB", "--mtls", "--size", "2KiB", "--mtls"]);
        let size = matches.unwrap().get_one::<wss_model::Size>("size").copied();
        assert_eq!(size, Some(wss_model::Size(2048)));
    }

    #[test]
    fn suggests_verbs_and_leaves_urls_alone() {
        let error = reject_misspelled_verb("serv").unwrap_err().to_string();
        assert!(error.contains("did you mean `serve`?"), "{error}");
        for word in ["wss://127.0.0.1:1/", "serve.example.org:443", "measure"] {
            assert!(reject_misspelled_verb(word).is_ok(), "{word}");
        }
    }
}
