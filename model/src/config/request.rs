//! What the upgrade request says beyond what RFC 6455 requires: [`RequestOptions`].

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::HttpVersion;

/// What results have in place of a value that may be secret.
pub const REDACTED: &str = "(redacted)";

/// The upgrade request: its version of HTTP, its fields, and the redirections that it follows.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Request")]
pub struct RequestOptions {
    /// Version of HTTP: 1.1 upgrades (RFC 6455); 2 opens each WebSocket in an HTTP/2 connection of its own, so that each handshake is
    /// complete (RFC 8441)
    #[arg(long, value_enum, value_name = "VERSION", default_value_t = HttpVersion::Http1)]
    pub http: HttpVersion,

    /// Maximum number of redirects to follow; they are resolved once, before any connection is measured
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub follow: u8,

    /// Header field to send, 'Name: value', or @FILE for a file with one per line; repeatable; results do not contain the
    /// values
    #[arg(long, value_name = "FIELD|@FILE")]
    pub header: Vec<String>,

    /// Cookie to send, NAME=VALUE; repeatable; results do not contain the values
    #[arg(long, value_name = "NAME=VALUE")]
    pub cookie: Vec<String>,

    /// File that contains a token to send as `Authorization: Bearer`
    #[arg(long, value_name = "FILE")]
    pub bearer_file: Option<PathBuf>,

    /// Value of the Origin field: scheme and host of a page
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,

    /// Value of the Host field [default: host and port of the URL]
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
}

impl RequestOptions {
    /// The options for a result: without the values of header fields and cookies.
    #[must_use]
    pub fn redacted(&self) -> Self {
        let field = |text: &String| match text.split_once(':') {
            Some((name, _)) if !text.starts_with('@') => format!("{name}: {REDACTED}"),
            _ => text.clone(),
        };
        let cookie = |text: &String| format!("{}={REDACTED}", text.split_once('=').map_or("", |(name, _)| name));
        Self {
            header: self.header.iter().map(field).collect(),
            cookie: self.cookie.iter().map(cookie).collect(),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_contain_no_value() {
        let options = RequestOptions {
            header: vec!["Authorization: Basic c2VjcmV0".to_owned(), "@fields.txt".to_owned()],
            cookie: vec!["session=secret".to_owned()],
            ..RequestOptions::default()
        };
        let redacted = options.redacted();
        assert_eq!(redacted.header, ["Authorization: (redacted)", "@fields.txt"]);
        assert_eq!(redacted.cookie, ["session=(redacted)"]);
    }
}
