//! Checks before a run starts: open files, ports, memory, durations and rates, and the output file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use procfs::Current;
use wss_model::config::HttpVersion;
use wss_model::{HumanDuration, Layer, Mode, Rate, RunConfig, Size};
use wss_wire::machine;

/// Open files of a process besides its connections: rings, timers, pipes, listeners.
const OTHER_FILES: u64 = 64;
/// Resident bytes per connection on both ends together, with TLS and WebSocket but without messages.
const BYTES_PER_CONNECTION: u64 = 128 * 1024;
/// Buffers of the size of a message that exist at once per connection, on both ends together.
const COPIES_PER_MESSAGE: u64 = 4;
/// The longest time option: far below the range of `Instant`, so that no addition overflows.
const LONGEST: HumanDuration = HumanDuration::from_secs(31_557_600);
/// The highest rate per second: some 50 times what one machine reaches. Planned events that were not sent are counted
/// one by one at the end of a run.
const HIGHEST_RATE: f64 = 10e6;

/// Why a run cannot start on this machine.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PreflightError {
    /// The hard limit of open files is too low.
    #[error(
        "{connections} connections require {files} open files, but the hard limit is {limit}; raise it (ulimit -Hn) or \
         open at most {possible} connections"
    )]
    OpenFiles {
        /// The connections of the run.
        connections: u64,
        /// The files that they require.
        files: u64,
        /// The hard limit.
        limit: u64,
        /// The connections that the limit allows.
        possible: u64,
    },
    /// There are fewer local ports than connections to one address.
    #[error(
        "{connections} connections to one address require as many local ports, but there are {ports}; widen \
         net.ipv4.ip_local_port_range, open fewer connections, or divide them among addresses (--addresses all)"
    )]
    Ports {
        /// The connections of the run to the address that gets most of them.
        connections: u64,
        /// The ports of the range.
        ports: u64,
    },
    /// Connections are closed faster than their ports leave TIME_WAIT.
    #[error(
        "{rate} connections per second would exhaust the {ports} local ports per address, since each stays in TIME_WAIT for \
         60 s; use at most {highest:.0}/s, or --server-closes"
    )]
    TimeWait {
        /// Connections per second.
        rate: f64,
        /// The ports of the range.
        ports: u64,
        /// The highest possible rate to all addresses together.
        highest: f64,
    },
    /// Connections and messages may need more memory than is available.
    #[error(
        "{connections} connections with messages of {size} may need {needed} MiB of memory, but {available} MiB are \
         available; open fewer connections or send smaller messages"
    )]
    Memory {
        /// The connections of the run.
        connections: u64,
        /// The size of a message.
        size: Size,
        /// Memory that they may need, in MiB.
        needed: u64,
        /// Available memory, in MiB.
        available: u64,
    },
    /// A spinning thread of the generator would take a CPU from the server or from another thread.
    #[error(
        "--idle spin requires {threads} CPUs that the server does not use, one per generator thread; available: {cpus}; \
         set --client-cpus and --threads, or use --idle sleep"
    )]
    Spin {
        /// The threads of the generator.
        threads: usize,
        /// The CPUs of the generator.
        cpus: String,
    },
    /// The process of the server is not there, or cannot be read.
    #[error("--server-pid {pid} cannot be read: {cause}; give the ID of the server's process")]
    ServerPid {
        /// The ID.
        pid: u32,
        /// Why.
        cause: String,
    },
    /// A duration is too long.
    #[error("--{option} is {time}; give at most {longest}", longest = LONGEST)]
    TooLong {
        /// The option, without dashes.
        option: &'static str,
        /// Its value.
        time: HumanDuration,
    },
    /// A rate is too high.
    #[error("--{option} is {rate}/s; give at most 10M/s, or max for a closed loop")]
    RateTooHigh {
        /// The option, without dashes.
        option: &'static str,
        /// Events per second.
        rate: f64,
    },
    /// A rate is too low.
    #[error("--{option} is too low: each {stream} would {verb} less than once a year; give a higher rate")]
    RateTooLow {
        /// The option, without dashes.
        option: &'static str,
        /// What the rate is divided among.
        stream: &'static str,
        /// What it does.
        verb: &'static str,
    },
    /// A CPU is not available.
    #[error("CPU {cpu} is not available to this process (allowed: {allowed}); choose others")]
    Cpu {
        /// The CPU.
        cpu: usize,
        /// The CPUs of this process.
        allowed: String,
    },
    /// The output path is a directory.
    #[error("{} is a directory; give a file name with --out", .path.display())]
    OutputIsDirectory {
        /// The path.
        path: PathBuf,
    },
    /// The output path is a device, pipe or socket.
    #[error("refusing to replace {}, which is not a regular file; choose another --out", .path.display())]
    OutputIsSpecial {
        /// The path.
        path: PathBuf,
    },
    /// The output would overwrite an input.
    #[error("refusing to overwrite the input {}; choose another --out", .path.display())]
    OutputIsInput {
        /// The path.
        path: PathBuf,
    },
}

