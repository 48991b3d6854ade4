//! Why a TLS handshake or a TLS stream failed, told apart for counting, and said so that one knows what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, Error};
use wss_model::ErrorKind;

/// A failure of TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFailure {
    /// The peer's certificate was not accepted.
    #[error("the server's certificate was not accepted: {0}; give its CA with --ca FILE, or --insecure")]
    Certificate(String),
    /// A self-signed certificate that says it is a CA's.
    #[error(
        "the server's certificate says that it is a CA's, and a CA's may not be a server's: make it with \
         basicConstraints=CA:FALSE, or use --insecure"
    )]
    CaAsServer,
    /// The certificate is for another name.
    #[error("the server's certificate is not for this name: {0}; give the right one with --server-name")]
    Name(String),
    /// The peer sent an alert.
    #[error("the peer refused with the alert {0:?}{hint}", hint = hint(*.0))]
    Alert(AlertDescription),
    /// What the peer sent is no TLS.
    #[error("the peer does not speak TLS on this port ({0})")]
    NotTls(String),
    /// Nothing in common, or a broken rule.
    #[error("TLS failed: {0}")]
    Protocol(String),
    /// The connection ended before its time, without close_notify.
    #[error("the peer ended the connection in the middle, without close_notify (truncated)")]
    Truncated,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Io(io::Error),
}

impl TlsFailure {
    /// Name for counting.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Certificate(_) | Self::CaAsServer => ErrorKind::Certificate,
            Self::Name(_) => ErrorKind::CertificateName,
            Self::Alert(_) => ErrorKind::Alert,
            Self::NotTls(_) => ErrorKind::NotTls,
            Self::Protocol(_) => ErrorKind::Protocol,
            Self::Truncated => ErrorKind::Truncated,
            Self::Io(_) => ErrorKind::Reset,
        }
    }
}

/// What a server means by an alert, for a client.
const fn hint(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::HandshakeFailure => {
            ": it takes none of the suites, groups or signatures that were offered (--suite, --group, --cert, --provider)"
        }
        AlertDescription::ProtocolVersion => ": it does not speak the version of TLS that was offered (--tls)",
        AlertDescription::NoApplicationProtocol => ": it has none of the protocols of --alpn",
        AlertDescription::CertificateRequired => {
            ": it demands a certificate of the client (--client-cert, --client-key)"
        }
        AlertDescription::UnrecognisedName => ": it does not know the name that was asked for (--server-name)",
        _ => "",
    }
}

impl From<io::Error> for TlsFailure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Truncated;
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            None => Self::Io(error),
            Some(Error::InvalidCertificate(
                reason @ (CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
            )) => Self::Name(reason.to_string()),
            // webpki's own words come as text alone.
            Some(Error::InvalidCertificate(reason)) if format!("{reason:?}").contains("CaUsedAsEndEntity") => {
                Self::CaAsServer
            }
            Some(Error::InvalidCertificate(reason)) => Self::Certificate(reason.to_string()),
            Some(Error::AlertReceived(alert)) => Self::Alert(*alert),
            Some(Error::InvalidMessage(reason)) => Self::NotTls(format!("{reason:?}")),
            Some(other) => Self::Protocol(other.to_string()),
        }
    }
}
