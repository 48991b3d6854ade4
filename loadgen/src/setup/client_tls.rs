//! The client's end of TLS, for every verb that connects: trust, identity and expected server name.

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use wss_model::config::tls::{CertificateKind, Verify};
use wss_model::{RunConfig, TrustOptions};
use wss_wire::tls::{Identity, Pin, Role, Trust, read_certificates};

/// What the client trusts: the user's choice, else the CA of the embedded server, else the system store.
///
/// # Errors
/// If the CA file has no certificate, or a pin is not a hash.
pub(crate) fn trust(options: &TrustOptions, embedded_ca: Option<&str>) -> anyhow::Result<Trust> {
    let trust = match (options.verify(), &options.ca, embedded_ca) {
        (Verify::None, ..) => Trust::anyone(false),
        (Verify::NoChain, ..) => Trust::anyone(true),
        (Verify::Full, Some(path), _) => Trust::only(read_certificates(path)?),
        (Verify::Full, None, Some(pem)) => Trust::only(vec![certificate_of_pem(pem)?]),
        (Verify::Full, None, None) => Trust::system(),
    };
    let pins = options.pin_sha256.iter().map(|text| text.parse()).collect::<anyhow::Result<Vec<Pin>>>()?;
    Ok(trust.with_pins(pins))
}

/// The name that the server certificate must have.
///
/// # Errors
/// If no certificate can have such a name.
pub(crate) fn server_name(options: &TrustOptions, host: &str) -> anyhow::Result<ServerName<'static>> {
    let name = options.server_name.clone().unwrap_or_else(|| host.to_owned());
    ServerName::try_from(name.clone())
        .with_context(|| format!("invalid server name `{name}`; give a host name or an IP address (--server-name)"))
}

/// The client certificate, if the client has one: the user's files, or generated for the embedded server.
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

/// Parses a CA certificate that was generated at start.
///
/// # Errors
/// If the text is not a certificate.
pub(crate) fn certificate_of_pem(pem: &str) -> anyhow::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).context("cannot parse the generated CA certificate")
}
