//! The stack that a URL names: `wss://`, `ws://`, `tls://` or `tcp://`, a host, a port, a path.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use url::{Host, Url};
use wss_model::Layer;

/// Where a load goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The stack.
    pub layer: Layer,
    /// Name or address; IPv6 without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path and query of the upgrade request; `/` below WebSocket.
    pub path: String,
}

/// Why a URL is no target: one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No URL at all.
    #[error("`{0}` is not a URL such as wss://127.0.0.1:8443/ ({1})")]
    NotAUrl(String, String),
    /// A scheme that names no stack of ours.
    #[error("the scheme of `{0}` names no layer: use wss://, ws://, tls:// or tcp://")]
    Scheme(String),
    /// Something is missing or too much.
    #[error("`{0}` {1}")]
    Component(String, &'static str),
    /// The name has no address.
    #[error("the name `{host}` does not resolve ({reason}): check it, or give an address")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
}

impl Target {
    /// Reads a URL.
    ///
    /// # Errors
    /// If it names no stack, host or port, or something that none of the layers carries.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let url = Url::parse(text).map_err(|error| TargetError::NotAUrl(text.to_owned(), error.to_string()))?;
        let part = |sentence| TargetError::Component(text.to_owned(), sentence);
        let layer = match url.scheme() {
            "wss" => Layer::Wss,
            "ws" => Layer::Ws,
            "tls" => Layer::Tls,
            "tcp" => Layer::Tcp,
            _ => return Err(TargetError::Scheme(text.to_owned())),
        };
        let host = match url.host().ok_or_else(|| part("names no host"))? {
            Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        let port = url.port().or(layer.default_port());
        let port = port.ok_or_else(|| part("names no port, and its scheme has none of its own"))?;
        if port == 0 {
            return Err(part("has port 0, where nothing listens"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(part("has a user name or password, which no layer here sends"));
        }
        if url.fragment().is_some() {
            return Err(part("has a fragment (#…), which RFC 6455 forbids"));
        }
        let path = match (url.path(), url.query()) {
            ("", None) => "/".to_owned(),
            (path, None) => path.to_owned(),
            (path, Some(query)) => format!("{path}?{query}"),
        };
        if !layer.has_websocket() && path != "/" {
            return Err(part("has a path, which only ws:// and wss:// know"));
        }
        Ok(Self { layer, host, port, path })
    }

    /// The URL, in the form that reads back as the same target.
    pub fn url(&self) -> String {
        format!("{}://{}{}", self.layer, self.authority(true), self.path)
    }

    /// What the Host field of the upgrade request says: the port only if it is not the scheme's own.
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
        addresses.first().copied().ok_or_else(|| unresolved("it has no address".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_names_its_stack_and_reads_back() {
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
    fn the_host_field_leaves_out_the_port_of_the_scheme() {
        assert_eq!(Target::parse("wss://example.org:443/").unwrap().host_field(), "example.org");
        assert_eq!(Target::parse("ws://example.org:443/").unwrap().host_field(), "example.org:443");
        assert_eq!(Target::parse("wss://[::1]:9/").unwrap().host_field(), "[::1]:9");
    }

    #[test]
    fn what_is_no_target_is_refused_in_a_sentence() {
        for (text, says) in [
            ("127.0.0.1:80", "is not a URL"),
            ("https://127.0.0.1/", "use wss://, ws://, tls:// or tcp://"),
            ("tls://127.0.0.1", "names no port"),
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
