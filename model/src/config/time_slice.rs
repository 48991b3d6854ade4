//! One of several runs at the same time, on the same CPUs, that take turns: [`TimeSlice`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::choices::one_text;
use crate::units::{HumanDuration, UnitError};

/// Which of the runs this is, how many there are, and how long each may send before it waits for the others: `2/4:20ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TimeSlice {
    /// From 1.
    pub number: u32,
    /// Runs in all.
    pub runs: u32,
    /// How long a turn lasts.
    pub length: HumanDuration,
}

/// Shorter turns would be over before what is under way has come back.
const SHORTEST: Duration = Duration::from_millis(1);

/// How long a turn lasts: [`TimeSlice::length`].
///
/// # Errors
/// If it is no length of time, or too short.
pub fn time_slice_length(text: &str) -> Result<HumanDuration, ConfigError> {
    let length: HumanDuration = text.parse().map_err(|error: UnitError| ConfigError(error.to_string()))?;
    if length.0 >= SHORTEST {
        return Ok(length);
    }
    Err(ConfigError(format!("a turn of {length} is too short: give at least {}", HumanDuration(SHORTEST))))
}

impl FromStr for TimeSlice {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError(format!("`{text}` is no turn such as 2/4:20ms"));
        let (number, rest) = text.split_once('/').ok_or_else(bad)?;
        let (runs, length) = rest.split_once(':').ok_or_else(bad)?;
        let count = |text: &str| text.parse().map_err(|_| bad());
        let turn = Self { number: count(number)?, runs: count(runs)?, length: time_slice_length(length)? };
        if (1..=turn.runs).contains(&turn.number) { Ok(turn) } else { Err(bad()) }
    }
}

impl fmt::Display for TimeSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.number, self.runs, self.length)
    }
}

one_text!(TimeSlice);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_turn_prints_reads_back_and_what_is_none_is_refused() {
        let turn = TimeSlice { number: 2, runs: 4, length: HumanDuration(Duration::from_millis(20)) };
        assert_eq!(turn.to_string(), "2/4:20ms");
        assert_eq!("2/4:20ms".parse(), Ok(turn));
        for text in ["", "2/4", "0/4:20ms", "5/4:20ms", "1/0:20ms", "x/4:20ms", "2/4:20", "2/4:0ms", "2/4:900us"] {
            assert!(text.parse::<TimeSlice>().is_err(), "{text:?} was taken");
        }
    }
}
