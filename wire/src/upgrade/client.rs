//! The client's end of the opening handshake (RFC 6455 section 4.1): sends the request and checks the response.
//!
//! It offers no extension but permessage-deflate, and follows no redirection itself. Informational responses before the final one are skipped (RFC 9110
//! section 15.2). The caller generates the key, so that it can use a seeded random
//! number generator.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use httparse::{EMPTY_HEADER, Header, Response, Status};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use wss_model::ErrorKind;

use super::accept_key::{BASE64, accept_key};
use super::deflate::{DeflateParameters, DeflatePolicy};
use super::head::{self, FIELDS_MAX, FieldError, HeadError};
use super::rejection::Rejection;
use super::run_nonce::RunNonce;
use crate::http2::Http2Error;

/// Limit on the bytes of the server quoted in an error.
const EXCERPT_MAX: usize = 80;
/// Limit on informational responses before the final one.
const INFORMATIONAL_MAX: usize = 8;

/// The upgrade request of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientUpgrade {
    /// The value of Host: the name and, unless it is the default of the scheme, the port.
    pub host: String,
    /// The path, with its leading slash and the query.
    pub path: String,
    /// The subprotocol to offer; if set, the server has to select it.
    pub subprotocol: Option<String>,
    /// The compression to offer; if set, the server has to select it.
    pub deflate: Option<DeflatePolicy>,
    /// Further header fields, each with its CRLF. They are sent as they are.
    pub fields: Arc<str>,
    /// The run, for a server whose statistics are read.
    pub run: Option<RunNonce>,
    /// A random nonce per connection (RFC 6455 section 4.1, point 7).
    pub key: [u8; 16],
    /// The largest response head, in bytes.
    pub max_head_size: usize,
}

/// The result of a handshake with a valid response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientHandshake {
    /// The selected subprotocol: the one offered.
    pub subprotocol: Option<String>,
    /// The compression that both ends agreed on: `Some` if it was offered.
    pub deflate: Option<DeflateParameters>,
    /// Bytes received after the response: the start of the WebSocket stream, for [`super::PrefixedStream`].
    pub leftover: Vec<u8>,
}

