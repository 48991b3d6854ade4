//! The server's end of the opening handshake (RFC 6455 section 4.2): reads a request, checks it, and responds.
//!
//! The response never contains bytes of the client: the subprotocol that it names is one of the server's options.

use std::io;

use base64::Engine as _;
use httparse::{EMPTY_HEADER, Header, Request, Status};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::accept_key::{BASE64, accept_key};
use super::deflate::{DeflateParameters, DeflatePolicy};
use super::head::{self, FIELDS_MAX, FieldError, HeadError};
use super::run_nonce::{self, RunNonce};

/// The upgrade requests that a server accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUpgrade {
    /// The path of the WebSocket, with its leading slash. The query of a request is not compared.
    pub path: String,
    /// The path at which a health check is answered with 200, if there is one.
    pub health_path: Option<String>,
    /// The supported subprotocols, each a token. The client's order of preference decides.
    pub subprotocols: Vec<String>,
    /// The compression to accept; `None` declines every offer.
    pub deflate: Option<DeflatePolicy>,
    /// The largest request head, in bytes.
    pub max_head_size: usize,
}

impl Default for ServerUpgrade {
    fn default() -> Self {
        Self { path: "/".into(), health_path: None, subprotocols: Vec::new(), deflate: None, max_head_size: 16 * 1024 }
    }
}

/// The result of a handshake that was answered with 101.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHandshake {
    /// The path of the request, with its query.
    pub path: String,
    /// The selected subprotocol, if the client offered one that the server supports.
    pub subprotocol: Option<String>,
    /// The compression that both ends agreed on.
    pub deflate: Option<DeflateParameters>,
    /// The run of the load generator, if the request names one.
    pub run: Option<RunNonce>,
    /// Bytes received after the request: the start of the WebSocket stream, for [`super::PrefixedStream`].
    pub leftover: Vec<u8>,
}

/// Why a connection did not become a WebSocket.
#[derive(Debug, Error)]
pub enum UpgradeRefusal {
    /// The request was answered with an HTTP error; the connection has to be closed.
    #[error("the upgrade request was answered with {}: {reason}", .status.code())]
    Answered {
        /// The status of the response.
        status: RefusalStatus,
        /// The body of the response: one sentence.
        reason: String,
    },
    /// The request was a health check, which was answered with 200; the connection has to be closed.
    #[error("the request was a health check")]
    HealthCheck,
    /// The client ended the stream before its request was complete.
    #[error("the client closed the connection before its request was complete")]
    Eof,
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The HTTP status of a response that refuses an upgrade request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalStatus {
    /// 400: the request breaks HTTP/1.1 or RFC 6455.
    BadRequest,
    /// 404: the path is not that of the WebSocket.
    NotFound,
    /// 405: the method is not GET.
    MethodNotAllowed,
    /// 426: the request does not ask for an upgrade to WebSocket version 13.
    UpgradeRequired,
    /// 431: the request head exceeds a limit.
    HeadTooLarge,
}

impl RefusalStatus {
    /// The status code.
    pub const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::UpgradeRequired => 426,
            Self::HeadTooLarge => 431,
        }
    }

    /// The reason phrase, and the header fields that the status requires.
    const fn phrase_and_fields(self) -> (&'static str, &'static str) {
        match self {
            Self::BadRequest => ("Bad Request", "Connection: close\r\n"),
            Self::NotFound => ("Not Found", "Connection: close\r\n"),
            Self::MethodNotAllowed => ("Method Not Allowed", "Allow: GET\r\nConnection: close\r\n"),
            // Upgrade is required by RFC 9110 section 15.5.22, the version by RFC 6455 section 4.2.2.
            Self::UpgradeRequired => (
                "Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nConnection: Upgrade, close\r\n",
            ),
            Self::HeadTooLarge => ("Request Header Fields Too Large", "Connection: close\r\n"),
        }
    }
}

/// The head of the response to a health check.
macro_rules! health_head {
    () => {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Length: 3\r\n\r\n"
    };
}

