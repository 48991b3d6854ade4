//! The embedded server: `wssbench serve` as a child process on CPUs of its own.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Command;

use anyhow::Context;
use wss_model::config::CpuList;
use wss_model::{EngineKind, Layer, RunConfig};

use super::run::this_program;
use super::server::Server;

/// Smallest `--max-message-size` that the server is given.
const MIN_MESSAGE_LIMIT: u64 = 1 << 20;

/// What the embedded server of a run is started with.
pub(crate) struct EmbeddedOptions<'a> {
    pub(crate) config: &'a RunConfig,
    pub(crate) layer: Layer,
    pub(crate) engine: EngineKind,
    pub(crate) threads: usize,
    pub(crate) cpus: &'a CpuList,
    /// Connections that the run may have open at a time.
    pub(crate) connections: usize,
    /// Sessions that the server has to remember.
    pub(crate) sessions: usize,
    /// With `--mtls`: the CA of the generator's certificate, PEM.
    pub(crate) client_ca: Option<&'a str>,
}

impl EmbeddedOptions<'_> {
    /// Starts the server and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start, with the reason that it gave.
    pub(crate) fn start(&self) -> anyhow::Result<Server> {
        let mut command = Command::new(this_program()?);
        command.args(self.arguments());
        // The child reads the file through its own table of open files: no file is left behind.
        let client_ca = self.client_ca.map(in_memory).transpose().context("passing the client's CA to the server")?;
        if let Some(file) = &client_ca {
            command.arg(format!("--client-ca=/proc/self/fd/{}", file.as_raw_fd()));
        }
        Server::start_embedded(command)
    }

    fn arguments(&self) -> Vec<String> {
        let Self { config, layer, engine, threads, cpus, connections, sessions, client_ca: _ } = self;
        let message_limit = config.size.0.max(MIN_MESSAGE_LIMIT);
        let mut arguments = vec![
            "serve".to_owned(),
            "--listen=127.0.0.1:0".to_owned(),
            "--admin=127.0.0.1:0".to_owned(),
            "--until-stdin-closes".to_owned(),
            format!("--layer={layer}"),
            format!("--engine={engine}"),
            format!("--threads={threads}"),
            format!("--cpus={cpus}"),
            format!("--max-connections={connections}"),
            format!("--max-message-size={message_limit}"),
            // A run that opens many connections slowly leaves the first ones idle for long.
            "--idle-timeout=1h".to_owned(),
        ];
        if layer.has_tls() {
            arguments.extend(config.server_tls().arguments());
            // The certificate that is made at start has to be valid for the name that the client expects.
            if let Some(name) = config.trust.server_name.as_ref().filter(|_| config.tls.key.is_none()) {
                arguments.push(format!("--name={name}"));
            }
            arguments.push(format!("--max-sessions={sessions}"));
        }
        if layer.has_websocket() {
            arguments.extend(wss_model::config::arguments(&config.compression));
        }
        if let Some(rate) = config.publish_rate() {
            arguments.push(format!("--publish={rate}/s"));
            arguments.push(format!("--publish-size={}", config.size));
        }
        arguments.extend(config.burn_cpu.map(|time| format!("--burn-cpu={time}")));
        arguments.extend(config.subprotocol.as_ref().map(|name| format!("--subprotocol={name}")));
        arguments
    }
}

/// A file without a name, for a child process to inherit.
fn in_memory(text: &str) -> std::io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("wssbench-ca", rustix::fs::MemfdFlags::empty())?);
    file.write_all(text.as_bytes())?;
    Ok(file)
}
