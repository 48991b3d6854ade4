//! The client's end of the opening handshake (RFC 6455 section 4.1): asks, and believes only the right answer.
//!
//! It never offers an extension, never follows a redirection, and never makes the key: that is the caller's, whose
//! random numbers may be seeded.

use std::io;

use base64::Engine as _;
use httparse::{EMPTY_HEADER, Header, Response, Status};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use wss_model::ErrorKind;

use super::head::{self, Count, FIELDS_MAX, HeadError};
use super::{BASE64, accept_key};

/// How much of what a server sent is shown in an error.
const EXCERPT_MAX: usize = 80;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUpgrade {
    /// The value of Host: name and, if it is not the scheme's default, port.
    pub host: String,
    /// The path, from its slash on, with the query.
    pub path: String,
    /// The one subprotocol that is offered and then required.
    pub subprotocol: Option<String>,
    /// A nonce, chosen at random for each connection (RFC 6455 section 4.1, point 7).
    pub key: [u8; 16],
    /// The largest response head, in bytes.
    pub max_head_size: usize,
}

/// A handshake that the server answered rightly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// The agreed subprotocol: what was asked for.
    pub subprotocol: Option<String>,
    /// What the server sent behind its response: the start of the WebSocket stream, for [`super::Prefixed`].
    pub leftover: Vec<u8>,
}

/// Why there is no WebSocket.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// Nothing was sent, because the request would not have been valid.
    #[error("the {what} {value:?} cannot stand in a request: {rule}")]
    InvalidRequest {
        /// Which part.
        what: &'static str,
        /// The part as it was given.
        value: String,
        /// What it has to be.
        rule: &'static str,
    },
    /// A status other than 101.
    #[error(
        "the server answered {status} {reason} instead of 101 Switching Protocols{}: is there a WebSocket endpoint at \
         this path?", hint(.body)
    )]
    Status {
        /// The status code.
        status: u16,
        /// Its reason phrase, escaped.
        reason: String,
        /// The first line of the body, escaped, if it came with the head.
        body: Option<String>,
    },
    /// The response has no `Upgrade: websocket`.
    #[error("the server's 101 response does not say Upgrade: websocket: is there a proxy on the way?")]
    NoUpgrade,
    /// The response has no `Connection: Upgrade`.
    #[error("the server's 101 response does not say Connection: Upgrade: is there a proxy on the way?")]
    NoConnectionUpgrade,
    /// Sec-WebSocket-Accept is missing, doubled, or not the one of our key.
    #[error("the server's Sec-WebSocket-Accept is {got} but must be {expected}: did a cache answer in its place?")]
    BadAccept {
        /// What came, escaped; or "missing" or "there twice".
        got: String,
        /// What had to come.
        expected: String,
    },
    /// The server chose an extension, though none was offered.
    #[error("the server chose the extension {got:?} though none was offered: turn it off there")]
    UnexpectedExtension {
        /// What it chose, escaped.
        got: String,
    },
    /// The server chose a subprotocol that was not offered.
    #[error("the server chose the subprotocol {got:?}, which was not offered")]
    UnexpectedSubprotocol {
        /// What it chose, escaped.
        got: String,
    },
    /// The server did not choose the subprotocol that was offered.
    #[error("the server does not speak the subprotocol {asked:?}: ask for another one, or for none")]
    NoSubprotocol {
        /// What was offered.
        asked: String,
    },
    /// The response head passed the limit of bytes or of fields.
    #[error("the head of the server's response is larger than {limit} bytes or has more than {FIELDS_MAX} fields")]
    HeadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// What came is not an HTTP/1.1 response.
    #[error(
        "the server's answer is not HTTP/1.1 ({why}); it begins with \"{start}\": is this the right port and scheme?"
    )]
    Malformed {
        /// What is wrong with it.
        why: String,
        /// Its first bytes, escaped.
        start: String,
    },
    /// The server ended the stream before its response was complete.
    #[error("the server ended the connection before its response was complete")]
    Eof,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl UpgradeError {
    /// A stable snake_case name, for counting.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidRequest { .. } => ErrorKind::InvalidRequest,
            Self::Status { .. } => ErrorKind::Status,
            Self::NoUpgrade => ErrorKind::NoUpgrade,
            Self::NoConnectionUpgrade => ErrorKind::NoConnectionUpgrade,
            Self::BadAccept { .. } => ErrorKind::BadAccept,
            Self::UnexpectedExtension { .. } => ErrorKind::UnexpectedExtension,
            Self::UnexpectedSubprotocol { .. } => ErrorKind::UnexpectedSubprotocol,
            Self::NoSubprotocol { .. } => ErrorKind::NoSubprotocol,
            Self::HeadTooLarge { .. } => ErrorKind::HeadTooLarge,
            Self::Malformed { .. } => ErrorKind::Malformed,
            Self::Eof => ErrorKind::Eof,
            Self::Io(_) => ErrorKind::Io,
        }
    }
}

/// The part of a message about a status that tells what the server said.
fn hint(body: &Option<String>) -> String {
    body.as_ref().map(|line| format!(" (it says \"{line}\")")).unwrap_or_default()
}

/// Asks for a WebSocket on `stream` and checks the answer. The request is one write, so that it is one segment and one
/// TLS record.
///
/// There is no deadline inside: put one around the whole call.
///
/// # Errors
///
/// [`UpgradeError`]; the stream is of no use afterwards.
pub async fn connect<S>(stream: &mut S, request: &ClientUpgrade) -> Result<Upgraded, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(compose(request)?.as_bytes()).await?;
    stream.flush().await?;
    read_answer(stream, request).await
}

