//! Whether the messages that a server pushed were received as they should be.

use wss_model::config::Mode;
use wss_model::run_result::{RunResult, SubscribeResult};
use wss_model::text::quantity::{count, distinguishable, percent_to, rate_to};
use wss_model::units::Rate;
use wss_model::validity::{Reason, ReasonCode};

use super::{MAX_GENERATOR_CPU, MIN_ACHIEVED, MIN_SAMPLES, reason};

fn pushed(result: &RunResult) -> Option<&SubscribeResult> {
    result.subscribe.as_ref().filter(|_| result.config.mode == Mode::Subscribe)
}

/// The run was to receive messages, and received none.
pub(super) fn nothing_received(result: &RunResult) -> Option<Reason> {
    let received = result.subscribe.as_ref().map_or(0, |pushed| pushed.received);
    (result.config.mode == Mode::Subscribe && received == 0)
        .then(|| Reason::new(ReasonCode::NothingCompleted, "no message of the server was received"))
}

/// `nothing_received` reports a phase without samples.
pub(super) fn too_few(result: &RunResult) -> Option<Reason> {
    let received = pushed(result)?.received;
    (1..MIN_SAMPLES)
        .contains(&received)
        .then(|| reason!(TooFewSamples, "messages: only {received} received (at least {MIN_SAMPLES} are needed)"))
}

/// The pace is the server's, so a generator that is short of CPU reads late.
pub(super) fn generator_cpu(result: &RunResult) -> Option<Reason> {
    pushed(result)?;
    let used = result.client.cpu_utilization;
    let (share, limit) = distinguishable(used * 100.0, MAX_GENERATOR_CPU * 100.0, percent_to);
    (used > MAX_GENERATOR_CPU).then(|| {
        reason!(
            GeneratorCpu,
            "messages: the generator used {share} of its CPU (limit {limit}), so it may have read them late"
        )
    })
}

/// The rate that was requested of a publisher that is wssbench: of the embedded server by this run, of another one by its
/// own options, which its messages have.
fn requested_per_s(result: &RunResult, pushed: &SubscribeResult) -> Option<f64> {
    match result.config.rate {
        Rate::PerSecond(rate) if result.config.is_embedded() => Some(rate),
        _ => pushed.published.as_ref().map(|published| published.requested_per_s),
    }
}

pub(super) fn rate_not_achieved(result: &RunResult) -> Option<Reason> {
    let pushed = pushed(result)?;
    // `nothing_received` reports this.
    if pushed.received == 0 {
        return None;
    }
    let requested = requested_per_s(result, pushed)?;
    // Each connection has one message more or less within the phase, depending on when its first one is due.
    let connections = pushed.connections as f64;
    let seconds = pushed.received as f64 / pushed.rate_per_s;
    let most_of_it = (requested * MIN_ACHIEVED * seconds - connections) / seconds;
    if pushed.rate_per_s >= most_of_it {
        return None;
    }
    let (achieved, of) = distinguishable(pushed.rate_per_s, requested, rate_to);
    let share = percent_to(100.0 * pushed.rate_per_s / requested, 3);
    let silent = match pushed.silent_connections {
        0 => String::new(),
        silent => format!("; {} of {} connections received nothing", count(silent), count(pushed.connections)),
    };
    Some(reason!(
        RateNotAchieved,
        "messages: only {achieved}/s of {of}/s arrived ({share}, limit {}%){silent}",
        MIN_ACHIEVED * 100.0
    ))
}

#[cfg(test)]
mod tests {
    use wss_model::config::RunConfig;
    use wss_model::fixtures::{error, latency, subscribe_run};
    use wss_model::run_result::ResponseBreakdown;
    use wss_model::{ErrorKind, ErrorPhase};

    use super::super::judge;
    use super::*;

    /// The codes of the reasons after a change of a valid run.
    fn codes(change: impl FnOnce(&mut RunResult, &mut SubscribeResult)) -> Vec<ReasonCode> {
        let mut result = subscribe_run();
        let mut pushed = result.subscribe.take().unwrap_or_default();
        change(&mut result, &mut pushed);
        result.subscribe = Some(pushed);
        judge(&result).into_iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn a_stream_at_the_requested_rate_is_valid() {
        assert_eq!(codes(|_, _| ()), []);
        // A foreign publisher has no rate that could be missed.
        assert_eq!(
            codes(|result, pushed| {
                result.config = RunConfig { url: Some("ws://127.0.0.1:1/".to_owned()), ..result.config.clone() };
                (pushed.published, pushed.rate_per_s, pushed.received) = (None, 10.0, 100);
            }),
            []
        );
    }

    #[test]
    fn each_rule_has_its_code() {
        assert_eq!(codes(|_, pushed| pushed.received = 0), [ReasonCode::NothingCompleted]);
        assert_eq!(codes(|result, _| result.client.cpu_utilization = 0.95), [ReasonCode::GeneratorCpu]);
        let few = codes(|_, pushed| (pushed.received, pushed.rate_per_s) = (29, 2.9));
        assert_eq!(few, [ReasonCode::TooFewSamples, ReasonCode::RateNotAchieved]);
        let lost = error(ErrorPhase::Echo, ErrorKind::Lost, 3);
        assert_eq!(codes(|result, _| result.errors = vec![lost]), [ReasonCode::Errors]);
        let late = ResponseBreakdown {
            server_ns: 100_000.0,
            generator_ns: 900_000.0,
            without_generator: latency(92_400.0, 100_000),
            ..ResponseBreakdown::default()
        };
        let share = codes(|_, pushed| {
            if let Some(published) = &mut pushed.published {
                published.breakdown = Some(late);
            }
        });
        assert_eq!(share, [ReasonCode::GeneratorShare]);
    }

    #[test]
    fn the_rate_is_judged_to_within_a_message_per_connection() {
        // 1,000 connections in 10 s: 100/s less than 98% of 10,000/s.
        for (rate_per_s, expected) in [(9_700.0, vec![]), (9_699.0, vec![ReasonCode::RateNotAchieved])] {
            let change = |_: &mut RunResult, pushed: &mut SubscribeResult| {
                (pushed.received, pushed.rate_per_s) = ((rate_per_s * 10.0) as u64, rate_per_s);
            };
            assert_eq!(codes(change), expected, "{rate_per_s}");
        }
        let mut result = subscribe_run();
        if let Some(pushed) = &mut result.subscribe {
            (pushed.received, pushed.rate_per_s, pushed.silent_connections) = (50_000, 5_000.0, 500);
        }
        let text = &judge(&result)[0].text;
        assert!(
            text.contains("only 5,000/s of 10,000/s arrived") && text.contains("500 of 1,000 connections"),
            "{text}"
        );
    }
}
