//! An open connection from its handshake to its close: one task that always receives, and sends what each phase plans.
//!
//! One future receives for the whole life of the connection, because reading with fastwebsockets is not cancel-safe.
//! Sending runs beside it in the same task, so that a message larger than all buffers does not stall. The receiving
//! half is polled first; the sending half sees in the same poll what it has freed, so neither has to wake the other.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use tokio::sync::mpsc;
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::{Engine, KernelTimes, look};

use super::breakdown::{self, Arrival, SentMessage, Timeline};
use super::channel::{Channel, ChannelEvent, Receiver, Sender, Socket, Stream, closed_failure};
use super::close::{self, Closing};
use super::context::Context;
use super::correlation::{Correlation, Matched};
use super::failure::Failure;
use super::kernel_clock::{self, Measured};
use super::outstanding::{Outstanding, OutstandingMessage};
use super::plan::{EchoOrder, Order};
use super::upkeep::{Ping, answer_ping, answering_pings, close_connection, first_end, sleep_unless_stopped};

/// What the two halves share. In this order, so that what every message needs is in the same cache lines.
#[derive(Default)]
#[repr(C)]
struct State {
    outstanding: RefCell<Outstanding>,
    /// The number of the next message.
    number: Cell<u64>,
    /// Messages are planned.
    open_loop: Cell<bool>,
    /// The last ping that is not yet answered.
    ping: Ping,
    /// The deadline for closing, once the connection is ordered to close.
    close_deadline: Cell<Option<Instant>>,
    /// If the kernel's clock observes the connection.
    kernel: Option<Rc<KernelTimes>>,
    /// Of an open loop.
    timeline: RefCell<Timeline>,
    /// The number of the first message.
    first_number: Cell<u64>,
}

/// Runs the connection until it is ordered to close or fails. A failure is recorded, and messages that are planned for
/// the connection after it count as failed.
pub(crate) async fn run<E: Engine>(
    channel: Channel<E::Stream>,
    context: Rc<Context>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let Channel { sender, receiver, stream, kernel, .. } = channel;
    let websocket = matches!(sender, Sender::WebSocket(..));
    let state = State { kernel, ..State::default() };
    state.number.set(context.first_message());
    state.first_number.set(state.number.get());
    let mut current = None;
    let ended = {
        let receiving = pin!(receive_all(receiver, &state, &context));
        let sending = pin!(execute_orders::<E>(sender, &state, &context, &mut orders, &mut current, &stream));
        first_end(receiving, sending, pin!(echo_timeout::<E>(&state, &context))).await
    };
    context.connection_closed();
    match (ended, state.close_deadline.get()) {
        // Close is the last order, so no other remains to be counted.
        (closed, Some(deadline)) => {
            let closing = Closing { websocket, server_closes: false, deadline };
            close::finish::<E>(&context, closed, closing, stream).await;
            context.order_done();
        }
        // Receiving ends without a failure only while the connection closes.
        (ended, None) => {
            if let Err(failure) = ended {
                context.echo_failed(failure);
            }
            fail_planned(&context, current, &mut orders).await;
        }
    }
}

/// After a failure: counts every message that this and later phases plan for the connection as planned and failed.
async fn fail_planned(context: &Context, current: Option<EchoOrder>, orders: &mut mpsc::UnboundedReceiver<Order>) {
    if let Some(order) = current {
        count_lost(context, order);
        context.order_done();
    }
    while let Some(order) = orders.recv().await {
        if let Order::Echo(order) = order {
            count_lost(context, order);
        }
        context.order_done();
    }
}

fn count_lost(context: &Context, order: EchoOrder) {
    // A closed loop plans nothing ahead.
    let Some(mut schedule) = order.schedule else { return };
    let lost = schedule.skip_until(order.end);
    if lost > 0 {
        let text = "planned for a connection that had already failed";
        context.echo.borrow_mut().planned += lost;
        context.echoes_failed(Failure::new(ErrorPhase::Echo, ErrorKind::ConnectionLost, text), lost);
    }
}

