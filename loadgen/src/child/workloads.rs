//! The workloads of a trial as options of `run`. Options of a configuration override those of a workload.

use std::time::Duration;

use wss_analysis::workload::{Workload, WorkloadSpec};
use wss_model::HumanDuration;

use super::run_options::{for_run, name};

/// Default workloads of a trial.
pub(crate) const DEFAULT: [Workload; 3] = [Workload::Handshake, Workload::Echo, Workload::Bulk];

/// Default duration of a trial.
pub(crate) const TRIAL: HumanDuration = HumanDuration::from_secs(2);

/// Bounds of the warm-up before a workload, which is a fifth of its duration.
const WARMUP: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// The workloads of a trial, which share its duration evenly. `overrides` are the options of a preset for a workload.
pub(crate) fn workloads(
    kinds: &[Workload],
    trial: HumanDuration,
    handshakes: Option<usize>,
    overrides: &[(Workload, Vec<String>)],
) -> Vec<WorkloadSpec> {
    let share = trial.0 / u32::try_from(kinds.len().max(1)).unwrap_or(u32::MAX);
    let overrides_of =
        |kind| overrides.iter().filter(move |(of, _)| *of == kind).flat_map(|(_, options)| options.clone());
    let workload = |kind: &Workload| {
        let overrides: Vec<String> = overrides_of(*kind).collect();
        WorkloadSpec::new(*kind, merge(&options(*kind, share, handshakes), &overrides))
    };
    kinds.iter().map(workload).collect()
}

fn options(kind: Workload, share: Duration, handshakes: Option<usize>) -> Vec<String> {
    let (shortest, longest) = WARMUP;
    let times = [("duration", in_ms(share)), ("warmup", in_ms((share / 5).clamp(shortest, longest)))];
    let what: Vec<(&str, String)> = match (kind, handshakes) {
        // Enough concurrency to keep both ends busy while some handshakes wait.
        (Workload::Handshake, None) => vec![
            ("mode", "handshake".to_owned()),
            ("connect-rate", "max".to_owned()),
            ("connect-concurrency", "16".to_owned()),
            ("no-first-echo", String::new()),
        ],
        (Workload::Handshake, Some(number)) => vec![
            ("mode", "echo".to_owned()),
            ("connections", number.to_string()),
            ("connect-rate", "max".to_owned()),
            ("connect-concurrency", "16".to_owned()),
            ("rate", "max".to_owned()),
        ],
        (Workload::Echo, _) => closed_loop(4, "64B"),
        // Enough for many messages per wake-up, and few enough to be opened within half a second.
        (Workload::Crowd, _) => closed_loop(512, "64B"),
        // Timing the AEAD costs a hundredth of a nanosecond per byte here, and yields the share of the record layer.
        (Workload::Bulk, _) => {
            let mut bulk = closed_loop(2, "256KiB");
            bulk.push(("cost-split", "all".to_owned()));
            bulk
        }
        (Workload::Paced, _) => vec![
            ("mode", "echo".to_owned()),
            ("connections", "64".to_owned()),
            ("connect-rate", "max".to_owned()),
            ("rate", "5k/s".to_owned()),
            ("size", "64B".to_owned()),
        ],
        (Workload::Subscribe, _) => vec![
            ("mode", "subscribe".to_owned()),
            ("connections", "64".to_owned()),
            ("connect-rate", "max".to_owned()),
            ("rate", "5k/s".to_owned()),
            ("size", "64B".to_owned()),
        ],
    };
    // `run` has no mode that only opens connections: a fixed number of handshakes is followed by a few echoes.
    let times = match (kind, handshakes) {
        (Workload::Handshake, Some(_)) => [("duration", "20ms".to_owned()), ("warmup", "1ms".to_owned())],
        _ => times,
    };
    let all = what.into_iter().chain(times);
    all.map(|(option, value)| match value.as_str() {
        "" => format!("--{option}"),
        value => format!("--{option}={value}"),
    })
    .collect()
}

/// The same workload with another duration.
pub(crate) fn lasting(workload: &WorkloadSpec, duration: Duration) -> WorkloadSpec {
    let options = merge(&workload.options, &[format!("--duration={}", in_ms(duration))]);
    WorkloadSpec { options, ..workload.clone() }
}

