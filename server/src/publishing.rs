//! Publishing (`--publish`): a subscriber sends one message, and receives numbered messages with times at a fixed rate until
//! it closes.
//!
//! It is an open loop. The instants of the messages are planned from the subscription on, and none is left out: a message
//! whose subscriber does not read, or whose server is late, is sent late, with the instant for which it was planned. Nothing
//! is queued for a subscriber, because each message is made when it can be sent.
//!
//! One future receives and one sends, in the same task. The receiving half is polled first; the sending half sees in the
//! same poll what it has left, so neither has to wake the other.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use fastwebsockets::{OpCode, Payload};
use wss_model::server_stats::PhaseOutcome;
use wss_wire::engine::{Engine, Sleep, TimedOut, before, within};
use wss_wire::publication::{HEADER_SIZE, MonotonicClock, Publication};
use wss_wire::websocket::{Message, SharedStream, WebSocketError};

use crate::connection::{IDLE_CLOSE_TIMEOUT, Stream, WebSocketReader, WebSocketWriter, finish, send_going_away};
use crate::context::WorkerContext;
use crate::outcome;

/// Messages after which a half yields, so that a peer that never pauses does not stop the other connections of the thread.
const MESSAGES_PER_TURN: u64 = 16;
/// Buffers that a worker keeps for later messages.
const MAX_BUFFERS: usize = 64;
/// Bytes in them, beyond one buffer.
const MAX_KEPT: usize = 4 << 20;
/// The golden ratio: its multiples divide an interval most evenly, however many there are.
const GOLDEN_RATIO: f64 = 0.618_033_988_749_894_9;

/// What is published.
#[derive(Debug, Clone)]
pub(crate) struct PublishSettings {
    /// Messages per second on each connection.
    pub(crate) rate: f64,
    /// Bytes per message.
    pub(crate) size: usize,
    /// Without waiting for a message of the subscriber.
    pub(crate) at_once: bool,
    pub(crate) clock: MonotonicClock,
}

/// What the subscribers of one worker share.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    subscribers: Cell<u64>,
    buffers: RefCell<Vec<Vec<u8>>>,
}

impl Publisher {
    /// The part of an interval by which the next subscriber's instants are shifted: subscribers that come together get their
    /// messages one after the other.
    #[allow(clippy::cast_precision_loss)] // connections stay far below 2^52
    fn next_shift(&self) -> f64 {
        let number = self.subscribers.replace(self.subscribers.get() + 1);
        (number as f64 * GOLDEN_RATIO).fract()
    }

    /// A buffer with room for a header and the rest of a message.
    fn take_buffer(&self, size: usize) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_else(|| filler(size))
    }

    fn return_buffer(&self, buffer: Vec<u8>) {
        let mut kept = self.buffers.borrow_mut();
        if kept.len() < MAX_BUFFERS && kept.len() * buffer.len() < MAX_KEPT {
            kept.push(buffer);
        }
    }
}

/// Bytes without a pattern that is worth compressing (xorshift).
fn filler(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut buffer = Vec::with_capacity(size + size_of::<u64>());
    while buffer.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        buffer.extend_from_slice(&state.to_le_bytes());
    }
    buffer.truncate(size);
    buffer
}

/// When the messages of a connection are due.
struct Plan {
    start: Instant,
    rate: f64,
    next: u64,
}

impl Plan {
    #[allow(clippy::cast_precision_loss)] // numbers stay far below 2^52
    fn due(&self, number: u64) -> Instant {
        // Longer than a century does not happen.
        let offset = Duration::try_from_secs_f64(number as f64 / self.rate).unwrap_or(Duration::MAX);
        self.start.checked_add(offset).unwrap_or_else(|| self.start + Duration::from_hours(876_000))
    }

    /// Messages that are due by `now` and not sent.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
    fn overdue(&self, now: Instant) -> u64 {
        let Some(elapsed) = now.checked_duration_since(self.start) else { return 0 };
        ((elapsed.as_secs_f64() * self.rate).floor() as u64).saturating_add(1).saturating_sub(self.next)
    }
}

/// How receiving ended: with a Close frame, or an error.
type ReceivingEnd = Result<Option<(u16, String)>, WebSocketError>;

/// What the two halves share.
#[derive(Default)]
struct State {
    /// The subscriber's first message has arrived.
    subscribed: Cell<bool>,
    /// The last ping that is not yet answered.
    ping: RefCell<Option<Payload<'static>>>,
    end: RefCell<Option<ReceivingEnd>>,
}

