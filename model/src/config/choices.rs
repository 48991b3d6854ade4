//! Values of options: named choices and lists of CPUs. Those of TLS are in [`super::tls`].

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::named_choice;

/// The conversions with which serde reads and writes a type as the text that the command line has for it.
macro_rules! serde_as_text {
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

pub(super) use serde_as_text;

named_choice! {
    /// What a run measures.
    Mode {
        /// Open all connections, then exchange messages on them.
        Echo = "echo",
        /// Connect, TLS, upgrade, one echo, close; repeated for the duration.
        Handshake = "handshake",
        /// Open all connections, then receive the messages that the server pushes.
        Subscribe = "subscribe",
    }
}

named_choice! {
    /// The protocol layers: the scheme of a URL. The cost of one layer is the difference between two of these.
    Layer {
        /// WebSocket over TLS over TCP.
        Wss = "wss",
        /// WebSocket over TCP.
        Ws = "ws",
        /// TLS over TCP; a message is a fixed number of echoed bytes.
        Tls = "tls",
        /// TCP alone; a message is a fixed number of echoed bytes.
        Tcp = "tcp",
    }
}

impl Layer {
    /// Whether TLS is one of the layers.
    pub const fn has_tls(self) -> bool {
        matches!(self, Self::Wss | Self::Tls)
    }

    /// Whether WebSocket is one of the layers.
    pub const fn has_websocket(self) -> bool {
        matches!(self, Self::Wss | Self::Ws)
    }

    /// The port of a URL that names none; `tls://` and `tcp://` have no default.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Wss => Some(443),
            Self::Ws => Some(80),
            Self::Tls | Self::Tcp => None,
        }
    }
}

named_choice! {
    /// The version of HTTP that opens a WebSocket.
    HttpVersion {
        /// An upgrade (RFC 6455).
        Http1 = "1.1",
        /// An extended CONNECT, with one HTTP/2 connection per WebSocket (RFC 8441).
        Http2 = "2",
    }
}

#[allow(clippy::derivable_impls)] // `named_choice!` derives no default
impl Default for HttpVersion {
    fn default() -> Self {
        Self::Http1
    }
}

named_choice! {
    /// The I/O engine.
    EngineKind {
        /// io_uring, with wssbench's own implementation.
        Uring = "uring",
        /// io_uring through tokio-uring.
        TokioUring = "tokio-uring",
        /// epoll through tokio.
        Epoll = "epoll",
    }
}

named_choice! {
    /// The I/O engine as it is requested.
    EngineChoice {
        /// uring if the kernel allows it here, else epoll.
        Auto = "auto",
        /// io_uring, with wssbench's own implementation.
        Uring = "uring",
        /// io_uring through tokio-uring.
        TokioUring = "tokio-uring",
        /// epoll through tokio.
        Epoll = "epoll",
    }
}

impl EngineChoice {
    /// The engine, if one is named.
    pub const fn named(self) -> Option<EngineKind> {
        match self {
            Self::Auto => None,
            Self::Uring => Some(EngineKind::Uring),
            Self::TokioUring => Some(EngineKind::TokioUring),
            Self::Epoll => Some(EngineKind::Epoll),
        }
    }
}

named_choice! {
    /// Distribution of the planned send times of an open loop.
    Arrivals {
        /// At equal intervals, each connection at its own offset.
        Even = "even",
        /// As a Poisson process: exponential intervals from a seeded generator.
        Poisson = "poisson",
    }
}

named_choice! {
    /// What a thread of the generator does while it has nothing to do.
    IdlePolicy {
        /// Poll, so that latencies include no wake-up of a CPU; requires a CPU of its own for each thread.
        Spin = "spin",
        /// Sleep in the kernel; latencies include the wake-up of the CPU.
        Sleep = "sleep",
    }
}

named_choice! {
    /// The end whose CPUs are kept from sleeping.
    KeepAwake {
        /// The CPUs of the server.
        Server = "server",
    }
}

named_choice! {
    /// The connections whose times the kernel records as well.
    KernelClockSample {
        /// Every sixteenth connection of a thread, the first one included.
        Sixteenth = "1/16",
        /// All connections.
        All = "all",
        /// None.
        Off = "off",
    }
}

/// A list of CPU numbers, written `0`, `1-3` or `0,2-3`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CpuList(pub BTreeSet<usize>);

impl FromStr for CpuList {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::invalid("CPU list", text, "numbers and ranges such as 0 or 1-3,5");
        let mut cpus = BTreeSet::new();
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let first: usize = first.trim().parse().map_err(|_| invalid())?;
            let last: usize = last.trim().parse().map_err(|_| invalid())?;
            // The size of the kernel's cpu_set_t (CPU_SET(3)).
            if first > last || last >= 1024 {
                return Err(invalid());
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

serde_as_text!(CpuList);
