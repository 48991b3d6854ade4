//! One open connection from its handshake to its close: a task that receives all the time and sends what each phase
//! plans.
//!
//! Receiving is one future for the whole life of the connection, since fastwebsockets' reading cannot be given up
//! and taken up again. Sending goes on beside it in the same task, so that a message larger than all buffers on the
//! way does not stall, and so that neither needs to wake the other: the receiving side is polled first, and what it
//! frees the sending side sees in the same turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use fastwebsockets::Payload;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::{Engine, TimedOut, before};

use super::channel::{Channel, Received, Receiver, Sender, Socket, Stream, check_echo, closed_failure};
use super::plan::{EchoOrder, Order};
use super::record::Failure;
use super::worker::Context;

/// How long an interruption may go unnoticed by a connection whose next message is far off.
const LOOK_UP: Duration = Duration::from_millis(500);

/// A message whose echo is awaited.
struct Outstanding {
    number: u64,
    planned: Instant,
    sent: Instant,
}

/// What the two directions share.
struct State {
    outstanding: RefCell<VecDeque<Outstanding>>,
    /// When the last echo came, if one did: from then on a message in flight was free.
    freed: Cell<Option<Instant>>,
    pong: RefCell<Option<Payload<'static>>>,
    /// Once it is told to close: when that has to be done.
    closing: Cell<Option<Instant>>,
}

/// Serves the connection until it is told to close, or fails. A failure is recorded; the messages that were planned
/// for it are lost and counted as such.
pub(crate) async fn exchange<E: Engine>(
    channel: Channel<E::Stream>,
    context: Rc<Context>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let Channel { sender, receiver, stream } = channel;
    let state = State {
        outstanding: RefCell::default(),
        freed: Cell::new(None),
        pong: RefCell::new(None),
        closing: Cell::new(None),
    };
    let mut current = None;
    let ended = {
        let mut receiving = pin!(receive_all(receiver, &state, &context));
        let mut sending = pin!(obey::<E>(sender, &state, &context, &mut orders, &mut current, &stream));
        let mut watching = pin!(watch::<E>(&state, &context));
        poll_fn(|cx| {
            if let Poll::Ready(received) = receiving.as_mut().poll(cx) {
                return Poll::Ready(received);
            }
            if let Poll::Ready(failure) = sending.as_mut().poll(cx) {
                return Poll::Ready(Err(failure));
            }
            watching.as_mut().poll(cx).map(Err)
        })
        .await
    };
    context.connection_closed();
    match (ended, state.closing.get()) {
        (Ok(()), deadline) => {
            super::close::finish::<E>(&context, stream, deadline.unwrap_or_else(Instant::now)).await;
            context.order_done();
        }
        // Closing is the last order: there is no other that would have to be counted.
        (Err(failure), Some(_)) => {
            context.fail_close(Failure { phase: ErrorPhase::Close, ..failure });
            context.order_done();
        }
        (Err(failure), None) => {
            context.fail_echo(failure.clone());
            lose_planned(&context, current, &mut orders).await;
        }
    }
}

/// After a failure: every message that this and later phases plan for the connection counts as planned and lost.
async fn lose_planned(context: &Context, current: Option<EchoOrder>, orders: &mut mpsc::UnboundedReceiver<Order>) {
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
        let sentence = "planned for a connection that had failed before";
        context.echo.borrow_mut().planned += lost;
        context.fail_echo_many(Failure::new(ErrorPhase::Echo, ErrorKind::ConnectionLost, sentence), lost);
    }
}

