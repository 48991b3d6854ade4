//! What an open connection does beside its messages: it answers pings, closes, and notices that the run was interrupted.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use fastwebsockets::Payload;
use tokio::io::AsyncWriteExt;
use wss_model::ErrorPhase;
use wss_wire::engine::{Engine, TimedOut, before};

use super::channel::{Sender, Socket, Stream, stream_failure};
use super::close;
use super::context::Context;
use super::failure::Failure;

/// How often a connection that waits for its next message checks whether the run was interrupted.
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// The last ping that is not yet answered.
pub(super) type Ping = RefCell<Option<Payload<'static>>>;

/// Polls what a connection does, in this order, until one of it ends: a failure, or the orderly end of receiving.
///
/// By reference, because arguments are a part of a future, which would then have room for each of these twice.
pub(super) async fn first_end(
    mut receiving: Pin<&mut impl Future<Output = Result<(), Failure>>>,
    mut sending: Pin<&mut impl Future<Output = Failure>>,
    mut timing: Pin<&mut impl Future<Output = Failure>>,
) -> Result<(), Failure> {
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
}

/// Waits for `ready` and answers pings meanwhile: a server may wait for the pong before it continues.
pub(super) async fn answering_pings<S: Socket, T>(
    sender: &mut Sender<S>,
    ping: &Ping,
    ready: impl Future<Output = T>,
) -> Result<T, Failure> {
    let mut ready = pin!(ready);
    loop {
        let done =
            poll_fn(|cx| if ping.borrow().is_some() { Poll::Ready(None) } else { ready.as_mut().poll(cx).map(Some) })
                .await;
        match done {
            Some(value) => return Ok(value),
            None => answer_ping(sender, ping).await?,
        }
    }
}

pub(super) async fn answer_ping<S: Socket>(sender: &mut Sender<S>, ping: &Ping) -> Result<(), Failure> {
    let payload = ping.borrow_mut().take();
    match payload {
        Some(payload) => sender.pong(payload).await.map_err(|error| error.failure(ErrorPhase::Echo)),
        None => Ok(()),
    }
}

/// Closes this end and waits for the server's. The receiving half sees that one, so this returns only on failure.
pub(super) async fn close_connection<E: Engine>(
    sender: &mut Sender<E::Stream>,
    close_deadline: &Cell<Option<Instant>>,
    context: &Context,
    stream: &Stream<E::Stream>,
) -> Failure {
    let deadline = Instant::now() + context.limits.close_timeout.0;
    close_deadline.set(Some(deadline));
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

/// Sleeps until `wake`; `false` if the run is interrupted first. What is not yet due then is not planned.
pub(super) async fn sleep_unless_stopped<E: Engine>(wake: Instant, context: &Context) -> bool {
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
