//! An open connection of `--mode subscribe`: one task that sends the subscription, if there is one, and then receives what
//! the server pushes until it is ordered to close.
//!
//! It receives during the whole life of the connection, and records what arrives within a phase. Receiving is polled before
//! sending, in the same task, as in [`connection`](super::connection).

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use memchr::memmem;
use tokio::sync::mpsc;
use wss_model::config::SkipMessages;
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::look::{self, Look};
use wss_wire::engine::{Engine, KernelTimes};
use wss_wire::publication::Publication;

use super::breakdown::{self, Arrival, SentMessage};
use super::channel::{Channel, ChannelEvent, MessageKind, Receiver, Sender, Socket, Stream, closed_failure};
use super::close::{self, Closing};
use super::context::Context;
use super::failure::Failure;
use super::plan::{Order, SubscribeOrder};
use super::stream_numbers::{Jump, Noted, StreamNumbers};
use super::subscribe_record::PublishedTimes;
use super::upkeep::{Ping, answering_pings, close_connection, first_end, sleep_unless_stopped};

const PHASE: ErrorPhase = ErrorPhase::Echo;
/// Messages after which the task yields, so that a server that never pauses does not stop the other connections.
const MESSAGES_PER_TURN: u64 = 16;
/// How precisely the publisher's times are converted. A message whose sending time is later than its arrival by more than this is rejected.
const PRECISION: Duration = Duration::from_micros(100);

/// What the two halves share.
#[derive(Default)]
struct State {
    ping: Ping,
    /// The deadline for closing, once the connection is ordered to close.
    close_deadline: Cell<Option<Instant>>,
    /// If the kernel's clock observes the connection.
    kernel: Option<Rc<KernelTimes>>,
    /// The phase in which messages count.
    window: Cell<Option<(Instant, Instant)>>,
    /// Messages in it.
    received: Cell<u64>,
    /// The last arrival in it.
    arrival: Cell<Option<Instant>>,
    /// Since when a message is awaited, within a phase.
    waiting_since: Cell<Option<Instant>>,
    /// Messages to skip have not all arrived.
    skipping: Cell<bool>,
    skipped: Cell<u64>,
    numbers: RefCell<StreamNumbers>,
    /// Between two messages, says the publisher.
    interval_ns: Cell<Option<u64>>,
}

/// Runs the connection until it is ordered to close or fails. A failure is recorded.
pub(crate) async fn run<E: Engine>(
    channel: Channel<E::Stream>,
    context: Rc<Context>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let Channel { sender, receiver, stream, kernel, .. } = channel;
    let state = State { kernel, ..State::default() };
    state.skipping.set(context.exchange.skip.as_ref().is_some_and(|skip| *skip != SkipMessages::Count(0)));
    let mut current = false;
    let ended = {
        let receiving = pin!(receive_all(receiver, &state, &context));
        let sending = pin!(execute_orders::<E>(sender, &state, &context, &mut orders, &mut current, &stream));
        first_end(receiving, sending, pin!(push_timeout::<E>(&state, &context))).await
    };
    context.connection_closed();
    match (ended, state.close_deadline.get()) {
        // Close is the last order, so no other remains.
        (closed, Some(deadline)) => {
            let closing = Closing { websocket: true, server_closes: false, deadline };
            close::finish::<E>(&context, closed, closing, stream).await;
            context.order_done();
        }
        // Receiving ends without a failure only while the connection closes.
        (ended, None) => {
            if let Err(failure) = ended {
                context.push_failed(failure, 1);
            }
            if current {
                state.end_phase(&context);
                context.order_done();
            }
            while orders.recv().await.is_some() {
                context.order_done();
            }
        }
    }
}

