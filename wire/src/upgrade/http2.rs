//! The opening handshake over HTTP/2 (RFC 8441 section 5), the client's end: an extended CONNECT on a new connection.

use std::io;

use h2::ext::Protocol;
use http::header::{HeaderName, HeaderValue, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use http::uri::{Scheme, Uri};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use httparse::Header;
use tokio::io::{AsyncRead, AsyncWrite};

use super::client::{ClientHandshake, ClientUpgrade, UpgradeError, check_request, check_selected};
use super::head::FIELDS_MAX;
use super::rejection::Rejection;
use super::run_nonce;
use crate::http2::{Http2Error, Http2Stream};

/// Begins HTTP/2 on `transport`, sends the request and checks the response. Sec-WebSocket-Key is not sent, since HTTP/2 has no
/// Sec-WebSocket-Accept (RFC 8441 section 5).
///
/// A server that refuses the request has a body, which the stream returns. The call has no deadline of its own.
///
/// # Errors
///
/// [`UpgradeError`] as the second part of the pair if there is a response, else at once.
pub async fn connect<T>(
    transport: T,
    request: &ClientUpgrade,
    scheme: Scheme,
) -> Result<(Http2Stream<T>, Result<ClientHandshake, UpgradeError>), UpgradeError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let composed = compose(request, scheme)?;
    let failed = |error| failure(error, request);
    let mut stream = Http2Stream::begin(transport, request.max_head_size).await.map_err(failed)?;
    let response = stream.request(composed).await.map_err(failed)?;
    let checked = check(&response, request);
    Ok((stream, checked))
}

/// Composes the request.
fn compose(request: &ClientUpgrade, scheme: Scheme) -> Result<Request<()>, UpgradeError> {
    check_request(request)?;
    let invalid = |what, value: &str, rule| UpgradeError::InvalidRequest { what, value: value.to_owned(), rule };
    let uri = Uri::builder().scheme(scheme).authority(request.host.as_str()).path_and_query(request.path.as_str());
    let uri = uri.build().map_err(|_| {
        invalid("URL", &format!("{}{}", request.host, request.path), "a host, optionally with a port, and a path")
    })?;
    let mut composed = Request::new(());
    *composed.method_mut() = Method::CONNECT;
    *composed.uri_mut() = uri;
    composed.extensions_mut().insert(Protocol::from_static("websocket"));
    let fields = composed.headers_mut();
    fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Some(name) = &request.subprotocol {
        let value = HeaderValue::from_str(name).map_err(|_| invalid("subprotocol", name, "a token"))?;
        fields.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    if let Some(policy) = request.deflate {
        let offer = policy.offer();
        let value = HeaderValue::from_str(&offer).map_err(|_| invalid("extension", &offer, "printable ASCII"))?;
        fields.insert(SEC_WEBSOCKET_EXTENSIONS, value);
    }
    for line in request.fields.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        // Names become lowercase, as RFC 9113 section 8.2 requires.
        match (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.trim())) {
            (Ok(name), Ok(value)) => drop(fields.append(name, value)),
            _ => return Err(invalid("header field", name, "a name and a value")),
        }
    }
    if let Some(run) = request.run
        && let Ok(value) = HeaderValue::from_str(&run.to_string())
    {
        fields.insert(HeaderName::from_static(run_nonce::FIELD), value);
    }
    Ok(composed)
}

/// What an error of the stream means to the handshake.
fn failure(error: io::Error, request: &ClientUpgrade) -> UpgradeError {
    match (Http2Error::of(&error), error.kind()) {
        (Some(Http2Error::Tls), _) => UpgradeError::Tls,
        (Some(known), _) => UpgradeError::Http2(known.clone()),
        (None, io::ErrorKind::FileTooLarge) => UpgradeError::HeadTooLarge { limit: request.max_head_size },
        (None, io::ErrorKind::UnexpectedEof) if error.get_ref().is_none() => UpgradeError::Eof,
        (None, _) => UpgradeError::Io(error),
    }
}

/// Checks the head of the response. A status other than 200 does not open the stream for a WebSocket.
fn check(response: &Response<()>, request: &ClientUpgrade) -> Result<ClientHandshake, UpgradeError> {
    if response.headers().len() > FIELDS_MAX {
        return Err(UpgradeError::HeadTooLarge { limit: request.max_head_size });
    }
    let fields = fields(response.headers());
    if response.status() != StatusCode::OK {
        return Err(UpgradeError::Status(Box::new(Rejection::of_http2(response.status().as_u16(), &fields))));
    }
    let (subprotocol, deflate) = check_selected(&fields, request)?;
    Ok(ClientHandshake { subprotocol, deflate, leftover: Vec::new() })
}

fn fields(map: &HeaderMap) -> Vec<Header<'_>> {
    map.iter().map(|(name, value)| Header { name: name.as_str(), value: value.as_bytes() }).collect()
}