/// Receives until the connection ends: checks and records echoes, and keeps pings to be answered.
async fn receive_all<S: Socket>(mut receiver: Receiver<S>, state: &State, context: &Context) -> Result<(), Failure> {
    // A reply of unknown length counted as soon as it was as expected, so that its rest may still arrive.
    let (has_open_end, mut discarded) = (receiver.has_open_end(), 0);
    loop {
        match receiver.receive(ErrorPhase::Echo).await? {
            ChannelEvent::Message(rest, _)
                if has_open_end && state.close_deadline.get().is_some() && discarded < close::MAX_DISCARDED =>
            {
                discarded += rest.len();
            }
            ChannelEvent::Message(reply, kind) => {
                let now = Instant::now();
                let taken = match &context.exchange.correlation {
                    None => state.outstanding.borrow_mut().pop(),
                    Some(correlation) => match take_by_id(correlation, &reply, state, context)? {
                        None => continue,
                        taken => taken,
                    },
                };
                let Some(outstanding) = taken else {
                    let text = "the server sent an unsolicited message; check that it is an echo server, or skip its greeting \
                                with --skip-messages";
                    return Err(Failure::new(ErrorPhase::Echo, ErrorKind::Unexpected, text));
                };
                let OutstandingMessage { number, message, first_byte } = outstanding;
                context.exchange.check(ErrorPhase::Echo, number, &reply, kind)?;
                let kernel = kernel_time(state, context, first_byte, message.sent, now);
                let look = look::of_latest_read(now);
                let arrival = Arrival { submitted: message.submitted(), kernel, look, read: now };
                let mut timeline = state.open_loop.get().then(|| state.timeline.borrow_mut());
                let breakdown = breakdown::of_reply(&message, &arrival, timeline.as_deref_mut());
                context.echo_received(now, &message, state.open_loop.get(), look.map(|_| breakdown));
            }
            ChannelEvent::Ping(payload) => *state.ping.borrow_mut() = Some(payload),
            ChannelEvent::Closed(_) if state.close_deadline.get().is_some() => return Ok(()),
            ChannelEvent::Closed(close) => return Err(closed_failure(ErrorPhase::Echo, close)),
        }
    }
}

/// Takes the message whose id a reply has; `None` if the reply is to be ignored.
fn take_by_id(
    correlation: &Correlation,
    reply: &[u8],
    state: &State,
    context: &Context,
) -> Result<Option<OutstandingMessage>, Failure> {
    let sent = (state.first_number.get(), state.number.get());
    let mut echo = context.echo.borrow_mut();
    Ok(match correlation.take(ErrorPhase::Echo, reply, &mut state.outstanding.borrow_mut(), sent)? {
        Matched::Reply(message) => return Ok(Some(message)),
        Matched::Unsolicited => {
            echo.unsolicited += 1;
            None
        }
        Matched::Repeated => {
            echo.repeated += 1;
            None
        }
    })
}

/// Records an echo by the kernel's clock, if that observes the connection. Returns when the kernel had it, if that is
/// certain: with other messages outstanding, their echoes may have arrived after it and been read with it.
fn kernel_time(state: &State, context: &Context, first_byte: u64, sent: Instant, read: Instant) -> Option<Instant> {
    let times = state.kernel.as_ref()?;
    let measured = kernel_clock::measure(times, first_byte, sent, read);
    context.echo_measured(measured);
    match measured {
        Measured::Both { .. } if state.outstanding.borrow().is_empty() => times.received(),
        _ => None,
    }
}

/// Executes orders. Returns only if sending fails, or if the server does not close in time; the receiving half sees an
/// orderly close.
async fn execute_orders<E: Engine>(
    mut sender: Sender<E::Stream>,
    state: &State,
    context: &Context,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    current: &mut Option<EchoOrder>,
    stream: &Stream<E::Stream>,
) -> Failure {
    loop {
        let sent = match answering_pings(&mut sender, &state.ping, orders.recv()).await {
            Err(failure) => Err(failure),
            Ok(Some(Order::Echo(order))) => {
                let current = current.insert(order);
                match send_messages::<E>(&mut sender, state, context, current).await {
                    Ok(()) => answering_pings(&mut sender, &state.ping, all_received(state)).await,
                    failed => failed,
                }
            }
            // The commands of a run are all of its mode.
            Ok(Some(Order::Subscribe(_))) => {
                context.order_done();
                continue;
            }
            Ok(Some(Order::Close) | None) => {
                return close_connection::<E>(&mut sender, &state.close_deadline, context, stream).await;
            }
        };
        if let Err(failure) = sent {
            return failure;
        }
        if current.take().is_some() {
            context.order_done();
        }
    }
}

