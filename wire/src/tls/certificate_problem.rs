//! Why a client does not accept a server's certificate: [`CertificateProblem`], with a cure for each cause.

use std::cell::Cell;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

/// A cause, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// The certificate, or one in its chain, has expired.
    #[error("the server's certificate, or one of its CA certificates, expired on {0}; renew it, or use --insecure")]
    Expired(String),
    /// The certificate, or one in its chain, is not yet valid.
    #[error(
        "the server's certificate, or one of its CA certificates, is not valid before {0}; check the clock of this \
         machine, or use --insecure"
    )]
    NotYetValid(String),
    /// The extended key usage does not include servers.
    #[error(
        "the server's certificate is not for servers (its extended key usage lacks serverAuth); issue another one, or \
         use --insecure"
    )]
    NotForServers,
    /// It is a CA certificate.
    #[error(
        "the server's certificate is a CA certificate; issue a server certificate with basicConstraints=CA:FALSE, or \
         trust this certificate directly with --ca FILE"
    )]
    CaAsServer,
    /// It has no extensions.
    #[error(
        "the server's certificate has X.509 version 1, which cannot contain a host name; issue one of version 3, or \
         trust this certificate directly with --ca FILE"
    )]
    Version1,
    /// It is signed by itself.
    #[error("the server's certificate is self-signed; trust it with --ca FILE, or use --insecure")]
    SelfSigned,
    /// The server sent a root that is not trusted.
    #[error(
        "the CA of the server's certificate ({0}) is not trusted; give its certificate with --ca FILE, or use --insecure"
    )]
    UntrustedCa(String),
    /// A trusted CA has the name of the issuer, but another key.
    #[error(
        "the server's certificate is signed by a CA of the same name as a trusted one ({0}), but with another key; use \
         --ca FILE to give the CA that signed it, or --insecure"
    )]
    OtherIssuer(String),
    /// The chain ends before a trusted CA.
    #[error(
        "the chain of the server's certificate ends at the issuer {0}, which is neither trusted nor sent; have the \
         server send its intermediate certificates, give that issuer with --ca FILE, or use --insecure"
    )]
    IssuerMissing(String),
    /// Another reason, in the words of rustls.
    #[error("the server's certificate cannot be verified ({0}); replace it, or use --insecure")]
    Other(String),
}

thread_local! {
    /// What is wrong with the issuer of the latest certificate that this thread did not accept, if anything is. rustls has no
    /// place for it.
    static ISSUER: Cell<Option<CertificateProblem>> = const { Cell::new(None) };
}

/// Keeps what may be wrong with the issuer until the error is described. Both happen in the same poll of the handshake.
pub(super) fn keep_issuer(error: &Error, end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
    ISSUER.set(match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            let leaf = X509Certificate::from_der(end_entity).ok();
            leaf.map(|(_, leaf)| CertificateProblem::OtherIssuer(leaf.issuer().to_string()))
        }
        _ => unknown_issuer(end_entity, intermediates),
    });
}

/// Forgets what was kept of an earlier handshake.
pub(super) fn forget_issuer() {
    ISSUER.set(None);
}

/// What was kept of the certificate whose chain this thread could not verify; `None` if the signature of the handshake is
/// wrong.
pub(super) fn take_issuer() -> Option<CertificateProblem> {
    ISSUER.take()
}

fn unknown_issuer(end_entity: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) -> Option<CertificateProblem> {
    let (_, leaf) = X509Certificate::from_der(end_entity).ok()?;
    if leaf.issuer() == leaf.subject() {
        return Some(CertificateProblem::SelfSigned);
    }
    let last = intermediates.last().unwrap_or(end_entity);
    let (_, last) = X509Certificate::from_der(last).ok()?;
    Some(if last.issuer() == last.subject() {
        CertificateProblem::UntrustedCa(last.subject().to_string())
    } else {
        CertificateProblem::IssuerMissing(last.issuer().to_string())
    })
}

impl From<&CertificateError> for CertificateProblem {
    fn from(error: &CertificateError) -> Self {
        match error {
            CertificateError::ExpiredContext { not_after, .. } => Self::Expired(date(*not_after)),
            CertificateError::NotValidYetContext { not_before, .. } => Self::NotYetValid(date(*not_before)),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::NotForServers,
            CertificateError::UnknownIssuer => {
                ISSUER.take().unwrap_or_else(|| Self::IssuerMissing("unknown".to_owned()))
            }
            // rustls exposes these reasons of webpki as text only.
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => match ISSUER.take() {
                Some(Self::SelfSigned) => Self::SelfSigned,
                _ => Self::CaAsServer,
            },
            other if format!("{other:?}").contains("UnsupportedCertVersion") => Self::Version1,
            other => Self::Other(other.to_string()),
        }
    }
}

/// A date for people.
pub(super) fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    ASN1Time::from_timestamp(seconds).map_or_else(|_| "an unknown date".to_owned(), |time| time.to_string())
}
