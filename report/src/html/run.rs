//! Runs: one, or several over each other.

use super::answer;
use super::methods;
use super::part::{FactGroup, Part, Section, Verdict};
use crate::figures::Figure;
use crate::figures::cost::costs_of;
use crate::figures::over_time::{Phase, latency_over_time, rate_over_time};
use crate::figures::percentiles::{Named, histogram, percentiles};
use crate::figures::phases::phases_of;
use crate::figures::text::clip;
use crate::{disturbances, tables, terminal};
use wss_model::config::Mode;
use wss_model::latency::Latency;
use wss_model::run_result::{HandshakeResult, MeasuredPhase, RunResult};
use wss_model::text::quantity::{time, total};
use wss_model::units::Rate;

/// Characters of a run's name in figures.
const NAME_CHARS: usize = 28;

/// A latency of a run; `None` if the run does not have it.
type LatencyOf = fn(&RunResult) -> Option<&Latency>;

/// The part of a page about runs. `prefix` makes the ids of its figures unique.
pub(super) fn part(prefix: &str, runs: &[(&str, &RunResult)]) -> Part {
    let named = |name: &str| if runs.len() > 1 { clip(name, NAME_CHARS) } else { String::new() };
    let verdicts = runs
        .iter()
        .map(|(name, run)| Verdict::new(&named(name), run.valid, &run.invalid_because, terminal::praise(run)));
    let facts = runs.iter().map(|(name, run)| FactGroup { name: named(name), facts: terminal::facts(run) });
    let sections =
        [handshakes(prefix, runs), echoes(prefix, runs), pushed(prefix, runs), over_time(prefix, runs), details(runs)];
    let ids: Vec<String> =
        runs.iter().map(|(_, run)| format!("{}, {}", clip(&run.id, 60), clip(&run.started_at, 40))).collect();
    Part {
        kind: if runs.len() > 1 { format!("{} runs", runs.len()) } else { "run".to_owned() },
        identity: ids.join(" · "),
        answer: answer::of_runs(runs),
        verdicts: verdicts.collect(),
        facts: facts.collect(),
        sections: sections.into_iter().filter(|section| !section.is_empty()).collect(),
        methods: runs.first().map_or_else(String::new, |_| methods::of_runs(runs)),
        bibtex: runs.first().map_or_else(String::new, |(_, run)| methods::bibtex(&run.tool, &run.started_at)),
    }
}

fn handshakes(prefix: &str, runs: &[(&str, &RunResult)]) -> Section {
    let mut section = Section::new("Handshake");
    let completed: Vec<&(&str, &RunResult)> = runs.iter().filter(|(_, run)| run.handshake.completed > 0).collect();
    if completed.is_empty() {
        section.texts.push("No handshake completed, so there is nothing to draw.".to_owned());
        return section;
    }
    let of_runs: Vec<(String, &HandshakeResult)> =
        completed.iter().map(|(name, run)| (clip(name, NAME_CHARS), &run.handshake)).collect();
    section.figures.extend(phases_of(&format!("{prefix}handshake-phases"), &of_runs));
    section.figures.extend(costs_of(&format!("{prefix}handshake-cost"), &of_runs));
    let parts: [(&str, LatencyOf); 5] = [
        ("time to ready", |run| Some(&run.handshake.ready)),
        ("TLS", |run| Some(&run.handshake.tls)),
        ("TCP connect", |run| Some(&run.handshake.connect)),
        ("upgrade", |run| Some(&run.handshake.upgrade)),
        ("first echo", |run| Some(&run.handshake.first_echo)),
    ];
    let (quantity, names) = ("time to ready", format!("{prefix}handshake"));
    section.figures.extend(distribution(&names, quantity, "handshakes", &completed, &parts));
    section
}

