//! What is said on the connection once it is there: upgrade → one echo → ping → Close. It is the generator's code for
//! the opening handshake and for frames, on a stream that never waits.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wss_model::trace_result::TracePhase;
use wss_wire::target::Target;
use wss_wire::upgrade::{self, ClientUpgrade, PrefixedStream, UpgradeError};
use wss_wire::websocket::{Message, OpCode, Reader, Role, SharedStream, WebSocketError, Writer, after_handshake};

use super::connection::Connection;

/// What the ping carries.
const PING: &[u8] = b"still there?";
/// The longest message that is taken back.
const MESSAGE_MOST: usize = 1 << 20;
/// The largest head of a response.
const HEAD_MOST: usize = 16 << 10;
/// Normal closure (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// What is to be said.
pub(super) struct Plan<'a> {
    pub(super) target: &'a Target,
    pub(super) subprotocol: Option<&'a str>,
    /// The nonce of the opening handshake.
    pub(super) key: [u8; 16],
    /// The text to be echoed; none: no echo is expected of the server.
    pub(super) message: Option<&'a str>,
}

/// Why it came to an end before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The stream failed.
    #[error(transparent)]
    Io(io::Error),
    /// The server did not do what it should.
    #[error("{0}")]
    Server(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<UpgradeError> for Failure {
    fn from(error: UpgradeError) -> Self {
        match error {
            UpgradeError::Io(error) => Self::Io(error),
            other => Self::Server(other.to_string()),
        }
    }
}

impl From<WebSocketError> for Failure {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::Io(error) => Self::Io(error),
            other => Self::Server(other.to_string()),
        }
    }
}

/// The stream of a WebSocket.
type Stream = SharedStream<PrefixedStream<SharedStream<Connection>>>;

/// Says all of it, up to and with the Close frames.
///
/// # Errors
/// The first thing that went wrong; the phase is on the connection's tape.
pub(super) fn talk(connection: &SharedStream<Connection>, plan: &Plan<'_>) -> Result<(), Failure> {
    let talking = async {
        if plan.target.layer.has_websocket() {
            websocket(connection, plan).await
        } else if let Some(message) = plan.message {
            raw(connection, message).await
        } else {
            Ok(())
        }
    };
    // Each of its waits is a call that blocks, so that one look is enough.
    match pin!(talking).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(talked) => talked,
        Poll::Pending => Err(Failure::Server("the conversation stopped without a reason".to_owned())),
    }
}

fn enter(connection: &SharedStream<Connection>, phase: TracePhase) {
    connection.with(|connection| connection.tape.phase = phase);
}

/// `tls://` and `tcp://`: bytes, and the same bytes back.
async fn raw(connection: &SharedStream<Connection>, message: &str) -> Result<(), Failure> {
    enter(connection, TracePhase::Echo);
    let mut stream = connection.clone();
    stream.write_all(message.as_bytes()).await?;
    let mut echo = vec![0; message.len()];
    stream.read_exact(&mut echo).await?;
    if echo == message.as_bytes() {
        Ok(())
    } else {
        Err(Failure::Server(
            "the server did not echo what was sent: --no-echo is for one that does not echo".to_owned(),
        ))
    }
}

async fn websocket(connection: &SharedStream<Connection>, plan: &Plan<'_>) -> Result<(), Failure> {
    enter(connection, TracePhase::Upgrade);
    let request = ClientUpgrade {
        host: plan.target.host_field(),
        path: plan.target.path.clone(),
        subprotocol: plan.subprotocol.map(str::to_owned),
        key: plan.key,
        max_head_size: HEAD_MOST,
    };
    let upgraded = upgrade::connect(&mut connection.clone(), &request).await?;
    let stream = SharedStream::new(PrefixedStream::new(connection.clone(), upgraded.leftover));
    let (mut reader, mut writer) = after_handshake(stream.clone(), stream, Role::Client, MESSAGE_MOST);

    if let Some(message) = plan.message {
        enter(connection, TracePhase::Echo);
        writer.send(OpCode::Text, message.as_bytes().into()).await?;
        answer(&mut reader, &mut writer, |came| matches!(came, Message::Text(text) if **text == *message.as_bytes()))
            .await?;
    }
    enter(connection, TracePhase::Ping);
    writer.send(OpCode::Ping, PING.into()).await?;
    answer(&mut reader, &mut writer, |came| matches!(came, Message::Pong(payload) if **payload == *PING)).await?;

    enter(connection, TracePhase::Close);
    writer.send_close(NORMAL, "").await?;
    // Before it comes what the server had sent when it did not know of this one.
    while !matches!(reader.next().await?, Message::Close(_)) {}
    Ok(())
}

/// Reads until what is waited for; pings are answered, other messages shown and passed over.
async fn answer(
    reader: &mut Reader<Stream>,
    writer: &mut Writer<Stream>,
    wanted: impl Fn(&Message) -> bool,
) -> Result<(), Failure> {
    loop {
        match reader.next().await? {
            came if wanted(&came) => return Ok(()),
            Message::Ping(payload) => writer.send_pong(payload).await?,
            Message::Close(close) => {
                let _ = writer.send_close_echo(close.as_ref()).await;
                let code = close.map_or("no code".to_owned(), |(code, _)| format!("the code {code}"));
                return Err(Failure::Server(format!("the server closed the WebSocket by itself, with {code}")));
            }
            _ => {}
        }
    }
}
