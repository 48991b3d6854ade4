//! A proxy between the generator and the server: [`ProxyAddress`].

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::choices::serde_as_text;
use super::route::{bracketed, split_host};

/// The protocol of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP CONNECT.
    Http,
    /// SOCKS5, with the address of the server.
    Socks5,
    /// SOCKS5, with the name of the server.
    Socks5h,
}

impl ProxyKind {
    const ALL: [(&str, Self); 3] =
        [("http://", Self::Http), ("socks5://", Self::Socks5), ("socks5h://", Self::Socks5h)];

    /// Whether the proxy resolves the name of the server.
    pub fn resolves_names(self) -> bool {
        self != Self::Socks5
    }
}

/// `--proxy http://HOST:PORT`, `socks5://HOST:PORT` or `socks5h://HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ProxyAddress {
    /// The protocol.
    pub kind: ProxyKind,
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for ProxyAddress {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if text.contains('@') {
            // Not quoted: it has a password.
            let expected = "a URL without a user name and password; give them with --proxy-auth-file";
            return Err(ConfigError::invalid("--proxy", "…@…", expected));
        }
        let parsed = || {
            let (kind, rest) = ProxyKind::ALL
                .iter()
                .find_map(|(scheme, kind)| Some((*kind, text.strip_prefix(scheme)?.trim_end_matches('/'))))?;
            let (host, port) = split_host(rest)?;
            let port = port.parse().ok().filter(|port| *port > 0)?;
            (!host.is_empty()).then(|| Self { kind, host: host.to_owned(), port })
        };
        let expected = "http://HOST:PORT, socks5://HOST:PORT or socks5h://HOST:PORT";
        parsed().ok_or_else(|| ConfigError::invalid("--proxy", text, expected))
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = ProxyKind::ALL.iter().find(|(_, kind)| *kind == self.kind).map_or("", |(scheme, _)| scheme);
        write!(f, "{scheme}{}:{}", bracketed(&self.host), self.port)
    }
}

serde_as_text!(ProxyAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_urls_without_secrets() {
        for (text, kind, host) in [
            ("http://127.0.0.1:3128", ProxyKind::Http, "127.0.0.1"),
            ("socks5://[::1]:1080", ProxyKind::Socks5, "::1"),
            ("socks5h://proxy.example:1080", ProxyKind::Socks5h, "proxy.example"),
        ] {
            let proxy: ProxyAddress = text.parse().unwrap();
            assert_eq!((proxy.kind, proxy.host.as_str(), proxy.to_string().as_str()), (kind, host, text));
        }
        for text in ["", "proxy:1", "http://proxy", "http://:1", "http://proxy:0", "https://proxy:1", "ftp://proxy:1"] {
            let error = text.parse::<ProxyAddress>().unwrap_err().to_string();
            assert!(error.contains("http://HOST:PORT"), "{text}: {error}");
        }
        let error = "http://user:secret@proxy:1".parse::<ProxyAddress>().unwrap_err().to_string();
        assert!(error.contains("--proxy-auth-file") && !error.contains("secret"), "{error}");
    }
}
