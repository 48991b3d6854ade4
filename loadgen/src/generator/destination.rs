//! Where the generator connects to, and with which TLS: the same for all connections of a run.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use wss_model::TlsOptions;
use wss_model::config::HttpVersion;
use wss_wire::target::Target;
use wss_wire::tunnel::Tunnel;
use wss_wire::upgrade::{ClientUpgrade, DeflatePolicy, RunNonce};

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
    pub(crate) http: HttpVersion,
    /// The run that upgrade requests name, if the statistics of the server are read.
    pub(crate) run: Option<RunNonce>,
    /// Bytes.
    pub(crate) max_head_size: usize,
}

impl Destination {
    /// The request of a connection, with the compression that it offers.
    pub(crate) fn upgrade_request(&self, key: [u8; 16], deflate: Option<DeflatePolicy>) -> ClientUpgrade {
        ClientUpgrade {
            host: self.host.clone(),
            path: self.target.path.clone(),
            subprotocol: self.subprotocol.clone(),
            deflate,
            fields: Arc::clone(&self.fields),
            run: self.run,
            key,
            max_head_size: self.max_head_size,
        }
    }
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
