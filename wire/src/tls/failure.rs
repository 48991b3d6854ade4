//! Why a TLS handshake or a TLS stream failed: a kind for counting, and a sentence with what to do.

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
use wss_model::ErrorKind;

use super::certificate_problem::{CertificateProblem, take_issuer};
use super::pin::PinMismatch;

/// A failure of TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsFailure {
    /// The peer's certificate was not accepted.
    #[error(transparent)]
    Certificate(CertificateProblem),
    /// The peer has another public key than those that are pinned.
    #[error(transparent)]
    Pin(PinMismatch),
    /// The signature of the handshake does not match the certificate.
    #[error("the server's signature does not match its certificate; check that nothing intercepts the connection")]
    Signature,
    /// The certificate is for another name.
    #[error("the server's certificate was not accepted: {0}; give one of its names with --server-name")]
    Name(String),
    /// The peer sent an alert.
    #[error("the peer sent the alert {0:?}{hint}", hint = hint(*.0))]
    Alert(AlertDescription),
    /// The peer sent bytes that are not TLS.
    #[error("the peer does not speak TLS on this port ({0}); check the port, or use ws:// or tcp://")]
    NotTls(String),
    /// Nothing in common, or a violation of the protocol.
    #[error("TLS failed: {0}; compare the TLS options of both ends")]
    Protocol(String),
    /// The connection ended without close_notify.
    #[error("the peer closed the connection without close_notify; check its log")]
    Truncated,
    /// The connection broke.
    #[error("the connection failed: {0}")]
    Io(io::Error),
}

impl TlsFailure {
    /// The kind to count the failure as.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Certificate(_) | Self::Pin(_) | Self::Signature => ErrorKind::Certificate,
            Self::Name(_) => ErrorKind::CertificateName,
            Self::Alert(_) => ErrorKind::Alert,
            Self::NotTls(_) => ErrorKind::NotTls,
            Self::Protocol(_) => ErrorKind::Protocol,
            Self::Truncated => ErrorKind::Truncated,
            Self::Io(_) => ErrorKind::Reset,
        }
    }
}

/// What a client can do about an alert of a server.
const fn hint(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::HandshakeFailure => {
            ": it supports none of the offered suites, groups or signatures; check --suite, --group, --cert and --provider"
        }
        AlertDescription::ProtocolVersion => ": it does not support the offered version of TLS; check --tls",
        AlertDescription::NoApplicationProtocol => {
            ": it supports none of the protocols of --alpn; change or remove --alpn, or use --http 2 if it speaks only HTTP/2"
        }
        AlertDescription::CertificateRequired => {
            ": it requires a client certificate; give --mtls with --client-cert and --client-key"
        }
        AlertDescription::UnrecognisedName => ": it does not know the requested name; check --server-name",
        _ => "",
    }
}

fn pin_mismatch(error: &CertificateError) -> Option<&PinMismatch> {
    let CertificateError::Other(other) = error else { return None };
    other.0.downcast_ref()
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
            Some(Error::InvalidCertificate(CertificateError::BadSignature)) => {
                take_issuer().map_or(Self::Signature, Self::Certificate)
            }
            Some(Error::InvalidCertificate(reason)) => match pin_mismatch(reason) {
                Some(mismatch) => Self::Pin(mismatch.clone()),
                None => Self::Certificate(reason.into()),
            },
            Some(Error::AlertReceived(alert)) => Self::Alert(*alert),
            Some(Error::InvalidMessage(InvalidMessage::HandshakePayloadTooLarge)) => Self::Protocol(
                "a handshake message is larger than 64 KiB, e.g. a long chain of certificates".to_owned(),
            ),
            Some(Error::InvalidMessage(reason)) => Self::NotTls(format!("{reason:?}")),
            Some(other) => Self::Protocol(other.to_string()),
        }
    }
}
