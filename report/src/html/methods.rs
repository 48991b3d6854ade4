//! A paragraph on how a result was measured, to paste into a paper, and the BibTeX entry that it cites.

use crate::figures::text::clip;
use wss_analysis::comparison::{ArmLabel, Comparison, Kind, LIMITS};
use wss_analysis::history::Series;
use wss_analysis::statistics::change_points::MIN_SEGMENT;
use wss_analysis::statistics::{CONFIDENCE, LOOK_CONFIDENCE};
use wss_analysis::sweep::SweepResult;
use wss_analysis::workload::{Schedule, WorkloadSpec, schedule};
use wss_model::config::{Mode, RunConfig};
use wss_model::run_result::{Environment, RunResult, Tool};
use wss_model::text::phrases::{describe_handshake, machine, pluralize};
use wss_model::text::quantity::{count, memory, percent_to, rate};
use wss_model::units::Rate;
use wss_model::{HumanDuration, Reason};

/// The key that the paragraphs cite.
const KEY: &str = "wssbench";

/// The title and the authors of CITATION.cff; a test compares them.
const TITLE: &str = "wssbench: what does TLS cost my WebSockets?";
const AUTHORS: &str = "The wssbench developers";

/// Of runs: each differs from the first only in what the facts list.
pub(super) fn of_runs(runs: &[(&str, &RunResult)]) -> String {
    let Some((_, run)) = runs.first() else { return String::new() };
    let several = match runs.len() {
        1 => String::new(),
        many => format!("The following describes the first of {many} runs. "),
    };
    let server = match (&run.target.command, run.target.embedded) {
        (Some(command), _) => format!("a server that was started with \"{}\"", clip(command, 200)),
        (None, true) => "the echo server of wssbench".to_owned(),
        (None, false) => format!("the server at {}", clip(&run.target.url, 200)),
    };
    let sentences = [
        several,
        format!("We measured {server} with {}.", tool(&run.tool)),
        load(&run.config),
        handshakes(run),
        samples(run),
        "Latencies were recorded in HdrHistograms with three significant digits from 1 ns to 60 s, of every sample and without \
         correction; a percentile is given only if the probability that no sample lies above it is at most 2.5%."
            .to_owned(),
        "CPU time is that of the threads of each end as the kernel accounts it, including system calls.".to_owned(),
        ends(run),
        environment(&run.environment),
        validity(run.valid, &run.invalid_because),
    ];
    joined(&sentences)
}

/// Of a sweep.
pub(super) fn of_sweep(sweep: &SweepResult) -> String {
    let compared = sweep.configurations.iter().filter(|one| one.repeat_of.is_none()).count();
    let sentences = [
        format!(
            "We compared {} with {} in {} randomized blocks of fresh processes.",
            pluralize(compared as u64, "configuration"),
            tool(&sweep.tool),
            sweep.complete_blocks()
        ),
        workloads(&sweep.workloads),
        order(&sweep.workloads, sweep.interleave),
        "One configuration, the reference, was measured twice per block; the ratio of the two is the noise floor."
            .to_owned(),
        statistics("each configuration to the reference", sweep.complete_blocks()),
        environment(&sweep.environment),
        format!("The seed was {}.", sweep.seed),
        validity(sweep.valid, &sweep.invalid_because),
    ];
    joined(&sentences)
}

/// Of a comparison.
pub(super) fn of_comparison(comparison: &Comparison) -> String {
    let arm = |label: ArmLabel| {
        let arm = comparison.arm(label);
        format!("{label} ({})", clip(&arm.label, 120))
    };
    let used = comparison.analysis.blocks_used;
    let (how, dropped) = match comparison.kind {
        Kind::Files => ("from existing results, paired in their order".to_owned(), String::new()),
        Kind::Ab | Kind::Aa => (
            format!("in {} of four trials each", pluralize(comparison.blocks.len() as u64, "block")),
            format!(
                "A block was dropped as a whole if the machine interfered (steal time over {}, memory stalls over {}, a control \
                 loop slower by {}, or a late generator), by criteria that do not look at the ratio; {} were dropped.",
                percent_to(LIMITS.steal_percent, 2),
                percent_to(LIMITS.stall_percent, 2),
                percent_to(LIMITS.control_percent, 2),
                comparison.analysis.blocks_dropped
            ),
        ),
    };
    let stop = comparison.until_width_percent.map_or_else(String::new, |width| {
        format!(
            "Blocks were added until the intervals of the primary figures were within {}, with intervals of {} at each look.",
            percent_to(width, 2),
            percent_to(100.0 * LOOK_CONFIDENCE, 2)
        )
    });
    let sentences = [
        format!("We compared {} and {} {how}, with {}.", arm(ArmLabel::A), arm(ArmLabel::B), tool(&comparison.tool)),
        workloads(&comparison.workloads),
        if comparison.kind == Kind::Files {
            String::new()
        } else {
            order(&comparison.workloads, comparison.interleave)
        },
        dropped,
        stop,
        statistics("B to A", used),
        "p-values of the primary figures are adjusted for their number (Holm).".to_owned(),
        environment(&comparison.environment),
        format!("The seed was {}.", comparison.seed),
        validity(comparison.valid, &comparison.invalid_because),
    ];
    joined(&sentences)
}

