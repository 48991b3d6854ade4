//! What cannot be is said before the run, with the figure: open files, ports, memory, lengths of time, the result's
//! place.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use procfs::Current;
use wss_model::{HumanDuration, Mode, Rate, RunConfig};
use wss_wire::machine;

/// Files that a process has open besides connections: rings, timers, pipes, listeners.
const FILES_BESIDES: u64 = 64;
/// Resident bytes a connection costs on both ends together, TLS and WebSocket included, messages not.
const BYTES_A_CONNECTION: u64 = 128 * 1024;
/// How many buffers of a message's size exist at a time on both ends together, on each connection.
const COPIES_OF_A_MESSAGE: u64 = 4;

/// What a run may have open at a time, at most.
pub(crate) fn connections_at_a_time(config: &RunConfig) -> usize {
    match (config.mode, config.connect_rate) {
        (Mode::Echo, _) => config.connections,
        (Mode::Handshake, Rate::Max) => config.connect_concurrency,
        (Mode::Handshake, Rate::PerSecond(rate)) => {
            // As many as can be begun before the first must have ended, one way or the other.
            let HumanDuration(longest) = config.limits.handshake_timeout;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, and the limit is lower
            let begun = (rate * longest.as_secs_f64()).ceil() as usize;
            begun.min(config.limits.max_connecting)
        }
    }
}

/// Checks that the run fits.
///
/// # Errors
/// The first thing that does not, with the figure and what to do.
pub(crate) fn check(config: &RunConfig, connections: usize, loopback: bool, embedded: bool) -> anyhow::Result<()> {
    let connections = connections as u64;
    if let Some(limit) = machine::raise_file_limit().context("raising the limit of open files")? {
        ensure!(
            connections + FILES_BESIDES <= limit,
            "{connections} connections need {} open files and the hard limit is {limit} (ulimit -Hn): raise it, or open at \
             most {} connections",
            connections + FILES_BESIDES,
            limit.saturating_sub(FILES_BESIDES)
        );
    }
    let ports = ports();
    ensure!(
        connections <= ports,
        "{connections} connections to one address need as many ports and the range has {ports} \
         (net.ipv4.ip_local_port_range): widen it, or open fewer connections"
    );
    if let (Mode::Handshake, Rate::PerSecond(rate), false, false) =
        (config.mode, config.connect_rate, config.server_closes, loopback)
    {
        // Over loopback the kernel takes ports in TIME_WAIT again after a second (tcp_tw_reuse = 2).
        #[allow(clippy::cast_precision_loss)]
        let most = ports as f64 / 60.0;
        ensure!(
            rate <= most,
            "{rate} connections a second leave more than the {ports} ports of the range in TIME_WAIT within its 60 s: \
             give at most {most:.0}/s, or --server-closes"
        );
    }
    let memory = procfs::Meminfo::current().context("reading /proc/meminfo")?;
    let available = memory.mem_available.unwrap_or(memory.mem_free);
    let ends = if embedded { 1 } else { 2 };
    let message = config.size.0.saturating_mul(COPIES_OF_A_MESSAGE + config.in_flight as u64);
    let needed = connections.saturating_mul(BYTES_A_CONNECTION.saturating_add(message)) / ends;
    ensure!(
        needed <= available,
        "{connections} connections with messages of {} may need {} MiB of memory and {} MiB are available: open fewer, or \
         send smaller messages",
        config.size,
        needed >> 20,
        available >> 20
    );
    Ok(())
}

/// The longest that anything here may last: instants beyond it would not be sure to have a number.
const LONGEST: HumanDuration = HumanDuration::from_secs(31_557_600);
/// The most that can be planned a second: some 50 times what one machine was seen to do, and what is planned and not
/// sent has to be counted through at the end.
const HIGHEST_RATE: f64 = 10e6;

