//! What cannot fit is said before the run, with the figure: open files, ports, memory.

use anyhow::{Context, ensure};
use procfs::Current;
use wss_results::{HumanDuration, Mode, Rate, RunConfig};
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
        let config = RunConfig { connections: 1000, size: wss_results::Size(1 << 40), ..RunConfig::default() };
        let error = check(&config, connections_at_a_time(&config), true, true).unwrap_err().to_string();
        assert!(error.contains("MiB of memory"), "{error}");
    }

    #[test]
    fn handshakes_at_a_rate_count_as_many_as_can_be_under_way() {
        let config = RunConfig { mode: Mode::Handshake, connect_rate: Rate::PerSecond(100.0), ..RunConfig::default() };
        assert_eq!(connections_at_a_time(&config), 1000);
    }
}