fn echoes(prefix: &str, runs: &[(&str, &RunResult)]) -> Section {
    let mut section = Section::new("Echo");
    let with_echo: Vec<&(&str, &RunResult)> = runs.iter().filter(|(_, run)| run.echo.is_some()).collect();
    if with_echo.is_empty() {
        return section;
    }
    let received = with_echo.iter().any(|(_, run)| run.echo.as_ref().is_some_and(|echo| echo.received > 0));
    if !received {
        section.texts.push("No echo was received, so there is nothing to draw.".to_owned());
        return section;
    }
    let closed = with_echo.iter().all(|(_, run)| run.config.rate == Rate::Max);
    let open_loop: [(&str, LatencyOf); 3] = [
        ("response", |run| run.echo.as_ref().map(|echo| &echo.response)),
        ("service", |run| run.echo.as_ref().map(|echo| &echo.service)),
        ("lateness of the generator", |run| run.echo.as_ref().map(|echo| &echo.lateness)),
    ];
    // In a closed loop nothing is planned: response and service are the same.
    let closed_loop: [(&str, LatencyOf); 1] = [("round trip", |run| run.echo.as_ref().map(|echo| &echo.service))];
    let parts = if closed { &closed_loop[..] } else { &open_loop[..] };
    let quantity = if closed { "round trip" } else { "response time" };
    section.figures.extend(distribution(&format!("{prefix}echo"), quantity, "echoes", &with_echo, parts));
    section
}

/// Messages of `--mode subscribe`.
fn pushed(prefix: &str, runs: &[(&str, &RunResult)]) -> Section {
    let mut section = Section::new("Pushed messages");
    let subscribed: Vec<&(&str, &RunResult)> =
        runs.iter().filter(|(_, run)| run.subscribe.as_ref().is_some_and(|subscribe| subscribe.received > 0)).collect();
    if subscribed.is_empty() {
        return section;
    }
    let latencies: [(&str, LatencyOf); 2] = [
        ("response", |run| Some(&run.subscribe.as_ref()?.published.as_ref()?.response)),
        ("service", |run| Some(&run.subscribe.as_ref()?.published.as_ref()?.service)),
    ];
    let gaps: [(&str, LatencyOf); 1] = [("gap", |run| Some(&run.subscribe.as_ref()?.arrival_gap))];
    let published = distribution(&format!("{prefix}push"), "response time", "messages", &subscribed, &latencies);
    section.figures.extend(published);
    section.figures.extend(distribution(&format!("{prefix}gap"), "gap between arrivals", "gaps", &subscribed, &gaps));
    section
}

/// The percentile curve and the histogram: of several latencies of one run, or of the first latency of several runs.
fn distribution(
    id: &str,
    quantity: &str,
    events: &str,
    runs: &[&(&str, &RunResult)],
    parts: &[(&str, LatencyOf)],
) -> Vec<Figure> {
    let decoded = |name: &str, latency: &Latency| {
        // The file was checked when it was read.
        Some(Named { name: name.to_owned(), samples: latency.samples().ok()? })
            .filter(|named| named.samples.count() > 0)
    };
    let curves: Vec<Named> = match runs {
        [(_, run)] => parts.iter().filter_map(|(name, of)| decoded(name, of(run)?)).collect(),
        many => many.iter().filter_map(|(name, run)| decoded(&clip(name, NAME_CHARS), (parts[0].1)(run)?)).collect(),
    };
    let main = runs.first().and_then(|(_, run)| (parts[0].1)(run));
    let title = match (main, runs.len()) {
        (Some(Latency { p50: Some(p50), p99: Some(p99), .. }), 1) => {
            format!("Half of the {events} took at most {}, 99% at most {}", time(*p50 as f64), time(*p99 as f64))
        }
        (Some(Latency { p50: Some(p50), .. }), 1) => format!("Half of the {events} took at most {}", time(*p50 as f64)),
        _ => format!("The {quantity} of {} runs", runs.len()),
    };
    let several = curves.len() > 1 && runs.len() > 1;
    let shown = if several { curves.len() } else { 1 };
    let spread = match curves.first().map(|named| (named.samples.value_at(0.05), named.samples.value_at(0.95))) {
        Some((low, high)) if runs.len() == 1 => {
            format!("Nine of ten {events} took between {} and {}", time(low as f64), time(high as f64))
        }
        _ => format!("How the {quantity} of {} runs is spread", runs.len()),
    };
    let axis = if runs.len() == 1 { "time" } else { quantity };
    let curve = percentiles(&format!("{id}-percentiles"), title, axis, &curves);
    let bars = histogram(&format!("{id}-histogram"), spread, quantity, &curves[..shown.min(curves.len())]);
    curve.into_iter().chain(bars).collect()
}

