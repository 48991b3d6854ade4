//! What is sent, and what counts as a reply: [`MessageOptions`].

use std::fmt;
use std::str::FromStr;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::choices::serde_as_text;
use crate::units::Size;

/// The messages of a run and the replies to them.
#[derive(Debug, Clone, Default, PartialEq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Messages")]
pub struct MessageOptions {
    /// Send this text, or with @FILE the content of a file, instead of random bytes
    #[arg(long, value_name = "TEXT|@FILE")]
    pub message: Option<String>,

    /// Send text frames (WebSocket)
    #[arg(long, overrides_with = "binary")]
    pub text: bool,

    /// Send binary frames, which is the default
    #[arg(long, overrides_with = "text")]
    pub binary: bool,

    /// What a reply must be: echo, any, contains:TEXT, json:PATH=VALUE or length:SIZE [default: echo]
    #[arg(long, value_name = "REPLY")]
    pub expect: Option<Expect>,

    /// Messages from the server to discard after the upgrade: their number, or until:TEXT for all messages up to and including
    /// the first that contains TEXT
    #[arg(long, value_name = "N|until:TEXT")]
    pub skip_messages: Option<SkipMessages>,
}

/// `--expect`: what a reply must be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Expect {
    /// The message itself, in a frame of the same kind.
    #[default]
    Echo,
    /// Anything.
    Any,
    /// It contains this text.
    Contains(String),
    /// It is JSON, and the value at this path is this one.
    Json {
        /// A JSON pointer (RFC 6901).
        pointer: String,
        /// The value as text: JSON, or else a string.
        value: String,
    },
    /// It has this many bytes.
    Length(Size),
}

const EXPECT: &str = "echo, any, contains:TEXT, json:PATH=VALUE or length:SIZE, such as json:status=ok";

impl FromStr for Expect {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::invalid("--expect", text, EXPECT);
        match text.split_once(':') {
            None if text == "echo" => Ok(Self::Echo),
            None if text == "any" => Ok(Self::Any),
            Some(("contains", part)) if !part.is_empty() => Ok(Self::Contains(part.to_owned())),
            Some(("length", size)) => size.parse().map(Self::Length).map_err(|_| invalid()),
            Some(("json", test)) => {
                let (path, value) = test.split_once('=').ok_or_else(invalid)?;
                let pointer = if path.is_empty() || path.starts_with('/') {
                    path.to_owned()
                } else {
                    format!("/{}", path.replace('.', "/"))
                };
                Ok(Self::Json { pointer, value: value.to_owned() })
            }
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Echo => f.write_str("echo"),
            Self::Any => f.write_str("any"),
            Self::Contains(text) => write!(f, "contains:{text}"),
            Self::Json { pointer, value } => write!(f, "json:{pointer}={value}"),
            Self::Length(size) => write!(f, "length:{size}"),
        }
    }
}

/// `--skip-messages`: the messages with which a server greets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum SkipMessages {
    /// This many.
    Count(u64),
    /// All up to the first that contains this text.
    Until(String),
}

impl FromStr for SkipMessages {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match (text.parse(), text.strip_prefix("until:")) {
            (Ok(count), _) => Ok(Self::Count(count)),
            (_, Some(part)) if !part.is_empty() => Ok(Self::Until(part.to_owned())),
            _ => Err(ConfigError::invalid("--skip-messages", text, "a number, or until:TEXT")),
        }
    }
}

impl fmt::Display for SkipMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Until(text) => write!(f, "until:{text}"),
        }
    }
}

serde_as_text!(Expect);
serde_as_text!(SkipMessages);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_read_and_written_again() {
        for text in ["echo", "any", "contains:a:b=c", "json:/a/0=1", "length:64B"] {
            assert_eq!(text.parse::<Expect>().unwrap().to_string(), text);
        }
        let json = "json:data.status=ok".parse::<Expect>().unwrap();
        assert_eq!(json, Expect::Json { pointer: "/data/status".to_owned(), value: "ok".to_owned() });
        for text in ["3", "until:ready"] {
            assert_eq!(text.parse::<SkipMessages>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused_with_the_forms() {
        for text in ["", "Echo", "contains", "contains:", "json:a", "length:x", "matches:a"] {
            assert!(text.parse::<Expect>().unwrap_err().to_string().contains("json:PATH=VALUE"), "{text}");
        }
        for text in ["", "until", "until:", "-1"] {
            assert!(text.parse::<SkipMessages>().unwrap_err().to_string().contains("until:TEXT"), "{text}");
        }
    }
}
