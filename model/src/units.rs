//! Units as types: `10s`, `16KiB` and `20k/s` mean the same on the command line, in TOML and in JSON.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text could not be parsed, in one sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

/// A duration in the format of humantime, `10s`, `250ms` or `1m 30s`, or a number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    /// Whole seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for HumanDuration {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let seconds = text.trim().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        if let Some(duration) = seconds {
            return Ok(Self(duration));
        }
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|error| UnitError(format!("invalid duration `{text}` ({error}); expected e.g. 10s or 250ms")))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

/// A number of bytes, written as `64`, `64B`, `16KiB` or `1MB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// The size as a buffer length, saturated at `usize::MAX`.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        text.parse::<bytesize::ByteSize>()
            .map(|size| Self(size.as_u64()))
            .map_err(|_| UnitError(format!("invalid size `{text}`; expected e.g. 64, 16KiB or 1MiB")))
    }
}

impl fmt::Display for Size {
    /// Exact: the text parses back to the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 >= 1 << shift && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// A rate: a number per second (open loop), or as fast as responses arrive (`max`, closed loop).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// Open loop: this many per second, above 0 and finite.
    PerSecond(f64),
    /// Closed loop: the next one starts when an earlier one completes.
    Max,
}

impl FromStr for Rate {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bad = || UnitError(format!("invalid rate `{text}`; expected e.g. 500/s, 20k/s or max"));
        let (number, unit) = text.trim().split_once('/').unwrap_or((text.trim(), "s"));
        if number == "max" {
            return Ok(Self::Max);
        }
        let seconds = match unit {
            "s" => 1.0,
            "min" | "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(bad()),
        };
        let (digits, factor) = with_factor(number);
        let rate = digits.parse::<f64>().map_err(|_| bad())? * factor / seconds;
        if !rate.is_finite() {
            return Err(bad());
        }
        if rate <= 0.0 {
            return Err(UnitError(format!(
                "a rate of {text} would never send anything; use a rate above 0, or max for a closed loop"
            )));
        }
        Ok(Self::PerSecond(rate))
    }
}

/// A number with `k` or `M` as its digits and a factor.
fn with_factor(number: &str) -> (&str, f64) {
    match number.as_bytes().last() {
        Some(b'k' | b'K') => (&number[..number.len() - 1], 1e3),
        Some(b'M') => (&number[..number.len() - 1], 1e6),
        _ => (number, 1.0),
    }
}

/// A whole number, such as `500`, `2k` or `1.5M`.
///
/// # Errors
/// If it is not one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked
pub fn count(text: &str) -> Result<usize, UnitError> {
    if let Ok(count) = text.parse() {
        return Ok(count);
    }
    let (digits, factor) = with_factor(text);
    match digits.parse::<f64>().map(|number| number * factor) {
        Ok(count) if factor > 1.0 && (0.0..1e15).contains(&count) && count.fract() == 0.0 => Ok(count as usize),
        _ => Err(UnitError(format!("invalid number `{text}`; expected e.g. 500, 2k or 1M"))),
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond(rate) => write!(f, "{rate}/s"),
            Self::Max => f.write_str("max"),
        }
    }
}

/// A percentage, written `30%` or `30`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percent(f64);

impl Percent {
    /// The value in percent, 0 to 100.
    pub fn percent(self) -> f64 {
        self.0
    }

    /// The value as a fraction, 0 to 1.
    pub fn share(self) -> f64 {
        self.0 / 100.0
    }
}

