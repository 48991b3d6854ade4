//! The time slices of concurrent runs on the same CPUs: [`TimeSlice`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::choices::serde_as_text;
use crate::units::{HumanDuration, UnitError};

/// The slices of one of several concurrent runs, written `2/4:20ms`: the second of four runs, each of which may send for
/// 20 ms before it waits for the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct TimeSlice {
    /// The number of this run, from 1.
    pub number: u32,
    /// The number of runs.
    pub runs: u32,
    /// The length of a slice.
    pub length: HumanDuration,
}

/// A shorter slice would end before the messages in flight are echoed.
const SHORTEST: Duration = Duration::from_millis(1);

/// Parses the length of a slice: [`TimeSlice::length`].
///
/// # Errors
/// If the text is not a duration, or is below 1 ms.
pub fn time_slice_length(text: &str) -> Result<HumanDuration, ConfigError> {
    let invalid = || ConfigError::invalid("length of a time slice", text, "at least 1ms, such as 20ms");
    let length: HumanDuration = text.parse().map_err(|_: UnitError| invalid())?;
    if length.0 >= SHORTEST { Ok(length) } else { Err(invalid()) }
}

impl FromStr for TimeSlice {
    type Err = ConfigError;
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::invalid("time slice", text, "a form such as 2/4:20ms");
        let (number, rest) = text.split_once('/').ok_or_else(invalid)?;
        let (runs, length) = rest.split_once(':').ok_or_else(invalid)?;
        let count = |text: &str| text.parse().map_err(|_| invalid());
        let slice = Self { number: count(number)?, runs: count(runs)?, length: time_slice_length(length)? };
        if (1..=slice.runs).contains(&slice.number) { Ok(slice) } else { Err(invalid()) }
    }
}

impl fmt::Display for TimeSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.number, self.runs, self.length)
    }
}

serde_as_text!(TimeSlice);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_through_text_and_rejects_other_text() {
        let slice = TimeSlice { number: 2, runs: 4, length: HumanDuration(Duration::from_millis(20)) };
        assert_eq!(slice.to_string(), "2/4:20ms");
        assert_eq!("2/4:20ms".parse(), Ok(slice));
        for text in ["", "2/4", "0/4:20ms", "5/4:20ms", "1/0:20ms", "x/4:20ms", "2/4:0ms", "2/4:900us"] {
            assert!(text.parse::<TimeSlice>().is_err(), "{text:?} was accepted");
        }
    }
}
