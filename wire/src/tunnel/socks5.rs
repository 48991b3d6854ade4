//! SOCKS5.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_socks::tcp::Socks5Stream;
use tokio_socks::{Error, IntoTargetAddr, TargetAddr};

use super::{Tunnel, TunnelEnd, TunnelError};

pub(super) async fn open<S>(tunnel: &Tunnel, stream: &mut S) -> Result<(), TunnelError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let end: TargetAddr<'_> = match &tunnel.end {
        TunnelEnd::Address(address) => TargetAddr::Ip(*address),
        TunnelEnd::Name(host, port) => {
            (host.as_str(), *port).into_target_addr().map_err(|error| failure(tunnel, error))?
        }
    };
    let opened = match &tunnel.credentials {
        None => Socks5Stream::connect_with_socket(stream, end).await,
        Some(credentials) => {
            let (user, password) = (&credentials.user, &credentials.password);
            Socks5Stream::connect_with_password_and_socket(stream, end, user, password).await
        }
    };
    opened.map(drop).map_err(|error| failure(tunnel, error))
}

fn failure(tunnel: &Tunnel, error: Error) -> TunnelError {
    let end = tunnel.end.clone();
    let refused = |why: String, cure| TunnelError::Refused { end: tunnel.end.clone(), why, cure };
    match error {
        Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => TunnelError::Closed(end),
        Error::Io(error) => TunnelError::Io(error),
        Error::NoAcceptableAuthMethods => {
            let cure = "use --proxy-auth-file to give the credentials that it asks for";
            refused("it accepts none of the methods of authentication that were offered".to_owned(), cure)
        }
        Error::PasswordAuthFailure(_) => {
            refused("it rejected the user name or the password".to_owned(), "correct --proxy-auth-file")
        }
        Error::InvalidAuthValues(why) => refused(why.to_owned(), "correct --proxy-auth-file"),
        Error::ConnectionNotAllowedByRuleset => {
            refused("its rules do not allow it".to_owned(), "allow the host and port of the URL in the proxy")
        }
        Error::GeneralSocksServerFailure
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired
        | Error::AddressTypeNotSupported
        | Error::InvalidTargetAddress(_) => {
            refused(error.to_string().to_lowercase(), "check that the proxy reaches the server")
        }
        other => TunnelError::Malformed { protocol: "SOCKS5", why: other.to_string().to_lowercase() },
    }
}
