//! The session on an open connection: upgrade → one echo → ping → Close. It uses the generator's code for the opening
//! handshake and for frames, on a stream whose calls block.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use wss_model::trace_result::TracePhase;
use wss_wire::target::Target;
use wss_wire::tunnel::{Tunnel, TunnelError};
use wss_wire::upgrade::{self, ClientUpgrade, PrefixedStream, UpgradeError};
use wss_wire::websocket::{Message, OpCode, Reader, Role, SharedStream, WebSocketError, Writer, after_handshake};

use super::connection::Connection;

/// The payload of the ping.
const PING: &[u8] = b"still there?";
/// The longest message that is accepted.
const MAX_MESSAGE: usize = 1 << 20;
/// The longest head of a response.
const MAX_HEAD: usize = 16 << 10;
/// Normal closure (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// What the session sends.
pub(super) struct Plan<'a> {
    pub(super) target: &'a Target,
    pub(super) subprotocol: Option<&'a str>,
    /// The value of the Host field.
    pub(super) host: String,
    /// Further fields of the upgrade request, each with its CRLF.
    pub(super) fields: Arc<str>,
    /// The nonce of the opening handshake.
    pub(super) key: [u8; 16],
    /// The text to send and expect back; `None` expects no echo.
    pub(super) message: Option<&'a str>,
}

/// Why a session failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The stream failed.
    #[error(transparent)]
    Io(io::Error),
    /// The server broke the protocol.
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

impl From<TunnelError> for Failure {
    fn from(error: TunnelError) -> Self {
        match error {
            // The only deadline, which has a sentence of its own.
            TunnelError::Io(error) if error.kind() == io::ErrorKind::TimedOut => Self::Io(error),
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

/// The byte stream below the WebSocket.
type Stream = SharedStream<PrefixedStream<SharedStream<Connection>>>;

/// Opens a tunnel on the connection to a proxy, in the phase of the connect.
///
/// # Errors
/// If the proxy refuses, or does not speak the protocol.
pub(super) fn open_tunnel(connection: &SharedStream<Connection>, tunnel: &Tunnel) -> Result<(), Failure> {
    run_blocking(async {
        // Each answer is read as a whole, so that the trace shows it as one.
        let mut stream = BufReader::new(connection.clone());
        let mut opened = tunnel.open(&mut stream, MAX_HEAD).await;
        if let Err(TunnelError::Status { rejection, .. }) = &mut opened {
            rejection.read_body(&mut stream).await;
        }
        opened?;
        match stream.buffer() {
            [] => Ok(()),
            _ => Err(Failure::Server("the proxy sent data before the tunnel was used; check its log".to_owned())),
        }
    })
}

/// Runs the session, up to and including the Close frames.
///
/// # Errors
/// The first failure; the connection's capture has its phase.
pub(super) fn run(connection: &SharedStream<Connection>, plan: &Plan<'_>) -> Result<(), Failure> {
    run_blocking(async {
        if plan.target.layer.has_websocket() {
            websocket(connection, plan).await
        } else if let Some(message) = plan.message {
            raw(connection, message).await
        } else {
            Ok(())
        }
    })
}

/// Runs a conversation on a stream whose calls block.
fn run_blocking(conversation: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let yielded = Arc::new(Yielded(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&yielded));
    let mut conversation = pin!(conversation);
    // Every wait is a blocking call, so that it is pending only when it yields to tasks that do not exist here.
    loop {
        match conversation.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending if yielded.0.swap(false, Ordering::Relaxed) => {}
            Poll::Pending => return Err(Failure::Server("the session stopped without a reason".to_owned())),
        }
    }
}

/// Whether the session is to be polled again.
struct Yielded(AtomicBool);

impl Wake for Yielded {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn enter(connection: &SharedStream<Connection>, phase: TracePhase) {
    connection.with(|connection| connection.capture.phase = phase);
}

/// `tls://` and `tcp://`: sends bytes and expects them back.
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
            "the server did not echo what was sent; use --no-echo for a server that does not echo".to_owned(),
        ))
    }
}

async fn websocket(connection: &SharedStream<Connection>, plan: &Plan<'_>) -> Result<(), Failure> {
    enter(connection, TracePhase::Upgrade);
    let request = ClientUpgrade {
        host: plan.host.clone(),
        path: plan.target.path.clone(),
        subprotocol: plan.subprotocol.map(str::to_owned),
        deflate: None,
        fields: Arc::clone(&plan.fields),
        run: None,
        key: plan.key,
        max_head_size: MAX_HEAD,
    };
    let upgraded = match upgrade::connect(&mut connection.clone(), &request).await {
        Err(UpgradeError::Status(mut rejection)) => {
            rejection.read_body(&mut connection.clone()).await;
            return Err(UpgradeError::Status(rejection).into());
        }
        other => other?,
    };
    let stream = SharedStream::new(PrefixedStream::new(connection.clone(), upgraded.leftover));
    let (mut reader, mut writer) = after_handshake(stream.clone(), stream, Role::Client, MAX_MESSAGE);

    if let Some(message) = plan.message {
        enter(connection, TracePhase::Echo);
        writer.send(OpCode::Text, message.as_bytes().into()).await?;
        answer(
            &mut reader,
            &mut writer,
            |received| matches!(received, Message::Text(text) if **text == *message.as_bytes()),
        )
        .await?;
    }
    enter(connection, TracePhase::Ping);
    writer.send(OpCode::Ping, PING.into()).await?;
    answer(&mut reader, &mut writer, |message| matches!(message, Message::Pong(payload) if **payload == *PING)).await?;

    enter(connection, TracePhase::Close);
    writer.send_close(NORMAL, "").await?;
    // Messages that the server sent before it read this Close arrive first.
    while !matches!(reader.next().await?, Message::Close(_)) {}
    Ok(())
}

/// Reads until the wanted message; answers pings and skips other messages.
async fn answer(
    reader: &mut Reader<Stream>,
    writer: &mut Writer<Stream>,
    wanted: impl Fn(&Message) -> bool,
) -> Result<(), Failure> {
    loop {
        match reader.next().await? {
            message if wanted(&message) => return Ok(()),
            Message::Ping(payload) => writer.send_pong(payload).await?,
            Message::Close(close) => {
                let _ = writer.send_close_echo(close.as_ref()).await;
                let code = close.map_or("no code".to_owned(), |(code, _)| format!("code {code}"));
                return Err(Failure::Server(format!(
                    "the server closed the WebSocket before the client did, with {code}"
                )));
            }
            _ => {}
        }
    }
}
