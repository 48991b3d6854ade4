//! `--cert`: the one option that takes a name or a file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValue, TypedValueParser, ValueParserFactory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::ConfigError;
use super::super::choices::serde_as_text;
use super::names::CertificateKind;
use super::parser::{SIMILAR, most_similar};

/// The certificate of the server: a kind to generate at start, or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum CertificateChoice {
    /// A generated chain of this kind: CA, intermediates and leaf.
    Kind(CertificateKind),
    /// A PEM file, leaf first.
    File(PathBuf),
}

impl FromStr for CertificateChoice {
    type Err = ConfigError;

    /// A known name is a kind. Other text is a file if it contains a dot or a slash, or if the file exists.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if let Ok(kind) = CertificateKind::from_str(text, true) {
            return Ok(Self::Kind(kind));
        }
        let path = PathBuf::from(text);
        if text.contains(['/', '.']) || path.exists() {
            return Ok(Self::File(path));
        }
        let names: Vec<&str> = CertificateKind::ALL.iter().map(|kind| kind.name()).collect();
        let similar = most_similar(text, names.iter().copied(), SIMILAR);
        let similar = similar.map_or_else(String::new, |name| format!(" (did you mean {name}?)"));
        Err(ConfigError::invalid("certificate", text, format!("a file or one of {}{similar}", names.join(", "))))
    }
}

impl fmt::Display for CertificateChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(f),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

serde_as_text!(CertificateChoice);

/// Lists the kinds in the help, although a file is possible too.
#[derive(Debug, Clone)]
pub struct CertificateChoiceParser;

impl TypedValueParser for CertificateChoiceParser {
    type Value = CertificateChoice;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Self::Value, clap::Error> {
        let from_text: fn(&str) -> Result<CertificateChoice, ConfigError> = CertificateChoice::from_str;
        from_text.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(CertificateKind::ALL.iter().map(|kind| PossibleValue::new(kind.name()))))
    }
}

impl ValueParserFactory for CertificateChoice {
    type Parser = CertificateChoiceParser;
    fn value_parser() -> Self::Parser {
        CertificateChoiceParser
    }
}