/// Of the newest series of a history.
pub(super) fn of_history(series: &Series<'_>) -> String {
    joined(&[
        format!(
            "Each of {} was compared with one pinned reference build on the same machine (wssbench ab): the ratios are \
             Hodges–Lehmann centers of paired blocks with exact Wilcoxon signed-rank intervals.",
            pluralize(series.entries.len() as u64, "candidate")
        ),
        format!(
            "Changes were located with E-divisive and a permutation test on the logarithms of the ratios, with at least \
             {MIN_SEGMENT} points on either side; at this level, one of twenty metrics without a change shows one by chance."
        ),
        format!("Machine: {}.", crate::history::machine(series.environment)),
        format!("Measured: {}.", clip(series.configuration, 600)),
    ])
}

/// The entry for a bibliography, of the version and the year of a result.
pub(super) fn bibtex(tool: &Tool, started_at: &str) -> String {
    let plain = |text: &str| -> String { clip(text, 60).chars().filter(|c| !matches!(c, '{' | '}' | '\\')).collect() };
    let year: String = started_at.chars().take_while(char::is_ascii_digit).take(4).collect();
    let commit = tool.git_commit.as_ref().map_or_else(String::new, |commit| format!(", commit {}", plain(commit)));
    format!(
        "@software{{{KEY},\n  title   = {{{{{TITLE}}}}},\n  author  = {{{{{AUTHORS}}}}},\n  year    = {{{year}}},\n  version = \
         {{{}}},\n  note    = {{Version {}{commit}}}\n}}\n",
        plain(&tool.version),
        plain(&tool.version)
    )
}

fn tool(tool: &Tool) -> String {
    let commit =
        tool.git_commit.as_ref().map_or_else(String::new, |commit| format!("commit {:.12}, ", clip(commit, 40)));
    let crates: Vec<String> = tool.crates.iter().take(12).map(|(name, version)| format!("{name} {version}")).collect();
    let crates = if crates.is_empty() { String::new() } else { format!("; {}", clip(&crates.join(", "), 400)) };
    format!(
        "wssbench {} \\cite{{{KEY}}} ({commit}{}, profile {}{crates})",
        clip(&tool.version, 40),
        clip(&tool.rustc, 80),
        clip(&tool.profile, 40)
    )
}

fn load(config: &RunConfig) -> String {
    let pace = |requested: Rate, closed: &str| match requested {
        Rate::PerSecond(per_s) => {
            format!("at {} per second in an open loop with {} arrivals", rate(per_s), config.arrivals)
        }
        Rate::Max => format!("in a closed loop {closed}"),
    };
    let opened = pace(config.connect_rate, &format!("of {} at a time", config.connect_concurrency));
    let time = format!("for {} after a warm-up of {}", config.duration, config.warmup);
    match config.mode {
        Mode::Echo => format!(
            "{} were opened {opened}; then messages of {} were sent {}, with at most {} outstanding per connection, {time}. \
             Response time runs from the planned instant of a message, so that delays of the generator count; service time runs \
             from its actual send.",
            pluralize(config.connections as u64, "connection"),
            config.size,
            pace(config.rate, "as fast as echoes returned"),
            count(config.in_flight as u64)
        ),
        Mode::Handshake => format!("Connections were opened {opened}, {time}."),
        Mode::Subscribe => format!(
            "{} were opened {opened} and subscribed; then the messages that the server pushed were received {time}. Gaps are \
             between the arrivals of two messages of one connection; response time, where the publisher is wssbench's, runs \
             from the instant for which it planned a message.",
            pluralize(config.connections as u64, "connection"),
        ),
    }
}

fn handshakes(run: &RunResult) -> String {
    let kinds = run.negotiated.iter().take(6).map(|kind| clip(&describe_handshake(&kind.negotiated), 160));
    let kinds: Vec<String> = kinds.collect();
    let by = if run.server_negotiated.is_some() { "both ends" } else { "the client" };
    match kinds.len() {
        0 => "The connections did not use TLS, or none completed.".to_owned(),
        _ => format!("Negotiated, as {by} reported it: {}; anything else counted as an error.", kinds.join("; ")),
    }
}

