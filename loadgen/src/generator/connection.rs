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
use std::time::{Duration, Instant};

use fastwebsockets::Payload;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::{Engine, KernelTimes, TimedOut, before, look};

use super::breakdown::{self, Arrival, SentMessage, Timeline};
use super::channel::{Channel, ChannelEvent, Receiver, Sender, Socket, Stream, closed_failure, stream_failure};
use super::close::{self, Closing};
use super::context::Context;
use super::failure::Failure;
use super::kernel_clock::{self, Measured};
use super::outstanding::{Outstanding, OutstandingMessage};
use super::plan::{EchoOrder, Order};

/// How often a connection that waits for its next message checks whether the run was interrupted.
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(500);

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
    ping: RefCell<Option<Payload<'static>>>,
    /// The deadline for closing, once the connection is ordered to close.
    close_deadline: Cell<Option<Instant>>,
    /// If the kernel's clock observes the connection.
    kernel: Option<Rc<KernelTimes>>,
    /// Of an open loop.
    timeline: RefCell<Timeline>,
}

/// Runs the connection until it is ordered to close or fails. A failure is recorded, and messages that are planned for
/// the connection after it count as failed.
pub(crate) async fn run<E: Engine>(
    channel: Channel<E::Stream>,
    context: Rc<Context>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let Channel { sender, receiver, stream, kernel } = channel;
    let websocket = matches!(sender, Sender::WebSocket(..));
    let state = State { kernel, ..State::default() };
    state.number.set(context.first_message());
    let mut current = None;
    let ended = {
        let mut receiving = pin!(receive_all(receiver, &state, &context));
        let mut sending = pin!(execute_orders::<E>(sender, &state, &context, &mut orders, &mut current, &stream));
        let mut timing = pin!(echo_timeout::<E>(&state, &context));
        poll_fn(|cx| {
            if let Poll::Ready(received) = receiving.as_mut().poll(cx) {
                return Poll::Ready(received);
            }
            if let Poll::Ready(failure) = sending.as_mut().poll(cx) {
                return Poll::Ready(Err(failure));
            }
            timing.as_mut().poll(cx).map(Err)
        })
        .await
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
    loop {
        match receiver.receive(ErrorPhase::Echo).await? {
            ChannelEvent::Message(reply, kind) => {
                let now = Instant::now();
                let Some(outstanding) = state.outstanding.borrow_mut().pop() else {
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
        let sent = match answering_pings(&mut sender, state, orders.recv()).await {
            Err(failure) => Err(failure),
            Ok(Some(Order::Echo(order))) => {
                let current = current.insert(order);
                match send_messages::<E>(&mut sender, state, context, current).await {
                    Ok(()) => answering_pings(&mut sender, state, all_received(state)).await,
                    failed => failed,
                }
            }
            Ok(Some(Order::Close) | None) => return close::<E>(&mut sender, state, context, stream).await,
        };
        if let Err(failure) = sent {
            return failure;
        }
        if current.take().is_some() {
            context.order_done();
        }
    }
}

/// Waits for `ready` and answers pings meanwhile: a server may wait for the pong before it continues.
async fn answering_pings<S: Socket, T>(
    sender: &mut Sender<S>,
    state: &State,
    ready: impl Future<Output = T>,
) -> Result<T, Failure> {
    let mut ready = pin!(ready);
    loop {
        let done =
            poll_fn(
                |cx| {
                    if state.ping.borrow().is_some() { Poll::Ready(None) } else { ready.as_mut().poll(cx).map(Some) }
                },
            )
            .await;
        match done {
            Some(value) => return Ok(value),
            None => answer_ping(sender, state).await?,
        }
    }
}

async fn answer_ping<S: Socket>(sender: &mut Sender<S>, state: &State) -> Result<(), Failure> {
    let ping = state.ping.borrow_mut().take();
    match ping {
        Some(payload) => sender.pong(payload).await.map_err(|error| error.failure(ErrorPhase::Echo)),
        None => Ok(()),
    }
}

/// Closes this end and waits for the server's. The receiving half sees that one, so this returns only on failure.
async fn close<E: Engine>(
    sender: &mut Sender<E::Stream>,
    state: &State,
    context: &Context,
    stream: &Stream<E::Stream>,
) -> Failure {
    let deadline = Instant::now() + context.limits.close_timeout.0;
    state.close_deadline.set(Some(deadline));
    let closing = async {
        let Err(failure) = send_close(sender, stream).await else { return std::future::pending().await };
        failure
    };
    before::<E, _>(deadline, pin!(closing)).await.unwrap_or_else(|TimedOut| close::timeout_failure(context))
}

/// Sends a Close frame; without WebSocket, the end of the stream.
async fn send_close<S: Socket>(sender: &mut Sender<S>, stream: &Stream<S>) -> Result<(), Failure> {
    sender.close().await.map_err(|error| error.failure(ErrorPhase::Close))?;
    if matches!(sender, Sender::Bytes(_)) {
        let mut stream = stream.clone();
        stream.shutdown().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
    }
    Ok(())
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
                    answering_pings(sender, state, sleep_unless_stopped::<E>(order.end, context)).await?;
                    return Ok(());
                }
                if !answering_pings(sender, state, sleep_unless_stopped::<E>(planned, context)).await? {
                    return Ok(());
                }
                Some(planned)
            }
            None => None,
        };
        answering_pings(sender, state, wait_for_place(state, order.in_flight)).await?;
        let mut now = Instant::now();
        let allowed = match planned {
            Some(_) => order.clock.next_allowed_late(now),
            None => order.clock.next_allowed(now),
        };
        if allowed > now {
            if !answering_pings(sender, state, sleep_unless_stopped::<E>(allowed, context)).await? {
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
            answer_ping(sender, state).await?;
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
        let (sent, had_room) = write(sender.send(context.exchange.payloads.get(number), &mut scratch)).await;
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

/// Sleeps until `wake`; `false` if the run is interrupted first. What is not yet due then is not planned.
async fn sleep_unless_stopped<E: Engine>(wake: Instant, context: &Context) -> bool {
    loop {
        let check = Instant::now() + STOP_POLL_INTERVAL;
        E::sleep_until(wake.min(check)).await;
        if context.stopped() {
            return false;
        }
        if wake <= check {
            return true;
        }
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
