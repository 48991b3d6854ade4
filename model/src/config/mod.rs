//! The configuration of a run: [`RunConfig`] is at once the command line, the TOML file and the `config` of a result.
//!
//! Each option is defined here and nowhere else. clap has the defaults and TOML takes the same ones, so that an empty
//! file and an empty command line mean the same run. [`conflicts`] lists which options exclude or require one another.

mod arguments;
mod choices;
pub mod conflicts;
mod deflate;
mod error;
mod messages;
mod proxy;
mod publication;
mod request;
mod route;
mod time_slice;
pub mod tls;

use clap::{Args, FromArgMatches, ValueEnum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::arguments::{arguments, arguments_of_fields, fields};
pub use self::choices::{
    Arrivals, CpuList, EngineChoice, EngineKind, HttpVersion, IdlePolicy, KeepAwake, KernelClockSample, Layer, Mode,
};
pub use self::deflate::DeflateOptions;
pub use self::error::ConfigError;
pub use self::messages::{Correlate, Expect, MessageOptions, SkipMessages};
pub use self::proxy::{ProxyAddress, ProxyKind};
pub use self::publication::PUBLISH_SIZES;
pub use self::request::{REDACTED, RequestOptions};
pub use self::route::{AddressChoice, ConnectTo, ResolveEntry, RouteOptions};
pub use self::time_slice::{TimeSlice, time_slice_length};
pub use self::tls::{ProviderKind, TlsOptions, TlsVersion, TrustOptions, most_similar};
use crate::units::{HumanDuration, MaxErrors, Rate, Size, count};

const TARGET: &str = "Target";
const LOAD: &str = "Load";
const CONNECTIONS: &str = "Connections";
const TLS: &str = "TLS";
const ENGINES: &str = "Engines and CPUs";

/// Limits of the generator. Each timeout covers everything that it names, from start to end.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// Combined timeout for TCP connect, TLS, upgrade and first echo
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub handshake_timeout: HumanDuration,

    /// Timeout for one message, from sending it to its echo
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub echo_timeout: HumanDuration,

    /// Timeout for the next message that the server pushes (--mode subscribe)
    #[arg(long, value_name = "TIME", default_value = "10s", hide_short_help = true)]
    pub push_timeout: HumanDuration,

    /// Timeout for closing one connection
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub close_timeout: HumanDuration,

    /// Grace period for sending late messages after the run ends
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub overdue_timeout: HumanDuration,

    /// Maximum number of concurrent connection attempts in an open loop
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 8192)]
    pub max_connecting: usize,

    /// Errors up to which a result is valid: a number, or a share of all handshakes and messages such as 0.1% [default: 0]
    #[arg(long, value_name = "N|PERCENT")]
    pub max_errors: Option<MaxErrors>,

    /// Maximum size of a response head
    #[arg(long, value_name = "SIZE", default_value = "16KiB")]
    pub max_head_size: Size,
}

