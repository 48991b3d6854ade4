//! What the server reports on standard output: to a program one JSON line per [`Event`], to a person on a terminal a
//! sentence.

use std::io::{IsTerminal, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use wss_model::{EngineKind, Layer};

use crate::options::ServeOptions;

/// One line on standard output, if that is not a terminal: a JSON object with the name of the event in `event`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The server accepts connections.
    Ready(Box<Ready>),
    /// The server stops: it has closed its listeners and closes its connections.
    Draining {
        /// Why.
        reason: DrainReason,
    },
    /// The server could not start, or could not go on. The process exits with an error.
    Failed {
        /// The kind of the failure.
        code: FailureCode,
        /// One sentence: what is wrong, where, and what to do. The same is on standard error.
        text: String,
    },
}

/// Where and how the server listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// URL to connect to.
    pub url: String,
    /// URL of the admin endpoint, which serves `/stats` and `/metrics`.
    pub admin: String,
    /// Process ID.
    pub pid: u32,
    /// Engine.
    pub engine: EngineKind,
    /// Protocol stack.
    pub layer: Layer,
    /// Number of worker threads.
    pub workers: usize,
    /// Limit on open files, after the server raised it; null if there is none.
    pub file_limit: Option<u64>,
    /// PEM of the CA generated at start; null if the certificate came from a file, or without TLS.
    pub ca_pem: Option<String>,
    /// The limits on peers, by the names of their options.
    pub limits: serde_json::Value,
}

/// Why the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainReason {
    /// SIGINT or SIGTERM.
    Signal,
    /// Standard input ended (`--until-stdin-closes`).
    StdinClosed,
}

/// The kinds of failure of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// An option is invalid, or two of them conflict.
    InvalidOptions,
    /// A certificate or key cannot be read, generated or used.
    Certificate,
    /// The address of `--listen` cannot be used.
    Listen,
    /// The address of `--admin` cannot be used.
    Admin,
    /// The CA cannot be written to the file of `--ca-out`.
    CaOut,
    /// A worker did not start, or ended early.
    Worker,
    /// Not every connection closed in time, or a second signal ended the wait.
    Drain,
    /// Another call of the operating system failed.
    System,
}

/// A failure of the server.
pub(crate) struct Failure {
    pub(crate) code: FailureCode,
    pub(crate) error: anyhow::Error,
}