/// Reads the answer to a request that was sent (as TLS early data) and checks it.
///
/// # Errors
///
/// [`UpgradeError`]; the stream is of no use afterwards.
pub async fn read_answer<S>(stream: &mut S, request: &ClientUpgrade) -> Result<Upgraded, UpgradeError>
where
    S: AsyncRead + Unpin,
{
    let mut buffer = Vec::new();
    let end = match head::read_head(stream, b"HTTP/1.", request.max_head_size, &mut buffer).await {
        Ok(end) => end,
        Err(HeadError::Malformed(why)) => return Err(malformed(why, &buffer)),
        Err(HeadError::TooLarge | HeadError::TooManyFields) => {
            return Err(UpgradeError::HeadTooLarge { limit: request.max_head_size });
        }
        Err(HeadError::Eof) if buffer.is_empty() => return Err(UpgradeError::Eof),
        Err(HeadError::Eof) if !b"HTTP/1.1 ".starts_with(&buffer[..buffer.len().min(9)]) => {
            return Err(malformed("it ended after what is no status line", &buffer));
        }
        Err(HeadError::Eof) => return Err(UpgradeError::Eof),
        Err(HeadError::Io(error)) => return Err(error.into()),
    };
    let (bytes, leftover) = buffer.split_at(end);
    let subprotocol = judge(bytes, leftover, request, &BASE64.encode(request.key))?;
    Ok(Upgraded { subprotocol, leftover: buffer.split_off(end) })
}

/// The request; its parts are checked, because a line break in one of them would be a header line more.
///
/// # Errors
///
/// [`UpgradeError::InvalidRequest`] alone.
pub fn compose(request: &ClientUpgrade) -> Result<String, UpgradeError> {
    let ClientUpgrade { host, path, subprotocol, .. } = request;
    let key = BASE64.encode(request.key);
    let invalid = |what, value: &str, rule| Err(UpgradeError::InvalidRequest { what, value: value.into(), rule });
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return invalid("path", path, "it begins with a slash and has printable ASCII only, without space and #");
    }
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@,".contains(&byte)) {
        return invalid("host", host, "it is a name or an address, with a port at most");
    }
    let mut offer = String::new();
    if let Some(name) = subprotocol {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return invalid("subprotocol", name, "it is a token of letters, digits and !#$%&'*+-.^_`|~");
        }
        offer = format!("Sec-WebSocket-Protocol: {name}\r\n");
    }
    Ok(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    ))
}

/// A byte of a token (RFC 9110 section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn malformed(why: impl Into<String>, bytes: &[u8]) -> UpgradeError {
    UpgradeError::Malformed { why: why.into(), start: head::excerpt(bytes, EXCERPT_MAX) }
}

/// Judges a whole response head (RFC 6455 section 4.1, the points on the server's response). Returns the subprotocol.
fn judge(bytes: &[u8], leftover: &[u8], request: &ClientUpgrade, key: &str) -> Result<Option<String>, UpgradeError> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut response = Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(malformed("there is no status line", bytes)),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(UpgradeError::HeadTooLarge { limit: request.max_head_size });
        }
        Err(error) => return Err(malformed(error.to_string(), bytes)),
    }
    let status = response.code.unwrap_or_default();
    if status != 101 {
        let reason = head::excerpt(response.reason.unwrap_or_default().as_bytes(), EXCERPT_MAX);
        return Err(UpgradeError::Status { status, reason, body: first_line(leftover) });
    }
    if response.version != Some(1) {
        return Err(malformed("a 101 of HTTP/1.0 does not exist", bytes));
    }
    let fields = &*response.headers;
    if !head::has_token(fields, "upgrade", "websocket") {
        return Err(UpgradeError::NoUpgrade);
    }
    if !head::has_token(fields, "connection", "upgrade") {
        return Err(UpgradeError::NoConnectionUpgrade);
    }
    judge_accept(fields, key)?;
    if let Some(got) = head::values(fields, "sec-websocket-extensions").next() {
        return Err(UpgradeError::UnexpectedExtension { got: head::excerpt(got, EXCERPT_MAX) });
    }
    judge_subprotocol(fields, request.subprotocol.as_deref())
}

/// The first line of a body that has something in it.
fn first_line(body: &[u8]) -> Option<String> {
    let line = body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).find(|line| !line.is_empty())?;
    Some(head::excerpt(line, EXCERPT_MAX))
}

/// Sec-WebSocket-Accept, once and exactly right.
fn judge_accept(fields: &[Header<'_>], key: &str) -> Result<(), UpgradeError> {
    let expected = accept_key(key);
    let got = match head::only(fields, "sec-websocket-accept") {
        Ok(got) if got == expected.as_bytes() => return Ok(()),
        Ok(got) => format!("\"{}\"", head::excerpt(got, EXCERPT_MAX)),
        Err(Count::None) => "missing".into(),
        Err(Count::Several) => "there twice".into(),
    };
    Err(UpgradeError::BadAccept { got, expected })
}

/// The subprotocol, if and only if it was asked for.
fn judge_subprotocol(fields: &[Header<'_>], asked: Option<&str>) -> Result<Option<String>, UpgradeError> {
    match (head::only(fields, "sec-websocket-protocol"), asked) {
        (Err(Count::None), None) => Ok(None),
        (Err(Count::None), Some(asked)) => Err(UpgradeError::NoSubprotocol { asked: asked.into() }),
        (Ok(got), Some(asked)) if got == asked.as_bytes() => Ok(Some(asked.into())),
        (Ok(got), _) => Err(UpgradeError::UnexpectedSubprotocol { got: head::excerpt(got, EXCERPT_MAX) }),
        (Err(Count::Several), _) => Err(UpgradeError::UnexpectedSubprotocol { got: "more than one".into() }),
    }
}