/// Waits until every echo has arrived. The receiving half is polled before this in the same task, so it needs no waker.
async fn all_received(state: &State) {
    poll_fn(|_| if state.outstanding.borrow().is_empty() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Waits until fewer than `in_flight` messages are outstanding. Needs no waker, as [`all_received`].
async fn wait_for_place(state: &State, in_flight: usize) {
    poll_fn(|_| if state.outstanding.borrow().len() < in_flight { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Awaits a write. Returns when the socket had room again, if the write had to wait for that.
async fn write<T>(writing: impl Future<Output = T>) -> (T, Option<Instant>) {
    let mut writing = pin!(writing);
    let mut waited = false;
    let written = poll_fn(|cx| {
        let polled = writing.as_mut().poll(cx);
        waited |= polled.is_pending();
        polled
    })
    .await;
    (written, waited.then(Instant::now))
}

/// Sends the messages of one phase.
async fn send_messages<E: Engine>(
    sender: &mut Sender<E::Stream>,
    state: &State,
    context: &Context,
    order: &mut EchoOrder,
) -> Result<(), Failure> {
    if state.kernel.is_some() {
        context.connection_observed();
    }
    state.open_loop.set(order.schedule.is_some());
    state.timeline.borrow_mut().begin(order.in_flight);
    let mut room = None;
    E::sleep_until(order.clock.start()).await;
    loop {
        let planned = match &order.schedule {
            Some(schedule) => {
                let planned = schedule.peek();
                if planned >= order.end || context.stopped() {
                    // The phase lasts as long as requested, however rare its messages are.
                    answering_pings(sender, &state.ping, sleep_unless_stopped::<E>(order.end, context)).await?;
                    return Ok(());
                }
                if !answering_pings(sender, &state.ping, sleep_unless_stopped::<E>(planned, context)).await? {
                    return Ok(());
                }
                Some(planned)
            }
            None => None,
        };
        answering_pings(sender, &state.ping, wait_for_place(state, order.in_flight)).await?;
        let mut now = Instant::now();
        let allowed = match planned {
            Some(_) => order.clock.next_allowed_late(now),
            None => order.clock.next_allowed(now),
        };
        if allowed > now {
            if !answering_pings(sender, &state.ping, sleep_unless_stopped::<E>(allowed, context)).await? {
                return Ok(());
            }
            now = Instant::now();
        }
        if order.schedule.is_none() && (now >= order.end || context.stopped()) {
            return Ok(());
        }
        if now >= order.grace_end {
            fail_unsent(context, order);
            return Ok(());
        }
        if state.ping.borrow().is_some() {
            answer_ping(sender, &state.ping).await?;
        }
        let look = look::latest_number();
        let message = match (&mut order.schedule, planned) {
            (Some(schedule), Some(planned)) => {
                schedule.advance();
                let mut timeline = state.timeline.borrow_mut();
                let freed = timeline.freed();
                // The wait for the server's echo, or for it to read, is not the generator's lateness.
                let possible = [freed, room].into_iter().flatten().fold(planned, Instant::max);
                let possible = order.clock.next_allowed_late(possible);
                let waited = freed.is_some_and(|freed| freed > planned);
                context.message_started(now, Some(now.saturating_duration_since(possible)), waited);
                timeline.send_planned(planned, possible, now, look)
            }
            _ => {
                context.message_started(now, None, false);
                SentMessage::now(now, look)
            }
        };
        let number = state.number.replace(state.number.get() + 1);
        let first_byte = state.kernel.as_ref().map_or(0, |times| times.written());
        state.outstanding.borrow_mut().push(OutstandingMessage { number, message, first_byte });
        let mut scratch = context.take_scratch();
        let (sent, had_room) = write(sender.send(&context.exchange.payloads, number, &mut scratch)).await;
        context.return_scratch(scratch);
        sent.map_err(|error| error.failure(ErrorPhase::Echo))?;
        room = had_room.or(room);
        if look::wrote_directly()
            && let Some(last) = state.outstanding.borrow_mut().latest()
            && last.number == number
        {
            last.message.submitted_at_once();
        }
        context.message_sent();
    }
}

/// At the end of the grace period: counts the rest of the schedule as planned and failed.
fn fail_unsent(context: &Context, order: &mut EchoOrder) {
    if let Some(schedule) = &mut order.schedule {
        let unsent = schedule.skip_until(order.end);
        context.echo.borrow_mut().planned += unsent;
        let text = "not sent before the end (--overdue-timeout): earlier messages of the connection were outstanding";
        context.echoes_failed(Failure::new(ErrorPhase::Echo, ErrorKind::NotSent, text), unsent);
    }
}

/// Returns when the echo of the oldest outstanding message is overdue.
async fn echo_timeout<E: Engine>(state: &State, context: &Context) -> Failure {
    let timeout = context.limits.echo_timeout;
    loop {
        let oldest = state.outstanding.borrow().oldest().map(|oldest| oldest.message.sent);
        let now = Instant::now();
        match oldest {
            Some(sent) if now >= sent + timeout.0 => {
                let text = format!("no echo arrived within {timeout} (--echo-timeout)");
                return Failure::new(ErrorPhase::Echo, ErrorKind::Timeout, text);
            }
            // Checks again when the oldest may be overdue: one timer per connection, not one per message.
            oldest => E::sleep_until(oldest.unwrap_or(now) + timeout.0).await,
        }
    }
}
