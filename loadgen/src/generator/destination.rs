//! Where the generator connects to, and with which TLS: the same for all connections of a run.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use wss_model::TlsOptions;
use wss_wire::target::Target;
use wss_wire::tunnel::Tunnel;
use wss_wire::upgrade::RunNonce;

/// The server and how to reach it.
#[derive(Clone)]
pub(crate) struct Destination {
    pub(crate) target: Target,
    /// Connections go to each of them in turn; at least one.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The way from there, if the addresses are those of a proxy.
    pub(crate) tunnel: Option<Tunnel>,
    pub(crate) tls: Option<TlsDestination>,
    /// The value of the Host field.
    pub(crate) host: String,
    /// Further fields of the upgrade request, each with its CRLF.
    pub(crate) fields: Arc<str>,
    pub(crate) subprotocol: Option<String>,
    /// The run that upgrade requests name, if the statistics of the server are read.
    pub(crate) run: Option<RunNonce>,
    /// Bytes.
    pub(crate) max_head_size: usize,
}

/// How to connect with TLS.
#[derive(Clone)]
pub(crate) struct TlsDestination {
    pub(crate) config: ClientConfig,
    pub(crate) name: ServerName<'static>,
    pub(crate) options: TlsOptions,
    /// Sessions per thread: enough for every handshake that is to resume one.
    pub(crate) sessions: usize,
    /// Whether reads and writes of the socket are timed.
    pub(crate) timed: bool,
}