/// Reads a request from `stream` and responds: with 101 if it opens a WebSocket at the right path, with 200 if it is a health
/// check, else with an HTTP error and a sentence that gives the reason. The response is flushed in every case.
///
/// The call has no deadline of its own. After a refusal the client may still be sending (a head over the limit is not
/// read to its end), and closing a socket with unread bytes resets it, which can destroy the response in flight: shut
/// down the writing side, then read and discard for a limited time.
///
/// # Errors
///
/// [`UpgradeRefusal`] for every connection that did not become a WebSocket. If the response to a refused request cannot
/// be written, the error is still the refusal.
pub async fn accept<S>(stream: &mut S, options: &ServerUpgrade) -> Result<ServerHandshake, UpgradeRefusal>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut buffer = Vec::new();
    let checked = match head::read_head(stream, b"", options.max_head_size, &mut buffer).await {
        Ok(end) => check(&buffer[..end], options).map(|accepted| (end, accepted)),
        Err(HeadError::Malformed(why)) => Err(Refusal::bad(format!("The request is not valid HTTP/1.1: {why}."))),
        Err(HeadError::TooLarge) => Err(Refusal::new(
            RefusalStatus::HeadTooLarge,
            format!("The request head is larger than {} bytes.", options.max_head_size),
        )),
        Err(HeadError::TooManyFields) => Err(too_many_fields()),
        Err(HeadError::Eof) => return Err(UpgradeRefusal::Eof),
        Err(HeadError::Io(error)) => return Err(error.into()),
    };
    match checked {
        Ok((_, Accepted::HealthCheck { response })) => {
            send(stream, response).await?;
            Err(UpgradeRefusal::HealthCheck)
        }
        Ok((end, Accepted::WebSocket(Grant { path, subprotocol, deflate, run, response }))) => {
            send(stream, &response).await?;
            Ok(ServerHandshake { path, subprotocol, deflate, run, leftover: buffer.split_off(end) })
        }
        Err(refusal) => {
            let _ = send(stream, &refusal.response()).await;
            Err(UpgradeRefusal::Answered { status: refusal.status, reason: refusal.reason })
        }
    }
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, response: &str) -> io::Result<()> {
    stream.write_all(response.as_bytes()).await?;
    stream.flush().await
}

/// The outcome of a valid request.
enum Accepted {
    WebSocket(Grant),
    HealthCheck { response: &'static str },
}

/// A WebSocket to open.
struct Grant {
    path: String,
    subprotocol: Option<String>,
    deflate: Option<DeflateParameters>,
    run: Option<RunNonce>,
    response: String,
}

/// The outcome of any other request.
struct Refusal {
    status: RefusalStatus,
    reason: String,
}

impl Refusal {
    fn new(status: RefusalStatus, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }

    fn bad(reason: impl Into<String>) -> Self {
        Self::new(RefusalStatus::BadRequest, reason)
    }

    /// The whole response.
    fn response(&self) -> String {
        let (phrase, fields) = self.status.phrase_and_fields();
        let (code, length) = (self.status.code(), self.reason.len() + 1);
        format!(
            "HTTP/1.1 {code} {phrase}\r\n{fields}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {length}\r\n\r\n{}\n",
            self.reason
        )
    }
}

fn too_many_fields() -> Refusal {
    Refusal::new(RefusalStatus::HeadTooLarge, format!("The request has more than {FIELDS_MAX} header fields."))
}

/// Checks a complete request head.
fn check(bytes: &[u8], options: &ServerUpgrade) -> Result<Accepted, Refusal> {
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
    if options.health_path.is_some() && path(target).ok().map(without_query) == options.health_path.as_deref() {
        return health_check(method);
    }
    if version != 1 {
        return Err(Refusal::bad("A WebSocket requires HTTP/1.1; the request is HTTP/1.0."));
    }
    let fields = &*request.headers;
    if method != "GET" {
        return Err(Refusal::new(RefusalStatus::MethodNotAllowed, "A WebSocket is opened with GET."));
    }
    check_host(fields)?;
    let path = check_path(target, options)?;
    check_upgrade(fields)?;
    let key = check_key(fields)?;
    // For statistics only: anything else in this field is ignored.
    let run = head::only(fields, run_nonce::FIELD).ok().and_then(RunNonce::parse);
    let deflate = options.deflate.and_then(|policy| policy.accept(head::elements(fields, "sec-websocket-extensions")));
    Ok(Accepted::WebSocket(Grant { run, ..grant(path, key, select(fields, &options.subprotocols), deflate) }))
}

/// The response to a health check. Load balancers send HTTP/1.0 without a Host too, and HEAD.
fn health_check(method: &str) -> Result<Accepted, Refusal> {
    let response = match method {
        "GET" => concat!(health_head!(), "ok\n"),
        "HEAD" => health_head!(),
        _ => return Err(Refusal::new(RefusalStatus::MethodNotAllowed, "A health check is made with GET or HEAD.")),
    };
    Ok(Accepted::HealthCheck { response })
}

/// Requires exactly one Host (RFC 9112 section 3.2), and no body, whose bytes would be read as frames.
fn check_host(fields: &[Header<'_>]) -> Result<(), Refusal> {
    match head::only(fields, "host") {
        Ok([]) | Err(FieldError::Missing) => return Err(Refusal::bad("The request has no Host.")),
        Err(FieldError::Repeated) => return Err(Refusal::bad("The request has more than one Host.")),
        Ok(_) => {}
    }
    let has_length = head::values(fields, "content-length").any(|length| length != b"0");
    if has_length || head::values(fields, "transfer-encoding").next().is_some() {
        return Err(Refusal::bad("The request that opens a WebSocket cannot have a body."));
    }
    Ok(())
}

/// The path and query of a request target, in origin form or absolute form (RFC 9112 section 3.2).
fn path(target: &str) -> Result<&str, Refusal> {
    let path = match target.split_once("://") {
        // The text before "://" is a scheme only if it contains no slash; "://" may also occur in a query.
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |slash| &rest[slash..]),
        _ => target,
    };
    if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(Refusal::bad("The request target is not a path."));
    }
    Ok(path)
}

