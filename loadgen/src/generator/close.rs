//! Closing a connection: which end closes first, and how the server ends it.
//!
//! With WebSocket the generator sends a Close frame, waits for the server's, and then for the server to end TCP (RFC 6455
//! section 7.1.1). With HTTP/2 the server ends the stream instead (END_STREAM, RFC 8441 section 5) and may keep TCP open for
//! further streams. GOAWAY lets it end TCP, and if it does not, the generator does and waits for the server's end. A server
//! that leaves out a step after the last echo has lost nothing: that is an [`Ending`], not a failure.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wss_model::run_result::{Compression, Ending, EndingCount};
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::{Engine, TimedOut, before};

use super::channel::{Channel, ChannelEvent, Receiver, Sender, Socket, Stream, stream_failure};
use super::context::Context;
use super::correlation::Matched;
use super::failure::{Failure, Failures};
use super::outstanding::Outstanding;

/// Bytes that a server may still send after its Close frame, or after the part of a reply that was as expected.
pub(super) const MAX_DISCARDED: usize = 1 << 20;
/// Time for the last write to a server that may be gone or may have stopped reading.
const LAST_WRITE: Duration = Duration::from_millis(100);

/// Time for the server to end TCP after GOAWAY. It need not (RFC 9113 section 9.1), so the first that does not is the last that
/// gets this time.
const GOAWAY_GRACE: Duration = Duration::from_millis(100);

/// How connections were closed.
#[derive(Debug, Default)]
pub(crate) struct ClosingRecord {
    pub(crate) failures: Failures,
    /// What compression did since connections were closed before.
    pub(crate) compression: Option<Compression>,
    endings: BTreeMap<Ending, u64>,
}

impl ClosingRecord {
    pub(crate) fn add_ending(&mut self, ending: Ending) {
        *self.endings.entry(ending).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.failures.merge(other.failures);
        if let Some(compression) = other.compression {
            self.compression.get_or_insert_default().merge(compression);
        }
        for (ending, count) in other.endings {
            *self.endings.entry(ending).or_default() += count;
        }
    }

    /// The counts for the result.
    pub(crate) fn ending_counts(&self) -> Vec<EndingCount> {
        self.endings.iter().map(|(ending, count)| EndingCount { ending: *ending, count: *count }).collect()
    }
}

/// Closes a connection of `--mode handshake`. Without WebSocket the generator ends TCP first, or with `server_closes` the
/// server: TIME_WAIT falls to the end that sends the first FIN.
pub(crate) async fn close<E: Engine>(context: &Context, channel: Channel<E::Stream>, server_closes: bool) {
    let Channel { mut sender, mut receiver, mut stream, sent, .. } = channel;
    let deadline = Instant::now() + context.limits.close_timeout.0;
    let websocket = matches!(sender, Sender::WebSocket(..));
    let closing = async {
        if websocket {
            sender.close().await.map_err(|error| error.failure(ErrorPhase::Close))?;
        } else if server_closes {
            // close_notify requests the close and leaves TCP open.
            stream.with(|stream| stream.get_mut().send_close_notify());
            stream.flush().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
        } else {
            stream.with(|stream| stream.get_ref().with_tcp(E::cork));
            stream.shutdown().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
        }
        await_close(context, &mut receiver, sent).await
    };
    let closed = before::<E, _>(deadline, pin!(closing)).await.unwrap_or_else(|TimedOut| Err(timeout_failure(context)));
    finish::<E>(context, closed, Closing { websocket, server_closes, deadline }, stream).await;
}

/// Waits for the server's Close frame; without WebSocket, for the end of the stream. `sent`: see [`Channel::sent`].
///
/// A reply of unknown length counted as soon as it was as expected, so that its rest may still arrive.
async fn await_close<S: Socket>(
    context: &Context,
    receiver: &mut Receiver<S>,
    sent: (u64, u64),
) -> Result<(), Failure> {
    let has_open_end = receiver.has_open_end();
    let mut discarded = 0;
    loop {
        match receiver.receive(ErrorPhase::Close).await? {
            ChannelEvent::Closed(_) => return Ok(()),
            ChannelEvent::Ping(_) => {}
            ChannelEvent::Message(rest, _) if has_open_end && discarded < MAX_DISCARDED => discarded += rest.len(),
            ChannelEvent::Message(reply, _) => match &context.exchange.correlation {
                // Nothing is outstanding, so that only what is to be ignored passes.
                Some(correlation) => {
                    let matched = correlation.take(ErrorPhase::Close, &reply, &mut Outstanding::default(), sent)?;
                    let unsolicited = u64::from(matches!(matched, Matched::Unsolicited));
                    context.handshakes.borrow_mut().unsolicited += unsolicited;
                }
                None => {
                    let text = "the server sent a message while the connection was closing";
                    return Err(Failure::new(ErrorPhase::Close, ErrorKind::Unexpected, text));
                }
            },
        }
    }
}

/// How a connection is closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    pub(crate) websocket: bool,
    /// Of an HTTP/2 connection, the server is to end TCP first.
    pub(crate) server_closes: bool,
    pub(crate) deadline: Instant,
}

