//! The way through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6) and SOCKS5 (RFC 1928, with RFC 1929 for passwords).
//!
//! A tunnel is opened on a connection to the proxy; afterwards the stream is one to the server. Both protocols let the
//! client speak first, so nothing of the server arrives before the tunnel is used.

mod http;
mod socks5;

use std::net::SocketAddr;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use wss_model::ErrorKind;
use wss_model::config::ProxyKind;

use crate::upgrade::Rejection;

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where a tunnel ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TunnelEnd {
    /// The proxy resolves the name.
    Name(String, u16),
    /// An address.
    Address(SocketAddr),
}

impl std::fmt::Display for TunnelEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// A tunnel to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// The protocol of the proxy.
    pub kind: ProxyKind,
    /// Where it ends.
    pub end: TunnelEnd,
    /// What the proxy may ask for.
    pub credentials: Option<Credentials>,
}

/// Why a tunnel could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// The proxy answered with another status than 2xx. The rest of the body is not read yet.
    #[error("the proxy refused a tunnel to {end}: {}; {}", .rejection.summary(), http::cure(.rejection.status))]
    Status {
        /// Where the tunnel was to end.
        end: TunnelEnd,
        /// The response.
        rejection: Box<Rejection>,
    },
    /// The answer is not of the protocol.
    #[error("the proxy does not speak {protocol} ({why}); check the scheme and port of --proxy")]
    Malformed {
        /// The protocol.
        protocol: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The proxy refused by the rules of SOCKS5.
    #[error("the SOCKS5 proxy refused a tunnel to {end}: {why}; {cure}")]
    Refused {
        /// Where the tunnel was to end.
        end: TunnelEnd,
        /// Its reason.
        why: String,
        /// What to do.
        cure: &'static str,
    },
    /// The proxy ended the connection.
    #[error("the proxy closed the connection before the tunnel to {0} was open; check its log")]
    Closed(TunnelEnd),
    /// The connection to the proxy failed.
    #[error("the connection to the proxy failed: {0}; check its log")]
    Io(std::io::Error),
}

impl TunnelError {
    /// The kind to count the error as.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Status { .. } | Self::Refused { .. } => ErrorKind::ProxyRefused,
            Self::Malformed { .. } => ErrorKind::Malformed,
            Self::Closed(_) => ErrorKind::Eof,
            Self::Io(error) if error.kind() == std::io::ErrorKind::ConnectionReset => ErrorKind::Reset,
            Self::Io(_) => ErrorKind::Io,
        }
    }
}

impl Tunnel {
    /// Opens the tunnel on a connection to the proxy. `max_head_size` limits the response of an HTTP proxy, in bytes.
    ///
    /// # Errors
    /// If the proxy refuses, or does not speak the protocol.
    pub async fn open<S>(&self, stream: &mut S, max_head_size: usize) -> Result<(), TunnelError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.kind {
            ProxyKind::Http => http::open(self, stream, max_head_size).await,
            ProxyKind::Socks5 | ProxyKind::Socks5h => socks5::open(self, stream).await,
        }
    }
}

#[cfg(test)]
mod tests;
