//! What held the messages of a phase during their response times.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::latency::Latency;

/// The mean response time of a message in four parts, in nanoseconds; their sum is the mean response time.
///
/// Each instant of a response time belongs to one part. Where delays overlap, a delay of the server comes before one of the
/// generator: a message that the server still holds is not late at the generator.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseBreakdown {
    /// Between the kernel of the client's machine and the server: from when the message was handed to the kernel until the
    /// kernel had its echo.
    pub server_ns: f64,
    /// Earlier messages of the same connection were outstanding (`--in-flight`), or the socket had no room.
    pub connection_ns: f64,
    /// The generator sent it late, or read its echo late.
    pub generator_ns: f64,
    /// Nobody knows: the generator may have read the echo late, by at most this, since it had not looked for it.
    pub unknown_ns: f64,
    /// Response times without the parts `generator` and `unknown`: what they would have been at least.
    pub without_generator: Latency,
}

impl ResponseBreakdown {
    /// The mean response time, in nanoseconds.
    pub fn response_ns(&self) -> f64 {
        self.server_ns + self.connection_ns + self.generator_ns + self.unknown_ns
    }

    /// The share of all response times that the generator caused or may have caused, 0 to 1.
    pub fn generator_share(&self) -> f64 {
        let response = self.response_ns();
        if response > 0.0 { (self.generator_ns + self.unknown_ns) / response } else { 0.0 }
    }
}
