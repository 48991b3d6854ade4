//! Names on the command line: parsed in any of their forms, with a suggestion for an unknown one.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error, ValueEnum};

/// How similar a suggestion must be to what was typed.
pub(super) const SIMILAR: f64 = 0.7;

/// The name most similar to `text` whose similarity (Jaro–Winkler, 0 to 1, ignoring case) exceeds `threshold`.
pub fn most_similar<'a>(text: &str, names: impl Iterator<Item = &'a str>, threshold: f64) -> Option<&'a str> {
    let text = text.to_lowercase();
    let similarity = |name: &str| strsim::jaro_winkler(&text, &name.to_lowercase());
    let similar = names.map(|name| (similarity(name), name)).filter(|(similarity, _)| *similarity > threshold);
    similar.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

/// Like the parser that clap derives for an enum, but it also suggests aliases: a cipher suite has a long name that is
/// listed and short ones that people type.
#[derive(Debug, Clone)]
pub(super) struct NamesParser<T>(PhantomData<T>);

impl<T> NamesParser<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: ValueEnum + Clone + Send + Sync + 'static> TypedValueParser for NamesParser<T> {
    type Value = T;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, Error> {
        let text = value.to_string_lossy();
        if let Ok(known) = T::from_str(&text, true) {
            return Ok(known);
        }
        let possible: Vec<PossibleValue> = T::value_variants().iter().filter_map(T::to_possible_value).collect();
        let listed = possible.iter().map(|value| value.get_name().to_owned()).collect();
        let names = possible.iter().flat_map(PossibleValue::get_name_and_aliases);
        let similar = most_similar(&text, names, SIMILAR);
        let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
        if let Some(argument) = argument {
            error.insert(ContextKind::InvalidArg, ContextValue::String(argument.to_string()));
        }
        error.insert(ContextKind::InvalidValue, ContextValue::String(text.clone().into_owned()));
        error.insert(ContextKind::ValidValue, ContextValue::Strings(listed));
        if let Some(similar) = similar {
            error.insert(ContextKind::SuggestedValue, ContextValue::String(similar.to_owned()));
        }
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(T::value_variants().iter().filter_map(T::to_possible_value)))
    }
}