/// Executes orders. Returns only if sending fails, or if the server does not close in time.
async fn execute_orders<E: Engine>(
    mut sender: Sender<E::Stream>,
    state: &State,
    context: &Context,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    current: &mut bool,
    stream: &Stream<E::Stream>,
) -> Failure {
    let mut subscribed = !context.sends_subscription;
    loop {
        let order = match answering_pings(&mut sender, &state.ping, orders.recv()).await {
            Err(failure) => return failure,
            Ok(Some(Order::Subscribe(order))) => order,
            // The commands of a run are all of its mode.
            Ok(Some(Order::Echo(_))) => {
                context.order_done();
                continue;
            }
            Ok(Some(Order::Close) | None) => {
                return close_connection::<E>(&mut sender, &state.close_deadline, context, stream).await;
            }
        };
        *current = true;
        state.begin_phase(&order);
        let received = async {
            answering_pings(&mut sender, &state.ping, E::sleep_until(order.start)).await?;
            if !std::mem::replace(&mut subscribed, true) {
                subscribe(&mut sender, context).await?;
            }
            answering_pings(&mut sender, &state.ping, sleep_unless_stopped::<E>(order.end, context)).await
        };
        if let Err(failure) = received.await {
            return failure;
        }
        state.end_phase(context);
        *current = false;
        context.order_done();
    }
}

/// Sends the message that asks for the stream.
async fn subscribe<S: Socket>(sender: &mut Sender<S>, context: &Context) -> Result<(), Failure> {
    let mut scratch = context.take_scratch();
    let sent = sender.send(&context.exchange.payloads, 0, &mut scratch).await;
    context.return_scratch(scratch);
    sent.map_err(|error| error.failure(PHASE))
}