/// One run: the command line of `wssbench run`, a TOML file, and the `config` of a result.
#[derive(Debug, Clone, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RunConfig {
    /// URL of the server: wss://host:port/path, ws://, tls:// or tcp:// [default: an embedded server]
    #[arg(value_name = "URL", help_heading = TARGET)]
    pub url: Option<String>,

    /// Command that starts the server to measure; it is run without a shell and stopped after the run
    #[arg(long, value_name = "COMMAND", help_heading = TARGET)]
    pub server: Option<String>,

    /// URL where --server COMMAND listens, if the command does not print it; without --server, the same as URL
    #[arg(long, value_name = "URL", help_heading = TARGET)]
    pub at: Option<String>,

    /// What to measure
    #[arg(long, value_enum, default_value_t = Mode::Echo, help_heading = LOAD)]
    pub mode: Mode,

    /// Protocol layers of the server that wssbench starts [default: wss, or the scheme of the URL that it prints]
    #[arg(
        long,
        value_enum,
        help_heading = TARGET,
        help = "Protocol layers of a started server [default: wss]",
        long_help = "Protocol layers of the server that wssbench starts [default: wss, or the scheme of the URL that it prints]"
    )]
    pub layer: Option<Layer>,

    /// Number of connections that stay open (--mode echo and subscribe)
    #[arg(
        short,
        long,
        value_name = "N",
        value_parser = count,
        default_value_t = 1000,
        help_heading = CONNECTIONS,
        help = "Number of connections to keep open",
        long_help = "Number of connections that stay open (--mode echo and subscribe)"
    )]
    pub connections: usize,

    /// Connections to open per second; with max, a new attempt starts as soon as one of --connect-concurrency attempts
    /// completes (closed loop)
    #[arg(long, value_name = "RATE", default_value = "250/s", help_heading = CONNECTIONS)]
    pub connect_rate: Rate,

    /// Concurrent connection attempts with --connect-rate max
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 64, help_heading = CONNECTIONS)]
    pub connect_concurrency: usize,

    /// Messages per second over all connections; max sends the next when an echo arrives (closed loop)
    #[arg(
        short,
        long,
        value_name = "RATE",
        default_value = "10k/s",
        help_heading = LOAD,
        help = "Messages per second in total, or max",
        long_help = "Messages per second over all connections; max sends the next when an echo arrives (closed loop)"
    )]
    pub rate: Rate,

    /// Maximum outstanding messages per connection; further messages wait
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 1, help_heading = LOAD)]
    pub in_flight: usize,

    /// Distribution of planned send times
    #[arg(long, value_enum, default_value_t = Arrivals::Even, help_heading = LOAD)]
    pub arrivals: Arrivals,

    /// Duration of the measurement
    #[arg(short, long, value_name = "TIME", default_value = "10s", help_heading = LOAD)]
    pub duration: HumanDuration,

    /// Duration of the warm-up before the measurement; reported separately
    #[arg(long, value_name = "TIME", default_value = "2s", help_heading = LOAD)]
    pub warmup: HumanDuration,

    /// Size of each message
    #[arg(short, long, value_name = "SIZE", default_value = "64B", help_heading = LOAD)]
    pub size: Size,

    /// Skip the echo after the upgrade (--mode handshake)
    #[arg(long, help_heading = CONNECTIONS)]
    pub no_first_echo: bool,

    /// Let the server close TCP first, so that TIME_WAIT stays at its end (--mode handshake); over WebSocket with HTTP/1.1 it always
    /// does
    #[arg(long, help_heading = CONNECTIONS)]
    pub server_closes: bool,

    /// Subprotocol to request (Sec-WebSocket-Protocol)
    #[arg(long, value_name = "NAME", help_heading = TARGET)]
    pub subprotocol: Option<String>,

    /// CPU time that the embedded server burns per handshake: a regression of known size, to test whether a comparison
    /// detects it
    #[arg(long, value_name = "TIME", hide = true)]
    pub burn_cpu: Option<HumanDuration>,

    /// Internal to --interleave: the number of this run, the number of runs and the length of a slice, as in 2/4:20ms.
    /// The run prints that it is ready and waits for the start of the first slice
    #[arg(long, value_name = "SLICE", hide = true)]
    pub time_slice: Option<TimeSlice>,

    /// Seed of arrivals and payloads
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = LOAD)]
    pub seed: u64,

    /// I/O engine of both ends
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto, help_heading = ENGINES)]
    pub engine: EngineChoice,

    /// I/O engine of the embedded server [default: --engine]
    #[arg(long, value_enum, value_name = "ENGINE", help_heading = ENGINES)]
    pub server_engine: Option<EngineKind>,

    /// I/O engine of the generator [default: --engine]
    #[arg(long, value_enum, value_name = "ENGINE", help_heading = ENGINES)]
    pub client_engine: Option<EngineKind>,

    /// TLS provider of the embedded server [default: --provider]
    #[arg(long, value_enum, value_name = "NAME", help_heading = TLS)]
    pub server_provider: Option<ProviderKind>,

    /// TLS provider of the generator [default: --provider]
    #[arg(long, value_enum, value_name = "NAME", help_heading = TLS)]
    pub client_provider: Option<ProviderKind>,

    /// Generator threads [default: one per client CPU; with a URL, half of the CPUs]
    #[arg(short, long, value_name = "N", help_heading = ENGINES)]
    pub threads: Option<usize>,

    /// Threads of the embedded server [default: one per server CPU]
    #[arg(long, value_name = "N", help_heading = ENGINES)]
    pub server_threads: Option<usize>,

    /// CPUs of the generator, such as 1-3,5 [default: those that the server does not use]
    #[arg(long, value_name = "LIST", help_heading = ENGINES)]
    pub client_cpus: Option<CpuList>,

    /// CPUs of the server [default: the first half]
    #[arg(long, value_name = "LIST", help_heading = ENGINES)]
    pub server_cpus: Option<CpuList>,

    /// What generator threads do while idle: spin on their CPUs, or sleep, which adds the CPU's wake-up time to latencies
    /// [default: spin if each has a CPU that the server does not use]
    #[arg(long, value_enum, value_name = "POLICY", help_heading = ENGINES)]
    pub idle: Option<IdlePolicy>,

    /// Keep the CPUs of this end from sleeping, so that their wake-up is not part of latencies
    #[arg(long, value_enum, value_name = "END", help_heading = ENGINES)]
    pub keep_awake: Option<KeepAwake>,

    /// Share of connections on which the kernel records the times of sends and receives as well, to show how much of each
    /// latency the generator adds [default: 1/16; off if the engine does not support it, and while ab or sweep measures CPU
    /// time in time slices]
    #[arg(long, value_enum, value_name = "SHARE", help_heading = ENGINES)]
    pub kernel_clock: Option<KernelClockSample>,

    /// Admin endpoint of a `wssbench serve` that you started, such as http://127.0.0.1:9090, to report the server's CPU time
    /// and counters
    #[arg(long, value_name = "URL", help_heading = TARGET)]
    pub server_stats: Option<String>,

    /// Process ID of a server on this machine, to report the CPU time and memory of the process and its children
    #[arg(long, value_name = "PID", help_heading = TARGET)]
    pub server_pid: Option<u32>,

    /// The messages and the replies to them.
    #[command(flatten)]
    pub messages: MessageOptions,

    /// Compression of the messages.
    #[command(flatten)]
    pub compression: DeflateOptions,

    /// How to reach the server.
    #[command(flatten)]
    pub route: RouteOptions,

    /// The upgrade request.
    #[command(flatten)]
    pub request: RequestOptions,

    /// TLS of both ends.
    #[command(flatten)]
    pub tls: TlsOptions,

    /// What the client trusts, and how it authenticates itself.
    #[command(flatten)]
    pub trust: TrustOptions,

    /// Limits of the generator.
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// A set of options with the defaults that clap has for them.
fn defaults<T: Args + FromArgMatches>() -> T {
    let matches = T::augment_args(clap::Command::new("defaults")).get_matches_from(["defaults"]);
    T::from_arg_matches(&matches).expect("every option without a default is optional")
}

