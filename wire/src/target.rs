//! Targets: URLs with the scheme `wss://`, `ws://`, `tls://` or `tcp://`.

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, ToSocketAddrs};

use url::{Host, Url};
use wss_model::Layer;

/// The server to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The protocol stack.
    pub layer: Layer,
    /// Name or address; IPv6 without brackets and zone.
    pub host: String,
    /// Zone of a link-local IPv6 address (RFC 6874): the name or the number of a network interface.
    pub zone: Option<String>,
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
        let (without_zone, zone) = split_zone(text);
        let url =
            Url::parse(&without_zone).map_err(|error| TargetError::NotAUrl(text.to_owned(), error.to_string()))?;
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
            return Err(component(
                "has a user name or password, which a WebSocket URL cannot have; send them with --header @FILE, as \
                 Authorization",
            ));
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
        Ok(Self { layer, host, zone, port, path })
    }

    /// The URL; it parses to an equal target.
    pub fn url(&self) -> String {
        let zone = self.zone.as_ref().map_or_else(String::new, |zone| format!("%25{zone}"));
        format!("{}://{}{}", self.layer, self.authority(&zone, true), self.path)
    }

    /// The value of the Host field: with the port only if it is not the default of the scheme.
    pub fn host_field(&self) -> String {
        // A zone means nothing to the server (RFC 6874 section 3).
        self.authority("", self.layer.default_port() != Some(self.port))
    }

    fn authority(&self, zone: &str, with_port: bool) -> String {
        let host = if self.host.contains(':') { format!("[{}{zone}]", self.host) } else { self.host.clone() };
        if with_port { format!("{host}:{}", self.port) } else { host }
    }

    /// The addresses of the host, in the order of the resolver (RFC 6724).
    ///
    /// # Errors
    /// If it has none.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>, TargetError> {
        let Some(zone) = &self.zone else { return resolve(&self.host, self.port) };
        let unresolved = |reason: String| TargetError::Unresolved { host: self.host.clone(), reason };
        let address: Ipv6Addr = self.host.parse().map_err(|_| unresolved("it is not an IPv6 address".to_owned()))?;
        let scope = interface_index(zone).ok_or_else(|| unresolved(format!("no network interface {zone}")))?;
        Ok(vec![SocketAddrV6::new(address, self.port, 0, scope).into()])
    }
}

/// The addresses of a name or an address, each once, in the order of the resolver (RFC 6724).
///
/// # Errors
/// If it has none.
pub fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, TargetError> {
    let unresolved = |reason: String| TargetError::Unresolved { host: host.to_owned(), reason };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, port).to_socket_addrs().map_err(|error| unresolved(error.to_string()))? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(unresolved("no address found".to_owned())) } else { Ok(addresses) }
}

/// A URL without the zone of its IPv6 address, for which the URL standard has no syntax, and the zone: `eth0` of
/// `[fe80::1%25eth0]` (RFC 6874) and of `[fe80::1%eth0]`.
fn split_zone(text: &str) -> (String, Option<String>) {
    let find = || {
        let start = text.find("://[")? + 4;
        let end = start + text[start..].find(']')?;
        let percent = start + text[start..end].find('%')?;
        let zone = &text[percent + 1..end];
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
        (!zone.is_empty()).then(|| (format!("{}{}", &text[..percent], &text[end..]), Some(zone.to_owned())))
    };
    find().unwrap_or_else(|| (text.to_owned(), None))
}

/// The number of a network interface, which may be given as such.
fn interface_index(zone: &str) -> Option<u32> {
    let read = || fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok()?.trim().parse().ok();
    zone.parse().ok().or_else(|| if zone.contains('/') { None } else { read() })
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
    fn zone_is_part_of_the_address_and_not_of_the_host_field() {
        for text in ["wss://[fe80::1%25lo]:9/", "wss://[fe80::1%lo]:9/", "wss://[fe80::1%251]:9/"] {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.host_field(), "[fe80::1]:9");
            assert_eq!(Target::parse(&target.url()).unwrap(), target);
            assert_eq!(target.addresses().unwrap()[0].to_string(), "[fe80::1%1]:9");
        }
        let error = Target::parse("wss://[fe80::1%25no-such]/").unwrap().addresses().unwrap_err().to_string();
        assert!(error.contains("no network interface no-such"), "{error}");
    }

    #[test]
    fn rejects_invalid_targets() {
        for (text, says) in [
            ("127.0.0.1:80", "is not a URL"),
            ("https://127.0.0.1/", "use wss://, ws://, tls:// or tcp://"),
            ("tls://127.0.0.1", "has no port"),
            ("wss://127.0.0.1:0/", "port 0"),
            ("wss://a:b@127.0.0.1/", "--header @FILE"),
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
