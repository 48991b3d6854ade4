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

    /// Which message a reply belongs to: order for the oldest one, or json:PATH for the one whose id is at this path. Each
    /// {id} in --message becomes a number of nine digits, unique within the connection; {{id}} stands for the text {id}
    /// [default: order]
    #[arg(long, value_name = "order|json:PATH", hide_short_help = true)]
    pub correlate: Option<Correlate>,

    /// Ignore and count messages of the server that are JSON without an id: the notifications of JSON-RPC (--correlate)
    #[arg(long, hide_short_help = true)]
    pub ignore_unsolicited: bool,

    /// Ignore and count further replies to a message that was already answered: the `complete` of GraphQL (--correlate)
    #[arg(long, hide_short_help = true)]
    pub ignore_repeated: bool,
}

impl MessageOptions {
    /// The JSON pointer (RFC 6901) to the id of a reply; `None` if replies come in the order of the messages.
    pub fn id_pointer(&self) -> Option<&str> {
        match &self.correlate {
            None | Some(Correlate::Order) => None,
            Some(Correlate::Json { pointer }) => Some(pointer),
        }
    }
}

/// `--correlate`: which message a reply belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Correlate {
    /// The oldest one without a reply.
    #[default]
    Order,
    /// The one whose id is at this path of the reply.
    Json {
        /// A JSON pointer (RFC 6901).
        pointer: String,
    },
}

impl FromStr for Correlate {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.split_once(':') {
            None if text == "order" => Ok(Self::Order),
            Some(("json", path)) if !path.is_empty() => Ok(Self::Json { pointer: json_pointer(path) }),
            _ => Err(ConfigError::invalid("--correlate", text, "order, or json:PATH such as json:id")),
        }
    }
}

impl fmt::Display for Correlate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order => f.write_str("order"),
            Self::Json { pointer } => write!(f, "json:{pointer}"),
        }
    }
}

/// A path with dots as a JSON pointer (RFC 6901), which starts with a slash or is empty.
fn json_pointer(path: &str) -> String {
    if path.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("/{}", path.replace('.', "/")) }
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
                Ok(Self::Json { pointer: json_pointer(path), value: value.to_owned() })
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
serde_as_text!(Correlate);

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
        for text in ["order", "json:/id", "json:/params/0/id"] {
            assert_eq!(text.parse::<Correlate>().unwrap().to_string(), text);
        }
        assert_eq!("json:a.id".parse::<Correlate>().unwrap(), Correlate::Json { pointer: "/a/id".to_owned() });
    }

    #[test]
    fn other_texts_are_refused_with_the_forms() {
        for text in ["", "Echo", "contains", "contains:", "json:a", "length:x", "matches:a"] {
            assert!(text.parse::<Expect>().unwrap_err().to_string().contains("json:PATH=VALUE"), "{text}");
        }
        for text in ["", "until", "until:", "-1"] {
            assert!(text.parse::<SkipMessages>().unwrap_err().to_string().contains("until:TEXT"), "{text}");
        }
        for text in ["", "json", "json:", "id", "Order"] {
            assert!(text.parse::<Correlate>().unwrap_err().to_string().contains("json:PATH"), "{text}");
        }
    }
}