/// Why a connection did not become a WebSocket.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpgradeError {
    /// The request would be invalid; nothing was sent.
    #[error("the {what} {value:?} cannot be part of an upgrade request; it must be {rule}")]
    InvalidRequest {
        /// The name of the invalid part.
        what: &'static str,
        /// The invalid part.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// A status other than 101.
    #[error("{0}")]
    Status(Box<Rejection>),
    /// The response has no `Upgrade: websocket`.
    #[error("the server's 101 response has no Upgrade: websocket; check for a proxy in between")]
    NoUpgrade,
    /// The response has no `Connection: Upgrade`.
    #[error("the server's 101 response has no Connection: Upgrade; check for a proxy in between")]
    NoConnectionUpgrade,
    /// Sec-WebSocket-Accept is missing, repeated, or does not match the key.
    #[error("the server's Sec-WebSocket-Accept is {got} but must be {expected}; check for a cache in between")]
    BadAccept {
        /// The received value, escaped, or "missing" or "repeated".
        got: String,
        /// The value that matches the key.
        expected: String,
    },
    /// The server selected an extension, although none was offered.
    #[error("the server selected the extension {got:?}, which was not offered; disable it on the server")]
    UnexpectedExtension {
        /// The value of the response, escaped.
        got: String,
    },
    /// The server did not select the offered compression.
    #[error("the server does not support permessage-deflate; remove --deflate")]
    NoDeflate,
    /// The server's answer to the offer of compression is not acceptable.
    #[error(
        "the server answered the offer of permessage-deflate with {got:?}, but {problem}; remove the option that asks for it, \
         or --deflate"
    )]
    DeflateParameters {
        /// The value of the response, escaped.
        got: String,
        /// Why not.
        problem: &'static str,
    },
    /// The server selected a subprotocol that was not offered.
    #[error("the server selected the subprotocol {got:?}, which was not offered; offer it with --subprotocol")]
    UnexpectedSubprotocol {
        /// The value of the response, escaped.
        got: String,
    },
    /// The server did not select the offered subprotocol.
    #[error("the server does not support the subprotocol {offered:?}; change or remove --subprotocol")]
    NoSubprotocol {
        /// The offered subprotocol.
        offered: String,
    },
    /// The response head exceeds the limit of bytes or of fields.
    #[error(
        "the head of the server's response has more than {limit} bytes or {FIELDS_MAX} fields; check the port of the \
         URL, or raise --max-head-size"
    )]
    HeadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The response is a TLS record, such as an alert.
    #[error("the server speaks TLS on this port; use wss://")]
    Tls,
    /// The response is a SETTINGS frame of HTTP/2, or the server says so in another way.
    #[error("the server speaks only HTTP/2 on this port; add --http 2")]
    OnlyHttp2,
    /// HTTP/2 failed.
    #[error(transparent)]
    Http2(#[from] Http2Error),
    /// The response is not HTTP/1.1.
    #[error(
        "the server's response is not HTTP/1.1 ({why}); it starts with \"{start}\"; check the scheme and port of the URL"
    )]
    Malformed {
        /// What is wrong with it.
        why: String,
        /// Its first bytes, escaped.
        start: String,
    },
    /// The server ended the stream before its response was complete.
    #[error("the server closed the connection before its upgrade response was complete; check its log")]
    Eof,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl UpgradeError {
    /// The kind to count the error as.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::InvalidRequest { .. } => ErrorKind::InvalidRequest,
            Self::Status(_) => ErrorKind::Status,
            Self::NoUpgrade => ErrorKind::NoUpgrade,
            Self::NoConnectionUpgrade => ErrorKind::NoConnectionUpgrade,
            Self::BadAccept { .. } => ErrorKind::BadAccept,
            Self::UnexpectedExtension { .. } => ErrorKind::UnexpectedExtension,
            Self::DeflateParameters { .. } => ErrorKind::ExtensionParameters,
            Self::NoDeflate => ErrorKind::NoExtension,
            Self::UnexpectedSubprotocol { .. } => ErrorKind::UnexpectedSubprotocol,
            Self::NoSubprotocol { .. } => ErrorKind::NoSubprotocol,
            Self::HeadTooLarge { .. } => ErrorKind::HeadTooLarge,
            Self::Tls => ErrorKind::SpeaksTls,
            Self::OnlyHttp2 => ErrorKind::OnlyHttp2,
            Self::Http2(error) => error.kind(),
            Self::Malformed { .. } => ErrorKind::Malformed,
            Self::Eof => ErrorKind::Eof,
            Self::Io(_) => ErrorKind::Io,
        }
    }
}

/// Sends an upgrade request on `stream` and checks the response. The request is a single write, so that it is one segment
/// and one TLS record.
///
/// The call has no deadline of its own.
///
/// # Errors
///
/// [`UpgradeError`]; the stream is unusable afterwards.
pub async fn connect<S>(stream: &mut S, request: &ClientUpgrade) -> Result<ClientHandshake, UpgradeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(compose(request)?.as_bytes()).await?;
    stream.flush().await?;
    read_response(stream, request).await
}

/// Reads and checks the response to a request that was already sent, as TLS early data.
///
/// # Errors
///
/// [`UpgradeError`]; the stream is unusable afterwards.
pub async fn read_response<S>(stream: &mut S, request: &ClientUpgrade) -> Result<ClientHandshake, UpgradeError>
where
    S: AsyncRead + Unpin,
{
    let mut buffer = Vec::new();
    for _ in 0..=INFORMATIONAL_MAX {
        let end = read_head(stream, request, &mut buffer).await?;
        let (bytes, leftover) = buffer.split_at(end);
        match check(bytes, leftover, request, &BASE64.encode(request.key))? {
            Checked::Informational => drop(buffer.drain(..end)),
            Checked::Upgraded { subprotocol, deflate } => {
                return Ok(ClientHandshake { subprotocol, deflate, leftover: buffer.split_off(end) });
            }
        }
    }
    Err(malformed(format!("it is preceded by more than {INFORMATIONAL_MAX} informational responses"), &buffer))
}

