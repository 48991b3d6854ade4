//! Targets: URLs with the scheme `wss://`, `ws://`, `tls://` or `tcp://`.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use url::{Host, Url};
use wss_model::Layer;

/// The server to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The protocol stack.
    pub layer: Layer,
    /// Name or address; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query of the upgrade request; `/` without WebSocket.
    pub path: String,
}

/// Why a URL is not a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL.
    #[error("`{0}` is not a URL ({1}); give one such as wss://127.0.0.1:8443/")]
    NotAUrl(String, String),
    /// Unsupported scheme.
    #[error("the scheme of `{0}` is not supported; use wss://, ws://, tls:// or tcp://")]
    Scheme(String),
    /// A component is missing, or not allowed.
    #[error("`{0}` {1}")]
    Component(String, &'static str),
    /// The name has no address.
    #[error("the name `{host}` does not resolve ({reason}); check it, or give an address")]
    Unresolved {
        /// The name.
        host: String,
        /// The error of the resolver.
        reason: String,
    },
}

impl Target {
    /// Parses a URL.
    ///
    /// # Errors
    /// If the scheme, host or port is missing, or a component has no meaning for the scheme.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let url = Url::parse(text).map_err(|error| TargetError::NotAUrl(text.to_owned(), error.to_string()))?;
        let component = |sentence| TargetError::Component(text.to_owned(), sentence);
        let layer = match url.scheme() {
            "wss" => Layer::Wss,
            "ws" => Layer::Ws,
            "tls" => Layer::Tls,
            "tcp" => Layer::Tcp,
            _ => return Err(TargetError::Scheme(text.to_owned())),
        };
        let host = match url.host().ok_or_else(|| component("has no host; add a name or an address"))? {
            Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        let port = url.port().or(layer.default_port());
        let port = port.ok_or_else(|| component("has no port, and its scheme has no default port; add a port"))?;
        if port == 0 {
            return Err(component("has port 0; give the port that the server listens on"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(component("has a user name or password, which is not supported; remove it"));
        }
        if url.fragment().is_some() {
            return Err(component("has a fragment (#…), which RFC 6455 forbids; remove it"));
        }
        let path = match (url.path(), url.query()) {
            ("", None) => "/".to_owned(),
            (path, None) => path.to_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        };
        if !layer.has_websocket() && path != "/" {
            return Err(component("has a path, which only ws:// and wss:// support; remove it"));
        }
        Ok(Self { layer, host, port, path })
    }

    /// The URL; it parses to an equal target.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.layer, self.authority(true), self.path)
    }

    /// The value of the Host field: with the port only if it is not the default of the scheme.
    pub fn host_field(&self) -> String {
        self.authority(self.layer.default_port() != Some(self.port))
    }

    fn authority(&self, with_port: bool) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if with_port { format!("{host}:{}", self.port) } else { host }
    }

    /// The first address of the host.
    ///
    /// # Errors
    /// If it has none.
    pub fn resolve(&self) -> Result<SocketAddr, TargetError> {
        let unresolved = |reason: String| TargetError::Unresolved { host: self.host.clone(), reason };
        let addresses: io::Result<Vec<SocketAddr>> =
            (self.host.as_str(), self.port).to_socket_addrs().map(Iterator::collect);
        let addresses = addresses.map_err(|error| unresolved(error.to_string()))?;
        addresses.first().copied().ok_or_else(|| unresolved("no address found".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_each_scheme_and_round_trips() {
        for (text, layer, port, path) in [
            ("wss://example.org/chat?room=1", Layer::Wss, 443, "/chat?room=1"),
            ("ws://127.0.0.1:8080/", Layer::Ws, 8080, "/"),
            ("tls://[::1]:8443", Layer::Tls, 8443, "/"),
            ("tcp://localhost:7", Layer::Tcp, 7, "/"),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.layer, target.port, target.path.as_str()), (layer, port, path), "{text}");
            assert_eq!(Target::parse(&target.url()).unwrap(), target);
        }
    }

    #[test]
    fn host_field_omits_the_default_port() {
        assert_eq!(Target::parse("wss://example.org:443/").unwrap().host_field(), "example.org");
        assert_eq!(Target::parse("ws://example.org:443/").unwrap().host_field(), "example.org:443");
        assert_eq!(Target::parse("wss://[::1]:9/").unwrap().host_field(), "[::1]:9");
    }

    #[test]
    fn rejects_invalid_targets() {
        for (text, says) in [
            ("127.0.0.1:80", "is not a URL"),
            ("https://127.0.0.1/", "use wss://, ws://, tls:// or tcp://"),
            ("tls://127.0.0.1", "has no port"),
            ("wss://127.0.0.1:0/", "port 0"),
            ("wss://a:b@127.0.0.1/", "user name"),
            ("wss://127.0.0.1/#x", "fragment"),
            ("tcp://127.0.0.1:1/path", "path"),
            ("wss:///", "is not a URL"),
            ("", "is not a URL"),
        ] {
            let error = Target::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
