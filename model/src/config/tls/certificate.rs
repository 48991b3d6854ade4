//! `--cert`: the one option that is a name or a file.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PossibleValue, TypedValueParser, ValueParserFactory};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::ConfigError;
use super::super::choices::one_text;
use super::names::CertificateKind;
use super::parser::nearest;

/// The certificate of the server: a kind that is made at start, or a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum CertificateChoice {
    /// A CA, what is between, and a leaf, all of this kind.
    Kind(CertificateKind),
    /// PEM, leaf first.
    File(PathBuf),
}

impl FromStr for CertificateChoice {
    type Err = ConfigError;

    /// A name of a kind is one; what has a dot or a slash, or is there, is a file.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        if let Ok(kind) = CertificateKind::from_str(text, true) {
            return Ok(Self::Kind(kind));
        }
        let path = PathBuf::from(text);
        if text.contains(['/', '.']) || path.exists() {
            return Ok(Self::File(path));
        }
        let names: Vec<&str> = CertificateKind::ALL.iter().map(|kind| kind.name()).collect();
        let nearest = nearest(text, names.iter().copied());
        let nearest = nearest.map_or_else(String::new, |name| format!("; `{name}` is the nearest"));
        Err(ConfigError(format!(
            "`{text}` is no kind of certificate ({}){nearest}, and there is no such file",
            names.join(", ")
        )))
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

one_text!(CertificateChoice);

/// Lets the command line list the kinds, although a file is possible too.
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
