//! Which certificates a client trusts, and how much of them it verifies.

use std::sync::Arc;

use anyhow::Context;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, RootCertStore, SignatureScheme};
use wss_model::config::tls::Verify;

/// Which servers a client trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// Those with a CA in the certificate store of the system.
    System,
    /// Those with one of these CAs.
    Only(Vec<CertificateDer<'static>>),
    /// All: neither the chain nor the name is verified.
    Anyone {
        /// Whether the signature of the handshake is verified.
        signatures: bool,
    },
}

impl Trust {
    /// How much is verified.
    pub const fn verify(&self) -> Verify {
        match self {
            Self::System | Self::Only(_) => Verify::Full,
            Self::Anyone { signatures: true } => Verify::NoChain,
            Self::Anyone { signatures: false } => Verify::None,
        }
    }

    /// The verifier for rustls.
    ///
    /// # Errors
    /// If no trusted certificate can be read.
    pub(super) fn verifier(&self, crypto: &Arc<CryptoProvider>) -> anyhow::Result<Arc<dyn ServerCertVerifier>> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::Anyone { signatures } => {
                return Ok(Arc::new(AnyCertificate { crypto: Arc::clone(crypto), signatures: *signatures }));
            }
            Self::Only(certificates) => {
                for certificate in certificates {
                    roots.add(certificate.clone()).context("cannot use a certificate of --ca as a CA")?;
                }
            }
            Self::System => {
                let (used, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                anyhow::ensure!(
                    used > 0,
                    "the system has no store of trusted certificates; give --ca FILE, or --insecure to skip verification"
                );
            }
        }
        Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(crypto)).build()?)
    }
}

/// Accepts any chain and name; verifies the signature of the handshake if `signatures` is set.
#[derive(Debug)]
struct AnyCertificate {
    crypto: Arc<CryptoProvider>,
    signatures: bool,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if !self.signatures {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.crypto.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if !self.signatures {
            return Ok(HandshakeSignatureValid::assertion());
        }
        let algorithms = &self.crypto.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}