/// Receives until the connection ends.
async fn receive_all<S: Socket>(mut receiver: Receiver<S>, state: &State, context: &Context) -> Result<(), Failure> {
    let mut events = 0;
    loop {
        match receiver.receive(PHASE).await? {
            // The server may push until it has read the Close frame.
            ChannelEvent::Message(..) if state.close_deadline.get().is_some() => {}
            ChannelEvent::Message(message, kind) => state.receive(&message, kind, context)?,
            ChannelEvent::Ping(payload) => *state.ping.borrow_mut() = Some(payload),
            ChannelEvent::Closed(_) if state.close_deadline.get().is_some() => return Ok(()),
            ChannelEvent::Closed(close) => return Err(closed_failure(PHASE, close)),
        }
        events += 1;
        if events % MESSAGES_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Returns when no message has come for too long within a phase.
async fn push_timeout<E: Engine>(state: &State, context: &Context) -> Failure {
    let timeout = context.limits.push_timeout;
    loop {
        let (since, now) = (state.waiting_since.get(), Instant::now());
        match since {
            Some(since) if now >= since + timeout.0 => {
                let text = format!("no message arrived within {timeout} (--push-timeout)");
                return Failure::new(PHASE, ErrorKind::Timeout, text);
            }
            // Checks again when a message may be overdue: one timer per connection, not one per message.
            since => E::sleep_until(since.unwrap_or(now) + timeout.0).await,
        }
    }
}

impl State {
    fn begin_phase(&self, order: &SubscribeOrder) {
        self.window.set(Some((order.start, order.end)));
        self.received.set(0);
        self.arrival.set(None);
        self.waiting_since.set(Some(order.start));
    }

    /// Adds what is known only at the end of the phase.
    fn end_phase(&self, context: &Context) {
        self.window.set(None);
        self.waiting_since.set(None);
        let missing = self.numbers.borrow_mut().take_missing();
        {
            let mut record = context.subscription.borrow_mut();
            record.connections += 1;
            record.silent += u64::from(self.received.get() == 0);
            record.published.lost += missing;
            if let Some(interval_ns) = self.interval_ns.get() {
                record.published.requested_per_s += 1e9 / interval_ns as f64;
            }
        }
        if missing > 0 {
            let text = "published messages did not arrive: their numbers are missing";
            context.push_failed(Failure::new(PHASE, ErrorKind::Lost, text), missing);
        }
    }

    /// Checks a message, and records it if it arrived within the phase.
    fn receive(&self, message: &[u8], kind: MessageKind, context: &Context) -> Result<(), Failure> {
        let now = Instant::now();
        let publication = self.note_publication(message, context)?;
        if self.waiting_since.get().is_some() {
            self.waiting_since.set(Some(now));
        }
        if self.skips(message, context) {
            context.subscription.borrow_mut().skipped += 1;
            return Ok(());
        }
        context.exchange.check(PHASE, 0, message, kind)?;
        let in_window = self.window.get().is_some_and(|(start, end)| now >= start && now < end);
        if !in_window {
            return Ok(());
        }
        let look = self.look(now);
        let arrival = look.map_or(now, |look| look.ended);
        let times = publication.map(|publication| times_of(&publication, now, look, context)).transpose()?;
        self.received.set(self.received.get() + 1);
        let gap = self.arrival.replace(Some(arrival)).map(|previous| arrival.saturating_duration_since(previous));
        context.push_received(message.len(), gap, times);
        Ok(())
    }

    /// Whether a message is one of those that `--skip-messages` discards.
    fn skips(&self, message: &[u8], context: &Context) -> bool {
        if !self.skipping.get() {
            return false;
        }
        self.skipped.set(self.skipped.get() + 1);
        self.skipping.set(match &context.exchange.skip {
            None => false,
            Some(SkipMessages::Count(count)) => self.skipped.get() < *count,
            Some(SkipMessages::Until(text)) => memmem::find(message, text.as_bytes()).is_none(),
        });
        true
    }

    /// Reads the header of a published message, and counts what its number says.
    fn note_publication(&self, message: &[u8], context: &Context) -> Result<Option<Publication>, Failure> {
        let mut numbers = self.numbers.borrow_mut();
        let Some(publication) = Publication::read(message) else {
            if numbers.has_begun() {
                let text = "the server sent a message without the header of those that it published before";
                return Err(Failure::new(PHASE, ErrorKind::Mismatch, text));
            }
            return Ok(None);
        };
        if publication.interval_ns == 0 || publication.sent_ns < publication.planned_ns {
            let text = "the header of a published message contradicts itself; check that the server is wssbench";
            return Err(Failure::new(PHASE, ErrorKind::Mismatch, text));
        }
        self.interval_ns.set(Some(publication.interval_ns));
        match numbers.note(publication.number) {
            Ok(Noted::New) => {}
            Ok(Noted::Duplicated) => {
                context.subscription.borrow_mut().published.duplicated += 1;
                let text = format!("the published message {} arrived more than once", publication.number);
                context.push_failed(Failure::new(PHASE, ErrorKind::Duplicated, text), 1);
            }
            Ok(Noted::Reordered) => {
                context.subscription.borrow_mut().published.reordered += 1;
                let text = format!("the published message {} arrived after later ones", publication.number);
                context.push_failed(Failure::new(PHASE, ErrorKind::Reordered, text), 1);
            }
            Err(Jump(left_out)) => {
                let text = format!("the number of a published message skips {left_out} others");
                return Err(Failure::new(PHASE, ErrorKind::Mismatch, text));
            }
        }
        Ok(Some(publication))
    }

    /// The look that found what was read just now. The kernel knows more precisely by when it had all of that.
    fn look(&self, now: Instant) -> Option<Look> {
        let look = look::of_latest_read(now)?;
        let found = look.ended.min(now);
        let ended = self.kernel.as_ref().and_then(|times| times.received()).map_or(found, |kernel| kernel.min(found));
        Some(Look { ended, unseen: look.unseen.saturating_sub(found - ended), ..look })
    }
}

/// The latencies of a published message; `None` if its times are of another machine.
///
/// # Errors
/// If it was sent after it was read.
fn times_of(
    publication: &Publication,
    now: Instant,
    look: Option<Look>,
    context: &Context,
) -> Result<Option<PublishedTimes>, Failure> {
    let Some(clock) = context.clock.as_ref().filter(|clock| clock.name() == publication.clock) else { return Ok(None) };
    let instants = (clock.instant(publication.planned_ns), clock.instant(publication.sent_ns));
    let (Some(planned), Some(sent)) = instants else { return Err(impossible()) };
    if sent > now + PRECISION {
        return Err(impossible());
    }
    let (planned, sent) = (planned.min(now), sent.min(now));
    let message = SentMessage::published(planned, sent);
    let breakdown = look.map(|look| {
        let arrival = Arrival { submitted: None, kernel: None, look: Some(look), read: now };
        breakdown::of_reply(&message, &arrival, None)
    });
    Ok(Some(PublishedTimes { response: now - planned, service: now - sent, lateness: sent - planned, breakdown }))
}

fn impossible() -> Failure {
    let text = "a published message says that it was sent after it was read; check that the server is wssbench";
    Failure::new(PHASE, ErrorKind::Mismatch, text)
}
