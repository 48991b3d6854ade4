//! Response times and who held the messages: [`ResponseRecord`], of echoes and of published messages.

use std::time::Duration;

use wss_model::LatencyHistogram;

use super::breakdown::Breakdown;

/// The response times of one phase.
#[derive(Debug, Default)]
pub(crate) struct ResponseRecord {
    pub(crate) response: LatencyHistogram,
    /// Of an open loop; in a closed loop they are the response times.
    service: LatencyHistogram,
    /// The parts of all response times, with an engine that says when it looks for messages.
    pub(crate) breakdown: Option<Breakdown>,
    /// Response times without the parts that the generator caused or may have caused.
    pub(crate) without_generator: LatencyHistogram,
}

impl ResponseRecord {
    /// A message was read. `service` is `None` in a closed loop.
    pub(crate) fn receive(&mut self, response: Duration, service: Option<Duration>, breakdown: Option<&Breakdown>) {
        self.response.record(response);
        if let Some(service) = service {
            self.service.record(service);
        }
        if let Some(breakdown) = breakdown {
            self.without_generator.record(response.saturating_sub(breakdown.own()));
            self.breakdown.get_or_insert_default().add(breakdown);
        }
    }

    /// Service times: from when a message was sent to when it was read.
    pub(crate) fn service(&self) -> &LatencyHistogram {
        if self.service.count() == 0 { &self.response } else { &self.service }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        if let Some(breakdown) = &other.breakdown {
            self.breakdown.get_or_insert_default().add(breakdown);
        }
        self.without_generator.merge(&other.without_generator);
    }
}
