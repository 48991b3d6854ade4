//! The client's side of TLS, for every verb that connects: whom it trusts, who it is, and whom it expects.

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use wss_model::config::tls::{CertificateKind, Verify};
use wss_model::{RunConfig, TrustOptions};
use wss_wire::tls::{Identity, Role, Trust, read_certificates};

/// Whom to trust: what the user says; else the embedded server's own CA, or the system's store.
///
/// # Errors
/// If the file holds no certificate.
pub(crate) fn trust(options: &TrustOptions, embedded_ca: Option<&str>) -> anyhow::Result<Trust> {
    match (options.verify(), &options.ca, embedded_ca) {
        (Verify::None, ..) => Ok(Trust::Anyone { signatures: false }),
        (Verify::NoChain, ..) => Ok(Trust::Anyone { signatures: true }),
        (Verify::Full, Some(path), _) => Ok(Trust::Only(read_certificates(path)?)),
        (Verify::Full, None, Some(pem)) => Ok(Trust::Only(vec![certificate_of_pem(pem)?])),
        (Verify::Full, None, None) => Ok(Trust::System),
    }
}

/// The name that the server's certificate has to have.
///
/// # Errors
/// If no certificate can have it.
pub(crate) fn server_name(options: &TrustOptions, host: &str) -> anyhow::Result<ServerName<'static>> {
    let name = options.server_name.clone().unwrap_or_else(|| host.to_owned());
    ServerName::try_from(name.clone()).with_context(|| format!("`{name}` is no name that a certificate can have"))
}

/// Who the client is, if it is to show it: from the user's files, or made here for the embedded server.
///
/// # Errors
/// If a file cannot be read, or its certificate is not valid today.
pub(crate) fn identity(config: &RunConfig) -> anyhow::Result<Option<Identity>> {
    if let (Some(certificate), Some(key)) = (&config.trust.client_cert, &config.trust.client_key) {
        return Identity::read(certificate, key).map(Some);
    }
    if !config.tls.mtls || !config.is_embedded() {
        return Ok(None);
    }
    let kind = config.tls.certificate_kind().unwrap_or(CertificateKind::EcdsaP256);
    let chain = config.tls.chain.unwrap_or(1);
    Identity::generate(Role::Client, &["wssbench".to_owned()], kind, chain).map(Some)
}

/// A CA that was made at start.
///
/// # Errors
/// If it is none.
pub(crate) fn certificate_of_pem(pem: &str) -> anyhow::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).context("reading a CA that was made at start")
}