/// Receives until the connection ends: echoes are compared and recorded, pings kept for answering.
async fn receive_all<S: Socket>(mut receiver: Receiver<S>, state: &State, context: &Context) -> Result<(), Failure> {
    loop {
        match receiver.receive(ErrorPhase::Echo).await? {
            Received::Message(echo) => {
                let now = Instant::now();
                let Some(sent) = state.outstanding.borrow_mut().pop_front() else {
                    let sentence = "the server sent a message that answers none: it is no echo server";
                    return Err(Failure::new(ErrorPhase::Echo, ErrorKind::Unexpected, sentence));
                };
                check_echo(ErrorPhase::Echo, context.payloads.get(sent.number), &echo)?;
                state.freed.set(Some(now));
                context.receive_echo(now, sent.planned, sent.sent);
            }
            Received::Ping(payload) => *state.pong.borrow_mut() = Some(payload),
            Received::Closed(_) if state.closing.get().is_some() => return Ok(()),
            Received::Closed(close) => return Err(closed_failure(ErrorPhase::Echo, close)),
        }
    }
}

/// Does what it is told until it is told to close; ends by itself only if sending fails, or if the server does not
/// answer the closing in time.
async fn obey<E: Engine>(
    mut sender: Sender<E::Stream>,
    state: &State,
    context: &Context,
    orders: &mut mpsc::UnboundedReceiver<Order>,
    current: &mut Option<EchoOrder>,
    stream: &Stream<E::Stream>,
) -> Failure {
    loop {
        let sent = match answering(&mut sender, state, orders.recv()).await {
            Err(failure) => Err(failure),
            Ok(Some(Order::Echo(order))) => {
                let current = current.insert(order);
                match send_planned::<E>(&mut sender, state, context, current).await {
                    Ok(()) => answering(&mut sender, state, all_received(state)).await,
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

/// Waits for `ready`, and answers the pings that come meanwhile: a server may wait for the pong before it goes on.
async fn answering<S: Socket, T>(
    sender: &mut Sender<S>,
    state: &State,
    ready: impl Future<Output = T>,
) -> Result<T, Failure> {
    let mut ready = pin!(ready);
    loop {
        let done =
            poll_fn(
                |cx| {
                    if state.pong.borrow().is_some() { Poll::Ready(None) } else { ready.as_mut().poll(cx).map(Some) }
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
    let ping = state.pong.borrow_mut().take();
    match ping {
        Some(payload) => sender.pong(payload).await.map_err(|error| error.failure(ErrorPhase::Echo)),
        None => Ok(()),
    }
}

/// Says that nothing more is sent, and gives the server until the deadline to say so as well: that is for the receiving
/// side to see, so this ends only if it does not come about.
async fn close<E: Engine>(
    sender: &mut Sender<E::Stream>,
    state: &State,
    context: &Context,
    stream: &Stream<E::Stream>,
) -> Failure {
    let deadline = Instant::now() + context.limits.close_timeout.0;
    state.closing.set(Some(deadline));
    let closing = async {
        let Err(failure) = say_close(sender, stream).await else { return std::future::pending().await };
        failure
    };
    before::<E, _>(deadline, pin!(closing)).await.unwrap_or_else(|TimedOut| super::close::timed_out(context))
}

/// A Close frame; without WebSocket the end of the stream.
async fn say_close<S: Socket>(sender: &mut Sender<S>, stream: &Stream<S>) -> Result<(), Failure> {
    sender.close().await.map_err(|error| error.failure(ErrorPhase::Close))?;
    if matches!(sender, Sender::Bytes(_)) {
        let mut stream = stream.clone();
        stream.shutdown().await.map_err(|error| super::channel::stream_failure(ErrorPhase::Close, error))?;
    }
    Ok(())
}

/// Waits until every echo has come. The receiving side is polled first in the same task, so nobody need wake this.
async fn all_received(state: &State) {
    poll_fn(|_| if state.outstanding.borrow().is_empty() { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Waits until a message in flight is free; if it had to wait, says since when it is. Woken as [`all_received`] is.
async fn free_slot(state: &State, in_flight: usize) -> Option<Instant> {
    if state.outstanding.borrow().len() < in_flight {
        return None;
    }
    poll_fn(|_| if state.outstanding.borrow().len() < in_flight { Poll::Ready(()) } else { Poll::Pending }).await;
    state.freed.get()
}

/// Sends what one phase plans. When it returns, nothing more will be sent in it.
async fn send_planned<E: Engine>(
    sender: &mut Sender<E::Stream>,
    state: &State,
    context: &Context,
    order: &mut EchoOrder,
) -> Result<(), Failure> {
    E::sleep_until(order.clock.start()).await;
    loop {
        let planned = match &order.schedule {
            Some(schedule) => {
                let planned = schedule.peek();
                if planned >= order.end || context.stopped() {
                    return Ok(());
                }
                if !answering(sender, state, sleep_unless_stopped::<E>(planned, context)).await? {
                    return Ok(());
                }
                Some(planned)
            }
            None => None,
        };
        let freed = answering(sender, state, free_slot(state, order.in_flight)).await?;
        let mut now = Instant::now();
        let open = if planned.is_some() { order.clock.next_allowed_late(now) } else { order.clock.next_allowed(now) };
        if open > now {
            // Another run's turn.
            if !answering(sender, state, sleep_unless_stopped::<E>(open, context)).await? {
                return Ok(());
            }
            now = Instant::now();
        }
        if order.schedule.is_none() && (now >= order.end || context.stopped()) {
            return Ok(());
        }
        if now >= order.grace_end {
            // What is left of the schedule counts as planned and not sent.
            return overdue(context, order);
        }
        if state.pong.borrow().is_some() {
            answer_ping(sender, state).await?;
        }
        let planned = planned.unwrap_or(now);
        if let Some(schedule) = &mut order.schedule {
            schedule.advance();
            // What the peer is to blame for is not the generator's lateness.
            let possible = order.clock.next_allowed_late(freed.map_or(planned, |freed| freed.max(planned)));
            context.send_begins(now, Some(now.saturating_duration_since(possible)), freed.is_some());
        } else {
            context.send_begins(now, None, false);
        }
        let number = context.next_number(1);
        state.outstanding.borrow_mut().push_back(Outstanding { number, planned, sent: now });
        let mut scratch = context.take_scratch();
        let sent = sender.send(context.payloads.get(number), &mut scratch).await;
        context.give_scratch(scratch);
        sent.map_err(|error| error.failure(ErrorPhase::Echo))?;
        context.send_done();
    }
}

/// Sleeps until an instant; `false` if the run is interrupted before. What was not due then is not planned.
async fn sleep_unless_stopped<E: Engine>(planned: Instant, context: &Context) -> bool {
    loop {
        let look_up = Instant::now() + LOOK_UP;
        E::sleep_until(planned.min(look_up)).await;
        if context.stopped() {
            return false;
        }
        if planned <= look_up {
            return true;
        }
    }
}

/// Counts what is left of the schedule when the time for overdue messages has passed.
fn overdue(context: &Context, order: &mut EchoOrder) -> Result<(), Failure> {
    if let Some(schedule) = &mut order.schedule {
        let left = schedule.skip_until(order.end);
        context.echo.borrow_mut().planned += left;
        let sentence = "due, but not sent before the end: earlier messages of the connection had not come back";
        context.fail_echo_many(Failure::new(ErrorPhase::Echo, ErrorKind::NotSent, sentence), left);
    }
    Ok(())
}

/// Ends when the oldest message has waited too long for its echo.
async fn watch<E: Engine>(state: &State, context: &Context) -> Failure {
    let timeout = context.limits.echo_timeout;
    loop {
        let oldest = state.outstanding.borrow().front().map(|oldest| oldest.sent);
        let now = Instant::now();
        match oldest {
            Some(sent) if now >= sent + timeout.0 => {
                let sentence = format!("no echo within {timeout} of its sending (--echo-timeout)");
                return Failure::new(ErrorPhase::Echo, ErrorKind::Timeout, sentence);
            }
            // Looked at again when the oldest could be too old: one timer a connection, not one a message.
            oldest => E::sleep_until(oldest.unwrap_or(now) + timeout.0).await,
        }
    }
}