fn closed_loop(connections: usize, size: &str) -> Vec<(&'static str, String)> {
    vec![
        ("mode", "echo".to_owned()),
        ("connections", connections.to_string()),
        ("connect-rate", "max".to_owned()),
        ("rate", "max".to_owned()),
        ("size", size.to_owned()),
    ]
}

/// In whole milliseconds: a third of two seconds would otherwise be printed with nanoseconds.
fn in_ms(time: Duration) -> String {
    HumanDuration(Duration::from_millis(u64::try_from(time.as_millis().max(1)).unwrap_or(u64::MAX))).to_string()
}

/// The arguments of `run`: options of the configuration override those of the workload.
pub(crate) fn arguments(workload: &WorkloadSpec, configuration: &[String]) -> Vec<String> {
    for_run(&merge(&workload.options, configuration))
}

/// `defaults` and `options`, where an option of the latter replaces the one of the same name.
fn merge(defaults: &[String], options: &[String]) -> Vec<String> {
    let given = |argument: &&String| options.iter().any(|other| name(other) == name(argument));
    defaults.iter().filter(|argument| !given(argument)).chain(options).cloned().collect()
}

#[cfg(test)]
mod tests {
    use wss_model::{Mode, Rate, Size};

    use super::super::run_options::parse;
    use super::*;

    #[test]
    fn workloads_share_the_duration_of_the_trial() {
        let trial = HumanDuration::from_secs(3);
        let workloads = workloads(Workload::ALL, trial, None, &[]);
        let configs: Vec<_> = workloads.iter().map(|workload| parse(&arguments(workload, &[])).unwrap()).collect();
        let all: Duration = configs.iter().map(|config| config.duration.0).sum();
        assert_eq!(all, trial.0);
        assert_eq!(
            configs.iter().map(|config| config.mode).collect::<Vec<_>>(),
            [Mode::Handshake, Mode::Echo, Mode::Echo, Mode::Echo, Mode::Echo, Mode::Subscribe]
        );
        assert!(configs[0].no_first_echo && configs[..4].iter().all(|config| config.connect_rate == Rate::Max));
        let of = |config: &wss_model::RunConfig| (config.connections, config.size);
        assert_eq!([1, 2, 3].map(|index| of(&configs[index])), [(4, Size(64)), (512, Size(64)), (2, Size(256 << 10))]);
        assert_eq!(configs[4].rate, Rate::PerSecond(5000.0));
    }

    #[test]
    fn a_configuration_overrides_a_workload() {
        let workload = &workloads(&[Workload::Bulk], TRIAL, None, &[])[0];
        let config = parse(&arguments(workload, &["--size=1MiB".to_owned(), "--layer=tls".to_owned()])).unwrap();
        assert_eq!((config.size, config.connections), (Size(1 << 20), 2));
        let workload = &workloads(&[Workload::Handshake], TRIAL, None, &[])[0];
        assert!(!parse(&arguments(workload, &["--no-first-echo=false".to_owned()])).unwrap().no_first_echo);
    }

    #[test]
    fn a_preset_overrides_a_workload_and_a_configuration_both() {
        let overrides = [(Workload::Bulk, vec!["--size=16KiB".to_owned(), "--connections=16".to_owned()])];
        let workloads = workloads(&[Workload::Echo, Workload::Bulk], TRIAL, None, &overrides);
        let of = |index: usize, options: &[String]| {
            let config = parse(&arguments(&workloads[index], options)).unwrap();
            (config.connections, config.size)
        };
        assert_eq!(of(0, &[]), (4, Size(64)));
        assert_eq!(of(1, &[]), (16, Size(16 << 10)));
        assert_eq!(of(1, &["--connections=3".to_owned()]), (3, Size(16 << 10)));
    }

    #[test]
    fn a_fixed_number_of_handshakes_is_a_number_of_connections() {
        let workload = &workloads(&[Workload::Handshake], TRIAL, Some(500), &[])[0];
        let config = parse(&arguments(workload, &[])).unwrap();
        assert_eq!((config.mode, config.connections, config.connect_rate), (Mode::Echo, 500, Rate::Max));
    }
}
