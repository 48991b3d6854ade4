//! What the server is asked to do.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;
use serde::Serialize;
use wss_model::config::CpuList;
use wss_model::{EngineKind, HumanDuration, Layer, Size, TlsOptions};

/// The command line of `wssbench serve` and of `wss-server`.
#[derive(Debug, Clone, Args)]
pub struct ServeOptions {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,

    /// The stack to serve
    #[arg(long, value_enum, default_value_t = Layer::Wss)]
    pub layer: Layer,

    /// Who drives the sockets
    #[arg(long, value_enum, default_value_t = EngineKind::Uring)]
    pub engine: EngineKind,

    /// Worker threads [default: one a CPU]
    #[arg(short, long, value_name = "N")]
    pub threads: Option<usize>,

    /// CPUs to run on, such as 0 or 1-3,5; workers take turns [default: all that are allowed]
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<CpuList>,

    /// Where the admin endpoint listens (GET /stats, GET /metrics); loopback only, port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub admin: SocketAddr,

    /// Path of the WebSocket endpoint; others get 404
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub path: String,

    /// A subprotocol to accept; may be given several times
    #[arg(long = "subprotocol", value_name = "NAME")]
    pub subprotocols: Vec<String>,

    /// Drain and end when standard input ends: for a parent that may die
    #[arg(long)]
    pub until_stdin_closes: bool,

    /// Write the CA that was made at start to this file, PEM, for clients to trust
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub ca_out: Option<PathBuf>,

    /// A further name for the certificate that is made at start
    #[arg(long = "name", value_name = "NAME")]
    pub names: Vec<String>,

    /// With --mtls: the CA that clients' certificates have to be signed by, PEM
    #[arg(long, value_name = "FILE", requires = "mtls")]
    pub client_ca: Option<PathBuf>,

    /// CPU time to waste on every handshake: a regression of known size, to see whether a comparison finds it
    #[arg(long, value_name = "TIME", default_value = "0s", hide = true)]
    pub burn_cpu: HumanDuration,

    /// TLS of both ends
    #[command(flatten)]
    pub tls: TlsOptions,

    /// What a peer may take
    #[command(flatten)]
    pub limits: ServeLimits,
}

/// What a peer may take: connections, time, bytes. Each wait has one deadline from its start, so that a slow drip
/// is a stall.
#[derive(Debug, Clone, Args, Serialize)]
#[command(next_help_heading = "Limits")]
pub struct ServeLimits {
    /// Connections at a time, over all workers; one more is closed at once
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub max_connections: usize,

    /// TLS and upgrade together
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub handshake_timeout: HumanDuration,

    /// From one whole message to the next, and for the writing of an echo
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub idle_timeout: HumanDuration,

    /// Bytes of a message, all fragments together (close code 1009)
    #[arg(long, value_name = "SIZE", default_value = "16MiB")]
    pub max_message_size: Size,

    /// Sessions remembered for --resume-by stateful and session-id; beyond it the oldest is forgotten
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub max_sessions: usize,

    /// Bytes of a request head (431)
    #[arg(long, value_name = "SIZE", default_value = "16KiB")]
    pub max_head_size: Size,

    /// How long connections may take to close, one by one or all together at the end
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub drain_timeout: HumanDuration,
}

impl ServeOptions {
    /// Refuses what no server could do.
    ///
    /// # Errors
    /// The first thing that cannot be, with what to do about it.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(self.threads != Some(0), "--threads is 0: give at least 1");
        ensure!(self.limits.max_connections > 0, "--max-connections is 0: give at least 1");
        ensure!(self.limits.max_message_size.0 > 0, "--max-message-size is 0: give a size such as 16MiB");
        ensure!(self.limits.max_head_size.0 > 0, "--max-head-size is 0: give a size such as 16KiB");
        ensure!(self.limits.max_sessions > 0, "--max-sessions is 0: give at least 1");
        self.check_tls()?;
        ensure!(
            !self.limits.handshake_timeout.0.is_zero() && !self.limits.idle_timeout.0.is_zero(),
            "--handshake-timeout and --idle-timeout must be longer than 0"
        );
        ensure!(
            self.admin.ip().is_loopback(),
            "--admin {} is no loopback address: its counts are for this machine alone; use 127.0.0.1 or [::1]",
            self.admin
        );
        ensure!(self.path.starts_with('/'), "--path `{}` does not begin with /", self.path);
        Ok(())
    }

    fn check_tls(&self) -> anyhow::Result<()> {
        self.tls.check()?;
        let of_certificate = [("--ca-out", self.ca_out.is_some()), ("--name", !self.names.is_empty())];
        let of_certificate = of_certificate.into_iter().find(|(_, given)| *given).map(|(option, _)| option);
        if !self.layer.has_tls() {
            let option = self.tls.first_given().or(of_certificate.map(str::to_owned));
            ensure!(
                option.is_none(),
                "{} is TLS's, and {}:// has no TLS: leave it out",
                option.unwrap_or_default(),
                self.layer
            );
        }
        ensure!(
            self.tls.key.is_none() || of_certificate.is_none(),
            "{} is of the certificate that is made at start, and --cert names a file: leave it out",
            of_certificate.unwrap_or_default()
        );
        ensure!(
            !self.tls.mtls || self.client_ca.is_some(),
            "--mtls needs --client-ca FILE: the CA that clients' certificates have to be signed by"
        );
        ensure!(
            !self.tls.early_data || self.layer.has_websocket(),
            "--early-data carries the HTTP upgrade request, and {}:// has none",
            self.layer
        );
        Ok(())
    }
}