fn over_time(prefix: &str, runs: &[(&str, &RunResult)]) -> Section {
    let mut section = Section::new("Over time");
    for (index, (name, run)) in runs.iter().enumerate() {
        let number = if runs.len() > 1 { format!("{}-", index + 1) } else { String::new() };
        let warmup_errors = total(run.warmup.errors.iter().map(|error| error.count));
        let length = run.config.warmup.0.as_secs_f64();
        let echo = Phase {
            phase: MeasuredPhase::Echo,
            series: &run.series,
            requested: run.config.rate,
            quantity: "response time",
            warmup: run.warmup.echo.as_ref().map(|echo| (length, &echo.response, warmup_errors)),
        };
        let published = run.subscribe.as_ref().and_then(|pushed| pushed.published.as_ref());
        let pushed = Phase {
            phase: MeasuredPhase::Subscribe,
            series: &run.series,
            requested: match (run.config.is_embedded(), published) {
                (true, _) => run.config.rate,
                (false, Some(published)) => Rate::PerSecond(published.requested_per_s),
                (false, None) => Rate::Max,
            },
            quantity: if published.is_some() { "response time" } else { "gap between arrivals" },
            warmup: run.warmup.subscribe.as_ref().map(|pushed| (length, pushed.latency(), warmup_errors)),
        };
        let opened_first = run.config.mode != Mode::Handshake;
        let handshake = Phase {
            phase: MeasuredPhase::Handshake,
            series: &run.series,
            requested: run.config.connect_rate,
            quantity: "time to ready",
            // In echo mode the warm-up opens the connections, for as long as that takes.
            warmup: run
                .warmup
                .handshake
                .as_ref()
                .filter(|_| !opened_first)
                .map(|handshake| (length, &handshake.ready, warmup_errors)),
        };
        for (phase, kind) in [(&echo, "echo"), (&pushed, "pushed"), (&handshake, "handshake")] {
            let id = format!("{prefix}{number}{kind}");
            let figures =
                [latency_over_time(&format!("{id}-over-time"), phase), rate_over_time(&format!("{id}-rate"), phase)];
            section.figures.extend(figures.into_iter().flatten().map(|figure| of_run(figure, name, runs.len())));
        }
    }
    section
}

/// A figure of one run among several names it.
fn of_run(mut figure: Figure, name: &str, runs: usize) -> Figure {
    if runs > 1 {
        figure.title = format!("{}: {}", clip(name, NAME_CHARS), figure.title);
    }
    figure
}

fn details(runs: &[(&str, &RunResult)]) -> Section {
    let mut section = Section::new("All figures");
    for (name, run) in runs {
        let of =
            |what: &str| if runs.len() > 1 { format!("{what}: {}", clip(name, NAME_CHARS)) } else { what.to_owned() };
        if run.handshake.completed > 0 {
            section.add_table(&of("Handshakes"), tables::handshake(run, true));
        }
        if let Some(echo) = run.echo.as_ref().filter(|echo| echo.received > 0) {
            section.add_table(&of("Echoes"), tables::echo(run, echo));
        }
        if let Some(pushed) = run.subscribe.as_ref().filter(|pushed| pushed.received > 0) {
            section.add_table(&of("Pushed messages"), tables::subscription(pushed));
        }
        section.add_table(&of("Cost of each end"), tables::cost(run, true));
        let more = [tables::split(&run.handshake), tables::rings(run), disturbances::table(run)];
        for table in more.into_iter().flatten() {
            let caption = of(table.head.first().map_or("", String::as_str));
            section.add_table(&caption, table);
        }
        section.add_table(&of("Errors"), tables::errors(run, true));
        section.texts.extend(run.notes.iter().map(|note| format!("Note: {}", clip(note, 600))));
    }
    section
}