/// Reads until `buffer` starts with a complete head, and returns its length.
async fn read_head<S>(stream: &mut S, request: &ClientUpgrade, buffer: &mut Vec<u8>) -> Result<usize, UpgradeError>
where
    S: AsyncRead + Unpin,
{
    match head::read_head(stream, b"HTTP/1.", request.max_head_size, buffer).await {
        Ok(end) => Ok(end),
        Err(HeadError::Malformed(why)) => Err(malformed(why, buffer)),
        Err(HeadError::TooLarge | HeadError::TooManyFields) => {
            Err(UpgradeError::HeadTooLarge { limit: request.max_head_size })
        }
        Err(HeadError::Eof) if buffer.is_empty() => Err(UpgradeError::Eof),
        Err(HeadError::Eof) if !b"HTTP/1.1 ".starts_with(&buffer[..buffer.len().min(9)]) => {
            Err(malformed("it ended after bytes that are not a status line", buffer))
        }
        Err(HeadError::Eof) => Err(UpgradeError::Eof),
        Err(HeadError::Io(error)) => Err(error.into()),
    }
}

/// Composes the request. Its parts are checked, because a line break in one of them would add a header field.
///
/// # Errors
///
/// Only [`UpgradeError::InvalidRequest`].
pub fn compose(request: &ClientUpgrade) -> Result<String, UpgradeError> {
    let ClientUpgrade { host, path, subprotocol, deflate, fields, run, .. } = request;
    let key = BASE64.encode(request.key);
    check_request(request)?;
    let subprotocol =
        subprotocol.as_ref().map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    let deflate = deflate.map(|policy| format!("Sec-WebSocket-Extensions: {}\r\n", policy.offer())).unwrap_or_default();
    let run = run.map(|run| format!("X-Wssbench-Run: {run}\r\n")).unwrap_or_default();
    Ok(format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{subprotocol}{deflate}{fields}{run}\r\n"
    ))
}

/// Checks the parts of a request.
///
/// # Errors
///
/// Only [`UpgradeError::InvalidRequest`].
pub(super) fn check_request(request: &ClientUpgrade) -> Result<(), UpgradeError> {
    let ClientUpgrade { host, path, subprotocol, .. } = request;
    let invalid = |what, value: &str, rule| Err(UpgradeError::InvalidRequest { what, value: value.into(), rule });
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return invalid("path", path, "a slash followed by printable ASCII without spaces and #");
    }
    if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#@,".contains(&byte)) {
        return invalid("host", host, "a name or an address, optionally with a port");
    }
    match subprotocol {
        Some(name) if name.is_empty() || !name.bytes().all(is_token_byte) => {
            invalid("subprotocol", name, "a token of letters, digits and !#$%&'*+-.^_`|~")
        }
        _ => Ok(()),
    }
}

/// A byte of a token (RFC 9110 section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn malformed(why: impl Into<String>, bytes: &[u8]) -> UpgradeError {
    // An alert, a handshake message; then the major version of every TLS (RFC 8446 section 5.1).
    if matches!(bytes, [0x15 | 0x16, 3, ..]) {
        return UpgradeError::Tls;
    }
    // A SETTINGS frame without flags, of stream 0, with which a server begins HTTP/2 (RFC 9113 section 3.4).
    if let [0, _, _, 4, rest @ ..] = bytes
        && rest.iter().take(5).all(|&byte| byte == 0)
    {
        return UpgradeError::OnlyHttp2;
    }
    UpgradeError::Malformed { why: why.into(), start: head::excerpt(bytes, EXCERPT_MAX) }
}

/// What a complete head is.
enum Checked {
    /// A response with another one to follow (RFC 9110 section 15.2).
    Informational,
    /// A valid 101.
    Upgraded { subprotocol: Option<String>, deflate: Option<DeflateParameters> },
}

