//! From a TCP or TLS connection to a WebSocket: the upgrade of HTTP/1.1, or the extended CONNECT of HTTP/2.

use std::io;
use std::pin::pin;
use std::time::{Duration, Instant};

use http::uri::Scheme;
use rustls::AlertDescription;
use tokio::io::AsyncRead;
use wss_model::ErrorPhase;
use wss_model::config::HttpVersion;
use wss_wire::engine::{Engine, before};
use wss_wire::http2::Http2Error;
use wss_wire::tls::TlsFailure;
use wss_wire::transport::Transport;
use wss_wire::upgrade::{self, ClientHandshake, ClientUpgrade, Rejection, UpgradeError};

use super::channel::stream_failure;
use super::destination::Destination;
use super::failure::Failure;

/// Time to wait for the body of a response that refuses the upgrade or the tunnel.
const BODY_TIMEOUT: Duration = Duration::from_millis(500);
/// The name of HTTP/2 over TLS in ALPN (RFC 9113 section 3.1).
pub(crate) const ALPN_HTTP2: &str = "h2";

/// The opening handshake. Returns the stream of the WebSocket, and what both ends agreed on.
/// `requested`: the request has already been sent as early data.
pub(super) async fn upgrade<E: Engine>(
    stream: Transport<E::Stream>,
    request: &ClientUpgrade,
    http: HttpVersion,
    requested: bool,
) -> Result<(Transport<E::Stream>, ClientHandshake), Failure> {
    open::<E>(stream, request, http, requested).await.map_err(failure)
}

/// [`upgrade`], with its own error; a response that refuses has been read.
///
/// # Errors
/// If the server does not open a WebSocket.
pub(crate) async fn open<E: Engine>(
    mut stream: Transport<E::Stream>,
    request: &ClientUpgrade,
    http: HttpVersion,
    requested: bool,
) -> Result<(Transport<E::Stream>, ClientHandshake), UpgradeError> {
    let upgraded = match (http, requested) {
        // Boxed, so that the future of a handshake with HTTP/1.1 does not grow.
        (HttpVersion::Http2, _) => return Box::pin(open_http2::<E>(stream, request)).await,
        (HttpVersion::Http1, true) => upgrade::read_response(&mut stream, request).await,
        (HttpVersion::Http1, false) => upgrade::connect(&mut stream, request).await,
    };
    match upgraded {
        Ok(upgraded) => Ok((stream, upgraded)),
        Err(error) => Err(with_body::<E>(error, &mut stream).await),
    }
}

async fn open_http2<E: Engine>(
    stream: Transport<E::Stream>,
    request: &ClientUpgrade,
) -> Result<(Transport<E::Stream>, ClientHandshake), UpgradeError> {
    // RFC 8441 section 5: https for wss, http for ws.
    let scheme = if matches!(stream, Transport::Tls(_)) { Scheme::HTTPS } else { Scheme::HTTP };
    let (mut stream, checked) = upgrade::http2::connect(stream, request, scheme).await?;
    match checked {
        Ok(upgraded) => Ok((Transport::Http2(Box::new(stream)), upgraded)),
        Err(error) => Err(with_body::<E>(error, &mut stream).await),
    }
}

/// The error, with the body of the response if that refuses.
async fn with_body<E: Engine>(mut error: UpgradeError, stream: &mut (impl AsyncRead + Unpin)) -> UpgradeError {
    if let UpgradeError::Status(rejection) = &mut error {
        read_body::<E>(rejection, stream).await;
    }
    error
}

/// Reads the start of a body that a peer may never end.
pub(super) async fn read_body<E: Engine>(rejection: &mut Rejection, stream: &mut (impl AsyncRead + Unpin)) {
    let _ = before::<E, _>(Instant::now() + BODY_TIMEOUT, pin!(rejection.read_body(stream))).await;
}

/// The failure for an error of the opening handshake.
pub(crate) fn failure(error: UpgradeError) -> Failure {
    match error {
        // With TLS 1.3 the alert of a server that rejects the client arrives only now.
        UpgradeError::Io(error) => stream_failure(ErrorPhase::Upgrade, error),
        error => Failure::new(ErrorPhase::Upgrade, error.kind(), error.to_string()),
    }
}

/// Checks that the server selected HTTP/2, if it was offered.
pub(super) fn check_alpn(http: HttpVersion, selected: Option<&[u8]>) -> Result<(), Failure> {
    match http {
        HttpVersion::Http2 if selected != Some(ALPN_HTTP2.as_bytes()) => Err(not_selected()),
        HttpVersion::Http1 | HttpVersion::Http2 => Ok(()),
    }
}

fn not_selected() -> Failure {
    let error = Http2Error::NotSelected;
    Failure::new(ErrorPhase::Tls, error.kind(), error.to_string())
}

/// The failure for an error of the TLS handshake. A server that answers with no_application_protocol (RFC 7301 section 3.2)
/// speaks another version of HTTP, unless the protocols are those of `--alpn`.
pub(super) fn tls_failure(destination: &Destination, error: io::Error) -> Failure {
    let failure = TlsFailure::from(error);
    let alpn = destination.tls.as_ref().map(|tls| tls.options.alpn.as_slice()).unwrap_or_default();
    let is_alpn = matches!(failure, TlsFailure::Alert(AlertDescription::NoApplicationProtocol));
    match destination.http {
        HttpVersion::Http2 if is_alpn => not_selected(),
        HttpVersion::Http1 if is_alpn && alpn.is_empty() && destination.target.layer.has_websocket() => {
            let error = UpgradeError::OnlyHttp2;
            Failure::new(ErrorPhase::Tls, error.kind(), error.to_string())
        }
        _ => Failure::new(ErrorPhase::Tls, failure.kind(), failure.to_string()),
    }
}

/// The failure for an error of a stream, if HTTP/2 is the cause.
pub(super) fn http2_failure(phase: ErrorPhase, error: &io::Error) -> Option<Failure> {
    Http2Error::of(error).map(|error| Failure::new(phase, error.kind(), error.to_string()))
}
