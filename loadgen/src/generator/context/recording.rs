//! What the tasks of a thread record: [`Context`] hands each sample to the record of the phase and of the second.

use std::time::{Duration, Instant};

use wss_model::run_result::Ending;

use super::Context;
use crate::generator::breakdown::{Breakdown, SentMessage};
use crate::generator::close::ClosingRecord;
use crate::generator::failure::Failure;
use crate::generator::kernel_clock::Measured;
use crate::generator::record::{EchoRecord, HandshakeRecord, HandshakeSample, TickRecord};
use crate::generator::subscribe_record::{PublishedTimes, SubscribeRecord};

impl Context {
    pub(crate) fn handshake_started(&self, now: Instant) {
        let mut handshakes = self.handshakes.borrow_mut();
        handshakes.started += 1;
        handshakes.last.started = Some(now);
    }

    pub(crate) fn handshake_completed(&self, now: Instant, sample: HandshakeSample) {
        self.tick.borrow_mut().complete(sample.ready);
        let mut handshakes = self.handshakes.borrow_mut();
        handshakes.complete(sample);
        handshakes.last.completed = Some(now);
    }

    pub(crate) fn handshake_failed(&self, failure: Failure) {
        self.tick.borrow_mut().errors += 1;
        self.handshakes.borrow_mut().failures.add(failure);
    }

    /// A message is about to be sent. `lateness` is `None` in a closed loop; `waited`: for the maximum of outstanding
    /// messages.
    pub(crate) fn message_started(&self, now: Instant, lateness: Option<Duration>, waited: bool) {
        let mut echo = self.echo.borrow_mut();
        echo.planned += 1;
        echo.in_flight_waits += u64::from(waited);
        echo.last.started = Some(now);
        if let Some(lateness) = lateness {
            echo.lateness.record(lateness);
        }
    }

    pub(crate) fn message_sent(&self) {
        self.echo.borrow_mut().sent += 1;
    }

    /// The echo of a message was read. `breakdown` is `None` if the engine does not say when it looks for echoes.
    pub(crate) fn echo_received(
        &self,
        now: Instant,
        message: &SentMessage,
        open_loop: bool,
        breakdown: Option<Breakdown>,
    ) {
        let response = now.saturating_duration_since(message.planned);
        let service = open_loop.then(|| now.saturating_duration_since(message.sent));
        let mut echo = self.echo.borrow_mut();
        echo.received += 1;
        echo.responses.receive(response, service, breakdown.as_ref());
        echo.last.completed = Some(now);
        self.tick.borrow_mut().complete(response);
    }

    /// An echo on a connection that the kernel's clock observes.
    pub(crate) fn echo_measured(&self, measured: Measured) {
        if let Some(record) = &mut self.echo.borrow_mut().kernel_clock {
            record.add_service(measured);
        }
    }

    /// The kernel's clock observes a connection that exchanges messages in this phase.
    pub(crate) fn connection_observed(&self) {
        if let Some(record) = &mut self.echo.borrow_mut().kernel_clock {
            record.add_connection();
        }
    }

    pub(crate) fn echo_failed(&self, failure: Failure) {
        self.echoes_failed(failure, 1);
    }

    /// `count` messages failed in the same way.
    pub(crate) fn echoes_failed(&self, failure: Failure, count: u64) {
        self.tick.borrow_mut().errors += count;
        self.echo.borrow_mut().failures.add_many(failure, count);
    }

    /// A pushed message arrived, `gap` after the previous one of its connection. `times`: it is a published one, with times
    /// of this machine or without.
    pub(crate) fn push_received(&self, bytes: usize, gap: Option<Duration>, times: Option<Option<PublishedTimes>>) {
        let mut record = self.subscription.borrow_mut();
        record.received += 1;
        record.received_bytes += bytes as u64;
        if let Some(gap) = gap {
            record.gap.record(gap);
        }
        let mut tick = self.tick.borrow_mut();
        match times {
            Some(Some(times)) => {
                record.published.messages += 1;
                record.published.add(&times);
                tick.complete(times.response);
                return;
            }
            Some(None) => {
                record.published.messages += 1;
                record.published.foreign_clock += 1;
            }
            None => {}
        }
        match gap {
            Some(gap) => tick.complete(gap),
            None => tick.completed += 1,
        }
    }

    /// A subscription failed, or messages of it, in the same way.
    pub(crate) fn push_failed(&self, failure: Failure, count: u64) {
        self.tick.borrow_mut().errors += count;
        self.subscription.borrow_mut().failures.add_many(failure, count);
    }

    pub(crate) fn close_failed(&self, failure: Failure) {
        self.tick.borrow_mut().errors += 1;
        self.closing.borrow_mut().failures.add(failure);
    }

    pub(crate) fn connection_ended(&self, ending: Ending) {
        self.closing.borrow_mut().add_ending(ending);
    }

    /// The record of a phase of handshakes. An empty record replaces it that was made before the first phase: making
    /// one touches 1.5 MB, which would count as CPU time of the handshakes.
    pub(crate) fn take_handshakes(&self) -> HandshakeRecord {
        self.handshakes.replace(self.empty_handshakes.borrow_mut().pop().unwrap_or_default())
    }

    /// The record of a phase of messages; see [`take_handshakes`](Self::take_handshakes).
    pub(crate) fn take_echo(&self) -> EchoRecord {
        self.echo.replace(self.empty_echo.borrow_mut().pop().unwrap_or_default())
    }

    /// The record of a phase of pushed messages, likewise.
    pub(crate) fn take_subscription(&self) -> SubscribeRecord {
        self.subscription.replace(self.empty_subscriptions.borrow_mut().pop().unwrap_or_default())
    }

    /// How connections were closed, with the failures of those that failed between two phases.
    pub(crate) fn take_closing(&self) -> ClosingRecord {
        let mut record = self.closing.take();
        record.failures.merge(self.echo.take().failures);
        let mut subscription = self.subscription.borrow_mut();
        record.failures.merge(std::mem::take(&mut subscription.failures));
        // Of connections that are opened once for the warm-up.
        subscription.skipped = 0;
        (subscription.published.duplicated, subscription.published.reordered) = (0, 0);
        record.compression = self.compression.take();
        record
    }

    /// The record since the last tick. A recycled one replaces it: touching the pages of a new one took 18 ms on a
    /// virtual machine.
    pub(crate) fn take_tick(&self) -> TickRecord {
        self.tick.replace(self.empty_ticks.try_recv().unwrap_or_default())
    }
}