/// Checks a complete response head (RFC 6455 section 4.1).
fn check(bytes: &[u8], leftover: &[u8], request: &ClientUpgrade, key: &str) -> Result<Checked, UpgradeError> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut response = Response::new(&mut fields);
    match response.parse(bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(malformed("there is no status line", bytes)),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(UpgradeError::HeadTooLarge { limit: request.max_head_size });
        }
        Err(error) => {
            let folded = head::folded_field(bytes).map(|name| {
                format!("its field {name} is folded over several lines, which RFC 9112 section 5.2 forbids")
            });
            return Err(malformed(folded.unwrap_or_else(|| error.to_string()), bytes));
        }
    }
    let status = response.code.unwrap_or_default();
    if (100..200).contains(&status) && status != 101 {
        return Ok(Checked::Informational);
    }
    if status != 101 {
        let reason = response.reason.unwrap_or_default();
        return Err(UpgradeError::Status(Box::new(Rejection::new(status, reason, response.headers, leftover))));
    }
    if response.version != Some(1) {
        return Err(malformed("status 101 requires HTTP/1.1", bytes));
    }
    let fields = &*response.headers;
    if !head::has_token(fields, "upgrade", "websocket") {
        return Err(UpgradeError::NoUpgrade);
    }
    if !head::has_token(fields, "connection", "upgrade") {
        return Err(UpgradeError::NoConnectionUpgrade);
    }
    check_accept(fields, key)?;
    let (subprotocol, deflate) = check_selected(fields, request)?;
    Ok(Checked::Upgraded { subprotocol, deflate })
}

/// Requires what was offered, of extensions and subprotocols.
pub(super) fn check_selected(
    fields: &[Header<'_>],
    request: &ClientUpgrade,
) -> Result<(Option<String>, Option<DeflateParameters>), UpgradeError> {
    let deflate = check_extensions(fields, request.deflate)?;
    Ok((check_subprotocol(fields, request.subprotocol.as_deref())?, deflate))
}

/// Requires the offered extension, or none if none was offered.
fn check_extensions(
    fields: &[Header<'_>],
    offered: Option<DeflatePolicy>,
) -> Result<Option<DeflateParameters>, UpgradeError> {
    let mut selected = head::values(fields, "sec-websocket-extensions");
    match (selected.next(), offered) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(UpgradeError::NoDeflate),
        (Some(got), Some(policy)) if selected.next().is_none() && got.starts_with(b"permessage-deflate") => {
            let checked = policy.check_response(got).map(Some);
            checked.map_err(|problem| UpgradeError::DeflateParameters { got: head::excerpt(got, EXCERPT_MAX), problem })
        }
        (Some(got), _) => Err(UpgradeError::UnexpectedExtension { got: head::excerpt(got, EXCERPT_MAX) }),
    }
}

/// Requires one Sec-WebSocket-Accept that matches the key.
fn check_accept(fields: &[Header<'_>], key: &str) -> Result<(), UpgradeError> {
    let expected = accept_key(key);
    let got = match head::only(fields, "sec-websocket-accept") {
        Ok(got) if got == expected.as_bytes() => return Ok(()),
        Ok(got) => format!("\"{}\"", head::excerpt(got, EXCERPT_MAX)),
        Err(FieldError::Missing) => "missing".into(),
        Err(FieldError::Repeated) => "repeated".into(),
    };
    Err(UpgradeError::BadAccept { got, expected })
}

/// Requires the offered subprotocol, or none if none was offered.
fn check_subprotocol(fields: &[Header<'_>], offered: Option<&str>) -> Result<Option<String>, UpgradeError> {
    match (head::only(fields, "sec-websocket-protocol"), offered) {
        (Err(FieldError::Missing), None) => Ok(None),
        (Err(FieldError::Missing), Some(offered)) => Err(UpgradeError::NoSubprotocol { offered: offered.into() }),
        (Ok(got), Some(offered)) if got == offered.as_bytes() => Ok(Some(offered.into())),
        (Ok(got), _) => Err(UpgradeError::UnexpectedSubprotocol { got: head::excerpt(got, EXCERPT_MAX) }),
        (Err(FieldError::Repeated), _) => Err(UpgradeError::UnexpectedSubprotocol { got: "more than one".into() }),
    }
}
