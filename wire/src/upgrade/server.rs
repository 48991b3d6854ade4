//! The server's end of the opening handshake (RFC 6455 section 4.2): reads a request, judges it, answers it.
//!
//! It never sends back what the client chose: the one value taken over, the subprotocol, is one of the server's own.

use std::io;

use base64::Engine as _;
use httparse::{EMPTY_HEADER, Header, Request, Status};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::head::{self, Count, FIELDS_MAX, HeadError};
use super::{BASE64, accept_key};

/// What a server takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUpgrade {
    /// The one path, from its slash on; a request's query is not compared.
    pub path: String,
    /// The subprotocols it speaks, each a token. The client's order decides.
    pub subprotocols: Vec<String>,
    /// The largest request head, in bytes.
    pub max_head_size: usize,
}

impl Default for ServerUpgrade {
    fn default() -> Self {
        Self { path: "/".into(), subprotocols: Vec::new(), max_head_size: 16 * 1024 }
    }
}

/// A handshake that was answered with 101.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The path as the client sent it, with its query.
    pub path: String,
    /// The chosen subprotocol, if the client offered one that the server speaks.
    pub subprotocol: Option<String>,
    /// What the client sent behind its request: the start of the WebSocket stream, for [`super::Prefixed`].
    pub leftover: Vec<u8>,
}

/// Why a connection did not become a WebSocket.
#[derive(Debug, Error)]
pub enum UpgradeRefused {
    /// The request was answered with an HTTP error; the connection is to be ended.
    #[error("answered {status}: {reason}")]
    Refused {
        /// The status code of the answer.
        status: u16,
        /// The body of the answer: one sentence.
        reason: String,
    },
    /// The client ended the stream before its request was complete.
    #[error("the client ended the connection before its request was complete")]
    Eof,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl UpgradeRefused {
    /// A stable snake_case name, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Refused { status: 404, .. } => "wrong_path",
            Self::Refused { status: 405, .. } => "wrong_method",
            Self::Refused { status: 426, .. } => "upgrade_required",
            Self::Refused { status: 431, .. } => "head_too_large",
            Self::Refused { .. } => "bad_request",
            Self::Eof => "eof",
            Self::Io(_) => "io",
        }
    }
}

/// Reads a request from `stream` and answers it: with 101 if it opens a WebSocket at the right path, else with an HTTP
/// error and a sentence that says why. The answer is flushed in either case.
///
/// There is no deadline inside: put one around the whole call. After a refusal the client may still be sending (a head
/// over the limit is not read to its end), and closing a socket with unread bytes resets it, which can destroy the
/// answer on its way: shut down the writing side, then read and ignore for a bounded time.
///
/// # Errors
///
/// [`UpgradeRefused`] for every connection that did not become a WebSocket. A refusal whose answer could not be
/// written is still a refusal: its reason is what counts.
pub async fn accept<S>(stream: &mut S, options: &ServerUpgrade) -> Result<Accepted, UpgradeRefused>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    let judged = match head::read_head(stream, b"", options.max_head_size, &mut buffer).await {
        Ok(end) => judge(&buffer[..end], options).map(|granted| (end, granted)),
        Err(HeadError::Malformed(why)) => Err(Refusal::bad(format!("The request is not valid HTTP/1.1: {why}."))),
        Err(HeadError::TooLarge) => {
            Err(Refusal::new(431, format!("The request head is larger than {} bytes.", options.max_head_size)))
        }
        Err(HeadError::TooManyFields) => Err(too_many_fields()),
        Err(HeadError::Eof) => return Err(UpgradeRefused::Eof),
        Err(HeadError::Io(error)) => return Err(error.into()),
    };
    match judged {
        Ok((end, granted)) => {
            send(stream, &granted.answer).await?;
            let leftover = buffer.split_off(end);
            Ok(Accepted { path: granted.path, subprotocol: granted.subprotocol, leftover })
        }
        Err(refusal) => {
            let _ = send(stream, &refusal.answer()).await;
            Err(UpgradeRefused::Refused { status: refusal.status, reason: refusal.reason })
        }
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, answer: &str) -> io::Result<()> {
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}

/// A request that is granted.
struct Granted {
    path: String,
    subprotocol: Option<String>,
    answer: String,
}

/// A request that is not.
struct Refusal {
    status: u16,
    reason: String,
}