/// Publishes until the subscriber closes.
pub(crate) async fn publish<E: Engine>(
    settings: &PublishSettings,
    stream: &SharedStream<Stream<E>>,
    reader: &mut WebSocketReader<E>,
    writer: &mut WebSocketWriter<E>,
    context: &Rc<WorkerContext>,
) -> PhaseOutcome {
    let state = State::default();
    state.subscribed.set(settings.at_once);
    let ended = {
        let mut receiving = pin!(receive_all::<E>(reader, &state, context));
        let mut sending = pin!(send_all::<E>(settings, writer, &state, context));
        poll_fn(|cx| {
            // Not polled again once it has ended.
            if state.end.borrow().is_none()
                && let Poll::Ready(end) = receiving.as_mut().poll(cx)
            {
                *state.end.borrow_mut() = Some(end);
            }
            sending.as_mut().poll(cx)
        })
        .await
    };
    match ended {
        SendingEnd::Outcome(outcome) => outcome,
        SendingEnd::Received => {
            let Some(end) = state.end.take() else { return PhaseOutcome::Closed };
            if end.is_ok() {
                // Corked, so that the Close reply, close_notify and FIN share a segment.
                stream.with(|stream| stream.get_ref().with_tcp(E::cork));
            }
            finish::<E>(end, writer, context).await
        }
    }
}