/// Ends a connection and records how the server did. `closed`: whether its Close frame has arrived or, without WebSocket,
/// the end of its stream.
pub(crate) async fn finish<E: Engine>(
    context: &Context,
    closed: Result<(), Failure>,
    closing: Closing,
    mut stream: Stream<E::Stream>,
) {
    let Closing { websocket, server_closes, deadline } = closing;
    let is_http2 = stream.with(|stream| stream.get_mut().http2().is_some());
    let ended = match closed {
        Ok(()) if is_http2 => {
            // Boxed, so that the future of a connection with HTTP/1.1 does not grow.
            let ending = Box::pin(await_end_of_http2::<E>(context, &mut stream, server_closes));
            let ended = before::<E, _>(deadline, ending).await;
            ended.unwrap_or_else(|TimedOut| {
                Ok(if has_end_stream(&stream) { Ending::TcpKeptOpen } else { Ending::NoEndStream })
            })
        }
        Ok(()) if websocket => {
            before::<E, _>(deadline, pin!(await_end(&mut stream))).await.unwrap_or(Ok(Ending::TcpKeptOpen))
        }
        Ok(()) => Ok(Ending::Clean),
        Err(failure) => ending_of(&failure, websocket).ok_or(failure),
    };
    match ended {
        Ok(ending) => context.connection_ended(ending),
        Err(failure) => context.close_failed(Failure { phase: ErrorPhase::Close, ..failure }),
    }
    // The server may be gone, and what it does now is no longer of interest.
    stream.with(|stream| stream.get_ref().with_tcp(E::cork));
    let _ = before::<E, _>(Instant::now() + LAST_WRITE, pin!(stream.shutdown())).await;
}

/// Waits until the server ends the stream of an HTTP/2 connection, then ends the connection, and waits for the end of TCP.
async fn await_end_of_http2<E: Engine>(
    context: &Context,
    stream: &mut Stream<E::Stream>,
    server_closes: bool,
) -> Result<Ending, Failure> {
    match await_end(stream).await? {
        Ending::Clean if has_end_stream(stream) => {}
        Ending::Clean => return Ok(Ending::NoEndStream),
        other => return Ok(other),
    }
    let leave = |cx: &mut std::task::Context<'_>| {
        stream.with(|stream| stream.get_mut().http2().map_or(Poll::Ready(()), |http2| http2.poll_leave(cx)))
    };
    poll_fn(leave).await;
    if !server_closes {
        if !context.goaway_ignored.get() {
            match before::<E, _>(Instant::now() + GOAWAY_GRACE, pin!(await_end(stream))).await {
                Ok(ended) => return ended,
                Err(TimedOut) => context.goaway_ignored.set(true),
            }
        }
        stream.with(|stream| stream.get_ref().with_tcp(E::cork));
        // If the server is gone, the read below finds how it ended.
        let _ = stream.shutdown().await;
    }
    await_end(stream).await
}

fn has_end_stream<S: Socket>(stream: &Stream<S>) -> bool {
    stream.with(|stream| stream.get_mut().http2().is_some_and(|http2| http2.has_end_stream()))
}

/// Waits until the server ends the stream, after its Close frame.
async fn await_end<S: Socket>(stream: &mut Stream<S>) -> Result<Ending, Failure> {
    let mut buffer = [0; 256];
    let mut discarded = 0;
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return Ok(Ending::Clean),
            Ok(length) if discarded < MAX_DISCARDED => discarded += length,
            Ok(_) => {
                let text = "the server kept sending after its Close frame";
                return Err(Failure::new(ErrorPhase::Close, ErrorKind::Unexpected, text));
            }
            Err(error) => {
                let failure = stream_failure(ErrorPhase::Close, error);
                return match failure.kind {
                    ErrorKind::Truncated => Ok(Ending::NoCloseNotify),
                    ErrorKind::Reset => Ok(Ending::Reset),
                    ErrorKind::StreamReset => Ok(Ending::StreamReset),
                    ErrorKind::GoAway => Ok(Ending::NoEndStream),
                    _ => Err(failure),
                };
            }
        }
    }
}

/// The ending that a failure stands for, while this end was closing and no echo was outstanding. A reset before the Close
/// frame is a failure: it may have destroyed messages.
fn ending_of(failure: &Failure, websocket: bool) -> Option<Ending> {
    match (failure.kind, websocket) {
        (ErrorKind::Closed | ErrorKind::Truncated, true) => Some(Ending::NoCloseFrame),
        (ErrorKind::Timeout, true) => Some(Ending::NoReply),
        (ErrorKind::Timeout, false) => Some(Ending::TcpKeptOpen),
        (ErrorKind::Truncated, false) => Some(Ending::NoCloseNotify),
        (ErrorKind::Reset, false) => Some(Ending::Reset),
        _ => None,
    }
}

/// The server neither answered nor ended the connection within `--close-timeout`.
pub(super) fn timeout_failure(context: &Context) -> Failure {
    let timeout = context.limits.close_timeout;
    let text = format!("the server did not close the connection within {timeout} (--close-timeout)");
    Failure::new(ErrorPhase::Close, ErrorKind::Timeout, text)
}
