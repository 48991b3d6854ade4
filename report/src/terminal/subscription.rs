//! The section of a run about the messages that the server pushed.

use wss_model::config::RunConfig;
use wss_model::run_result::{PublishedResult, RunResult, SubscribeResult};
use wss_model::text::phrases::pluralize;
use wss_model::text::quantity::{count, rate};
use wss_model::units::Rate;

use crate::layout::Layout;
use crate::tables;

/// The load, for the facts of the run.
pub(super) fn what_is_pushed(config: &RunConfig) -> String {
    match config.rate {
        Rate::PerSecond(per_s) if config.is_embedded() => {
            format!("{}, published at {}/s (open loop)", config.size, rate(per_s))
        }
        _ => "pushed at the pace of the server".to_owned(),
    }
}

pub(super) fn section(layout: &mut Layout, result: &RunResult, pushed: &SubscribeResult) {
    let requested = match (&pushed.published, result.config.rate) {
        (Some(_), Rate::PerSecond(per_s)) if result.config.is_embedded() => format!(" of {}/s requested", rate(per_s)),
        (Some(published), _) => format!(" of {}/s published", rate(published.requested_per_s)),
        (None, _) => String::new(),
    };
    layout.text(&format!(
        "Messages: {} received on {}{}; {}/s{requested}{}",
        count(pushed.received),
        pluralize(pushed.connections, "connection"),
        silent(pushed.silent_connections),
        rate(pushed.rate_per_s),
        super::throughput(pushed.bytes_per_s, ""),
    ));
    if pushed.received == 0 {
        return;
    }
    layout.table(&tables::subscription(pushed));
    match &pushed.published {
        Some(published) => of_publisher(layout, published),
        None => layout.secondary(
            "gap: between the arrivals of two messages of one connection. A latency would require messages of `wssbench \
             serve --publish`.",
        ),
    }
}

fn of_publisher(layout: &mut Layout, published: &PublishedResult) {
    layout.secondary(
        "response: from the planned instant until it is read; service: from the send; publisher late: the server's own \
         delay before the send; gap: between two arrivals on one connection.",
    );
    let PublishedResult { lost, duplicated, reordered, .. } = published;
    if lost + duplicated + reordered > 0 {
        layout.text(&format!(
            "Of the published messages {} were lost, {} duplicated, {} reordered.",
            count(*lost),
            count(*duplicated),
            count(*reordered)
        ));
    }
    if let Some(breakdown) = &published.breakdown {
        layout.text(&super::response_parts(breakdown, Rate::PerSecond(published.requested_per_s)));
    }
}

fn silent(connections: u64) -> String {
    match connections {
        0 => String::new(),
        silent => format!(", nothing on {}", count(silent)),
    }
}

#[cfg(test)]
mod tests {
    use wss_model::fixtures::subscribe_run;

    use super::super::terminal;
    use crate::style::Style;

    #[test]
    fn the_summary_of_a_subscription_has_latencies_only_if_they_are_known() {
        let mut result = subscribe_run();
        let text = terminal(&result, Style::default());
        for part in [
            "Messages     64B, published at 10,000/s (open loop), for 10s",
            "Messages: 100,000 received on 1,000 connections; 10,000/s of 10,000/s requested",
            "response ",
            "publisher late ",
            "gap ",
            "CPU used, receiving",
            "VALID: nothing failed, and the generator read in time.",
        ] {
            assert!(text.contains(part), "`{part}` is not in:\n{text}");
        }
        let pushed = result.subscribe.as_mut().unwrap();
        (pushed.published, pushed.silent_connections) = (None, 7);
        let text = terminal(&result, Style::default());
        assert!(text.contains("on 1,000 connections, nothing on 7; 10,000/s\n"), "{text}");
        assert!(text.contains("A latency would") && !text.contains("publisher late"), "{text}");
    }
}