/// Checks that every instant that is planned exists.
///
/// # Errors
/// The first length of time or rate that goes too far.
pub(crate) fn check_times(config: &RunConfig) -> anyhow::Result<()> {
    let limits = &config.limits;
    for (option, time) in [
        ("duration", config.duration),
        ("warmup", config.warmup),
        ("handshake-timeout", limits.handshake_timeout),
        ("echo-timeout", limits.echo_timeout),
        ("close-timeout", limits.close_timeout),
        ("overdue-timeout", limits.overdue_timeout),
    ] {
        ensure!(time <= LONGEST, "--{option} is {time}: give at most {LONGEST}");
    }
    let threads = config.threads.unwrap_or(1);
    for (option, rate, streams) in
        [("rate", config.rate, config.connections), ("connect-rate", config.connect_rate, threads)]
    {
        let Rate::PerSecond(rate) = rate else { continue };
        ensure!(rate <= HIGHEST_RATE, "--{option} is {rate}/s: give at most 10M/s, or max for a closed loop");
        #[allow(clippy::cast_precision_loss)]
        let gap = streams as f64 / rate;
        ensure!(
            gap <= LONGEST.0.as_secs_f64(),
            "--{option} is {rate}/s: that is less than one in {LONGEST} for each of {streams}; give more"
        );
    }
    Ok(())
}

/// Checks that a result can be written to `path`, and makes the folders above it: a run that cannot be written down is
/// better not begun.
///
/// # Errors
/// If it is a folder, or nothing can be written beside it.
pub(crate) fn check_place(path: &Path) -> anyhow::Result<()> {
    let place = || format!("{} cannot be written; --out takes another place", path.display());
    ensure!(!path.is_dir(), "{} is a folder; --out takes the name of a file", path.display());
    // A result takes the place of what has its name, whole or not at all: it must not be that of a device.
    ensure!(
        !path.exists() || path.is_file(),
        "{} is a device or a pipe, and the result would take its place; --out takes the name of a file",
        path.display()
    );
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(place)?;
    // As the result itself will be: another file in the same folder, which then takes its name.
    let trial = folder.join(format!(".wssbench-{}.trial", std::process::id()));
    std::fs::File::create_new(&trial).with_context(place)?;
    std::fs::remove_file(&trial).with_context(place)
}

/// Checks that what is written does not take the place of what it is made from.
///
/// # Errors
/// If it would.
pub(crate) fn check_keeps(path: &Path, inputs: &[PathBuf]) -> anyhow::Result<()> {
    let same =
        |input: &PathBuf| matches!((input.canonicalize(), path.canonicalize()), (Ok(one), Ok(other)) if one == other);
    ensure!(!inputs.iter().any(same), "{} is what is read here; --out takes another place", path.display());
    Ok(())
}

/// Ports that a source address can connect from.
fn ports() -> u64 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().map_while(|bound| bound.parse::<u64>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(first), Some(last)) if first <= last => last - first + 1,
        // The kernel's default.
        _ => 28_232,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_connections_than_files_or_ports_are_refused_with_the_figure() {
        let config = RunConfig { connections: 10_000_000, ..RunConfig::default() };
        let error = check(&config, connections_at_a_time(&config), true, true).unwrap_err().to_string();
        assert!(error.contains("10000000 connections need") && error.contains("at most"), "{error}");
    }

    #[test]
    fn messages_that_do_not_fit_the_memory_are_refused_with_the_figure() {
        let config = RunConfig { connections: 1000, size: wss_model::Size(1 << 40), ..RunConfig::default() };
        let error = check(&config, connections_at_a_time(&config), true, true).unwrap_err().to_string();
        assert!(error.contains("MiB of memory"), "{error}");
    }

    #[test]
    fn what_no_clock_can_count_is_refused() {
        let refusal = |change: fn(&mut RunConfig)| {
            let mut config = RunConfig::default();
            change(&mut config);
            check_times(&config).unwrap_err().to_string()
        };
        let long = HumanDuration::from_secs(u64::MAX / 2);
        assert!(check_times(&RunConfig::default()).is_ok());
        assert_eq!(LONGEST.to_string(), "1year");
        assert!(refusal(|config| config.rate = Rate::PerSecond(1e-300)).contains("--rate is"));
        assert!(refusal(|config| config.connect_rate = Rate::PerSecond(1e300)).contains("at most 10M/s"));
        let mut config = RunConfig { warmup: long, ..RunConfig::default() };
        assert!(check_times(&config).unwrap_err().to_string().contains("--warmup"));
        (config.warmup, config.limits.close_timeout) = (HumanDuration::from_secs(0), long);
        assert!(check_times(&config).unwrap_err().to_string().contains("--close-timeout"));
    }

    #[test]
    fn handshakes_at_a_rate_count_as_many_as_can_be_under_way() {
        let config = RunConfig { mode: Mode::Handshake, connect_rate: Rate::PerSecond(100.0), ..RunConfig::default() };
        assert_eq!(connections_at_a_time(&config), 1000);
    }
}
