//! HTTP CONNECT.

use base64::Engine as _;
use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::{Tunnel, TunnelError};
use crate::upgrade::Rejection;
use crate::upgrade::accept_key::BASE64;
use crate::upgrade::head::{self, FIELDS_MAX, HeadError};

pub(super) async fn open<S>(tunnel: &Tunnel, stream: &mut S, max_head_size: usize) -> Result<(), TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let end = &tunnel.end;
    let mut request = format!("CONNECT {end} HTTP/1.1\r\nHost: {end}\r\n");
    if let Some(credentials) = &tunnel.credentials {
        let token = BASE64.encode(format!("{}:{}", credentials.user, credentials.password));
        request += &format!("Proxy-Authorization: Basic {token}\r\n");
    }
    request += "\r\n";
    stream.write_all(request.as_bytes()).await.map_err(TunnelError::Io)?;
    stream.flush().await.map_err(TunnelError::Io)?;

    let mut received = Vec::new();
    let length =
        head::read_head(stream, b"HTTP/", max_head_size, &mut received).await.map_err(|error| match error {
            HeadError::Malformed(why) => malformed(why),
            HeadError::TooLarge | HeadError::TooManyFields => malformed("the head of its response is too large"),
            HeadError::Eof => TunnelError::Closed(end.clone()),
            HeadError::Io(error) => TunnelError::Io(error),
        })?;
    let (head, leftover) = received.split_at(length);
    let mut fields = [EMPTY_HEADER; FIELDS_MAX];
    let mut response = Response::new(&mut fields);
    match response.parse(head) {
        Ok(Status::Complete(_)) => {}
        Ok(Status::Partial) => return Err(malformed("its response is incomplete")),
        Err(error) => return Err(malformed(error)),
    }
    let status = response.code.unwrap_or_default();
    if !(200..300).contains(&status) {
        let reason = response.reason.unwrap_or_default();
        let rejection = Box::new(Rejection::new(status, reason, response.headers, leftover));
        return Err(TunnelError::Status { end: end.clone(), rejection });
    }
    if leftover.is_empty() { Ok(()) } else { Err(malformed("it sent data before the tunnel was used")) }
}

fn malformed(why: impl ToString) -> TunnelError {
    TunnelError::Malformed { protocol: "HTTP/1.1", why: why.to_string() }
}

/// What to do about a status.
pub(super) fn cure(status: u16) -> &'static str {
    match status {
        407 => "give its credentials with --proxy-auth-file",
        400..=499 => "allow the host and port of the URL in the proxy",
        500..=599 => "check that the proxy reaches the server",
        _ => "check that it is an HTTP proxy",
    }
}
