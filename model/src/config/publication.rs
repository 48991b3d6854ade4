//! What the embedded server publishes in `--mode subscribe`.

use super::{ConfigError, Mode, RunConfig};
use crate::units::Rate;

/// Bytes of a message that wssbench publishes: a header at least, and at most what a worker can hold for each subscriber.
pub const PUBLISH_SIZES: std::ops::RangeInclusive<u64> = 64..=16 << 20;

impl RunConfig {
    /// The rate at which the embedded server publishes on each connection, per second; `None` if it does not.
    #[allow(clippy::cast_precision_loss)] // connections stay far below 2^52
    pub fn publish_rate(&self) -> Option<f64> {
        match self.rate {
            Rate::PerSecond(rate) if self.mode == Mode::Subscribe && self.is_embedded() => {
                Some(rate / self.connections.max(1) as f64)
            }
            _ => None,
        }
    }

    /// Checks the rate, the size and the timeout of what is published.
    pub(super) fn check_publication(&self) -> Result<(), ConfigError> {
        if self.mode == Mode::Subscribe && self.is_embedded() && !PUBLISH_SIZES.contains(&self.size.0) {
            let range = "64B to 16MiB with --mode subscribe: a published message has a header of 64 bytes";
            return Err(ConfigError::out_of_range("size", self.size, range));
        }
        if self.mode == Mode::Subscribe && self.is_embedded() && self.rate == Rate::Max {
            let range = "a rate such as 10k/s with --mode subscribe, in which the server sets the pace";
            return Err(ConfigError::out_of_range("rate", self.rate, range));
        }
        if let Some(rate) = self.publish_rate()
            && self.limits.push_timeout.0.as_secs_f64() * rate <= 1.0
        {
            let range = "longer than the interval between two messages of a connection (--connections / --rate)";
            return Err(ConfigError::out_of_range("push-timeout", self.limits.push_timeout, range));
        }
        Ok(())
    }
}