impl PreflightError {
    /// The name of the error in `docs/ERRORS.md`; it stays when the wording changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OpenFiles { .. } => "open_files",
            Self::Ports { .. } => "ports",
            Self::TimeWait { .. } => "time_wait",
            Self::Memory { .. } => "memory",
            Self::Spin { .. } => "spin",
            Self::ServerPid { .. } => "server_pid",
            Self::TooLong { .. } => "too_long",
            Self::RateTooHigh { .. } => "rate_too_high",
            Self::RateTooLow { .. } => "rate_too_low",
            Self::Cpu { .. } => "cpu",
            Self::OutputIsDirectory { .. } => "output_is_directory",
            Self::OutputIsSpecial { .. } => "output_is_special",
            Self::OutputIsInput { .. } => "output_is_input",
        }
    }
}

/// The highest number of connections that a run may have open at once.
pub(crate) fn peak_connections(config: &RunConfig) -> usize {
    match (config.mode, config.connect_rate) {
        (Mode::Echo | Mode::Subscribe, _) => config.connections,
        (Mode::Handshake, Rate::Max) => config.connect_concurrency,
        (Mode::Handshake, Rate::PerSecond(rate)) => {
            // Those that can start before the first must have completed or failed.
            let HumanDuration(longest) = config.limits.handshake_timeout;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, and the limit is lower
            let started = (rate * longest.as_secs_f64()).ceil() as usize;
            started.min(config.limits.max_connecting)
        }
    }
}

/// Checks that open files, ports and memory suffice. `addresses`: those that connections go to in turn; none if the run
/// starts the embedded server.
///
/// # Errors
/// The first resource that does not: [`PreflightError`].
pub(crate) fn check_resources(
    config: &RunConfig,
    connections: usize,
    addresses: &[SocketAddr],
    embedded: bool,
) -> anyhow::Result<()> {
    if let Some(limit) = machine::raise_file_limit().context("cannot raise the limit of open files")? {
        let connections = connections as u64;
        let files = connections + OTHER_FILES;
        let possible = limit.saturating_sub(OTHER_FILES);
        ensure!(files <= limit, PreflightError::OpenFiles { connections, files, limit, possible });
    }
    check_ports(config, connections, addresses, local_ports())?;
    let connections = connections as u64;
    let memory = procfs::Meminfo::current().context("cannot read /proc/meminfo")?;
    let available = memory.mem_available.unwrap_or(memory.mem_free);
    // Without the embedded server, half of it is elsewhere.
    let ends = if embedded { 1 } else { 2 };
    let messages = config.size.0.saturating_mul(COPIES_PER_MESSAGE + config.in_flight as u64);
    let state = BYTES_PER_CONNECTION + 2 * config.compression.bytes_per_end();
    let needed = connections.saturating_mul(state.saturating_add(messages)) / ends;
    let (size, needed_mib, available_mib) = (config.size, needed >> 20, available >> 20);
    ensure!(
        needed <= available,
        PreflightError::Memory { connections, size, needed: needed_mib, available: available_mib }
    );
    Ok(())
}

