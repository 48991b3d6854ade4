//! TLS: options made into a server's and a client's configuration, side by side from the same set, and the labels
//! of what they negotiate.
//!
//! Handshakes are full unless a run asks for something else: the server sends no tickets and the client keeps
//! none, so that nothing is resumed by accident.

mod certificates;
mod failure;
mod labels;

use std::sync::Arc;

use anyhow::Context;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme, SupportedProtocolVersion,
};
use wss_results::{TlsOptions, TlsVersion};

pub use self::certificates::{Identity, read_certificates};
pub use self::failure::TlsFailure;
pub use self::labels::{CertificateKinds, Label, LabelCounts, certificate_kind};

static ONLY_1_2: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
static ONLY_1_3: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// The versions that the options leave.
fn versions(options: &TlsOptions) -> &'static [&'static SupportedProtocolVersion] {
    match options.tls_version {
        Some(TlsVersion::V1_2) => &ONLY_1_2,
        Some(TlsVersion::V1_3) => &ONLY_1_3,
        None => rustls::ALL_VERSIONS,
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// The server's side.
///
/// # Errors
/// If the key does not fit the certificate, or the options leave nothing to negotiate.
pub fn server_config(options: &TlsOptions, identity: &Identity) -> anyhow::Result<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(options))?
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .context("using the certificate with its key")?;
    config.send_tls13_tickets = 0;
    // TLS 1.2 has session identifiers by default: a full handshake shall not cost the server a cache entry.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// Does on this thread what the first handshake would do for all later ones: seeding the generator of random numbers
/// takes aws-lc some 20 ms, which are no part of any handshake's cost but the first one's.
pub fn warm_up() {
    let provider = provider();
    let mut random = [0; 32];
    // A failure shows in the first handshake, where it is counted.
    let _ = provider.secure_random.fill(&mut random);
    for group in &provider.kx_groups {
        let _ = group.start();
    }
}

/// Whom a client trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The system's store.
    System,
    /// These certificates alone.
    Only(Vec<CertificateDer<'static>>),
    /// Everyone: neither chain nor name is checked. Signatures are, as they cost what they cost in production.
    Anyone,
}

impl Trust {
    /// What a result says of it.
    pub const fn verify(&self) -> &'static str {
        match self {
            Self::System | Self::Only(_) => "full",
            Self::Anyone => "none",
        }
    }
}

/// The client's side.
///
/// # Errors
/// If no trusted certificate can be read, or the options leave nothing to negotiate.
pub fn client_config(options: &TlsOptions, trust: &Trust) -> anyhow::Result<ClientConfig> {
    let provider = provider();
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions(options))?;
    let mut config = match trust {
        Trust::Anyone => {
            let verifier = Arc::new(SignaturesOnly(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
        }
        Trust::Only(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots.add(certificate.clone()).context("using a CA certificate")?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::System => {
            let mut roots = RootCertStore::empty();
            let (used, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            anyhow::ensure!(
                used > 0,
                "the system has no store of trusted certificates: give --ca FILE, or --insecure to trust everyone"
            );
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// `--insecure`: no chain, no name. The handshake's signature is verified as always.
#[derive(Debug)]
struct SignaturesOnly(Arc<CryptoProvider>);

impl ServerCertVerifier for SignaturesOnly {
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
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