fn without_query(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// Requires the path of the WebSocket.
fn check_path<'t>(target: &'t str, options: &ServerUpgrade) -> Result<&'t str, Refusal> {
    let path = path(target)?;
    if without_query(path) != options.path {
        return Err(Refusal::new(RefusalStatus::NotFound, format!("The WebSocket is at the path {}.", options.path)));
    }
    Ok(path)
}

/// Requires an upgrade to version 13 of WebSocket (RFC 6455 section 4.2.1, points 3, 4 and 6).
fn check_upgrade(fields: &[Header<'_>]) -> Result<(), Refusal> {
    let required = |reason| Err(Refusal::new(RefusalStatus::UpgradeRequired, reason));
    if !head::has_token(fields, "upgrade", "websocket") {
        return required("This is a WebSocket endpoint; the request has no Upgrade: websocket.");
    }
    if !head::has_token(fields, "connection", "upgrade") {
        return required("This is a WebSocket endpoint; the request has no Connection: Upgrade.");
    }
    match head::only(fields, "sec-websocket-version") {
        Ok(b"13") => Ok(()),
        Err(FieldError::Repeated) => Err(Refusal::bad("The request has more than one Sec-WebSocket-Version.")),
        Err(FieldError::Missing) => required("The request has no Sec-WebSocket-Version; it must be 13."),
        Ok(_) => required("The Sec-WebSocket-Version must be 13."),
    }
}

/// Requires one key of 16 bytes in base64 (RFC 6455 section 4.2.1, point 5).
fn check_key<'h>(fields: &'h [Header<'h>]) -> Result<&'h str, Refusal> {
    let key = match head::only(fields, "sec-websocket-key") {
        Ok(key) => key,
        Err(FieldError::Missing) => return Err(Refusal::bad("The request has no Sec-WebSocket-Key.")),
        Err(FieldError::Repeated) => return Err(Refusal::bad("The request has more than one Sec-WebSocket-Key.")),
    };
    let is_nonce = BASE64.decode(key).is_ok_and(|nonce| nonce.len() == 16);
    match std::str::from_utf8(key) {
        Ok(key) if is_nonce => Ok(key),
        _ => Err(Refusal::bad("The Sec-WebSocket-Key is not 16 bytes in base64.")),
    }
}

/// The first offered subprotocol that is supported. The comparison is case-sensitive (RFC 6455 section 4.2.2).
fn select<'o>(fields: &[Header<'_>], supported: &'o [String]) -> Option<&'o str> {
    head::elements(fields, "sec-websocket-protocol")
        .find_map(|offered| supported.iter().find(|name| name.as_bytes() == offered))
        .map(String::as_str)
}

fn grant(path: &str, key: &str, subprotocol: Option<&str>, deflate: Option<(DeflateParameters, String)>) -> Grant {
    let selected = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    let (deflate, extension) = deflate.unzip();
    let extension = extension.map(|value| format!("Sec-WebSocket-Extensions: {value}\r\n")).unwrap_or_default();
    let accept = accept_key(key);
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{selected}{extension}\r\n"
    );
    Grant { path: path.into(), subprotocol: subprotocol.map(Into::into), deflate, run: None, response }
}