fn samples(run: &RunResult) -> String {
    let echoes = run
        .echo
        .as_ref()
        .map_or_else(String::new, |echo| format!(" and {} of {} echoes", count(echo.received), count(echo.planned)));
    let pushed = run
        .subscribe
        .as_ref()
        .map_or_else(String::new, |subscribe| format!(" {} pushed messages were received.", count(subscribe.received)));
    let handshake = &run.handshake;
    format!("{} of {} handshakes{echoes} completed.{pushed}", count(handshake.completed), count(handshake.planned))
}

fn ends(run: &RunResult) -> String {
    let end = |end: &wss_model::run_result::End| {
        let cpus = end.cpus.as_ref().map_or_else(String::new, |cpus| format!(" on CPU {}", clip(cpus, 60)));
        format!("{} with {}{cpus}", end.engine_name(), pluralize(end.threads as u64, "thread"))
    };
    match &run.server {
        Some(server) => format!("I/O: client {}; server {}.", end(&run.client), end(server)),
        None => format!("I/O: client {}.", end(&run.client)),
    }
}

fn environment(environment: &Environment) -> String {
    let setting = environment.settings.get("net.ipv4.tcp_congestion_control");
    let congestion = setting.map_or_else(String::new, |name| format!(", TCP congestion control {}", clip(name, 40)));
    format!(
        "Machine: {}, {} of memory{congestion}; {} of CPU time was stolen by the hypervisor.",
        clip(&machine(environment), 300),
        memory(environment.memory_bytes as f64),
        percent_to(environment.steal_percent, 2)
    )
}

fn workloads(workloads: &[WorkloadSpec]) -> String {
    let all: Vec<String> =
        workloads.iter().map(|one| format!("{} ({})", one.title(), clip(&one.options.join(" "), 200))).collect();
    if all.is_empty() { String::new() } else { format!("The workloads of a trial were {}.", all.join("; ")) }
}

fn order(workloads: &[WorkloadSpec], interleave: Option<HumanDuration>) -> String {
    match schedule(workloads, interleave) {
        Schedule::Sequential => "The trials of a block ran one after the other in random order.".to_owned(),
        Schedule::Interleaved(slice) => {
            format!("The trials of a block ran at the same time, in alternating time slices of {slice}.")
        }
        Schedule::Both(slice) => format!(
            "CPU time was measured with the trials of a block in alternating time slices of {slice}, everything else one trial \
             after the other."
        ),
    }
}

fn statistics(what: &str, blocks: usize) -> String {
    format!(
        "Ratios of {what} are Hodges–Lehmann centers of the ratios of {}, with exact Wilcoxon signed-rank intervals of at \
         least {} confidence; the block is the unit of observation.",
        pluralize(blocks as u64, "block"),
        percent_to(100.0 * CONFIDENCE, 2)
    )
}

fn validity(valid: bool, reasons: &[Reason]) -> String {
    let texts: Vec<&str> = reasons.iter().map(|reason| reason.text.as_str()).collect();
    match (valid, texts.as_slice()) {
        (true, _) => "The tool judged the result valid.".to_owned(),
        (false, []) => "The tool judged the result INVALID.".to_owned(),
        (false, texts) => format!("The tool judged the result INVALID: {}.", clip(&texts.join("; "), 600)),
    }
}

fn joined(sentences: &[String]) -> String {
    sentences.iter().filter(|sentence| !sentence.is_empty()).map(|one| one.trim()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use wss_model::fixtures::{closed_run, echo_run, handshake_run};

    #[test]
    fn the_citation_is_that_of_the_repository() {
        let citation = include_str!("../../../CITATION.cff");
        assert!(citation.contains(&format!("title: \"{TITLE}\"")) && citation.contains(&format!("name: {AUTHORS}")));
        let entry = bibtex(&echo_run().tool, "2026-03-01T12:00:00Z");
        assert!(entry.contains("year    = {2026}") && entry.contains("version = {0.1.0}"), "{entry}");
        assert_eq!(entry.matches('{').count(), entry.matches('}').count());
    }

    #[test]
    fn the_paragraph_names_load_samples_machine_and_versions() {
        let run = echo_run();
        let text = of_runs(&[("run", &run)]);
        for part in [
            "10,000 per second",
            "open loop",
            "1,000 connections",
            "100,000 of 100,000 echoes",
            "AMD EPYC",
            "rustls 0.23.46",
            "6.18.5",
            "valid",
        ] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
        assert!(of_runs(&[("run", &closed_run())]).contains("closed loop"));
        assert!(of_runs(&[("run", &handshake_run())]).contains("Connections were opened at"));
    }
}
