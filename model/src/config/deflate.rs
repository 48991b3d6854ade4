//! Compression of messages: [`DeflateOptions`], the same for both ends.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// Windows that both ends can have. RFC 7692 allows 8 bits as well, but zlib cannot compress with them.
const WINDOW_BITS: std::ops::RangeInclusive<u8> = 9..=15;
const LEVELS: std::ops::RangeInclusive<u8> = 1..=9;

/// permessage-deflate (RFC 7692).
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Compression")]
pub struct DeflateOptions {
    /// Compress messages with permessage-deflate (RFC 7692): a client offers and requires it, a server accepts offers
    #[arg(long)]
    pub deflate: bool,

    /// Maximum compression window of each end, 2^BITS bytes, from 9 to 15 [default: 15]
    #[arg(long, value_name = "BITS", hide_short_help = true)]
    pub deflate_window_bits: Option<u8>,

    /// Compress each message on its own: less memory between messages, larger messages
    #[arg(long, hide_short_help = true)]
    pub deflate_no_context_takeover: bool,

    /// Compression level, from 1 (fastest) to 9 (smallest) [default: 6]
    #[arg(long, value_name = "LEVEL", hide_short_help = true)]
    pub deflate_level: Option<u8>,
}

impl DeflateOptions {
    /// The maximum window, 2^n bytes.
    pub fn window_bits(&self) -> u8 {
        self.deflate_window_bits.unwrap_or(*WINDOW_BITS.end())
    }

    /// The compression level.
    pub fn level(&self) -> u8 {
        self.deflate_level.unwrap_or(6)
    }

    /// Bytes that one end of a connection keeps between messages: what zlib allocates with its default of memory (zconf.h).
    pub fn bytes_per_end(&self) -> u64 {
        if !self.deflate || self.deflate_no_context_takeover {
            return 0;
        }
        let window = 1 << self.window_bits();
        let (compressor, inflater) = (4 * window + (128 << 10), window + (7 << 10));
        compressor + inflater
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// The first error, with what to do.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !WINDOW_BITS.contains(&self.window_bits()) {
            return Err(ConfigError::out_of_range("deflate-window-bits", self.window_bits(), "a number from 9 to 15"));
        }
        if !LEVELS.contains(&self.level()) {
            return Err(ConfigError::out_of_range("deflate-level", self.level(), "a number from 1 to 9"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_levels_have_ranges() {
        for (bits, level, option) in [
            (Some(8), None, Some("--deflate-window-bits")),
            (Some(9), Some(1), None),
            (Some(15), Some(9), None),
            (Some(16), None, Some("--deflate-window-bits")),
            (None, Some(0), Some("--deflate-level")),
            (None, Some(10), Some("--deflate-level")),
        ] {
            let options =
                DeflateOptions { deflate_window_bits: bits, deflate_level: level, ..DeflateOptions::default() };
            match (options.check(), option) {
                (Ok(()), None) => {}
                (Err(error), Some(option)) => assert!(error.to_string().starts_with(option), "{error}"),
                other => panic!("{bits:?} {level:?}: {other:?}"),
            }
        }
    }
}
