//! The options of the server: [`ServeOptions`].

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde::Serialize;
use wss_model::config::conflicts::{self, Facts};
use wss_model::config::{ConfigError, CpuList, DeflateOptions, PUBLISH_SIZES};
use wss_model::units::count;
use wss_model::{EngineChoice, HumanDuration, Layer, Rate, Size, TlsOptions};

const LISTEN: &str = "Listen";
const PUBLISH: &str = "Publish";
const ENGINE: &str = "Engine and CPUs";
const TLS: &str = "TLS";

/// Messages per second on a connection: one per day at least.
const MIN_PUBLISH_RATE: f64 = 1.0 / 86_400.0;
const MAX_PUBLISH_RATE: f64 = 1e7;

/// An address to listen on; a name stands for the first of its addresses.
fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = "expected e.g. 127.0.0.1:8443, [::1]:0 or localhost:8443";
    match text.to_socket_addrs().map(|mut addresses| addresses.next()) {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(format!("{text} has no address; {expected}")),
        Err(error) => Err(format!("{error}; {expected}")),
    }
}

/// The command line of `wssbench serve` and of `wss-server`.
#[derive(Debug, Clone, Args, Serialize)]
pub struct ServeOptions {
    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", value_parser = address, default_value = "127.0.0.1:8443", help_heading = LISTEN)]
    pub listen: SocketAddr,

    /// Protocol layers to serve
    #[arg(long, value_enum, default_value_t = Layer::Wss, help_heading = LISTEN)]
    pub layer: Layer,

    /// I/O engine
    #[arg(long, value_enum, default_value_t = EngineChoice::Auto, help_heading = ENGINE)]
    pub engine: EngineChoice,

    /// Worker threads [default: one per CPU]
    #[arg(short, long, value_name = "N", help_heading = ENGINE)]
    pub threads: Option<usize>,

    /// CPUs to run on, such as 0 or 1-3,5; workers are distributed over them [default: all allowed CPUs]
    #[arg(long, value_name = "LIST", help_heading = ENGINE)]
    pub cpus: Option<CpuList>,

    /// Loopback address of the admin endpoint (GET /stats, GET /metrics); port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", help_heading = LISTEN)]
    pub admin: SocketAddr,

    /// Require a PROXY protocol header (version 2) at the start of each connection, as HAProxy sends it with send-proxy-v2
    #[arg(long, help_heading = LISTEN)]
    pub proxy_protocol: bool,

    /// Path of the WebSocket endpoint; other paths get status 404
    #[arg(long, value_name = "PATH", default_value = "/", help_heading = LISTEN)]
    pub path: String,

    /// Path at which a GET or HEAD request is answered with status 200, for the health checks of load balancers; off for none
    #[arg(long, value_name = "PATH|off", default_value = "/healthz", help_heading = LISTEN)]
    pub health_path: HealthPath,

    /// Subprotocol to accept; repeatable
    #[arg(long = "subprotocol", value_name = "NAME", help_heading = LISTEN)]
    pub subprotocols: Vec<String>,

    /// Publish instead of echoing: after a client's first message, send that client numbered, timestamped messages at this rate
    #[arg(long, value_name = "RATE", help_heading = PUBLISH)]
    pub publish: Option<Rate>,

    /// Size of each published message, at least 64B
    #[arg(long, value_name = "SIZE", default_value = "64B", help_heading = PUBLISH)]
    pub publish_size: Size,

    /// Publish from the upgrade on, without waiting for a message
    #[arg(long, help_heading = PUBLISH)]
    pub publish_at_once: bool,

    /// Drain and exit when standard input closes, i.e. when the parent process ends
    #[arg(long, help_heading = LISTEN)]
    pub until_stdin_closes: bool,

    /// Write the generated CA certificate to this file (PEM), for clients to trust
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub ca_out: Option<PathBuf>,

    /// Additional name in the generated certificate; repeatable
    #[arg(long = "name", value_name = "NAME", help_heading = TLS)]
    pub names: Vec<String>,

    /// CA that signs client certificates (PEM); required by --mtls
    #[arg(long, value_name = "FILE", help_heading = TLS)]
    pub client_ca: Option<PathBuf>,

    /// CPU time to burn per handshake: a regression of known size, to test whether a comparison detects it
    #[arg(long, value_name = "TIME", default_value = "0s", hide = true)]
    pub burn_cpu: HumanDuration,