/// Gives an error its code.
pub(crate) trait FailureContext<T> {
    fn or_failure(self, code: FailureCode) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> FailureContext<T> for Result<T, E> {
    fn or_failure(self, code: FailureCode) -> Result<T, Failure> {
        self.map_err(|error| Failure { code, error: error.into() })
    }
}

/// Reports that the server is ready.
///
/// # Errors
/// If standard output cannot be written to.
pub(crate) fn report_ready(ready: Ready, options: &ServeOptions, address: SocketAddr) -> anyhow::Result<()> {
    let lines = || ready_lines(&ready, options, address);
    let text = if std::io::stdout().is_terminal() { lines() } else { json_line(&Event::Ready(Box::new(ready)))? };
    write(&text).context("cannot write to standard output; keep it open")
}

/// Reports that the server drains. A parent that no longer listens does not matter.
pub(crate) fn report_draining(reason: DrainReason) {
    let text = if std::io::stdout().is_terminal() {
        "Draining; press Ctrl-C again to stop at once\n".to_owned()
    } else {
        json_line(&Event::Draining { reason }).unwrap_or_default()
    };
    let _ = write(&text);
}

/// Reports a failure, unless standard output is a terminal: a person reads it on standard error.
pub(crate) fn report_failure(failure: &Failure) {
    if !std::io::stdout().is_terminal() {
        let event = Event::Failed { code: failure.code, text: format!("{:#}", failure.error) };
        let _ = write(&json_line(&event).unwrap_or_default());
    }
}

fn json_line(event: &Event) -> serde_json::Result<String> {
    serde_json::to_string(event).map(|line| line + "\n")
}

fn write(text: &str) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Two lines for a terminal: where the server listens, and how to connect to it.
fn ready_lines(ready: &Ready, options: &ServeOptions, address: SocketAddr) -> String {
    let workers = if ready.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", ready.workers) };
    let mut run = format!("wssbench run {}", url(options, reachable(address)));
    if options.layer.has_tls() {
        run += &match (&options.ca_out, &ready.ca_pem) {
            (Some(path), _) => format!(" --ca {}", path.display()),
            (None, Some(_)) => " --insecure".to_owned(),
            (None, None) => " --ca FILE".to_owned(),
        };
        if options.tls.mtls {
            run += " --mtls --client-cert FILE --client-key FILE";
        }
    }
    let hint = match (&options.ca_out, &ready.ca_pem) {
        (None, Some(_)) => " (to verify the certificate, start the server with --ca-out FILE)",
        _ => "",
    };
    format!(
        "Listening on {} ({}, {workers}); admin {}\nConnect with: {run}{hint}\n",
        ready.url, ready.engine, ready.admin
    )
}

/// The URL of the server at `address`.
pub(crate) fn url(options: &ServeOptions, address: SocketAddr) -> String {
    format!("{}://{address}{}", options.layer, if options.layer.has_websocket() { &options.path } else { "" })
}

/// The address to connect to: the loopback address for a server that listens on all addresses.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    address
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        options: ServeOptions,
    }

    fn ready(layer: Layer, ca_pem: Option<&str>) -> Ready {
        Ready {
            url: format!("{layer}://127.0.0.1:8443/"),
            admin: "http://127.0.0.1:40123".to_owned(),
            pid: 1,
            engine: EngineKind::Uring,
            layer,
            workers: 2,
            file_limit: Some(20_000),
            ca_pem: ca_pem.map(str::to_owned),
            limits: serde_json::json!({ "max_connections": 7 }),
        }
    }

    fn connect_line(arguments: &[&str], ca_pem: Option<&str>, address: &str) -> String {
        let options = Arguments::parse_from([&["serve"], arguments].concat()).options;
        let text = ready_lines(&ready(options.layer, ca_pem), &options, address.parse().unwrap());
        let (listening, connect) = text.trim_end().split_once('\n').unwrap();
        assert!(listening.ends_with("/ (uring, 2 workers); admin http://127.0.0.1:40123"), "{listening}");
        connect.to_owned()
    }

    #[test]
    fn terminal_shows_a_command_that_connects() {
        let address = "127.0.0.1:8443";
        for (arguments, ca_pem, expected) in [
            (&["--ca-out", "ca.pem"][..], Some("PEM"), "wss://127.0.0.1:8443/ --ca ca.pem"),
            (&["--cert", "c.pem", "--key", "k.pem"], None, "wss://127.0.0.1:8443/ --ca FILE"),
            (&["--layer", "tls", "--ca-out", "ca.pem"], Some("PEM"), "tls://127.0.0.1:8443 --ca ca.pem"),
            (&["--layer", "ws", "--path", "/echo"], None, "ws://127.0.0.1:8443/echo"),
            (&["--layer", "tcp"], None, "tcp://127.0.0.1:8443"),
        ] {
            assert_eq!(connect_line(arguments, ca_pem, address), format!("Connect with: wssbench run {expected}"));
        }
        let insecure = connect_line(&[], Some("PEM"), address);
        assert!(insecure.starts_with("Connect with: wssbench run wss://127.0.0.1:8443/ --insecure ("), "{insecure}");
    }

    #[test]
    fn terminal_shows_loopback_for_the_unspecified_address() {
        let line = connect_line(&["--layer", "tcp"], None, "0.0.0.0:1");
        assert!(line.ends_with("tcp://127.0.0.1:1"), "{line}");
        let line = connect_line(&["--layer", "tcp"], None, "[::]:1");
        assert!(line.ends_with("tcp://[::1]:1"), "{line}");
    }

    #[test]
    fn events_are_tagged_json_lines_that_read_back() {
        let line = json_line(&Event::Ready(Box::new(ready(Layer::Wss, Some("PEM"))))).unwrap();
        assert!(line.starts_with(r#"{"event":"ready","url":"wss://127.0.0.1:8443/","#), "{line}");
        assert!(line.ends_with("}\n") && line.trim_end().lines().count() == 1, "{line}");
        assert!(matches!(serde_json::from_str(&line).unwrap(), Event::Ready(ready) if ready.workers == 2));
        let line = json_line(&Event::Draining { reason: DrainReason::StdinClosed }).unwrap();
        assert_eq!(line, "{\"event\":\"draining\",\"reason\":\"stdin_closed\"}\n");
        let line = json_line(&Event::Failed { code: FailureCode::Listen, text: "in use".to_owned() }).unwrap();
        assert_eq!(line, "{\"event\":\"failed\",\"code\":\"listen\",\"text\":\"in use\"}\n");
    }
}