impl Default for RunConfig {
    fn default() -> Self {
        defaults()
    }
}

impl Default for LimitOptions {
    fn default() -> Self {
        defaults()
    }
}

impl RunConfig {
    /// The TLS options of the generator.
    pub fn client_tls(&self) -> TlsOptions {
        TlsOptions { provider: self.client_provider.or(self.tls.provider), ..self.tls.clone() }
    }

    /// The TLS options of the embedded server.
    pub fn server_tls(&self) -> TlsOptions {
        TlsOptions { provider: self.server_provider.or(self.tls.provider), ..self.tls.clone() }
    }

    /// Checks everything that needs neither the machine nor the server.
    ///
    /// # Errors
    /// The first error, with what to do.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_ranges()?;
        self.compression.check()?;
        self.tls.check_versions()?;
        conflicts::check(&conflicts::Facts::of_run(self))?;
        if self.is_embedded() { self.tls.check_as_server() } else { self.tls.check_as_client() }
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        for (option, value) in [
            ("connections", self.connections),
            ("connect-concurrency", self.connect_concurrency),
            ("in-flight", self.in_flight),
            ("max-connecting", self.limits.max_connecting),
            ("threads", self.threads.unwrap_or(1)),
            ("server-threads", self.server_threads.unwrap_or(1)),
        ] {
            ConfigError::at_least_1(option, value)?;
        }
        for (option, value) in [
            ("duration", self.duration),
            ("handshake-timeout", self.limits.handshake_timeout),
            ("echo-timeout", self.limits.echo_timeout),
            ("push-timeout", self.limits.push_timeout),
            ("close-timeout", self.limits.close_timeout),
        ] {
            if value.0.is_zero() {
                return Err(ConfigError::out_of_range(option, value, "a duration such as 10s"));
            }
        }
        // An empty message has nothing that its echo could be compared with.
        for (option, value, range) in
            [("size", self.size, "at least 1B"), ("max-head-size", self.limits.max_head_size, "a size such as 16KiB")]
        {
            if value.0 == 0 {
                return Err(ConfigError::out_of_range(option, value, range));
            }
        }
        self.check_publication()
    }

    /// The URL of the server, given as the positional argument or as `--at`.
    pub fn target_url(&self) -> Option<&str> {
        self.url.as_deref().or(self.at.as_deref())
    }

    /// Whether the run starts the embedded server: it names neither a URL nor a command.
    pub fn is_embedded(&self) -> bool {
        self.target_url().is_none() && self.server.is_none()
    }

    /// Whether the run starts its server, the embedded one or `--server COMMAND`.
    pub fn starts_server(&self) -> bool {
        self.is_embedded() || self.server.is_some()
    }

    /// The stack: the scheme of the URL if there is one. `None` if that scheme names no stack.
    pub fn layer(&self) -> Option<Layer> {
        match self.target_url() {
            None => Some(self.layer.unwrap_or(Layer::Wss)),
            Some(url) => Layer::from_str(url.split_once("://")?.0, true).ok(),
        }
    }
}

#[cfg(test)]
mod tests;