    /// Compression of the messages.
    #[command(flatten)]
    pub compression: DeflateOptions,

    /// TLS options.
    #[command(flatten)]
    pub tls: TlsOptions,

    /// Limits for each peer and for the server.
    #[command(flatten)]
    pub limits: ServeLimits,
}

/// `--health-path`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct HealthPath(pub Option<String>);

impl FromStr for HealthPath {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text {
            "off" => Ok(Self(None)),
            path if path.starts_with('/') && !path.contains('?') => Ok(Self(Some(path.to_owned()))),
            _ => Err(ConfigError::invalid("--health-path", text, "off, or a path that starts with / and has no query")),
        }
    }
}

/// Limits on connections, time and bytes. A timeout covers the whole wait from its start, so that a peer cannot extend it
/// by sending single bytes.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Limits")]
pub struct ServeLimits {
    /// Maximum number of connections over all workers; further ones are closed at once
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 20_000)]
    pub max_connections: usize,

    /// Timeout for TLS handshake and upgrade together
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub handshake_timeout: HumanDuration,

    /// Maximum time between complete messages, and for writing an echo
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub idle_timeout: HumanDuration,

    /// Maximum total size of a message across all its fragments (close code 1009)
    #[arg(long, value_name = "SIZE", default_value = "16MiB")]
    pub max_message_size: Size,

    /// Maximum total size of the unfinished messages of all connections; a message over 64KiB that exceeds it is refused (close
    /// code 1013)
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub max_buffered: Size,

    /// Maximum number of sessions stored for --resume-by stateful and session-id; the oldest is dropped first
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_sessions: usize,

    /// Maximum size of a request head (status 431)
    #[arg(long, value_name = "SIZE", default_value = "16KiB")]
    pub max_head_size: Size,

    /// Timeout for closing one connection, and for closing all connections at shutdown
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub drain_timeout: HumanDuration,
}

impl ServeOptions {
    /// Checks everything that needs neither the machine nor a file.
    ///
    /// # Errors
    /// The first error, with what to do.
    pub fn check(&self) -> Result<(), ConfigError> {
        let limits = &self.limits;
        ConfigError::at_least_1("threads", self.threads.unwrap_or(1))?;
        ConfigError::at_least_1("max-connections", limits.max_connections)?;
        ConfigError::at_least_1("max-sessions", limits.max_sessions)?;
        for (option, value, range) in [
            ("max-message-size", limits.max_message_size, "a size such as 16MiB"),
            ("max-buffered", limits.max_buffered, "a size such as 1GiB"),
            ("max-head-size", limits.max_head_size, "a size such as 16KiB"),
        ] {
            if value.0 == 0 {
                return Err(ConfigError::out_of_range(option, value, range));
            }
        }
        for (option, value) in [("handshake-timeout", limits.handshake_timeout), ("idle-timeout", limits.idle_timeout)]
        {
            if value.0.is_zero() {
                return Err(ConfigError::out_of_range(option, value, "a duration such as 10s"));
            }
        }
        self.compression.check()?;
        self.check_publish()?;
        conflicts::check(&Facts::of_server(self, &self.tls, self.layer))?;
        self.tls.check()?;
        // The admin endpoint has no authentication.
        if !self.admin.ip().is_loopback() {
            return Err(ConfigError::out_of_range("admin", self.admin, "a loopback address (127.0.0.1 or [::1])"));
        }
        if !self.path.starts_with('/') {
            return Err(ConfigError::invalid("--path", &self.path, "a path that starts with /"));
        }
        if self.health_path.0.as_ref() == Some(&self.path) {
            return Err(ConfigError::invalid("--health-path", &self.path, "off, or another path than --path"));
        }
        Ok(())
    }
    fn check_publish(&self) -> Result<(), ConfigError> {
        match self.publish {
            Some(Rate::PerSecond(rate)) if (MIN_PUBLISH_RATE..=MAX_PUBLISH_RATE).contains(&rate) => {}
            Some(rate) => {
                let range = "a rate from one message per day to 10M/s, such as 100/s; it is per connection";
                return Err(ConfigError::out_of_range("publish", rate, range));
            }
            None => {}
        }
        if !PUBLISH_SIZES.contains(&self.publish_size.0) {
            let range = "64B to 16MiB: a published message has a header of 64 bytes";
            return Err(ConfigError::out_of_range("publish-size", self.publish_size, range));
        }
        Ok(())
    }
}
