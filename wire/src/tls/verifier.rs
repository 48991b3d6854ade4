//! Verifies the certificate of a server: [`ServerVerifier`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::certificate_problem::{forget_issuer, keep_issuer};
use super::pin::Pin;

/// Verifies what was asked for: the chain, a certificate that is trusted itself, pins, the signature of the handshake.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    /// For chains; `None` accepts every certificate.
    pub(super) chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are trusted themselves, byte for byte, whatever they say about their purpose.
    pub(super) named: Vec<CertificateDer<'static>>,
    /// Whether one of `named` was used.
    pub(super) named_used: Arc<AtomicBool>,
    /// The public keys that the server may have; empty for any.
    pub(super) pins: Vec<Pin>,
    pub(super) crypto: Arc<CryptoProvider>,
    /// Whether the signature of the handshake is verified.
    pub(super) signatures: bool,
}

impl ServerVerifier {
    fn verify_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
        tls13: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.signatures {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.crypto.signature_verification_algorithms;
        // webpki reads X.509 version 3 only.
        if ParsedCertificate::try_from(certificate).is_err() {
            return self.verify_with_key_of(certificate, message, signature);
        }
        match tls13 {
            true => rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms),
            false => rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms),
        }
    }

    /// Verifies a signature with the key of a certificate of any version.
    fn verify_with_key_of(
        &self,
        certificate: &CertificateDer<'_>,
        message: &[u8],
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let parsed = parse(certificate)?;
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        let bad_key = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
        let key = webpki::RawPublicKeyEntity::try_from(&key).map_err(bad_key)?;
        let mapping = self.crypto.signature_verification_algorithms.mapping;
        let (_, algorithms) = mapping
            .iter()
            .find(|(scheme, _)| *scheme == signature.scheme)
            .unwrap_or(&(SignatureScheme::Unknown(0), &[]));
        let valid =
            algorithms.iter().any(|algorithm| key.verify_signature(*algorithm, message, signature.signature()).is_ok());
        match valid {
            true => Ok(HandshakeSignatureValid::assertion()),
            false => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
        }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        forget_issuer();
        match &self.chain {
            Some(_) if self.named.contains(end_entity) => {
                check_named(end_entity, name, now)?;
                self.named_used.store(true, Ordering::Relaxed);
            }
            Some(chain) => {
                let verified = chain.verify_server_cert(end_entity, intermediates, name, ocsp, now);
                if let Err(error) = &verified {
                    keep_issuer(error, end_entity, intermediates);
                }
                verified?;
            }
            None => {}
        }
        if !self.pins.is_empty() {
            let found = Pin::of_key(parse(end_entity)?.public_key().raw);
            if !self.pins.contains(&found) {
                return Err(found.mismatch());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_signature(message, certificate, signature, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map(|(_, parsed)| parsed).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))
}

/// Checks the dates and the name of a certificate that is trusted itself. As OpenSSL and curl do, it takes the common name
/// for the host name if the certificate has no other.
fn check_named(certificate: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), Error> {
    let parsed = parse(certificate)?;
    let seconds = |time: ASN1Time| {
        UnixTime::since_unix_epoch(std::time::Duration::from_secs(time.timestamp().max(0).cast_unsigned()))
    };
    let (not_before, not_after) = (seconds(parsed.validity().not_before), seconds(parsed.validity().not_after));
    if now.as_secs() > not_after.as_secs() {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    if now.as_secs() < not_before.as_secs() {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if let (Ok(readable), Ok(Some(_))) = (ParsedCertificate::try_from(certificate), parsed.subject_alternative_name()) {
        return verify_server_name(&readable, name);
    }
    let common_names: Vec<&str> = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok()).collect();
    if common_names.iter().any(|common| common.eq_ignore_ascii_case(&name.to_str())) {
        return Ok(());
    }
    let presented = common_names.into_iter().map(str::to_owned).collect();
    Err(CertificateError::NotValidForNameContext { expected: name.to_owned(), presented }.into())
}