/// Checks that the local ports suffice. Only connections to the same address need different ones, so that several addresses
/// multiply them.
fn check_ports(
    config: &RunConfig,
    connections: usize,
    addresses: &[SocketAddr],
    ports: u64,
) -> Result<(), PreflightError> {
    let (most, entries) = busiest_address(addresses);
    let to_one = connections.saturating_mul(most).div_ceil(entries) as u64;
    if to_one > ports {
        return Err(PreflightError::Ports { connections: to_one, ports });
    }
    // With a WebSocket of HTTP/1.1 the server ends TCP first, and TIME_WAIT is its own.
    let is_http1 = config.request.http == HttpVersion::Http1;
    let server_ends_first = config.server_closes || config.layer().is_some_and(Layer::has_websocket) && is_http1;
    // Over loopback the kernel reuses ports in TIME_WAIT after a second (tcp_tw_reuse = 2).
    let loopback = addresses.iter().all(|address| address.ip().is_loopback());
    if let (Mode::Handshake, Rate::PerSecond(rate), false, false) =
        (config.mode, config.connect_rate, server_ends_first, loopback)
    {
        #[allow(clippy::cast_precision_loss)]
        let highest = ports as f64 / 60.0 * entries as f64 / most as f64;
        if rate > highest {
            return Err(PreflightError::TimeWait { rate, ports, highest });
        }
    }
    Ok(())
}

/// How often the most frequent address is listed, and the number of entries. Each entry gets as many connections.
fn busiest_address(addresses: &[SocketAddr]) -> (usize, usize) {
    let times = |address: &SocketAddr| addresses.iter().filter(|other| *other == address).count();
    (addresses.iter().map(times).max().unwrap_or(1), addresses.len().max(1))
}

/// Checks that all planned instants are in the range of the clock.
///
/// # Errors
/// The first duration or rate that is out of range.
pub(crate) fn check_times(config: &RunConfig) -> Result<(), PreflightError> {
    let limits = &config.limits;
    for (option, time) in [
        ("duration", config.duration),
        ("warmup", config.warmup),
        ("handshake-timeout", limits.handshake_timeout),
        ("echo-timeout", limits.echo_timeout),
        ("push-timeout", limits.push_timeout),
        ("close-timeout", limits.close_timeout),
        ("overdue-timeout", limits.overdue_timeout),
    ] {
        if time > LONGEST {
            return Err(PreflightError::TooLong { option, time });
        }
    }
    let threads = config.threads.unwrap_or(1);
    for (option, rate, streams, (stream, verb)) in [
        ("rate", config.rate, config.connections, ("connection", "send")),
        ("connect-rate", config.connect_rate, threads, ("thread", "connect")),
    ] {
        let Rate::PerSecond(rate) = rate else { continue };
        if rate > HIGHEST_RATE {
            return Err(PreflightError::RateTooHigh { option, rate });
        }
        #[allow(clippy::cast_precision_loss)]
        let gap = streams as f64 / rate;
        if gap > LONGEST.0.as_secs_f64() {
            return Err(PreflightError::RateTooLow { option, stream, verb });
        }
    }
    Ok(())
}

/// Checks that a result can be written to `path`, and creates its parent directories: better now than after the run.
///
/// # Errors
/// If the path is not that of a regular file, or its directory is not writable.
pub(crate) fn check_output(path: &Path) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}; choose another --out", path.display());
    ensure!(!path.is_dir(), PreflightError::OutputIsDirectory { path: path.to_owned() });
    // A result is renamed to its path and would replace a device.
    ensure!(!path.exists() || path.is_file(), PreflightError::OutputIsSpecial { path: path.to_owned() });
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).with_context(failed)?;
    // The result is written the same way: to another file in the directory, which is then renamed.
    let probe = directory.join(format!(".wssbench-{}.probe", std::process::id()));
    std::fs::File::create_new(&probe).with_context(failed)?;
    std::fs::remove_file(&probe).with_context(failed)
}

/// Checks that the output does not overwrite one of the inputs.
///
/// # Errors
/// If it would.
pub(crate) fn check_not_input(path: &Path, inputs: &[PathBuf]) -> Result<(), PreflightError> {
    let same =
        |input: &PathBuf| matches!((input.canonicalize(), path.canonicalize()), (Ok(one), Ok(other)) if one == other);
    if inputs.iter().any(same) {
        return Err(PreflightError::OutputIsInput { path: path.to_owned() });
    }
    Ok(())
}

/// The number of local ports that one source address can connect from.
fn local_ports() -> u64 {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = range.split_whitespace().map_while(|bound| bound.parse::<u64>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(first), Some(last)) if first <= last => last - first + 1,
        // The kernel's default.
        _ => 28_232,
    }
}

#[cfg(test)]
mod tests;