impl Refusal {
    fn new(status: u16, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    fn bad(reason: impl Into<String>) -> Self {
        Self::new(400, reason)
    }

    /// The whole response.
    fn answer(&self) -> String {
        let (phrase, fields) = match self.status {
            404 => ("Not Found", "Connection: close\r\n"),
            405 => ("Method Not Allowed", "Allow: GET\r\nConnection: close\r\n"),
            // RFC 9110 section 15.5.22 asks for Upgrade, and RFC 6455 section 4.2.2 for the version.
            426 => (
                "Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade, close\r\n",
            ),
            431 => ("Request Header Fields Too Large", "Connection: close\r\n"),
            _ => ("Bad Request", "Connection: close\r\n"),
        };
        let (status, length) = (self.status, self.reason.len() + 1);
        format!(
            "HTTP/1.1 {status} {phrase}\r\n{fields}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\n\r\n{}\n",
            self.reason
        )
    }
}

fn too_many_fields() -> Refusal {
    Refusal::new(431, format!("The request has more than {FIELDS_MAX} header fields."))
}

/// Judges a whole request head.
fn judge(bytes: &[u8], options: &ServerUpgrade) -> Result<Granted, Refusal> {
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut request = Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(Refusal::bad("The request has no request line.")),
        Err(httparse::Error::TooManyHeaders) => return Err(too_many_fields()),
        Err(error) => return Err(Refusal::bad(format!("The request is not valid HTTP/1.1: {error}."))),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Refusal::bad("The request has no request line."));
    };
    if version != 1 {
        return Err(Refusal::bad("A WebSocket is opened with HTTP/1.1, not with HTTP/1.0."));
    }
    let fields = &*request.headers;
    if method != "GET" {
        return Err(Refusal::new(405, "A WebSocket is opened with GET."));
    }
    judge_host(fields)?;
    let path = judge_target(target, options)?;
    judge_upgrade(fields)?;
    let key = judge_key(fields)?;
    Ok(grant(path, key, choose(fields, &options.subprotocols)))
}

/// Exactly one Host (RFC 9112 section 3.2), and no body, whose bytes would be taken for frames.
fn judge_host(fields: &[Header<'_>]) -> Result<(), Refusal> {
    match head::only(fields, "host") {
        Ok([]) | Err(Count::None) => return Err(Refusal::bad("The request has no Host.")),
        Err(Count::Several) => return Err(Refusal::bad("The request has more than one Host.")),
        Ok(_) => {}
    }
    let has_length = head::values(fields, "content-length").any(|length| length != b"0");
    if has_length || head::values(fields, "transfer-encoding").next().is_some() {
        return Err(Refusal::bad("The request that opens a WebSocket cannot have a body."));
    }
    Ok(())
}

/// The path and query of a request target, in origin form or absolute form (RFC 9112 section 3.2).
fn judge_target<'t>(target: &'t str, options: &ServerUpgrade) -> Result<&'t str, Refusal> {
    let path = match target.split_once("://") {
        // What stands before "://" is a scheme only if no path has begun; a query may contain the same.
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    };
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::bad("The request target is not a path."));
    }
    let without_query = path.split_once('?').map_or(path, |(path, _)| path);
    if without_query != options.path {
        return Err(Refusal::new(404, format!("There is nothing here; the WebSocket is at {}.", options.path)));
    }
    Ok(path)
}

/// An upgrade to version 13 of WebSocket (RFC 6455 section 4.2.1, points 3, 4 and 6).
fn judge_upgrade(fields: &[Header<'_>]) -> Result<(), Refusal> {
    if !head::has_token(fields, "upgrade", "websocket") {
        return Err(Refusal::new(426, "This is a WebSocket endpoint: ask for it with Upgrade: websocket."));
    }
    if !head::has_token(fields, "connection", "upgrade") {
        return Err(Refusal::new(426, "This is a WebSocket endpoint: the request lacks Connection: Upgrade."));
    }
    match head::only(fields, "sec-websocket-version") {
        Ok(b"13") => Ok(()),
        Err(Count::Several) => Err(Refusal::bad("The request has more than one Sec-WebSocket-Version.")),
        Err(Count::None) => Err(Refusal::new(426, "The request has no Sec-WebSocket-Version; it must be 13.")),
        Ok(_) => Err(Refusal::new(426, "The version of WebSocket spoken here is 13.")),
    }
}

/// The one key, 16 bytes in base64 (RFC 6455 section 4.2.1, point 5).
fn judge_key<'h>(fields: &'h [Header<'h>]) -> Result<&'h str, Refusal> {
    let key = match head::only(fields, "sec-websocket-key") {
        Ok(key) => key,
        Err(Count::None) => return Err(Refusal::bad("The request has no Sec-WebSocket-Key.")),
        Err(Count::Several) => return Err(Refusal::bad("The request has more than one Sec-WebSocket-Key.")),
    };
    let is_nonce = BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16);
    match std::str::from_utf8(key) {
        Ok(key) if is_nonce => Ok(key),
        _ => Err(Refusal::bad("The Sec-WebSocket-Key is not 16 bytes in base64.")),
    }
}

/// The first subprotocol offered that is supported. It is compared with case (RFC 6455 section 4.2.2).
fn choose<'o>(fields: &[Header<'_>], supported: &'o [String]) -> Option<&'o str> {
    head::elements(fields, "sec-websocket-protocol")
        .find_map(|offered| supported.iter().find(|ours| ours.as_bytes() == offered))
        .map(String::as_str)
}

fn grant(path: &str, key: &str, subprotocol: Option<&str>) -> Granted {
    let chosen = subprotocol.map(|ours| format!("Sec-WebSocket-Protocol: {ours}\r\n")).unwrap_or_default();
    let accept = accept_key(key);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{chosen}\r\n"
    );
    Granted { path: path.into(), subprotocol: subprotocol.map(Into::into), answer }
}
