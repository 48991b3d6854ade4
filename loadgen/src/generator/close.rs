//! Closing a connection: which end closes first, and waiting until both have.

use std::pin::pin;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::{Engine, TimedOut, before};

use super::channel::{Channel, ChannelEvent, Socket, Stream, stream_failure};
use super::context::Context;
use super::failure::Failure;

/// Bytes that a server may still send after its Close frame.
const MAX_DISCARDED: usize = 1 << 20;

/// Closes a connection of `--mode handshake`. The generator ends TCP first, or with `server_closes` the server:
/// TIME_WAIT falls to the end that sends the first FIN.
pub(crate) async fn close<E: Engine>(context: &Context, channel: Channel<E::Stream>, server_closes: bool) {
    let Channel { mut sender, mut receiver, mut stream, .. } = channel;
    let closing = async {
        if !server_closes {
            stream.with(|stream| E::cork(stream.get_ref().tcp()));
        }
        sender.close().await.map_err(|error| error.failure(ErrorPhase::Close))?;
        if server_closes {
            // Without WebSocket there is no Close frame; close_notify requests the close and leaves TCP open.
            stream.with(|stream| stream.get_mut().send_close_notify());
            stream.flush().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
        } else {
            stream.shutdown().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
        }
        loop {
            match receiver.receive(ErrorPhase::Close).await? {
                ChannelEvent::Closed(_) => break,
                ChannelEvent::Ping(_) => {}
                ChannelEvent::Message(_) => {
                    let text = "the server sent a message while the connection was closing";
                    return Err(Failure::new(ErrorPhase::Close, ErrorKind::Unexpected, text));
                }
            }
        }
        read_to_end(&mut stream).await
    };
    record_failure::<E>(context, Instant::now() + context.limits.close_timeout.0, closing).await;
}

/// Ends TLS and TCP of a connection of `--mode echo`. If it has WebSocket, the Close frames have been exchanged.
pub(crate) async fn end_stream<E: Engine>(context: &Context, mut stream: Stream<E::Stream>, deadline: Instant) {
    let closing = async {
        stream.with(|stream| E::cork(stream.get_ref().tcp()));
        stream.shutdown().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
        read_to_end(&mut stream).await
    };
    record_failure::<E>(context, deadline, closing).await;
}

/// Reads to the end of the stream. An end without close_notify is a failure (truncation).
async fn read_to_end<S: Socket>(stream: &mut Stream<S>) -> Result<(), Failure> {
    let mut buffer = [0; 256];
    let mut discarded = 0;
    loop {
        match stream.read(&mut buffer).await {
            Ok(0) => return Ok(()),
            Ok(length) if discarded < MAX_DISCARDED => discarded += length,
            Ok(_) => {
                let text = "the server kept sending after its Close frame";
                return Err(Failure::new(ErrorPhase::Close, ErrorKind::Unexpected, text));
            }
            Err(error) => return Err(stream_failure(ErrorPhase::Close, error)),
        }
    }
}

/// Runs `closing` until the deadline and records its failure.
async fn record_failure<E: Engine>(
    context: &Context,
    deadline: Instant,
    closing: impl Future<Output = Result<(), Failure>>,
) {
    let closed = before::<E, _>(deadline, pin!(closing)).await;
    if let Err(failure) = closed.unwrap_or_else(|TimedOut| Err(timeout_failure(context))) {
        context.close_failed(failure);
    }
}

/// The server did not close the connection within `--close-timeout`.
pub(super) fn timeout_failure(context: &Context) -> Failure {
    let timeout = context.limits.close_timeout;
    let text = format!("the server did not close the connection within {timeout} (--close-timeout)");
    Failure::new(ErrorPhase::Close, ErrorKind::Timeout, text)
}