/// Receives the subscription, pings, and the end.
async fn receive_all<E: Engine>(
    reader: &mut WebSocketReader<E>,
    state: &State,
    context: &WorkerContext,
) -> ReceivingEnd {
    let mut received = 0;
    loop {
        match reader.next().await? {
            Message::Text(_) | Message::Binary(_) => {
                if state.subscribed.replace(true) {
                    context.counters.discarded();
                }
            }
            Message::Ping(payload) => *state.ping.borrow_mut() = Some(payload),
            Message::Pong(_) => {}
            Message::Close(close) => return Ok(close),
        }
        received += 1;
        if received % MESSAGES_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Why sending ended.
enum SendingEnd {
    /// Receiving has ended.
    Received,
    Outcome(PhaseOutcome),
}

/// What ends a wait of the sending half.
enum Wake {
    Due,
    Subscribed,
    Ping,
    Received,
    Draining,
}

/// Waits for what is next; `subscribed`: it already is.
async fn wake(state: &State, subscribed: bool, mut draining: Pin<&mut impl Future<Output = ()>>, sleep: Sleep) -> Wake {
    let mut sleep = pin!(sleep);
    poll_fn(|cx| {
        if state.end.borrow().is_some() {
            Poll::Ready(Wake::Received)
        } else if draining.as_mut().poll(cx).is_ready() {
            Poll::Ready(Wake::Draining)
        } else if state.ping.borrow().is_some() {
            Poll::Ready(Wake::Ping)
        } else if state.subscribed.get() != subscribed {
            Poll::Ready(Wake::Subscribed)
        } else {
            sleep.as_mut().poll(cx).map(|()| Wake::Due)
        }
    })
    .await
}

/// Answers pings, and publishes from the subscription on.
async fn send_all<E: Engine>(
    settings: &PublishSettings,
    writer: &mut WebSocketWriter<E>,
    state: &State,
    context: &WorkerContext,
) -> SendingEnd {
    let mut draining = pin!(context.draining());
    let idle_timeout = context.settings.limits.idle_timeout.0;
    let mut idle_since = Instant::now();
    let mut plan = None;
    loop {
        if plan.is_none() && state.subscribed.get() {
            plan = Some(new_plan(settings, context));
        }
        let due = plan.as_ref().map_or(idle_since + idle_timeout, |plan| plan.due(plan.next));
        let ended = match wake(state, plan.is_some(), draining.as_mut(), E::sleep_until(due)).await {
            Wake::Subscribed => continue,
            Wake::Received => SendingEnd::Received,
            Wake::Draining => {
                drain::<E>(writer, state, context).await;
                SendingEnd::Outcome(PhaseOutcome::Drained)
            }
            Wake::Ping => {
                idle_since = Instant::now();
                let ping = state.ping.take().unwrap_or(Payload::Owned(Vec::new()));
                match within::<E, _>(idle_timeout, writer.send_pong(ping)).await {
                    Ok(Ok(())) => continue,
                    failed => SendingEnd::Outcome(outcome_of(failed)),
                }
            }
            Wake::Due => match &mut plan {
                None => {
                    let closing = before::<E, _>(
                        Instant::now() + IDLE_CLOSE_TIMEOUT,
                        Box::pin(writer.send_close(1001, "no subscription")),
                    );
                    let _ = closing.await;
                    SendingEnd::Outcome(PhaseOutcome::IdleTimeout)
                }
                Some(plan) => match send_next::<E>(settings, writer, plan, context).await {
                    Ok(Ok(())) => continue,
                    failed => SendingEnd::Outcome(outcome_of(failed)),
                },
            },
        };
        if let Some(plan) = &plan {
            context.counters.unsent(plan.overdue(Instant::now()));
        }
        return ended;
    }
}

/// Closes the connection of a server that stops, and waits for the subscriber's Close frame.
async fn drain<E: Engine>(writer: &mut WebSocketWriter<E>, state: &State, context: &WorkerContext) {
    let limits = &context.settings.limits;
    send_going_away::<E>(writer, Instant::now() + limits.idle_timeout.0).await;
    // The receiving half is polled before this, so it needs no waker.
    let received = poll_fn(|_| if state.end.borrow().is_some() { Poll::Ready(()) } else { Poll::Pending });
    let _ = within::<E, _>(limits.drain_timeout.0, received).await;
}

fn new_plan(settings: &PublishSettings, context: &WorkerContext) -> Plan {
    let shift = Duration::try_from_secs_f64(context.publisher.next_shift() / settings.rate).unwrap_or_default();
    Plan { start: Instant::now() + shift, rate: settings.rate, next: 0 }
}

/// Sends the next message, whose instant has come.
async fn send_next<E: Engine>(
    settings: &PublishSettings,
    writer: &mut WebSocketWriter<E>,
    plan: &mut Plan,
    context: &WorkerContext,
) -> Result<Result<(), WebSocketError>, TimedOut> {
    let planned = plan.due(plan.next);
    let mut buffer = context.publisher.take_buffer(settings.size);
    let now = Instant::now();
    let publication = Publication {
        clock: settings.clock.name(),
        number: plan.next,
        planned_ns: settings.clock.nanoseconds(planned),
        sent_ns: settings.clock.nanoseconds(now),
        interval_ns: interval_ns(settings.rate),
    };
    buffer[..HEADER_SIZE].copy_from_slice(&publication.header());
    let sending = writer.send(OpCode::Binary, Payload::Borrowed(&buffer));
    let sent = within::<E, _>(context.settings.limits.idle_timeout.0, sending).await;
    context.publisher.return_buffer(buffer);
    if let Ok(Ok(())) = sent {
        plan.next += 1;
        context.counters.published(settings.size, now.saturating_duration_since(planned));
        if plan.next.is_multiple_of(MESSAGES_PER_TURN) {
            // Behind its plan it would not wait.
            tokio::task::yield_now().await;
        }
    }
    sent
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
fn interval_ns(rate: f64) -> u64 {
    ((1e9 / rate).round() as u64).max(1)
}

fn outcome_of(failed: Result<Result<(), WebSocketError>, TimedOut>) -> PhaseOutcome {
    match failed {
        Err(TimedOut) => PhaseOutcome::PeerDoesNotRead,
        Ok(Err(error)) => outcome::of_websocket(error),
        Ok(Ok(())) => PhaseOutcome::Completed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_at_the_rate_and_all_of_them_are_due() {
        let start = Instant::now();
        let plan = Plan { start, rate: 1000.0, next: 3 };
        let ms = Duration::from_millis(1);
        assert_eq!([0, 1, 2000].map(|number| plan.due(number) - start), [Duration::ZERO, ms, 2000 * ms]);
        // Numbers 0 to 10 are due, of which 0 to 2 were sent.
        assert_eq!(plan.overdue(start + 10 * ms + ms / 2), 8);
        assert_eq!(Plan { start: start + ms, rate: 1.0, next: 0 }.overdue(start), 0);
    }

    #[test]
    fn subscribers_that_come_together_are_spread_over_the_interval() {
        let publisher = Publisher::default();
        let mut shifts: Vec<f64> = (0..100).map(|_| publisher.next_shift()).collect();
        shifts.sort_by(f64::total_cmp);
        assert!(shifts.windows(2).all(|pair| pair[1] - pair[0] > 0.005 && pair[1] - pair[0] < 0.02), "{shifts:?}");
    }
}
