//! The server of a run: [`Target`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::HttpVersion;

/// The server under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// URL.
    pub url: String,
    /// Address that it resolved to, or all addresses that connections went to, separated by commas.
    pub address: String,
    /// Whether the server was the embedded one, started by this run.
    pub embedded: bool,
    /// The command with which this run started the server (`--server`); null for the embedded server, and for one that
    /// was not started here.
    #[serde(default)]
    pub command: Option<String>,
    /// The version of HTTP that opened the WebSockets: `1.1` or `2`; null without WebSocket, and in older results.
    #[serde(default)]
    pub http: Option<HttpVersion>,
    /// The URL that was given, if the server redirected from it (`--follow`); `url` is then where the redirections ended,
    /// without the value of its query.
    #[serde(default)]
    pub redirected_from: Option<String>,
}
