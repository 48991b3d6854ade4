//! How to reach the server of a URL: [`RouteOptions`].

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::choices::serde_as_text;
use super::{ConfigError, ProxyAddress};
use crate::named_choice;

named_choice! {
    /// The addresses of a name that connections go to.
    AddressChoice {
        /// The first that accepts a connection, by the rules of RFC 8305 (Happy Eyeballs); all connections use it.
        First = "first",
        /// Each connection uses the next one in turn.
        All = "all",
    }
}

/// The way from the URL to an address.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Target")]
pub struct RouteOptions {
    /// Addresses to use if the name in the URL has several [default: first]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub addresses: Option<AddressChoice>,

    /// Use IPv4 addresses only
    #[arg(short = '4', long)]
    pub ipv4: bool,

    /// Use IPv6 addresses only
    #[arg(short = '6', long)]
    pub ipv6: bool,

    /// Addresses for a host and port, instead of those of DNS: HOST:PORT:ADDRESS, with further ones after commas; repeatable
    #[arg(long, value_name = "ENTRY")]
    pub resolve: Vec<ResolveEntry>,

    /// HOST1:PORT1:HOST2:PORT2: connect to the second host and port instead of the first, but keep the names in the request and
    /// in TLS; an empty HOST1 or PORT1 matches any, an empty HOST2 or PORT2 changes nothing; repeatable
    #[arg(long, value_name = "ENTRY")]
    pub connect_to: Vec<ConnectTo>,

    /// Connect through a proxy: http:// (CONNECT), socks5:// or socks5h:// (which resolves the name), then HOST:PORT; the
    /// variables HTTPS_PROXY, ALL_PROXY and NO_PROXY are ignored
    #[arg(long, value_name = "URL")]
    pub proxy: Option<ProxyAddress>,

    /// File with USER:PASSWORD for the proxy
    #[arg(long, value_name = "FILE")]
    pub proxy_auth_file: Option<PathBuf>,
}

/// `--resolve HOST:PORT:ADDRESS[,ADDRESS]`, as in curl(1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ResolveEntry {
    /// The name; `*` for every one.
    pub host: String,
    /// The port that it applies to.
    pub port: u16,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl ResolveEntry {
    /// Whether it applies to a host and port.
    pub fn applies_to(&self, host: &str, port: u16) -> bool {
        (self.host == "*" || self.host.eq_ignore_ascii_case(host)) && self.port == port
    }
}

impl FromStr for ResolveEntry {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let parsed = (|| {
            let (host, rest) = split_host(text)?;
            let (port, addresses) = rest.split_once(':')?;
            let address = |text: &str| text.trim_start_matches('[').trim_end_matches(']').parse().ok();
            let addresses = addresses.split(',').map(address).collect::<Option<Vec<IpAddr>>>()?;
            Some(Self { host: host.to_owned(), port: port.parse().ok()?, addresses })
        })();
        let expected = "HOST:PORT:ADDRESS, such as example.org:443:127.0.0.1";
        parsed.filter(|entry| !entry.host.is_empty()).ok_or_else(|| ConfigError::invalid("--resolve", text, expected))
    }
}

impl fmt::Display for ResolveEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        write!(f, "{}:{}:{}", bracketed(&self.host), self.port, addresses.join(","))
    }
}

/// `--connect-to HOST:PORT:HOST:PORT`, as in curl(1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ConnectTo {
    /// The host in the URL; empty for every one.
    pub host: String,
    /// The port in the URL; `None` for every one.
    pub port: Option<u16>,
    /// The host to connect to; empty for that of the URL.
    pub to_host: String,
    /// The port to connect to; `None` for that of the URL.
    pub to_port: Option<u16>,
}

impl ConnectTo {
    /// Where to connect for a host and port, if it applies to them.
    pub fn redirect(&self, host: &str, port: u16) -> Option<(String, u16)> {
        let applies = (self.host.is_empty() || self.host.eq_ignore_ascii_case(host))
            && self.port.is_none_or(|expected| expected == port);
        let to_host = if self.to_host.is_empty() { host } else { &self.to_host };
        applies.then(|| (to_host.to_owned(), self.to_port.unwrap_or(port)))
    }
}

impl FromStr for ConnectTo {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let port = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        let parsed = (|| {
            let (host, rest) = split_host(text)?;
            let (from_port, rest) = rest.split_once(':')?;
            let (to_host, to_port) = split_host(rest)?;
            Some(Self {
                host: host.to_owned(),
                port: port(from_port)?,
                to_host: to_host.to_owned(),
                to_port: port(to_port)?,
            })
        })();
        let expected = "HOST:PORT:HOST:PORT, such as example.org:443:127.0.0.1:8443";
        parsed.ok_or_else(|| ConfigError::invalid("--connect-to", text, expected))
    }
}

impl fmt::Display for ConnectTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = |port: Option<u16>| port.map_or_else(String::new, |port| port.to_string());
        let (from, to) = (bracketed(&self.host), bracketed(&self.to_host));
        write!(f, "{from}:{}:{to}:{}", port(self.port), port(self.to_port))
    }
}

serde_as_text!(ResolveEntry);
serde_as_text!(ConnectTo);

/// The host at the start of `text` without brackets, and what follows its colon.
pub(super) fn split_host(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('[') {
        Some(text) => text.split_once("]:"),
        None => text.split_once(':'),
    }
}

pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_curl_reads_them() {
        let entry: ResolveEntry = "example.org:443:127.0.0.1,[::1]".parse().unwrap();
        assert!(entry.applies_to("EXAMPLE.org", 443) && !entry.applies_to("example.org", 80));
        assert_eq!(entry.addresses, ["127.0.0.1".parse::<IpAddr>().unwrap(), "::1".parse().unwrap()]);
        assert_eq!(entry.to_string().parse::<ResolveEntry>().unwrap(), entry);
        assert!("*:443:127.0.0.1".parse::<ResolveEntry>().unwrap().applies_to("any", 443));

        let redirect = |text: &str| text.parse::<ConnectTo>().unwrap().redirect("example.org", 443);
        assert_eq!(redirect("example.org:443:[::1]:8443"), Some(("::1".to_owned(), 8443)));
        assert_eq!(redirect("::127.0.0.1:"), Some(("127.0.0.1".to_owned(), 443)));
        assert_eq!(redirect("other:443:127.0.0.1:1"), None);
        assert_eq!(redirect(":::8443"), Some(("example.org".to_owned(), 8443)));
    }

    #[test]
    fn impossible_entries_are_refused_with_an_example() {
        for text in ["", "a", "a:1", "a:1:b", "a:x:127.0.0.1", ":1:127.0.0.1", "a:70000:127.0.0.1"] {
            let error = text.parse::<ResolveEntry>().unwrap_err().to_string();
            assert!(error.contains("such as example.org:443:127.0.0.1"), "{text}: {error}");
        }
        for text in ["", "a:1:b", "a:x:b:1", "a:1:b:x"] {
            let error = text.parse::<ConnectTo>().unwrap_err().to_string();
            assert!(error.contains("such as example.org:443:127.0.0.1:8443"), "{text}: {error}");
        }
    }
}
