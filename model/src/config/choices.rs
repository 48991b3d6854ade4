//! What an option can be: named choices, and lists of CPUs. Those of TLS are in [`super::tls`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::named_choice;

/// What serde asks of a type that is one piece of text in TOML and in JSON, as it is on the command line.
macro_rules! one_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = ConfigError;
            fn try_from(text: String) -> Result<Self, ConfigError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    };
}

pub(super) use one_text;

named_choice! {
    /// What is measured.
    Mode {
        /// Open `connections` connections, then exchange messages on them.
        Echo = "echo",
        /// Connect, TLS, upgrade, one echo, close, and again, for `duration`.
        Handshake = "handshake",
    }
}

named_choice! {
    /// The stack: the scheme of a URL. What one layer costs is the difference of two of them.
    Layer {
        /// WebSocket over TLS over TCP.
        Wss = "wss",
        /// WebSocket over TCP.
        Ws = "ws",
        /// TLS over TCP; a message is a fixed number of bytes, echoed.
        Tls = "tls",
        /// TCP alone; a message is a fixed number of bytes, echoed.
        Tcp = "tcp",
    }
}

impl Layer {
    /// Whether TLS is part of the stack.
    pub const fn has_tls(self) -> bool {
        matches!(self, Self::Wss | Self::Tls)
    }

    /// Whether WebSocket is part of the stack.
    pub const fn has_websocket(self) -> bool {
        matches!(self, Self::Wss | Self::Ws)
    }

    /// The port of a URL that names none; `tls://` and `tcp://` have no such port.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Wss => Some(443),
            Self::Ws => Some(80),
            Self::Tls | Self::Tcp => None,
        }
    }
}

named_choice! {
    /// Who drives the sockets.
    EngineKind {
        /// io_uring, on a ring of our own.
        Uring = "uring",
        /// io_uring through tokio-uring.
        TokioUring = "tokio-uring",
        /// epoll through tokio.
        Epoll = "epoll",
    }
}

named_choice! {
    /// How the planned instants of an open loop are spread.
    Arrivals {
        /// Evenly, each connection at its own offset.
        Even = "even",
        /// As a Poisson process: exponential gaps, seeded.
        Poisson = "poisson",
    }
}

/// CPUs by number, written `0`, `1-3` or `0,2-3`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CpuList(pub BTreeSet<usize>);

impl FromStr for CpuList {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError(format!("`{text}` is not a list of CPUs such as 0 or 1-3,5"));
        let mut cpus = BTreeSet::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let first: usize = first.trim().parse().map_err(|_| bad())?;
            let last: usize = last.trim().parse().map_err(|_| bad())?;
            // 1,024 is what the kernel's cpu_set_t holds.
            if first > last || last >= 1024 {
                return Err(bad());
            }
            cpus.extend(first..=last);
        }
        Ok(Self(cpus))
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&numbers.join(","))
    }
}

one_text!(CpuList);