impl FromStr for Percent {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.trim().strip_suffix('%').unwrap_or(text.trim());
        match number.trim_end().parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self(percent)),
            _ => Err(UnitError(format!("invalid percentage `{text}`; expected 0% to 100%"))),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A number of errors that is tolerated, written as `5`, or as a share such as `0.1%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxErrors {
    /// This many.
    Count(u64),
    /// This share of all operations.
    Share(Percent),
}

impl MaxErrors {
    /// The number that is tolerated among this many operations.
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)] // far below 2^52
    pub fn among(self, operations: u64) -> u64 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => (operations as f64 * share.share()).floor() as u64,
        }
    }
}

impl FromStr for MaxErrors {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        if text.trim().ends_with('%') {
            return text.parse().map(Self::Share);
        }
        let count = text.trim().parse().map(Self::Count);
        count.map_err(|_| UnitError(format!("invalid number of errors `{text}`; expected e.g. 5 or 0.1%")))
    }
}

impl fmt::Display for MaxErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

/// Parses a unit from a string, or from a bare number as in `size = 64`.
fn from_text_or_number<'de, D: Deserializer<'de>, T: FromStr<Err = UnitError>>(deserializer: D) -> Result<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Text(String),
        Whole(u64),
        Fraction(f64),
    }
    let text = match Written::deserialize(deserializer)? {
        Written::Text(text) => text,
        Written::Whole(number) => number.to_string(),
        Written::Fraction(number) => number.to_string(),
    };
    text.parse().map_err(serde::de::Error::custom)
}

macro_rules! written_as_text {
    ($($name:ident: $example:literal),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text_or_number(deserializer)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "examples": [$example] })
            }
        }
    )*};
}

written_as_text!(HumanDuration: "10s", Size: "16KiB", Rate: "20000/s", Percent: "30%", MaxErrors: "0.1%");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parses_counts_with_suffixes() {
        for (text, number) in [("500", 500), ("2k", 2000), ("1.5M", 1_500_000), ("0", 0)] {
            assert_eq!(count(text).unwrap(), number, "{text}");
        }
        for text in ["", "k", "1.5", "-1", "1e3k3", "1.0001k", "two"] {
            assert!(count(text).unwrap_err().to_string().contains("2k"), "{text}");
        }
    }

    #[test]
    fn bare_numbers_are_seconds_and_rates_may_be_slow() {
        assert_eq!("10".parse::<HumanDuration>().unwrap(), HumanDuration::from_secs(10));
        assert_eq!("0.25".parse::<HumanDuration>().unwrap().to_string(), "250ms");
        assert!("-1".parse::<HumanDuration>().is_err() && "inf".parse::<HumanDuration>().is_err());
        assert_eq!("30/min".parse::<Rate>().unwrap(), Rate::PerSecond(0.5));
        assert_eq!("36k/h".parse::<Rate>().unwrap(), Rate::PerSecond(10.0));
        assert!("1/day".parse::<Rate>().is_err());
    }

    #[test]
    fn parses_rates_with_suffixes() {
        assert_eq!("20k/s".parse(), Ok(Rate::PerSecond(20_000.0)));
        assert_eq!("1.5M".parse(), Ok(Rate::PerSecond(1_500_000.0)));
        assert_eq!("500/s".parse(), Ok(Rate::PerSecond(500.0)));
        assert_eq!("max".parse(), Ok(Rate::Max));
    }

    #[test]
    fn rejects_a_rate_that_never_sends() {
        for text in ["0", "0/s", "-5"] {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains("would never send") && error.contains("max"), "{error}");
        }
        for text in ["", "fast", "1e999", "NaN", "k"] {
            assert!(text.parse::<Rate>().is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn accepts_percentages_from_0_to_100() {
        assert_eq!("30%".parse::<Percent>().unwrap().share(), 0.3);
        assert_eq!("100".parse::<Percent>().unwrap().to_string(), "100%");
        for text in ["", "%", "-1%", "100.1%", "NaN", "half"] {
            assert!(text.parse::<Percent>().is_err(), "{text:?} was accepted");
        }
    }

    proptest! {
        #[test]
        fn a_printed_size_parses_to_the_same_number(bytes in 0..=(1u64 << 40)) {
            prop_assert_eq!(Size(bytes).to_string().parse(), Ok(Size(bytes)));
        }

        #[test]
        fn a_printed_rate_parses_to_the_same_number(rate in 0.001f64..1e9) {
            prop_assert_eq!(Rate::PerSecond(rate).to_string().parse(), Ok(Rate::PerSecond(rate)));
        }
    }
}
