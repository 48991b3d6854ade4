//! Names on the command line: whichever way they are written, and the nearest if none is meant.

use std::ffi::OsStr;
use std::marker::PhantomData;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error, ValueEnum};

/// The name that is most like `text`, if one is like it at all.
pub(super) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let likeness = |name: &str| strsim::jaro_winkler(&text, &name.to_lowercase());
    let like = names.map(|name| (likeness(name), name)).filter(|(likeness, _)| *likeness > 0.7);
    like.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}

/// As clap's own parser of an enum, but that the nearest is looked for among all names: a cipher suite has a long one
/// that is listed, and short ones that people type.
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
        let nearest = nearest(&text, possible.iter().flat_map(PossibleValue::get_name_and_aliases));
        let mut error = Error::new(ErrorKind::InvalidValue).with_cmd(command);
        if let Some(argument) = argument {
            error.insert(ContextKind::InvalidArg, ContextValue::String(argument.to_string()));
        }
        error.insert(ContextKind::InvalidValue, ContextValue::String(text.clone().into_owned()));
        error.insert(ContextKind::ValidValue, ContextValue::Strings(listed));
        if let Some(nearest) = nearest {
            error.insert(ContextKind::SuggestedValue, ContextValue::String(nearest.to_owned()));
        }
        Err(error)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(T::value_variants().iter().filter_map(T::to_possible_value)))
    }
}
