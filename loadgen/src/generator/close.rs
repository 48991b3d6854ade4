//! Closing: who ends first, and that both ends have.

use std::pin::pin;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wss_model::{ErrorKind, ErrorPhase};
use wss_wire::engine::{Engine, TimedOut, before};

use super::channel::{Channel, Received, Stream, stream_failure};
use super::record::Failure;
use super::worker::Context;

/// Bytes that a server may still send after its last word.
const DISCARD_MOST: usize = 1 << 20;

/// Closes a connection of `--mode handshake`. The generator ends first, or the server (`server_closes`): TIME_WAIT
/// falls on the side whose FIN is the first.
pub(crate) async fn close<E: Engine>(context: &Context, channel: Channel<E::Stream>, server_closes: bool) {
    let Channel { mut sender, mut receiver, mut stream } = channel;
    let closing = async {
        if !server_closes {
            stream.with(|stream| E::cork(stream.get_ref().tcp()));
        }
        sender.close().await.map_err(|error| error.failure(ErrorPhase::Close))?;
        if server_closes {
            // Without WebSocket there is no Close frame: close_notify asks for the end without ending TCP.
            stream.with(|stream| stream.get_mut().send_close_notify());
            stream.flush().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
        } else {
            stream.shutdown().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
        }
        loop {
            match receiver.receive(ErrorPhase::Close).await? {
                Received::Closed(_) => break,
                Received::Ping(_) => {}
                Received::Message(_) => {
                    let sentence = "the server sent a message after the Close frame";
                    return Err(Failure::new(ErrorPhase::Close, ErrorKind::Unexpected, sentence));
                }
            }
        }
        drain(&mut stream).await
    };
    settle::<E>(context, Instant::now() + context.limits.close_timeout.0, closing).await;
}

/// Ends a connection of `--mode echo` whose Close frames, if it has such, have been exchanged.
pub(crate) async fn finish<E: Engine>(context: &Context, mut stream: Stream<E::Stream>, deadline: Instant) {
    let closing = async {
        stream.with(|stream| E::cork(stream.get_ref().tcp()));
        stream.shutdown().await.map_err(|error| stream_failure(ErrorPhase::Close, error))?;
        drain(&mut stream).await
    };
    settle::<E>(context, deadline, closing).await;
}

/// Reads to the end of the stream. A server that ends without close_notify is told as truncation.
async fn drain<S: super::channel::Socket>(stream: &mut Stream<S>) -> Result<(), Failure> {
    let mut waste = [0; 256];
    let mut discarded = 0;
    loop {
        match stream.read(&mut waste).await {
            Ok(0) => return Ok(()),
            Ok(length) if discarded < DISCARD_MOST => discarded += length,
            Ok(_) => {
                let sentence = "the server goes on sending after its Close frame";
                return Err(Failure::new(ErrorPhase::Close, ErrorKind::Unexpected, sentence));
            }
            Err(error) => return Err(stream_failure(ErrorPhase::Close, error)),
        }
    }
}

async fn settle<E: Engine>(context: &Context, deadline: Instant, closing: impl Future<Output = Result<(), Failure>>) {
    let closed = before::<E, _>(deadline, pin!(closing)).await;
    if let Err(failure) = closed.unwrap_or_else(|TimedOut| Err(timed_out(context))) {
        context.fail_close(failure);
    }
}

/// The server did not end the connection in time.
pub(super) fn timed_out(context: &Context) -> Failure {
    let timeout = context.limits.close_timeout;
    let sentence = format!("the server did not end the connection within {timeout} (--close-timeout)");
    Failure::new(ErrorPhase::Close, ErrorKind::Timeout, sentence)
}
