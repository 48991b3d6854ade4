//! `--connect-rate` from one phase to the next: a server that limits the rate of new connections does not know where one
//! phase ends and the next begins.
//!
//! Within a phase the schedule keeps the rate. Each phase has a schedule of its own, whose first connection is due at its
//! start, so that a phase must not start before the rate allows it.

use std::time::{Duration, Instant};

use wss_model::Rate;

/// When the next connection is due, whatever phase it belongs to.
#[derive(Debug, Default)]
pub(super) struct ConnectRate {
    /// Between two connections; `None` in a closed loop.
    gap: Option<Duration>,
    /// The start of the last connection.
    last: Option<Instant>,
}

impl ConnectRate {
    /// `contacted`: when setup last connected to the server, if it did.
    pub(super) fn new(rate: Rate, contacted: Option<Instant>) -> Self {
        let gap = match rate {
            Rate::PerSecond(rate) => Duration::try_from_secs_f64(1.0 / rate).ok(),
            Rate::Max => None,
        };
        Self { gap, last: contacted }
    }

    /// The last connection of a phase started at `last`; `None` if the phase started no connection.
    pub(super) fn started(&mut self, last: Option<Instant>) {
        self.last = self.last.max(last);
    }

    /// The time until the next connection may start; zero if it may now.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let due = self.last.zip(self.gap).and_then(|(last, gap)| last.checked_add(gap));
        due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_phase_waits_for_the_rate() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let mut rate = ConnectRate::new(Rate::PerSecond(4.0), None);
        assert_eq!(rate.wait(start), ms(0));
        rate.started(Some(start));
        rate.started(None);
        assert_eq!(
            (rate.wait(start), rate.wait(start + ms(200)), rate.wait(start + ms(300))),
            (ms(250), ms(50), ms(0))
        );
        assert_eq!(ConnectRate::new(Rate::PerSecond(4.0), Some(start)).wait(start), ms(250));
        assert_eq!(ConnectRate::new(Rate::Max, Some(start)).wait(start), ms(0));
    }
}
